#include "weft/distributed/heavy_keys.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <span>
#include <type_traits>

#include "weft/exchange/exchange.h"
#include "weft/kernels/gather.h"
#include "weft/kernels/pool_array.h"
#include "weft/table/hash.h"
#include "weft/table/runs.h"

namespace weft::distributed {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

/// Rows that a rank samples of a table, at most: a key of just enough rows to be heavy is met 64 times in all samples.
constexpr int64_t kSampledRows = 256;

/// A rank's sample of one table, as it travels.
struct Sample {
  int64_t rows = 0;
  int64_t sampled = 0;
  std::array<uint64_t, kSampledRows> hashes{};
};
static_assert(std::is_trivially_copyable_v<Sample>);

arrow::Result<Sample> TakeSample(const KeyedTable& keyed, bool nan_is_null, const Context& context) {
  Sample out;
  ARROW_ASSIGN_OR_RAISE(const auto hashes, SampleKeys(keyed.table, keyed.keys, kSampledRows, nan_is_null, context));
  out.rows = keyed.table->num_rows();
  out.sampled = static_cast<int64_t>(hashes.size());
  std::copy(hashes.begin(), hashes.end(), out.hashes.begin());
  return out;
}

/// From one table's samples, those of rank r at r * step.
arrow::Result<KeyEstimate> Estimate(std::span<const Sample> samples, size_t step, std::string_view operation) {
  KeyEstimate out;
  for (size_t at = 0; at < samples.size(); at += step) {
    const Sample& sample = samples[at];
    if (sample.rows < 0 || sample.sampled != std::min(sample.rows, kSampledRows)) {
      return arrow::Status::Invalid(operation, ": rank ", at / step, " sent a sample of ", sample.sampled, " of ",
                                    sample.rows, " rows");
    }
    const auto rows = static_cast<double>(sample.rows);
    out.rows += rows;
    for (int64_t i = 0; i < sample.sampled; ++i) {
      out.by_key.emplace_back(sample.hashes[static_cast<size_t>(i)], rows / static_cast<double>(sample.sampled));
    }
  }
  std::sort(out.by_key.begin(), out.by_key.end());
  size_t kept = 0;
  for (const auto& [key, rows] : out.by_key) {
    if (kept > 0 && out.by_key[kept - 1].first == key) {
      out.by_key[kept - 1].second += rows;
    } else {
      out.by_key[kept++] = {key, rows};
    }
  }
  out.by_key.resize(kept);
  return out;
}

}  // namespace

double KeyEstimate::RowsOf(uint64_t key) const {
  const auto found = std::lower_bound(by_key.begin(), by_key.end(), std::pair{key, 0.0});
  return found == by_key.end() || found->first != key ? 0.0 : found->second;
}

arrow::Result<std::vector<uint64_t>> HashKeysOf(const TablePtr& table, const std::vector<int>& keys,
                                                const std::vector<int64_t>& rows, bool nan_is_null,
                                                const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto key_columns, table->SelectColumns(keys));
  ARROW_ASSIGN_OR_RAISE(const auto picked, kernels::GatherRows(key_columns, rows, context));
  std::vector<int> places(keys.size());
  std::iota(places.begin(), places.end(), 0);
  std::vector<uint64_t> hashes(rows.size());
  ARROW_RETURN_NOT_OK(table::HashRows(*picked, places, {.nan_is_null = nan_is_null}, context, hashes.data()));
  return hashes;
}

arrow::Result<std::vector<uint64_t>> SampleKeys(const TablePtr& table, const std::vector<int>& keys, int64_t most,
                                                bool nan_is_null, const Context& context) {
  const int64_t rows = table->num_rows();
  const int64_t sampled = std::min(rows, most);
  std::vector<int64_t> chosen;
  for (int64_t i = 0; i < sampled; ++i) chosen.push_back(i * (rows / sampled) + i * (rows % sampled) / sampled);
  return HashKeysOf(table, keys, chosen, nan_is_null, context);
}

arrow::Result<std::vector<HashSet>> ChooseHeavyKeys(Communicator& communicator, const std::vector<KeyedTable>& tables,
                                                    bool nan_is_null, std::string_view operation,
                                                    const HeavyKeyRule& rule, const Context& context) {
  constexpr Rank kRoot = 0;
  const bool is_root = communicator.rank() == kRoot;
  const auto world = static_cast<size_t>(communicator.world_size());
  std::vector<Sample> own;
  const auto take = [&]() -> arrow::Status {
    for (const auto& keyed : tables) {
      ARROW_ASSIGN_OR_RAISE(own.emplace_back(), TakeSample(keyed, nan_is_null, context));
    }
    return arrow::Status::OK();
  };
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, take(), operation));
  std::vector<Sample> all(is_root ? world * tables.size() : 0);
  ARROW_RETURN_NOT_OK(communicator.Gather(std::as_bytes(std::span<const Sample>(own)),
                                          std::as_writable_bytes(std::span<Sample>(all)), kRoot));
  std::vector<HashSet> chosen(tables.size());
  const auto choose = [&]() -> arrow::Status {
    std::vector<KeyEstimate> estimates;
    for (size_t t = 0; t < tables.size(); ++t) {
      ARROW_ASSIGN_OR_RAISE(estimates.emplace_back(),
                            Estimate(std::span<const Sample>(all).subspan(t), tables.size(), operation));
    }
    chosen = rule(estimates);
    return arrow::Status::OK();
  };
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, is_root ? choose() : arrow::Status::OK(), operation));

  std::vector<uint64_t> counts;
  std::vector<uint64_t> hashes;
  for (const auto& set : chosen) {
    counts.push_back(set.size());
    hashes.insert(hashes.end(), set.begin(), set.end());
  }
  ARROW_RETURN_NOT_OK(communicator.Broadcast(std::as_writable_bytes(std::span<uint64_t>(counts)), kRoot));
  uint64_t total = 0;
  for (const uint64_t count : counts) {
    if (count > world * kSampledRows) {
      return arrow::Status::Invalid(operation, ": rank ", kRoot, " names ", count, " heavy keys of ",
                                    world * kSampledRows, " sampled ones at most");
    }
    total += count;
  }
  if (total == 0) return chosen;
  hashes.resize(total);
  ARROW_RETURN_NOT_OK(communicator.Broadcast(std::as_writable_bytes(std::span<uint64_t>(hashes)), kRoot));
  auto next = hashes.begin();
  for (size_t t = 0; t < chosen.size(); ++t) {
    const auto end = next + static_cast<std::ptrdiff_t>(counts[t]);
    chosen[t] = HashSet(next, end);
    next = end;
  }
  return chosen;
}

arrow::Result<std::pair<TablePtr, TablePtr>> SeparateKeys(const TablePtr& table, const std::vector<int>& keys,
                                                          bool nan_is_null, const HashSet& chosen,
                                                          const Context& context) {
  const int64_t rows = table->num_rows();
  ARROW_ASSIGN_OR_RAISE(auto hashes, kernels::PoolArray<uint64_t>::Make(rows, context.pool));
  ARROW_RETURN_NOT_OK(table::HashRows(*table, keys, {.nan_is_null = nan_is_null}, context, hashes.data()));
  ARROW_ASSIGN_OR_RAISE(auto numbers, kernels::PoolArray<int64_t>::Make(rows, context.pool));
  // Chosen ones from the front, others from the back.
  int64_t front = 0;
  int64_t back = rows;
  for (int64_t i = 0; i < rows; ++i) numbers[chosen.contains(hashes[i]) ? front++ : --back] = i;
  ARROW_ASSIGN_OR_RAISE(const auto plain, table::WithoutRuns(table, context));
  if (front == 0) return std::pair{plain->Slice(0, 0), plain};
  std::reverse(numbers.begin() + front, numbers.end());
  ARROW_ASSIGN_OR_RAISE(auto found,
                        kernels::GatherRows(plain, numbers.span().first(static_cast<size_t>(front)), context));
  ARROW_ASSIGN_OR_RAISE(auto rest,
                        kernels::GatherRows(plain, numbers.span().subspan(static_cast<size_t>(front)), context));
  return std::pair{std::move(found), std::move(rest)};
}

}  // namespace weft::distributed
