#include "weft/distributed/join_shuffle.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "weft/exchange/exchange.h"
#include "weft/kernels/gather.h"
#include "weft/kernels/pool_array.h"
#include "weft/table/hash.h"

namespace weft::distributed {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;
using kernels::JoinOptions;
using kernels::JoinType;

/// Rows of each side that a rank samples, at most.
constexpr int64_t kSampledRows = 1024;
/// A key is heavy if one side has more rows of it than a rank's fair share of all rows, divided by this.
constexpr double kHeavyPart = 4;

/// Hashes of keys whose rows are dealt out, by the side that has the many rows.
struct HeavyKeys {
  std::unordered_set<uint64_t> left;
  std::unordered_set<uint64_t> right;
  bool empty() const { return left.empty() && right.empty(); }
};

/// A sample of a rank's keys as bytes: the number of its rows, then hashes.
arrow::Result<std::string> SampleKeys(const TablePtr& table, const std::vector<int>& keys, bool nan_is_null,
                                      const Context& context) {
  const int64_t rows = table->num_rows();
  const int64_t sampled = std::min(rows, kSampledRows);
  std::vector<int64_t> chosen;
  for (int64_t i = 0; i < sampled; ++i) chosen.push_back(i * (rows / sampled) + i * (rows % sampled) / sampled);
  ARROW_ASSIGN_OR_RAISE(const auto key_columns, table->SelectColumns(keys));
  ARROW_ASSIGN_OR_RAISE(const auto sample, kernels::GatherRows(key_columns, chosen, context));
  std::vector<int> places;
  for (int k = 0; k < sample->num_columns(); ++k) places.push_back(k);
  std::vector<uint64_t> words(static_cast<size_t>(sampled) + 1);
  words[0] = static_cast<uint64_t>(rows);
  ARROW_RETURN_NOT_OK(table::HashRows(*sample, places, {.nan_is_null = nan_is_null}, context, words.data() + 1));
  return std::string(reinterpret_cast<const char*>(words.data()), words.size() * sizeof(uint64_t));
}

struct Estimate {
  double rows = 0;
  /// By hash of the key.
  std::map<uint64_t, double> by_key;
};

arrow::Result<Estimate> EstimateSide(Communicator& communicator, const TablePtr& table, const std::vector<int>& keys,
                                     const JoinOptions& options, const Context& context) {
  const auto sample = SampleKeys(table, keys, options.nan_is_null, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, sample.status(), "join"));
  ARROW_ASSIGN_OR_RAISE(const auto samples, exchange::AllgatherBytes(communicator, *sample));
  Estimate out;
  for (const std::string& one : samples) {
    std::vector<uint64_t> words(one.size() / sizeof(uint64_t));
    std::memcpy(words.data(), one.data(), words.size() * sizeof(uint64_t));
    const auto rows = static_cast<double>(words[0]);
    out.rows += rows;
    for (size_t i = 1; i < words.size(); ++i) out.by_key[words[i]] += rows / static_cast<double>(words.size() - 1);
  }
  return out;
}

arrow::Result<HeavyKeys> FindHeavyKeys(Communicator& communicator, const TablePtr& left, const TablePtr& right,
                                       const JoinOptions& options, const Context& context) {
  HeavyKeys heavy;
  if (options.type == JoinType::kOuter) return heavy;
  ARROW_ASSIGN_OR_RAISE(auto left_keys, EstimateSide(communicator, left, options.left_keys, options, context));
  ARROW_ASSIGN_OR_RAISE(auto right_keys, EstimateSide(communicator, right, options.right_keys, options, context));
  const double least = (left_keys.rows + right_keys.rows) / communicator.world_size() / kHeavyPart;
  const auto rows_of = [](const Estimate& side, uint64_t key) {
    const auto found = side.by_key.find(key);
    return found == side.by_key.end() ? 0.0 : found->second;
  };
  if (options.type != JoinType::kRight) {
    for (const auto& [key, rows] : left_keys.by_key) {
      const bool larger = options.type != JoinType::kInner || rows >= rows_of(right_keys, key);
      if (rows > least && larger) heavy.left.insert(key);
    }
  }
  if (options.type == JoinType::kInner || options.type == JoinType::kRight) {
    for (const auto& [key, rows] : right_keys.by_key) {
      if (rows > least && !heavy.left.contains(key)) heavy.right.insert(key);
    }
  }
  return heavy;
}

/// By hash, but those of `dealt` out one by one, beginning with rank `first`.
exchange::Partitioner ByHashOrDealt(std::vector<int> keys, bool nan_is_null, const std::unordered_set<uint64_t>& dealt,
                                    uint32_t ranks, uint32_t first) {
  return [keys = std::move(keys), nan_is_null, &dealt, ranks, next = first](
             const arrow::RecordBatch& batch, int64_t /*first_row*/, std::span<uint32_t> targets) mutable {
    std::vector<uint64_t> hashes(static_cast<size_t>(batch.num_rows()));
    ARROW_RETURN_NOT_OK(table::HashRows(batch, keys, {.nan_is_null = nan_is_null}, hashes.data()));
    for (size_t i = 0; i < hashes.size(); ++i) {
      if (dealt.contains(hashes[i])) {
        targets[i] = next;
        next = next + 1 == ranks ? 0 : next + 1;
      } else {
        targets[i] = table::RankOfHash(hashes[i], ranks);
      }
    }
    return arrow::Status::OK();
  };
}

/// The rows whose key is among `chosen`, and the others.
arrow::Result<std::pair<TablePtr, TablePtr>> Separate(const TablePtr& table, const std::vector<int>& keys,
                                                      bool nan_is_null, const std::unordered_set<uint64_t>& chosen,
                                                      const Context& context) {
  const int64_t rows = table->num_rows();
  ARROW_ASSIGN_OR_RAISE(auto hashes, kernels::PoolArray<uint64_t>::Make(rows, context.pool));
  ARROW_RETURN_NOT_OK(table::HashRows(*table, keys, {.nan_is_null = nan_is_null}, context, hashes.data()));
  ARROW_ASSIGN_OR_RAISE(auto numbers, kernels::PoolArray<int64_t>::Make(rows, context.pool));
  // Chosen ones from the front, others from the back.
  int64_t front = 0;
  int64_t back = rows;
  for (int64_t i = 0; i < rows; ++i) numbers[chosen.contains(hashes[i]) ? front++ : --back] = i;
  if (front == 0) return std::pair{table->Slice(0, 0), table};
  std::reverse(numbers.begin() + front, numbers.end());
  ARROW_ASSIGN_OR_RAISE(auto found,
                        kernels::GatherRows(table, numbers.span().first(static_cast<size_t>(front)), context));
  ARROW_ASSIGN_OR_RAISE(auto rest,
                        kernels::GatherRows(table, numbers.span().subspan(static_cast<size_t>(front)), context));
  return std::pair{std::move(found), std::move(rest)};
}

arrow::Status ShuffleSide(Communicator& communicator, const std::vector<int>& keys, bool nan_is_null,
                          const std::unordered_set<uint64_t>& dealt, const std::unordered_set<uint64_t>& copied,
                          const Context& context, TablePtr* table) {
  TablePtr everywhere;
  if (!copied.empty()) {
    auto parts = Separate(*table, keys, nan_is_null, copied, context);
    ARROW_RETURN_NOT_OK(exchange::Agree(communicator, parts.status(), "join"));
    *table = std::move(parts->second);
    ARROW_ASSIGN_OR_RAISE(everywhere, exchange::Allgather(communicator, std::move(parts->first), context));
  }
  const auto ranks = static_cast<uint32_t>(communicator.world_size());
  const auto partitioner =
      dealt.empty() ? exchange::ByHash(keys, nan_is_null, communicator.world_size())
                    : ByHashOrDealt(keys, nan_is_null, dealt, ranks, static_cast<uint32_t>(communicator.rank()));
  ARROW_ASSIGN_OR_RAISE(auto shuffled, exchange::Shuffle(communicator, std::move(*table), partitioner, context));
  *table = std::move(shuffled.table);
  if (everywhere == nullptr) return arrow::Status::OK();
  return arrow::ConcatenateTables({*table, everywhere}, arrow::ConcatenateTablesOptions::Defaults(), context.pool)
      .Value(table);
}

}  // namespace

arrow::Status ShuffleForJoin(Communicator& communicator, const JoinOptions& options, const Context& context,
                             TablePtr* left, TablePtr* right) {
  ARROW_ASSIGN_OR_RAISE(const auto heavy, FindHeavyKeys(communicator, *left, *right, options, context));
  ARROW_RETURN_NOT_OK(
      ShuffleSide(communicator, options.left_keys, options.nan_is_null, heavy.left, heavy.right, context, left));
  return ShuffleSide(communicator, options.right_keys, options.nan_is_null, heavy.right, heavy.left, context, right);
}

}  // namespace weft::distributed
