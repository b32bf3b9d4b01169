#include "weft/distributed/key_filter.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <numeric>
#include <unordered_set>

#include "weft/base/choice.h"
#include "weft/distributed/heavy_keys.h"
#include "weft/distributed/placement.h"
#include "weft/exchange/exchange.h"
#include "weft/kernels/gather.h"
#include "weft/kernels/pool_array.h"
#include "weft/table/hash.h"
#include "weft/table/runs.h"

namespace weft::distributed {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;
using Hashes = kernels::PoolArray<uint64_t>;

/// Bytes that stay at home for each byte of the filter that a rank is sent: making and asking it costs too.
constexpr int64_t kLeastGain = 2;
/// Bytes that stay at home for each row that is asked about, where memory carries them: what it takes to hash and ask,
/// and to gather what passes, carries as many there.
constexpr int64_t kLeastInMemory = 32;
/// Where more of the sampled rows than this have a match, hashing all rows a second time is not worth the rest.
constexpr double kMostMatches = 0.7;
/// Keys of a side that all ranks sample together.
constexpr int64_t kSampled = 1024;
constexpr int64_t kMostFilterBytes = int64_t{64} << 20;
constexpr int64_t kBlock = 64 * 1024;
constexpr int64_t kPiece = 16 * 1024;

int64_t FilterBytes(int64_t rows) { return key_filter::Words(rows) * static_cast<int64_t>(sizeof(uint64_t)); }

/// Whether a filter pays that keeps a `part` of the side's rows at home: of a side's bytes 1 / world reaches a rank, of
/// the filter all.
bool Pays(const FilterTrade& trade, double part) {
  const double saved = static_cast<double>(trade.bytes) * part;
  const int64_t least = FilterBytes(trade.other_rows) * kLeastGain * trade.world_size;
  const int64_t least_in_memory = trade.through_memory ? trade.rows * kLeastInMemory : 0;
  return saved >= static_cast<double>(std::max(least, least_in_memory));
}

arrow::Result<Hashes> HashKeys(const FilterSide& side, bool nan_is_null, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(auto hashes, Hashes::Make(side.table->num_rows(), context.pool));
  ARROW_RETURN_NOT_OK(table::HashRows(*side.table, side.keys, {.nan_is_null = nan_is_null}, context, hashes.data()));
  return hashes;
}

/// Hashes that are asked for.
class Asked {
 public:
  void Add(uint64_t hash) {
    hashes_.insert(hash);
    marks_[Word(hash)] |= uint64_t{1} << (hash & 63);
  }

  bool Has(uint64_t hash) const { return Marked(hash) && hashes_.contains(hash); }

  /// Gives those of `hashes` that are asked for, which are few, to `use`.
  template <typename Use>
  void ForEachOf(std::span<const uint64_t> hashes, const Use& use) const {
    constexpr size_t kGroup = 8;
    size_t i = 0;
    for (; i + kGroup <= hashes.size(); i += kGroup) {
      uint64_t any = 0;
      for (size_t j = i; j < i + kGroup; ++j) any |= marks_[Word(hashes[j])] >> (hashes[j] & 63);
      if ((any & 1) == 0) continue;
      for (size_t j = i; j < i + kGroup; ++j) {
        if (Has(hashes[j])) use(hashes[j]);
      }
    }
    for (; i < hashes.size(); ++i) {
      if (Has(hashes[i])) use(hashes[i]);
    }
  }

 private:
  static size_t Word(uint64_t hash) { return (hash >> 6) & (kWords - 1); }
  bool Marked(uint64_t hash) const { return ((marks_[Word(hash)] >> (hash & 63)) & 1) != 0; }

  /// A bit for each value of the lower bits of a hash; all of them stay in the first-level cache.
  static constexpr size_t kWords = (1 << 17) / 64;
  std::array<uint64_t, kWords> marks_{};
  std::unordered_set<uint64_t> hashes_;
};

/// Those of `asked` that are hashes of a key of `side`. All of its rows are hashed, in pieces whose hashes stay in the
/// cache: they are needed again only where the filter is made.
arrow::Result<std::unordered_set<uint64_t>> FindAsked(const FilterSide& side, const Asked& asked, bool nan_is_null,
                                                      const Context& context) {
  std::unordered_set<uint64_t> found;
  std::mutex mutex;
  ARROW_ASSIGN_OR_RAISE(const auto keys, side.table->SelectColumns(side.keys));
  std::vector<int> places(side.keys.size());
  std::iota(places.begin(), places.end(), 0);
  arrow::TableBatchReader reader(*keys);
  reader.set_chunksize(kPiece);
  ARROW_ASSIGN_OR_RAISE(const auto pieces, reader.ToRecordBatches());
  ARROW_RETURN_NOT_OK(ParallelFor(context, static_cast<int64_t>(pieces.size()), [&](int64_t at) {
    const auto& piece = *pieces[static_cast<size_t>(at)];
    std::array<uint64_t, kPiece> hashes;
    ARROW_RETURN_NOT_OK(table::HashRows(piece, places, {.nan_is_null = nan_is_null}, context, hashes.data()));
    asked.ForEachOf(std::span(hashes).first(static_cast<size_t>(piece.num_rows())), [&](uint64_t hash) {
      const std::lock_guard lock(mutex);
      found.insert(hash);
    });
    return arrow::Status::OK();
  }));
  return found;
}

/// Collective: of a sample of all ranks' `side`, which part has a key among those of `other`.
arrow::Result<double> MatchingPart(Communicator& communicator, const FilterSide& side, const FilterSide& other,
                                   bool nan_is_null, const Context& context) {
  const int world = communicator.world_size();
  const int64_t most = std::max<int64_t>(kSampled / world, 16);
  auto own = SampleKeys(side.table, side.keys, most, nan_is_null, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, own.status(), "join"));
  // The sampled rows stand for all of a rank, which may have few.
  ARROW_ASSIGN_OR_RAISE(const auto rows, exchange::AllgatherCounts(communicator, side.table->num_rows()));
  own->resize(static_cast<size_t>(most));
  ARROW_ASSIGN_OR_RAISE(const auto all,
                        exchange::AllgatherValues(communicator, std::span<const uint64_t>(*own), "join"));
  Asked asked;
  for (size_t rank = 0; rank < rows.size(); ++rank) {
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(rank) * most;
    for (auto hash = begin; hash != begin + std::min(rows[rank], most); ++hash) {
      // Others are on other ranks.
      if (table::RankOfHash(*hash, static_cast<uint32_t>(world)) == static_cast<uint32_t>(communicator.rank())) {
        asked.Add(*hash);
      }
    }
  }
  auto found = FindAsked(other, asked, nan_is_null, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, found.status(), "join"));
  std::array<int64_t, 1> matching = {0};
  int64_t total = 0;
  for (size_t rank = 0; rank < rows.size(); ++rank) {
    const int64_t sampled = std::min(rows[rank], most);
    total += rows[rank];
    for (int64_t i = 0; i < sampled; ++i) {
      // A key is on one rank alone, so that each row is counted once.
      if (!found->contains(all[rank * static_cast<size_t>(most) + static_cast<size_t>(i)])) continue;
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

arrow::Result<kernels::PoolArray<uint64_t>> MakeFilter(const FilterSide& side, bool nan_is_null,
                                                       const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const Hashes hashes, HashKeys(side, nan_is_null, context));
  ARROW_ASSIGN_OR_RAISE(auto words,
                        kernels::PoolArray<uint64_t>::MakeZero(key_filter::Words(hashes.size()), context.pool));
  const std::span<uint64_t> bits(words.data(), static_cast<size_t>(words.size()));
  for (const uint64_t hash : hashes) key_filter::Add(bits, hash);
  return words;
}

/// Collective.
arrow::Result<Filters> ShareFilters(Communicator& communicator, const FilterSide& side, bool nan_is_null,
                                    const Context& context) {
  const int64_t own_words = key_filter::Words(side.table->num_rows());
  ARROW_ASSIGN_OR_RAISE(auto counts, exchange::AllgatherCounts(communicator, own_words));
  std::vector<int64_t> starts(counts.size());
  std::exclusive_scan(counts.begin(), counts.end(), starts.begin(), int64_t{0});
  Filters made;
  auto words = kernels::PoolArray<uint64_t>::Make(starts.back() + counts.back(), context.pool);
  auto mine = MakeFilter(side, nan_is_null, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, words.ok() ? mine.status() : words.status(), "join"));
  made.words = *std::move(words);
  const std::span<const uint64_t> bits(mine->data(), static_cast<size_t>(mine->size()));
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
  ARROW_ASSIGN_OR_RAISE(const auto plain, table::WithoutRuns(side.table, context));
  return kernels::GatherRows(plain, rows.span(), context);
}

}  // namespace

bool FilterMayPay(const FilterTrade& trade) {
  return FilterBytes(trade.other_rows) <= kMostFilterBytes && Pays(trade, 1);
}

arrow::Result<TablePtr> FilterBeforeShuffle(Communicator& communicator, const FilterSide& side, const FilterSide& other,
                                            const FilterTrade& trade, bool nan_is_null, const Context& context) {
  TraceSpan span(context.tracer, "join.filter");
  span.AddRows(side.table->num_rows());
  ARROW_ASSIGN_OR_RAISE(const double part, MatchingPart(communicator, side, other, nan_is_null, context));
  if (part > kMostMatches || !Pays(trade, 1 - part)) {
    NoteChoice(context, "join.filter_declined");
    return side.table;
  }
  NoteChoice(context, "join.filter");
  ARROW_ASSIGN_OR_RAISE(const Filters filters, ShareFilters(communicator, other, nan_is_null, context));
  auto passing = Passing(side, filters, nan_is_null, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, passing.status(), "join"));
  return passing;
}

}  // namespace weft::distributed
