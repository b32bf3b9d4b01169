// Values of fixed width dealt out to two parts.
#pragma once

#include <cstdint>
#include <span>

namespace weft::table {

/// Bytes that may be overwritten behind each of the two parts.
constexpr int64_t kSplitSlack = 64;

/// Copies value i of `values` (targets.size() of them, `width` bytes each, any alignment) to the end of `first` where
/// targets[i] is 0, of `second` where it is 1: in order, without a branch. `width` is 1, 2, 4, 8, 16 or 32.
void SplitInTwo(int64_t width, const uint8_t* values, std::span<const uint32_t> targets, uint8_t* first,
                uint8_t* second);

}  // namespace weft::table
