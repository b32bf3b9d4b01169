#include "weft/backends/gloo/gloo_mesh.h"

#include <arpa/inet.h>
#include <gloo/transport/address.h>
#include <gloo/transport/pair.h>
#include <gloo/transport/tcp/device.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <future>
#include <utility>

#include "weft/base/communication_error.h"
#include "weft/base/fault_point.h"
#include "weft/base/host_identity.h"
#include "weft/base/signals_blocked.h"

namespace weft::gloo {
namespace {

constexpr const char* kLoopback = "127.0.0.1";
/// Values of a store are at most 64 KiB.
constexpr size_t kExchanged = 48 << 10;
/// Gloo waits for five times what it is given.
constexpr int kGlooWaits = 5;
constexpr auto kLook = std::chrono::milliseconds(20);

/// The address that packets to the wide world would have as their source; nothing is sent. Loopback where there is no
/// such route.
std::string RouteAddress() {
  const int descriptor = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return kLoopback;
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(9);
  ::inet_pton(AF_INET, "198.51.100.1", &address.sin_addr);  // for documentation: nobody has it
  socklen_t length = sizeof(address);
  std::string found = kLoopback;
  if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), length) == 0 &&
      ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &length) == 0) {
    char text[INET_ADDRSTRLEN] = "";
    if (::inet_ntop(AF_INET, &address.sin_addr, text, sizeof(text)) != nullptr) found = text;
  }
  ::close(descriptor);
  return found;
}

/// ExchangeAll for values of any length, which is the same on all ranks.
arrow::Result<std::vector<std::string>> ExchangeLong(const BackendContext& context, const std::string& prefix,
                                                     const std::string& value, Deadline deadline) {
  std::vector<std::string> whole(static_cast<size_t>(context.membership->world_size()));
  for (size_t at = 0; at < value.size(); at += kExchanged) {
    const std::string name = prefix + "/addresses/" + std::to_string(at / kExchanged);
    ARROW_ASSIGN_OR_RAISE(const auto parts,
                          context.membership->ExchangeAll(name, value.substr(at, kExchanged), deadline,
                                                          context.communicator.check_interrupt));
    for (size_t i = 0; i < parts.size(); ++i) whole[i] += parts[i];
  }
  return whole;
}

/// Gloo waits for a peer without looking at anything else: that is done on a thread of its own, and ended by closing
/// the pair where `check` has an error, which is then the result.
arrow::Status ConnectPair(Mesh& mesh, Rank peer, const std::vector<char>& bytes,
                          const std::function<arrow::Status()>& check) {
  const auto pair = mesh.context->getPair(peer).get();
  auto connecting = std::async(std::launch::async, [&] { return Guard("connecting", [&] { pair->connect(bytes); }); });
  arrow::Status found;
  while (connecting.wait_for(kLook) != std::future_status::ready) {
    if (!check || !found.ok()) continue;
    found = check();
    if (found.ok()) continue;
    [[maybe_unused]] const arrow::Status closed = Guard("closing", [&] { pair->close(); });
  }
  const arrow::Status connected = connecting.get();
  return found.ok() ? connected : found;
}

arrow::Status Connect(const BackendContext& context, const std::string& prefix, Mesh& mesh, Deadline deadline) {
  const int rank = context.membership->rank();
  const int world_size = context.membership->world_size();
  std::string own;
  ARROW_RETURN_NOT_OK(Guard("opening ports", [&] {
    for (int peer = 0; peer < world_size; ++peer) {
      if (peer == rank) continue;
      const std::vector<char> bytes = mesh.context->createPair(peer)->address().bytes();
      own.append(bytes.begin(), bytes.end());
    }
  }));
  ARROW_ASSIGN_OR_RAISE(const auto all, ExchangeLong(context, prefix, own, deadline));
  const size_t length = own.size() / static_cast<size_t>(world_size - 1);
  for (int peer = 0; peer < world_size; ++peer) {
    if (peer == rank) continue;
    // Each rank leaves itself out of its list.
    const auto place = static_cast<size_t>(rank < peer ? rank : rank - 1);
    const std::string& theirs = all[static_cast<size_t>(peer)];
    if (theirs.size() != own.size()) {
      return arrow::Status::Invalid("gloo: rank ", peer, " has addresses of another form; do all run the same Gloo?");
    }
    FaultPoint(FaultPhase::kConnect);
    const std::vector<char> bytes(theirs.data() + place * length, theirs.data() + (place + 1) * length);
    const arrow::Status status = ConnectPair(mesh, peer, bytes, context.communicator.check_interrupt);
    if (status.ok()) continue;
    if (GetCommunicationError(status) != nullptr) return status;
    return MakeCommunicationError(
        {.failure = deadline.Passed() ? CommunicationFailure::kTimedOut : CommunicationFailure::kPeerLost,
         .operation = "init",
         .phase = "connect",
         .rank = rank,
         .peer = peer},
        "rank " + std::to_string(peer) + " at " + mesh.addresses[static_cast<size_t>(peer)] + " cannot be reached (" +
            status.message() + "); advertise= names the address that ranks listen on");
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<Mesh> ConnectMesh(const BackendContext& context, const std::string& name, Deadline deadline) {
  Membership& membership = *context.membership;
  const std::string host = HostIdentity({"net"});
  std::string address = context.advertise.empty() ? RouteAddress() : context.advertise;
  ARROW_ASSIGN_OR_RAISE(const auto hosts, membership.ExchangeAll("gloo/" + name + "/hosts", host + "\n" + address,
                                                                 deadline, context.communicator.check_interrupt));
  const bool one_host =
      std::all_of(hosts.begin(), hosts.end(), [&](const std::string& text) { return text.starts_with(host + "\n"); });
  if (one_host && context.advertise.empty()) address = kLoopback;
  Mesh mesh;
  for (const std::string& text : hosts) {
    mesh.addresses.push_back(one_host && context.advertise.empty() ? kLoopback : text.substr(text.find('\n') + 1));
  }
  const auto timeout =
      std::chrono::duration_cast<std::chrono::milliseconds>(deadline.LeftUpTo(std::chrono::hours(1)) / kGlooWaits);
  ARROW_RETURN_NOT_OK(Guard("opening a device", [&] {
    const SignalsBlocked blocked;
    ::gloo::transport::tcp::attr attributes;
    attributes.hostname = address;
    mesh.device = ::gloo::transport::tcp::CreateDevice(attributes);
    mesh.context = mesh.device->createContext(membership.rank(), membership.world_size());
    mesh.context->setTimeout(std::max(timeout, std::chrono::milliseconds(1)));
  }));
  ARROW_RETURN_NOT_OK(Connect(context, "gloo/" + name, mesh, deadline));
  return mesh;
}

}  // namespace weft::gloo
