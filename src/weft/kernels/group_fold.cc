#include "weft/kernels/group_fold.h"

#include <arrow/compute/api_vector.h>
#include <arrow/compute/exec.h>

#include <atomic>

#include "weft/kernels/dense_values.h"
#include "weft/kernels/gather.h"
#include "weft/table/columns.h"

namespace weft::kernels {
namespace {

using arrow::Type;

/// Rows of one parallel task.
constexpr int64_t kTaskRows = 1 << 16;

/// Sets out[i] to 1 where value i is zero, false or empty; what it is for null rows is not said.
void FindFalse(const arrow::Array& array, uint8_t* out) {
  const arrow::ArrayData& data = *array.data();
  const int64_t length = array.length();
  const auto numbers = [&]<typename T>(const T* values) {
    for (int64_t i = 0; i < length; ++i) out[i] = values[i] == T{} ? 1 : 0;
  };
  const auto lengths = [&]<typename T>(const T* offsets) {
    for (int64_t i = 0; i < length; ++i) out[i] = offsets[i] == offsets[i + 1] ? 1 : 0;
  };
  switch (array.type_id()) {
    case Type::NA:
      std::fill(out, out + length, uint8_t{1});
      return;
    case Type::BOOL:
      for (int64_t i = 0; i < length; ++i) {
        out[i] = arrow::bit_util::GetBit(data.buffers[1]->data(), data.offset + i) ? 0 : 1;
      }
      return;
    case Type::FLOAT:
      return numbers(data.GetValues<float>(1));
    case Type::DOUBLE:
      return numbers(data.GetValues<double>(1));
    case Type::HALF_FLOAT: {
      const auto* bits = data.GetValues<uint16_t>(1);
      for (int64_t i = 0; i < length; ++i) out[i] = (bits[i] & 0x7fff) == 0 ? 1 : 0;
      return;
    }
    case Type::STRING:
    case Type::BINARY:
      return lengths(data.GetValues<int32_t>(1));
    case Type::LARGE_STRING:
    case Type::LARGE_BINARY:
      return lengths(data.GetValues<int64_t>(1));
    default: {
      const auto width = static_cast<int64_t>(static_cast<const arrow::FixedWidthType&>(*array.type()).byte_width());
      const uint8_t* bytes = data.buffers[1]->data() + data.offset * width;
      for (int64_t i = 0; i < length; ++i) {
        out[i] = std::all_of(bytes + i * width, bytes + (i + 1) * width, [](uint8_t b) { return b == 0; }) ? 1 : 0;
      }
    }
  }
}

}  // namespace

arrow::Result<PoolArray<uint8_t>> MissingRows(const std::shared_ptr<arrow::ChunkedArray>& column, bool nan_is_null,
                                              const Context& context) {
  PoolArray<uint8_t> missing;
  if (column == nullptr || column->length() == 0) return missing;
  const bool floating = arrow::is_floating(table::LogicalKeyType(column->type())->id());
  const bool encoded = column->type()->id() == Type::DICTIONARY;
  if (column->type()->id() != Type::NA && !encoded && !(floating && nan_is_null) && column->null_count() == 0) {
    return missing;
  }
  ARROW_ASSIGN_OR_RAISE(missing, PoolArray<uint8_t>::MakeZero(column->length(), context.pool));
  if (floating) {
    ARROW_ASSIGN_OR_RAISE(const auto keys, KeyColumn::Make({column}, nan_is_null, context));
    if (!keys.may_have_nulls()) return PoolArray<uint8_t>();
    std::atomic<bool> any{false};
    ARROW_RETURN_NOT_OK(ParallelFor(context, (keys.rows() + kTaskRows - 1) / kTaskRows, [&](int64_t task) {
      const int64_t begin = task * kTaskRows;
      const int64_t length = std::min(kTaskRows, keys.rows() - begin);
      keys.Nulls(begin, length, missing.data() + begin);
      if (std::memchr(missing.data() + begin, 1, static_cast<size_t>(length)) != nullptr) any = true;
      return arrow::Status::OK();
    }));
    if (!any) return PoolArray<uint8_t>();
    return missing;
  }
  uint8_t* out = missing.data();
  for (const auto& chunk : column->chunks()) {
    // A dictionary's null value is a null, too.
    if (encoded) {
      const auto& array = static_cast<const arrow::DictionaryArray&>(*chunk);
      const arrow::Array& values = *array.dictionary();
      const bool null_values = values.null_count() > 0 || values.type_id() == Type::NA;
      for (int64_t i = 0; i < chunk->length(); ++i) {
        out[i] = array.IsNull(i) || (null_values && values.IsNull(array.GetValueIndex(i))) ? 1 : 0;
      }
    } else {
      for (int64_t i = 0; i < chunk->length(); ++i) out[i] = chunk->IsNull(i) ? 1 : 0;
    }
    out += chunk->length();
  }
  return missing;
}

arrow::Result<PoolArray<uint8_t>> FalseRows(const std::shared_ptr<arrow::ChunkedArray>& column, bool nan_is_null,
                                            const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto missing, MissingRows(column, nan_is_null, context));
  ARROW_ASSIGN_OR_RAISE(const auto values, DecodeDictionary(column, context));
  ARROW_ASSIGN_OR_RAISE(auto result, PoolArray<uint8_t>::MakeZero(values->length(), context.pool));
  uint8_t* out = result.data();
  for (const auto& chunk : values->chunks()) {
    FindFalse(*chunk, out);
    out += chunk->length();
  }
  for (int64_t i = 0; i < missing.size(); ++i) result[i] |= missing[i];
  return result;
}

arrow::Result<std::shared_ptr<arrow::ChunkedArray>> GatherOrNull(const std::shared_ptr<arrow::ChunkedArray>& column,
                                                                 PoolArray<int64_t> rows, const Context& context) {
  if (std::none_of(rows.begin(), rows.end(), [](int64_t row) { return row < 0; })) {
    return GatherColumn(column, rows.span(), context);
  }
  // A row of null put behind the column stands for what is not there.
  ARROW_ASSIGN_OR_RAISE(auto null, arrow::MakeArrayOfNull(column->type(), 1, context.pool));
  auto chunks = column->chunks();
  chunks.push_back(std::move(null));
  for (int64_t& row : rows) {
    if (row < 0) row = column->length();
  }
  return GatherColumn(std::make_shared<arrow::ChunkedArray>(std::move(chunks), column->type()), rows.span(), context);
}

}  // namespace weft::kernels
