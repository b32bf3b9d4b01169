// File descriptors that are used up, and what the system's errors mean.
#pragma once

#include <arrow/status.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace weft {

/// No further file can be opened: by this process (EMFILE) or by this host (ENFILE).
bool OutOfFiles(int error);

/// The system's words for `error`; where no further file can be opened, also how many may be, and how that is changed.
std::string ErrnoText(int error);

/// The message of `status`, and what its errno means where it has one and the message does not say so.
std::string MessageWithErrno(const arrow::Status& status);

/// OK where `needed` more files can be opened now, else an IOError that begins with `what`. Opens as many and closes
/// them again: what a library does that finds none left is seldom clear, and its peers wait.
arrow::Status RequireOpenFiles(std::string_view what, int64_t needed);

}  // namespace weft
