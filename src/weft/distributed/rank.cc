#include "weft/distributed/rank.h"

#include <arrow/array/array_primitive.h>

#include <numeric>
#include <utility>
#include <vector>

#include "weft/base/types.h"
#include "weft/distributed/places.h"
#include "weft/distributed/sort.h"
#include "weft/exchange/exchange.h"
#include "weft/kernels/key_encoding.h"

namespace weft::distributed {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;
using Numbers = kernels::PoolArray<int64_t>;

/// Columns of the table that is sorted: a value, how many rows of a rank have it, and where that rank has it.
enum : int { kValue, kCount, kPlace };

/// What other ranks have to know of a rank's sorted values. A run is what is equal; a rank without values has none.
struct Edges {
  int64_t runs = 0;
  int64_t rows = 0;
  int64_t first_run_rows = 0;
  int64_t last_run_rows = 0;
};

/// A rank's edges and whether its first run goes on with the last run before it.
struct Neighbour {
  Edges edges;
  bool joined = false;
};

/// One rank's sorted values: which begin a run, and the sums.
struct Runs {
  /// By value: 1 where it differs from the one before it.
  kernels::PoolArray<uint8_t> begins;
  Edges edges;
};

arrow::Result<TablePtr> AppendPlaces(const TablePtr& values, int64_t first, const Context& context) {
  const int64_t rows = values->num_rows();
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> buffer,
                        arrow::AllocateBuffer(rows * static_cast<int64_t>(sizeof(int64_t)), context.pool));
  auto* numbers = reinterpret_cast<int64_t*>(buffer->mutable_data());
  std::iota(numbers, numbers + rows, first);
  return values->AddColumn(
      kPlace, arrow::field("place", arrow::int64()),
      std::make_shared<arrow::ChunkedArray>(std::make_shared<arrow::Int64Array>(rows, std::move(buffer))));
}

arrow::Result<Runs> FindRuns(const arrow::Table& sorted, const Numbers& counts, const kernels::SortOptions& order,
                             const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto keys, kernels::KeyColumn::Make({sorted.column(kValue)}, order.nan_is_null, context));
  Runs runs;
  ARROW_ASSIGN_OR_RAISE(runs.begins, kernels::PoolArray<uint8_t>::Make(counts.size(), context.pool));
  for (int64_t i = 0; i < counts.size(); ++i) {
    const bool begins = i == 0 || kernels::CompareKeys(keys, i - 1, keys, i, {}) != 0;
    runs.begins[i] = begins ? 1 : 0;
    if (begins) {
      ++runs.edges.runs;
      runs.edges.last_run_rows = 0;
    }
    runs.edges.rows += counts[i];
    runs.edges.last_run_rows += counts[i];
    if (runs.edges.runs == 1) runs.edges.first_run_rows += counts[i];
  }
  return runs;
}

/// The first and the last value of each rank that has any are compared: all ranks' edges, on all ranks.
arrow::Result<std::vector<Neighbour>> Meet(Communicator& communicator, const TablePtr& sorted, const Edges& own,
                                           const kernels::SortOptions& order, const Context& context) {
  std::vector<Edges> all(static_cast<size_t>(communicator.world_size()));
  ARROW_RETURN_NOT_OK(
      communicator.Allgather(std::as_bytes(std::span(&own, 1)), std::as_writable_bytes(std::span(all))));
  auto ends = [&]() -> arrow::Result<TablePtr> {
    ARROW_ASSIGN_OR_RAISE(const auto values, sorted->SelectColumns({kValue}));
    if (values->num_rows() == 0) return values;
    return arrow::ConcatenateTables({values->Slice(0, 1), values->Slice(values->num_rows() - 1)}, {}, context.pool);
  }();
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, ends.status(), "rank"));
  ARROW_ASSIGN_OR_RAISE(const auto met, exchange::Allgather(communicator, *std::move(ends), context));
  auto compare = [&]() -> arrow::Result<std::vector<Neighbour>> {
    ARROW_ASSIGN_OR_RAISE(const auto keys, kernels::KeyColumn::Make({met->column(0)}, order.nan_is_null, context));
    std::vector<Neighbour> found;
    int64_t at = 0;
    for (const Edges& edges : all) {
      const bool joined = edges.runs > 0 && at > 0 && kernels::CompareKeys(keys, at - 1, keys, at, {}) == 0;
      found.push_back({edges, joined});
      if (edges.runs > 0) at += 2;
    }
    return found;
  }();
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, compare.status(), "rank"));
  return compare;
}

/// The rows that a rank's first run has on lower ranks.
int64_t RowsBehind(const std::vector<Neighbour>& ranks, size_t rank) {
  int64_t rows = 0;
  while (rank > 0 && ranks[rank].joined) {
    do --rank;
    while (ranks[rank].edges.runs == 0);
    rows += ranks[rank].edges.last_run_rows;
    if (ranks[rank].edges.runs > 1) break;
  }
  return rows;
}

/// The rows that a rank's last run has on higher ranks.
int64_t RowsAhead(const std::vector<Neighbour>& ranks, size_t rank) {
  int64_t rows = 0;
  for (size_t next = rank + 1; next < ranks.size(); ++next) {
    if (ranks[next].edges.runs == 0) continue;
    if (!ranks[next].joined) break;
    rows += ranks[next].edges.first_run_rows;
    if (ranks[next].edges.runs > 1) break;
  }
  return rows;
}

/// Sums along this rank's sorted values, from what lies before them on.
arrow::Result<kernels::ValuePlaces> SumUp(const Runs& runs, const Numbers& counts, const std::vector<Neighbour>& ranks,
                                          size_t rank, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(auto places, kernels::ValuePlaces::Make(counts.size(), context));
  int64_t rows_before = 0;
  int64_t distinct = 0;
  for (size_t r = 0; r < ranks.size(); ++r) {
    if (r < rank) {
      rows_before += ranks[r].edges.rows;
      distinct += ranks[r].edges.runs - (ranks[r].joined ? 1 : 0);
    }
    places.all_rows += ranks[r].edges.rows;
    places.all_distinct += ranks[r].edges.runs - (ranks[r].joined ? 1 : 0);
  }
  const int64_t behind = RowsBehind(ranks, rank);
  int64_t below = rows_before - behind;
  int64_t distinct_below = distinct - (ranks[rank].joined ? 1 : 0);
  int64_t i = 0;
  while (i < counts.size()) {
    int64_t end = i + 1;
    int64_t equal = counts[i];
    while (end < counts.size() && runs.begins[end] == 0) equal += counts[end++];
    int64_t earlier = i == 0 ? behind : 0;
    equal += earlier;
    if (end == counts.size()) equal += RowsAhead(ranks, rank);
    for (; i < end; ++i) {
      places.below[i] = below;
      places.earlier[i] = earlier;
      places.equal[i] = equal;
      places.distinct_below[i] = distinct_below;
      earlier += counts[i];
    }
    below += equal;
    ++distinct_below;
  }
  return places;
}

TablePtr ToTable(kernels::ValuePlaces places, std::shared_ptr<arrow::ChunkedArray> place) {
  // The arrays live as long as the table.
  const auto owner = std::make_shared<kernels::ValuePlaces>(std::move(places));
  const auto column = [&](const Numbers& numbers) {
    struct Held : arrow::Buffer {
      Held(const Numbers& numbers, std::shared_ptr<kernels::ValuePlaces> owner)
          : arrow::Buffer(reinterpret_cast<const uint8_t*>(numbers.data()),
                          numbers.size() * static_cast<int64_t>(sizeof(int64_t))),
            owner(std::move(owner)) {}
      std::shared_ptr<kernels::ValuePlaces> owner;
    };
    return std::make_shared<arrow::ChunkedArray>(
        std::make_shared<arrow::Int64Array>(numbers.size(), std::make_shared<Held>(numbers, owner)));
  };
  const auto number = [](const char* name) { return arrow::field(name, arrow::int64()); };
  return arrow::Table::Make(
      arrow::schema({number("below"), number("earlier"), number("equal"), number("distinct"), number("place")}),
      arrow::ChunkedArrayVector{column(owner->below), column(owner->earlier), column(owner->equal),
                                column(owner->distinct_below), std::move(place)},
      owner->below.size());
}

arrow::Result<kernels::ValuePlaces> FromTable(const arrow::Table& table, const Context& context) {
  kernels::ValuePlaces places;
  int column = 0;
  for (auto* numbers : {&places.below, &places.earlier, &places.equal, &places.distinct_below}) {
    ARROW_ASSIGN_OR_RAISE(*numbers, kernels::Numbers(table, column++, context));
  }
  return places;
}

/// Where this rank's values stand among those of all ranks.
arrow::Result<kernels::ValuePlaces> PlacesOfValues(Communicator& communicator, const TablePtr& values,
                                                   const kernels::RankOptions& options, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(auto ends, exchange::AllgatherCounts(communicator, values->num_rows()));
  std::partial_sum(ends.begin(), ends.end(), ends.begin());
  const auto rank = static_cast<size_t>(communicator.rank());
  auto numbered = AppendPlaces(values, ends[rank] - values->num_rows(), context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, numbered.status(), "rank"));
  const auto order = kernels::RankOrder(options);
  ARROW_ASSIGN_OR_RAISE(auto sorted, Sort(communicator, *std::move(numbered), order, context));

  Numbers counts;
  auto runs = [&]() -> arrow::Result<Runs> {
    ARROW_ASSIGN_OR_RAISE(counts, kernels::Numbers(*sorted, kCount, context));
    return FindRuns(*sorted, counts, order, context);
  }();
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, runs.status(), "rank"));
  ARROW_ASSIGN_OR_RAISE(const auto ranks, Meet(communicator, sorted, runs->edges, order, context));
  auto summed = SumUp(*runs, counts, ranks, rank, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, summed.status(), "rank"));
  const int64_t all_rows = summed->all_rows;
  const int64_t all_distinct = summed->all_distinct;
  auto table = ToTable(*std::move(summed), sorted->column(kPlace));
  sorted.reset();
  const int place = table->num_columns() - 1;
  ARROW_ASSIGN_OR_RAISE(const auto mine, PutRows(communicator, std::move(table), place, std::move(ends), context));
  auto places = FromTable(*mine, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, places.status(), "rank"));
  places->all_rows = all_rows;
  places->all_distinct = all_distinct;
  return places;
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::Array>> RankRows(Communicator& communicator, const TablePtr& table,
                                                      const kernels::RankOptions& options, const Context& context) {
  const arrow::Status check = kernels::CheckRank(*table->schema(), options);
  ARROW_RETURN_NOT_OK(exchange::AgreeSchema(
      communicator, check.ok() ? arrow::Result<std::shared_ptr<arrow::Schema>>(table->schema()) : check, "rank"));
  auto counts = kernels::CountValues(*table, options, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, counts.status(), "rank"));
  ARROW_ASSIGN_OR_RAISE(const auto places, PlacesOfValues(communicator, counts->values, options, context));
  auto ranks = kernels::RanksOfRows(*counts, places, options, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, ranks.status(), "rank"));
  return ranks;
}

}  // namespace weft::distributed
