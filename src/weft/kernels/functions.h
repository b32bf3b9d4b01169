// Functions of one row that Arrow's registry lacks; expressions name them like Arrow's own.
//
//   weft_floor_divide(x, y)   integers of one type, float or double; rounds towards minus infinity. For floats Python's
//                             algorithm (CPython, Objects/floatobject.c), x / y where y is 0. Integers: y must not be 0
//                             where the row is valid, else Status::Invalid; the smallest integer by -1 wraps.
//   weft_modulo(x, y)         the remainder of that, of y's sign; NaN where a float y is 0.
//   weft_lookup(x)            values[i] where x equals keys[i]; elsewhere x itself (`keep`) or null. LookupOptions.
//   weft_square(x)            x * x of numbers; integers wrap.
//   weft_number_text(x)       the shortest text that reads back, "1.0", "1e+16": of a double as Python's repr has it,
//   of
//                             a float as NumPy's.
//   weft_strftime(x)          a timestamp as text (time_text.h). arrow::compute::StrftimeOptions.
//   weft_match_pieces(x)      whether a text contains pieces in their order (text_search.h). PiecesOptions.
//   weft_find(x), weft_rfind(x)  where a text has a piece, in characters (text_search.h).
//                             arrow::compute::MatchSubstringOptions.
//   weft_list_get(x, i)       the item of each list at i, an int64 constant, from the end where it is negative; null
//                             where the list is not that long.
#pragma once

#include <arrow/array.h>
#include <arrow/compute/function_options.h>
#include <arrow/status.h>

#include <memory>

namespace weft::kernels {

/// Of weft_lookup. `keys` has x's type, no nulls and nothing twice; `values` is as long, and of x's type where `keep`.
class LookupOptions : public arrow::compute::FunctionOptions {
 public:
  LookupOptions(std::shared_ptr<arrow::Array> keys, std::shared_ptr<arrow::Array> values, bool keep);

  std::shared_ptr<arrow::Array> keys;
  std::shared_ptr<arrow::Array> values;
  bool keep;
};

/// Makes Arrow's kernels and these known to the registry. Repeated calls do nothing; any thread may call it.
arrow::Status RegisterFunctions();

}  // namespace weft::kernels
