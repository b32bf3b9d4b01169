#include "weft/communicator/reduction.h"

#include <arrow/type.h>
#include <arrow/util/float16.h>

#include <cstring>
#include <exception>
#include <string>
#include <type_traits>

namespace weft {
namespace {

using arrow::util::Float16;

/// How a type is stored and computed with: `Stored` lies in memory, `Value` is what the operations see.
template <typename T>
struct Plain {
  using Stored = T;
  using Value = T;
  static Value Load(Stored x) { return x; }
  static Stored Store(Value x) { return x; }
};
struct Half {
  using Stored = uint16_t;
  using Value = float;
  static Value Load(Stored x) { return Float16::FromBits(x).ToFloat(); }
  static Stored Store(Value x) { return Float16::FromFloat(x).bits(); }
};
/// One byte an element; anything but 0 reads as 1.
struct Bool {
  using Stored = uint8_t;
  using Value = bool;
  static Value Load(Stored x) { return x != 0; }
  static Stored Store(Value x) { return x ? 1 : 0; }
};

/// Unsigned and not narrower than int, so that nothing is promoted to a signed type and overflows.
template <typename T>
using Wrapping = std::conditional_t<(sizeof(T) < sizeof(unsigned)), unsigned, std::make_unsigned_t<T>>;

template <ReduceOp kOp, typename T>
T Apply(T lower, T higher) {
  if constexpr (std::is_same_v<T, bool>) {
    // The results stay 0 or 1: a sum is "or", a product is "and", as in NumPy.
    constexpr bool kAnd =
        kOp == ReduceOp::kProd || kOp == ReduceOp::kMin || kOp == ReduceOp::kLogicalAnd || kOp == ReduceOp::kBitAnd;
    return kAnd ? (lower && higher) : (lower || higher);
  } else if constexpr (kOp == ReduceOp::kMin) {
    // A NaN on either side fails the first comparison's opposite and is kept.
    return (higher < lower || higher != higher) ? higher : lower;
  } else if constexpr (kOp == ReduceOp::kMax) {
    return (higher > lower || higher != higher) ? higher : lower;
  } else if constexpr (kOp == ReduceOp::kLogicalAnd) {
    return static_cast<T>(lower != T{0} && higher != T{0});
  } else if constexpr (kOp == ReduceOp::kLogicalOr) {
    return static_cast<T>(lower != T{0} || higher != T{0});
  } else if constexpr (std::is_floating_point_v<T>) {
    return kOp == ReduceOp::kSum ? lower + higher : lower * higher;
  } else {
    using U = Wrapping<T>;
    const U a = static_cast<U>(lower);
    const U b = static_cast<U>(higher);
    if constexpr (kOp == ReduceOp::kSum) return static_cast<T>(a + b);
    if constexpr (kOp == ReduceOp::kProd) return static_cast<T>(a * b);
    if constexpr (kOp == ReduceOp::kBitAnd) return static_cast<T>(a & b);
    return static_cast<T>(a | b);
  }
}

/// The compiler turns this into vector code: the copies become unaligned loads and stores.
template <typename Type, ReduceOp kOp, ReduceOrder kOrder>
void Loop(const std::byte* in, std::byte* inout, int64_t count) {
  using Stored = typename Type::Stored;
  for (int64_t i = 0; i < count; ++i) {
    Stored a;
    Stored b;
    std::memcpy(&a, in + i * static_cast<int64_t>(sizeof(Stored)), sizeof(Stored));
    std::memcpy(&b, inout + i * static_cast<int64_t>(sizeof(Stored)), sizeof(Stored));
    const auto x = Type::Load(a);
    const auto y = Type::Load(b);
    const Stored result = Type::Store(kOrder == ReduceOrder::kInIsLower ? Apply<kOp>(x, y) : Apply<kOp>(y, x));
    std::memcpy(inout + i * static_cast<int64_t>(sizeof(Stored)), &result, sizeof(Stored));
  }
}

struct Kernels {
  int64_t element_size = 0;
  Reducer::Kernel in_is_lower = nullptr;
  Reducer::Kernel inout_is_lower = nullptr;
};

template <typename Type, ReduceOp kOp>
Kernels Both() {
  constexpr bool kBits = kOp == ReduceOp::kBitAnd || kOp == ReduceOp::kBitOr;
  constexpr auto kSize = static_cast<int64_t>(sizeof(typename Type::Stored));
  if constexpr (kBits && std::is_floating_point_v<typename Type::Value>) {
    return {kSize, nullptr, nullptr};
  } else if constexpr (std::is_floating_point_v<typename Type::Value>) {
    // min(0.0, -0.0) is the one from the lower rank, so the order matters.
    return {kSize, &Loop<Type, kOp, ReduceOrder::kInIsLower>, &Loop<Type, kOp, ReduceOrder::kInOutIsLower>};
  } else {
    return {kSize, &Loop<Type, kOp, ReduceOrder::kInIsLower>, &Loop<Type, kOp, ReduceOrder::kInIsLower>};
  }
}

template <typename Type>
Kernels ByOp(ReduceOp op) {
  switch (op) {
    case ReduceOp::kSum:
      return Both<Type, ReduceOp::kSum>();
    case ReduceOp::kProd:
      return Both<Type, ReduceOp::kProd>();
    case ReduceOp::kMin:
      return Both<Type, ReduceOp::kMin>();
    case ReduceOp::kMax:
      return Both<Type, ReduceOp::kMax>();
    case ReduceOp::kLogicalAnd:
      return Both<Type, ReduceOp::kLogicalAnd>();
    case ReduceOp::kLogicalOr:
      return Both<Type, ReduceOp::kLogicalOr>();
    case ReduceOp::kBitAnd:
      return Both<Type, ReduceOp::kBitAnd>();
    case ReduceOp::kBitOr:
      return Both<Type, ReduceOp::kBitOr>();
  }
  return {};
}

Kernels ByType(arrow::Type::type type, ReduceOp op) {
  switch (type) {
    case arrow::Type::BOOL:
      return ByOp<Bool>(op);
    case arrow::Type::INT8:
      return ByOp<Plain<int8_t>>(op);
    case arrow::Type::INT16:
      return ByOp<Plain<int16_t>>(op);
    case arrow::Type::INT32:
      return ByOp<Plain<int32_t>>(op);
    case arrow::Type::INT64:
      return ByOp<Plain<int64_t>>(op);
    case arrow::Type::UINT8:
      return ByOp<Plain<uint8_t>>(op);
    case arrow::Type::UINT16:
      return ByOp<Plain<uint16_t>>(op);
    case arrow::Type::UINT32:
      return ByOp<Plain<uint32_t>>(op);
    case arrow::Type::UINT64:
      return ByOp<Plain<uint64_t>>(op);
    case arrow::Type::HALF_FLOAT:
      return ByOp<Half>(op);
    case arrow::Type::FLOAT:
      return ByOp<Plain<float>>(op);
    case arrow::Type::DOUBLE:
      return ByOp<Plain<double>>(op);
    default:
      return {};
  }
}

}  // namespace

arrow::Result<Reducer> Reducer::Make(const Reduction& reduction) {
  Reducer reducer;
  if (reduction.function) {
    if (reduction.element_size <= 0) {
      return arrow::Status::Invalid("a reduction by a function needs the size of an element in bytes, got ",
                                    reduction.element_size);
    }
    reducer.function_ = reduction.function;
    reducer.element_size_ = reduction.element_size;
    return reducer;
  }
  const Kernels kernels = ByType(reduction.type, reduction.op);
  if (kernels.element_size == 0) {
    return arrow::Status::Invalid("type ", arrow::internal::ToTypeName(reduction.type),
                                  " cannot be reduced; bool, integers, half, float and double can");
  }
  if (kernels.in_is_lower == nullptr) {
    return arrow::Status::Invalid("reduction ", ReduceOpName(reduction.op), " is for integers and bool, not for ",
                                  arrow::internal::ToTypeName(reduction.type));
  }
  reducer.element_size_ = kernels.element_size;
  reducer.in_is_lower_ = kernels.in_is_lower;
  reducer.inout_is_lower_ = kernels.inout_is_lower;
  return reducer;
}

arrow::Status Reducer::Combine(std::byte* lower, std::byte* higher, std::byte* out, int64_t count) const {
  if (count == 0) return arrow::Status::OK();
  if (!function_) {
    if (out == higher) {
      in_is_lower_(lower, higher, count);
    } else {
      inout_is_lower_(higher, lower, count);
    }
    return arrow::Status::OK();
  }
  try {
    ARROW_RETURN_NOT_OK(function_(lower, higher, count));
  } catch (const std::exception& error) {
    return arrow::Status::UnknownError("the reduce function threw: ", error.what());
  }
  if (out == lower) std::memcpy(lower, higher, static_cast<size_t>(count * element_size_));
  return arrow::Status::OK();
}

}  // namespace weft
