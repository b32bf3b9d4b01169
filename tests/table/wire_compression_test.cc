#include "weft/table/wire_compression.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "table/random_table.h"
#include "weft/base/capped_pool.h"

namespace weft::table {
namespace {

using Buffers = std::vector<std::shared_ptr<arrow::Buffer>>;

std::string Words(int64_t bytes) {
  std::string text;
  for (int64_t i = 0; static_cast<int64_t>(text.size()) < bytes; ++i) text += "row " + std::to_string(i % 1000) + "; ";
  text.resize(static_cast<size_t>(bytes));
  return text;
}

std::string Noise(int64_t bytes, uint64_t seed = 1) {
  test::Random random(seed);
  std::string text(static_cast<size_t>(bytes), '\0');
  for (char& c : text) c = static_cast<char>(random.Below(256));
  return text;
}

/// The text cut at these places.
std::vector<ConstBytes> Cut(const std::string& text, const std::vector<size_t>& at) {
  std::vector<ConstBytes> parts;
  size_t from = 0;
  for (const size_t to : at) {
    parts.push_back(AsBytes(std::string_view(text).substr(from, to - from)));
    from = to;
  }
  parts.push_back(AsBytes(std::string_view(text).substr(from)));
  return parts;
}

std::shared_ptr<arrow::Buffer> Compress(const std::vector<ConstBytes>& parts) {
  int64_t bytes = 0;
  for (const ConstBytes part : parts) bytes += static_cast<int64_t>(part.size());
  return CompressBody(parts, bytes, arrow::default_memory_pool()).ValueOrDie();
}

/// Bodies of memory of their own exact size.
Buffers Bodies(const std::vector<int64_t>& sizes) {
  Buffers bodies;
  for (const int64_t size : sizes) {
    bodies.push_back(arrow::AllocateBuffer(size).ValueOrDie());
    std::memset(bodies.back()->mutable_data(), 0xee, static_cast<size_t>(size));
  }
  return bodies;
}

arrow::Status Decompress(std::string_view bytes, const Buffers& bodies) {
  // Memory of its own exact size, so that a sanitizer sees reads beyond it.
  std::shared_ptr<arrow::Buffer> copy = arrow::AllocateBuffer(static_cast<int64_t>(bytes.size())).ValueOrDie();
  std::memcpy(copy->mutable_data(), bytes.data(), bytes.size());
  return DecompressBody(*copy, bodies, arrow::default_memory_pool());
}

std::string Joined(const Buffers& bodies) {
  std::string text;
  for (const auto& body : bodies) text += body->ToString();
  return text;
}

TEST(WireCompression, WhatComesIsWhatWasSent) {
  const std::string text = Words(3 * kWirePieceBytes + 12345) + Noise(kWirePieceBytes + 7) + Words(77777);
  const auto size = static_cast<int64_t>(text.size());
  const auto compressed = Compress(Cut(text, {0, 1, 9, 300000, 300000, 900001}));
  ASSERT_NE(compressed, nullptr);
  EXPECT_LT(compressed->size(), size * 2 / 3);
  for (const auto& sizes :
       std::vector<std::vector<int64_t>>{{size}, {0, 13, size - 13, 0}, {size / 2, size - size / 2}}) {
    const auto bodies = Bodies(sizes);
    const auto status = Decompress(compressed->ToString(), bodies);
    ASSERT_TRUE(status.ok()) << status.ToString();
    EXPECT_EQ(Joined(bodies), text);
  }
}

TEST(WireCompression, WhatDoesNotShrinkIsLeftAlone) {
  EXPECT_EQ(Compress(Cut(Noise(1 << 20), {5000})), nullptr);
  EXPECT_EQ(Compress(Cut(Noise(900000) + std::string(40000, 'x'), {})), nullptr);
  EXPECT_NE(Compress(Cut(Noise(900000) + std::string(400000, 'x'), {})), nullptr);
}

TEST(WireCompression, ASampleTellsOfAllParts) {
  // Columns one after another: a quarter of them noise.
  const std::string text = Words(600000) + Noise(400000) + Words(600000);
  const auto sample =
      SampleCompression(Cut(text, {600000, 1000000}), static_cast<int64_t>(text.size()), arrow::default_memory_pool())
          .ValueOrDie();
  const double real = static_cast<double>(Compress(Cut(text, {}))->size()) / static_cast<double>(text.size());
  EXPECT_NEAR(sample.ratio, real, 0.15);
  EXPECT_GT(sample.seconds_per_byte, 0);
  const std::string noise = Noise(100000);
  EXPECT_GT(SampleCompression(Cut(noise, {}), 100000, arrow::default_memory_pool())->ratio, 0.99);
}

TEST(WireCompression, SizesThatCannotBeAreRefusedBeforeMemoryIsTaken) {
  EXPECT_TRUE(CheckCompressedBytes(1000, 100000).ok());
  for (const auto& [compressed, body] : std::vector<std::pair<int64_t, int64_t>>{
           {0, 100}, {-1, 100}, {100, 100}, {101, 100}, {1000, int64_t{1} << 38}, {1000, 257000}, {5, -1}}) {
    EXPECT_TRUE(CheckCompressedBytes(compressed, body).IsInvalid()) << compressed << " of " << body;
  }
  // The most that LZ4 makes of anything.
  const std::string zeros(8 << 20, '\0');
  const auto compressed = Compress(Cut(zeros, {}));
  EXPECT_TRUE(CheckCompressedBytes(compressed->size(), 8 << 20).ok()) << compressed->size();
}

TEST(WireCompression, WhatDoesNotHoldIsAnError) {
  const std::string text = Words(kWirePieceBytes + 5000) + Noise(2000);
  const auto size = static_cast<int64_t>(text.size());
  const std::string good = Compress(Cut(text, {}))->ToString();
  EXPECT_TRUE(Decompress(good.substr(0, good.size() - 1), Bodies({size})).IsInvalid());
  EXPECT_TRUE(Decompress(good + "x", Bodies({size})).IsInvalid());
  EXPECT_TRUE(Decompress(good, Bodies({size - 1})).IsInvalid());
  EXPECT_TRUE(Decompress(good, Bodies({size + 8})).IsInvalid());
  test::Random random(7);
  int refused = 0;
  for (int round = 0; round < 500; ++round) {
    std::string bad = good;
    const auto at = static_cast<size_t>(random.Below(round % 2 == 0 ? 8 : static_cast<int64_t>(bad.size())));
    bad[at] = static_cast<char>(bad[at] ^ (1 << random.Below(8)));
    refused += Decompress(bad, Bodies({64, size - 64})).ok() ? 0 : 1;
  }
  EXPECT_GT(refused, 200);
}

TEST(WireCompression, NoMemoryIsAnErrorAndNoMore) {
  const std::string text = Words(1 << 20);
  const auto pool = MakeCappedPool(arrow::default_memory_pool(), 100000);
  EXPECT_TRUE(CompressBody(Cut(text, {}), 1 << 20, pool).status().IsOutOfMemory());
}

}  // namespace
}  // namespace weft::table
