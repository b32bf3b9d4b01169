#include "weft/distributed/unique.h"

#include <arrow/array/array_primitive.h>
#include <arrow/type.h>

#include <numeric>
#include <span>
#include <utility>

#include "weft/base/choice.h"
#include "weft/distributed/ranges.h"
#include "weft/distributed/shuffle_return.h"
#include "weft/exchange/exchange.h"
#include "weft/kernels/gather.h"
#include "weft/table/columns.h"

namespace weft::distributed {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;
using kernels::Keep;

TablePtr BoolTable(std::shared_ptr<arrow::Array> values) {
  return arrow::Table::Make(arrow::schema({arrow::field("kept", arrow::boolean())}), {std::move(values)});
}

/// Calls take(row) for each row at which a bool column without nulls is true, ascending.
template <typename Take>
void ForEachTrue(const arrow::ChunkedArray& column, Take&& take) {
  int64_t row = 0;
  for (const auto& chunk : column.chunks()) {
    const auto& values = static_cast<const arrow::BooleanArray&>(*chunk);
    for (int64_t i = 0; i < values.length(); ++i, ++row) {
      if (values.Value(i)) take(row);
    }
  }
}

/// What a rank says of its own duplicates: one row a key, and whether that key has one row here.
struct LocalKeys {
  kernels::PoolArray<int64_t> rows;
  /// The key columns of `rows`, and last the bool column "single".
  TablePtr keys;
};

arrow::Result<LocalKeys> FindLocalKeys(const TablePtr& table, const kernels::UniqueOptions& options,
                                       const Context& context) {
  kernels::UniqueOptions here = options;
  if (options.keep == Keep::kNone) here.keep = Keep::kFirst;
  LocalKeys found;
  ARROW_ASSIGN_OR_RAISE(found.rows, kernels::KeptRows(*table, here, context));
  ARROW_ASSIGN_OR_RAISE(const auto columns, table->SelectColumns(options.columns));
  ARROW_ASSIGN_OR_RAISE(auto keys, kernels::GatherRows(columns, found.rows.span(), context));
  std::shared_ptr<arrow::Array> single;
  if (options.keep == Keep::kNone) {
    ARROW_ASSIGN_OR_RAISE(auto alone, kernels::KeptRows(*table, options, context));
    // Both ascend, and whoever is alone is a first row: where it stands among them.
    int64_t at = 0;
    for (int64_t& row : alone) {
      while (found.rows[at] != row) ++at;
      row = at;
    }
    ARROW_ASSIGN_OR_RAISE(single, kernels::MarkRows(alone.span(), true, found.rows.size(), context));
  } else {
    ARROW_ASSIGN_OR_RAISE(single, kernels::MarkRows({}, false, found.rows.size(), context));
  }
  ARROW_ASSIGN_OR_RAISE(found.keys, keys->AddColumn(keys->num_columns(), arrow::field("single", arrow::boolean()),
                                                    std::make_shared<arrow::ChunkedArray>(std::move(single))));
  return found;
}

/// Of the keys of all ranks that are this rank's to decide on: whether each is kept.
arrow::Result<TablePtr> Decide(const TablePtr& received, const kernels::UniqueOptions& options,
                               const Context& context) {
  kernels::UniqueOptions by_key = options;
  const int single = received->num_columns() - 1;
  by_key.columns.resize(static_cast<size_t>(single));
  std::iota(by_key.columns.begin(), by_key.columns.end(), 0);
  ARROW_ASSIGN_OR_RAISE(auto kept, kernels::KeptRows(*received, by_key, context));
  if (options.keep == Keep::kNone) {
    // `single` is true for those that have no duplicate on their own rank: what stays is in both lists.
    int64_t at = 0;
    int64_t count = 0;
    ForEachTrue(*received->column(single), [&](int64_t row) {
      while (at < kept.size() && kept[at] < row) ++at;
      if (at < kept.size() && kept[at] == row) kept[count++] = row;
    });
    kept.Shrink(count);
  }
  ARROW_ASSIGN_OR_RAISE(auto marks, kernels::MarkRows(kept.span(), true, received->num_rows(), context));
  return BoolTable(std::move(marks));
}

kernels::UniqueOptions WithColumns(const arrow::Table& table, kernels::UniqueOptions options) {
  if (options.columns.empty()) {
    options.columns.resize(static_cast<size_t>(table.num_columns()));
    std::iota(options.columns.begin(), options.columns.end(), 0);
  }
  return options;
}

arrow::Status AgreeOnKeys(Communicator& communicator, const arrow::Table& table,
                          const kernels::UniqueOptions& options) {
  const arrow::Status check = table::CheckKeyTypes(*table.schema(), options.columns, "unique");
  return exchange::AgreeSchema(
      communicator, check.ok() ? arrow::Result<std::shared_ptr<arrow::Schema>>(table.schema()) : check, "unique");
}

arrow::Result<kernels::PoolArray<int64_t>> KeptOfAgreed(Communicator& communicator, const TablePtr& table,
                                                        const kernels::UniqueOptions& options, const Context& context) {
  auto local = FindLocalKeys(table, options, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, local.status(), "unique"));
  std::vector<int> keys(options.columns.size());
  std::iota(keys.begin(), keys.end(), 0);
  ShuffleReturn trip(communicator, std::move(keys), options.nan_is_null, "unique");
  ARROW_ASSIGN_OR_RAISE(auto received, trip.Out(std::move(local->keys), context));
  auto decided = Decide(received, options, context);
  received.reset();
  ARROW_ASSIGN_OR_RAISE(const auto kept, trip.Back(std::move(decided), context));
  auto& rows = local->rows;
  int64_t count = 0;
  ForEachTrue(*kept->column(0), [&](int64_t row) { rows[count++] = rows[row]; });
  rows.Shrink(count);
  return std::move(rows);
}

}  // namespace

arrow::Result<kernels::PoolArray<int64_t>> KeptRows(Communicator& communicator, const TablePtr& table,
                                                    const kernels::UniqueOptions& options, const Context& context) {
  const auto explicit_options = WithColumns(*table, options);
  ARROW_RETURN_NOT_OK(AgreeOnKeys(communicator, *table, explicit_options));
  return KeptOfAgreed(communicator, table, explicit_options, context);
}

arrow::Result<TablePtr> Unique(Communicator& communicator, TablePtr table, const kernels::UniqueOptions& options,
                               const Context& context, Placement* lies) {
  const auto explicit_options = WithColumns(*table, options);
  const auto& columns = explicit_options.columns;
  ARROW_RETURN_NOT_OK(AgreeOnKeys(communicator, *table, explicit_options));
  if (communicator.world_size() > 1) {
    // Where the result's rows stay where they are, none is moved for it.
    const bool may_move = !options.maintain_order && options.keep != Keep::kNone;
    std::vector<int> order;
    ARROW_ASSIGN_OR_RAISE(const bool together,
                          BringTogether(communicator, lies == nullptr ? Placement() : *lies, columns,
                                        options.nan_is_null, may_move, context, &order, &table));
    NoteChoice(context, together ? "unique.in_place" : "unique.combine");
    if (together) {
      auto local = kernels::Unique(table, explicit_options, context);
      ARROW_RETURN_NOT_OK(exchange::Agree(communicator, local.status(), "unique"));
      if (lies != nullptr && !options.maintain_order) *lies = lies->InAnyOrder();
      return local;
    }
  }
  // Rows that stay where they were, in their order, lie as they lay.
  if (options.maintain_order || options.keep == Keep::kNone) {
    ARROW_ASSIGN_OR_RAISE(const auto rows, KeptOfAgreed(communicator, table, explicit_options, context));
    auto kept = kernels::GatherRows(table, rows.span(), context);
    ARROW_RETURN_NOT_OK(exchange::Agree(communicator, kept.status(), "unique"));
    return kept;
  }
  auto local = kernels::Unique(table, explicit_options, context);
  table.reset();
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, local.status(), "unique"));
  if (communicator.world_size() == 1) {
    if (lies != nullptr) *lies = lies->InAnyOrder();
    return local;
  }
  if (lies != nullptr) *lies = Placement(communicator, columns, options.nan_is_null);
  const auto partitioner = exchange::ByHash(columns, options.nan_is_null, communicator.world_size());
  // Blocks come by source rank and keep their order, so the first row here is the first by (rank, row).
  ARROW_ASSIGN_OR_RAISE(auto shuffled, exchange::Shuffle(communicator, *std::move(local), partitioner, context));
  auto unique = kernels::Unique(shuffled.table, explicit_options, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, unique.status(), "unique"));
  return unique;
}

arrow::Result<std::vector<int64_t>> CountDistinct(Communicator& communicator,
                                                  const std::shared_ptr<arrow::Table>& table,
                                                  const std::vector<int>& columns, bool drop_missing,
                                                  const Context& context) {
  const arrow::Status check = table::CheckKeyTypes(*table->schema(), columns, "nunique");
  ARROW_RETURN_NOT_OK(exchange::AgreeSchema(
      communicator, check.ok() ? arrow::Result<std::shared_ptr<arrow::Schema>>(table->schema()) : check, "nunique"));
  const bool alone = communicator.world_size() == 1;
  std::vector<int64_t> counts;
  arrow::Status counted;
  for (const int column : columns) {
    ARROW_ASSIGN_OR_RAISE(auto values, table->SelectColumns({column}));
    if (!alone) {
      auto local = kernels::Unique(values, {.columns = {0}, .nan_is_null = true}, context);
      ARROW_RETURN_NOT_OK(exchange::Agree(communicator, local.status(), "nunique"));
      const auto partitioner = exchange::ByHash({0}, /*nan_is_null=*/true, communicator.world_size());
      ARROW_ASSIGN_OR_RAISE(auto shuffled, exchange::Shuffle(communicator, *std::move(local), partitioner, context));
      values = std::move(shuffled.table);
    }
    const auto count = kernels::CountDistinct(*values, 0, drop_missing, context);
    if (counted.ok()) counted = count.status();
    counts.push_back(count.ok() ? *count : 0);
  }
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, counted, "nunique"));
  if (alone || counts.empty()) return counts;
  const Reduction sum{.type = arrow::Type::INT64, .op = ReduceOp::kSum};
  const std::span<int64_t> all(counts);
  ARROW_RETURN_NOT_OK(
      communicator.Allreduce(std::as_bytes(all), std::as_writable_bytes(all), static_cast<int64_t>(all.size()), sum));
  return counts;
}

}  // namespace weft::distributed
