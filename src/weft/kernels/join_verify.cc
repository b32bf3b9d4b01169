#include "weft/kernels/join_verify.h"

#include <arrow/type.h>
#include <arrow/util/float16.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "weft/base/cpu_level.h"

namespace weft::kernels {
namespace {

struct Pairs {
  const uint32_t* left;
  const uint32_t* right;
  uint32_t n;
};

bool IsNull(const ColumnView& view, uint32_t row) { return !view.IsValid(row); }

/// Clears ok[k] where the pair's values differ. `equal` compares two valid values by their rows, `missing` says whether
/// a row has no value.
template <typename Missing, typename Equal>
void Compare(const KeyPair& key, bool nulls_equal, const Pairs& pairs, uint8_t* ok, Missing&& missing, Equal&& equal) {
  for (uint32_t k = 0; k < pairs.n; ++k) {
    const uint32_t l = pairs.left[k];
    const uint32_t r = pairs.right[k];
    const bool left_missing = missing(key.left, l);
    const bool right_missing = missing(key.right, r);
    const bool same = left_missing || right_missing ? nulls_equal && left_missing && right_missing : equal(l, r);
    ok[k] &= static_cast<uint8_t>(same);
  }
}

/// The first 0 ... kTextRoom bytes, from kFirstBytes + kTextRoom back.
constexpr auto kFirstBytes = [] {
  std::array<uint8_t, 2 * kTextRoom> bytes{};
  for (size_t i = 0; i < kTextRoom; ++i) bytes[i] = 0xff;
  return bytes;
}();

/// Of texts that kTextRoom bytes can be read of.
WEFT_FOR_CPU inline bool SameMoved(const BytesRef& a, const BytesRef& b) {
  if (a.length != b.length) return false;
  if (a.length > kTextRoom) return std::memcmp(a.data, b.data, static_cast<size_t>(a.length)) == 0;
  // All of the room is compared, whatever the length, and what is behind the text left out: no branch depends on it.
  const uint8_t* const mask = kFirstBytes.data() + kTextRoom - a.length;
  uint8_t differ[kTextRoom];
  for (int64_t i = 0; i < kTextRoom; ++i) differ[i] = static_cast<uint8_t>((a.data[i] ^ b.data[i]) & mask[i]);
  uint64_t any = 0;
  for (int64_t i = 0; i < kTextRoom; i += 8) {
    uint64_t word;
    std::memcpy(&word, differ + i, 8);
    any |= word;
  }
  return any == 0;
}

inline bool SameTexts(const BytesRef& a, const BytesRef& b) {
  return a.length == b.length && std::memcmp(a.data, b.data, static_cast<size_t>(a.length)) == 0;
}

/// Compares the texts that `find` finds by `same`, which takes as many at a time as are fetched ahead: neither side's
/// are read in the order in which they lie.
template <typename Find, typename Same>
void CompareTexts(const KeyPair& key, bool nulls_equal, const Pairs& pairs, uint8_t* ok, Find&& find, Same&& same) {
  const auto nullable = [](const ColumnView& view) { return view.side->column(view.column).has_nulls; };
  const bool has_nulls = nullable(key.left) || nullable(key.right);
  constexpr uint32_t kAhead = 64;
  BytesRef texts[2][kAhead];
  uint8_t equal[kAhead];
  for (uint32_t begin = 0; begin < pairs.n; begin += kAhead) {
    const uint32_t n = std::min(kAhead, pairs.n - begin);
    const uint32_t* const left = pairs.left + begin;
    const uint32_t* const right = pairs.right + begin;
    for (uint32_t k = 0; k < n; ++k) {
      texts[0][k] = find(key.left, left[k]);
      __builtin_prefetch(texts[0][k].data);
      texts[1][k] = find(key.right, right[k]);
      __builtin_prefetch(texts[1][k].data);
    }
    same(texts[0], texts[1], n, equal);
    for (uint32_t k = 0; has_nulls && k < n; ++k) {
      const bool left_null = IsNull(key.left, left[k]);
      const bool right_null = IsNull(key.right, right[k]);
      if (left_null || right_null) equal[k] = static_cast<uint8_t>(nulls_equal && left_null && right_null);
    }
    for (uint32_t k = 0; k < n; ++k) ok[begin + k] &= equal[k];
  }
}

void CompareTexts(const KeyPair& key, bool nulls_equal, const Pairs& pairs, uint8_t* ok) {
  if (key.left.texts == nullptr || key.right.texts == nullptr) {
    return CompareTexts(key, nulls_equal, pairs, ok, BytesAt,
                        [](const BytesRef* a, const BytesRef* b, uint32_t n, uint8_t* out) {
                          for (uint32_t k = 0; k < n; ++k) out[k] = static_cast<uint8_t>(SameTexts(a[k], b[k]));
                        });
  }
  const auto find = [](const ColumnView& view, uint32_t row) { return view.MovedText(row); };
  CompareTexts(key, nulls_equal, pairs, ok, find, [](const BytesRef* a, const BytesRef* b, uint32_t n, uint8_t* out) {
    ForCpu([=]() WEFT_FOR_CPU {
      for (uint32_t k = 0; k < n; ++k) out[k] = static_cast<uint8_t>(SameMoved(a[k], b[k]));
    });
  });
}

template <int width>
void CompareBits(const KeyPair& key, bool nulls_equal, const Pairs& pairs, uint8_t* ok) {
  const auto equal = [&](uint32_t l, uint32_t r) {
    return std::memcmp(key.left.values + l * key.left.stride, key.right.values + r * key.right.stride, width) == 0;
  };
  if (key.left.valid != nullptr || key.right.valid != nullptr) {
    return Compare(key, nulls_equal, pairs, ok, IsNull, equal);
  }
  for (uint32_t k = 0; k < pairs.n; ++k) ok[k] &= static_cast<uint8_t>(equal(pairs.left[k], pairs.right[k]));
}

float ToFloat(const uint8_t* at, const arrow::util::Float16*) {
  uint16_t bits;
  std::memcpy(&bits, at, sizeof(bits));
  return arrow::util::Float16::FromBits(bits).ToFloat();
}

template <typename T>
T ToFloat(const uint8_t* at, const T*) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

template <typename T>
void CompareFloats(const KeyPair& key, const JoinOptions& options, const Pairs& pairs, uint8_t* ok) {
  const auto value = [](const ColumnView& view, uint32_t row) {
    return ToFloat(view.values + row * view.stride, static_cast<const T*>(nullptr));
  };
  const auto missing = [&](const ColumnView& view, uint32_t row) {
    return IsNull(view, row) || (options.nan_is_null && std::isnan(value(view, row)));
  };
  Compare(key, options.nulls_equal, pairs, ok, missing, [&](uint32_t l, uint32_t r) {
    const auto a = value(key.left, l);
    const auto b = value(key.right, r);
    return a == b || (std::isnan(a) && std::isnan(b));
  });
}

void CompareKey(const KeyPair& key, const JoinOptions& options, const Pairs& pairs, uint8_t* ok) {
  const SideColumn& column = key.left.side->column(key.left.column);
  const bool nulls_equal = options.nulls_equal;
  switch (column.layout) {
    case Layout::kNull:
      if (!nulls_equal) std::memset(ok, 0, pairs.n);
      return;
    case Layout::kBinary32:
    case Layout::kBinary64:
      return CompareTexts(key, nulls_equal, pairs, ok);
    default:
      break;
  }
  switch (column.type->id()) {
    case arrow::Type::HALF_FLOAT:
      return CompareFloats<arrow::util::Float16>(key, options, pairs, ok);
    case arrow::Type::FLOAT:
      return CompareFloats<float>(key, options, pairs, ok);
    case arrow::Type::DOUBLE:
      return CompareFloats<double>(key, options, pairs, ok);
    default:
      break;
  }
  switch (column.width) {
    case 1:
      return CompareBits<1>(key, nulls_equal, pairs, ok);
    case 2:
      return CompareBits<2>(key, nulls_equal, pairs, ok);
    case 4:
      return CompareBits<4>(key, nulls_equal, pairs, ok);
    case 8:
      return CompareBits<8>(key, nulls_equal, pairs, ok);
    case 16:
      return CompareBits<16>(key, nulls_equal, pairs, ok);
    default:
      return Compare(key, nulls_equal, pairs, ok, IsNull, [&](uint32_t l, uint32_t r) {
        return std::memcmp(key.left.values + l * key.left.stride, key.right.values + r * key.right.stride,
                           static_cast<size_t>(column.width)) == 0;
      });
  }
}

}  // namespace

uint32_t KeepEqualPairs(std::span<const KeyPair> keys, const JoinOptions& options, uint32_t* left, uint32_t* right,
                        uint32_t n, uint8_t* scratch) {
  std::memset(scratch, 1, n);
  for (const KeyPair& key : keys) CompareKey(key, options, {left, right, n}, scratch);
  uint32_t kept = 0;
  for (uint32_t k = 0; k < n; ++k) {
    left[kept] = left[k];
    right[kept] = right[k];
    kept += scratch[k];
  }
  return kept;
}

}  // namespace weft::kernels
