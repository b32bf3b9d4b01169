#include "weft/kernels/key_encoding.h"

#include <arrow/array.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/exec.h>
#include <arrow/util/bit_util.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "weft/base/cpu_level.h"
#include "weft/kernels/key_ranks.h"
#include "weft/kernels/key_texts.h"
#include "weft/table/dictionaries.h"

namespace weft::kernels {
namespace {

using arrow::Type;

constexpr uint64_t kSignBit = uint64_t{1} << 63;
/// Rows of one parallel task.
constexpr int64_t kTaskRows = 1 << 16;

bool IsFloating(Type::type id) { return id == Type::HALF_FLOAT || id == Type::FLOAT || id == Type::DOUBLE; }

bool IsHalfNan(uint16_t bits) { return (bits & 0x7fff) > 0x7c00; }

uint64_t OrderOf(double value) {
  if (value != value) return std::numeric_limits<uint64_t>::max();
  const auto bits = std::bit_cast<uint64_t>(value + 0.0);  // -0.0 + 0.0 is 0.0
  return bits ^ ((bits & kSignBit) != 0 ? ~uint64_t{0} : kSignBit);
}

uint64_t OrderOf(float value) {
  if (value != value) return std::numeric_limits<uint32_t>::max();
  const auto bits = std::bit_cast<uint32_t>(value + 0.0F);
  return bits ^ ((bits >> 31) != 0 ? ~uint32_t{0} : uint32_t{1} << 31);
}

uint64_t OrderOfHalf(uint16_t bits) {
  if (IsHalfNan(bits)) return 0xffff;
  if (bits == 0x8000) bits = 0;
  return static_cast<uint64_t>((bits & 0x8000) != 0 ? 0xffff - bits : bits + 0x8000);
}

template <typename T>
uint64_t OrderOfInteger(T value) {
  if constexpr (std::is_signed_v<T>) {
    return static_cast<uint64_t>(static_cast<int64_t>(value)) ^ kSignBit;
  } else {
    return value;
  }
}

template <typename T>
void IntegerPiece(const arrow::ArrayData& data, int64_t begin, int64_t length, uint64_t* out) {
  const T* values = data.GetValues<T>(1) + begin;
  ForCpu([=]() WEFT_FOR_CPU {
    for (int64_t i = 0; i < length; ++i) out[i] = OrderOfInteger(values[i]);
  });
}

template <typename T>
void FloatPiece(const arrow::ArrayData& data, int64_t begin, int64_t length, uint64_t* out) {
  const T* values = data.GetValues<T>(1) + begin;
  ForCpu([=]() WEFT_FOR_CPU {
    for (int64_t i = 0; i < length; ++i) out[i] = OrderOf(values[i]);
  });
}

/// Word `piece` (0 is the most significant) of integers of kWords little-endian 64-bit words.
template <int kWords>
void WidePiece(const arrow::ArrayData& data, int piece, int64_t begin, int64_t length, uint64_t* out) {
  const uint64_t* values = data.GetValues<uint64_t>(1, 0) + (data.offset + begin) * kWords + (kWords - 1 - piece);
  const uint64_t flip = piece == 0 ? kSignBit : 0;
  for (int64_t i = 0; i < length; ++i) out[i] = values[i * kWords] ^ flip;
}

void FixedPiece(const arrow::ArrayData& data, int piece, int64_t begin, int64_t length, uint64_t* out) {
  switch (data.type->id()) {
    case Type::BOOL: {
      const uint8_t* bits = data.buffers[1]->data();
      for (int64_t i = 0; i < length; ++i) out[i] = arrow::bit_util::GetBit(bits, data.offset + begin + i) ? 1 : 0;
      return;
    }
    case Type::INT8:
      return IntegerPiece<int8_t>(data, begin, length, out);
    case Type::UINT8:
      return IntegerPiece<uint8_t>(data, begin, length, out);
    case Type::INT16:
      return IntegerPiece<int16_t>(data, begin, length, out);
    case Type::UINT16:
      return IntegerPiece<uint16_t>(data, begin, length, out);
    case Type::INT32:
    case Type::DATE32:
    case Type::TIME32:
    case Type::DECIMAL32:
      return IntegerPiece<int32_t>(data, begin, length, out);
    case Type::UINT32:
      return IntegerPiece<uint32_t>(data, begin, length, out);
    case Type::UINT64:
      return IntegerPiece<uint64_t>(data, begin, length, out);
    case Type::HALF_FLOAT: {
      const auto* values = data.GetValues<uint16_t>(1) + begin;
      for (int64_t i = 0; i < length; ++i) out[i] = OrderOfHalf(values[i]);
      return;
    }
    case Type::FLOAT:
      return FloatPiece<float>(data, begin, length, out);
    case Type::DOUBLE:
      return FloatPiece<double>(data, begin, length, out);
    case Type::DECIMAL128:
      return WidePiece<2>(data, piece, begin, length, out);
    case Type::DECIMAL256:
      return WidePiece<4>(data, piece, begin, length, out);
    default:  // 64-bit integers, dates, times, timestamps, durations, decimal64
      return IntegerPiece<int64_t>(data, begin, length, out);
  }
}

void OrNanFlags(const arrow::ArrayData& data, int64_t begin, int64_t length, uint8_t* out) {
  switch (data.type->id()) {
    case Type::HALF_FLOAT:
      for (int64_t i = 0; i < length; ++i) {
        if (IsHalfNan(data.GetValues<uint16_t>(1)[begin + i])) out[i] = 1;
      }
      return;
    case Type::FLOAT: {
      const auto* values = data.GetValues<float>(1) + begin;
      ForCpu([=]() WEFT_FOR_CPU {
        for (int64_t i = 0; i < length; ++i) out[i] = static_cast<uint8_t>(out[i] | (values[i] != values[i]));
      });
      return;
    }
    default: {
      const auto* values = data.GetValues<double>(1) + begin;
      ForCpu([=]() WEFT_FOR_CPU {
        for (int64_t i = 0; i < length; ++i) out[i] = static_cast<uint8_t>(out[i] | (values[i] != values[i]));
      });
    }
  }
}

int PiecesOf(Type::type id) {
  if (id == Type::NA) return 0;
  if (id == Type::DECIMAL128) return 2;
  if (id == Type::DECIMAL256) return 4;
  return 1;
}

/// RankDictionaries of the parts' chunks, where all are of dictionaries.
arrow::Result<arrow::ArrayVector> RanksOf(const std::vector<std::shared_ptr<arrow::ChunkedArray>>& parts,
                                          bool nan_is_null, const Context& context) {
  arrow::ArrayVector chunks;
  for (const auto& part : parts) {
    if (part->type()->id() != Type::DICTIONARY) return arrow::ArrayVector();
    for (const auto& chunk : part->chunks()) {
      if (chunk->length() > 0) chunks.push_back(chunk);
    }
  }
  return chunks.empty() ? chunks : RankDictionaries(chunks, nan_is_null, context);
}

}  // namespace

arrow::Result<KeyColumn> KeyColumn::Make(const std::vector<std::shared_ptr<arrow::ChunkedArray>>& parts,
                                         bool nan_is_null, const Context& context, bool views, bool alone) {
  if (alone) {
    ARROW_ASSIGN_OR_RAISE(const auto ranks, RanksOf(parts, nan_is_null, context));
    if (!ranks.empty()) {
      return Make({std::make_shared<arrow::ChunkedArray>(ranks)}, nan_is_null, context, views, /*alone=*/false);
    }
  }
  KeyColumn column;
  column.nan_is_null_ = nan_is_null;
  Type::type id = Type::NA;
  for (const auto& part : parts) {
    const arrow::DataType* type = part->type().get();
    const bool encoded = type->id() == Type::DICTIONARY;
    if (encoded) type = static_cast<const arrow::DictionaryType*>(type)->value_type().get();
    id = type->id();
    for (std::shared_ptr<arrow::Array> chunk : part->chunks()) {
      if (chunk->length() == 0) continue;
      if (encoded && !IsBinaryLike(id)) {
        const auto& array = static_cast<const arrow::DictionaryArray&>(*chunk);
        arrow::compute::ExecContext exec(context.pool);
        exec.set_use_threads(false);
        ARROW_ASSIGN_OR_RAISE(const arrow::Datum decoded,
                              arrow::compute::Take(array.dictionary(), array.indices(),
                                                   arrow::compute::TakeOptions::NoBoundsCheck(), &exec));
        chunk = decoded.make_array();
      }
      column.may_have_nulls_ |= chunk->null_count() > 0 || id == Type::NA;
      column.chunks_.push_back(std::move(chunk));
    }
  }
  column.finder_ = ChunkFinder(column.chunks_);
  column.is_null_type_ = id == Type::NA;
  column.is_binary_ = IsBinaryLike(id);
  column.may_have_nulls_ |= nan_is_null && IsFloating(id) && column.rows() > 0;
  column.pieces_ = PiecesOf(id);
  if (column.is_binary_) ARROW_RETURN_NOT_OK(column.MeasureBinary(views, context));
  return column;
}

arrow::Status KeyColumn::MeasureBinary(bool views, const Context& context) {
  struct Task {
    size_t chunk;
    int64_t begin;
    int64_t end;
    BinaryLengthRange lengths;
  };
  std::vector<Task> tasks;
  for (size_t c = 0; c < chunks_.size(); ++c) {
    is_dictionary_ |= chunks_[c]->type_id() == Type::DICTIONARY;
    for (int64_t begin = 0; begin < chunks_[c]->length(); begin += kTaskRows) {
      tasks.push_back({c, begin, std::min(begin + kTaskRows, chunks_[c]->length()), {}});
    }
  }
  if (!is_dictionary_) {
    ARROW_RETURN_NOT_OK(ParallelFor(context, static_cast<int64_t>(tasks.size()), [&](int64_t t) {
      Task& task = tasks[static_cast<size_t>(t)];
      task.lengths = MeasureLengths(*chunks_[task.chunk]->data(), task.begin, task.end);
      return arrow::Status::OK();
    }));
    BinaryLengthRange lengths;
    for (const Task& task : tasks) lengths.Add(task.lengths);
    max_length_ = lengths.longest;
    if (lengths.shortest == lengths.longest && !may_have_nulls_ && fits_pieces()) fixed_length_ = max_length_;
  }
  if (is_dictionary_ || (views && !fits_pieces())) ARROW_RETURN_NOT_OK(MakeViews(context));
  // The bytes in words, then the length, which tells "a" from "a\0".
  pieces_ = static_cast<int>((max_length_ + 7) / 8) + 1;
  return arrow::Status::OK();
}

arrow::Status KeyColumn::MakeViews(const Context& context) {
  ARROW_ASSIGN_OR_RAISE(views_, PoolArray<std::string_view>::Make(rows(), context.pool));
  struct Task {
    size_t chunk;
    int64_t begin;
    int64_t end;
    int64_t max_length = 0;
    bool has_null = false;
  };
  std::vector<Task> tasks;
  using Views = PoolArray<std::string_view>;
  table::PerDictionary<Views> made;
  std::vector<std::span<const std::string_view>> dictionaries(chunks_.size());
  for (size_t c = 0; c < chunks_.size(); ++c) {
    if (chunks_[c]->type_id() == Type::DICTIONARY) {
      const auto& dictionary = *static_cast<const arrow::DictionaryArray&>(*chunks_[c]).dictionary();
      // Where there are more values than rows, only those in use are looked at.
      if (dictionary.length() <= chunks_[c]->length()) {
        ARROW_ASSIGN_OR_RAISE(const Views* views, made.Get(*dictionary.data(), [&]() -> arrow::Result<Views> {
          ARROW_ASSIGN_OR_RAISE(Views all, Views::Make(dictionary.length(), context.pool));
          ArrayViews(dictionary, {}, 0, dictionary.length(), all.data());
          return all;
        }));
        dictionaries[c] = views->span();
      }
    }
    for (int64_t begin = 0; begin < chunks_[c]->length(); begin += kTaskRows) {
      tasks.push_back({c, begin, std::min(begin + kTaskRows, chunks_[c]->length())});
    }
  }
  ARROW_RETURN_NOT_OK(ParallelFor(context, static_cast<int64_t>(tasks.size()), [&](int64_t t) {
    Task& task = tasks[static_cast<size_t>(t)];
    std::string_view* out = views_.data() + finder_.start(task.chunk);
    ArrayViews(*chunks_[task.chunk], dictionaries[task.chunk], task.begin, task.end, out);
    for (int64_t i = task.begin; i < task.end; ++i) {
      task.max_length = std::max(task.max_length, static_cast<int64_t>(out[i].size()));
      task.has_null |= out[i].data() == nullptr;
    }
    return arrow::Status::OK();
  }));
  may_have_nulls_ = false;
  max_length_ = 0;
  for (const Task& task : tasks) {
    max_length_ = std::max(max_length_, task.max_length);
    may_have_nulls_ |= task.has_null;
  }
  return arrow::Status::OK();
}

std::string_view KeyColumn::View(int64_t row) const {
  if (!views_.empty()) return views_[row];
  std::string_view view;
  finder_.VisitChunks(row, 1, [&](size_t c, int64_t first, int64_t, int64_t) {
    if (chunks_[c]->null_count() == 0 || chunks_[c]->IsValid(first)) view = ValueView(*chunks_[c]->data(), first);
  });
  return view;
}

void KeyColumn::VisitTexts(int64_t begin, int64_t length, const std::function<void(const TextRun&)>& visit) const {
  if (is_dictionary_) {
    for (int64_t row = begin; row < begin + length; ++row) {
      const std::string_view view = views_[row];
      const uint64_t bytes = view.size();
      visit({reinterpret_cast<const uint8_t*>(view.data()), static_cast<int64_t>(bytes), &bytes, 1});
    }
    return;
  }
  finder_.VisitChunks(begin, length, [&](size_t c, int64_t first, int64_t rows, int64_t) {
    uint64_t lengths[KeyLayout::kBlock];
    for (int64_t at = 0; at < rows; at += KeyLayout::kBlock) {
      visit(ReadTexts(*chunks_[c]->data(), first + at, std::min(KeyLayout::kBlock, rows - at), lengths));
    }
  });
}

void KeyColumn::Nulls(int64_t begin, int64_t length, uint8_t* out) const {
  if (!views_.empty()) {
    for (int64_t i = 0; i < length; ++i) out[i] = views_[begin + i].data() == nullptr ? 1 : 0;
    return;
  }
  finder_.VisitChunks(begin, length, [&](size_t c, int64_t first, int64_t rows, int64_t at) {
    const arrow::Array& chunk = *chunks_[c];
    if (is_null_type_) {
      std::memset(out + at, 1, static_cast<size_t>(rows));
      return;
    }
    if (chunk.null_count() == 0) {
      std::memset(out + at, 0, static_cast<size_t>(rows));
    } else {
      const uint8_t* validity = chunk.null_bitmap_data();
      for (int64_t i = 0; i < rows; ++i) {
        out[at + i] = arrow::bit_util::GetBit(validity, chunk.offset() + first + i) ? 0 : 1;
      }
    }
    if (nan_is_null_ && IsFloating(chunk.type_id())) OrNanFlags(*chunk.data(), first, rows, out + at);
  });
}

bool KeyColumn::IsNull(int64_t row) const {
  uint8_t flag = 0;
  if (may_have_nulls_) Nulls(row, 1, &flag);
  return flag != 0;
}

void KeyColumn::Piece(int piece, int64_t begin, int64_t length, uint64_t* out) const {
  const bool lengths = is_binary_ && piece == pieces_ - 1;
  if (!views_.empty()) {
    const std::string_view* views = views_.data() + begin;
    if (lengths) {
      for (int64_t i = 0; i < length; ++i) out[i] = views[i].size();
    } else {
      for (int64_t i = 0; i < length; ++i) out[i] = BinaryWord(views[i], piece);
    }
    return;
  }
  finder_.VisitChunks(begin, length, [&](size_t c, int64_t first, int64_t rows, int64_t at) {
    const arrow::ArrayData& data = *chunks_[c]->data();
    if (lengths) return BinaryLengths(data, first, rows, out + at);
    if (fixed_length_ >= 0) return FixedBinaryWords(data, fixed_length_, piece, first, rows, out + at);
    if (is_binary_) return BinaryWords(data, piece, first, rows, out + at);
    FixedPiece(data, piece, first, rows, out + at);
  });
}

int CompareKeys(const KeyColumn& left, int64_t a, const KeyColumn& right, int64_t b, const KeyDirection& direction) {
  const bool left_null = left.IsNull(a);
  const bool right_null = right.IsNull(b);
  if (left_null || right_null) {
    if (left_null && right_null) return 0;
    return left_null == direction.nulls_first ? -1 : 1;
  }
  int order = 0;
  if (left.is_binary()) {
    const int compared = left.View(a).compare(right.View(b));
    order = compared < 0 ? -1 : (compared > 0 ? 1 : 0);
  } else {
    for (int p = 0; p < left.pieces() && order == 0; ++p) {
      uint64_t x = 0;
      uint64_t y = 0;
      left.Piece(p, a, 1, &x);
      right.Piece(p, b, 1, &y);
      order = x < y ? -1 : (x > y ? 1 : 0);
    }
  }
  return direction.ascending ? order : -order;
}

}  // namespace weft::kernels
