#include "weft/distributed/group_transform.h"

#include <utility>

#include "weft/base/choice.h"
#include "weft/distributed/shuffle_return.h"
#include "weft/exchange/exchange.h"

namespace weft::distributed {

arrow::Result<std::shared_ptr<arrow::Table>> GroupTransform(Communicator& communicator,
                                                            const std::shared_ptr<arrow::Table>& table,
                                                            const kernels::GroupTransformOptions& options,
                                                            const Context& context, const Placement* lies) {
  const auto input = table->schema();
  const auto output = kernels::GroupTransformSchema(*input, options);
  ARROW_RETURN_NOT_OK(exchange::AgreeSchema(
      communicator, output.ok() ? arrow::Result<std::shared_ptr<arrow::Schema>>(input) : output.status(), "groupby"));
  if (communicator.world_size() == 1) return kernels::GroupTransform(table, options, context);
  ARROW_ASSIGN_OR_RAISE(const bool together, Together(communicator, lies, options.keys, options.nan_is_null));
  NoteChoice(context, together ? "transform.in_place" : "transform.shuffle");
  if (together) {
    auto made = kernels::GroupTransform(table, options, context);
    ARROW_RETURN_NOT_OK(exchange::Agree(communicator, made.status(), "groupby"));
    return made;
  }
  // The needed columns alone travel.
  kernels::GroupTransformOptions local = options;
  ColumnPlaces columns;
  local.keys = columns.Take(options.keys);
  for (auto& transform : local.transforms) {
    if (transform.column >= 0) transform.column = columns.Take(transform.column);
  }
  ARROW_ASSIGN_OR_RAISE(auto needed, table->SelectColumns(columns.columns()));
  const RowKernel kernel = [&](const auto& rows) { return kernels::GroupTransform(rows, local, context); };
  return ComputeByKey(communicator, std::move(needed), local.keys, options.nan_is_null, kernel, "groupby", context);
}

}  // namespace weft::distributed
