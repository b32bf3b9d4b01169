// One rank of a job in the NAT lab: joins by the environment as weft.init does, exchanges bytes with every other rank,
// checks each of them, and says what it saw in one line of JSON.
//
//   netlab_rank [--bytes N] [--hold SECONDS] [--flow SECONDS] [--idle SECONDS] [--stream BYTES]
//
// --stream: rank 0 sends so many bytes to rank 1 in messages of N, and both say how many went in a second.
// Each of the others prints "linked" after the exchange. --hold: goes through barriers for so long. --flow: exchanges
// again and again for so long. --idle: does nothing for so long, and exchanges once more.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "weft/base/communication_error.h"
#include "weft/session/session.h"

namespace {

std::string Variable(const char* name, const char* fallback = "") {
  const char* value = std::getenv(name);
  return value == nullptr ? fallback : value;
}

/// Bytes that differ from place to place and from seed to seed.
std::string Pattern(size_t size, uint64_t seed) {
  std::string text(size, '\0');
  uint64_t state = seed * 0x9E3779B97F4A7C15ull + 1;
  for (char& c : text) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    c = static_cast<char>(state);
  }
  return text;
}

uint64_t Seed(int from, int to) { return static_cast<uint64_t>(from * 100'000 + to); }

std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return out + "\"";
}

arrow::Status Exchange(weft::Communicator& world, size_t bytes) {
  const auto ranks = static_cast<size_t>(world.world_size());
  std::vector<std::string> out(ranks);
  std::vector<std::string> in(ranks, std::string(bytes, ' '));
  std::vector<weft::RequestPtr> requests;
  for (int peer = 0; peer < world.world_size(); ++peer) {
    const auto at = static_cast<size_t>(peer);
    out[at] = Pattern(bytes, Seed(world.rank(), peer));
    const auto into = std::as_writable_bytes(std::span<char>(in[at].data(), in[at].size()));
    const auto from = std::as_bytes(std::span<const char>(out[at].data(), out[at].size()));
    ARROW_ASSIGN_OR_RAISE(auto receive, world.Irecv(peer, 7, {into}));
    ARROW_ASSIGN_OR_RAISE(auto send, world.Isend(peer, 7, {from}));
    requests.push_back(std::move(receive));
    requests.push_back(std::move(send));
  }
  for (const auto& request : requests) ARROW_RETURN_NOT_OK(request->Wait());
  for (int peer = 0; peer < world.world_size(); ++peer) {
    if (in[static_cast<size_t>(peer)] != Pattern(bytes, Seed(peer, world.rank()))) {
      return arrow::Status::Invalid("the bytes of rank ", peer, " are not those that it sent");
    }
  }
  return arrow::Status::OK();
}

/// Until rank 0 finds that the time is over, or the first error.
arrow::Status Repeat(weft::Communicator& world, double seconds, const std::function<arrow::Status()>& step) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  for (;;) {
    ARROW_RETURN_NOT_OK(step());
    char over = std::chrono::steady_clock::now() >= end ? 1 : 0;
    ARROW_RETURN_NOT_OK(world.Broadcast(std::as_writable_bytes(std::span(&over, 1)), 0));
    if (over != 0) return arrow::Status::OK();
  }
}

arrow::Status GoOn(weft::Communicator& world, size_t bytes, double hold, double flow, double idle) {
  if (hold > 0) ARROW_RETURN_NOT_OK(Repeat(world, hold, [&] { return world.Barrier(); }));
  if (flow > 0) ARROW_RETURN_NOT_OK(Repeat(world, flow, [&] { return Exchange(world, bytes); }));
  if (idle <= 0) return arrow::Status::OK();
  std::this_thread::sleep_for(std::chrono::duration<double>(idle));
  return Exchange(world, bytes);
}

/// Bytes a second from rank 0 to rank 1, with a few messages under way; from the first to the word that all are there.
arrow::Result<double> Stream(weft::Communicator& world, size_t bytes, size_t total) {
  constexpr size_t kUnderWay = 8;
  std::vector<std::string> blocks(kUnderWay, std::string(bytes, 'x'));
  std::vector<weft::RequestPtr> requests(kUnderWay);
  const size_t messages = total / bytes;
  ARROW_RETURN_NOT_OK(world.Barrier());
  const auto begin = std::chrono::steady_clock::now();
  for (size_t i = 0; i < messages + kUnderWay; ++i) {
    weft::RequestPtr& request = requests[i % kUnderWay];
    if (request != nullptr) ARROW_RETURN_NOT_OK(request->Wait());
    request = nullptr;
    if (i >= messages) continue;
    const auto block = std::as_writable_bytes(std::span(blocks[i % kUnderWay]));
    ARROW_ASSIGN_OR_RAISE(request, world.rank() == 0 ? world.Isend(1, 8, {block}) : world.Irecv(0, 8, {block}));
  }
  ARROW_RETURN_NOT_OK(world.Barrier());
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  return static_cast<double>(messages * bytes) / took.count();
}

std::string Describe(const arrow::Status& status, double seconds) {
  const auto now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  std::string text = "{\"ok\": false, \"at\": " + std::to_string(now) + ", \"seconds\": " + std::to_string(seconds) +
                     ", \"error\": " + Quoted(status.message());
  if (const weft::CommunicationError* error = weft::GetCommunicationError(status); error != nullptr) {
    text += ", \"peer\": " + std::to_string(error->peer) + ", \"phase\": " + Quoted(error->phase);
  }
  return text + "}";
}

std::string Describe(weft::Session& session, weft::Communicator& world, double bytes_per_second) {
  std::string text = "{\"ok\": true, \"rank\": " + std::to_string(world.rank()) +
                     ", \"open_seconds\": " + std::to_string(session.statistics().open_seconds) +
                     ", \"bytes_per_second\": " + std::to_string(bytes_per_second) + ", \"links\": [";
  bool first = true;
  for (const weft::LinkInfo& link : world.links()) {
    if (link.peer == world.rank()) continue;
    if (!first) text += ", ";
    first = false;
    text += "{\"peer\": " + std::to_string(link.peer) + ", \"path\": " + Quoted(link.path) +
            ", \"cipher\": " + Quoted(link.cipher) + ", \"seconds\": " + std::to_string(link.link_seconds) +
            ", \"tries\": " + std::to_string(link.tries) + ", \"remade\": " + std::to_string(link.remade) +
            ", \"errors\": " + std::to_string(link.errors) + ", \"remote\": " + Quoted(link.remote_address) + "}";
  }
  return text + "]}";
}

}  // namespace

int main(int argc, char** argv) {
  size_t bytes = 256 << 10;
  double hold = 0;
  double flow = 0;
  double idle = 0;
  size_t stream = 0;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--bytes") == 0) bytes = static_cast<size_t>(std::atoll(argv[i + 1]));
    if (std::strcmp(argv[i], "--hold") == 0) hold = std::atof(argv[i + 1]);
    if (std::strcmp(argv[i], "--flow") == 0) flow = std::atof(argv[i + 1]);
    if (std::strcmp(argv[i], "--idle") == 0) idle = std::atof(argv[i + 1]);
    if (std::strcmp(argv[i], "--stream") == 0) stream = static_cast<size_t>(std::atoll(argv[i + 1]));
  }
  weft::SessionOptions options;
  options.backend = "tcp";
  options.store = Variable("WEFT_STORE");
  options.rendezvous = Variable("WEFT_RENDEZVOUS");
  options.rendezvous_key = Variable("WEFT_RENDEZVOUS_KEY");
  options.rendezvous_ca = Variable("WEFT_RENDEZVOUS_CA");
  options.job = Variable("WEFT_JOB");
  options.secret = Variable("WEFT_SECRET");
  options.rank = std::atoi(Variable("WEFT_RANK", "-1").c_str());
  options.world_size = std::atoi(Variable("WEFT_WORLD_SIZE", "1").c_str());
  options.relay_after_seconds = std::atof(Variable("WEFT_RELAY_AFTER", "2").c_str());
  options.connect_timeout_seconds = std::atof(Variable("WEFT_CONNECT_TIMEOUT", "30").c_str());
  options.encryption = Variable("WEFT_ENCRYPTION", "auto");
  options.timeout_seconds = 60;
  const auto begin = std::chrono::steady_clock::now();
  const auto seconds = [&begin] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  auto session = weft::Session::Open(options);
  if (!session.ok()) {
    std::printf("%s\n", Describe(session.status(), seconds()).c_str());
    return 1;
  }
  weft::Communicator& world = **(*session)->communicator();
  arrow::Status status = Exchange(world, bytes);
  if (status.ok() && hold + flow + idle > 0) {
    std::printf("linked\n");
    std::fflush(stdout);
    status = GoOn(world, bytes, hold, flow, idle);
  }
  double bytes_per_second = 0;
  if (status.ok() && stream > 0) status = Stream(world, bytes, stream).Value(&bytes_per_second);
  if (!status.ok()) {
    std::printf("%s\n", Describe(status, seconds()).c_str());
    return 1;
  }
  std::printf("%s\n", Describe(**session, world, bytes_per_second).c_str());
  status = (*session)->Close();
  return status.ok() ? 0 : 1;
}
