#include "weft/kernels/join_gather.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/exec.h>
#include <arrow/extension_type.h>
#include <arrow/util/bit_util.h>

#include <cstring>
#include <limits>
#include <utility>

namespace weft::kernels {
namespace {

using arrow::ArrayData;
using ArrayDataPtr = std::shared_ptr<ArrayData>;

/// What a null's value is read from.
alignas(64) constexpr uint8_t kZeros[64] = {};

template <typename Address>
void CopyValues(int width, int64_t n, uint8_t* out, Address&& address) {
  const auto loop = [&]<int kWidth>() {
    for (int64_t k = 0; k < n; ++k) std::memcpy(out + k * kWidth, address(k), kWidth);
  };
  switch (width) {
    case 1:
      return loop.template operator()<1>();
    case 2:
      return loop.template operator()<2>();
    case 4:
      return loop.template operator()<4>();
    case 8:
      return loop.template operator()<8>();
    case 16:
      return loop.template operator()<16>();
    case 32:
      return loop.template operator()<32>();
    default:
      for (int64_t k = 0; k < n; ++k) {
        const uint8_t* from = address(k);
        if (from == kZeros) {
          std::memset(out + k * width, 0, static_cast<size_t>(width));
        } else {
          std::memcpy(out + k * width, from, static_cast<size_t>(width));
        }
      }
  }
}

/// Calls `use` with a function from the number of a result row to its value's address (kZeros for null).
template <typename Use>
void WithAddresses(const GatherSource& source, Use&& use) {
  const uint8_t* const values = source.first.values;
  const int64_t stride = source.first.stride;
  const uint32_t* const rows = source.first_rows;
  if (source.second != nullptr) {
    const uint8_t* const others = source.second->values;
    const int64_t other_stride = source.second->stride;
    const uint32_t* const other_rows = source.second_rows;
    use([=](int64_t k) {
      if (rows[k] != kNoRow) return values + rows[k] * stride;
      return other_rows[k] != kNoRow ? others + other_rows[k] * other_stride : kZeros;
    });
  } else if (source.padded) {
    use([=](int64_t k) { return rows[k] == kNoRow ? kZeros : values + rows[k] * stride; });
  } else if (stride == 8) {
    use([=](int64_t k) { return values + rows[k] * int64_t{8}; });
  } else {
    use([=](int64_t k) { return values + rows[k] * stride; });
  }
}

template <typename Bit>
int64_t PackBits(int64_t n, uint8_t* out, Bit&& bit) {
  int64_t ones = 0;
  for (int64_t k = 0; k < n; k += 8) {
    const int64_t end = std::min<int64_t>(8, n - k);
    uint32_t byte = 0;
    for (int64_t b = 0; b < end; ++b) byte |= static_cast<uint32_t>(bit(k + b)) << b;
    *out++ = static_cast<uint8_t>(byte);
    ones += __builtin_popcount(byte);
  }
  return ones;
}

/// A bitmap of which result rows are not null; nullptr where all are.
arrow::Result<std::shared_ptr<arrow::Buffer>> GatherValidity(const GatherSource& source, int64_t n, int64_t* nulls,
                                                             arrow::MemoryPool* pool) {
  *nulls = 0;
  const auto is_valid = [](const ColumnView& view, uint32_t row) {
    if (view.layout == Layout::kBinary32 || view.layout == Layout::kBinary64) {
      const uint64_t id = view.row_ids[row];
      const ArrayData& data = *view.side->pieces()[PieceOfRowId(id)].columns[static_cast<size_t>(view.column)];
      return data.IsValid(PlaceOfRowId(id));
    }
    return view.valid == nullptr || view.valid[row] != 0;
  };
  const bool nullable = source.first.side->column(source.first.column).has_nulls ||
                        (source.second != nullptr && source.second->side->column(source.second->column).has_nulls);
  if (!nullable && !source.padded) return nullptr;
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> out,
                        arrow::AllocateBuffer(arrow::bit_util::BytesForBits(n), pool));
  const uint32_t* const rows = source.first_rows;
  int64_t ones = 0;
  if (source.second == nullptr && source.first.valid != nullptr && !source.padded) {
    const uint8_t* const valid = source.first.valid;
    ones = PackBits(n, out->mutable_data(), [=](int64_t k) { return valid[rows[k]]; });
  } else if (source.second == nullptr && !nullable) {
    ones = PackBits(n, out->mutable_data(), [=](int64_t k) { return rows[k] != kNoRow; });
  } else {
    ones = PackBits(n, out->mutable_data(), [&](int64_t k) {
      if (rows[k] != kNoRow) return is_valid(source.first, rows[k]);
      return source.second != nullptr && source.second_rows[k] != kNoRow &&
             is_valid(*source.second, source.second_rows[k]);
    });
  }
  *nulls = n - ones;
  if (*nulls == 0) return nullptr;
  return out;
}

template <typename Offset>
arrow::Status GatherBytes(const GatherSource& source, int64_t n, ArrayData* out, arrow::MemoryPool* pool) {
  constexpr int64_t kBlock = 256;
  BytesRef refs[kBlock];
  ARROW_ASSIGN_OR_RAISE(auto offsets, arrow::AllocateBuffer((n + 1) * static_cast<int64_t>(sizeof(Offset)), pool));
  ARROW_ASSIGN_OR_RAISE(auto values, arrow::AllocateResizableBuffer(0, pool));
  auto* ends = reinterpret_cast<Offset*>(offsets->mutable_data());
  int64_t end = 0;
  for (int64_t k = 0; k < n; k += kBlock) {
    const int64_t block = std::min(kBlock, n - k);
    const int64_t begin = end;
    for (int64_t b = 0; b < block; ++b) {
      const uint32_t row = source.first_rows[k + b];
      refs[b] = {kZeros, 0};
      if (row != kNoRow) {
        refs[b] = BytesAt(source.first, row);
      } else if (source.second != nullptr && source.second_rows[k + b] != kNoRow) {
        refs[b] = BytesAt(*source.second, source.second_rows[k + b]);
      }
      __builtin_prefetch(refs[b].data);
      ends[k + b] = static_cast<Offset>(end);
      end += refs[b].length;
    }
    if (end > std::numeric_limits<Offset>::max()) {
      return arrow::Status::CapacityError("join: more than ", std::numeric_limits<Offset>::max(),
                                          " bytes of strings in one array");
    }
    if (end > values->size()) {
      // As many bytes a row as so far, and a quarter more.
      const int64_t guess = static_cast<int64_t>(static_cast<double>(end) * static_cast<double>(n) /
                                                 static_cast<double>(k + block) * (k == 0 ? 1.25 : 1.1));
      ARROW_RETURN_NOT_OK(values->Resize(std::max(end + 64, guess), /*shrink_to_fit=*/false));
    }
    uint8_t* to = values->mutable_data() + begin;
    for (int64_t b = 0; b < block; ++b) {
      if (refs[b].length > 0) std::memcpy(to, refs[b].data, static_cast<size_t>(refs[b].length));
      to += refs[b].length;
    }
  }
  ends[n] = static_cast<Offset>(end);
  // Memory that a careful guess left over is given back only where it is much.
  ARROW_RETURN_NOT_OK(values->Resize(end, /*shrink_to_fit=*/values->capacity() > end + end / 4 + 4096));
  out->buffers[1] = std::move(offsets);
  out->buffers[2] = std::move(values);
  return arrow::Status::OK();
}

arrow::Result<ArrayDataPtr> GatherOther(const std::shared_ptr<arrow::DataType>& type, const GatherSource& source,
                                        int64_t n, arrow::MemoryPool* pool) {
  const ColumnView& view = source.first;
  arrow::Int64Builder rows(pool);
  ARROW_RETURN_NOT_OK(rows.Reserve(n));
  for (int64_t k = 0; k < n; ++k) {
    if (source.first_rows[k] == kNoRow) {
      rows.UnsafeAppendNull();
      continue;
    }
    const uint64_t id = view.row_ids[source.first_rows[k]];
    rows.UnsafeAppend(view.side->pieces()[PieceOfRowId(id)].first_row + PlaceOfRowId(id));
  }
  ARROW_ASSIGN_OR_RAISE(auto indices, rows.Finish());
  ARROW_ASSIGN_OR_RAISE(auto whole, view.side->Whole(view.column, pool));
  arrow::compute::ExecContext exec(pool);
  exec.set_use_threads(false);
  auto taken = arrow::compute::Take(arrow::Datum(whole), arrow::Datum(indices),
                                    arrow::compute::TakeOptions::NoBoundsCheck(), &exec);
  if (taken.ok()) {
    auto out = taken->array()->Copy();
    out->type = type;
    return out;
  }
  if (!taken.status().IsNotImplemented()) return taken.status();
  std::unique_ptr<arrow::ArrayBuilder> builder;
  ARROW_RETURN_NOT_OK(arrow::MakeBuilderExactIndex(pool, whole->type(), &builder));
  const arrow::ArraySpan span(*whole->data());
  const auto& numbers = static_cast<const arrow::Int64Array&>(*indices);
  for (int64_t k = 0; k < n; ++k) {
    ARROW_RETURN_NOT_OK(numbers.IsNull(k) ? builder->AppendNull()
                                          : builder->AppendArraySlice(span, numbers.Value(k), 1));
  }
  ArrayDataPtr out;
  ARROW_RETURN_NOT_OK(builder->FinishInternal(&out));
  out->type = type;
  return out;
}

}  // namespace

ColumnView::ColumnView(const SideView& view, int column_number) : side(view.side), column(column_number) {
  const SideColumn& c = side->column(column);
  layout = c.layout;
  stride = c.width;
  if (c.word_byte >= 0) {
    values = view.slots[0] + c.word_byte;
    stride = 8;
  } else if (c.value_slot >= 0) {
    values = view.slots[static_cast<size_t>(c.value_slot)];
  }
  if (c.validity_slot >= 0) valid = view.slots[static_cast<size_t>(c.validity_slot)];
  if (side->row_id_slot() >= 0) {
    row_ids = reinterpret_cast<const uint64_t*>(view.slots[static_cast<size_t>(side->row_id_slot())]);
  }
}

BytesRef BytesAt(const ColumnView& view, uint32_t row) {
  const uint64_t id = view.row_ids[row];
  const ArrayData& data = *view.side->pieces()[PieceOfRowId(id)].columns[static_cast<size_t>(view.column)];
  const int64_t place = PlaceOfRowId(id) + data.offset;
  int64_t begin = 0;
  int64_t end = 0;
  if (view.layout == Layout::kBinary32) {
    const auto* offsets = reinterpret_cast<const int32_t*>(data.buffers[1]->data()) + place;
    begin = offsets[0];
    end = offsets[1];
  } else {
    const auto* offsets = reinterpret_cast<const int64_t*>(data.buffers[1]->data()) + place;
    begin = offsets[0];
    end = offsets[1];
  }
  if (begin == end) return {kZeros, 0};
  return {data.buffers[2]->data() + begin, end - begin};
}

arrow::Result<ArrayDataPtr> GatherColumn(const std::shared_ptr<arrow::DataType>& type, const GatherSource& source,
                                         int64_t n, arrow::MemoryPool* pool) {
  const arrow::DataType* storage = type.get();
  if (type->id() == arrow::Type::EXTENSION) {
    storage = static_cast<const arrow::ExtensionType&>(*type).storage_type().get();
  }
  const SideColumn& column = source.first.side->column(source.first.column);
  if (column.layout == Layout::kNull) return ArrayData::Make(type, n, {nullptr}, n);
  if (column.layout == Layout::kOther) return GatherOther(type, source, n, pool);
  const bool bytes = column.layout == Layout::kBinary32 || column.layout == Layout::kBinary64;
  int64_t nulls = 0;
  ARROW_ASSIGN_OR_RAISE(auto validity, GatherValidity(source, n, &nulls, pool));
  auto out = ArrayData::Make(type, n, std::vector<std::shared_ptr<arrow::Buffer>>(bytes ? 3 : 2), nulls);
  out->buffers[0] = std::move(validity);
  if (bytes) {
    const bool large = storage->id() == arrow::Type::LARGE_STRING || storage->id() == arrow::Type::LARGE_BINARY;
    ARROW_RETURN_NOT_OK(large ? GatherBytes<int64_t>(source, n, out.get(), pool)
                              : GatherBytes<int32_t>(source, n, out.get(), pool));
    return out;
  }
  if (column.layout == Layout::kBits) {
    ARROW_ASSIGN_OR_RAISE(out->buffers[1], arrow::AllocateBuffer(arrow::bit_util::BytesForBits(n), pool));
    uint8_t* to = out->buffers[1]->mutable_data();
    WithAddresses(source, [&](auto&& address) { PackBits(n, to, [&](int64_t k) { return *address(k) != 0; }); });
    return out;
  }
  ARROW_ASSIGN_OR_RAISE(out->buffers[1], arrow::AllocateBuffer(n * column.width, pool));
  uint8_t* to = out->buffers[1]->mutable_data();
  WithAddresses(source, [&](auto&& address) { CopyValues(column.width, n, to, address); });
  if (column.type->id() == arrow::Type::DICTIONARY) {
    // Of two sides with rows the dictionaries are the same.
    const bool other = source.second != nullptr && source.first.side->rows() == 0;
    const ColumnView& from = other ? *source.second : source.first;
    out->dictionary = from.side->dictionary(from.column);
  }
  return out;
}

}  // namespace weft::kernels
