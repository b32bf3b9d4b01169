#include "weft/kernels/fill.h"

#include <arrow/array.h>
#include <arrow/compute/api_scalar.h>
#include <arrow/compute/exec.h>

#include <utility>

#include "weft/kernels/gather.h"
#include "weft/kernels/pool_array.h"

namespace weft::kernels {
namespace {

/// One truth value a row: whether it is missing.
arrow::Result<std::shared_ptr<arrow::ChunkedArray>> Missing(const std::shared_ptr<arrow::ChunkedArray>& column,
                                                            const Context& context) {
  arrow::compute::ExecContext exec(context.pool);
  ARROW_ASSIGN_OR_RAISE(const arrow::Datum missing,
                        arrow::compute::IsNull(column, arrow::compute::NullOptions(/*nan_is_null=*/true), &exec));
  return missing.chunked_array();
}

/// Calls visit(row, is missing) for each row in the direction of filling, until it returns false.
template <typename Visit>
void Walk(const arrow::ChunkedArray& missing, bool forward, Visit&& visit) {
  int64_t base = forward ? 0 : missing.length();
  for (int c = 0; c < missing.num_chunks(); ++c) {
    const auto& chunk =
        static_cast<const arrow::BooleanArray&>(*missing.chunk(forward ? c : missing.num_chunks() - 1 - c));
    if (!forward) base -= chunk.length();
    for (int64_t i = 0; i < chunk.length(); ++i) {
      const int64_t at = forward ? i : chunk.length() - 1 - i;
      if (!visit(base + at, chunk.Value(at))) return;
    }
    if (forward) base += chunk.length();
  }
}

arrow::Result<std::shared_ptr<arrow::ChunkedArray>> FillColumn(const std::shared_ptr<arrow::ChunkedArray>& column,
                                                               const FillOptions& options, const Border& border,
                                                               const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto missing, Missing(column, context));
  // The border's value is row 0 of what is gathered from, where there is one.
  const bool has_border = border.value != nullptr;
  const int64_t shift = has_border ? 1 : 0;
  arrow::ArrayVector chunks;
  if (has_border) chunks = border.value->chunks();
  chunks.insert(chunks.end(), column->chunks().begin(), column->chunks().end());
  ARROW_ASSIGN_OR_RAISE(auto rows, PoolArray<int64_t>::Make(column->length(), context.pool));
  int64_t source = has_border ? 0 : -1;
  int64_t gap = has_border ? border.gap : 0;
  bool changed = false;
  Walk(*missing, options.forward, [&](int64_t row, bool is_missing) {
    rows[row] = row + shift;
    if (!is_missing) {
      source = row + shift;
      gap = 0;
    } else if (source >= 0 && (++gap <= options.limit || options.limit < 0)) {
      rows[row] = source;
      changed = true;
    }
    return true;
  });
  if (!changed) return column;
  return GatherColumn(std::make_shared<arrow::ChunkedArray>(std::move(chunks), column->type()), rows.span(), context);
}

}  // namespace

arrow::Result<std::vector<Border>> FillBorders(const arrow::Table& table, const FillOptions& options,
                                               const Context& context) {
  std::vector<Border> borders;
  for (const int position : options.columns) {
    const auto& column = table.column(position);
    ARROW_ASSIGN_OR_RAISE(const auto missing, Missing(column, context));
    Border border;
    Walk(*missing, !options.forward, [&](int64_t row, bool is_missing) {
      if (!is_missing) border.value = column->Slice(row, 1);
      border.gap += is_missing ? 1 : 0;
      return is_missing;
    });
    borders.push_back(std::move(border));
  }
  return borders;
}

arrow::Result<std::shared_ptr<arrow::Table>> Fill(const std::shared_ptr<arrow::Table>& table,
                                                  const FillOptions& options, const std::vector<Border>& borders,
                                                  const Context& context) {
  std::shared_ptr<arrow::Table> made = table;
  for (size_t i = 0; i < options.columns.size(); ++i) {
    const int position = options.columns[i];
    ARROW_ASSIGN_OR_RAISE(
        auto column, FillColumn(table->column(position), options, borders.empty() ? Border() : borders[i], context));
    ARROW_ASSIGN_OR_RAISE(made, made->SetColumn(position, table->field(position), std::move(column)));
  }
  return made;
}

}  // namespace weft::kernels
