#include "weft/base/trace.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>

namespace weft {
namespace {

uint64_t ThisThread() { return static_cast<uint64_t>(::syscall(SYS_gettid)); }

/// Microseconds since the Unix epoch, so that the events of ranks on one host line up.
int64_t UnixMicroseconds(Clock::time_point when) {
  using std::chrono::duration_cast;
  using std::chrono::microseconds;
  const auto age = Clock::now() - when;
  return duration_cast<microseconds>((std::chrono::system_clock::now() - age).time_since_epoch()).count();
}

std::string Escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out;
}

}  // namespace

void Tracer::Add(std::string_view name, Clock::time_point begin, Clock::time_point end, int64_t rows, int64_t bytes) {
  const std::lock_guard lock(mutex_);
  auto it = totals_.find(name);
  if (it == totals_.end()) it = totals_.emplace(std::string(name), PhaseTotals{}).first;
  it->second.count += 1;
  it->second.seconds += Seconds(end - begin);
  it->second.rows += rows;
  it->second.bytes += bytes;
  if (keep_events_ && events_.size() < kMaxEvents) {
    events_.push_back({std::string(name), begin, end, ThisThread(), rows, bytes});
  }
}

std::map<std::string, PhaseTotals> Tracer::totals() const {
  const std::lock_guard lock(mutex_);
  return {totals_.begin(), totals_.end()};
}

std::string Tracer::ChromeEvents(int rank) const {
  const std::lock_guard lock(mutex_);
  std::string out;
  char numbers[256];
  for (const Event& event : events_) {
    if (!out.empty()) out += ",\n";
    const int64_t begin = UnixMicroseconds(event.begin);
    const auto duration = std::chrono::duration_cast<std::chrono::microseconds>(event.end - event.begin).count();
    std::snprintf(numbers, sizeof(numbers),
                  R"("ph":"X","pid":%d,"tid":%llu,"ts":%lld,"dur":%lld,"args":{"rows":%lld,"bytes":%lld}})", rank,
                  static_cast<unsigned long long>(event.thread), static_cast<long long>(begin),
                  static_cast<long long>(duration), static_cast<long long>(event.rows),
                  static_cast<long long>(event.bytes));
    out += R"({"name":")" + Escape(event.name) + "\"," + numbers;
  }
  return out;
}

}  // namespace weft
