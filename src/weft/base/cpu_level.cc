#include "weft/base/cpu_level.h"

#include <algorithm>
#include <cstdlib>
#include <string>

namespace weft {
namespace {

struct Choice {
  CpuLevel level;
  arrow::Status status;
};

Choice Choose() {
  const std::vector<CpuLevel> levels = CpuLevels();
  const char* value = std::getenv("WEFT_CPU_LEVEL");
  if (value == nullptr || *value == '\0') return {levels.back(), arrow::Status::OK()};
  std::string names;
  for (const CpuLevel level : levels) {
    if (CpuLevelName(level) == value) return {level, arrow::Status::OK()};
    names += (names.empty() ? "" : ", ") + std::string(CpuLevelName(level));
  }
  return {levels.back(), arrow::Status::Invalid("WEFT_CPU_LEVEL is '", value, "'; this processor has ", names)};
}

const Choice& Chosen() {
  static const Choice choice = Choose();
  return choice;
}

}  // namespace

std::string_view CpuLevelName(CpuLevel level) {
  switch (level) {
    case CpuLevel::kV3:
      return "x86-64-v3";
    case CpuLevel::kV4:
      return "x86-64-v4";
    default:
      return "base";
  }
}

std::vector<CpuLevel> CpuLevels() {
  std::vector<CpuLevel> levels{CpuLevel::kBase};
#if defined(__x86_64__) && defined(__GNUC__)
  __builtin_cpu_init();
  if (!(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2"))) {
    return levels;
  }
  levels.push_back(CpuLevel::kV3);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    levels.push_back(CpuLevel::kV4);
  }
#endif
  return levels;
}

CpuLevel ActiveCpuLevel() { return Chosen().level; }

arrow::Status CheckCpuLevel() { return Chosen().status; }

}  // namespace weft
