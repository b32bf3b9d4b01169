#include "weft/io/snappy.h"

#include <arrow/util/compression.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace weft::io {
namespace {

constexpr char kCanary = 'z';

/// Arrow's own is the oracle.
class SnappyTest : public ::testing::Test {
 protected:
  std::string Compress(const std::string& text) {
    std::string out(static_cast<size_t>(codec_->MaxCompressedLen(Size(text), Data(text))), '\0');
    const auto size = codec_->Compress(Size(text), Data(text), Size(out), Mutable(&out));
    out.resize(static_cast<size_t>(size.ValueOrDie()));
    return out;
  }

  bool ArrowTakes(const std::string& in, int64_t size, std::string* out) {
    out->assign(static_cast<size_t>(size), '\0');
    const auto got = codec_->Decompress(Size(in), Data(in), size, Mutable(out));
    return got.ok() && *got == size;
  }

  /// As ours gives it; memory behind the slack must stay as it is.
  bool WeTake(const std::string& in, int64_t size, std::string* out) {
    const std::string given = in + std::string(kSnappySlack, '\xff');
    const size_t written = static_cast<size_t>(size + kSnappySlack);
    out->assign(written + 64, kCanary);
    const bool taken = UncompressSnappy({Data(given), in.size()}, Mutable(out), size);
    EXPECT_EQ(out->find_first_not_of(kCanary, written), std::string::npos);
    out->resize(static_cast<size_t>(size));
    return taken;
  }

  static const uint8_t* Data(const std::string& text) { return reinterpret_cast<const uint8_t*>(text.data()); }
  static uint8_t* Mutable(std::string* text) { return reinterpret_cast<uint8_t*>(text->data()); }
  static int64_t Size(const std::string& text) { return static_cast<int64_t>(text.size()); }

  /// What columns look like, and what makes every kind of element: long literals, runs, near and far copies.
  static std::vector<std::string> Texts() {
    std::mt19937_64 random(11);
    std::vector<std::string> texts = {"", "a", std::string(1'000'000, 'r')};
    for (const int bits : {1, 7, 16, 24, 40, 64}) {
      std::string numbers;
      for (int i = 0; i < 30'000; ++i) {
        const uint64_t number = random() >> (64 - bits);
        numbers.append(reinterpret_cast<const char*>(&number), sizeof(number));
      }
      texts.push_back(std::move(numbers));
    }
    for (size_t period = 1; period < 70; ++period) {
      std::string text;
      while (text.size() < 500) text += std::string(1 + random() % 5, 'q') + text.substr(0, period);
      texts.push_back(text + std::string(period, 'p') + text);
    }
    std::string far = texts.back();
    for (int i = 0; i < 70'000; ++i) far += static_cast<char>(random());
    texts.push_back(far + far.substr(0, 2'000));
    return texts;
  }

  std::unique_ptr<arrow::util::Codec> codec_ = arrow::util::Codec::Create(arrow::Compression::SNAPPY).ValueOrDie();
};

TEST_F(SnappyTest, WhatArrowCompressesComesBack) {
  for (const std::string& text : Texts()) {
    const std::string packed = Compress(text);
    std::string out;
    EXPECT_TRUE(WeTake(packed, Size(text), &out)) << text.size();
    EXPECT_TRUE(out == text) << text.size();
    EXPECT_FALSE(WeTake(packed, Size(text) + 1, &out));
    if (!text.empty()) {
      EXPECT_FALSE(WeTake(packed, Size(text) - 1, &out));
    }
  }
}

TEST_F(SnappyTest, DamageIsRefusedAsByArrow) {
  std::vector<std::string> packed;
  std::vector<int64_t> sizes;
  for (const std::string& text : Texts()) {
    if (text.size() > 10'000) continue;
    packed.push_back(Compress(text));
    sizes.push_back(Size(text));
  }
  std::mt19937_64 random(12);
  int refused = 0;
  int taken = 0;
  for (int round = 0; round < 50'000; ++round) {
    const size_t which = random() % packed.size();
    std::string bytes = packed[which];
    for (size_t i = 0; i < 1 + random() % 3; ++i) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    if (random() % 4 == 0) bytes.resize(random() % bytes.size());
    std::string arrows;
    std::string ours;
    const bool arrow_takes = ArrowTakes(bytes, sizes[which], &arrows);
    ASSERT_EQ(WeTake(bytes, sizes[which], &ours), arrow_takes) << round;
    if (arrow_takes) {
      ASSERT_TRUE(ours == arrows) << round;
    }
    ++(arrow_takes ? taken : refused);
  }
  EXPECT_GT(refused, 1000);
  EXPECT_GT(taken, 1000);
}

/// Offsets of all widths, each nearer than its length and not.
TEST_F(SnappyTest, ElementsWrittenByHand) {
  const std::string lead = "abcdefghijklmnopqrstuvwxyz012345";
  for (size_t offset = 1; offset <= lead.size(); ++offset) {
    for (size_t length = 1; length <= 64; ++length) {
      std::string expected = lead;
      for (size_t i = 0; i < length; ++i) expected += expected[expected.size() - offset];
      for (const int bytes : {1, 2, 4}) {
        if (bytes == 1 && (length < 4 || length > 11)) continue;
        std::string packed(1, static_cast<char>(expected.size()));
        packed += static_cast<char>((lead.size() - 1) << 2);
        packed += lead;
        const size_t count = bytes == 1 ? length - 4 : length - 1;
        packed += static_cast<char>(count << 2 | static_cast<size_t>(bytes == 4 ? 3 : bytes));
        packed += static_cast<char>(offset);
        packed += std::string(static_cast<size_t>(bytes - 1), '\0');
        std::string out;
        ASSERT_TRUE(WeTake(packed, Size(expected), &out)) << offset << " " << length << " " << bytes;
        ASSERT_EQ(out, expected);
      }
    }
  }
}

}  // namespace
}  // namespace weft::io
