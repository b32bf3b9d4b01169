// Pieces of store URLs.
#pragma once

#include <arrow/result.h>

#include <string>
#include <string_view>

namespace weft {

/// `text` with each %XX replaced by its byte. Status::Invalid, which does not repeat `text` (it may be a password),
/// where a % has no two hexadecimal digits behind it or a byte of zero comes out; `what` names the piece.
arrow::Result<std::string> PercentDecode(std::string_view text, std::string_view what);

/// `url` as an error may show it: what stands between "://" and "@" is left out.
std::string WithoutPassword(std::string_view url);

}  // namespace weft
