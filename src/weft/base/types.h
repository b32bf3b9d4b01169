// Words shared by both columns: ranks, tags, reduce operations, byte spans.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace weft {

/// Number of a worker in its job, 0 <= rank < world size.
using Rank = int32_t;

/// Matches a send to a receive between two ranks. Each layer that has tags says which values it gives out.
using Tag = uint64_t;

using ConstBytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

/// Keeps the memory behind a span alive for as long as an operation may touch it; may be empty, then the caller does.
using Owner = std::shared_ptr<const void>;

/// Reduce operations, named as in MPI. Logical ones take any numeric type (zero is false) and give 0 or 1.
enum class ReduceOp : uint8_t {
  kSum,
  kProd,
  kMin,
  kMax,
  kLogicalAnd,
  kLogicalOr,
  kBitAnd,
  kBitOr,
};

std::string_view ReduceOpName(ReduceOp op);

template <typename T>
ConstBytes AsBytes(std::span<const T> values) {
  return std::as_bytes(values);
}

inline ConstBytes AsBytes(std::string_view text) {
  return std::as_bytes(std::span<const char>(text.data(), text.size()));
}

inline std::string_view AsText(ConstBytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

}  // namespace weft
