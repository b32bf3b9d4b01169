#include "faults/job.h"

#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <memory>

#include "weft/base/communication_error.h"
#include "weft/base/fault_point.h"
#include "weft/distributed/join.h"
#include "weft/distributed/read.h"
#include "weft/distributed/write.h"
#include "weft/session/session.h"

namespace weft::faults {
namespace {

constexpr std::array<const char*, 8> kPhases = {"rendezvous", "connect",        "handshake", "header",
                                                "payload",    "local operator", "write",     "finalise"};

std::array<std::atomic<int>, kPhases.size()> passes;
int struck_phase = -1;
int struck_pass = 0;
std::string killed_path;

void Strike(FaultPhase phase) {
  const int pass = ++passes[static_cast<size_t>(phase)];
  if (static_cast<int>(phase) != struck_phase || pass != struck_pass) return;
  const int file = ::open(killed_path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  char text[32];
  const int length = std::snprintf(text, sizeof(text), "%lld\n", Now());
  [[maybe_unused]] const ssize_t written = ::write(file, text, static_cast<size_t>(length));
  ::kill(::getpid(), SIGKILL);
  for (;;) ::pause();
}

std::string Get(const Orders& orders, const char* key) {
  const auto found = orders.find(key);
  return found == orders.end() ? "" : found->second;
}

arrow::Status Work(Session& session, const Orders& orders) {
  ARROW_ASSIGN_OR_RAISE(Communicator* const world, session.communicator());
  const Context& context = session.context();
  const auto read = [&](const char* side) {
    return distributed::ReadParquet(*world, {{Get(orders, side)}}, {}, io::Hive::kIgnored, context);
  };
  ARROW_ASSIGN_OR_RAISE(auto left, read("left"));
  ARROW_ASSIGN_OR_RAISE(auto right, read("right"));
  kernels::JoinOptions options;
  options.left_keys = {0};
  options.right_keys = {0};
  ARROW_ASSIGN_OR_RAISE(const auto joined,
                        distributed::Join(*world, std::move(left), std::move(right), options, context));
  return distributed::Write(*world, Get(orders, "out"), joined, {}, session.token(), /*overwrite=*/false, context);
}

arrow::Status OpenAndWork(const Orders& orders, int rank) {
  SessionOptions options;
  options.backend = Get(orders, "backend");
  options.rendezvous = Get(orders, "rendezvous");
  options.job = Get(orders, "job");
  options.secret = Get(orders, "secret");
  if (!options.rendezvous.empty()) {
    options.rank = rank;
    options.world_size = std::stoi(Get(orders, "ranks"));
  }
  options.threads = 1;
  options.timeout_seconds = 60;
  options.connect_timeout_seconds = 60;
  ARROW_ASSIGN_OR_RAISE(const auto session, Session::Open(options));
  const arrow::Status status = Work(*session, orders);
  // As `with weft.init()` does.
  if (!status.ok()) session->Abort(status);
  const arrow::Status closed = session->Close();
  return status.ok() ? closed : status;
}

void Tell(const Orders& orders, int rank, const arrow::Status& status) {
  std::ofstream file(Get(orders, "folder") + "/rank-" + std::to_string(rank));
  for (const auto& count : passes) file << count.load() << ' ';
  file << (status.ok() ? "\nok\n" : "\nfailed\n");
  if (status.ok()) return;
  const CommunicationError* const error = GetCommunicationError(status);
  const CommunicationError none;
  const CommunicationError& facts = error == nullptr ? none : *error;
  file << facts.peer << '\n' << facts.phase << '\n' << facts.operation << '\n' << status.ToString() << '\n';
}

}  // namespace

long long Now() {
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<long long>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

int RunJob(const Orders& orders, int rank) {
  killed_path = Get(orders, "folder") + "/killed";
  if (std::to_string(rank) == Get(orders, "victim")) {
    for (size_t i = 0; i < kPhases.size(); ++i) {
      if (Get(orders, "phase") == kPhases[i]) struck_phase = static_cast<int>(i);
    }
    struck_pass = std::stoi(Get(orders, "pass"));
  }
  fault_hook = &Strike;
  const arrow::Status status = OpenAndWork(orders, rank);
  Tell(orders, rank, status);
  return status.ok() ? 0 : 1;
}

}  // namespace weft::faults
