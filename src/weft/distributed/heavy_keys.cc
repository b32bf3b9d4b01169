#include "weft/distributed/heavy_keys.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "weft/exchange/exchange.h"
#include "weft/kernels/gather.h"
#include "weft/kernels/pool_array.h"
#include "weft/table/hash.h"

namespace weft::distributed {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

/// Rows that a rank samples, at most.
constexpr int64_t kSampledRows = 1024;

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

}  // namespace

arrow::Result<KeyEstimate> EstimateKeys(Communicator& communicator, const TablePtr& table, const std::vector<int>& keys,
                                        bool nan_is_null, std::string_view operation, const Context& context) {
  const auto sample = SampleKeys(table, keys, nan_is_null, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, sample.status(), operation));
  ARROW_ASSIGN_OR_RAISE(const auto samples, exchange::AllgatherBytes(communicator, *sample));
  KeyEstimate out;
  for (const std::string& one : samples) {
    std::vector<uint64_t> words(one.size() / sizeof(uint64_t));
    std::memcpy(words.data(), one.data(), words.size() * sizeof(uint64_t));
    const auto rows = static_cast<double>(words[0]);
    out.rows += rows;
    for (size_t i = 1; i < words.size(); ++i) out.by_key[words[i]] += rows / static_cast<double>(words.size() - 1);
  }
  return out;
}

arrow::Result<std::pair<TablePtr, TablePtr>> SeparateKeys(const TablePtr& table, const std::vector<int>& keys,
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

}  // namespace weft::distributed
