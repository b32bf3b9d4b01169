// Keys that have so many rows that one rank would have too much of the work.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"

namespace weft::distributed {

/// A key is heavy if it has more rows than a rank's fair share of all rows, divided by this.
constexpr double kHeavyPart = 4;

/// How many rows keys have on all ranks, from samples.
struct KeyEstimate {
  double rows = 0;
  /// Hashes of keys (table::HashRows), rising, and rows of them; keys that no sample has are not there.
  std::vector<std::pair<uint64_t, double>> by_key;

  /// 0 for a key that no sample has.
  double RowsOf(uint64_t key) const;
};

/// A table whose heavy keys are looked for.
struct KeyedTable {
  std::shared_ptr<arrow::Table> table;
  std::vector<int> keys;
};

using HashSet = std::unordered_set<uint64_t>;
/// Hashes of the keys that are heavy, a set for each estimate (one a table, in their order).
using HeavyKeyRule = std::function<std::vector<HashSet>(const std::vector<KeyEstimate>& estimates)>;

/// Collective: at most 256 hashes a rank and table go to rank 0, which alone applies the rule; what it chose comes
/// back, a set for each table, the same on every rank.
arrow::Result<std::vector<HashSet>> ChooseHeavyKeys(Communicator& communicator, const std::vector<KeyedTable>& tables,
                                                    bool nan_is_null, std::string_view operation,
                                                    const HeavyKeyRule& rule, const Context& context);

/// Local: the hashes of the keys of `rows`, in their order.
arrow::Result<std::vector<uint64_t>> HashKeysOf(const std::shared_ptr<arrow::Table>& table,
                                                const std::vector<int>& keys, const std::vector<int64_t>& rows,
                                                bool nan_is_null, const Context& context);

/// Local: the hashes of the keys of `most` rows, or of all where there are fewer, evenly spread over the table.
arrow::Result<std::vector<uint64_t>> SampleKeys(const std::shared_ptr<arrow::Table>& table,
                                                const std::vector<int>& keys, int64_t most, bool nan_is_null,
                                                const Context& context);

/// Local: the rows whose key's hash is among `chosen`, and the others, both in their order.
arrow::Result<std::pair<std::shared_ptr<arrow::Table>, std::shared_ptr<arrow::Table>>> SeparateKeys(
    const std::shared_ptr<arrow::Table>& table, const std::vector<int>& keys, bool nan_is_null, const HashSet& chosen,
    const Context& context);

}  // namespace weft::distributed
