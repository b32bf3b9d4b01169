#include "weft/table/split_in_two.h"

#include <cstddef>
#include <utility>

#include "weft/base/cpu_level.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#endif

namespace weft::table {
namespace {

/// A value moved as bytes: Arrow data of other producers need not be aligned.
template <int width>
struct Bytes {
  uint8_t raw[width];
};

/// Each value goes to the ends of both parts and one end moves. No branch and, unlike a list of ends, nothing to wait
/// for: five times as fast. A part may be written one value beyond its end.
template <int width>
void SplitOneByOne(const uint8_t* in, std::span<const uint32_t> targets, uint8_t* out_first, uint8_t* out_second) {
  using Value = Bytes<width>;
  const auto* const values = reinterpret_cast<const Value*>(in);
  auto* const first = reinterpret_cast<Value*>(out_first);
  auto* const second = reinterpret_cast<Value*>(out_second);
  const size_t n = targets.size();
  size_t in_second = 0;
  for (size_t i = 0; i < n; ++i) {
    const Value value = values[i];
    first[i - in_second] = value;
    second[in_second] = value;
    in_second += targets[i];
  }
}

#if defined(__x86_64__) && defined(__GNUC__)

#define WEFT_SPLIT_TARGET __attribute__((target("avx2,bmi,bmi2,popcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl")))

/// Rows handled at a time.
constexpr size_t kLanes = 16;

/// 64 bytes of values to both parts: those of `mask`, a bit for each lane of `width` bytes, to the second. Compressed
/// in a register and stored whole: a compressing store is slow on some processors.
template <int width>
WEFT_SPLIT_TARGET inline void Deal(const uint8_t* in, uint32_t mask, uint8_t* first, uint8_t* second) {
  const __m512i values = _mm512_loadu_si512(in);
  if constexpr (width == 4) {
    const auto lanes = static_cast<__mmask16>(mask);
    _mm512_storeu_si512(first, _mm512_maskz_compress_epi32(_knot_mask16(lanes), values));
    _mm512_storeu_si512(second, _mm512_maskz_compress_epi32(lanes, values));
  } else {
    const auto lanes = static_cast<__mmask8>(mask);
    _mm512_storeu_si512(first, _mm512_maskz_compress_epi64(_knot_mask8(lanes), values));
    _mm512_storeu_si512(second, _mm512_maskz_compress_epi64(lanes, values));
  }
}

/// The rows of 4, 8 or 16 bytes but for the last few; returns how many, and how many of them went to the second part.
template <int width>
WEFT_SPLIT_TARGET std::pair<size_t, size_t> SplitByLanes(const uint8_t* in, std::span<const uint32_t> targets,
                                                         uint8_t* first, uint8_t* second) {
  constexpr size_t kRows = 64 / width;  // in a register
  const uint8_t* const second_begin = second;
  const size_t n = targets.size() / kLanes * kLanes;
  for (size_t i = 0; i < n; i += kLanes) {
    const __m512i to = _mm512_loadu_si512(targets.data() + i);
    uint32_t mask = _mm512_test_epi32_mask(to, to);
    for (size_t j = 0; j < kLanes; j += kRows, mask >>= kRows) {
      const uint32_t rows = mask & ((1U << kRows) - 1);
      // A value of 16 bytes is two lanes.
      const uint32_t lanes = width == 16 ? _pdep_u32(rows, 0x55) * 3 : rows;
      Deal<width == 4 ? 4 : 8>(in, lanes, first, second);
      const auto in_second = static_cast<size_t>(_mm_popcnt_u32(rows));
      in += 64;
      first += (kRows - in_second) * width;
      second += in_second * width;
    }
  }
  return {n, static_cast<size_t>(second - second_begin) / width};
}

template <int width>
void Split(const uint8_t* in, std::span<const uint32_t> targets, uint8_t* first, uint8_t* second) {
  if constexpr (width == 4 || width == 8 || width == 16) {
    if (ActiveCpuLevel() == CpuLevel::kV4) {
      const auto [done, in_second] = SplitByLanes<width>(in, targets, first, second);
      in += done * width;
      targets = targets.subspan(done);
      first += (done - in_second) * width;
      second += in_second * width;
    }
  }
  SplitOneByOne<width>(in, targets, first, second);
}

#else

template <int width>
void Split(const uint8_t* in, std::span<const uint32_t> targets, uint8_t* first, uint8_t* second) {
  SplitOneByOne<width>(in, targets, first, second);
}

#endif

}  // namespace

void SplitInTwo(int64_t width, const uint8_t* values, std::span<const uint32_t> targets, uint8_t* first,
                uint8_t* second) {
  switch (width) {
    case 1:
      return Split<1>(values, targets, first, second);
    case 2:
      return Split<2>(values, targets, first, second);
    case 4:
      return Split<4>(values, targets, first, second);
    case 8:
      return Split<8>(values, targets, first, second);
    case 16:
      return Split<16>(values, targets, first, second);
    default:
      return Split<32>(values, targets, first, second);
  }
}

}  // namespace weft::table
