// Joins of two tables on equal keys, on one rank.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "weft/base/context.h"

namespace weft::kernels {

/// kLeftSemi: the left rows whose key the right has, each once; kLeftAnti: those whose key it has not. kCross: every
/// pair.
enum class JoinType { kInner, kLeft, kRight, kOuter, kCross, kLeftSemi, kLeftAnti };
/// kBroadcast and kAuto are about ranks; on one rank they are kHash.
enum class JoinAlgorithm { kHash, kSort, kBroadcast, kAuto };

struct JoinOptions {
  /// None for kCross.
  std::vector<int> left_keys = {};
  std::vector<int> right_keys = {};
  JoinType type = JoinType::kInner;
  JoinAlgorithm algorithm = JoinAlgorithm::kHash;
  /// A null key equals a null key (pandas) or nothing (SQL).
  bool nulls_equal = true;
  /// A NaN key is a null key. Otherwise NaN equals NaN and no null.
  bool nan_is_null = false;
  /// Added to columns of one name that are on both sides and are not a common key column.
  std::string left_suffix = "_x";
  std::string right_suffix = "_y";
  /// The name of a last column that says where a row is from: "left_only", "right_only" or "both", a dictionary of
  /// these three. Empty: no such column. Not for kLeftSemi and kLeftAnti.
  std::string indicator = {};
  /// The result's columns to make, by their place in the full result, in this order. None is a result that has rows and
  /// no columns: a count.
  std::optional<std::vector<int>> columns = {};
  /// pandas' row order: by left row, then right row (kRight: by right row, then left row; kOuter: by keys, nulls last).
  bool maintain_order = false;
};

/// Whether the result is a choice of left rows.
inline bool ChoosesLeftRows(JoinType type) { return type == JoinType::kLeftSemi || type == JoinType::kLeftAnti; }

/// The schema of the result, or what is wrong with the arguments: keys out of range, lists of unequal or zero length,
/// types that are no keys or differ between the sides (Status::TypeError naming both columns and types), output names
/// that would be there twice (Status::Invalid).
///
/// Columns: all of the left, then those of the right. A pair of keys with one name gives one column, at the left one's
/// place, with the key of whichever side has the row; pairs with two names give both columns. kLeftSemi and kLeftAnti:
/// the left's columns.
arrow::Result<std::shared_ptr<arrow::Schema>> JoinSchema(const arrow::Schema& left, const arrow::Schema& right,
                                                         const JoinOptions& options);

/// Joins. kHash: radix-partitioned hash join; order of rows deterministic, given by the partitions, and not promised.
/// kSort: sort-merge join; rows ordered by the keys (ascending, nulls last), rows of one key by left then by right row
/// (kRight: by right then by left row). kCross: by left then by right row, whatever the algorithm.
/// Uses up to context.threads threads with the same result for any number. Peak memory: inputs, output, and one
/// partitioned copy of both sides, which is freed partition by partition. Status::OutOfMemory when the pool is
/// exhausted. Sources: Balkesen et al., "Main-memory hash joins on multi-core CPUs", ICDE 2013; Manegold, Boncz,
/// Kersten, "Optimizing main-memory join on modern hardware", TKDE 2002.
arrow::Result<std::shared_ptr<arrow::Table>> Join(const std::shared_ptr<arrow::Table>& left,
                                                  const std::shared_ptr<arrow::Table>& right,
                                                  const JoinOptions& options, const Context& context);

}  // namespace weft::kernels
