#include "weft/distributed/asof_join.h"

#include <arrow/type.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "weft/distributed/rows_home.h"
#include "weft/distributed/slice.h"
#include "weft/exchange/exchange.h"

namespace weft::distributed {
namespace {

using kernels::AsofOptions;
using kernels::PoolArray;
using TablePtr = std::shared_ptr<arrow::Table>;

/// The least and the greatest key of a rank's rows, if it has any.
struct KeyRange {
  bool any = false;
  uint64_t first = 0;
  uint64_t last = 0;
};

/// All ranks' ranges; Status::Invalid where one begins before an earlier one ends.
arrow::Result<std::vector<KeyRange>> ShareRanges(Communicator& communicator, const PoolArray<uint64_t>& keys,
                                                 const char* side) {
  uint64_t words[2] = {0, 0};
  if (!keys.empty()) {
    words[0] = keys[0];
    words[1] = keys[keys.size() - 1];
  }
  const std::string_view bytes(reinterpret_cast<const char*>(words), keys.empty() ? 0 : sizeof(words));
  ARROW_ASSIGN_OR_RAISE(const auto all, exchange::AllgatherBytes(communicator, bytes));
  std::vector<KeyRange> out(all.size());
  const KeyRange* before = nullptr;
  for (size_t r = 0; r < all.size(); ++r) {
    if (all[r].empty()) continue;
    KeyRange& range = out[r];
    range.any = true;
    std::memcpy(&range.first, all[r].data(), sizeof(uint64_t));
    std::memcpy(&range.last, all[r].data() + sizeof(uint64_t), sizeof(uint64_t));
    if (before != nullptr && range.first < before->last) {
      return arrow::Status::Invalid("merge_asof: the ", side, " is not sorted by its key over all ranks: rank ", r,
                                    " begins with less than a rank before it ends with; use sort_values first");
    }
    before = &range;
  }
  return out;
}

/// Of the right's rows those that this rank's left rows can be joined with.
arrow::Result<TablePtr> FetchRight(Communicator& communicator, const TablePtr& right, const PoolArray<uint64_t>& keys,
                                   const std::vector<KeyRange>& left_ranges, const Context& context) {
  std::vector<TablePtr> parts;
  std::vector<int64_t> ends;
  int64_t rows = 0;
  for (const KeyRange& range : left_ranges) {
    if (range.any) {
      const int64_t begin = std::lower_bound(keys.begin(), keys.end(), range.first) - keys.begin();
      const int64_t end = std::upper_bound(keys.begin() + begin, keys.end(), range.last) - keys.begin();
      const int64_t from = std::max<int64_t>(0, begin - 1);
      parts.push_back(right->Slice(from, std::min(keys.size(), end + 1) - from));
      rows += parts.back()->num_rows();
    }
    ends.push_back(rows);
  }
  if (parts.empty()) parts.push_back(right->Slice(0, 0));
  ARROW_ASSIGN_OR_RAISE(auto sent,
                        arrow::ConcatenateTables(parts, arrow::ConcatenateTablesOptions::Defaults(), context.pool));
  ARROW_ASSIGN_OR_RAISE(auto shuffled, exchange::Shuffle(communicator, std::move(sent),
                                                         exchange::ByPosition(std::move(ends), 0), context));
  return std::move(shuffled.table);
}

arrow::Result<TablePtr> ShuffleBy(Communicator& communicator, TablePtr table, const std::vector<int>& by,
                                  const Context& context) {
  const auto partitioner = exchange::ByHash(by, /*nan_is_null=*/true, communicator.world_size());
  ARROW_ASSIGN_OR_RAISE(auto shuffled, exchange::Shuffle(communicator, std::move(table), partitioner, context));
  return std::move(shuffled.table);
}

/// Ranks' rows come by source rank and in their order, so that they are sorted where they meet, too.
arrow::Result<TablePtr> JoinByGroup(Communicator& communicator, const TablePtr& left, const TablePtr& right,
                                    const AsofOptions& options, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const RowsHome home, RowsHome::Make(communicator, left->num_rows()));
  auto numbered = home.AppendNumbers(left, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, numbered.status(), "merge_asof"));
  ARROW_ASSIGN_OR_RAISE(auto lefts, ShuffleBy(communicator, *std::move(numbered), options.left_by, context));
  ARROW_ASSIGN_OR_RAISE(auto rights, ShuffleBy(communicator, right, options.right_by, context));
  auto joined = kernels::AsofJoin(lefts, rights, options, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, joined.status(), "merge_asof"));
  return home.BringBack(communicator, *std::move(joined), left->num_columns(), context);
}

}  // namespace

arrow::Result<TablePtr> AsofJoin(Communicator& communicator, TablePtr left, TablePtr right, const AsofOptions& options,
                                 const Context& context) {
  auto both = kernels::AsofSchema(*left->schema(), *right->schema(), options);
  if (both.ok()) {
    arrow::FieldVector fields = left->schema()->fields();
    fields.insert(fields.end(), right->schema()->fields().begin(), right->schema()->fields().end());
    both = arrow::schema(std::move(fields));
  }
  ARROW_RETURN_NOT_OK(exchange::AgreeSchema(communicator, both, "merge_asof"));
  const auto left_keys = kernels::AsofKeys(*left->column(options.left_on), "left", context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, left_keys.status(), "merge_asof"));
  const auto right_keys = kernels::AsofKeys(*right->column(options.right_on), "right", context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, right_keys.status(), "merge_asof"));
  ARROW_ASSIGN_OR_RAISE(const auto left_ranges, ShareRanges(communicator, *left_keys, "left"));
  ARROW_RETURN_NOT_OK(ShareRanges(communicator, *right_keys, "right").status());
  if (communicator.world_size() > 1) {
    if (!options.left_by.empty()) return JoinByGroup(communicator, left, right, options, context);
    ARROW_ASSIGN_OR_RAISE(right, FetchRight(communicator, right, *right_keys, left_ranges, context));
  }
  auto joined = kernels::AsofJoin(left, right, options, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, joined.status(), "merge_asof"));
  return joined;
}

}  // namespace weft::distributed
