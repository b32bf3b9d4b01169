#include "weft/kernels/join_side.h"

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/builder.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/cast.h>
#include <arrow/compute/exec.h>
#include <arrow/extension_type.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/float16.h>

#include <cmath>
#include <cstring>
#include <utility>

#include "weft/kernels/key_texts.h"
#include "weft/kernels/radix_partition.h"
#include "weft/table/dictionaries.h"
#include "weft/table/hash.h"

namespace weft::kernels {
namespace {

using arrow::ChunkedArray;
using ChunkedPtr = std::shared_ptr<ChunkedArray>;

ChunkedPtr Storage(const ChunkedPtr& column) {
  if (column->type()->id() != arrow::Type::EXTENSION) return column;
  arrow::ArrayVector chunks;
  for (const auto& chunk : column->chunks()) {
    chunks.push_back(static_cast<const arrow::ExtensionArray&>(*chunk).storage());
  }
  return std::make_shared<ChunkedArray>(std::move(chunks),
                                        static_cast<const arrow::ExtensionType&>(*column->type()).storage_type());
}

/// The column with no null among its dictionaries' values: rows that point to one become null themselves.
arrow::Result<ChunkedPtr> DropDictionaryNulls(const ChunkedPtr& column, const Context& context) {
  const auto& type = static_cast<const arrow::DictionaryType&>(*column->type());
  arrow::compute::ExecContext exec(context.pool);
  exec.set_use_threads(false);
  arrow::ArrayVector chunks;
  for (const auto& chunk : column->chunks()) {
    const auto& array = static_cast<const arrow::DictionaryArray&>(*chunk);
    const auto& dictionary = array.dictionary();
    if (dictionary->null_count() == 0) {
      chunks.push_back(chunk);
      continue;
    }
    arrow::Int64Builder places(context.pool);
    int64_t place = 0;
    for (int64_t i = 0; i < dictionary->length(); ++i) {
      ARROW_RETURN_NOT_OK(dictionary->IsNull(i) ? places.AppendNull() : places.Append(place++));
    }
    ARROW_ASSIGN_OR_RAISE(auto map, places.Finish());
    ARROW_ASSIGN_OR_RAISE(map,
                          arrow::compute::Cast(*map, type.index_type(), arrow::compute::CastOptions::Safe(), &exec));
    ARROW_ASSIGN_OR_RAISE(auto indices, arrow::compute::Take(*map, *array.indices(),
                                                             arrow::compute::TakeOptions::NoBoundsCheck(), &exec));
    ARROW_ASSIGN_OR_RAISE(auto values, arrow::compute::DropNull(arrow::Datum(dictionary), &exec));
    chunks.push_back(std::make_shared<arrow::DictionaryArray>(column->type(), indices, values.make_array()));
  }
  return std::make_shared<ChunkedArray>(std::move(chunks), column->type());
}

arrow::Result<ChunkedPtr> UnifyDictionaries(const ChunkedPtr& column, const std::string& name, const Context& context) {
  if (column->type()->id() != arrow::Type::DICTIONARY || table::HaveOneDictionary(*column)) return column;
  ARROW_ASSIGN_OR_RAISE(const auto dense, DropDictionaryNulls(column, context));
  auto unified = table::UnifyDictionaries(dense, context.pool);
  if (unified.ok() || unified.status().IsOutOfMemory()) return unified;
  return unified.status().WithMessage(
      "join: the dictionaries of column '", name, "' (", column->type()->ToString(),
      ") do not fit into one; cast it to wider indices or to its values: ", unified.status().message());
}

/// What a dictionary stands for.
arrow::Result<ChunkedPtr> Decode(const ChunkedPtr& column, const Context& context) {
  arrow::compute::ExecContext exec(context.pool);
  exec.set_use_threads(false);
  arrow::ArrayVector chunks(static_cast<size_t>(column->num_chunks()));
  ARROW_RETURN_NOT_OK(ParallelFor(context, column->num_chunks(), [&](int64_t i) {
    const auto& chunk = static_cast<const arrow::DictionaryArray&>(*column->chunk(static_cast<int>(i)));
    ARROW_ASSIGN_OR_RAISE(auto values, arrow::compute::Take(*chunk.dictionary(), *chunk.indices(),
                                                            arrow::compute::TakeOptions::NoBoundsCheck(), &exec));
    chunks[static_cast<size_t>(i)] = std::move(values);
    return arrow::Status::OK();
  }));
  return std::make_shared<ChunkedArray>(std::move(chunks),
                                        static_cast<const arrow::DictionaryType&>(*column->type()).value_type());
}

/// Makes the dictionaries of a key that both sides have, with one type, the same, so that it can be taken from either.
arrow::Status UnifyAcross(std::shared_ptr<arrow::Table>* left, int left_column, std::shared_ptr<arrow::Table>* right,
                          int right_column, const Context& context) {
  const auto l = (*left)->column(left_column);
  const auto r = (*right)->column(right_column);
  arrow::ArrayVector chunks = l->chunks();
  chunks.insert(chunks.end(), r->chunks().begin(), r->chunks().end());
  if (chunks.empty()) return arrow::Status::OK();
  ARROW_ASSIGN_OR_RAISE(auto both, UnifyDictionaries(std::make_shared<ChunkedArray>(chunks, l->type()),
                                                     (*left)->field(left_column)->name(), context));
  const auto middle = both->chunks().begin() + l->num_chunks();
  ARROW_ASSIGN_OR_RAISE(*left, (*left)->SetColumn(left_column, (*left)->field(left_column),
                                                  std::make_shared<ChunkedArray>(
                                                      arrow::ArrayVector(both->chunks().begin(), middle), l->type())));
  ARROW_ASSIGN_OR_RAISE(*right, (*right)->SetColumn(right_column, (*right)->field(right_column),
                                                    std::make_shared<ChunkedArray>(
                                                        arrow::ArrayVector(middle, both->chunks().end()), r->type())));
  return arrow::Status::OK();
}

SideColumn Describe(const ChunkedArray& column) {
  SideColumn out;
  out.type = column.type();
  out.has_nulls = column.null_count() > 0;
  switch (out.type->id()) {
    case arrow::Type::NA:
      out.layout = Layout::kNull;
      break;
    case arrow::Type::BOOL:
      out.layout = Layout::kBits;
      out.width = 1;
      break;
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      out.layout = Layout::kBinary32;
      break;
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      out.layout = Layout::kBinary64;
      break;
    default:
      if (arrow::is_fixed_width(out.type->id())) {
        out.layout = Layout::kFixed;
        out.width = out.type->byte_width();
      } else {
        out.layout = Layout::kOther;
      }
  }
  return out;
}

/// Rows cut wherever a column begins a new chunk.
std::vector<Piece> LineUp(const arrow::Table& table) {
  std::vector<Piece> pieces;
  const auto width = static_cast<size_t>(table.num_columns());
  std::vector<int> chunk(width, 0);
  std::vector<int64_t> used(width, 0);
  for (int64_t row = 0; row < table.num_rows();) {
    int64_t n = table.num_rows() - row;
    for (size_t c = 0; c < width; ++c) {
      const auto& column = *table.column(static_cast<int>(c));
      while (column.chunk(chunk[c])->length() == used[c]) {
        ++chunk[c];
        used[c] = 0;
      }
      n = std::min(n, column.chunk(chunk[c])->length() - used[c]);
    }
    Piece piece{row, n, {}};
    for (size_t c = 0; c < width; ++c) {
      const auto& data = table.column(static_cast<int>(c))->chunk(chunk[c])->data();
      piece.columns.push_back(data->length == n ? data : data->Slice(used[c], n));
      used[c] += n;
    }
    pieces.push_back(std::move(piece));
    row += n;
  }
  return pieces;
}

template <int width>
void AddToWords(const uint8_t* values, int64_t n, int shift, uint64_t* words) {
  for (int64_t i = 0; i < n; ++i) {
    uint64_t value = 0;
    std::memcpy(&value, values + i * width, width);
    words[i] |= value << shift;
  }
}

void BitsToBytes(const uint8_t* bits, int64_t offset, int64_t n, uint8_t* out) {
  int64_t i = 0;
  for (; i < n && (offset + i) % 8 != 0; ++i) out[i] = arrow::bit_util::GetBit(bits, offset + i);
  for (; i + 8 <= n; i += 8) {
    // One bit to the lowest of each byte: the multiplication spreads, the mask picks.
    const uint64_t byte = bits[(offset + i) / 8];
    const uint64_t low = ((byte & 0x7f) * 0x0002040810204081ULL) & 0x0101010101010101ULL;
    const uint64_t spread = low | ((byte >> 7) << 56);
    std::memcpy(out + i, &spread, 8);
  }
  for (; i < n; ++i) out[i] = arrow::bit_util::GetBit(bits, offset + i);
}

uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

bool IsNan(const arrow::ArrayData& data, int64_t row) {
  switch (data.type->id()) {
    case arrow::Type::HALF_FLOAT:
      return arrow::util::Float16::FromBits(data.GetValues<uint16_t>(1)[row]).is_nan();
    case arrow::Type::FLOAT:
      return std::isnan(data.GetValues<float>(1)[row]);
    case arrow::Type::DOUBLE:
      return std::isnan(data.GetValues<double>(1)[row]);
    default:
      return false;
  }
}

}  // namespace

arrow::Result<JoinSide> JoinSide::Make(const std::shared_ptr<arrow::Table>& table, const std::vector<int>& keys,
                                       const Context& context) {
  JoinSide side;
  side.rows_ = table->num_rows();
  arrow::FieldVector fields;
  std::vector<ChunkedPtr> columns;
  const auto add = [&](const std::string& name, const ChunkedPtr& column) {
    fields.push_back(arrow::field(name, column->type()));
    columns.push_back(column);
    side.columns_.push_back(Describe(*column));
  };
  for (int c = 0; c < table->num_columns(); ++c) {
    const auto& name = table->field(c)->name();
    ARROW_ASSIGN_OR_RAISE(auto column, UnifyDictionaries(Storage(table->column(c)), name, context));
    add(name, column);
  }
  for (const int key : keys) {
    const ChunkedPtr column = columns[static_cast<size_t>(key)];
    if (column->type()->id() != arrow::Type::DICTIONARY) {
      side.key_columns_.push_back(key);
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(auto decoded, Decode(column, context));
    side.key_columns_.push_back(static_cast<int>(columns.size()));
    add(table->field(key)->name(), decoded);
  }
  for (const auto& column : columns) {
    auto& dictionary = side.dictionaries_.emplace_back();
    if (column->type()->id() != arrow::Type::DICTIONARY) continue;
    if (column->num_chunks() > 0) {
      dictionary = column->chunk(0)->data()->dictionary;
    } else {
      const auto& type = static_cast<const arrow::DictionaryType&>(*column->type());
      ARROW_ASSIGN_OR_RAISE(auto empty, arrow::MakeEmptyArray(type.value_type(), context.pool));
      dictionary = empty->data();
    }
  }
  side.table_ = arrow::Table::Make(arrow::schema(std::move(fields)), std::move(columns), side.rows_);
  side.pieces_ = LineUp(*side.table_);
  side.whole_.resize(side.columns_.size());
  return side;
}

bool JoinSide::CanBeExact() const {
  int width = 0;
  for (const int key : key_columns_) {
    const SideColumn& c = column(key);
    if (c.layout != Layout::kFixed || c.has_nulls || arrow::is_floating(c.type->id())) return false;
    if (c.width != 1 && c.width != 2 && c.width != 4 && c.width != 8) return false;
    width += c.width;
  }
  return width <= 8;
}

void JoinSide::MakeExactWords() {
  word_kind_ = WordKind::kExact;
  int byte = 0;
  for (const int key : key_columns_) {
    SideColumn& c = columns_[static_cast<size_t>(key)];
    if (c.word_byte < 0) c.word_byte = byte;
    byte += c.width;
  }
}

void JoinSide::TakeCodes(std::shared_ptr<arrow::Buffer> codes) {
  word_kind_ = WordKind::kCode;
  hashes_ = std::move(codes);
}

arrow::Status JoinSide::MakeHashWords(const JoinOptions& options, uint64_t hash_mask, uint64_t salt,
                                      const Context& context) {
  word_kind_ = WordKind::kHash;
  ARROW_ASSIGN_OR_RAISE(hashes_, arrow::AllocateBuffer(rows_ * 8, context.pool));
  auto* hashes = reinterpret_cast<uint64_t*>(hashes_->mutable_data());
  table::HashOptions hash_options;
  hash_options.nan_is_null = options.nan_is_null;
  ARROW_RETURN_NOT_OK(table::HashRows(*table_, key_columns_, hash_options, context, hashes));
  if (hash_mask != ~uint64_t{0}) {
    for (int64_t i = 0; i < rows_; ++i) hashes[i] &= hash_mask;
  }
  if (options.nulls_equal) return arrow::Status::OK();
  for (const Piece& piece : pieces_) {
    for (const int key : key_columns_) {
      const arrow::ArrayData& data = *piece.columns[static_cast<size_t>(key)];
      const bool nan = options.nan_is_null && arrow::is_floating(data.type->id());
      if (data.GetNullCount() == 0 && !nan) continue;
      for (int64_t i = 0; i < piece.rows; ++i) {
        if (data.IsNull(i) || (nan && IsNan(data, i))) {
          hashes[piece.first_row + i] = Mix(static_cast<uint64_t>(piece.first_row + i) + salt);
        }
      }
    }
  }
  return arrow::Status::OK();
}

int JoinSide::AddSlot(Slot::Kind kind, int column, int width) {
  slots_.push_back({kind, column, width});
  return static_cast<int>(slots_.size()) - 1;
}

arrow::Status JoinSide::MeasureTexts(const Context& context) {
  struct Task {
    const arrow::ArrayData* data;
    size_t column;
    int64_t longest;
  };
  std::vector<Task> tasks;
  for (size_t c = 0; c < columns_.size(); ++c) {
    if (columns_[c].layout != Layout::kBinary32 && columns_[c].layout != Layout::kBinary64) continue;
    columns_[c].longest = 0;
    columns_[c].text_bytes = 0;
    for (const Piece& piece : pieces_) {
      const arrow::ArrayData& data = *piece.columns[c];
      columns_[c].text_bytes += FirstByte(data, data.length) - FirstByte(data, 0);
      tasks.push_back({&data, c, 0});
    }
  }
  ARROW_RETURN_NOT_OK(ParallelFor(context, static_cast<int64_t>(tasks.size()), [&](int64_t t) {
    Task& task = tasks[static_cast<size_t>(t)];
    task.longest = MeasureLengths(*task.data, 0, task.data->length).longest;
    return arrow::Status::OK();
  }));
  for (const Task& task : tasks) columns_[task.column].longest = std::max(columns_[task.column].longest, task.longest);
  return arrow::Status::OK();
}

bool JoinSide::TextsMove(const SideColumn& c) const {
  return c.longest >= 0 && c.longest < int64_t{1} << kTextLengthBits && c.text_bytes <= rows_ * kMostMovedTextBytes &&
         c.text_bytes < int64_t{1} << kTextPlaceBits;
}

void JoinSide::Need(int column) {
  SideColumn& c = columns_[static_cast<size_t>(column)];
  if (TextsMove(c)) {
    const Slot::Kind kind = c.longest <= kSlotTextBytes ? Slot::Kind::kText : Slot::Kind::kTextPlace;
    if (c.value_slot < 0) c.value_slot = AddSlot(kind, column, 8);
    if (c.has_nulls && c.validity_slot < 0) c.validity_slot = AddSlot(Slot::Kind::kValidity, column, 1);
    return;
  }
  switch (c.layout) {
    case Layout::kNull:
      return;
    case Layout::kFixed:
    case Layout::kBits:
      if (c.word_byte < 0 && c.value_slot < 0) {
        c.value_slot = AddSlot(c.layout == Layout::kBits ? Slot::Kind::kBits : Slot::Kind::kValues, column, c.width);
      }
      if (c.has_nulls && c.validity_slot < 0) c.validity_slot = AddSlot(Slot::Kind::kValidity, column, 1);
      return;
    case Layout::kBinary32:
    case Layout::kBinary64:
    case Layout::kOther:
      if (row_id_slot_ < 0) row_id_slot_ = AddSlot(Slot::Kind::kRowId, -1, 8);
      return;
  }
}

const uint8_t* JoinSide::Read(const Slot& slot, size_t piece, int64_t begin, int64_t n, uint8_t* scratch) const {
  switch (slot.kind) {
    case Slot::Kind::kWord:
      return reinterpret_cast<const uint8_t*>(
          ReadWords(piece, begin, n, reinterpret_cast<uint64_t*>(static_cast<void*>(scratch))));
    case Slot::Kind::kRowId:
      for (int64_t i = 0; i < n; ++i) {
        const uint64_t id = MakeRowId(piece, begin + i);
        std::memcpy(scratch + i * 8, &id, 8);
      }
      return scratch;
    default:
      break;
  }
  const arrow::ArrayData& data = *pieces_[piece].columns[static_cast<size_t>(slot.column)];
  switch (slot.kind) {
    case Slot::Kind::kText:
      BinarySlots(data, begin, n, scratch);
      return scratch;
    case Slot::Kind::kTextPlace:
      BinaryLengths(data, begin, n, reinterpret_cast<uint64_t*>(static_cast<void*>(scratch)));
      return scratch;
    case Slot::Kind::kBits:
      BitsToBytes(data.buffers[1]->data(), data.offset + begin, n, scratch);
      return scratch;
    case Slot::Kind::kValidity:
      if (data.buffers[0] == nullptr) {
        std::memset(scratch, 1, static_cast<size_t>(n));
      } else {
        BitsToBytes(data.buffers[0]->data(), data.offset + begin, n, scratch);
      }
      return scratch;
    default:
      return data.buffers[1]->data() + (data.offset + begin) * slot.width;
  }
}

const uint64_t* JoinSide::ReadWords(size_t piece, int64_t begin, int64_t n, uint64_t* scratch) const {
  if (word_kind_ == WordKind::kNone) return nullptr;
  if (word_kind_ != WordKind::kExact) {
    return reinterpret_cast<const uint64_t*>(hashes_->data()) + pieces_[piece].first_row + begin;
  }
  const auto values = [&](int key) {
    const arrow::ArrayData& data = *pieces_[piece].columns[static_cast<size_t>(key)];
    return data.buffers[1]->data() + (data.offset + begin) * column(key).width;
  };
  if (key_columns_.size() == 1 && column(key_columns_[0]).width == 8) {
    return reinterpret_cast<const uint64_t*>(values(key_columns_[0]));
  }
  std::fill(scratch, scratch + n, 0);
  int shift = 0;
  for (const int key : key_columns_) {
    switch (column(key).width) {
      case 1:
        AddToWords<1>(values(key), n, shift, scratch);
        break;
      case 2:
        AddToWords<2>(values(key), n, shift, scratch);
        break;
      case 4:
        AddToWords<4>(values(key), n, shift, scratch);
        break;
      default:
        AddToWords<8>(values(key), n, shift, scratch);
    }
    shift += 8 * column(key).width;
  }
  return scratch;
}

arrow::Result<std::shared_ptr<arrow::Array>> JoinSide::Whole(int column, arrow::MemoryPool* pool) {
  auto& whole = whole_[static_cast<size_t>(column)];
  if (whole == nullptr) {
    const auto& chunked = table_->column(column);
    if (chunked->num_chunks() == 1) {
      whole = chunked->chunk(0);
    } else if (chunked->num_chunks() == 0) {
      ARROW_ASSIGN_OR_RAISE(whole, arrow::MakeEmptyArray(chunked->type(), pool));
    } else {
      ARROW_ASSIGN_OR_RAISE(whole, arrow::Concatenate(chunked->chunks(), pool));
    }
  }
  return whole;
}

arrow::Result<std::pair<JoinSide, JoinSide>> MakeSides(const JoinPlan& plan, const JoinOptions& options,
                                                       std::shared_ptr<arrow::Table> left,
                                                       std::shared_ptr<arrow::Table> right, const Context& context) {
  for (const OutputColumn& column : plan.columns) {
    if (!column.coalesced) continue;
    const int l = options.left_keys[static_cast<size_t>(column.key)];
    const int r = options.right_keys[static_cast<size_t>(column.key)];
    const auto& type = left->field(l)->type();
    if (type->id() == arrow::Type::DICTIONARY && type->Equals(right->field(r)->type())) {
      ARROW_RETURN_NOT_OK(UnifyAcross(&left, l, &right, r, context));
    }
  }
  ARROW_ASSIGN_OR_RAISE(auto left_side, JoinSide::Make(left, options.left_keys, context));
  ARROW_ASSIGN_OR_RAISE(auto right_side, JoinSide::Make(right, options.right_keys, context));
  return std::pair(std::move(left_side), std::move(right_side));
}

}  // namespace weft::kernels
