// Comparing keys by value where words are only hashes.
#pragma once

#include <cstdint>
#include <span>

#include "weft/kernels/join_gather.h"

namespace weft::kernels {

struct KeyPair {
  ColumnView left;
  ColumnView right;
};

/// Keeps, in order, those of the `n` pairs whose keys are equal (nulls and NaN as `options` say) and returns how many.
/// `scratch` has room for n bytes.
uint32_t KeepEqualPairs(std::span<const KeyPair> keys, const JoinOptions& options, uint32_t* left, uint32_t* right,
                        uint32_t n, uint8_t* scratch);

}  // namespace weft::kernels
