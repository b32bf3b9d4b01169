// What the columns of a join's result are made from.
#pragma once

#include <arrow/result.h>
#include <arrow/type_fwd.h>

#include <memory>
#include <vector>

#include "weft/kernels/join.h"

namespace weft::kernels {

enum class Side : int { kLeft = 0, kRight = 1 };

struct OutputColumn {
  /// The side whose column it is; for a key that both sides share: kLeft, unless only the right side is sure to have
  /// it (right join).
  Side side = Side::kLeft;
  int column = 0;
  /// The pair of keys that a common key column stands for, else -1.
  int key = -1;
  /// A common key of an outer join: taken from the left where it has the row, else from the right.
  bool coalesced = false;
  /// No side's column: tells which sides have the row.
  bool indicator = false;
};

struct JoinPlan {
  std::shared_ptr<arrow::Schema> schema;
  std::vector<OutputColumn> columns;
  std::vector<int> right_keys;
};

/// Checks the arguments as JoinSchema says.
arrow::Result<JoinPlan> PlanJoin(const arrow::Schema& left, const arrow::Schema& right, const JoinOptions& options);

/// The type of an indicator, and its values: a row of the left alone, of the right alone, of both.
std::shared_ptr<arrow::DataType> IndicatorType();
enum class Origin : int8_t { kLeftOnly = 0, kRightOnly = 1, kBoth = 2 };

inline bool KeepsUnmatchedLeft(JoinType type) { return type == JoinType::kLeft || type == JoinType::kOuter; }
inline bool KeepsUnmatchedRight(JoinType type) { return type == JoinType::kRight || type == JoinType::kOuter; }

}  // namespace weft::kernels
