#include "weft/distributed/groupby.h"

#include <arrow/array/util.h>
#include <arrow/buffer.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <span>
#include <unordered_set>
#include <utility>
#include <vector>

#include "weft/base/choice.h"
#include "weft/distributed/heavy_groups.h"
#include "weft/distributed/heavy_keys.h"
#include "weft/distributed/ranges.h"
#include "weft/distributed/shuffle_return.h"
#include "weft/distributed/sort.h"
#include "weft/exchange/exchange.h"
#include "weft/kernels/group_fold.h"
#include "weft/kernels/group_table.h"
#include "weft/kernels/spilled_groupby.h"

namespace weft::distributed {
namespace {

/// Where rows' numbers are asked for, those of this rank begin after the rows of lower ranks.
arrow::Status NumberRows(Communicator& communicator, const arrow::Table& table, kernels::GroupByOptions* options) {
  using kernels::AggregateFunction;
  const bool wanted =
      std::any_of(options->aggregations.begin(), options->aggregations.end(), [](const auto& aggregation) {
        return aggregation.label < 0 && (aggregation.function == AggregateFunction::kIdxMin ||
                                         aggregation.function == AggregateFunction::kIdxMax);
      });
  if (!wanted) return arrow::Status::OK();
  ARROW_ASSIGN_OR_RAISE(const auto counts, exchange::AllgatherCounts(communicator, table.num_rows()));
  options->first_row += std::accumulate(counts.begin(), counts.begin() + communicator.rank(), int64_t{0});
  return arrow::Status::OK();
}

/// 0, 1, ... one for each key: where keys stand in a table of groups, and the order in which all of them are hashed.
std::vector<int> AllOf(const std::vector<int>& keys) {
  std::vector<int> places(keys.size());
  std::iota(places.begin(), places.end(), 0);
  return places;
}

/// The columns that the options name, and the options with their positions there; where rows' numbers are asked for,
/// they are the last column.
arrow::Result<std::shared_ptr<arrow::Table>> NeededColumns(const arrow::Table& table, kernels::GroupByOptions* options,
                                                           const Context& context) {
  using kernels::AggregateFunction;
  ColumnPlaces places;
  options->keys = places.Take(options->keys);
  bool numbers = false;
  for (auto& aggregation : options->aggregations) {
    const bool index =
        aggregation.function == AggregateFunction::kIdxMin || aggregation.function == AggregateFunction::kIdxMax;
    if (aggregation.function != AggregateFunction::kSize) aggregation.column = places.Take(aggregation.column);
    if (aggregation.label >= 0) aggregation.label = places.Take(aggregation.label);
    numbers |= index && aggregation.label < 0;
  }
  ARROW_ASSIGN_OR_RAISE(auto needed, table.SelectColumns(places.columns()));
  if (!numbers) return needed;
  const auto width = static_cast<int64_t>(sizeof(int64_t));
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> buffer,
                        arrow::AllocateBuffer(table.num_rows() * width, context.pool));
  auto* out = reinterpret_cast<int64_t*>(buffer->mutable_data());
  std::iota(out, out + table.num_rows(), options->first_row);
  auto column = std::make_shared<arrow::ChunkedArray>(
      arrow::MakeArray(arrow::ArrayData::Make(arrow::int64(), table.num_rows(), {nullptr, std::move(buffer)}, 0)));
  const int last = needed->num_columns();
  for (auto& aggregation : options->aggregations) {
    if (aggregation.label < 0) aggregation.label = last;
  }
  return needed->AddColumn(last, arrow::field("row", arrow::int64()), std::move(column));
}

/// Takes the rows of heavy keys out of `table` and groups them where they are; nullptr where there are none.
arrow::Result<std::shared_ptr<arrow::Table>> TakeHeavyGroups(Communicator& communicator,
                                                             std::shared_ptr<arrow::Table>* table,
                                                             const kernels::GroupByOptions& options,
                                                             const Context& context) {
  if (!CanGroupHeavy(*(*table)->schema(), options)) return nullptr;
  const auto rule = [&](const std::vector<KeyEstimate>& estimates) {
    // With few rows there is nothing to spread.
    constexpr double kLeastRows = 4096;
    const double least = std::max(kLeastRows, estimates[0].rows / communicator.world_size() / kHeavyPart);
    std::vector<HashSet> heavy(1);
    for (const auto& [key, rows] : estimates[0].by_key) {
      if (rows > least) heavy[0].insert(key);
    }
    return heavy;
  };
  ARROW_ASSIGN_OR_RAISE(const auto chosen, ChooseHeavyKeys(communicator, {{*table, options.keys}}, options.nan_is_null,
                                                           "groupby", rule, context));
  const HashSet& heavy = chosen[0];
  if (heavy.empty()) return nullptr;
  auto parts = SeparateKeys(*table, options.keys, options.nan_is_null, heavy, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, parts.status(), "groupby"));
  *table = std::move(parts->second);
  return GroupHeavy(communicator, parts->first, options, context);
}

/// For functions that need all rows of a group: the rows go to the rank of their key, but for those of heavy keys.
/// `order` as Placement::KeyOrder gives it; empty where rows of one key may lie on several ranks, and set to where the
/// groups lie.
arrow::Result<std::shared_ptr<arrow::Table>> GroupByRows(Communicator& communicator,
                                                         std::shared_ptr<arrow::Table> table,
                                                         const kernels::GroupByOptions& options, const Context& context,
                                                         std::vector<int>* order) {
  kernels::GroupByOptions local = options;
  local.sort = false;
  ARROW_RETURN_NOT_OK(NumberRows(communicator, *table, &local));
  auto needed = NeededColumns(*table, &local, context);
  table.reset();
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, needed.status(), "groupby"));
  ARROW_ASSIGN_OR_RAISE(const auto heavy, TakeHeavyGroups(communicator, &*needed, local, context));
  std::shared_ptr<arrow::Table> together = *std::move(needed);
  NoteChoice(context, order->empty() ? "groupby.shuffle" : "groupby.in_place");
  if (order->empty()) {
    const auto partitioner = exchange::ByHash(local.keys, options.nan_is_null, communicator.world_size());
    ARROW_ASSIGN_OR_RAISE(auto shuffled, exchange::Shuffle(communicator, std::move(together), partitioner, context));
    together = std::move(shuffled.table);
    *order = AllOf(local.keys);
  }
  auto grouped = kernels::GroupBy(together, local, context);
  together.reset();
  if (heavy != nullptr) {
    order->clear();
    if (grouped.ok()) grouped = arrow::ConcatenateTables({*grouped, heavy});
  }
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, grouped.status(), "groupby"));
  return grouped;
}

/// For functions whose partial states combine, as GroupByRows.
arrow::Result<std::shared_ptr<arrow::Table>> GroupByStates(Communicator& communicator,
                                                           std::shared_ptr<arrow::Table> table,
                                                           const kernels::GroupByOptions& options,
                                                           const Context& context, std::vector<int>* order) {
  const auto input = table->schema();
  kernels::GroupByOptions numbered = options;
  ARROW_RETURN_NOT_OK(NumberRows(communicator, *table, &numbered));
  if (!order->empty()) {
    NoteChoice(context, "groupby.in_place");
    numbered.sort = false;
    auto grouped = kernels::GroupBy(table, numbered, context);
    table.reset();
    ARROW_RETURN_NOT_OK(exchange::Agree(communicator, grouped.status(), "groupby"));
    return grouped;
  }
  NoteChoice(context, "groupby.combine");
  auto partial = kernels::GroupByPartial(table, numbered, context);
  table.reset();
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, partial.status(), "groupby"));
  const std::vector<int> keys = AllOf(options.keys);
  const auto partitioner = exchange::ByHash(keys, options.nan_is_null, communicator.world_size());
  ARROW_ASSIGN_OR_RAISE(auto shuffled, exchange::Shuffle(communicator, *std::move(partial), partitioner, context));
  *order = keys;

  kernels::GroupByOptions final_options = options;
  final_options.sort = false;
  auto grouped = kernels::GroupByFinal(shuffled.table, *input, final_options, context);
  shuffled.table.reset();
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, grouped.status(), "groupby"));
  return grouped;
}

/// How many of `hashes` differ; orders them.
int64_t CountDistinct(std::span<uint64_t> hashes) {
  std::sort(hashes.begin(), hashes.end());
  return std::unique(hashes.begin(), hashes.end()) - hashes.begin();
}

/// About how many groups the rows of this rank have, by rows far apart, of which enough meet even where each group has
/// one or two rows; and by neighbours, since those of rows far apart never meet where the rows of a key lie together.
arrow::Result<int64_t> EstimateGroups(const std::shared_ptr<arrow::Table>& table,
                                      const kernels::GroupByOptions& options, const Context& context) {
  constexpr int64_t kLeastSampled = 2048;
  constexpr int64_t kMostSampled = int64_t{1} << 16;
  constexpr int64_t kBlocks = 64;
  constexpr int64_t kNeighbours = 32;
  const int64_t rows = table->num_rows();
  const auto root = static_cast<int64_t>(std::sqrt(static_cast<double>(rows)));
  ARROW_ASSIGN_OR_RAISE(auto apart, SampleKeys(table, options.keys, std::clamp(4 * root, kLeastSampled, kMostSampled),
                                               options.nan_is_null, context));
  const auto sampled = static_cast<int64_t>(apart.size());
  const int64_t groups = kernels::GroupsBySample(CountDistinct(apart), sampled, rows);
  if (rows < kBlocks * kNeighbours) return groups;
  std::vector<int64_t> chosen;
  for (int64_t block = 0; block < kBlocks; ++block) {
    const int64_t first = block * ((rows - kNeighbours) / kBlocks);
    for (int64_t i = 0; i < kNeighbours; ++i) chosen.push_back(first + i);
  }
  ARROW_ASSIGN_OR_RAISE(auto together, HashKeysOf(table, options.keys, chosen, options.nan_is_null, context));
  int64_t differ = 0;
  for (int64_t block = 0; block < kBlocks; ++block) {
    differ += CountDistinct(std::span(together).subspan(static_cast<size_t>(block * kNeighbours), kNeighbours));
  }
  const double share = static_cast<double>(differ) / (kBlocks * kNeighbours);
  return std::min(groups, static_cast<int64_t>(static_cast<double>(rows) * share));
}

/// Whether moving rows costs less than making groups of them first, moving these and grouping them again: by samples
/// of each rank's keys, since where most rows are groups of their own there is little to combine. Collective; the same
/// on every rank.
arrow::Result<bool> RowsCostLess(Communicator& communicator, const std::shared_ptr<arrow::Table>& table,
                                 const kernels::GroupByOptions& options, const Context& context) {
  // What grouping once more costs beside moving as many bytes.
  constexpr int64_t kGroupBytes = 8;
  // Of less than this, moving it is not what takes time.
  constexpr int64_t kLeastBytes = int64_t{1} << 20;
  // Bytes of rows and of states, and whether a rank could not tell.
  std::array<int64_t, 3> sums{};
  const auto measure = [&]() -> arrow::Status {
    if (table->num_rows() == 0) return arrow::Status::OK();
    ARROW_ASSIGN_OR_RAISE(const int64_t groups, EstimateGroups(table, options, context));
    sums[0] = kernels::GroupByBytes(*table, options);
    sums[1] = groups * (kernels::PartialRowBytes(*table, options) + kGroupBytes);
    return arrow::Status::OK();
  };
  const arrow::Status measured = measure();
  if (!measured.ok()) sums[2] = 1;
  const std::span<int64_t> all(sums);
  const Reduction sum{.type = arrow::Type::INT64, .op = ReduceOp::kSum};
  ARROW_RETURN_NOT_OK(
      communicator.Allreduce(std::as_bytes(all), std::as_writable_bytes(all), static_cast<int64_t>(all.size()), sum));
  if (sums[2] > 0) ARROW_RETURN_NOT_OK(exchange::Agree(communicator, measured, "groupby"));
  return sums[0] >= kLeastBytes && sums[0] < sums[1];
}

/// The aggregations' columns of `grouped` for each of `places`, which are its rows or -1.
arrow::Result<std::shared_ptr<arrow::Table>> Spread(const arrow::Table& grouped, size_t keys,
                                                    const kernels::PoolArray<int64_t>& places, const Context& context) {
  arrow::FieldVector fields;
  arrow::ChunkedArrayVector columns;
  for (int i = static_cast<int>(keys); i < grouped.num_columns(); ++i) {
    ARROW_ASSIGN_OR_RAISE(auto rows, kernels::PoolArray<int64_t>::Make(places.size(), context.pool));
    std::copy(places.begin(), places.end(), rows.begin());
    ARROW_ASSIGN_OR_RAISE(auto column, kernels::GatherOrNull(grouped.column(i), std::move(rows), context));
    columns.push_back(std::move(column));
    fields.push_back(grouped.schema()->field(i));
  }
  return arrow::Table::Make(arrow::schema(std::move(fields)), std::move(columns), places.size());
}

arrow::Result<std::shared_ptr<arrow::Table>> OrderByKeys(Communicator& communicator,
                                                         std::shared_ptr<arrow::Table> grouped,
                                                         const kernels::GroupByOptions& options, const Context& context,
                                                         Placement* lies) {
  kernels::SortOptions order;
  for (size_t key = 0; key < options.keys.size(); ++key) order.keys.push_back({static_cast<int>(key), true});
  order.nan_is_null = options.nan_is_null;
  return Sort(communicator, std::move(grouped), order, context, lies);
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::Table>> GroupBroadcast(const std::shared_ptr<arrow::Table>& table,
                                                            const kernels::GroupByOptions& options,
                                                            const Context& context) {
  kernels::GroupByOptions unsorted = options;
  unsorted.sort = false;
  kernels::PoolArray<int64_t> places;
  ARROW_ASSIGN_OR_RAISE(const auto grouped, kernels::GroupBy(table, unsorted, context, &places));
  return Spread(*grouped, options.keys.size(), places, context);
}

arrow::Result<std::shared_ptr<arrow::Table>> GroupBroadcast(Communicator& communicator,
                                                            const std::shared_ptr<arrow::Table>& table,
                                                            const kernels::GroupByOptions& options,
                                                            const Context& context, const Placement* lies) {
  const auto input = table->schema();
  const auto output = kernels::GroupBySchema(*input, options);
  ARROW_RETURN_NOT_OK(exchange::AgreeSchema(
      communicator, output.ok() ? arrow::Result<std::shared_ptr<arrow::Schema>>(input) : output.status(), "groupby"));
  if (communicator.world_size() == 1) return GroupBroadcast(table, options, context);
  kernels::GroupByOptions local = options;
  local.sort = false;
  ARROW_RETURN_NOT_OK(NumberRows(communicator, *table, &local));
  ARROW_ASSIGN_OR_RAISE(const bool together, Together(communicator, lies, options.keys, options.nan_is_null));
  NoteChoice(context, together ? "transform.in_place" : "transform.shuffle");
  if (together) {
    auto made = GroupBroadcast(table, local, context);
    ARROW_RETURN_NOT_OK(exchange::Agree(communicator, made.status(), "groupby"));
    return made;
  }
  if (!kernels::AllMergeable(options)) {
    auto needed = NeededColumns(*table, &local, context);
    ARROW_RETURN_NOT_OK(exchange::Agree(communicator, needed.status(), "groupby"));
    const RowKernel kernel = [&](const auto& rows) { return GroupBroadcast(rows, local, context); };
    return ComputeByKey(communicator, *std::move(needed), local.keys, options.nan_is_null, kernel, "groupby", context);
  }
  // One row a group goes out and comes back, then each of this rank's rows takes its group's.
  kernels::PoolArray<int64_t> places;
  auto partial = kernels::GroupByPartial(table, local, context, &places);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, partial.status(), "groupby"));
  const std::vector<int> keys = AllOf(options.keys);
  const RowKernel kernel = [&](const auto& partials) -> arrow::Result<std::shared_ptr<arrow::Table>> {
    kernels::PoolArray<int64_t> groups;
    ARROW_ASSIGN_OR_RAISE(const auto grouped, kernels::GroupByFinal(partials, *input, local, context, &groups));
    return Spread(*grouped, keys.size(), groups, context);
  };
  ARROW_ASSIGN_OR_RAISE(const auto answers, ComputeByKey(communicator, *std::move(partial), keys, options.nan_is_null,
                                                         kernel, "groupby", context));
  auto made = Spread(*answers, 0, places, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, made.status(), "groupby"));
  return made;
}

arrow::Result<std::shared_ptr<arrow::Table>> GroupBy(Communicator& communicator, std::shared_ptr<arrow::Table> table,
                                                     const kernels::GroupByOptions& options, const Context& context,
                                                     Placement* lies) {
  const auto input = table->schema();
  const auto output = kernels::GroupBySchema(*input, options);
  ARROW_RETURN_NOT_OK(exchange::AgreeSchema(
      communicator, output.ok() ? arrow::Result<std::shared_ptr<arrow::Schema>>(input) : output.status(), "groupby"));
  // What is said of the table's columns is not true of the result's.
  const Placement before = lies == nullptr ? Placement() : std::exchange(*lies, Placement());
  if (communicator.world_size() == 1) return kernels::GroupBy(table, options, context);
  std::vector<int> order;
  ARROW_ASSIGN_OR_RAISE(const bool together, BringTogether(communicator, before, options.keys, options.nan_is_null,
                                                           /*may_move=*/true, context, &order, &table));
  const bool by_range = together && order.empty();
  if (by_range) order = AllOf(options.keys);
  bool states = kernels::AllMergeable(options);
  if (states && order.empty()) {
    ARROW_ASSIGN_OR_RAISE(const bool rows, RowsCostLess(communicator, table, options, context));
    states = !rows;
  }
  ARROW_ASSIGN_OR_RAISE(
      auto grouped, (states ? GroupByStates : GroupByRows)(communicator, std::move(table), options, context, &order));
  if (options.sort) return OrderByKeys(communicator, std::move(grouped), options, context, lies);
  // Keys come first among the columns.
  if (lies != nullptr && !by_range && !order.empty()) *lies = Placement(communicator, order, options.nan_is_null);
  return grouped;
}

}  // namespace weft::distributed
