#include "weft/kernels/ordered_join.h"

#include <arrow/array/array_primitive.h>

#include <numeric>
#include <utility>
#include <vector>

#include "weft/kernels/pool_array.h"

namespace weft::kernels {

arrow::Result<std::shared_ptr<arrow::Table>> AppendRowNumbers(const std::shared_ptr<arrow::Table>& table,
                                                              const std::string& name, int64_t first,
                                                              const Context& context) {
  const int64_t rows = table->num_rows();
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> values, arrow::AllocateBuffer(rows * 8, context.pool));
  auto* numbers = reinterpret_cast<int64_t*>(values->mutable_data());
  std::iota(numbers, numbers + rows, first);
  auto column = std::make_shared<arrow::ChunkedArray>(std::make_shared<arrow::Int64Array>(rows, std::move(values)));
  return table->AddColumn(table->num_columns(), arrow::field(name, arrow::int64(), /*nullable=*/false),
                          std::move(column));
}

std::shared_ptr<arrow::Table> OrderedJoin::Finish(const std::shared_ptr<arrow::Table>& sorted) const {
  std::vector<int> kept(static_cast<size_t>(sorted->num_columns() - hidden));
  std::iota(kept.begin(), kept.end(), 0);
  return *sorted->SelectColumns(kept);
}

bool OrdersByNumbers(const JoinOptions& options) {
  return options.maintain_order && options.type != JoinType::kOuter && options.type != JoinType::kCross &&
         !(options.columns.has_value() && options.columns->empty());
}

arrow::Result<OrderedJoin> MakeOrderedJoin(const std::shared_ptr<arrow::Table>& left, int64_t left_first,
                                           const std::shared_ptr<arrow::Table>& right, int64_t right_first,
                                           const JoinOptions& options, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto schema, JoinSchema(*left->schema(), *right->schema(), options));
  OrderedJoin out{left, right, options, {}, 1};
  out.options.maintain_order = false;
  ARROW_ASSIGN_OR_RAISE(out.left, AppendRowNumbers(left, "__weft_left_row__", left_first, context));
  const int left_columns = left->num_columns();
  std::vector<int> wanted;
  if (options.columns.has_value()) {
    wanted = *options.columns;
  } else {
    wanted.resize(static_cast<size_t>(schema->num_fields()));
    std::iota(wanted.begin(), wanted.end(), 0);
  }
  if (ChoosesLeftRows(options.type)) {
    wanted.push_back(left_columns);
    out.sort.keys = {{static_cast<int>(wanted.size()) - 1, true}};
    out.options.columns = std::move(wanted);
    return out;
  }
  ARROW_ASSIGN_OR_RAISE(out.right, AppendRowNumbers(right, "__weft_right_row__", right_first, context));
  out.hidden = 2;
  // The left's number comes after the left's columns, the right's after the right's and before an indicator.
  JoinOptions full = options;
  full.columns.reset();
  ARROW_ASSIGN_OR_RAISE(const auto all, JoinSchema(*left->schema(), *right->schema(), full));
  const int side_columns = all->num_fields() - (options.indicator.empty() ? 0 : 1);
  for (int& column : wanted) column += column >= side_columns ? 2 : (column >= left_columns ? 1 : 0);
  wanted.push_back(left_columns);
  wanted.push_back(side_columns + 1);
  const int last = static_cast<int>(wanted.size()) - 1;
  out.sort.keys = {{last - 1, true}, {last, true}};
  if (options.type == JoinType::kRight) std::swap(out.sort.keys[0], out.sort.keys[1]);
  out.options.columns = std::move(wanted);
  return out;
}

}  // namespace weft::kernels
