#include "weft/distributed/key_filter.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <numeric>
#include <unordered_set>

#include "weft/base/choice.h"
#include "weft/distributed/heavy_keys.h"
#include "weft/distributed/placement.h"
#include "weft/exchange/exchange.h"
#include "weft/kernels/gather.h"
#include "weft/kernels/pool_array.h"
#include "weft/table/hash.h"

namespace weft::distributed {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;
using Hashes = kernels::PoolArray<uint64_t>;

/// Bytes that stay at home for each byte of the filter that a rank is sent: making and asking it costs too.
constexpr int64_t kLeastGain = 2;
/// Where more of the sampled rows than this have a match, hashing all rows a second time is not worth the rest.
constexpr double kMostMatches = 0.7;
/// Keys of a side that all ranks sample together.
constexpr int64_t kSampled = 1024;
constexpr int64_t kMostFilterBytes = int64_t{64} << 20;
constexpr int64_t kBlock = 64 * 1024;

int64_t FilterBytes(int64_t rows) { return key_filter::Words(rows) * static_cast<int64_t>(sizeof(uint64_t)); }

/// Of a side's `bytes`, 1 / world reaches a rank; of the filter, all.
bool Pays(double bytes, int64_t rows, int world_size) {
  return bytes >= static_cast<double>(FilterBytes(rows) * kLeastGain * world_size);
}

arrow::Result<Hashes> HashKeys(const FilterSide& side, bool nan_is_null, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(auto hashes, Hashes::Make(side.table->num_rows(), context.pool));
  ARROW_RETURN_NOT_OK(table::HashRows(*side.table, side.keys, {.nan_is_null = nan_is_null}, context, hashes.data()));
  return hashes;
}

/// Collective: of a sample of all ranks' `side`, which part has a hash among `other`, the hashes of this rank's keys.
arrow::Result<double> MatchingPart(Communicator& communicator, const FilterSide& side,
                                   const arrow::Result<Hashes>& other, bool nan_is_null, const Context& context) {
  const int world = communicator.world_size();
  const int64_t most = std::max<int64_t>(kSampled / world, 16);
  auto own = SampleKeys(side.table, side.keys, most, nan_is_null, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, other.ok() ? own.status() : other.status(), "join"));
  // The sampled rows stand for all of a rank, which may have few.
  ARROW_ASSIGN_OR_RAISE(const auto rows, exchange::AllgatherCounts(communicator, side.table->num_rows()));
  own->resize(static_cast<size_t>(most));
  ARROW_ASSIGN_OR_RAISE(const auto all,
                        exchange::AllgatherValues(communicator, std::span<const uint64_t>(*own), "join"));
  std::unordered_set<uint64_t> asked;
  std::bitset<1 << 16> marks;
  for (size_t rank = 0; rank < rows.size(); ++rank) {
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(rank) * most;
    for (auto hash = begin; hash != begin + std::min(rows[rank], most); ++hash) {
      asked.insert(*hash);
      marks.set(*hash & 0xffff);
    }
  }
  std::unordered_set<uint64_t> found;
  for (const uint64_t hash : *other) {
    if (marks.test(hash & 0xffff) && asked.contains(hash)) found.insert(hash);
  }
  std::array<int64_t, 1> matching = {0};
  int64_t total = 0;
  for (size_t rank = 0; rank < rows.size(); ++rank) {
    const int64_t sampled = std::min(rows[rank], most);
    total += rows[rank];
    for (int64_t i = 0; i < sampled; ++i) {
      // A key is on one rank alone, so that each row is counted once.
      if (!found.contains(all[rank * static_cast<size_t>(most) + static_cast<size_t>(i)])) continue;
      matching[0] += rows[rank] / sampled;
    }
  }
  const Reduction sum{.type = arrow::Type::INT64, .op = ReduceOp::kSum};
  const std::span<int64_t> one(matching);
  ARROW_RETURN_NOT_OK(communicator.Allreduce(std::as_bytes(one), std::as_writable_bytes(one), 1, sum));
  return total == 0 ? 1.0 : static_cast<double>(matching[0]) / static_cast<double>(total);
}

/// The filters of all ranks' keys, one behind the other.
struct Filters {
  kernels::PoolArray<uint64_t> words;
  std::vector<std::span<const uint64_t>> of_rank;

  bool MayHave(uint64_t hash) const {
    const auto owner = table::RankOfHash(hash, static_cast<uint32_t>(of_rank.size()));
    return key_filter::MayHave(of_rank[owner], hash);
  }
};

/// Collective.
arrow::Result<Filters> ShareFilters(Communicator& communicator, const Hashes& own, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(auto counts, exchange::AllgatherCounts(communicator, key_filter::Words(own.size())));
  std::vector<int64_t> starts(counts.size());
  std::exclusive_scan(counts.begin(), counts.end(), starts.begin(), int64_t{0});
  const auto me = static_cast<size_t>(communicator.rank());
  Filters made;
  auto words = kernels::PoolArray<uint64_t>::Make(starts.back() + counts.back(), context.pool);
  auto mine = kernels::PoolArray<uint64_t>::MakeZero(counts[me], context.pool);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, words.ok() ? mine.status() : words.status(), "join"));
  made.words = *std::move(words);
  const std::span<uint64_t> bits(mine->data(), static_cast<size_t>(mine->size()));
  for (const uint64_t hash : own) key_filter::Add(bits, hash);
  for (size_t rank = 0; rank < counts.size(); ++rank) {
    made.of_rank.emplace_back(made.words.data() + starts[rank], static_cast<size_t>(counts[rank]));
    counts[rank] *= static_cast<int64_t>(sizeof(uint64_t));
    starts[rank] *= static_cast<int64_t>(sizeof(uint64_t));
  }
  const std::span<uint64_t> all(made.words.data(), static_cast<size_t>(made.words.size()));
  ARROW_RETURN_NOT_OK(communicator.Allgatherv(std::as_bytes(bits), std::as_writable_bytes(all), counts, starts));
  return made;
}

arrow::Result<TablePtr> Passing(const FilterSide& side, const Filters& filters, bool nan_is_null,
                                const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const Hashes hashes, HashKeys(side, nan_is_null, context));
  ARROW_ASSIGN_OR_RAISE(auto rows, kernels::PoolArray<int64_t>::Make(hashes.size(), context.pool));
  const int64_t blocks = (hashes.size() + kBlock - 1) / kBlock;
  std::vector<int64_t> counts(static_cast<size_t>(blocks));
  ARROW_RETURN_NOT_OK(ParallelFor(context, blocks, [&](int64_t block) {
    const int64_t begin = block * kBlock;
    int64_t* out = rows.data() + begin;
    for (int64_t row = begin; row < std::min(begin + kBlock, hashes.size()); ++row) {
      *out = row;
      out += filters.MayHave(hashes[row]) ? 1 : 0;
    }
    counts[static_cast<size_t>(block)] = out - (rows.data() + begin);
    return arrow::Status::OK();
  }));
  int64_t kept = 0;
  for (int64_t block = 0; block < blocks; ++block) {
    const int64_t* from = rows.data() + block * kBlock;
    std::copy_n(from, counts[static_cast<size_t>(block)], rows.data() + kept);
    kept += counts[static_cast<size_t>(block)];
  }
  rows.Shrink(kept);
  return kernels::GatherRows(side.table, rows.span(), context);
}

}  // namespace

bool FilterMayPay(int64_t bytes, int64_t rows, int world_size) {
  return FilterBytes(rows) <= kMostFilterBytes && Pays(static_cast<double>(bytes), rows, world_size);
}

arrow::Result<TablePtr> FilterBeforeShuffle(Communicator& communicator, const FilterSide& side, int64_t bytes,
                                            const FilterSide& other, int64_t rows, bool nan_is_null,
                                            const Context& context) {
  TraceSpan span(context.tracer, "join.filter");
  span.AddRows(side.table->num_rows());
  auto keys = HashKeys(other, nan_is_null, context);
  ARROW_ASSIGN_OR_RAISE(const double part, MatchingPart(communicator, side, keys, nan_is_null, context));
  if (part > kMostMatches || !Pays(static_cast<double>(bytes) * (1 - part), rows, communicator.world_size())) {
    NoteChoice(context, "join.filter_declined");
    return side.table;
  }
  NoteChoice(context, "join.filter");
  ARROW_ASSIGN_OR_RAISE(const Filters filters, ShareFilters(communicator, *keys, context));
  keys->Free();
  auto passing = Passing(side, filters, nan_is_null, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, passing.status(), "join"));
  return passing;
}

}  // namespace weft::distributed
