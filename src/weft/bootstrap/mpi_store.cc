// The store "mpi": rank 0 holds a rendezvous server and tells the others over MPI where it is and what admits to it.
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>

#include <cstdio>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "weft/base/byte_codec.h"
#include "weft/base/communication_error.h"
#include "weft/bootstrap/mpi_process.h"
#include "weft/bootstrap/rendezvous_store.h"
#include "weft/bootstrap/store.h"
#include "weft/rendezvous/server.h"

namespace weft::mpi {
namespace {

using namespace std::chrono_literals;

/// What rank 0 tells is this long, padded.
constexpr size_t kTold = 8192;
/// How long rank 0 keeps the server for ranks that have not left yet.
constexpr Duration kLinger = 5s;

/// Bytes that nobody can guess, as hexadecimal digits.
std::string Random(int words) {
  std::random_device device;
  std::string text;
  for (int i = 0; i < words; ++i) {
    char word[9];
    std::snprintf(word, sizeof(word), "%08x", device());
    text += word;
  }
  return text;
}

/// Addresses of this host by which others may reach it.
std::vector<std::string> HostAddresses() {
  std::vector<std::string> found;
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return found;
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET) continue;
    if ((one->ifa_flags & IFF_UP) == 0 || (one->ifa_flags & IFF_LOOPBACK) != 0) continue;
    char host[NI_MAXHOST];
    if (::getnameinfo(one->ifa_addr, sizeof(sockaddr_in), host, sizeof(host), nullptr, 0, NI_NUMERICHOST) == 0) {
      found.emplace_back(host);
    }
  }
  ::freeifaddrs(all);
  return found;
}

struct Place {
  MPI_Comm comm = MPI_COMM_NULL;
  int rank = 0;
  int size = 1;
  bool one_host = false;
};

/// What rank 0 tells the others.
struct Told {
  std::string problem;  // empty where all is well
  std::vector<std::string> addresses;
  std::string key;
  std::string job;
  std::string secret;

  std::string Encode() const {
    ByteWriter writer;
    writer.PutString(problem).Put(static_cast<uint32_t>(addresses.size()));
    for (const std::string& address : addresses) writer.PutString(address);
    return writer.PutString(key).PutString(job).PutString(secret).Take();
  }
  static arrow::Result<Told> Decode(std::string_view bytes) {
    ByteReader reader(bytes);
    Told told;
    ARROW_ASSIGN_OR_RAISE(told.problem, reader.GetString());
    ARROW_ASSIGN_OR_RAISE(const auto count, reader.Get<uint32_t>());
    for (uint32_t i = 0; i < count; ++i) {
      ARROW_ASSIGN_OR_RAISE(const auto address, reader.GetString());
      told.addresses.emplace_back(address);
    }
    ARROW_ASSIGN_OR_RAISE(told.key, reader.GetString());
    ARROW_ASSIGN_OR_RAISE(told.job, reader.GetString());
    ARROW_ASSIGN_OR_RAISE(told.secret, reader.GetString());
    return told;
  }
};

/// A collective of MPI's that does not block, waited for within the store's bound.
template <typename Start>
arrow::Status Collect(const StoreOptions& options, const char* name, Start&& start) {
  MPI_Request request = MPI_REQUEST_NULL;
  {
    const std::lock_guard lock(ProcessLock());
    ARROW_RETURN_NOT_OK(Check(start(&request), name));
  }
  return WaitFor(&request, Deadline::After(options.connect_timeout), options.check_interrupt, "init",
                 "not all ranks of MPI's communicator have come to the store: does each of them call weft.init?");
}

arrow::Result<Place> FindPlace(const StoreOptions& options) {
  ARROW_RETURN_NOT_OK(EnsureInitialized());
  Place place;
  ARROW_ASSIGN_OR_RAISE(place.comm, FromNative(options.native_communicator));
  char name[MPI_MAX_PROCESSOR_NAME] = "";
  int length = 0;
  {
    const std::lock_guard lock(ProcessLock());
    ARROW_RETURN_NOT_OK(Check(MPI_Comm_rank(place.comm, &place.rank), "MPI_Comm_rank"));
    ARROW_RETURN_NOT_OK(Check(MPI_Comm_size(place.comm, &place.size), "MPI_Comm_size"));
    ARROW_RETURN_NOT_OK(Check(MPI_Get_processor_name(name, &length), "MPI_Get_processor_name"));
  }
  // On the heap and never freed where the wait fails: MPI may write to it later.
  auto own = std::make_unique<std::string>(name, sizeof(name));
  auto all = std::make_unique<std::string>(sizeof(name) * static_cast<size_t>(place.size), '\0');
  const arrow::Status gathered = Collect(options, "MPI_Iallgather", [&](MPI_Request* request) {
    return MPI_Iallgather(own->data(), MPI_MAX_PROCESSOR_NAME, MPI_BYTE, all->data(), MPI_MAX_PROCESSOR_NAME, MPI_BYTE,
                          place.comm, request);
  });
  if (!gathered.ok()) {
    own.release();  // NOLINT(bugprone-unused-return-value)
    all.release();  // NOLINT(bugprone-unused-return-value)
    return gathered;
  }
  place.one_host = true;
  for (size_t i = 0; i < static_cast<size_t>(place.size); ++i) {
    place.one_host = place.one_host && all->compare(i * sizeof(name), sizeof(name), *own) == 0;
  }
  return place;
}

/// Starts the server on rank 0. Where that fails, all ranks are told why.
Told Serve(const Place& place, std::unique_ptr<RendezvousServer>* server) {
  Told told;
  RendezvousServerOptions options;
  options.host = place.one_host ? "127.0.0.1" : "0.0.0.0";
  options.key = told.key = Random(8);
  auto started = RendezvousServer::Start(options);
  if (!started.ok()) {
    told.problem = "rank 0 cannot start a rendezvous server: " + started.status().message();
    return told;
  }
  *server = *std::move(started);
  const std::string port = ":" + std::to_string((*server)->port());
  if (place.one_host) {
    told.addresses.push_back("127.0.0.1" + port);
  } else {
    for (const std::string& host : HostAddresses()) told.addresses.push_back(host + port);
    if (told.addresses.empty()) told.problem = "the host of rank 0 has no address that others could reach";
  }
  told.job = "mpi-" + Random(4);
  told.secret = Random(8);
  return told;
}

arrow::Result<Told> Tell(const Place& place, const StoreOptions& options, Told told) {
  auto bytes = std::make_unique<std::string>(told.Encode());
  if (bytes->size() > kTold) return arrow::Status::Invalid("the host of rank 0 has too many addresses");
  bytes->resize(kTold);
  const arrow::Status sent = Collect(options, "MPI_Ibcast", [&](MPI_Request* request) {
    return MPI_Ibcast(bytes->data(), static_cast<int>(kTold), MPI_BYTE, 0, place.comm, request);
  });
  if (!sent.ok()) {
    bytes.release();  // NOLINT(bugprone-unused-return-value)
    return sent;
  }
  ARROW_ASSIGN_OR_RAISE(told, Told::Decode(*bytes));
  if (!told.problem.empty()) return arrow::Status::IOError(told.problem);
  return told;
}

class MpiStore : public RendezvousStore {
 public:
  MpiStore(std::unique_ptr<RendezvousClient> client, std::unique_ptr<RendezvousServer> server, StoreJob job)
      : RendezvousStore(std::move(client)), server_(std::move(server)), job_(std::move(job)) {}

  ~MpiStore() override {
    if (server_ == nullptr) return;
    // This rank's own connection is one of them.
    const Deadline deadline = Deadline::After(kLinger);
    while (server_->statistics().connections > 1 && !deadline.Passed()) std::this_thread::sleep_for(1ms);
  }

  StoreJob job() const override { return job_; }

 private:
  std::unique_ptr<RendezvousServer> server_;
  StoreJob job_;
};

arrow::Result<std::unique_ptr<RendezvousClient>> Connect(const Told& told, const StoreOptions& options) {
  RendezvousClientOptions client_options;
  client_options.key = told.key;
  client_options.call_timeout = options.call_timeout;
  client_options.check_interrupt = options.check_interrupt;
  // Several addresses: most hosts can reach one of them at once, and the others not at all.
  client_options.connect_timeout =
      told.addresses.size() == 1 ? options.connect_timeout : std::min<Duration>(options.connect_timeout, 2s);
  arrow::Status last;
  for (const std::string& address : told.addresses) {
    ARROW_ASSIGN_OR_RAISE(const Endpoint server, ParseEndpoint(address));
    auto client = RendezvousClient::Connect(server, client_options);
    if (client.ok()) return client;
    last = client.status();
  }
  return last;
}

arrow::Result<std::shared_ptr<Store>> OpenMpiStore(const std::string& url, const StoreOptions& options) {
  if (url != "mpi") return arrow::Status::Invalid("the store 'mpi' has no address: MPI knows the ranks");
  ARROW_ASSIGN_OR_RAISE(const Place place, FindPlace(options));
  std::unique_ptr<RendezvousServer> server;
  Told told;
  if (place.rank == 0) told = Serve(place, &server);
  ARROW_ASSIGN_OR_RAISE(told, Tell(place, options, std::move(told)));
  auto connected = Connect(told, options);
  // The server stays until all have come to it, whatever rank 0 then makes of its own arguments.
  ARROW_RETURN_NOT_OK(
      Collect(options, "MPI_Ibarrier", [&](MPI_Request* request) { return MPI_Ibarrier(place.comm, request); }));
  ARROW_ASSIGN_OR_RAISE(auto client, std::move(connected));
  StoreJob job{.job = told.job, .secret = told.secret, .rank = place.rank, .world_size = place.size};
  return std::make_shared<MpiStore>(std::move(client), std::move(server), std::move(job));
}

}  // namespace
}  // namespace weft::mpi

WEFT_EXPORT_STORE(::weft::mpi::OpenMpiStore);
