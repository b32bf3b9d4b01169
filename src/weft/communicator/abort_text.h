// What a transport tells its peers when it fails.
#pragma once

#include <arrow/status.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "weft/base/types.h"

namespace weft {

/// An encoded abort is no longer than this.
inline constexpr size_t kMaxAbortText = 4 << 10;

/// `own_finding`: the transport itself found `cause` (a peer lost, ranks that call different things, an abort of
/// another rank). Then the receivers fail in the same way, so that all ranks name the same culprit; else with kAborted.
std::string EncodeAbort(const arrow::Status& cause, bool own_finding);

/// The error that `self` fails with when `from` has sent this. A payload that makes no sense gives a kAborted as well.
arrow::Status DecodeAbort(std::string_view payload, Rank from, Rank self);

}  // namespace weft
