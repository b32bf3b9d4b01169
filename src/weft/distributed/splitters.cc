#include "weft/distributed/splitters.h"

#include <arrow/compute/cast.h>
#include <arrow/compute/exec.h>

#include <algorithm>
#include <string>
#include <utility>

#include "weft/exchange/exchange.h"
#include "weft/kernels/gather.h"
#include "weft/table/columns.h"

namespace weft::distributed {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

/// Samples a rank takes of each part, for each rank there is: with s samples a rank and range a share is at most (1 + 1
/// / s) times the mean.
constexpr int64_t kSamplesPerRank = 32;

/// Rows step / 2, step / 2 + step ... of a part, key columns alone.
arrow::Result<TablePtr> Sample(const SortedPart& part, int64_t step, const Context& context) {
  std::vector<int64_t> rows;
  for (int64_t row = step / 2; row < part.table->num_rows(); row += step) rows.push_back(row);
  SortedPart sampled = part;
  std::vector<int> keys;
  for (auto& key : sampled.options.keys) {
    keys.push_back(key.column);
    key.column = static_cast<int>(keys.size()) - 1;
  }
  // Arrow's Take would put all chunks of a column together first.
  ARROW_ASSIGN_OR_RAISE(sampled.table, part.table->SelectColumns(keys));
  ARROW_ASSIGN_OR_RAISE(sampled.table, kernels::GatherRows(sampled.table, rows, context));
  return KeyColumns(sampled, context);
}

}  // namespace

arrow::Result<TablePtr> KeyColumns(const SortedPart& part, const Context& context) {
  arrow::FieldVector fields;
  arrow::ChunkedArrayVector columns;
  arrow::compute::ExecContext exec(context.pool);
  for (const auto& key : part.options.keys) {
    const auto& column = part.table->column(key.column);
    const auto type = table::LogicalKeyType(column->type());
    ARROW_ASSIGN_OR_RAISE(auto cast, arrow::compute::Cast(column, type, arrow::compute::CastOptions::Safe(), &exec));
    fields.push_back(arrow::field("k" + std::to_string(fields.size()), type));
    columns.push_back(cast.chunked_array());
  }
  return arrow::Table::Make(arrow::schema(std::move(fields)), std::move(columns), part.table->num_rows());
}

kernels::SortOptions KeyOrder(const kernels::SortOptions& options) {
  kernels::SortOptions order = options;
  for (size_t i = 0; i < order.keys.size(); ++i) order.keys[i].column = static_cast<int>(i);
  return order;
}

arrow::Result<TablePtr> ChooseSplitters(Communicator& communicator, const std::vector<SortedPart>& parts,
                                        const Context& context) {
  const int64_t world = communicator.world_size();
  int64_t local_rows = 0;
  for (const auto& part : parts) local_rows += part.table->num_rows();
  ARROW_ASSIGN_OR_RAISE(const auto counts, exchange::AllgatherCounts(communicator, local_rows));
  int64_t all_rows = 0;
  for (const int64_t count : counts) all_rows += count;
  const int64_t step = std::max<int64_t>(1, all_rows / (world * world * kSamplesPerRank));

  const auto sample_all = [&]() -> arrow::Result<TablePtr> {
    std::vector<TablePtr> samples;
    for (const auto& part : parts) {
      ARROW_ASSIGN_OR_RAISE(auto sample, Sample(part, step, context));
      samples.push_back(std::move(sample));
    }
    return arrow::ConcatenateTables(samples, arrow::ConcatenateTablesOptions::Defaults(), context.pool);
  };
  auto sample = sample_all();
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, sample.status(), "sample"));
  // One rank sorts the samples: their number grows with the square of the ranks, to all ranks they would be a cube.
  constexpr Rank kRoot = 0;
  ARROW_ASSIGN_OR_RAISE(auto all_samples, exchange::Gather(communicator, *std::move(sample), kRoot, context));

  const auto choose = [&]() -> arrow::Result<TablePtr> {
    ARROW_ASSIGN_OR_RAISE(auto sorted, kernels::Sort(all_samples, KeyOrder(parts.front().options), context));
    std::vector<int64_t> rows;
    if (sorted->num_rows() > 0) {
      for (int64_t rank = 1; rank < world; ++rank) rows.push_back(rank * sorted->num_rows() / world);
    }
    return kernels::GatherRows(sorted, rows, context);
  };
  arrow::Result<TablePtr> splitters = TablePtr();
  if (communicator.rank() == kRoot) splitters = choose();
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, splitters.status(), "sample"));
  return exchange::Broadcast(communicator, *std::move(splitters), kRoot, context);
}

}  // namespace weft::distributed
