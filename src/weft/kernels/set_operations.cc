#include "weft/kernels/set_operations.h"

#include <arrow/array/array_primitive.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "weft/kernels/concat.h"
#include "weft/kernels/join.h"
#include "weft/kernels/row_groups.h"
#include "weft/kernels/unique.h"
#include "weft/table/columns.h"

namespace weft::kernels {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

std::vector<int> AllColumns(const arrow::Table& table) {
  std::vector<int> columns(static_cast<size_t>(table.num_columns()));
  std::iota(columns.begin(), columns.end(), 0);
  return columns;
}

/// The table with a last column that tells equal rows apart: their number among their like.
arrow::Result<TablePtr> AppendCounts(const TablePtr& table, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto counts, CountEarlierRows(*table, AllColumns(*table), context));
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> values, arrow::AllocateBuffer(counts.size() * 8, context.pool));
  std::copy(counts.begin(), counts.end(), reinterpret_cast<int64_t*>(values->mutable_data()));
  auto column =
      std::make_shared<arrow::ChunkedArray>(std::make_shared<arrow::Int64Array>(counts.size(), std::move(values)));
  return table->AddColumn(table->num_columns(), arrow::field("__weft_count__", arrow::int64(), false),
                          std::move(column));
}

}  // namespace

arrow::Result<std::pair<TablePtr, TablePtr>> ConformSets(const TablePtr& left, const TablePtr& right,
                                                         const Context& context) {
  auto left_names = left->ColumnNames();
  auto right_names = right->ColumnNames();
  std::sort(left_names.begin(), left_names.end());
  std::sort(right_names.begin(), right_names.end());
  if (left_names != right_names) {
    std::vector<std::string> alone;
    std::set_symmetric_difference(left_names.begin(), left_names.end(), right_names.begin(), right_names.end(),
                                  std::back_inserter(alone));
    return arrow::Status::Invalid("set operation: the frames have different columns: '", alone.front(),
                                  "' is on one side only; rename or select columns first");
  }
  if (left_names.empty()) return arrow::Status::Invalid("set operation: the frames have no columns");
  ARROW_ASSIGN_OR_RAISE(const auto schema, ConcatSchema({left->schema(), right->schema()}, /*outer=*/true));
  ARROW_RETURN_NOT_OK(table::CheckKeyTypes(*schema, AllColumns(*left), "set operation"));
  std::pair<TablePtr, TablePtr> out;
  ARROW_ASSIGN_OR_RAISE(out.first, Conform(left, schema, context));
  ARROW_ASSIGN_OR_RAISE(out.second, Conform(right, schema, context));
  return out;
}

arrow::Result<TablePtr> CombineSets(const TablePtr& left, const TablePtr& right, const SetOptions& options,
                                    const Context& context) {
  if (options.operation == SetOperation::kUnion) {
    ARROW_ASSIGN_OR_RAISE(auto both, Concat({left, right}, /*outer=*/true, context));
    return options.all ? arrow::Result<TablePtr>(both) : Unique(both, {{}, true}, context);
  }
  TablePtr first;
  TablePtr second = right;
  if (options.all) {
    ARROW_ASSIGN_OR_RAISE(first, AppendCounts(left, context));
    ARROW_ASSIGN_OR_RAISE(second, AppendCounts(right, context));
  } else {
    ARROW_ASSIGN_OR_RAISE(first, Unique(left, {{}, true}, context));
  }
  JoinOptions join;
  join.left_keys = join.right_keys = AllColumns(*first);
  join.type = options.operation == SetOperation::kIntersect ? JoinType::kLeftSemi : JoinType::kLeftAnti;
  join.nan_is_null = true;
  join.maintain_order = true;
  join.columns = AllColumns(*left);
  return Join(first, second, join, context);
}

}  // namespace weft::kernels
