// Tables over a communicator. Every function here is collective over the communicator's ranks.
//
// Blocks are put together by source rank, then by the order in which the source had them, never by arrival. A rank that
// has an error gives it as its argument (where one takes a Result or Status) and every rank returns it, naming that
// rank; the communicator stays usable. An error that arises in the middle of an exchange travels in the stream's last
// block and does the same.
//
// Columns of runs (table/runs.h) are sent as they are and arrive so, but for those that have them on some ranks alone,
// and in a shuffle those for which they do not pay on some rank: these arrive without runs, on all ranks.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "weft/base/context.h"
#include "weft/base/types.h"
#include "weft/communicator/communicator.h"

namespace weft::exchange {

/// OK on all ranks if every rank's `local` is OK; otherwise on all ranks the error of the lowest rank that has one (its
/// code, its text led by "rank r: "), a rank's own error first. One small allreduce when all is well.
arrow::Status Agree(Communicator& communicator, const arrow::Status& local, std::string_view operation);

/// Agree, and that all ranks' schemas have the same names and types (Status::TypeError naming the first column that
/// differs, the two ranks and the two types). Metadata, nullability and whether a column has runs may differ.
arrow::Status AgreeSchema(Communicator& communicator, const arrow::Result<std::shared_ptr<arrow::Schema>>& local,
                          std::string_view operation);

/// Writes to `targets` (one entry a row of `batch`) the rank each row goes to. `first_row` is the number of the batch's
/// first row in this rank's table, `context` the shuffle's. Called in the order of the rows, by the calling thread; not
/// at all in a world of one rank.
using Partitioner = std::function<arrow::Status(const arrow::RecordBatch& batch, int64_t first_row,
                                                const Context& context, std::span<uint32_t> targets)>;

struct ShuffleOptions {
  /// Rows are partitioned and sent in batches of about this many bytes.
  int64_t batch_bytes = 4 << 20;
  /// Bound on bytes under way to each peer; at least one block always goes.
  int64_t max_in_flight_bytes = 16 << 20;
};

struct ShuffleResult {
  /// This rank's rows, chunked by source rank and block.
  std::shared_ptr<arrow::Table> table;
  /// How many rows each rank sent, by rank.
  std::vector<int64_t> rows_from;
};

/// Every row to the rank that `partitioner` names. Pipelined: a batch is partitioned while earlier ones travel. The
/// table is taken by value so that a caller who gives it away frees it as it is sent. Schemas must have been agreed.
arrow::Result<ShuffleResult> Shuffle(Communicator& communicator, std::shared_ptr<arrow::Table> table,
                                     const Partitioner& partitioner, const Context& context,
                                     const ShuffleOptions& options = {});

/// A partitioner by hash of key columns (table::RankOfHash): equal keys meet on one rank, across tables too.
Partitioner ByHash(std::vector<int> columns, bool nan_is_null, int world_size);

/// A partitioner that keeps row order and gives rank r the rows [ends[r - 1], ends[r]) of the global table, of which
/// this rank's first row is number `offset`.
Partitioner ByPosition(std::vector<int64_t> ends, int64_t offset);

/// All ranks' rows on `root`, by rank; elsewhere an empty table of the same schema.
arrow::Result<std::shared_ptr<arrow::Table>> Gather(Communicator& communicator, std::shared_ptr<arrow::Table> table,
                                                    Rank root, const Context& context);

/// All ranks' rows on all ranks, by rank.
arrow::Result<std::shared_ptr<arrow::Table>> Allgather(Communicator& communicator, std::shared_ptr<arrow::Table> table,
                                                       const Context& context);

/// The root's table on all ranks; the table of other ranks is not looked at and may be nullptr.
arrow::Result<std::shared_ptr<arrow::Table>> Broadcast(Communicator& communicator, std::shared_ptr<arrow::Table> table,
                                                       Rank root, const Context& context);

/// Small byte strings, any length a rank: all of them on all ranks, by rank.
arrow::Result<std::vector<std::string>> AllgatherBytes(Communicator& communicator, std::string_view bytes);

/// The values of all ranks, by rank: each has as many as this one, else Status::Invalid, which names the rank.
template <typename T>
arrow::Result<std::vector<T>> AllgatherValues(Communicator& communicator, std::span<const T> own,
                                              std::string_view operation) {
  static_assert(std::is_trivially_copyable_v<T>);
  ARROW_ASSIGN_OR_RAISE(const auto all, AllgatherBytes(communicator, AsText(std::as_bytes(own))));
  std::vector<T> values(all.size() * own.size());
  for (size_t rank = 0; rank < all.size(); ++rank) {
    if (all[rank].size() != own.size_bytes()) {
      return arrow::Status::Invalid(operation, ": rank ", rank, " sent ", all[rank].size(), " bytes in the place of ",
                                    own.size_bytes());
    }
    std::memcpy(static_cast<void*>(values.data() + rank * own.size()), all[rank].data(), own.size_bytes());
  }
  return values;
}

/// The numbers of rows of all ranks, by rank.
arrow::Result<std::vector<int64_t>> AllgatherCounts(Communicator& communicator, int64_t rows);

}  // namespace weft::exchange
