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

}  // namespace

arrow::Result<bool> MakeCodes(JoinSide* left, JoinSide* right, const JoinOptions& options, const Context& context) {
  std::vector<KeyColumn> keys;
  for (size_t k = 0; k < left->num_keys(); ++k) {
    ARROW_ASSIGN_OR_RAISE(auto key,
                          KeyColumn::Make({left->key_values(k), right->key_values(k)}, options.nan_is_null, context,
                                          /*views=*/false));
    if (!key.fits_pieces() || (key.may_have_nulls() && !options.nulls_equal)) return false;
    keys.push_back(std::move(key));
  }
  const std::vector<KeyDirection> directions(keys.size());
  ARROW_ASSIGN_OR_RAISE(const auto layout, KeyLayout::Make(keys, directions, context));
  if (layout.levels() != 1 || layout.has_binary()) return false;
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
