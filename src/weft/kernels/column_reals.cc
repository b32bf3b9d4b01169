#include "weft/kernels/column_reals.h"

#include <utility>

#include "weft/kernels/chunk_finder.h"
#include "weft/kernels/dense_values.h"
#include "weft/kernels/group_fold.h"

namespace weft::kernels {
namespace {

using arrow::Type;

/// Calls write(i, value) for all values of an array.
template <typename Write>
void ReadArray(const arrow::Array& array, const Write& write) {
  const arrow::ArrayData& data = *array.data();
  const auto plain = [&](const auto* values) {
    for (int64_t i = 0; i < array.length(); ++i) write(i, static_cast<double>(values[i]));
  };
  const auto each = [&](const auto& value) {
    for (int64_t i = 0; i < array.length(); ++i) write(i, value(i));
  };
  const int32_t scale =
      arrow::is_decimal(array.type_id()) ? static_cast<const arrow::DecimalType&>(*array.type()).scale() : 0;
  switch (array.type_id()) {
    case Type::NA:
      return each([](int64_t) { return 0.0; });
    case Type::BOOL:
      return each(
          [&](int64_t i) { return arrow::bit_util::GetBit(data.buffers[1]->data(), data.offset + i) ? 1.0 : 0.0; });
    case Type::INT8:
      return plain(data.GetValues<int8_t>(1));
    case Type::UINT8:
      return plain(data.GetValues<uint8_t>(1));
    case Type::INT16:
      return plain(data.GetValues<int16_t>(1));
    case Type::UINT16:
      return plain(data.GetValues<uint16_t>(1));
    case Type::INT32:
      return plain(data.GetValues<int32_t>(1));
    case Type::UINT32:
      return plain(data.GetValues<uint32_t>(1));
    case Type::INT64:
      return plain(data.GetValues<int64_t>(1));
    case Type::UINT64:
      return plain(data.GetValues<uint64_t>(1));
    case Type::FLOAT:
      return plain(data.GetValues<float>(1));
    case Type::DOUBLE:
      return plain(data.GetValues<double>(1));
    case Type::HALF_FLOAT:
      return each([read = HalfReader{data.GetValues<uint16_t>(1)}](int64_t i) { return read(i); });
    case Type::DECIMAL32:
      return each([&](int64_t i) { return arrow::Decimal32(data.GetValues<int32_t>(1)[i]).ToDouble(scale); });
    case Type::DECIMAL64:
      return each([&](int64_t i) { return arrow::Decimal64(data.GetValues<int64_t>(1)[i]).ToDouble(scale); });
    case Type::DECIMAL128:
      return each([&](int64_t i) {
        return arrow::Decimal128(data.buffers[1]->data() + (data.offset + i) * 16).ToDouble(scale);
      });
    default:
      return each([&](int64_t i) {
        return arrow::Decimal256(data.buffers[1]->data() + (data.offset + i) * 32).ToDouble(scale);
      });
  }
}

}  // namespace

arrow::Result<Reals> Reals::Make(const std::shared_ptr<arrow::ChunkedArray>& column, bool nan_is_null,
                                 const Context& context) {
  Reals reals;
  ARROW_ASSIGN_OR_RAISE(reals.missing_, MissingRows(column, nan_is_null, context));
  ARROW_ASSIGN_OR_RAISE(reals.owner_, DecodeDictionary(column, context));
  reals.size_ = column->length();
  if (reals.owner_->num_chunks() == 1 && reals.owner_->type()->id() == Type::DOUBLE) {
    reals.values_ = reals.owner_->chunk(0)->data()->GetValues<double>(1);
    return reals;
  }
  ARROW_ASSIGN_OR_RAISE(reals.own_, PoolArray<double>::Make(reals.size_, context.pool));
  constexpr int64_t kTaskRows = int64_t{1} << 16;
  double* const out = reals.own_.data();
  const ChunkFinder finder(reals.owner_->chunks());
  ARROW_RETURN_NOT_OK(ParallelFor(context, (reals.size_ + kTaskRows - 1) / kTaskRows, [&](int64_t task) {
    const int64_t begin = task * kTaskRows;
    finder.VisitChunks(begin, std::min(kTaskRows, reals.size_ - begin),
                       [&](size_t c, int64_t row, int64_t count, int64_t at) {
                         double* const to = out + begin + at;
                         ReadArray(*reals.owner_->chunk(static_cast<int>(c))->Slice(row, count),
                                   [to](int64_t i, double value) { to[i] = value; });
                       });
    return arrow::Status::OK();
  }));
  reals.values_ = reals.own_.data();
  reals.owner_.reset();
  return reals;
}

}  // namespace weft::kernels
