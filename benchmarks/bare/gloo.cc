// Gloo alone, timed as `weft bench collectives` times Weft over it (python/weft/bench_ranks.py, measure): ranks are
// processes, a call's time is the slowest rank's, median of the repetitions.
//   bare_gloo RANKS COLLECTIVES SIZES SECONDS REPETITIONS      (lists with commas)
// Rank 0 prints a line: "results " and a JSON list.
#include <gloo/allgather.h>
#include <gloo/allreduce.h>
#include <gloo/alltoall.h>
#include <gloo/barrier.h>
#include <gloo/broadcast.h>
#include <gloo/math.h>
#include <gloo/reduce.h>
#include <gloo/rendezvous/context.h>
#include <gloo/rendezvous/file_store.h>
#include <gloo/transport/tcp/device.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

namespace {

using Context = std::shared_ptr<::gloo::rendezvous::Context>;

void Add(void* out, const void* a, const void* b, size_t count) {
  const auto* x = static_cast<const double*>(a);
  const auto* y = static_cast<const double*>(b);
  auto* z = static_cast<double*>(out);
  for (size_t i = 0; i < count; ++i) z[i] = x[i] + y[i];
}

void Max(void* out, const void* a, const void* b, size_t count) { ::gloo::max<double>(out, a, b, count); }

/// One collective on blocks of `size` bytes.
std::function<void()> Make(const Context& context, const std::string& collective, size_t size) {
  const auto ranks = static_cast<size_t>(context->size);
  const size_t count = std::max<size_t>(1, size / sizeof(double));
  auto one = std::make_shared<std::vector<double>>(count, 1.0);
  auto got = std::make_shared<std::vector<double>>(count);
  if (collective == "barrier") {
    return [context] {
      ::gloo::BarrierOptions options(context);
      ::gloo::barrier(options);
    };
  }
  if (collective == "broadcast") {
    return [context, got] {
      ::gloo::BroadcastOptions options(context);
      options.setOutput(got->data(), got->size());
      options.setRoot(0);
      ::gloo::broadcast(options);
    };
  }
  if (collective == "allreduce") {
    return [context, one, got] {
      ::gloo::AllreduceOptions options(context);
      options.setInput(one->data(), one->size());
      options.setOutput(got->data(), got->size());
      options.setReduceFunction(&Add);
      ::gloo::allreduce(options);
    };
  }
  if (collective == "reduce") {
    return [context, one, got] {
      ::gloo::ReduceOptions options(context);
      options.setInput(one->data(), one->size());
      options.setOutput(got->data(), got->size());
      options.setReduceFunction(&Add);
      options.setRoot(0);
      ::gloo::reduce(options);
    };
  }
  if (collective == "allgather") {
    got->resize(count * ranks);
    return [context, one, got] {
      ::gloo::AllgatherOptions options(context);
      options.setInput(one->data(), one->size());
      options.setOutput(got->data(), got->size());
      ::gloo::allgather(options);
    };
  }
  if (collective == "alltoall") {
    one->resize(count * ranks, 1.0);
    got->resize(count * ranks);
    return [context, one, got] {
      ::gloo::AlltoallOptions options(context);
      options.setInput(one->data(), one->size());
      options.setOutput(got->data(), got->size());
      ::gloo::alltoall(options);
    };
  }
  if (collective == "pingpong") {
    auto out = std::shared_ptr(context->createUnboundBuffer(one->data(), count * sizeof(double)));
    auto in = std::shared_ptr(context->createUnboundBuffer(got->data(), count * sizeof(double)));
    return [context, one, got, out, in] {
      if (context->rank == 0) {
        out->send(1, 7);
        out->waitSend();
        in->recv(1, 7);
        in->waitRecv();
      } else if (context->rank == 1) {
        in->recv(0, 7);
        in->waitRecv();
        out->send(0, 7);
        out->waitSend();
      }
    };
  }
  return nullptr;
}

std::vector<double> Slowest(const Context& context, std::vector<double> seconds) {
  ::gloo::AllreduceOptions options(context);
  options.setOutput(seconds.data(), seconds.size());
  options.setReduceFunction(&Max);
  ::gloo::allreduce(options);
  return seconds;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

double Seconds(const std::function<void()>& call, int calls) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < calls; ++i) call();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() / calls;
}

std::vector<std::string> Split(const std::string& list) {
  std::vector<std::string> parts;
  std::stringstream stream(list);
  for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
  return parts;
}

int RunRank(int rank, int ranks, const std::string& folder, char** arguments) {
  ::gloo::rendezvous::FileStore store(folder);
  ::gloo::transport::tcp::attr attributes;
  attributes.hostname = "127.0.0.1";
  auto device = ::gloo::transport::tcp::CreateDevice(attributes);
  const Context context = std::make_shared<::gloo::rendezvous::Context>(rank, ranks);
  context->connectFullMesh(store, device);
  const double budget = std::atof(arguments[3]);
  const int repetitions = std::atoi(arguments[4]);
  std::string results;
  for (const std::string& collective : Split(arguments[1])) {
    for (const std::string& text : collective == "barrier" ? std::vector<std::string>{"0"} : Split(arguments[2])) {
      const auto call = Make(context, collective, std::strtoull(text.c_str(), nullptr, 10));
      if (!call) continue;
      call();
      const double each = Slowest(context, {Seconds(call, 3)})[0];
      const int calls = std::clamp(static_cast<int>(budget / repetitions / std::max(each, 1e-7)), 1, 1000);
      std::vector<double> times;
      for (int i = 0; i < repetitions; ++i) {
        Slowest(context, {0.0});
        times.push_back(Seconds(call, calls));
      }
      times = Slowest(context, times);
      const double half = collective == "pingpong" ? 2 : 1;
      const double median = Median(times);
      std::vector<double> deviations;
      for (const double time : times) deviations.push_back(std::abs(time - median));
      char line[256];
      std::snprintf(line, sizeof(line), R"(%s{"collective": "%s", "bytes": %s, "seconds": %.9g, "deviation": %.9g})",
                    results.empty() ? "" : ", ", collective.c_str(), text.c_str(), median / half,
                    Median(deviations) / half);
      results += line;
    }
  }
  if (rank == 0) std::printf("results [%s]\n", results.c_str());
  std::fflush(stdout);
  Slowest(context, {0.0});
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "bare_gloo RANKS COLLECTIVES SIZES SECONDS REPETITIONS\n");
    return 2;
  }
  const int ranks = std::atoi(argv[1]);
  char folder[] = "/tmp/bare-gloo-XXXXXX";
  if (ranks < 2 || ::mkdtemp(folder) == nullptr) return 2;
  std::vector<pid_t> children;
  for (int rank = 0; rank < ranks; ++rank) {
    const pid_t child = ::fork();
    if (child == 0) {
      int code = 1;
      try {
        code = RunRank(rank, ranks, folder, argv + 1);
      } catch (const std::exception& problem) {
        std::fprintf(stderr, "bare_gloo: rank %d: %s\n", rank, problem.what());
      }
      ::_exit(code);
    }
    children.push_back(child);
  }
  int failed = 0;
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    failed |= status;
  }
  std::filesystem::remove_all(folder);
  return failed == 0 ? 0 : 1;
}
