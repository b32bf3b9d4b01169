#include "weft/table/hash.h"

#include <arrow/compute/cast.h>

#include <bit>
#include <map>
#include <numeric>
#include <set>

#include "table/random_table.h"
#include "weft/base/capped_pool.h"
#include "weft/table/columns.h"

namespace weft::table {
namespace {

using test::RandomTable;
using test::RandomTableOptions;
using test::SchemaOf;

std::vector<uint64_t> Hash(const arrow::Table& table, std::vector<int> columns, HashOptions options = {},
                           int threads = 1) {
  std::vector<uint64_t> out(static_cast<size_t>(table.num_rows()));
  Context context;
  context.threads = threads;
  const arrow::Status status = HashRows(table, columns, options, context, out.data());
  EXPECT_TRUE(status.ok()) << status.ToString();
  return out;
}

std::vector<uint64_t> HashArray(const std::shared_ptr<arrow::Array>& array, HashOptions options = {}) {
  const auto schema = arrow::schema({arrow::field("k", array->type())});
  std::vector<uint64_t> out(static_cast<size_t>(array->length()));
  const auto batch = arrow::RecordBatch::Make(schema, array->length(), {array});
  const arrow::Status status = HashRows(*batch, std::vector<int>{0}, options, Context(), out.data());
  EXPECT_TRUE(status.ok()) << status.ToString();
  return out;
}

template <typename Builder, typename T>
std::shared_ptr<arrow::Array> ArrayOf(Builder&& builder, const std::vector<T>& values) {
  for (const T& value : values) EXPECT_TRUE(builder.Append(value).ok());
  return builder.Finish().ValueOrDie();
}

std::shared_ptr<arrow::Array> Sequence(int64_t count, int64_t step = 1) {
  arrow::Int64Builder builder;
  for (int64_t i = 0; i < count; ++i) EXPECT_TRUE(builder.Append(i * step).ok());
  return builder.Finish().ValueOrDie();
}

/// Ranks must agree on these whatever they were built with. A change here is a change of the wire form's version.
TEST(Hash, GivesTheNumbersItAlwaysGave) {
  const auto ints = HashArray(ArrayOf(arrow::Int64Builder(), std::vector<int64_t>{0, 1, -1, 1234567890123456789}));
  EXPECT_EQ(ints, (std::vector<uint64_t>{11800389442521598120U, 8785991381877687720U, 3368309179787196387U,
                                         1396871284465528872U}));
  const auto small = HashArray(ArrayOf(arrow::Int16Builder(), std::vector<int16_t>{1, -1}));
  EXPECT_EQ(small, (std::vector<uint64_t>{ints[1], ints[2]}));
  const auto texts = HashArray(
      ArrayOf(arrow::StringBuilder(), std::vector<std::string>{"", "a", "abcd", "abcdefgh", "0123456789abcdef",
                                                               "0123456789abcdefg", std::string(100, 'x')}));
  EXPECT_EQ(texts, (std::vector<uint64_t>{16444369466007113333U, 9176390753301816161U, 4398463820327784197U,
                                          1913980911727375582U, 7315167125526620320U, 4629466652075820471U,
                                          9036078291902491112U}));
  const auto doubles = HashArray(ArrayOf(arrow::DoubleBuilder(), std::vector<double>{0.0, 1.5, std::nan("")}));
  EXPECT_EQ(doubles, (std::vector<uint64_t>{11800389442521598120U, 9644037549604330491U, 6154300319246776277U}));
  EXPECT_EQ(HashArray(std::make_shared<arrow::NullArray>(1)), (std::vector<uint64_t>{1007326111343043003U}));
}

TEST(Hash, OfATextIsThatOfItsBytesWhateverLiesBehind) {
  // As fixed-size binaries, which are hashed by another loop; the last text ends with the memory.
  for (int length = 0; length <= 70; ++length) {
    std::vector<std::string> values;
    for (int i = 0; i < 20; ++i) {
      std::string& value = values.emplace_back();
      for (int b = 0; b < length; ++b) value.push_back(static_cast<char>(b * 37 + i * 11 + 1));
    }
    const auto fixed = HashArray(ArrayOf(arrow::FixedSizeBinaryBuilder(arrow::fixed_size_binary(length)), values));
    EXPECT_EQ(HashArray(ArrayOf(arrow::BinaryBuilder(), values)), fixed) << length;
    EXPECT_EQ(HashArray(ArrayOf(arrow::LargeStringBuilder(), values)), fixed) << length;
  }
}

TEST(Hash, OneColumnOfIntegersHasNoCollisions) {
  auto hashes = HashArray(Sequence(200000));
  EXPECT_EQ(std::set<uint64_t>(hashes.begin(), hashes.end()).size(), hashes.size());
}

/// Equal rows, equal hashes, whatever the chunks, slices, offset widths, encoding and number of threads.
TEST(Hash, IsByValueForEveryKeyType) {
  for (const auto& type : test::KeyTypes()) {
    SCOPED_TRACE(type->ToString());
    RandomTableOptions options;
    options.rows = 3000;
    options.chunks = 4;
    const auto table = RandomTable(SchemaOf({type}), options);
    const auto hashes = Hash(*table, {0});
    const auto texts = test::RowsAsText(*table);
    std::map<std::string, uint64_t> by_text;
    std::map<uint64_t, std::string> by_hash;
    for (size_t i = 0; i < texts.size(); ++i) {
      const std::string text = texts[i] == "-0|" ? "0|" : texts[i];
      EXPECT_EQ(by_text.emplace(text, hashes[i]).first->second, hashes[i]) << text;
      EXPECT_EQ(by_hash.emplace(hashes[i], text).first->second, text);
    }
    const auto combined = table->CombineChunks().ValueOrDie();
    EXPECT_EQ(Hash(*combined, {0}), hashes);
    EXPECT_EQ(Hash(*table, {0}, {}, 3), hashes);
    const auto logical = LogicalKeyType(type);
    EXPECT_TRUE(SameKeyType(*type, *logical));
    if (!logical->Equals(*type)) {
      auto cast = arrow::compute::Cast(combined->column(0), logical);
      ASSERT_TRUE(cast.ok()) << cast.status().ToString();
      const auto plain = arrow::Table::Make(SchemaOf({logical}), {cast->chunked_array()});
      EXPECT_EQ(Hash(*plain, {0}), hashes);
    }
  }
}

TEST(Hash, LargeDictionariesOfFewRowsAreTheSame) {
  const auto values = ArrayOf(arrow::StringBuilder(), std::vector<std::string>{"a", "b", "c", "d", "e"});
  const auto indices = ArrayOf(arrow::Int8Builder(), std::vector<int8_t>{4, 1});
  const auto type = arrow::dictionary(arrow::int8(), arrow::utf8());
  const auto few = std::make_shared<arrow::DictionaryArray>(type, indices, values);
  EXPECT_EQ(HashArray(few), HashArray(ArrayOf(arrow::StringBuilder(), std::vector<std::string>{"e", "b"})));
}

TEST(Hash, WordsOfADictionaryAreMadeOnceInThePool) {
  const auto values = Sequence(20000);
  const auto type = arrow::dictionary(arrow::int64(), arrow::int64());
  arrow::ArrayVector chunks;
  for (int c = 0; c < 4; ++c) chunks.push_back(std::make_shared<arrow::DictionaryArray>(type, values, values));
  const auto table =
      arrow::Table::Make(arrow::schema({arrow::field("k", type)}), {std::make_shared<arrow::ChunkedArray>(chunks)});
  arrow::ProxyMemoryPool pool(arrow::default_memory_pool());
  Context context;
  context.pool = &pool;
  std::vector<uint64_t> out(static_cast<size_t>(table->num_rows()));
  ASSERT_TRUE(HashRows(*table, std::vector<int>{0}, {}, context, out.data()).ok());
  EXPECT_GE(pool.total_bytes_allocated(), values->length() * 8);
  EXPECT_LT(pool.total_bytes_allocated(), values->length() * 16);
  EXPECT_EQ(pool.bytes_allocated(), 0);
  const auto batch = table->CombineChunksToBatch().ValueOrDie();
  context.pool = MakeCappedPool(arrow::default_memory_pool(), values->length());
  EXPECT_TRUE(HashRows(*table, std::vector<int>{0}, {}, context, out.data()).IsOutOfMemory());
  EXPECT_TRUE(HashRows(*batch, std::vector<int>{0}, {}, context, out.data()).IsOutOfMemory());
  std::vector<uint32_t> owners(out.size());
  EXPECT_TRUE(OwnersOfRows(*batch, std::vector<int>{0}, {}, 2, context, owners.data()).IsOutOfMemory());
}

TEST(Hash, NullNanAndZeroes) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  arrow::DoubleBuilder builder;
  ASSERT_TRUE(builder.AppendValues({nan, -nan, std::bit_cast<double>(0x7ff0000000000001ULL), 0.0, -0.0}).ok());
  ASSERT_TRUE(builder.AppendNull().ok());
  const auto array = builder.Finish().ValueOrDie();
  auto h = HashArray(array);
  EXPECT_EQ(h[0], h[1]);
  EXPECT_EQ(h[0], h[2]);
  EXPECT_EQ(h[3], h[4]);
  EXPECT_NE(h[0], h[5]);
  EXPECT_NE(h[3], h[5]);
  h = HashArray(array, {.nan_is_null = true});
  EXPECT_EQ(h[0], h[5]);
  EXPECT_EQ(h[2], h[5]);
  EXPECT_NE(h[3], h[5]);
  // A null hashes alike whatever lies under it.
  auto data = Sequence(2)->data()->Copy();
  data->buffers[0] = arrow::Buffer::FromString(std::string(1, '\0'));
  data->null_count = 2;
  h = HashArray(arrow::MakeArray(data));
  EXPECT_EQ(h[0], h[1]);
}

TEST(Hash, OrderOfColumnsCounts) {
  const auto a = Sequence(1000);
  const auto b = Sequence(1000, 7);
  const auto table =
      arrow::Table::Make(arrow::schema({arrow::field("a", a->type()), arrow::field("b", b->type())}), {a, b});
  const auto ab = Hash(*table, {0, 1});
  const auto ba = Hash(*table, {1, 0});
  for (size_t i = 1; i < ab.size(); ++i) EXPECT_NE(ab[i], ba[i]);
  EXPECT_NE(Hash(*table, {0}), Hash(*table, {0, 0}));
}

TEST(Hash, RefusesWhatCannotBeAKey) {
  const auto table = RandomTable(SchemaOf({arrow::list(arrow::int8())}), {});
  std::vector<uint64_t> out(1000);
  const auto status = HashRows(*table, std::vector<int>{0}, {}, Context{}, out.data());
  EXPECT_TRUE(status.IsTypeError()) << status.ToString();
  EXPECT_NE(status.message().find("'c0'"), std::string::npos);
}

TEST(Hash, OwnersAreThoseOfTheHashes) {
  // Several blocks, columns of several kinds, and no column at all.
  const auto schema = SchemaOf({arrow::int64(), arrow::utf8(), arrow::dictionary(arrow::int8(), arrow::utf8()),
                                arrow::float64(), arrow::int16()});
  RandomTableOptions options;
  options.rows = 5003;
  const auto batch = RandomTable(schema, options)->CombineChunksToBatch().ValueOrDie()->Slice(11);
  const auto table = arrow::Table::FromRecordBatches({batch}).ValueOrDie();
  for (const std::vector<int>& columns : std::vector<std::vector<int>>{{}, {0}, {1}, {2}, {3, 4}, {4, 0, 1}}) {
    const auto hashes = Hash(*table, columns, {.nan_is_null = true});
    for (const uint32_t parts : {1U, 2U, 3U, 1000U}) {
      std::vector<uint32_t> owners(hashes.size());
      ASSERT_TRUE(OwnersOfRows(*batch, columns, {.nan_is_null = true}, parts, Context(), owners.data()).ok());
      for (size_t i = 0; i < hashes.size(); ++i) ASSERT_EQ(owners[i], RankOfHash(hashes[i], parts)) << i;
    }
  }
  const auto lists = RandomTable(SchemaOf({arrow::list(arrow::int8())}), {})->CombineChunksToBatch().ValueOrDie();
  std::vector<uint32_t> out(static_cast<size_t>(lists->num_rows()));
  EXPECT_TRUE(OwnersOfRows(*lists, std::vector<int>{0}, {}, 2, Context(), out.data()).IsTypeError());
}

/// Chi-square of the counts in `parts` parts; its expectation is parts - 1, its deviation sqrt(2 (parts - 1)).
template <typename Part>
void ExpectEven(const std::vector<uint64_t>& hashes, size_t parts, Part part) {
  std::vector<double> counts(parts);
  for (const uint64_t hash : hashes) counts[part(hash)] += 1;
  const double expected = static_cast<double>(hashes.size()) / static_cast<double>(parts);
  double chi = 0;
  for (const double count : counts) chi += (count - expected) * (count - expected) / expected;
  const auto freedom = static_cast<double>(parts - 1);
  EXPECT_LT(chi, freedom + 6 * std::sqrt(2 * freedom)) << parts << " parts";
}

TEST(Hash, SpreadsSequencesAndTexts) {
  std::vector<std::vector<uint64_t>> cases;
  for (const int64_t step : {1, 2, 4096, 1 << 20, 1000003}) cases.push_back(HashArray(Sequence(100000, step)));
  cases.push_back(HashArray(Sequence(100000, int64_t{1} << 40)));
  arrow::StringBuilder numbers;
  arrow::StringBuilder longer;
  for (int i = 0; i < 100000; ++i) {
    ASSERT_TRUE(numbers.Append(std::to_string(i)).ok());
    ASSERT_TRUE(longer.Append("a_common_prefix_of_more_than_16/" + std::to_string(i) + "/suffix").ok());
  }
  cases.push_back(HashArray(numbers.Finish().ValueOrDie()));
  cases.push_back(HashArray(longer.Finish().ValueOrDie()));
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    for (const uint32_t ranks : {2, 3, 5, 8, 64, 1000}) {
      ExpectEven(cases[i], ranks, [&](uint64_t hash) { return RankOfHash(hash, ranks); });
    }
    ExpectEven(cases[i], 1024, [](uint64_t hash) { return hash & 1023; });
    // The lower bits are even within one rank too.
    std::vector<uint64_t> one;
    std::copy_if(cases[i].begin(), cases[i].end(), std::back_inserter(one),
                 [](uint64_t hash) { return RankOfHash(hash, 4) == 1; });
    ExpectEven(one, 256, [](uint64_t hash) { return hash & 255; });
  }
}

/// One bit of the key turns each bit of the hash in half of all cases.
TEST(Hash, Avalanche) {
  constexpr int kTrials = 2000;
  test::Random random(7);
  for (const bool text : {false, true}) {
    arrow::Int64Builder ints;
    arrow::StringBuilder texts;
    for (int t = 0; t < kTrials; ++t) {
      uint64_t words[3] = {random.Next(), random.Next(), random.Next()};
      for (int bit = -1; bit < 64; ++bit) {
        uint64_t turned[3] = {words[0], words[1], words[2]};
        if (bit >= 0) turned[static_cast<size_t>(t % 3)] ^= uint64_t{1} << bit;
        ASSERT_TRUE(ints.Append(static_cast<int64_t>(turned[static_cast<size_t>(t % 3)])).ok());
        ASSERT_TRUE(texts.Append(reinterpret_cast<const char*>(turned), 21 - t % 2).ok());
      }
    }
    const auto hashes = HashArray(text ? texts.Finish().ValueOrDie() : ints.Finish().ValueOrDie());
    std::vector<int> flips(64 * 64);
    for (size_t t = 0; t < kTrials; ++t) {
      // The third word of a text lies there only in part: the other two are enough.
      for (size_t bit = 0; bit < 64; ++bit) {
        uint64_t changed = hashes[t * 65] ^ hashes[t * 65 + bit + 1];
        if (text && t % 3 == 2) changed = random.Next();
        for (size_t out = 0; out < 64; ++out) flips[bit * 64 + out] += static_cast<int>((changed >> out) & 1);
      }
    }
    for (const int count : flips) {
      EXPECT_NEAR(static_cast<double>(count) / kTrials, 0.5, 0.07);
    }
  }
}

TEST(Hash, RankOfHashStaysInRange) {
  for (const uint32_t parts : {1U, 3U, 1U << 20}) {
    EXPECT_EQ(RankOfHash(0, parts), 0U);
    EXPECT_EQ(RankOfHash(~uint64_t{0}, parts), parts - 1);
  }
}

}  // namespace
}  // namespace weft::table
