#include "weft/base/logging.h"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string_view>

namespace weft {
namespace {

LogLevel LevelFromEnvironment() {
  const char* value = std::getenv("WEFT_LOG");
  const std::string_view name = value == nullptr ? "" : value;
  if (name == "debug") return LogLevel::kDebug;
  if (name == "info") return LogLevel::kInfo;
  if (name == "error") return LogLevel::kError;
  if (name == "off") return LogLevel::kOff;
  if (!name.empty() && name != "warning") {
    WriteLog(LogLevel::kWarning,
             "WEFT_LOG is '" + std::string(name) + "', and is one of debug, info, warning, error, off; warning it is");
  }
  return LogLevel::kWarning;
}

std::atomic<LogLevel>& Level() {
  static std::atomic<LogLevel> level{LevelFromEnvironment()};
  return level;
}

std::atomic<Rank> marked_rank{-1};

const char* LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
    case LogLevel::kOff:
      return "error";
  }
  return "error";
}

}  // namespace

LogLevel log_level() { return Level().load(std::memory_order_relaxed); }
void set_log_level(LogLevel level) { Level().store(level, std::memory_order_relaxed); }
void set_log_rank(Rank rank) { marked_rank.store(rank, std::memory_order_relaxed); }

void WriteLog(LogLevel level, const std::string& text) {
  std::string line = "weft ";
  line += LevelName(level);
  const Rank rank = marked_rank.load(std::memory_order_relaxed);
  if (rank >= 0) line += " rank " + std::to_string(rank);
  line += ": " + text + "\n";
  // A log line that cannot be written is dropped: there is nowhere left to say so.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace weft
