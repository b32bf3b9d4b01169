#include "weft/kernels/chunk_finder.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

#include "table/random_table.h"

namespace weft::kernels {
namespace {

TEST(ChunkFinder, EveryRowAndRange) {
  test::Random random(3);
  for (const int chunks : {0, 1, 2, 3, 4, 7, 8, 9, 50}) {
    arrow::ArrayVector arrays;
    std::vector<std::pair<size_t, int64_t>> places;  // by row: its chunk, and the row in it
    for (int c = 0; c < chunks; ++c) {
      const int64_t length = random.Below(3) == 0 ? 0 : random.Below(9);
      arrays.push_back(std::make_shared<arrow::NullArray>(length));
      for (int64_t i = 0; i < length; ++i) places.emplace_back(c, i);
    }
    const ChunkFinder finder(arrays);
    const auto rows = static_cast<int64_t>(places.size());
    ASSERT_EQ(finder.rows(), rows);
    for (int64_t begin = 0; begin < rows; ++begin) {
      for (size_t last = 0; last < arrays.size(); ++last) {
        int64_t row = begin;
        const size_t chunk = finder.Find(&row, last);
        ASSERT_EQ(std::pair(chunk, row), places[static_cast<size_t>(begin)]);
        ASSERT_EQ(finder.start(chunk) + row, begin);
      }
    }
    for (int64_t begin = 0; begin <= rows; ++begin) {
      for (int64_t length = 0; begin + length <= rows; ++length) {
        int64_t seen = 0;
        finder.VisitChunks(begin, length, [&](size_t chunk, int64_t first, int64_t count, int64_t at) {
          ASSERT_EQ(at, seen);
          ASSERT_GT(count, 0);
          for (int64_t i = 0; i < count; ++i) {
            ASSERT_EQ(std::pair(chunk, first + i), places[static_cast<size_t>(begin + seen + i)]);
          }
          seen += count;
        });
        ASSERT_EQ(seen, length);
      }
    }
  }
}

}  // namespace
}  // namespace weft::kernels
