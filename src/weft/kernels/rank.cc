#include "weft/kernels/rank.h"

#include <arrow/array/array_primitive.h>
#include <arrow/util/bit_util.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "weft/kernels/gather.h"
#include "weft/kernels/group_runs.h"
#include "weft/kernels/group_table.h"

namespace weft::kernels {
namespace {

double RankOf(const ValuePlaces& places, int64_t value, int64_t number, RankMethod method) {
  const auto below = static_cast<double>(places.below[value]);
  const auto equal = static_cast<double>(places.equal[value]);
  switch (method) {
    case RankMethod::kAverage:
      return below + (equal + 1) / 2;
    case RankMethod::kMin:
      return below + 1;
    case RankMethod::kMax:
      return below + equal;
    case RankMethod::kFirst:
      return static_cast<double>(places.below[value] + places.earlier[value] + number + 1);
    case RankMethod::kDense:
      return static_cast<double>(places.distinct_below[value] + 1);
  }
  return 0;
}

}  // namespace

arrow::Status CheckRank(const arrow::Schema& schema, const RankOptions& options) {
  SortOptions order = RankOrder(options);
  order.keys.front().column = options.column;
  const arrow::Status status = CheckSort(schema, order);
  return status.ok() ? status : status.WithMessage("rank: ", status.message());
}

SortOptions RankOrder(const RankOptions& options) {
  SortOptions order;
  order.keys = {{0, options.ascending}};
  order.nulls_first = options.missing == RankMissing::kTop;
  order.nan_is_null = options.nan_is_null;
  return order;
}

arrow::Result<PoolArray<int64_t>> Numbers(const arrow::Table& table, int column, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(auto numbers, PoolArray<int64_t>::Make(table.num_rows(), context.pool));
  int64_t* out = numbers.data();
  for (const auto& chunk : table.column(column)->chunks()) {
    const auto& values = static_cast<const arrow::Int64Array&>(*chunk);
    out = std::copy_n(values.raw_values(), values.length(), out);
  }
  return numbers;
}

arrow::Result<ValueCounts> CountValues(const arrow::Table& table, const RankOptions& options, const Context& context) {
  const std::vector<int> keys{options.column};
  const GroupingOptions grouped{.nan_is_null = options.nan_is_null,
                                .drop_nulls = options.missing == RankMissing::kKeep};
  ARROW_ASSIGN_OR_RAISE(const auto grouping, GroupRows(table, keys, grouped, context));
  ValueCounts found;
  ARROW_ASSIGN_OR_RAISE(found.value_of_row, GroupOfRows(grouping, table.num_rows(), context));
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> buffer,
                        arrow::AllocateBuffer(grouping.groups * static_cast<int64_t>(sizeof(int64_t)), context.pool));
  auto* counts = reinterpret_cast<int64_t*>(buffer->mutable_data());
  std::fill_n(counts, grouping.groups, int64_t{0});
  for (const int64_t value : found.value_of_row) {
    if (value >= 0) ++counts[value];
  }
  ARROW_ASSIGN_OR_RAISE(auto column, GatherColumn(table.column(options.column), grouping.first_rows.span(), context));
  auto count =
      std::make_shared<arrow::ChunkedArray>(std::make_shared<arrow::Int64Array>(grouping.groups, std::move(buffer)));
  found.values =
      arrow::Table::Make(arrow::schema({table.schema()->field(options.column), arrow::field("count", arrow::int64())}),
                         arrow::ChunkedArrayVector{std::move(column), std::move(count)}, grouping.groups);
  return found;
}

arrow::Result<ValuePlaces> ValuePlaces::Make(int64_t values, const Context& context) {
  ValuePlaces places;
  for (auto* numbers : {&places.below, &places.earlier, &places.equal, &places.distinct_below}) {
    ARROW_ASSIGN_OR_RAISE(*numbers, PoolArray<int64_t>::Make(values, context.pool));
  }
  return places;
}

arrow::Result<std::shared_ptr<arrow::Array>> RanksOfRows(const ValueCounts& counts, const ValuePlaces& places,
                                                         const RankOptions& options, const Context& context) {
  const int64_t rows = counts.value_of_row.size();
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> buffer,
                        arrow::AllocateBuffer(rows * static_cast<int64_t>(sizeof(double)), context.pool));
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> valid, arrow::AllocateEmptyBitmap(rows, context.pool));
  auto* out = reinterpret_cast<double*>(buffer->mutable_data());
  // How many rows of each value there were so far.
  PoolArray<int64_t> seen;
  if (options.method == RankMethod::kFirst) {
    ARROW_ASSIGN_OR_RAISE(seen, PoolArray<int64_t>::MakeZero(counts.values->num_rows(), context.pool));
  }
  const auto greatest =
      static_cast<double>(options.method == RankMethod::kDense ? places.all_distinct : places.all_rows);
  int64_t nulls = 0;
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t value = counts.value_of_row[row];
    if (value < 0) {
      out[row] = 0;
      ++nulls;
      continue;
    }
    const double rank = RankOf(places, value, seen.empty() ? 0 : seen[value]++, options.method);
    out[row] = options.percent ? rank / greatest : rank;
    arrow::bit_util::SetBit(valid->mutable_data(), row);
  }
  return std::make_shared<arrow::DoubleArray>(rows, std::move(buffer), std::move(valid), nulls);
}

arrow::Result<std::shared_ptr<arrow::Array>> RankRows(const arrow::Table& table, const RankOptions& options,
                                                      const Context& context) {
  ARROW_RETURN_NOT_OK(CheckRank(*table.schema(), options));
  TraceSpan span(context.tracer, "rank");
  span.AddRows(table.num_rows());
  ARROW_ASSIGN_OR_RAISE(const auto counts, CountValues(table, options, context));
  ARROW_ASSIGN_OR_RAISE(const auto order, SortIndices(*counts.values, RankOrder(options), context));
  ARROW_ASSIGN_OR_RAISE(const auto numbers, Numbers(*counts.values, 1, context));
  ARROW_ASSIGN_OR_RAISE(auto places, ValuePlaces::Make(counts.values->num_rows(), context));
  for (const int64_t value : order) {
    places.below[value] = places.all_rows;
    places.earlier[value] = 0;
    places.equal[value] = numbers[value];
    places.distinct_below[value] = places.all_distinct++;
    places.all_rows += numbers[value];
  }
  return RanksOfRows(counts, places, options, context);
}

}  // namespace weft::kernels
