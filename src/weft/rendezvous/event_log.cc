#include "weft/rendezvous/event_log.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <mutex>
#include <utility>

#include "weft/base/deadline.h"

namespace weft::rendezvous {
namespace {

constexpr double kLinesAtOnce = 200;
constexpr double kLinesPerSecond = 50;

/// Lets lines through at a rate, and counts the others.
class Gate {
 public:
  /// False: not this one. `suppressed`: how many were left out before one that passes.
  bool Passes(int64_t* suppressed) {
    const std::lock_guard lock(mutex_);
    const auto now = Clock::now();
    allowance_ = std::min(kLinesAtOnce, allowance_ + kLinesPerSecond * Seconds(now - filled_));
    filled_ = now;
    if (allowance_ < 1) {
      ++suppressed_;
      return false;
    }
    allowance_ -= 1;
    *suppressed = std::exchange(suppressed_, 0);
    return true;
  }

 private:
  std::mutex mutex_;
  double allowance_ = kLinesAtOnce;
  Clock::time_point filled_ = Clock::now();
  int64_t suppressed_ = 0;
};

std::string TimeText() {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto part = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  const size_t size = std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + size, sizeof(text) - size, ".%03dZ", static_cast<int>(part));
  return text;
}

bool IsPlain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-_.:/[]%+").find(c) != std::string_view::npos;
}

std::string Quoted(std::string_view value) {
  std::string text = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      text += '\\';
      text += c;
    } else if (c == '\n') {
      text += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) {
      char code[8];
      std::snprintf(code, sizeof(code), "\\x%02x", static_cast<unsigned char>(c));
      text += code;
    } else {
      text += c;
    }
  }
  return text + '"';
}

}  // namespace

Event::Event(LogLevel level, std::string_view name) : level_(level), shown_(level >= log_level()) {
  if (shown_) line_ = "rendezvous time=" + TimeText() + " event=" + std::string(name);
}

Event& Event::With(std::string_view key, std::string_view value) {
  if (!shown_) return *this;
  line_.append(" ").append(key).append("=");
  const bool plain = !value.empty() && std::all_of(value.begin(), value.end(), &IsPlain);
  line_ += plain ? std::string(value) : Quoted(value);
  return *this;
}

Event& Event::With(std::string_view key, double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.3f", value);
  return With(key, std::string_view(text));
}

Event::~Event() {
  static Gate gate;
  int64_t suppressed = 0;
  if (!shown_ || !gate.Passes(&suppressed)) return;
  if (suppressed > 0) line_ += " suppressed=" + std::to_string(suppressed);
  WriteLog(level_, line_);
}

}  // namespace weft::rendezvous
