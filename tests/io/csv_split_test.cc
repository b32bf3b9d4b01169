#include "weft/io/csv_split.h"
#include "weft/io/share.h"

#include <gtest/gtest.h>

#include <random>

#include "io/files.h"
#include "weft/io/share.h"

namespace weft::io {
namespace {

/// Where records begin and in which state each byte stands, found byte by byte from the beginning.
std::vector<CsvState> States(std::string_view text, char delimiter, char quote) {
  std::vector<CsvState> states;
  CsvState state = CsvState::kLine;
  for (const char c : text) {
    states.push_back(state);
    if (state == CsvState::kQuoted) {
      if (c == quote) state = CsvState::kField;
    } else if (c == quote && state != CsvState::kPlain) {
      state = CsvState::kQuoted;
    } else if (c == '\n' || c == '\r') {
      state = CsvState::kLine;
    } else if (c == delimiter) {
      state = CsvState::kField;
    } else if (!(c == quote)) {
      state = CsvState::kPlain;
    }
  }
  states.push_back(state);
  return states;
}

CsvEffect Scan(std::string_view text, int64_t begin, int64_t end, size_t piece) {
  CsvEffectScanner scanner(',', '"', begin);
  for (int64_t at = begin; at < end;) {
    const auto length = std::min<int64_t>(static_cast<int64_t>(piece), end - at);
    scanner.Add(text.substr(static_cast<size_t>(at), static_cast<size_t>(length)));
    at += length;
  }
  return scanner.effect();
}

TEST(CsvSplit, RangesOfAnyTextPutTogetherAreTheWholeText) {
  std::mt19937_64 random(11);
  constexpr std::string_view kAlphabet = "a,\"\n\r\"ab";
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    const size_t length = random() % 60;
    for (size_t i = 0; i < length; ++i) text += kAlphabet[random() % kAlphabet.size()];
    const auto states = States(text, ',', '"');
    const auto size = static_cast<int64_t>(length);
    const int64_t start = static_cast<int64_t>(random() % (length + 1));
    // The data begin at `start`, in the state of a line's beginning.
    const auto of_data = States(std::string_view(text).substr(static_cast<size_t>(start)), ',', '"');
    std::vector<int64_t> edges = {0, size};
    for (size_t i = random() % 6; i > 0; --i) edges.push_back(static_cast<int64_t>(random() % (length + 1)));
    std::sort(edges.begin(), edges.end());
    std::vector<CsvEffect> effects;
    for (size_t i = 0; i + 1 < edges.size(); ++i) {
      effects.push_back(Scan(text, std::max(edges[i], start), std::max(edges[i + 1], start), 1 + random() % 5));
    }
    const auto first = FirstRecords(effects, start);
    ASSERT_EQ(first.size(), effects.size());
    int64_t before = start;
    for (size_t i = 0; i < first.size(); ++i) {
      if (first[i] < 0) continue;
      // A record begins there, and none that the range before it should have had was skipped.
      ASSERT_EQ(of_data[static_cast<size_t>(first[i] - start)], CsvState::kLine) << text << " at " << first[i];
      ASSERT_GE(first[i], before);
      const int64_t from = std::max(edges[i], start);
      for (int64_t at = from; at < first[i]; ++at) {
        ASSERT_NE(of_data[static_cast<size_t>(at - start)], CsvState::kLine) << text << " at " << at;
      }
      before = first[i];
    }
    ASSERT_EQ(first.front(), start);
  }
}

TEST(CsvSplit, AQuoteWithinAPlainFieldIsACharacter) {
  const std::string text = "5\" pipe,x\n\"a\nb\",y\n";
  const auto effect = Scan(text, 0, static_cast<int64_t>(text.size()), 100);
  EXPECT_EQ(effect.from[static_cast<size_t>(CsvState::kLine)].end, CsvState::kLine);
  EXPECT_EQ(effect.from[static_cast<size_t>(CsvState::kLine)].record, 0);
  // Begun within a quoted field, which ends at the first quote, the rest of that line is plain.
  const auto& quoted = effect.from[static_cast<size_t>(CsvState::kQuoted)];
  EXPECT_EQ(quoted.record, 10);
}

TEST(ShareBytes, RangesAreInOrderAndWhole) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 500; ++round) {
    std::vector<int64_t> sizes(random() % 8);
    std::vector<bool> splittable;
    for (auto& size : sizes) {
      size = static_cast<int64_t>(random() % 4 == 0 ? 0 : random() % 1000);
      splittable.push_back(size > 0 && random() % 2 == 0);
    }
    const int world = 1 + static_cast<int>(random() % 8);
    const auto ranks = ShareBytes(sizes, splittable, world);
    ASSERT_EQ(ranks.size(), static_cast<size_t>(world));
    size_t file = 0;
    int64_t at = 0;
    for (const auto& ranges : ranks) {
      for (const ByteRange& range : ranges) {
        if (at == sizes[file] && range.file == file + 1) {
          ++file;
          at = 0;
        }
        ASSERT_EQ(range.file, file);
        ASSERT_EQ(range.begin, at);
        ASSERT_EQ(range.cut, range.end - range.begin < sizes[file]);
        ASSERT_TRUE(!range.cut || splittable[file]);
        at = range.end;
      }
    }
    if (!sizes.empty()) {
      ASSERT_EQ(file, sizes.size() - 1);
      ASSERT_EQ(at, sizes.back());
    }
  }
}

TEST(CountLines, LineEndsOfEveryKind) {
  test::TemporaryDirectory directory;
  const std::string path = directory.Write("a", "a\r\nb\nc\rd\r\n\r\n");
  const auto lines = [&](int64_t bytes) {
    return CountLines(**OpenCsvText({path, 0, -1}, {}, Context()), bytes).ValueOrDie();
  };
  EXPECT_EQ(lines(0), 0);
  EXPECT_EQ(lines(3), 1);
  EXPECT_EQ(lines(5), 2);
  EXPECT_EQ(lines(7), 3);
  EXPECT_EQ(lines(10), 4);
}

}  // namespace
}  // namespace weft::io
