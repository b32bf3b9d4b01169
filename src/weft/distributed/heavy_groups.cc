#include "weft/distributed/heavy_groups.h"

#include <arrow/compute/cast.h>
#include <arrow/compute/exec.h>

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "weft/distributed/groupby.h"
#include "weft/distributed/quantile.h"
#include "weft/distributed/unique.h"
#include "weft/exchange/exchange.h"
#include "weft/kernels/gather.h"
#include "weft/table/hash.h"

namespace weft::distributed {
namespace {

using kernels::AggregateFunction;
using kernels::Aggregation;
using kernels::GroupByOptions;
using kernels::PoolArray;
using TablePtr = std::shared_ptr<arrow::Table>;

bool IsQuantile(const Aggregation& aggregation) {
  return aggregation.function == AggregateFunction::kMedian || aggregation.function == AggregateFunction::kQuantile;
}

std::vector<int> FirstColumns(size_t count) {
  std::vector<int> columns(count);
  std::iota(columns.begin(), columns.end(), 0);
  return columns;
}

class HeavyGroups {
 public:
  HeavyGroups(Communicator& communicator, const GroupByOptions& options, const Context& context)
      : communicator_(communicator), options_(options), context_(context) {}

  arrow::Result<TablePtr> Run(const TablePtr& table) {
    ARROW_ASSIGN_OR_RAISE(const auto schema, kernels::GroupBySchema(*table->schema(), options_));
    // What combines, and with it the groups: the same table on every rank.
    GroupByOptions combined = options_;
    std::erase_if(combined.aggregations,
                  [](const Aggregation& aggregation) { return !kernels::IsMergeable(aggregation.function); });
    if (combined.aggregations.empty()) combined.aggregations.push_back({AggregateFunction::kSize, -1, "size"});
    ARROW_ASSIGN_OR_RAISE(const auto groups, GroupEverywhere(table, combined));
    ARROW_ASSIGN_OR_RAISE(keys_, groups->SelectColumns(FirstColumns(options_.keys.size())));
    auto columns = keys_->columns();
    int next = static_cast<int>(options_.keys.size());
    std::vector<TablePtr> parts;
    for (const Aggregation& aggregation : options_.aggregations) {
      const auto& type = schema->field(static_cast<int>(columns.size()))->type();
      std::shared_ptr<arrow::ChunkedArray> column;
      if (aggregation.function == AggregateFunction::kNunique) {
        ARROW_ASSIGN_OR_RAISE(column, Agreed(Distinct(table, aggregation)));
      } else if (IsQuantile(aggregation)) {
        if (parts.empty()) {
          ARROW_ASSIGN_OR_RAISE(parts, Agreed(CutByGroup(table)));
        }
        ARROW_ASSIGN_OR_RAISE(column, Agreed(Quantiles(table, parts, aggregation, type)));
      } else {
        column = groups->column(next++);
      }
      columns.push_back(std::move(column));
    }
    return Agreed(OwnRows(arrow::Table::Make(schema, std::move(columns), keys_->num_rows())));
  }

 private:
  /// `made`, where no rank failed to make its own: what comes last in making it is each rank's alone.
  template <typename T>
  arrow::Result<T> Agreed(arrow::Result<T> made) {
    ARROW_RETURN_NOT_OK(exchange::Agree(communicator_, made.status(), "groupby"));
    return made;
  }

  arrow::Result<TablePtr> GroupEverywhere(const TablePtr& table, GroupByOptions options) {
    options.sort = false;
    ARROW_ASSIGN_OR_RAISE(auto grouped, GroupBy(communicator_, table, options, context_));
    return exchange::Allgather(communicator_, std::move(grouped), context_);
  }

  /// For each row of `table`, whose first columns are keys, the group that it belongs to; -1 for none.
  arrow::Result<PoolArray<int64_t>> GroupsOf(const TablePtr& table, const std::vector<int>& keys) {
    ARROW_ASSIGN_OR_RAISE(const auto chosen, table->SelectColumns(keys));
    // The groups come first, so that they are numbered as they are here.
    ARROW_ASSIGN_OR_RAISE(const auto rows, chosen->RenameColumns(keys_->ColumnNames()));
    ARROW_ASSIGN_OR_RAISE(const auto both, arrow::ConcatenateTables({keys_, rows}));
    GroupByOptions by_keys;
    by_keys.keys = FirstColumns(keys.size());
    by_keys.aggregations.push_back({AggregateFunction::kSize, -1, "size"});
    by_keys.sort = false;
    by_keys.drop_null_keys = options_.drop_null_keys;
    by_keys.nan_is_null = options_.nan_is_null;
    PoolArray<int64_t> places;
    ARROW_RETURN_NOT_OK(kernels::GroupBy(both, by_keys, context_, &places).status());
    ARROW_ASSIGN_OR_RAISE(auto groups, PoolArray<int64_t>::Make(table->num_rows(), context_.pool));
    std::copy(places.begin() + keys_->num_rows(), places.end(), groups.begin());
    return groups;
  }

  arrow::Result<std::vector<TablePtr>> CutByGroup(const TablePtr& table) {
    ARROW_ASSIGN_OR_RAISE(const auto groups, GroupsOf(table, options_.keys));
    std::vector<std::vector<int64_t>> rows(static_cast<size_t>(keys_->num_rows()));
    for (int64_t i = 0; i < groups.size(); ++i) {
      if (groups[i] >= 0) rows[static_cast<size_t>(groups[i])].push_back(i);
    }
    std::vector<TablePtr> parts;
    for (const auto& chosen : rows) {
      ARROW_ASSIGN_OR_RAISE(auto part, kernels::GatherRows(table, chosen, context_));
      parts.push_back(std::move(part));
    }
    return parts;
  }

  /// Counts pairs of key and value that differ.
  arrow::Result<std::shared_ptr<arrow::ChunkedArray>> Distinct(const TablePtr& table, const Aggregation& aggregation) {
    std::vector<int> chosen = options_.keys;
    chosen.push_back(aggregation.column);
    arrow::FieldVector fields;
    for (size_t i = 0; i < chosen.size(); ++i) {
      fields.push_back(arrow::field("c" + std::to_string(i), table->schema()->field(chosen[i])->type()));
    }
    std::vector<std::shared_ptr<arrow::ChunkedArray>> columns;
    for (const int column : chosen) columns.push_back(table->column(column));
    auto pairs = arrow::Table::Make(arrow::schema(std::move(fields)), std::move(columns), table->num_rows());
    kernels::UniqueOptions unique;
    unique.nan_is_null = options_.nan_is_null;
    ARROW_ASSIGN_OR_RAISE(pairs, Unique(communicator_, std::move(pairs), unique, context_));
    GroupByOptions counting = options_;
    counting.keys = FirstColumns(options_.keys.size());
    const auto value = static_cast<int>(options_.keys.size());
    counting.aggregations = {aggregation.skip_nulls ? Aggregation{AggregateFunction::kCount, value, "n"}
                                                    : Aggregation{AggregateFunction::kSize, -1, "n"}};
    ARROW_ASSIGN_OR_RAISE(const auto counts, GroupEverywhere(pairs, counting));
    ARROW_ASSIGN_OR_RAISE(const auto groups, GroupsOf(counts, counting.keys));
    std::vector<int64_t> rows(static_cast<size_t>(keys_->num_rows()));
    for (int64_t i = 0; i < groups.size(); ++i) {
      if (groups[i] >= 0) rows[static_cast<size_t>(groups[i])] = i;
    }
    return kernels::GatherColumn(counts->column(value), rows, context_);
  }

  arrow::Result<std::shared_ptr<arrow::ChunkedArray>> Quantiles(const TablePtr& table,
                                                                const std::vector<TablePtr>& parts,
                                                                const Aggregation& aggregation,
                                                                const std::shared_ptr<arrow::DataType>& type) {
    kernels::QuantileOptions wanted;
    wanted.columns = {aggregation.column};
    wanted.skip_missing = aggregation.skip_nulls;
    if (aggregation.function == AggregateFunction::kMedian) {
      wanted.interpolation = kernels::Interpolation::kMidpoint;
    } else {
      wanted.quantiles = {aggregation.quantile};
      wanted.interpolation = aggregation.interpolation;
    }
    arrow::compute::ExecContext exec(context_.pool);
    exec.set_use_threads(false);
    arrow::ArrayVector found;
    for (size_t g = 0; g < static_cast<size_t>(keys_->num_rows()); ++g) {
      const auto& rows = g < parts.size() ? parts[g] : table;
      ARROW_ASSIGN_OR_RAISE(const auto made, Quantile(communicator_, rows, wanted, context_));
      for (const auto& chunk : made->column(0)->chunks()) found.push_back(chunk);
    }
    // The heavy key may be null, and dropped.
    if (found.empty()) return arrow::ChunkedArray::MakeEmpty(type, context_.pool);
    ARROW_ASSIGN_OR_RAISE(const auto cast, arrow::compute::Cast(arrow::Datum(arrow::ChunkedArray(std::move(found))),
                                                                type, arrow::compute::CastOptions::Unsafe(), &exec));
    return cast.chunked_array();
  }

  /// The rows whose key hashes to this rank.
  arrow::Result<TablePtr> OwnRows(const TablePtr& table) {
    std::vector<uint64_t> hashes(static_cast<size_t>(table->num_rows()));
    const auto keys = FirstColumns(options_.keys.size());
    ARROW_RETURN_NOT_OK(table::HashRows(*table, keys, {.nan_is_null = options_.nan_is_null}, context_, hashes.data()));
    const auto ranks = static_cast<uint32_t>(communicator_.world_size());
    std::vector<int64_t> own;
    for (size_t i = 0; i < hashes.size(); ++i) {
      if (table::RankOfHash(hashes[i], ranks) == static_cast<uint32_t>(communicator_.rank())) {
        own.push_back(static_cast<int64_t>(i));
      }
    }
    return kernels::GatherRows(table, own, context_);
  }

  Communicator& communicator_;
  const GroupByOptions& options_;
  const Context& context_;
  /// The key columns of the groups; the same on every rank.
  TablePtr keys_;
};

}  // namespace

bool CanGroupHeavy(const arrow::Schema& input, const GroupByOptions& options) {
  return std::all_of(options.aggregations.begin(), options.aggregations.end(), [&](const Aggregation& aggregation) {
    if (!IsQuantile(aggregation)) return true;
    const auto id = input.field(aggregation.column)->type()->id();
    return id == arrow::Type::BOOL || arrow::is_integer(id) || (arrow::is_floating(id) && options.nan_is_null);
  });
}

arrow::Result<TablePtr> GroupHeavy(Communicator& communicator, const TablePtr& table, const GroupByOptions& options,
                                   const Context& context) {
  return HeavyGroups(communicator, options, context).Run(table);
}

}  // namespace weft::distributed
