// Values of fixed width dealt out to parts.
#pragma once

#include <cstdint>
#include <span>

namespace weft::table {

/// Bytes that may be overwritten behind the end of each part.
constexpr int64_t kScatterSlack = 64;

/// Copies value i of `values` (targets.size() of them, `width` bytes each, any alignment) to the end of
/// parts[targets[i]], in order. Every target is below parts.size(), and no part overlaps another one or the values.
void ScatterFixed(int64_t width, const uint8_t* values, std::span<const uint32_t> targets,
                  std::span<uint8_t* const> parts);

}  // namespace weft::table
