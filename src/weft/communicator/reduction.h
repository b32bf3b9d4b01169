// What a Reduction does to two blocks of elements.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include <cstddef>
#include <cstdint>

#include "weft/communicator/communicator.h"

namespace weft {

/// Which of the two operands of a step comes from the lower ranks.
enum class ReduceOrder : uint8_t { kInIsLower, kInOutIsLower };

/// A Reduction that has been checked. Cheap to copy but for the user's function.
class Reducer {
 public:
  /// `inout[i]` becomes the combination of in[i] and inout[i].
  using Kernel = void (*)(const std::byte* in, std::byte* inout, int64_t count);

  Reducer() = default;

  /// Status::Invalid where the operation is not defined on the type, or a function has no element size.
  static arrow::Result<Reducer> Make(const Reduction& reduction);

  int64_t element_size() const { return element_size_; }
  /// False for functions: they are only known to be associative.
  bool commutative() const { return function_ == nullptr; }

  /// Combines `lower` and `higher` into `out`, which is one of the two; the other is unspecified afterwards. Elements
  /// need no alignment.
  arrow::Status Combine(std::byte* lower, std::byte* higher, std::byte* out, int64_t count) const;

 private:
  int64_t element_size_ = 0;
  Kernel in_is_lower_ = nullptr;
  Kernel inout_is_lower_ = nullptr;
  ReduceFunction function_;
};

}  // namespace weft
