// Lines on standard error, one write each, led by the level and the rank. WEFT_LOG=debug|info|warning|error|off
// chooses the least level shown; the default is warning.
#pragma once

#include <sstream>
#include <string>

#include "weft/base/types.h"

namespace weft {

enum class LogLevel : int { kDebug, kInfo, kWarning, kError, kOff };

/// The least level that is shown.
LogLevel log_level();
void set_log_level(LogLevel level);

/// The rank that lines are marked with, for this process; -1 (the default) marks none.
void set_log_rank(Rank rank);

/// Writes one line. Never throws, never blocks on anything but standard error.
void WriteLog(LogLevel level, const std::string& text);

}  // namespace weft

/// WEFT_LOG(kInfo, "linked to rank " << peer): the text is made only where the level is shown.
#define WEFT_LOG(level, text)                                           \
  do {                                                                  \
    if (::weft::LogLevel::level >= ::weft::log_level()) {               \
      std::ostringstream weft_log_stream;                               \
      weft_log_stream << text;                                          \
      ::weft::WriteLog(::weft::LogLevel::level, weft_log_stream.str()); \
    }                                                                   \
  } while (false)
