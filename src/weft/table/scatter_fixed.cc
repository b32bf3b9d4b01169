#include "weft/table/scatter_fixed.h"

#include <cstddef>
#include <cstring>
#include <vector>

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

/// Two parts: each value goes to the ends of both and one end moves. No branch and, unlike a list of ends, nothing to
/// wait for: five times as fast. A part may be written one value beyond its end.
template <int width>
void ScatterToTwo(const uint8_t* in, std::span<const uint32_t> targets, std::span<uint8_t* const> ends) {
  using Value = Bytes<width>;
  const auto* const values = reinterpret_cast<const Value*>(in);
  auto* const first = reinterpret_cast<Value*>(ends[0]);
  auto* const second = reinterpret_cast<Value*>(ends[1]);
  const uint32_t* const to = targets.data();
  const size_t n = targets.size();
  size_t in_second = 0;
  for (size_t i = 0; i < n; ++i) {
    const Value value = values[i];
    first[i - in_second] = value;
    second[in_second] = value;
    in_second += to[i];
  }
}

template <int width>
void ScatterOneByOne(const uint8_t* in, std::span<const uint32_t> targets, std::span<uint8_t* const> ends) {
  if (ends.size() == 2) return ScatterToTwo<width>(in, targets, ends);
  using Value = Bytes<width>;
  std::vector<Value*> next(ends.size());
  for (size_t p = 0; p < ends.size(); ++p) next[p] = reinterpret_cast<Value*>(ends[p]);
  Value** const cursors = next.data();
  const auto* const values = reinterpret_cast<const Value*>(in);
  const uint32_t* const to = targets.data();
  const size_t n = targets.size();
  for (size_t i = 0; i < n; ++i) *cursors[to[i]]++ = values[i];
}

#if defined(__x86_64__) && defined(__GNUC__)

#define WEFT_SCATTER_TARGET __attribute__((target("avx2,bmi,bmi2,popcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl")))

/// Rows handled at a time.
constexpr size_t kLanes = 16;
/// How far ahead values are asked for: the stores keep the processor's own looking ahead behind.
constexpr size_t kAhead = 4096;

/// 64 bytes of values: those of `mask`, a bit for each lane, side by side. A compressing store would be slow on some
/// processors, so that all of the register is stored.
template <int lane_width>
WEFT_SCATTER_TARGET inline void Compress(__m512i values, uint32_t mask, uint8_t* to) {
  if constexpr (lane_width == 4) {
    _mm512_storeu_si512(to, _mm512_maskz_compress_epi32(static_cast<__mmask16>(mask), values));
  } else {
    _mm512_storeu_si512(to, _mm512_maskz_compress_epi64(static_cast<__mmask8>(mask), values));
  }
}

/// Values of 4, 8 or 16 bytes to a few parts, but for the last rows; moves the ends and returns how many. All of the
/// input is compressed once for each part.
template <int width, size_t parts>
WEFT_SCATTER_TARGET size_t ScatterByLanes(const uint8_t* in, std::span<const uint32_t> targets, uint8_t** ends) {
  constexpr size_t kRows = 64 / width;  // in a register
  uint8_t* to[parts];
  for (size_t p = 0; p < parts; ++p) to[p] = ends[p];
  const size_t n = targets.size() / kLanes * kLanes;
  for (size_t i = 0; i < n; i += kLanes) {
    const __m512i part = _mm512_loadu_si512(targets.data() + i);
    uint32_t masks[parts];
    for (size_t p = 0; p < parts; ++p) {
      masks[p] = _mm512_cmpeq_epi32_mask(part, _mm512_set1_epi32(static_cast<int>(p)));
    }
    for (size_t j = 0; j < kLanes; j += kRows, in += 64) {
      _mm_prefetch(reinterpret_cast<const char*>(in) + kAhead, _MM_HINT_T0);
      const __m512i values = _mm512_loadu_si512(in);
      for (size_t p = 0; p < parts; ++p) {
        const uint32_t rows = (masks[p] >> j) & ((1U << kRows) - 1);
        // A value of 16 bytes is two lanes.
        Compress<width == 4 ? 4 : 8>(values, width == 16 ? _pdep_u32(rows, 0x55) * 3 : rows, to[p]);
        to[p] += static_cast<size_t>(_mm_popcnt_u32(rows)) * width;
      }
    }
  }
  for (size_t p = 0; p < parts; ++p) ends[p] = to[p];
  return n;
}

template <int width>
size_t ScatterWide(const uint8_t* in, std::span<const uint32_t> targets, std::vector<uint8_t*>* ends) {
  if constexpr (width == 4 || width == 8 || width == 16) {
    if (ActiveCpuLevel() != CpuLevel::kV4) return 0;
    switch (ends->size()) {
      case 2:
        return ScatterByLanes<width, 2>(in, targets, ends->data());
      case 3:
        return ScatterByLanes<width, 3>(in, targets, ends->data());
      case 4:
        return ScatterByLanes<width, 4>(in, targets, ends->data());
      default:
        return 0;
    }
  }
  return 0;
}

#else

template <int width>
size_t ScatterWide(const uint8_t*, std::span<const uint32_t>, std::vector<uint8_t*>*) {
  return 0;
}

#endif

template <int width>
void Scatter(const uint8_t* in, std::span<const uint32_t> targets, std::vector<uint8_t*>* ends) {
  const size_t done = ScatterWide<width>(in, targets, ends);
  ScatterOneByOne<width>(in + done * width, targets.subspan(done), *ends);
}

}  // namespace

void ScatterFixed(int64_t width, const uint8_t* values, std::span<const uint32_t> targets,
                  std::span<uint8_t* const> parts) {
  std::vector<uint8_t*> ends(parts.begin(), parts.end());
  switch (width) {
    case 1:
      return Scatter<1>(values, targets, &ends);
    case 2:
      return Scatter<2>(values, targets, &ends);
    case 4:
      return Scatter<4>(values, targets, &ends);
    case 8:
      return Scatter<8>(values, targets, &ends);
    case 16:
      return Scatter<16>(values, targets, &ends);
    case 32:
      return Scatter<32>(values, targets, &ends);
    default:
      for (size_t i = 0; i < targets.size(); ++i) {
        uint8_t*& to = ends[targets[i]];
        std::memcpy(to, values + static_cast<int64_t>(i) * width, static_cast<size_t>(width));
        to += width;
      }
  }
}

}  // namespace weft::table
