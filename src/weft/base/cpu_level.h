// Loops compiled for several generations of processors; which of them runs is decided when it runs.
//
// The library is built for the least processor that it supports. A hot loop that a benchmark shows to gain from wider
// registers is a lambda given to ForCpu:
//
//   ForCpu([=]() WEFT_FOR_CPU {
//     for (int64_t i = 0; i < length; ++i) out[i] = values[i] - base;
//   });
//
// It captures by value, so that what it reads is in registers and not behind a pointer that `out` might alias, and
// works on a block of rows, so that the choice costs nothing. No level fuses multiplication and addition: results are
// equal on all of them.
#pragma once

#include <arrow/status.h>

#include <string_view>
#include <vector>

namespace weft {

enum class CpuLevel {
  kBase,  // what the library is built for
  kV3,    // x86-64-v3: AVX2, BMI2
  kV4     // x86-64-v4: AVX-512 F, BW, CD, DQ, VL
};

/// "base", "x86-64-v3", "x86-64-v4".
std::string_view CpuLevelName(CpuLevel level);

/// The levels that this processor and this build have, from kBase up.
std::vector<CpuLevel> CpuLevels();

/// The level that loops run at: the highest, or the one that the environment variable WEFT_CPU_LEVEL names. Read once,
/// by the first to ask. Any thread.
CpuLevel ActiveCpuLevel();

/// Status::Invalid where WEFT_CPU_LEVEL names no level, or one that this processor lacks; loops then run at the
/// highest.
arrow::Status CheckCpuLevel();

#if defined(__x86_64__) && defined(__GNUC__)

#define WEFT_FOR_CPU __attribute__((always_inline))

namespace internal {

template <typename Loop>
__attribute__((noinline, target("avx2,bmi,bmi2"))) auto RunV3(Loop loop) {
  return loop();
}

template <typename Loop>
__attribute__((noinline,
               target("avx2,bmi,bmi2,avx512f,avx512bw,avx512cd,avx512dq,avx512vl,prefer-vector-width=512"))) auto
RunV4(Loop loop) {
  return loop();
}

}  // namespace internal

/// Runs `loop` as compiled for the active level.
template <typename Loop>
auto ForCpu(Loop loop) {
  switch (ActiveCpuLevel()) {
    case CpuLevel::kV4:
      return internal::RunV4(loop);
    case CpuLevel::kV3:
      return internal::RunV3(loop);
    default:
      return loop();
  }
}

#else

#define WEFT_FOR_CPU

template <typename Loop>
auto ForCpu(Loop loop) {
  return loop();
}

#endif

}  // namespace weft
