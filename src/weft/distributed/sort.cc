#include "weft/distributed/sort.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <random>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "weft/base/choice.h"
#include "weft/base/types.h"
#include "weft/distributed/placement.h"
#include "weft/distributed/ranges.h"
#include "weft/distributed/slice.h"
#include "weft/distributed/splitters.h"
#include "weft/exchange/exchange.h"

namespace weft::distributed {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

/// Where this rank's sorted rows are cut so that every rank gets its exact share: share r ends at row total * (r + 1) /
/// world of the globally sorted table wherever the splitter's run of equal keys covers that row, else at the run's
/// nearer end. Rows of one run go by rank, so that the sort stays stable.
std::vector<int64_t> CutRuns(const std::vector<std::vector<kernels::SplitRange>>& ranges_of_rank, Rank rank,
                             int64_t total, int64_t local_rows, int world) {
  std::vector<int64_t> ends;
  const size_t splitters = ranges_of_rank.front().size();
  for (size_t s = 0; s < splitters; ++s) {
    int64_t before = 0;
    int64_t through = 0;
    for (const auto& ranges : ranges_of_rank) {
      before += ranges[s].before;
      through += ranges[s].through;
    }
    const int64_t goal = std::clamp(total * static_cast<int64_t>(s + 1) / world, before, through);
    int64_t equal_left = goal - before;
    for (Rank r = 0; r < rank; ++r) {
      const auto& range = ranges_of_rank[static_cast<size_t>(r)][s];
      equal_left -= std::min(equal_left, range.through - range.before);
    }
    const auto& own = ranges_of_rank[static_cast<size_t>(rank)][s];
    ends.push_back(own.before + std::min(equal_left, own.through - own.before));
  }
  ends.resize(static_cast<size_t>(world), local_rows);
  return ends;
}

arrow::Result<std::vector<int64_t>> ShareEnds(Communicator& communicator, const TablePtr& sorted,
                                              const kernels::SortOptions& options, int64_t total,
                                              const Context& context) {
  ARROW_ASSIGN_OR_RAISE(auto splitters, ChooseSplitters(communicator, {{sorted, options}}, context));
  auto found = kernels::FindSplits(*sorted, options, *splitters, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, found.status(), "sort"));
  const auto mine = *std::move(found);
  const int world = communicator.world_size();
  std::vector<std::vector<kernels::SplitRange>> ranges(static_cast<size_t>(world));
  std::vector<kernels::SplitRange> all(mine.size() * static_cast<size_t>(world));
  ARROW_RETURN_NOT_OK(communicator.Allgather(std::as_bytes(std::span(mine)), std::as_writable_bytes(std::span(all))));
  for (size_t r = 0; r < ranges.size(); ++r) {
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(r * mine.size());
    ranges[r].assign(begin, begin + static_cast<std::ptrdiff_t>(mine.size()));
  }
  return CutRuns(ranges, communicator.rank(), total, sorted->num_rows(), world);
}

/// The rows of each rank's block, which are sorted, as tables of their own.
std::vector<TablePtr> RunsBySource(const exchange::ShuffleResult& shuffled) {
  std::vector<TablePtr> runs;
  int64_t begin = 0;
  for (const int64_t rows : shuffled.rows_from) {
    if (rows > 0) runs.push_back(shuffled.table->Slice(begin, rows));
    begin += rows;
  }
  if (runs.empty()) runs.push_back(shuffled.table);
  return runs;
}

int64_t RandomNumber() {
  std::random_device device;
  return std::uniform_int_distribution<int64_t>(0)(device);
}

/// A rank may have so many times its fair share of rows that are in order before they are moved.
constexpr double kMostOfShare = 1.25;

/// Rows that are in order over all ranks: where they are, or, where a rank has far too many, cut anew by position.
arrow::Result<TablePtr> KeepOrdered(Communicator& communicator, TablePtr sorted, const std::vector<int64_t>& counts,
                                    int64_t total, const Context& context) {
  const auto share = static_cast<double>(total) / static_cast<double>(counts.size());
  const int64_t most = *std::max_element(counts.begin(), counts.end());
  if (static_cast<double>(most) <= std::max(share * kMostOfShare, share + 1)) {
    NoteChoice(context, "sort.in_place");
    return sorted;
  }
  NoteChoice(context, "sort.level");
  const int64_t first = std::accumulate(counts.begin(), counts.begin() + communicator.rank(), int64_t{0});
  ARROW_ASSIGN_OR_RAISE(
      auto moved, exchange::Shuffle(communicator, std::move(sorted),
                                    exchange::ByPosition(EvenEnds(total, communicator.world_size()), first), context));
  return std::move(moved.table);
}

}  // namespace

arrow::Result<TablePtr> Sort(Communicator& communicator, TablePtr table, const kernels::SortOptions& options,
                             const Context& context, Placement* lies) {
  const arrow::Status check = kernels::CheckSort(*table->schema(), options);
  ARROW_RETURN_NOT_OK(exchange::AgreeSchema(
      communicator, check.ok() ? arrow::Result<std::shared_ptr<arrow::Schema>>(table->schema()) : check, "sort"));
  const bool alone = communicator.world_size() == 1;
  if (lies != nullptr && !alone) {
    ARROW_ASSIGN_OR_RAISE(const auto known, AgreeOrders(communicator, {lies->order().Claim(communicator, options)}));
    if (known[0]) {
      NoteChoice(context, "sort.known");
      return table;
    }
  }
  auto sorted = kernels::Sort(table, options, context);
  table.reset();
  if (lies != nullptr) *lies = Placement();
  if (alone) {
    ARROW_RETURN_NOT_OK(exchange::Agree(communicator, sorted.status(), "sort"));
    return sorted;
  }
  auto own_ends = sorted.ok() ? EndKeys(*sorted, options, context) : sorted.status();
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, own_ends.status(), "sort"));
  ARROW_ASSIGN_OR_RAISE(const auto end_keys, exchange::Allgather(communicator, *std::move(own_ends), context));
  ARROW_ASSIGN_OR_RAISE(const auto counts, exchange::AllgatherCounts(communicator, (*sorted)->num_rows()));
  if (lies != nullptr) {
    // Rank 0's number.
    ARROW_ASSIGN_OR_RAISE(const auto numbers, exchange::AllgatherCounts(communicator, RandomNumber()));
    *lies = Placement(RowOrder(communicator, options, static_cast<uint64_t>(numbers[0])));
  }
  const int64_t total = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  // All ranks see the same keys.
  const auto in_order = kernels::IsSorted(*end_keys, KeyOrder(options), context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, in_order.status(), "sort"));
  if (*in_order) return KeepOrdered(communicator, *std::move(sorted), counts, total, context);

  NoteChoice(context, "sort.shuffle");
  ARROW_ASSIGN_OR_RAISE(auto ends, ShareEnds(communicator, *sorted, options, total, context));
  ARROW_ASSIGN_OR_RAISE(auto shuffled, exchange::Shuffle(communicator, *std::move(sorted),
                                                         exchange::ByPosition(std::move(ends), 0), context));
  auto merged = kernels::MergeSorted(RunsBySource(shuffled), options, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, merged.status(), "sort"));
  return merged;
}

}  // namespace weft::distributed
