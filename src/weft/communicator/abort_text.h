// What an abort says: the payload of a kAbort frame.
#pragma once

#include <arrow/status.h>

#include <string>
#include <string_view>

#include "weft/base/types.h"

namespace weft {

/// `own_finding`: the transport itself found `cause` (a peer lost, ranks that call different things, an abort of
/// another rank). Then the receivers fail in the same way, so that all ranks name the same culprit; else with kAborted.
std::string EncodeAbort(const arrow::Status& cause, bool own_finding);

/// The error that `self` fails with when `from` has sent this. A payload that makes no sense gives a kAborted as well.
arrow::Status DecodeAbort(std::string_view payload, Rank from, Rank self);

}  // namespace weft
