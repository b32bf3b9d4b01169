// Row hashes by value: the same on every rank and machine, however the table is chunked, sliced or encoded.
#pragma once

#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "weft/base/context.h"

namespace weft::table {

struct HashOptions {
  /// NaN hashes as null does. Otherwise all NaN hash alike, and unlike null.
  bool nan_is_null = false;
};

/// Writes one 64-bit hash a row of `batch` to `out` (num_rows entries). Equal rows of `columns` have equal hashes: by
/// value, so -0.0 hashes as 0.0, strings as their bytes whatever their offset width, a dictionary as what it stands
/// for; a null as a value of its own. All bits are well mixed, so callers may take any of them; by agreement the
/// rank of a row is RankOfHash (upper bits), and kernels partition by the lower ones.
/// On the calling thread. Status::TypeError for a type that cannot be a key (see CheckKeyTypes).
arrow::Status HashRows(const arrow::RecordBatch& batch, std::span<const int> columns, const HashOptions& options,
                       const Context& context, uint64_t* out);

/// The same for a chunked table, in row order, on up to context.threads threads.
arrow::Status HashRows(const arrow::Table& table, std::span<const int> columns, const HashOptions& options,
                       const Context& context, uint64_t* out);

/// The rank, or part, that owns a hash: evenly spread, 0 <= result < parts.
inline uint32_t RankOfHash(uint64_t hash, uint32_t parts) {
  return static_cast<uint32_t>(((hash >> 32) * parts) >> 32);
}

/// Writes RankOfHash of each row's hash, for `parts` parts, to `out` (num_rows entries), without the hashes being kept.
/// Errors as HashRows has.
arrow::Status OwnersOfRows(const arrow::RecordBatch& batch, std::span<const int> columns, const HashOptions& options,
                           uint32_t parts, const Context& context, uint32_t* out);

}  // namespace weft::table
