#include "weft/kernels/join_codes.h"

#include <arrow/buffer.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "weft/kernels/key_encoding.h"

namespace weft::kernels {
namespace {

/// Rows of one parallel task.
constexpr int64_t kTaskRows = int64_t{1} << 16;
/// Rows of a side that mostly show already where keys do not fit a code; to measure all would be for nothing.
constexpr int64_t kFirstRows = 4096;

/// The keys of up to so many rows of each side; none where a column cannot be part of a code.
arrow::Result<std::vector<KeyColumn>> KeysOfBoth(const JoinSide& left, const JoinSide& right, int64_t rows,
                                                 const JoinOptions& options, const Context& context) {
  std::vector<KeyColumn> keys;
  for (size_t k = 0; k < left.num_keys(); ++k) {
    ARROW_ASSIGN_OR_RAISE(auto key,
                          KeyColumn::Make({left.key_values(k)->Slice(0, rows), right.key_values(k)->Slice(0, rows)},
                                          options.nan_is_null, context, /*views=*/false));
    if (!key.fits_pieces() || (key.may_have_nulls() && !options.nulls_equal)) return std::vector<KeyColumn>();
    keys.push_back(std::move(key));
  }
  return keys;
}

/// Refers to the keys.
arrow::Result<KeyLayout> LayoutOf(const std::vector<KeyColumn>& keys, const Context& context) {
  return KeyLayout::Make(keys, std::vector<KeyDirection>(keys.size()), context);
}

}  // namespace

arrow::Result<bool> MakeCodes(JoinSide* left, JoinSide* right, const JoinOptions& options, const Context& context) {
  const int64_t most_rows = std::max(left->rows(), right->rows());
  if (most_rows > 2 * kFirstRows) {
    ARROW_ASSIGN_OR_RAISE(const auto some, KeysOfBoth(*left, *right, kFirstRows, options, context));
    if (some.empty()) return false;
    ARROW_ASSIGN_OR_RAISE(const auto layout, LayoutOf(some, context));
    if (layout.levels() > 1) return false;
  }
  ARROW_ASSIGN_OR_RAISE(const auto keys, KeysOfBoth(*left, *right, most_rows, options, context));
  if (keys.empty()) return false;
  ARROW_ASSIGN_OR_RAISE(const auto layout, LayoutOf(keys, context));
  if (layout.levels() != 1) return false;
  int64_t first = 0;
  for (JoinSide* side : {left, right}) {
    const int64_t rows = side->rows();
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> codes, arrow::AllocateBuffer(rows * 8, context.pool));
    auto* out = reinterpret_cast<uint64_t*>(codes->mutable_data());
    ARROW_RETURN_NOT_OK(ParallelFor(context, (rows + kTaskRows - 1) / kTaskRows, [&](int64_t task) {
      const int64_t end = std::min(rows, (task + 1) * kTaskRows);
      for (int64_t begin = task * kTaskRows; begin < end; begin += KeyLayout::kBlock) {
        layout.Words(0, first + begin, std::min(KeyLayout::kBlock, end - begin), out + begin);
      }
      return arrow::Status::OK();
    }));
    side->TakeCodes(std::move(codes));
    first += rows;
  }
  return true;
}

}  // namespace weft::kernels
