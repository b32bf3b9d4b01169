// The limits of a rendezvous server as options of a command line: `weft-rendezvous` and `weft rendezvous` have the
// same.
#pragma once

#include <arrow/status.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "weft/rendezvous/server.h"

namespace weft::rendezvous {

struct LimitOption {
  const char* name;  // "max-connections"
  const char* unit;  // "N", "BYTES" or "TIME"
  const char* help;
  int64_t least;  // bytes, or milliseconds of a time
  int64_t most;
  int64_t (*get)(const RendezvousLimits& limits);
  void (*set)(RendezvousLimits* limits, int64_t value);
};

/// All that there are.
std::span<const LimitOption> LimitOptions();

/// nullptr where there is none of that name.
const LimitOption* FindLimitOption(std::string_view name);

/// Reads a whole number ("4096"), bytes ("64MiB", "1e9", "2 GB") or a time ("2", "1.5s", "500ms", "10min", "2h").
/// Status::Invalid names the option, the text and what it takes.
arrow::Status SetLimit(const LimitOption& option, const std::string& text, RendezvousLimits* limits);

/// A time alone, of zero or more; nothing where it is none.
std::optional<Duration> ReadTime(const std::string& text);

/// A value of the option as SetLimit reads it.
std::string LimitText(const LimitOption& option, int64_t value);

}  // namespace weft::rendezvous
