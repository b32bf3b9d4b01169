// Where the time goes: spans of named phases, kept in memory, written as Chrome trace events and summed as statistics.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "weft/base/deadline.h"

namespace weft {

/// What all spans of one name add up to.
struct PhaseTotals {
  int64_t count = 0;
  double seconds = 0;
  int64_t rows = 0;
  int64_t bytes = 0;
};

/// Collects the spans of one rank. Thread-safe. Totals are always kept; single events only when `keep_events`, and
/// at most `kMaxEvents` of them (later ones are counted in the totals alone).
class Tracer {
 public:
  static constexpr size_t kMaxEvents = 1 << 20;

  explicit Tracer(bool keep_events) : keep_events_(keep_events) {}

  /// Adds one finished span. `name` is "<operator>.<phase>", for example "join.partition".
  void Add(std::string_view name, Clock::time_point begin, Clock::time_point end, int64_t rows, int64_t bytes);

  std::map<std::string, PhaseTotals> totals() const;

  /// The events as comma-separated JSON objects of the Chrome trace format, without the enclosing brackets: pid is
  /// `rank`, tid the thread, ts and dur microseconds since the Unix epoch. Empty where there are none.
  std::string ChromeEvents(int rank) const;

 private:
  struct Event {
    std::string name;
    Clock::time_point begin;
    Clock::time_point end;
    uint64_t thread;
    int64_t rows;
    int64_t bytes;
  };

  const bool keep_events_;
  mutable std::mutex mutex_;
  std::map<std::string, PhaseTotals, std::less<>> totals_;
  std::vector<Event> events_;
};

/// Times its own life and adds it to `tracer` (which may be nullptr: then it does nothing).
class TraceSpan {
 public:
  TraceSpan(Tracer* tracer, std::string_view name)
      : tracer_(tracer), name_(tracer == nullptr ? "" : name), begin_(Clock::now()) {}
  ~TraceSpan() { End(); }
  TraceSpan(const TraceSpan&) = delete;
  TraceSpan& operator=(const TraceSpan&) = delete;

  void AddRows(int64_t rows) { rows_ += rows; }
  void AddBytes(int64_t bytes) { bytes_ += bytes; }

  /// Ends the span before its scope does.
  void End() {
    if (tracer_ != nullptr) tracer_->Add(name_, begin_, Clock::now(), rows_, bytes_);
    tracer_ = nullptr;
  }

 private:
  Tracer* tracer_;
  std::string name_;
  Clock::time_point begin_;
  int64_t rows_ = 0;
  int64_t bytes_ = 0;
};

}  // namespace weft
