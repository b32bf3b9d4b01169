#include "weft/distributed/ewm.h"

#include <algorithm>
#include <span>
#include <utility>

#include "weft/distributed/shuffle_return.h"
#include "weft/exchange/exchange.h"
#include "weft/table/columns.h"

namespace weft::distributed {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

/// `keys` are those of groups.
arrow::Status AgreeInput(Communicator& communicator, const TablePtr& table, const kernels::EwmOptions& options,
                         const std::vector<int>& keys = {}) {
  arrow::Status check = kernels::EwmSchema(*table->schema(), options).status();
  if (check.ok()) check = table::CheckKeyTypes(*table->schema(), keys, "groupby");
  return exchange::AgreeSchema(
      communicator, check.ok() ? arrow::Result<std::shared_ptr<arrow::Schema>>(table->schema()) : check, "ewm");
}

}  // namespace

arrow::Result<TablePtr> Ewm(Communicator& communicator, const TablePtr& table, const kernels::EwmOptions& options,
                            const Context& context) {
  ARROW_RETURN_NOT_OK(AgreeInput(communicator, table, options));
  if (communicator.world_size() == 1) return kernels::Ewm(*table, options, {}, context);
  auto spans = kernels::SpansOfEwm(*table, options, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, spans.status(), "ewm"));
  ARROW_ASSIGN_OR_RAISE(const auto all,
                        exchange::AllgatherValues(communicator, std::span<const kernels::EwmSpan>(*spans), "ewm"));
  std::vector<kernels::EwmState> before(options.columns.size());
  for (size_t i = 0; i < before.size() * static_cast<size_t>(communicator.rank()); ++i) {
    kernels::EwmState& state = before[i % before.size()];
    state = kernels::Advance(state, all[i], options);
  }
  auto made = kernels::Ewm(*table, options, before, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, made.status(), "ewm"));
  return made;
}

arrow::Result<TablePtr> GroupEwm(Communicator& communicator, const TablePtr& table, const std::vector<int>& keys,
                                 bool drop_null_keys, const kernels::EwmOptions& options, const Context& context) {
  ARROW_RETURN_NOT_OK(AgreeInput(communicator, table, options, keys));
  if (communicator.world_size() == 1) return kernels::GroupEwm(*table, keys, drop_null_keys, options, context);
  kernels::EwmOptions local = options;
  ColumnPlaces needed;
  const auto local_keys = needed.Take(keys);
  for (int& column : local.columns) column = needed.Take(column);
  ARROW_ASSIGN_OR_RAISE(auto rows, table->SelectColumns(needed.columns()));
  const RowKernel kernel = [&](const TablePtr& part) {
    return kernels::GroupEwm(*part, local_keys, drop_null_keys, local, context);
  };
  return ComputeByKey(communicator, std::move(rows), local_keys, /*nan_is_null=*/true, kernel, "ewm", context);
}

}  // namespace weft::distributed
