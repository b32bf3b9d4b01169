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
      if (rows[k] != kNoRow) return source.first.IsValid(rows[k]);
      return source.second != nullptr && source.second_rows[k] != kNoRow &&
             source.second->IsValid(source.second_rows[k]);
    });
  }
  *nulls = n - ones;
  if (*nulls == 0) return nullptr;
  return out;
}

/// A text that is read where the column has it is copied by so many bytes at once, where there is room.
constexpr int64_t kStep = 16;

/// Where a text lies, and how many bytes can be read there.
struct Text {
  const uint8_t* data;
  int64_t length;
  int64_t readable;
};

/// The texts that lie in the view's slots.
struct SlotTexts {
  static constexpr int64_t kCopied = 8;
  const uint8_t* values;
  Text operator()(uint32_t row) const {
    const uint8_t* at = values + row * kCopied;
    return {at, at[kCopied - 1], kCopied};
  }
};

/// Those that were moved beside the slots.
struct MovedTexts {
  static constexpr int64_t kCopied = kTextRoom;
  const ColumnView* view;
  Text operator()(uint32_t row) const {
    const BytesRef text = view->MovedText(row);
    return {text.data, text.length, kTextRoom};
  }
};

/// The texts of one array, whose first row is the view's.
template <typename Offset>
struct ArrayTexts {
  static constexpr int64_t kCopied = kStep;
  const Offset* offsets;
  const uint8_t* bytes;
  int64_t size;
  Text operator()(uint32_t row) const {
    const int64_t begin = offsets[row];
    return {bytes + begin, offsets[row + 1] - begin, size - begin};
  }
};

struct AnyTexts {
  static constexpr int64_t kCopied = kStep;
  const ColumnView* view;
  Text operator()(uint32_t row) const {
    const BytesRef bytes = BytesAt(*view, row);
    return {bytes.data, bytes.length, bytes.length};
  }
};

/// Calls `use` with what finds a view's texts.
template <typename Use>
arrow::Status WithTexts(const ColumnView& view, Use&& use) {
  if (view.has_texts()) return use(SlotTexts{view.values});
  if (view.texts != nullptr) return use(MovedTexts{&view});
  if (view.row_ids != nullptr || view.side->pieces().empty()) return use(AnyTexts{&view});
  const ArrayData& data = *view.side->pieces()[view.piece].columns[static_cast<size_t>(view.column)];
  const uint8_t* bytes = data.buffers[2] == nullptr ? kZeros : data.buffers[2]->data();
  const int64_t size = data.buffers[2] == nullptr ? 0 : data.buffers[2]->size();
  if (view.layout == Layout::kBinary32) {
    return use(ArrayTexts<int32_t>{data.GetValues<int32_t>(1) + view.piece_row, bytes, size});
  }
  return use(ArrayTexts<int64_t>{data.GetValues<int64_t>(1) + view.piece_row, bytes, size});
}

/// `text(k)` is the text of result row k. So many bytes are copied at once where they can be read; as much room is kept
/// behind the last.
template <typename Offset, int64_t kCopied, typename TextOf>
arrow::Status WriteTexts(int64_t n, const TextOf& text, ArrayData* out, arrow::MemoryPool* pool) {
  constexpr int64_t kBlock = 256;
  Text texts[kBlock];
  ARROW_ASSIGN_OR_RAISE(auto offsets, arrow::AllocateBuffer((n + 1) * static_cast<int64_t>(sizeof(Offset)), pool));
  ARROW_ASSIGN_OR_RAISE(auto values, arrow::AllocateResizableBuffer(0, pool));
  auto* ends = reinterpret_cast<Offset*>(offsets->mutable_data());
  int64_t end = 0;
  for (int64_t k = 0; k < n; k += kBlock) {
    const int64_t block = std::min(kBlock, n - k);
    const int64_t begin = end;
    for (int64_t b = 0; b < block; ++b) {
      texts[b] = text(k + b);
      ends[k + b] = static_cast<Offset>(end);
      end += texts[b].length;
    }
    if (end > std::numeric_limits<Offset>::max()) {
      return arrow::Status::CapacityError("join: more than ", std::numeric_limits<Offset>::max(),
                                          " bytes of strings in one array");
    }
    if (end + kCopied > values->size()) {
      // As many bytes a row as so far, and a quarter more.
      const int64_t guess = static_cast<int64_t>(static_cast<double>(end) * static_cast<double>(n) /
                                                 static_cast<double>(k + block) * (k == 0 ? 1.25 : 1.1));
      ARROW_RETURN_NOT_OK(values->Resize(std::max(end, guess) + kTextRoom, /*shrink_to_fit=*/false));
    }
    uint8_t* to = values->mutable_data() + begin;
    for (int64_t b = 0; b < block; ++b) {
      const Text& from = texts[b];
      if (from.length <= kCopied && from.readable >= kCopied) [[likely]] {
        std::memcpy(to, from.data, kCopied);
      } else if (from.length > 0) {
        std::memcpy(to, from.data, static_cast<size_t>(from.length));
      }
      to += from.length;
    }
  }
  ends[n] = static_cast<Offset>(end);
  // Memory that a careful guess left over is given back only where it is much.
  ARROW_RETURN_NOT_OK(values->Resize(end, /*shrink_to_fit=*/values->capacity() > end + end / 4 + 4096));
  out->buffers[1] = std::move(offsets);
  out->buffers[2] = std::move(values);
  return arrow::Status::OK();
}

template <typename Offset>
arrow::Status GatherBytes(const GatherSource& source, int64_t n, ArrayData* out, arrow::MemoryPool* pool) {
  constexpr Text kNone{kZeros, 0, sizeof(kZeros)};
  const uint32_t* const rows = source.first_rows;
  if (source.second != nullptr) {
    const AnyTexts first{&source.first};
    const AnyTexts second{source.second};
    const auto text = [&](int64_t k) {
      if (rows[k] != kNoRow) return first(rows[k]);
      return source.second_rows[k] != kNoRow ? second(source.second_rows[k]) : kNone;
    };
    return WriteTexts<Offset, kStep>(n, text, out, pool);
  }
  return WithTexts(source.first, [&]<typename Texts>(const Texts& texts) {
    constexpr int64_t kCopied = Texts::kCopied;
    if (source.padded) {
      return WriteTexts<Offset, kCopied>(
          n, [&](int64_t k) { return rows[k] != kNoRow ? texts(rows[k]) : kNone; }, out, pool);
    }
    return WriteTexts<Offset, kCopied>(n, [&](int64_t k) { return texts(rows[k]); }, out, pool);
  });
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
    const uint64_t id = view.RowId(source.first_rows[k]);
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
    const auto slot = static_cast<size_t>(c.value_slot);
    values = view.slots[slot];
    stride = side->slots()[slot].width;
    if (side->slots()[slot].kind == Slot::Kind::kTextPlace) texts = view.texts[slot];
  }
  if (c.validity_slot >= 0) valid = view.slots[static_cast<size_t>(c.validity_slot)];
  if (view.piece >= 0) {
    piece = static_cast<size_t>(view.piece);
    piece_row = view.piece_row;
  } else if (side->row_id_slot() >= 0) {
    row_ids = reinterpret_cast<const uint64_t*>(view.slots[static_cast<size_t>(side->row_id_slot())]);
  }
}

bool ColumnView::IsValid(uint32_t row) const {
  if (valid != nullptr) return valid[row] != 0;
  if (layout != Layout::kBinary32 && layout != Layout::kBinary64) return true;
  if (!side->column(column).has_nulls) return true;
  const uint64_t id = RowId(row);
  return side->pieces()[PieceOfRowId(id)].columns[static_cast<size_t>(column)]->IsValid(PlaceOfRowId(id));
}

BytesRef BytesAt(const ColumnView& view, uint32_t row) {
  if (view.has_texts()) {
    const uint8_t* at = view.values + row * view.stride;
    return {at, at[view.stride - 1]};
  }
  if (view.texts != nullptr) return view.MovedText(row);
  const uint64_t id = view.RowId(row);
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
