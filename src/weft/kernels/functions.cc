#include "weft/kernels/functions.h"

#include <arrow/builder.h>
#include <arrow/compute/api.h>
#include <arrow/compute/initialize.h>
#include <arrow/compute/kernel.h>
#include <arrow/compute/registry.h>
#include <arrow/util/bit_util.h>

#include <array>
#include <charconv>
#include <cmath>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "weft/kernels/text_search.h"
#include "weft/kernels/time_text.h"

namespace weft::kernels {
namespace {

namespace cp = arrow::compute;

// -- division --------------------------------------------------------------------------------------------------------

struct Divided {
  template <typename T>
  static T FloatModulo(T x, T y) {
    if (y == 0) return std::nan("");
    const T mod = std::fmod(x, y);
    if (mod == 0) return std::copysign(T{0}, y);
    return (y < 0) != (mod < 0) ? mod + y : mod;
  }

  template <typename T>
  static T FloatFloor(T x, T y) {
    if (y == 0) return x / y;
    const T mod = std::fmod(x, y);
    T div = (x - mod) / y;
    if (mod != 0 && (y < 0) != (mod < 0)) div -= 1;
    if (div == 0) return std::copysign(T{0}, x / y);
    const T floored = std::floor(div);
    return div - floored > T{0.5} ? floored + 1 : floored;
  }
};

struct FloorDivide {
  template <typename T>
  static T Of(T x, T y) {
    if constexpr (std::is_floating_point_v<T>) {
      return Divided::FloatFloor(x, y);
    } else {
      if constexpr (std::is_signed_v<T>) {
        if (y == -1) return static_cast<T>(0 - static_cast<std::make_unsigned_t<T>>(x));
        const T quotient = static_cast<T>(x / y);
        return x % y != 0 && (x < 0) != (y < 0) ? static_cast<T>(quotient - 1) : quotient;
      } else {
        return static_cast<T>(x / y);
      }
    }
  }
};

struct Modulo {
  template <typename T>
  static T Of(T x, T y) {
    if constexpr (std::is_floating_point_v<T>) {
      return Divided::FloatModulo(x, y);
    } else {
      if constexpr (std::is_signed_v<T>) {
        if (y == -1) return 0;
        const T rest = static_cast<T>(x % y);
        return rest != 0 && (rest < 0) != (y < 0) ? static_cast<T>(rest + y) : rest;
      } else {
        return static_cast<T>(x % y);
      }
    }
  }
};

/// An argument's values: an array's, or one for all rows.
template <typename T>
struct Values {
  explicit Values(const cp::ExecValue& value)
      : data(value.is_array() ? value.array.GetValues<T>(1) : nullptr),
        one(value.is_array() || !value.scalar->is_valid
                ? T{}
                : *static_cast<const T*>(
                      static_cast<const arrow::internal::PrimitiveScalarBase&>(*value.scalar).data())) {}
  T operator[](int64_t row) const { return data != nullptr ? data[row] : one; }
  const T* data;
  T one;
};

bool Valid(const cp::ExecValue& value, int64_t row) {
  return value.is_array() ? value.array.IsValid(row) : value.scalar->is_valid;
}

template <typename T, typename Op>
arrow::Status Divide(cp::KernelContext* /*context*/, const cp::ExecSpan& batch, cp::ExecResult* out) {
  const Values<T> x(batch[0]);
  const Values<T> y(batch[1]);
  T* made = out->array_span_mutable()->GetValues<T>(1);
  for (int64_t row = 0; row < batch.length; ++row) {
    const T divisor = y[row];
    if constexpr (!std::is_floating_point_v<T>) {
      if (divisor == 0) {
        // Under a null lies anything, so 0 counts only where both sides are there.
        if (Valid(batch[0], row) && Valid(batch[1], row)) return arrow::Status::Invalid("division of an integer by 0");
        made[row] = 0;
        continue;
      }
    }
    made[row] = Op::Of(x[row], divisor);
  }
  return arrow::Status::OK();
}

template <typename T>
arrow::Status Square(cp::KernelContext* /*context*/, const cp::ExecSpan& batch, cp::ExecResult* out) {
  const T* const x = batch[0].array.GetValues<T>(1);
  T* const made = out->array_span_mutable()->GetValues<T>(1);
  for (int64_t row = 0; row < batch.length; ++row) {
    if constexpr (std::is_floating_point_v<T>) {
      made[row] = x[row] * x[row];
    } else {
      const auto wide = static_cast<uint64_t>(x[row]);
      made[row] = static_cast<T>(wide * wide);
    }
  }
  return arrow::Status::OK();
}

/// Adds a function of numbers of one type, which is that of the result: `kernel(std::type_identity<T>())` is its loop.
template <typename Kernel>
arrow::Status AddOfNumbers(cp::FunctionRegistry* registry, const std::string& name, const cp::Arity& arity,
                           const cp::FunctionDoc& doc, const Kernel& kernel) {
  auto function = std::make_shared<cp::ScalarFunction>(name, arity, doc);
  const auto add = [&]<typename T>(std::type_identity<T> of) {
    const auto type = arrow::CTypeTraits<T>::type_singleton();
    return function->AddKernel(std::vector<cp::InputType>(static_cast<size_t>(arity.num_args), type), type, kernel(of));
  };
  const auto add_all = [&]<typename... CTypes>(std::type_identity<CTypes>... of) -> arrow::Status {
    for (const arrow::Status& status : std::array{add(of)...}) ARROW_RETURN_NOT_OK(status);
    return arrow::Status::OK();
  };
  ARROW_RETURN_NOT_OK(add_all(std::type_identity<int8_t>(), std::type_identity<int16_t>(),
                              std::type_identity<int32_t>(), std::type_identity<int64_t>(),
                              std::type_identity<uint8_t>(), std::type_identity<uint16_t>(),
                              std::type_identity<uint32_t>(), std::type_identity<uint64_t>(),
                              std::type_identity<float>(), std::type_identity<double>()));
  return registry->AddFunction(std::move(function), /*allow_overwrite=*/true);
}

// -- lookup ----------------------------------------------------------------------------------------------------------

class LookupOptionsType : public cp::FunctionOptionsType {
 public:
  const char* type_name() const override { return "weft::LookupOptions"; }
  std::string Stringify(const cp::FunctionOptions& options) const override {
    const auto& lookup = static_cast<const LookupOptions&>(options);
    return "LookupOptions(" + std::to_string(lookup.keys->length()) + " keys)";
  }
  bool Compare(const cp::FunctionOptions& left, const cp::FunctionOptions& right) const override {
    const auto& a = static_cast<const LookupOptions&>(left);
    const auto& b = static_cast<const LookupOptions&>(right);
    return a.keep == b.keep && a.keys->Equals(*b.keys) && a.values->Equals(*b.values);
  }
  std::unique_ptr<cp::FunctionOptions> Copy(const cp::FunctionOptions& options) const override {
    return std::make_unique<LookupOptions>(static_cast<const LookupOptions&>(options));
  }
};

const cp::FunctionOptionsType* LookupType() {
  static const LookupOptionsType type;
  return &type;
}

struct LookupState : cp::KernelState {
  explicit LookupState(LookupOptions given) : options(std::move(given)) {}
  LookupOptions options;
};

arrow::Result<std::unique_ptr<cp::KernelState>> InitLookup(cp::KernelContext* /*context*/,
                                                           const cp::KernelInitArgs& arguments) {
  if (arguments.options == nullptr) return arrow::Status::Invalid("weft_lookup needs LookupOptions");
  return std::make_unique<LookupState>(static_cast<const LookupOptions&>(*arguments.options));
}

arrow::Status Lookup(cp::KernelContext* context, const cp::ExecSpan& batch, cp::ExecResult* out) {
  const LookupOptions& options = static_cast<LookupState*>(context->state())->options;
  const arrow::Datum input(batch[0].array.ToArrayData());
  cp::ExecContext* exec = context->exec_context();
  const cp::SetLookupOptions keys(options.keys, cp::SetLookupOptions::SKIP);
  ARROW_ASSIGN_OR_RAISE(const auto found, cp::CallFunction("index_in", {input}, &keys, exec));
  const cp::TakeOptions unchecked(/*boundscheck=*/false);
  ARROW_ASSIGN_OR_RAISE(auto taken, cp::CallFunction("take", {options.values, found}, &unchecked, exec));
  if (options.keep) {
    ARROW_ASSIGN_OR_RAISE(const auto hit, cp::CallFunction("is_valid", {found}, exec));
    ARROW_ASSIGN_OR_RAISE(taken, cp::CallFunction("if_else", {hit, taken, input}, exec));
  }
  out->value = taken.array();
  return arrow::Status::OK();
}

arrow::Result<arrow::TypeHolder> LookupResult(cp::KernelContext* context, const std::vector<arrow::TypeHolder>&) {
  return arrow::TypeHolder(static_cast<LookupState*>(context->state())->options.values->type());
}

arrow::Status AddLookup(cp::FunctionRegistry* registry) {
  static const cp::FunctionDoc doc{"Values looked up by key", "", {"x"}, "LookupOptions", /*options_required=*/true};
  auto function = std::make_shared<cp::ScalarFunction>("weft_lookup", cp::Arity::Unary(), doc);
  cp::ScalarKernel kernel({cp::InputType::Any()}, cp::OutputType(LookupResult), Lookup, InitLookup);
  kernel.null_handling = cp::NullHandling::COMPUTED_NO_PREALLOCATE;
  kernel.mem_allocation = cp::MemAllocation::NO_PREALLOCATE;
  ARROW_RETURN_NOT_OK(function->AddKernel(std::move(kernel)));
  return registry->AddFunction(std::move(function), /*allow_overwrite=*/true);
}

// -- text ------------------------------------------------------------------------------------------------------------

/// Python's repr of a double, NumPy's str of a float: they differ in where an exponent begins to be written.
template <typename T>
void AppendNumber(T value, std::string& text) {
  constexpr int kLargest = sizeof(T) == sizeof(double) ? 16 : 6;
  if (std::isnan(value)) {
    text += "nan";
    return;
  }
  if (std::signbit(value)) text += '-';
  value = std::abs(value);
  if (std::isinf(value)) {
    text += "inf";
    return;
  }
  std::array<char, 32> buffer;
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific).ptr;
  const std::string_view made(buffer.data(), static_cast<size_t>(end - buffer.data()));
  const size_t mark = made.find('e');
  int exponent = 0;
  const char* from = made.data() + mark + (made[mark + 1] == '+' ? 2 : 1);
  std::from_chars(from, end, exponent);
  std::string digits(1, made[0]);
  if (mark > 2) digits += made.substr(2, mark - 2);
  const int length = static_cast<int>(digits.size());
  if ((value != 0 && value < 1e-4) || exponent >= kLargest) {
    text += digits[0];
    if (length > 1) text.append(".").append(digits, 1);
    text += exponent < 0 ? "e-" : "e+";
    if (std::abs(exponent) < 10) text += '0';
    text += std::to_string(std::abs(exponent));
  } else if (exponent < 0) {
    text.append("0.").append(static_cast<size_t>(-exponent - 1), '0').append(digits);
  } else if (exponent + 1 >= length) {
    text.append(digits).append(static_cast<size_t>(exponent + 1 - length), '0').append(".0");
  } else {
    text.append(digits, 0, static_cast<size_t>(exponent + 1))
        .append(".")
        .append(digits, static_cast<size_t>(exponent + 1));
  }
}

template <typename ArrowType>
arrow::Status NumberText(cp::KernelContext* context, const cp::ExecSpan& batch, cp::ExecResult* out) {
  const arrow::NumericArray<ArrowType> numbers(batch[0].array.ToArrayData());
  arrow::StringBuilder builder(context->memory_pool());
  ARROW_RETURN_NOT_OK(builder.Reserve(numbers.length()));
  std::string text;
  for (int64_t row = 0; row < numbers.length(); ++row) {
    if (numbers.IsNull(row)) {
      builder.UnsafeAppendNull();
      continue;
    }
    text.clear();
    AppendNumber(numbers.Value(row), text);
    ARROW_RETURN_NOT_OK(builder.Append(text));
  }
  ARROW_ASSIGN_OR_RAISE(const auto made, builder.Finish());
  out->value = made->data();
  return arrow::Status::OK();
}

arrow::Status AddNumberText(cp::FunctionRegistry* registry) {
  static const cp::FunctionDoc doc{"Numbers as Python writes them", "", {"x"}};
  auto function = std::make_shared<cp::ScalarFunction>("weft_number_text", cp::Arity::Unary(), doc);
  const auto add = [&](const std::shared_ptr<arrow::DataType>& type, cp::ArrayKernelExec exec) {
    cp::ScalarKernel kernel({type}, arrow::utf8(), std::move(exec));
    kernel.null_handling = cp::NullHandling::COMPUTED_NO_PREALLOCATE;
    kernel.mem_allocation = cp::MemAllocation::NO_PREALLOCATE;
    return function->AddKernel(std::move(kernel));
  };
  ARROW_RETURN_NOT_OK(add(arrow::float32(), NumberText<arrow::FloatType>));
  ARROW_RETURN_NOT_OK(add(arrow::float64(), NumberText<arrow::DoubleType>));
  return registry->AddFunction(std::move(function), /*allow_overwrite=*/true);
}

// -- lists -----------------------------------------------------------------------------------------------------------

template <typename ListArray>
arrow::Status PickFrom(const ListArray& lists, int64_t index, arrow::Int64Builder& rows) {
  for (int64_t row = 0; row < lists.length(); ++row) {
    const int64_t length = lists.IsNull(row) ? 0 : static_cast<int64_t>(lists.value_length(row));
    const int64_t at = index < 0 ? index + length : index;
    if (at < 0 || at >= length) {
      ARROW_RETURN_NOT_OK(rows.AppendNull());
    } else {
      ARROW_RETURN_NOT_OK(rows.Append(static_cast<int64_t>(lists.value_offset(row)) + at));
    }
  }
  return arrow::Status::OK();
}

arrow::Status ListGet(cp::KernelContext* context, const cp::ExecSpan& batch, cp::ExecResult* out) {
  if (!batch[1].is_scalar() || !batch[1].scalar->is_valid) return arrow::Status::Invalid("the index is no constant");
  const int64_t index = static_cast<const arrow::Int64Scalar&>(*batch[1].scalar).value;
  const auto lists = batch[0].array.ToArray();
  arrow::Int64Builder rows(context->memory_pool());
  ARROW_RETURN_NOT_OK(rows.Reserve(lists->length()));
  std::shared_ptr<arrow::Array> values;
  const auto pick = [&](const auto& typed) {
    values = typed.values();
    return PickFrom(typed, index, rows);
  };
  switch (lists->type_id()) {
    case arrow::Type::LIST:
      ARROW_RETURN_NOT_OK(pick(static_cast<const arrow::ListArray&>(*lists)));
      break;
    case arrow::Type::LARGE_LIST:
      ARROW_RETURN_NOT_OK(pick(static_cast<const arrow::LargeListArray&>(*lists)));
      break;
    default:
      ARROW_RETURN_NOT_OK(pick(static_cast<const arrow::FixedSizeListArray&>(*lists)));
  }
  ARROW_ASSIGN_OR_RAISE(const auto found, rows.Finish());
  const cp::TakeOptions unchecked(/*boundscheck=*/false);
  ARROW_ASSIGN_OR_RAISE(const auto taken,
                        cp::CallFunction("take", {values, found}, &unchecked, context->exec_context()));
  out->value = taken.array();
  return arrow::Status::OK();
}

arrow::Status AddListGet(cp::FunctionRegistry* registry) {
  static const cp::FunctionDoc doc{"The item of each list at a position", "", {"lists", "index"}};
  auto function = std::make_shared<cp::ScalarFunction>("weft_list_get", cp::Arity::Binary(), doc);
  const cp::OutputType item(
      [](cp::KernelContext*, const std::vector<arrow::TypeHolder>& types) -> arrow::Result<arrow::TypeHolder> {
        return arrow::TypeHolder(static_cast<const arrow::BaseListType&>(*types[0].type).value_type());
      });
  for (const arrow::Type::type id : {arrow::Type::LIST, arrow::Type::LARGE_LIST, arrow::Type::FIXED_SIZE_LIST}) {
    cp::ScalarKernel kernel({cp::InputType(id), arrow::int64()}, item, ListGet);
    kernel.null_handling = cp::NullHandling::COMPUTED_NO_PREALLOCATE;
    kernel.mem_allocation = cp::MemAllocation::NO_PREALLOCATE;
    ARROW_RETURN_NOT_OK(function->AddKernel(std::move(kernel)));
  }
  return registry->AddFunction(std::move(function), /*allow_overwrite=*/true);
}

arrow::Status RegisterOnce() {
  ARROW_RETURN_NOT_OK(cp::Initialize());
  cp::FunctionRegistry* registry = cp::GetFunctionRegistry();
  static const cp::FunctionDoc floor{"Division rounded down", "", {"x", "y"}};
  static const cp::FunctionDoc modulo{"Remainder of a division rounded down", "", {"x", "y"}};
  static const cp::FunctionDoc square{"Numbers times themselves; integers wrap around", "", {"x"}};
  const auto floor_divide = []<typename T>(std::type_identity<T>) { return Divide<T, FloorDivide>; };
  const auto rest = []<typename T>(std::type_identity<T>) { return Divide<T, Modulo>; };
  const auto squared = []<typename T>(std::type_identity<T>) { return Square<T>; };
  ARROW_RETURN_NOT_OK(AddOfNumbers(registry, "weft_floor_divide", cp::Arity::Binary(), floor, floor_divide));
  ARROW_RETURN_NOT_OK(AddOfNumbers(registry, "weft_modulo", cp::Arity::Binary(), modulo, rest));
  ARROW_RETURN_NOT_OK(AddOfNumbers(registry, "weft_square", cp::Arity::Unary(), square, squared));
  ARROW_RETURN_NOT_OK(AddLookup(registry));
  ARROW_RETURN_NOT_OK(AddNumberText(registry));
  ARROW_RETURN_NOT_OK(AddMatchPieces(registry));
  ARROW_RETURN_NOT_OK(AddFinds(registry));
  ARROW_RETURN_NOT_OK(AddStrftime(registry));
  return AddListGet(registry);
}

}  // namespace

LookupOptions::LookupOptions(std::shared_ptr<arrow::Array> keys_in, std::shared_ptr<arrow::Array> values_in,
                             bool keep_in)
    : FunctionOptions(LookupType()), keys(std::move(keys_in)), values(std::move(values_in)), keep(keep_in) {}

arrow::Status RegisterFunctions() {
  static const arrow::Status registered = RegisterOnce();
  return registered;
}

}  // namespace weft::kernels
