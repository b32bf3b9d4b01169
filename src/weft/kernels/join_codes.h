// Keys of both sides of a join as words of one code.
#pragma once

#include <arrow/result.h>

#include "weft/base/context.h"
#include "weft/kernels/join.h"
#include "weft/kernels/join_side.h"

namespace weft::kernels {

/// Encodes the keys of both sides together, so that equal words are equal keys, and gives the sides their words. False,
/// with nothing done, where a code takes more than one word, or where there are nulls and they match nothing.
arrow::Result<bool> MakeCodes(JoinSide* left, JoinSide* right, const JoinOptions& options, const Context& context);

}  // namespace weft::kernels
