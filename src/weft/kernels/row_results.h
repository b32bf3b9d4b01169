// What reductions along rows write: a value a row.
#pragma once

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/result.h>
#include <arrow/type_traits.h>
#include <arrow/util/decimal.h>

#include <array>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include "weft/base/context.h"
#include "weft/kernels/pool_array.h"

namespace weft::kernels {

/// A value a row, and whether it is there.
template <typename T>
class RowResults {
 public:
  static arrow::Result<RowResults> Make(int64_t rows, const Context& context) {
    RowResults made;
    ARROW_ASSIGN_OR_RAISE(made.values_, PoolArray<T>::MakeZero(rows, context.pool));
    ARROW_ASSIGN_OR_RAISE(made.there_, PoolArray<uint8_t>::MakeZero(rows, context.pool));
    return made;
  }

  void Set(int64_t row, T value) {
    values_[row] = value;
    there_[row] = 1;
  }

  arrow::Result<std::shared_ptr<arrow::Array>> Finish(const std::shared_ptr<arrow::DataType>& type,
                                                      const Context& context) const {
    if constexpr (std::is_same_v<T, arrow::Decimal256>) {
      return FinishDecimals(type, context);
    } else {
      using Builder = typename arrow::CTypeTraits<T>::BuilderType;
      Builder builder(context.pool);
      ARROW_RETURN_NOT_OK(builder.AppendValues(values_.data(), values_.size(), there_.data()));
      ARROW_ASSIGN_OR_RAISE(auto array, builder.Finish());
      return array->type()->Equals(*type) ? array : array->View(type);
    }
  }

 private:
  arrow::Result<std::shared_ptr<arrow::Array>> FinishDecimals(const std::shared_ptr<arrow::DataType>& type,
                                                              const Context& context) const {
    const auto build = [&](auto builder, const auto& narrow) -> arrow::Result<std::shared_ptr<arrow::Array>> {
      ARROW_RETURN_NOT_OK(builder.Reserve(values_.size()));
      for (int64_t row = 0; row < values_.size(); ++row) {
        if (there_[row] != 0) {
          builder.UnsafeAppend(narrow(values_[row].little_endian_array()));
        } else {
          builder.UnsafeAppendNull();
        }
      }
      return builder.Finish();
    };
    using arrow::Type;
    using Words = std::array<uint64_t, 4>;
    switch (type->id()) {
      case Type::DECIMAL32:
        return build(arrow::Decimal32Builder(type, context.pool),
                     [](const Words& words) { return arrow::Decimal32(static_cast<int32_t>(words[0])); });
      case Type::DECIMAL64:
        return build(arrow::Decimal64Builder(type, context.pool),
                     [](const Words& words) { return arrow::Decimal64(static_cast<int64_t>(words[0])); });
      case Type::DECIMAL128:
        return build(arrow::Decimal128Builder(type, context.pool),
                     [](const Words& words) { return arrow::Decimal128(static_cast<int64_t>(words[1]), words[0]); });
      default:
        return build(arrow::Decimal256Builder(type, context.pool),
                     [](const Words& words) { return arrow::Decimal256(words); });
    }
  }

  PoolArray<T> values_;
  PoolArray<uint8_t> there_;
};

}  // namespace weft::kernels
