// Generated tables for tests: every type that Weft carries, seeded, with the corners that break things. And a
// comparison of tables that does not mind order, chunks, slices or offset widths.
#pragma once

#include <arrow/api.h>
#include <arrow/util/decimal.h>
#include <arrow/util/float16.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace weft::test {

struct RandomTableOptions {
  uint64_t seed = 1;
  int64_t rows = 1000;
  /// Share of nulls in each column and nested value.
  double null_share = 0.1;
  /// At most this many different values a column (before nulls). Two tables of one schema draw from the same values,
  /// whatever their seeds, so that they can be joined.
  int64_t cardinality = 100;
  /// 0: all values are as likely. Above: the k-th value is drawn with a probability that falls with k; 1 is heavy.
  double skew = 0;
  /// Among the values are NaN, -0.0, infinities, the least and the greatest.
  bool extremes = true;
  /// Dictionaries hold nulls, too, which some of Arrow's own functions refuse.
  bool dictionary_nulls = false;
  /// Chunks a column, the same cuts in all columns unless `ragged`.
  int chunks = 3;
  bool ragged = false;
  /// Chunks are slices of longer arrays, with offsets that are no multiple of 8.
  bool sliced = true;
};

/// splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014): small, and the same
/// on every standard library.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next() { return Mix(state_ += 0x9e3779b97f4a7c15ULL); }
  /// 0 <= result < bound.
  int64_t Below(int64_t bound) { return static_cast<int64_t>(Next() % static_cast<uint64_t>(bound)); }
  double Unit() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }
  static uint64_t Mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
  }

 private:
  uint64_t state_;
};

/// Types that can be keys.
inline std::vector<std::shared_ptr<arrow::DataType>> KeyTypes() {
  using arrow::TimeUnit;
  return {arrow::boolean(),
          arrow::int8(),
          arrow::int16(),
          arrow::int32(),
          arrow::int64(),
          arrow::uint8(),
          arrow::uint16(),
          arrow::uint32(),
          arrow::uint64(),
          arrow::float16(),
          arrow::float32(),
          arrow::float64(),
          arrow::decimal128(20, 3),
          arrow::decimal256(50, 5),
          arrow::date32(),
          arrow::date64(),
          arrow::time32(TimeUnit::SECOND),
          arrow::time32(TimeUnit::MILLI),
          arrow::time64(TimeUnit::MICRO),
          arrow::time64(TimeUnit::NANO),
          arrow::timestamp(TimeUnit::SECOND),
          arrow::timestamp(TimeUnit::NANO),
          arrow::timestamp(TimeUnit::MICRO, "Europe/Berlin"),
          arrow::timestamp(TimeUnit::MILLI, "UTC"),
          arrow::duration(TimeUnit::MICRO),
          arrow::utf8(),
          arrow::large_utf8(),
          arrow::binary(),
          arrow::large_binary(),
          arrow::fixed_size_binary(5),
          arrow::fixed_size_binary(16),
          arrow::dictionary(arrow::int32(), arrow::utf8()),
          arrow::dictionary(arrow::int8(), arrow::int64()),
          arrow::dictionary(arrow::uint16(), arrow::large_utf8()),
          arrow::null()};
}

/// Types that rows can carry but not be compared by.
inline std::vector<std::shared_ptr<arrow::DataType>> NestedTypes() {
  const auto text_dictionary = arrow::dictionary(arrow::int16(), arrow::utf8());
  return {arrow::list(arrow::int32()),
          arrow::list(arrow::utf8()),
          arrow::large_list(arrow::float64()),
          arrow::list(arrow::list(arrow::int8())),
          arrow::list(text_dictionary),
          arrow::fixed_size_list(arrow::int16(), 3),
          arrow::fixed_size_list(arrow::utf8(), 2),
          arrow::struct_({arrow::field("a", arrow::int64()), arrow::field("b", arrow::utf8()),
                          arrow::field("c", arrow::list(arrow::boolean()))}),
          arrow::struct_({arrow::field("d", text_dictionary)}),
          arrow::struct_(arrow::FieldVector{}),
          arrow::map(arrow::utf8(), arrow::int32()),
          arrow::map(arrow::int64(), arrow::list(arrow::utf8()))};
}

/// Columns of runs, which rows can carry where they move.
inline std::vector<std::shared_ptr<arrow::DataType>> RunTypes() {
  std::vector<std::shared_ptr<arrow::DataType>> types;
  for (const auto& values :
       {arrow::boolean(), arrow::int16(), arrow::int64(), arrow::float64(), arrow::decimal128(20, 3),
        arrow::timestamp(arrow::TimeUnit::NANO), arrow::utf8(), arrow::large_binary(), arrow::fixed_size_binary(5)}) {
    types.push_back(arrow::run_end_encoded(arrow::int32(), values));
  }
  return types;
}

inline std::vector<std::shared_ptr<arrow::DataType>> AllTypes() {
  auto types = KeyTypes();
  for (auto& type : NestedTypes()) types.push_back(std::move(type));
  return types;
}

/// All that can be sent.
inline std::vector<std::shared_ptr<arrow::DataType>> SentTypes() {
  auto types = AllTypes();
  for (auto& type : RunTypes()) types.push_back(std::move(type));
  return types;
}

/// One column a type, named "c0", "c1" ...
inline std::shared_ptr<arrow::Schema> SchemaOf(const std::vector<std::shared_ptr<arrow::DataType>>& types) {
  arrow::FieldVector fields;
  for (size_t i = 0; i < types.size(); ++i) fields.push_back(arrow::field("c" + std::to_string(i), types[i]));
  return arrow::schema(std::move(fields));
}

/// Makes arrays of any of the types above.
class RandomArrays {
 public:
  explicit RandomArrays(const RandomTableOptions& options) : options_(options), random_(options.seed) {}

  std::shared_ptr<arrow::Array> Make(const std::shared_ptr<arrow::DataType>& type, int64_t rows) {
    using arrow::Type;
    switch (type->id()) {
      case Type::NA:
        return std::make_shared<arrow::NullArray>(rows);
      case Type::BOOL:
        return MakeBool(rows);
      case Type::STRING:
      case Type::BINARY:
        return MakeBinary<int32_t>(type, rows);
      case Type::LARGE_STRING:
      case Type::LARGE_BINARY:
        return MakeBinary<int64_t>(type, rows);
      case Type::DICTIONARY:
        return MakeDictionary(type, rows);
      case Type::LIST:
        return MakeList<int32_t>(type, rows, type->field(0)->type());
      case Type::LARGE_LIST:
        return MakeList<int64_t>(type, rows, type->field(0)->type());
      case Type::MAP:
        return MakeMap(type, rows);
      case Type::FIXED_SIZE_LIST: {
        const int64_t width = static_cast<const arrow::FixedSizeListType&>(*type).list_size();
        return Array(type, rows, {Validity(rows)}, {Make(type->field(0)->type(), rows * width)->data()});
      }
      case Type::RUN_END_ENCODED:
        return MakeRuns(type, rows);
      case Type::STRUCT: {
        std::vector<std::shared_ptr<arrow::ArrayData>> children;
        for (const auto& field : type->fields()) children.push_back(Make(field->type(), rows)->data());
        return Array(type, rows, {Validity(rows)}, std::move(children));
      }
      default:
        return MakeFixed(type, rows);
    }
  }

  Random& random() { return random_; }

 private:
  static std::shared_ptr<arrow::Array> Array(const std::shared_ptr<arrow::DataType>& type, int64_t rows,
                                             std::vector<std::shared_ptr<arrow::Buffer>> buffers,
                                             std::vector<std::shared_ptr<arrow::ArrayData>> children = {}) {
    return arrow::MakeArray(arrow::ArrayData::Make(type, rows, std::move(buffers), std::move(children)));
  }

  static std::shared_ptr<arrow::Buffer> Bytes(const void* data, size_t size) {
    return arrow::Buffer::FromString(std::string(static_cast<const char*>(data), size));
  }

  /// The number of the value to be drawn.
  uint64_t Draw() {
    const auto n = static_cast<double>(std::max<int64_t>(options_.cardinality, 1));
    double u = random_.Unit();
    if (options_.skew > 0) u = std::pow(u, 1 + 4 * options_.skew);
    return static_cast<uint64_t>(u * n);
  }

  /// A bitmap, or nullptr where all are valid.
  std::shared_ptr<arrow::Buffer> Validity(int64_t rows) {
    if (options_.null_share <= 0) return nullptr;
    return Bitmap(rows, [this] { return random_.Unit() >= options_.null_share; });
  }

  template <typename F>
  static std::shared_ptr<arrow::Buffer> Bitmap(int64_t rows, F&& next) {
    std::string bits(static_cast<size_t>((rows + 7) / 8), '\0');
    for (int64_t i = 0; i < rows; ++i) {
      if (next())
        bits[static_cast<size_t>(i / 8)] = static_cast<char>(bits[static_cast<size_t>(i / 8)] | (1 << (i % 8)));
    }
    return arrow::Buffer::FromString(std::move(bits));
  }

  std::shared_ptr<arrow::Array> MakeBool(int64_t rows) {
    auto bits = Bitmap(rows, [this] { return Draw() % 2 == 0; });
    return Array(arrow::boolean(), rows, {Validity(rows), std::move(bits)});
  }

  /// The k-th value of a column of a fixed width.
  void FixedValue(const arrow::DataType& type, uint64_t k, uint8_t* out) const {
    using arrow::Type;
    const uint64_t bits = Random::Mix(k + 1);
    const auto put = [out](auto value) { std::memcpy(out, &value, sizeof(value)); };
    const bool corner = options_.extremes && k < 8;
    switch (type.id()) {
      case Type::HALF_FLOAT: {
        static const uint16_t corners[] = {0x7e00, 0x8000, 0x0000, 0x7c00, 0xfc00, 0xfe01, 0x0001, 0x7bff};
        return put(corner ? corners[k] : arrow::util::Float16::FromFloat(static_cast<float>(k % 2048)).bits());
      }
      case Type::FLOAT:
        return put(corner ? static_cast<float>(Corner(k)) : static_cast<float>(static_cast<int32_t>(bits)) / 64.0F);
      case Type::DOUBLE:
        return put(corner ? Corner(k) : static_cast<double>(static_cast<int64_t>(bits)) / 1024.0);
      case Type::DECIMAL128: {
        const auto value = arrow::Decimal128(static_cast<int64_t>(bits));
        return value.ToBytes(out);
      }
      case Type::DECIMAL256: {
        const auto value = arrow::Decimal256(static_cast<int64_t>(bits)) * arrow::Decimal256(int64_t{1} << 60);
        return value.ToBytes(out);
      }
      case Type::DATE32:
        return put(static_cast<int32_t>(bits % 40000) - 10000);
      case Type::DATE64:
        return put((static_cast<int64_t>(bits % 40000) - 10000) * 86400000);
      case Type::TIME32: {
        const bool seconds = static_cast<const arrow::Time32Type&>(type).unit() == arrow::TimeUnit::SECOND;
        return put(static_cast<int32_t>(bits % (seconds ? 86400 : 86400000)));
      }
      case Type::TIME64: {
        const bool micro = static_cast<const arrow::Time64Type&>(type).unit() == arrow::TimeUnit::MICRO;
        return put(static_cast<int64_t>(bits % (micro ? 86400000000ULL : 86400000000000ULL)));
      }
      case Type::TIMESTAMP:
      case Type::DURATION:
        return put(static_cast<int64_t>(bits % 4000000000ULL) - 1000000000);
      default: {
        const auto width = static_cast<size_t>(static_cast<const arrow::FixedWidthType&>(type).bit_width() / 8);
        for (size_t i = 0; i < width; ++i) out[i] = static_cast<uint8_t>(bits >> (8 * (i % 8)));
        if (!corner || !arrow::is_integer(type.id())) return;
        // Zero, minus one, the least, the greatest.
        std::memset(out, k % 4 == 0 ? 0 : k % 4 == 2 ? 0 : 0xff, width);
        if (k % 4 == 2) out[width - 1] = 0x80;
        if (k % 4 == 3) out[width - 1] = 0x7f;
        return;
      }
    }
  }

  static double Corner(uint64_t k) {
    static const double corners[] = {std::numeric_limits<double>::quiet_NaN(),
                                     -0.0,
                                     0.0,
                                     std::numeric_limits<double>::infinity(),
                                     -std::numeric_limits<double>::infinity(),
                                     -std::numeric_limits<double>::quiet_NaN(),
                                     static_cast<double>(std::numeric_limits<float>::denorm_min()),
                                     static_cast<double>(std::numeric_limits<float>::max())};
    return corners[k % 8];
  }

  std::shared_ptr<arrow::Array> MakeFixed(const std::shared_ptr<arrow::DataType>& type, int64_t rows) {
    const auto width = static_cast<size_t>(static_cast<const arrow::FixedWidthType&>(*type).bit_width() / 8);
    std::vector<uint8_t> data(static_cast<size_t>(rows) * width + 1);
    for (int64_t i = 0; i < rows; ++i) FixedValue(*type, Draw(), data.data() + static_cast<size_t>(i) * width);
    return Array(type, rows, {Validity(rows), Bytes(data.data(), static_cast<size_t>(rows) * width)});
  }

  /// Empty, short, one character apart after eight equal ones, non-ASCII, long.
  static std::string TextValue(uint64_t k) {
    const std::string number = std::to_string(k);
    switch (k % 7) {
      case 0:
        return k == 0 ? "" : "k" + number;
      case 1:
        return "prefix__" + number;
      case 2:
        return "prefix__" + number + "_and_more_behind_it";
      case 3:
        return "\xc3\xa4\xe6\x97\xa5\xf0\x9f\x90\x8d" + number;
      case 4:
        return std::string(static_cast<size_t>(k % 300), 'x') + number;
      case 5:
        return number;
      default:
        return "K" + number + std::string(static_cast<size_t>(k % 5), ' ');
    }
  }

  template <typename Offset>
  std::shared_ptr<arrow::Array> MakeBinary(const std::shared_ptr<arrow::DataType>& type, int64_t rows) {
    std::vector<Offset> offsets = {0};
    std::string data;
    const bool text = type->id() == arrow::Type::STRING || type->id() == arrow::Type::LARGE_STRING;
    for (int64_t i = 0; i < rows; ++i) {
      const uint64_t k = Draw();
      data += TextValue(k);
      if (!text) data.append({'\0', static_cast<char>(0x80 + k % 100)});
      offsets.push_back(static_cast<Offset>(data.size()));
    }
    return Array(
        type, rows,
        {Validity(rows), Bytes(offsets.data(), offsets.size() * sizeof(Offset)), Bytes(data.data(), data.size())});
  }

  std::shared_ptr<arrow::Array> MakeDictionary(const std::shared_ptr<arrow::DataType>& type, int64_t rows) {
    const auto& dictionary_type = static_cast<const arrow::DictionaryType&>(*type);
    // Values that differ from chunk to chunk and from seed to seed, in an order of their own, some of them twice.
    RandomTableOptions options = options_;
    options.seed = random_.Next();
    if (!options_.dictionary_nulls) options.null_share = 0;
    const int64_t size = 1 + random_.Below(std::min<int64_t>(100, std::max<int64_t>(1, options_.cardinality)));
    auto values = RandomArrays(options).Make(dictionary_type.value_type(), size);
    const auto& index_type = dictionary_type.index_type();
    const auto width = static_cast<size_t>(static_cast<const arrow::FixedWidthType&>(*index_type).bit_width() / 8);
    std::vector<uint8_t> data(static_cast<size_t>(rows) * width + 1);
    for (int64_t i = 0; i < rows; ++i) {
      const auto index = static_cast<uint64_t>(random_.Below(size));
      std::memcpy(data.data() + static_cast<size_t>(i) * width, &index, width);
    }
    auto indices = Array(index_type, rows, {Validity(rows), Bytes(data.data(), static_cast<size_t>(rows) * width)});
    return std::make_shared<arrow::DictionaryArray>(type, std::move(indices), std::move(values));
  }

  std::shared_ptr<arrow::Array> MakeRuns(const std::shared_ptr<arrow::DataType>& type, int64_t rows) {
    std::vector<int32_t> ends;
    while (ends.empty() ? rows > 0 : ends.back() < rows) {
      const int64_t begin = ends.empty() ? 0 : ends.back();
      ends.push_back(static_cast<int32_t>(std::min(begin + 1 + random_.Below(16), rows)));
    }
    const auto runs = static_cast<int64_t>(ends.size());
    auto values = Make(static_cast<const arrow::RunEndEncodedType&>(*type).value_type(), runs);
    auto made = Array(arrow::int32(), runs, {nullptr, Bytes(ends.data(), ends.size() * sizeof(int32_t))});
    return Array(type, rows, {nullptr}, {made->data(), values->data()});
  }

  template <typename Offset>
  std::shared_ptr<arrow::Buffer> ListOffsets(int64_t rows, int64_t* total) {
    std::vector<Offset> offsets = {0};
    for (int64_t i = 0; i < rows; ++i) offsets.push_back(static_cast<Offset>(offsets.back() + random_.Below(4)));
    *total = static_cast<int64_t>(offsets.back());
    return Bytes(offsets.data(), offsets.size() * sizeof(Offset));
  }

  template <typename Offset>
  std::shared_ptr<arrow::Array> MakeList(const std::shared_ptr<arrow::DataType>& type, int64_t rows,
                                         const std::shared_ptr<arrow::DataType>& value_type) {
    int64_t total = 0;
    auto offsets = ListOffsets<Offset>(rows, &total);
    auto values = Make(value_type, total);
    return Array(type, rows, {Validity(rows), std::move(offsets)}, {values->data()});
  }

  std::shared_ptr<arrow::Array> MakeMap(const std::shared_ptr<arrow::DataType>& type, int64_t rows) {
    const auto& map = static_cast<const arrow::MapType&>(*type);
    int64_t total = 0;
    auto offsets = ListOffsets<int32_t>(rows, &total);
    RandomTableOptions no_nulls = options_;
    no_nulls.null_share = 0;
    no_nulls.seed = random_.Next();
    auto keys = RandomArrays(no_nulls).Make(map.key_type(), total);
    auto items = Make(map.item_type(), total);
    auto entries = Array(map.value_type(), total, {nullptr}, {keys->data(), items->data()});
    return Array(type, rows, {Validity(rows), std::move(offsets)}, {entries->data()});
  }

  RandomTableOptions options_;
  Random random_;
};

/// A table of `schema`, the same for the same options on every machine.
inline std::shared_ptr<arrow::Table> RandomTable(const std::shared_ptr<arrow::Schema>& schema,
                                                 const RandomTableOptions& options) {
  RandomArrays arrays(options);
  const auto cut = [&] {
    std::vector<int64_t> lengths;
    int64_t left = options.rows;
    for (int c = 1; c < options.chunks; ++c) {
      lengths.push_back(left == 0 ? 0 : arrays.random().Below(left + 1));
      left -= lengths.back();
    }
    lengths.push_back(left);
    return lengths;
  };
  std::vector<int64_t> lengths = cut();
  arrow::ChunkedArrayVector columns;
  for (const auto& field : schema->fields()) {
    if (options.ragged) lengths = cut();
    arrow::ArrayVector chunks;
    for (const int64_t length : lengths) {
      const int64_t before = options.sliced ? arrays.random().Below(21) : 0;
      const int64_t after = options.sliced ? arrays.random().Below(5) : 0;
      chunks.push_back(arrays.Make(field->type(), before + length + after)->Slice(before, length));
    }
    columns.push_back(std::make_shared<arrow::ChunkedArray>(std::move(chunks), field->type()));
  }
  return arrow::Table::Make(schema, std::move(columns), options.rows);
}

/// Appends the value of `array` at `i` as text: equal texts, equal values. Offset widths, dictionaries and runs do not
/// show; all NaN are alike; -0.0 and 0.0 are not.
inline void AppendValue(const arrow::Array& array, int64_t i, std::string* out) {
  using arrow::Type;
  if (array.IsNull(i)) {
    *out += "null";
    return;
  }
  const auto bytes = [out](std::string_view value) {
    *out += std::to_string(value.size()) + "'";
    *out += value;
    *out += "'";
  };
  const auto number = [out](double value) {
    char text[64];
    std::snprintf(text, sizeof(text), "%.17g", value);
    *out += std::isnan(value) ? "nan" : text;
  };
  const auto list = [out](const arrow::Array& values, int64_t begin, int64_t length) {
    *out += "[";
    for (int64_t j = begin; j < begin + length; ++j) {
      if (j > begin) *out += ",";
      AppendValue(values, j, out);
    }
    *out += "]";
  };
  switch (array.type_id()) {
    case Type::STRING:
    case Type::BINARY:
      return bytes(static_cast<const arrow::BinaryArray&>(array).GetView(i));
    case Type::LARGE_STRING:
    case Type::LARGE_BINARY:
      return bytes(static_cast<const arrow::LargeBinaryArray&>(array).GetView(i));
    case Type::FIXED_SIZE_BINARY:
      return bytes(static_cast<const arrow::FixedSizeBinaryArray&>(array).GetView(i));
    case Type::HALF_FLOAT: {
      const auto bits = static_cast<const arrow::HalfFloatArray&>(array).Value(i);
      return number(arrow::util::Float16::FromBits(bits).ToDouble());
    }
    case Type::FLOAT:
      return number(static_cast<const arrow::FloatArray&>(array).Value(i));
    case Type::DOUBLE:
      return number(static_cast<const arrow::DoubleArray&>(array).Value(i));
    case Type::DICTIONARY: {
      const auto& dictionary = static_cast<const arrow::DictionaryArray&>(array);
      return AppendValue(*dictionary.dictionary(), dictionary.GetValueIndex(i), out);
    }
    case Type::MAP:
    case Type::LIST: {
      const auto& a = static_cast<const arrow::ListArray&>(array);
      return list(*a.values(), a.value_offset(i), a.value_length(i));
    }
    case Type::LARGE_LIST: {
      const auto& a = static_cast<const arrow::LargeListArray&>(array);
      return list(*a.values(), a.value_offset(i), a.value_length(i));
    }
    case Type::FIXED_SIZE_LIST: {
      const auto& a = static_cast<const arrow::FixedSizeListArray&>(array);
      return list(*a.values(), a.value_offset(i), a.value_length(i));
    }
    case Type::RUN_END_ENCODED: {
      const auto row = array.Slice(i, 1);
      return AppendValue(*static_cast<const arrow::RunEndEncodedArray&>(*row).LogicalValues(), 0, out);
    }
    case Type::STRUCT: {
      *out += "{";
      for (const auto& child : static_cast<const arrow::StructArray&>(array).fields()) {
        AppendValue(*child, i, out);
        *out += ";";
      }
      *out += "}";
      return;
    }
    default: {
      auto scalar = array.GetScalar(i);
      *out += scalar.ok() ? (*scalar)->ToString() : scalar.status().ToString();
    }
  }
}

/// Every row as text, in order; the columns are those of the table, in its order, without their names.
inline std::vector<std::string> RowsAsText(const arrow::Table& table) {
  std::vector<std::string> rows(static_cast<size_t>(table.num_rows()));
  for (const auto& column : table.columns()) {
    size_t row = 0;
    for (const auto& chunk : column->chunks()) {
      for (int64_t i = 0; i < chunk->length(); ++i, ++row) {
        AppendValue(*chunk, i, &rows[row]);
        rows[row] += "|";
      }
    }
  }
  return rows;
}

inline std::vector<std::string> SortedRows(const arrow::Table& table) {
  auto rows = RowsAsText(table);
  std::sort(rows.begin(), rows.end());
  return rows;
}

namespace internal {
inline ::testing::AssertionResult SameText(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (a[i] != b[i]) return ::testing::AssertionFailure() << "row " << i << ":\n  " << a[i] << "\n  " << b[i];
  }
  if (a.size() != b.size()) return ::testing::AssertionFailure() << a.size() << " rows and " << b.size() << " rows";
  return ::testing::AssertionSuccess();
}
}  // namespace internal

/// The same rows, each as often, in any order.
inline ::testing::AssertionResult SameRows(const arrow::Table& a, const arrow::Table& b) {
  return internal::SameText(SortedRows(a), SortedRows(b));
}

/// The same rows in the same order, however chunked.
inline ::testing::AssertionResult SameRowsInOrder(const arrow::Table& a, const arrow::Table& b) {
  return internal::SameText(RowsAsText(a), RowsAsText(b));
}

}  // namespace weft::test
