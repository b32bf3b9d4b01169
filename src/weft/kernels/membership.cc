#include "weft/kernels/membership.h"

#include <arrow/array/array_primitive.h>
#include <arrow/util/bit_util.h>

#include <cstring>
#include <numeric>
#include <utility>

#include "weft/kernels/ordered_join.h"

namespace weft::kernels {

arrow::Result<Membership> PlanMembership(const std::shared_ptr<arrow::Table>& left,
                                         const std::shared_ptr<arrow::Table>& right, const std::vector<int>& left_keys,
                                         const std::vector<int>& right_keys, int64_t first, const Context& context) {
  Membership out;
  ARROW_ASSIGN_OR_RAISE(out.left, left->SelectColumns(left_keys));
  ARROW_ASSIGN_OR_RAISE(out.left, AppendRowNumbers(out.left, "__weft_row__", first, context));
  ARROW_ASSIGN_OR_RAISE(out.right, right->SelectColumns(right_keys));
  out.options.left_keys.resize(left_keys.size());
  std::iota(out.options.left_keys.begin(), out.options.left_keys.end(), 0);
  out.options.right_keys = out.options.left_keys;
  out.options.type = JoinType::kLeftSemi;
  out.options.algorithm = JoinAlgorithm::kAuto;
  out.options.nan_is_null = true;
  out.options.columns = {{static_cast<int>(left_keys.size())}};
  return out;
}

arrow::Result<std::shared_ptr<arrow::Table>> MarkMembers(const arrow::Table& members, int64_t first, int64_t rows,
                                                         const Context& context) {
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> bits,
                        arrow::AllocateBuffer(arrow::bit_util::BytesForBits(rows), context.pool));
  std::memset(bits->mutable_data(), 0, static_cast<size_t>(bits->size()));
  for (const auto& chunk : members.column(0)->chunks()) {
    const auto& numbers = static_cast<const arrow::Int64Array&>(*chunk);
    for (int64_t i = 0; i < numbers.length(); ++i)
      arrow::bit_util::SetBit(bits->mutable_data(), numbers.Value(i) - first);
  }
  const auto schema = arrow::schema({arrow::field("isin", arrow::boolean(), /*nullable=*/false)});
  return arrow::Table::Make(schema, {std::make_shared<arrow::BooleanArray>(rows, std::move(bits))});
}

arrow::Result<std::shared_ptr<arrow::Table>> IsMember(const std::shared_ptr<arrow::Table>& left,
                                                      const std::shared_ptr<arrow::Table>& right,
                                                      const std::vector<int>& left_keys,
                                                      const std::vector<int>& right_keys, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto plan, PlanMembership(left, right, left_keys, right_keys, 0, context));
  ARROW_ASSIGN_OR_RAISE(const auto members, Join(plan.left, plan.right, plan.options, context));
  return MarkMembers(*members, 0, left->num_rows(), context);
}

}  // namespace weft::kernels
