// Rows go to their partitions in their order, whatever the widths, the number of columns and who writes beside them.
#include "weft/kernels/row_partitions.h"

#include <arrow/api.h>
#include <arrow/compute/api.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "weft/kernels/key_encoding.h"

namespace weft::kernels {
namespace {

std::vector<uint16_t> SomePartitions(int64_t rows, int parts, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<uint16_t> partitions(static_cast<size_t>(rows));
  for (uint16_t& p : partitions) p = static_cast<uint16_t>(random() % static_cast<uint32_t>(parts));
  return partitions;
}

/// Two writers, the second going on where the first ends in each partition, beside the same by plain copies.
TEST(PartitionWriter, AsPlainCopies) {
  constexpr int64_t kRows = 3000;
  std::mt19937 random(7);
  for (const int width : {1, 2, 3, 4, 5, 8, 12, 16, 32, 48, 64}) {
    for (size_t columns = 1; columns <= PartitionWriter::kMostColumns; ++columns) {
      for (const int parts : {1, 2, 100}) {
        const auto partitions = SomePartitions(kRows, parts, static_cast<uint32_t>(width * parts));
        const auto size = static_cast<size_t>(kRows * width);
        std::vector<std::vector<uint8_t>> values(columns, std::vector<uint8_t>(size));
        for (auto& column : values) std::generate(column.begin(), column.end(), [&] { return random() & 0xff; });
        const int64_t half = kRows / 3;
        std::vector<int64_t> before(static_cast<size_t>(parts));
        std::vector<int64_t> begins(static_cast<size_t>(parts));
        for (int64_t i = 0; i < kRows; ++i) ++begins[partitions[static_cast<size_t>(i)]];
        int64_t end = 0;
        for (int64_t& begin : begins) end += std::exchange(begin, end);
        for (int64_t i = 0; i < half; ++i) ++before[partitions[static_cast<size_t>(i)]];
        std::vector<std::shared_ptr<arrow::Buffer>> made;
        std::vector<std::vector<uint8_t*>> first(columns);
        std::vector<std::vector<uint8_t*>> second(columns);
        for (size_t c = 0; c < columns; ++c) {
          made.push_back(arrow::AllocateBuffer(static_cast<int64_t>(size)).ValueOrDie());
          for (size_t p = 0; p < begins.size(); ++p) {
            first[c].push_back(made[c]->mutable_data() + begins[p] * width);
            second[c].push_back(first[c][p] + before[p] * width);
          }
        }
        auto one = PartitionWriter::Make(width, std::move(first), arrow::default_memory_pool()).ValueOrDie();
        auto two = PartitionWriter::Make(width, std::move(second), arrow::default_memory_pool()).ValueOrDie();
        const auto append = [&](PartitionWriter* writer, int64_t begin, int64_t n) {
          const uint8_t* from[PartitionWriter::kMostColumns];
          for (size_t c = 0; c < columns; ++c) from[c] = values[c].data() + begin * width;
          writer->Append(partitions.data() + begin, from, n);
        };
        append(&two, half, 100);
        append(&one, 0, half);
        one.Finish();
        append(&two, half + 100, kRows - half - 100);
        two.Finish();
        for (size_t c = 0; c < columns; ++c) {
          std::vector<uint8_t> expected(size);
          std::vector<int64_t> next = begins;
          for (int64_t i = 0; i < kRows; ++i) {
            const int64_t to = next[partitions[static_cast<size_t>(i)]]++;
            std::memcpy(expected.data() + to * width, values[c].data() + i * width, static_cast<size_t>(width));
          }
          ASSERT_EQ(0, std::memcmp(expected.data(), made[c]->data(), size)) << width << " " << columns << " " << parts;
        }
      }
    }
  }
}

/// Texts of several lengths, some null, some of rows that belong to no partition, from chunks of all binary types.
TEST(RowPartitions, TextsMoveWithTheirRows) {
  constexpr int64_t kRows = 300'000;
  constexpr int kParts = 37;
  auto partitions = SomePartitions(kRows, kParts + 1, 3);
  std::mt19937 random(11);
  std::vector<std::string> texts;
  std::vector<uint8_t> nulls;
  for (int64_t i = 0; i < kRows; ++i) {
    const size_t length = i % 1000 == 0 ? 700 : random() % 60;
    texts.emplace_back(length, static_cast<char>('a' + i % 26));
    nulls.push_back(random() % 10 == 0 ? 1 : 0);
  }
  for (const auto& type : {arrow::utf8(), arrow::large_binary(), arrow::dictionary(arrow::int32(), arrow::utf8()),
                           arrow::fixed_size_binary(13)}) {
    const bool fixed = type->id() == arrow::Type::FIXED_SIZE_BINARY;
    std::vector<std::string> expected = texts;
    arrow::ArrayVector chunks;
    for (int64_t begin = 0; begin < kRows; begin += 70'000) {
      std::unique_ptr<arrow::ArrayBuilder> builder;
      ASSERT_TRUE(
          arrow::MakeBuilder(arrow::default_memory_pool(), fixed ? type : arrow::large_binary(), &builder).ok());
      for (int64_t i = begin; i < std::min(kRows, begin + 70'000); ++i) {
        std::string& text = expected[static_cast<size_t>(i)];
        if (fixed) text.resize(13, 'z');
        const auto status = nulls[static_cast<size_t>(i)] != 0 ? builder->AppendNull()
                            : fixed ? static_cast<arrow::FixedSizeBinaryBuilder&>(*builder).Append(text)
                                    : static_cast<arrow::LargeBinaryBuilder&>(*builder).Append(text);
        ASSERT_TRUE(status.ok());
      }
      auto chunk = builder->Finish().ValueOrDie();
      if (type->id() == arrow::Type::DICTIONARY) {
        const auto text = arrow::compute::Cast(*chunk, arrow::utf8()).ValueOrDie();
        chunk = arrow::compute::DictionaryEncode(text).ValueOrDie().make_array();
      } else if (!fixed) {
        chunk = arrow::compute::Cast(*chunk, type).ValueOrDie();
      }
      chunks.push_back(chunk);
    }
    Context context;
    context.threads = 2;
    const auto column =
        KeyColumn::Make({std::make_shared<arrow::ChunkedArray>(chunks)}, false, context, /*views=*/false,
                        /*alone=*/false)
            .ValueOrDie();
    const auto partition_of = [&](int64_t begin, int64_t length, uint16_t* out) {
      std::copy_n(partitions.data() + begin, length, out);
    };
    const auto made = RowPartitions::Make(kRows, kParts, partition_of, context).ValueOrDie();
    RowPartitions::TextSource source;
    source.read = [&](int64_t begin, int64_t length, const auto& visit) { column.VisitTexts(begin, length, visit); };
    source.nulls = [&](int64_t begin, int64_t length, uint8_t* out) { column.Nulls(begin, length, out); };
    const auto moved = made.MoveTexts(source, context).ValueOrDie();
    ASSERT_TRUE(moved.has_value());
    const auto* const begins = reinterpret_cast<const uint64_t*>(moved->begins->data());
    const auto* const bytes = reinterpret_cast<const char*>(moved->bytes->data());
    std::vector<int64_t> next(made.starts().begin(), made.starts().end());
    for (int64_t i = 0; i < kRows; ++i) {
      const uint16_t p = partitions[static_cast<size_t>(i)];
      if (p == kParts) continue;
      const int64_t entry = next[p]++;
      const bool null = (begins[entry] & RowPartitions::kNullText) != 0;
      ASSERT_EQ(null, nulls[static_cast<size_t>(i)] != 0) << type->ToString() << " row " << i;
      if (null) continue;
      const std::string text(bytes + begins[entry], (begins[entry + 1] & ~RowPartitions::kNullText) - begins[entry]);
      ASSERT_EQ(text, expected[static_cast<size_t>(i)]) << type->ToString() << " row " << i;
    }
  }
}

}  // namespace
}  // namespace weft::kernels
