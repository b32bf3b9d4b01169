// Dictionaries of keys as numbers.
#pragma once

#include <arrow/array/array_base.h>
#include <arrow/result.h>

#include "weft/base/context.h"

namespace weft::kernels {

/// The chunks of dictionaries as chunks of int32 that compare as the values do, equal where those are equal: each
/// value's place among the different values of all the chunks' dictionaries. Null where the row or its value is null
/// (with `nan_is_null` NaN too). No chunks where the dictionaries have so many values that ordering them would not pay.
arrow::Result<arrow::ArrayVector> RankDictionaries(const arrow::ArrayVector& chunks, bool nan_is_null,
                                                   const Context& context);

}  // namespace weft::kernels
