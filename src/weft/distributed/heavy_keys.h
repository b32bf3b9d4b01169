// Keys that have so many rows that one rank would have too much of the work.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <map>
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
  /// By hash of the key (table::HashRows); keys that no sample has are not there.
  std::map<uint64_t, double> by_key;
};

/// Collective, one small exchange (at most 1024 hashes a rank). The same on every rank.
arrow::Result<KeyEstimate> EstimateKeys(Communicator& communicator, const std::shared_ptr<arrow::Table>& table,
                                        const std::vector<int>& keys, bool nan_is_null, std::string_view operation,
                                        const Context& context);

/// Local: the rows whose key's hash is among `chosen`, and the others, both in their order.
arrow::Result<std::pair<std::shared_ptr<arrow::Table>, std::shared_ptr<arrow::Table>>> SeparateKeys(
    const std::shared_ptr<arrow::Table>& table, const std::vector<int>& keys, bool nan_is_null,
    const std::unordered_set<uint64_t>& chosen, const Context& context);

}  // namespace weft::distributed
