// What the rendezvous server logs: one line an event, key=value pairs that a program can read. Never a key, a proof, or
// what is stored.
#pragma once

#include <concepts>
#include <string>
#include <string_view>

#include "weft/base/logging.h"

namespace weft::rendezvous {

/// One line at the end of its life, where its level is shown:
///   weft info: rendezvous time=2026-01-31T12:00:00.000Z event=refused client=192.0.2.1 reason=full text="..."
/// Strangers can make a server log: beyond 200 lines at once and 50 a second lines are left out, and the next one that
/// is written says how many (suppressed=...). Thread-safe.
class Event {
 public:
  Event(LogLevel level, std::string_view name);
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  /// Values with other characters than letters, digits and "-_.:/[]%+" are quoted, with \" \\ \n and \xHH in them.
  Event& With(std::string_view key, std::string_view value);
  Event& With(std::string_view key, const char* value) { return With(key, std::string_view(value)); }
  Event& With(std::string_view key, const std::string& value) { return With(key, std::string_view(value)); }
  Event& With(std::string_view key, std::integral auto value) { return With(key, std::to_string(value)); }
  Event& With(std::string_view key, double value);

 private:
  const LogLevel level_;
  const bool shown_;
  std::string line_;
};

}  // namespace weft::rendezvous
