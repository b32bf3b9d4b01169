#include "weft/kernels/spilled_join.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "weft/kernels/sort.h"
#include "weft/kernels/spilling.h"
#include "weft/table/spill_file.h"
#include "weft/table/tables.h"

namespace weft::kernels {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;
using Tables = std::vector<TablePtr>;

/// How often a part is cut again.
constexpr int kLevels = 3;

/// Whether each row of a side has its result for itself, so that the side may be joined block by block.
bool CanBlockLeft(JoinType type) {
  return type == JoinType::kInner || type == JoinType::kLeft || ChoosesLeftRows(type);
}
bool CanBlockRight(JoinType type) { return type == JoinType::kInner || type == JoinType::kRight; }

/// Whether rows of a side that the other has nothing for are in the result.
bool NeedsLeft(JoinType type) { return CanBlockLeft(type); }
bool NeedsRight(JoinType type) { return type == JoinType::kRight || type == JoinType::kInner; }

/// A part of one side.
struct Part {
  table::SpillFile* file = nullptr;
  int number = 0;

  int64_t rows() const { return file->rows(number); }
  int64_t bytes() const { return file->bytes(number); }
  size_t segments() const { return file->segments(number); }
  arrow::Result<TablePtr> Take() const { return file->Take(number, 0, segments()); }
};

class Joiner {
 public:
  Joiner(const JoinOptions& options, const Context& context)
      : options_(options), context_(context), piece_(ForPiece(context)) {}

  arrow::Status ByHash(const TablePtr& left, const TablePtr& right) {
    const int parts = PartsFor(table::TableBytes(*left) + table::TableBytes(*right), context_);
    ARROW_ASSIGN_OR_RAISE(const auto lefts, SpillByKey(left->schema(), BatchesOf(left), options_.left_keys,
                                                       options_.nan_is_null, parts, 0, context_));
    ARROW_ASSIGN_OR_RAISE(const auto rights, SpillByKey(right->schema(), BatchesOf(right), options_.right_keys,
                                                        options_.nan_is_null, parts, 0, context_));
    for (int part = 0; part < parts; ++part) {
      ARROW_RETURN_NOT_OK(JoinPart({lefts.get(), part}, {rights.get(), part}, 1));
    }
    return arrow::Status::OK();
  }

  arrow::Status ByRange(const TablePtr& left, const TablePtr& right);
  arrow::Status Crossed(const TablePtr& left, const TablePtr& right);

  /// What came out so far, in order.
  Tables& results() { return results_; }

 private:
  arrow::Status Add(const TablePtr& left, const TablePtr& right) {
    ARROW_RETURN_NOT_OK(context_.stop.Poll());
    ARROW_ASSIGN_OR_RAISE(auto kept, Keep(Join(left, right, options_, piece_), context_));
    if (kept->num_rows() > 0) results_.push_back(std::move(kept));
    return arrow::Status::OK();
  }

  arrow::Status JoinPart(Part left, Part right, int level);
  arrow::Status CutAgain(Part left, Part right, int level);
  arrow::Status JoinLarge(Part left, Part right);
  arrow::Status InBlocks(Part large, const TablePtr& other, bool large_is_left);

  const JoinOptions& options_;
  const Context& context_;
  const Context piece_;
  Tables results_;
};

arrow::Status Joiner::JoinPart(Part left, Part right, int level) {
  if (left.rows() == 0 && (right.rows() == 0 || NeedsLeft(options_.type))) return arrow::Status::OK();
  if (right.rows() == 0 && NeedsRight(options_.type)) return arrow::Status::OK();
  if (left.bytes() + right.bytes() > WorkPiece(context_) / 2 * 3) {
    return level < kLevels ? CutAgain(left, right, level) : JoinLarge(left, right);
  }
  ARROW_ASSIGN_OR_RAISE(const auto lefts, left.Take());
  ARROW_ASSIGN_OR_RAISE(const auto rights, right.Take());
  return Add(lefts, rights);
}

arrow::Status Joiner::CutAgain(Part left, Part right, int level) {
  const int parts = PartsFor(left.bytes() + right.bytes(), context_);
  const int64_t rows = left.rows() + right.rows();
  ARROW_ASSIGN_OR_RAISE(const auto lefts, SpillByKey(left.file->schema(), BatchesOf(left.file, left.number),
                                                     options_.left_keys, options_.nan_is_null, parts, level, context_));
  ARROW_ASSIGN_OR_RAISE(const auto rights,
                        SpillByKey(right.file->schema(), BatchesOf(right.file, right.number), options_.right_keys,
                                   options_.nan_is_null, parts, level, context_));
  for (int part = 0; part < parts; ++part) {
    const Part l{lefts.get(), part};
    const Part r{rights.get(), part};
    // Where one part keeps almost all, it is one key's, and no hash takes it apart.
    const bool stuck = l.rows() + r.rows() > rows / 10 * 9;
    ARROW_RETURN_NOT_OK(JoinPart(l, r, stuck ? kLevels : level + 1));
  }
  return arrow::Status::OK();
}

arrow::Status Joiner::JoinLarge(Part left, Part right) {
  const int64_t most = WorkPiece(context_);
  if (right.bytes() <= most && CanBlockLeft(options_.type)) {
    ARROW_ASSIGN_OR_RAISE(const auto other, right.Take());
    return InBlocks(left, other, /*large_is_left=*/true);
  }
  if (left.bytes() <= most && CanBlockRight(options_.type)) {
    ARROW_ASSIGN_OR_RAISE(const auto other, left.Take());
    return InBlocks(right, other, /*large_is_left=*/false);
  }
  ARROW_ASSIGN_OR_RAISE(const auto lefts, left.Take());
  ARROW_ASSIGN_OR_RAISE(const auto rights, right.Take());
  return Add(lefts, rights);
}

arrow::Status Joiner::InBlocks(Part large, const TablePtr& other, bool large_is_left) {
  const auto count = static_cast<int64_t>(large.segments());
  const int64_t at_once =
      std::clamp<int64_t>(WorkPiece(context_) * count / std::max<int64_t>(large.bytes(), 1), 1, count);
  for (int64_t begin = 0; begin < count; begin += at_once) {
    ARROW_ASSIGN_OR_RAISE(const auto block, large.file->Take(large.number, static_cast<size_t>(begin),
                                                             static_cast<size_t>(std::min(count, begin + at_once))));
    ARROW_RETURN_NOT_OK(large_is_left ? Add(block, other) : Add(other, block));
  }
  return arrow::Status::OK();
}

/// Every some rows of both sides together, the key of a row of the larger side.
arrow::Status Joiner::ByRange(const TablePtr& left, const TablePtr& right) {
  const auto order = [&](const std::vector<int>& keys) {
    SortOptions sort;
    for (const int key : keys) sort.keys.push_back({key, true});
    sort.nan_is_null = options_.nan_is_null;
    return sort;
  };
  const SortOptions left_order = order(options_.left_keys);
  const SortOptions right_order = order(options_.right_keys);
  const int64_t bytes = table::TableBytes(*left) + table::TableBytes(*right);
  ARROW_ASSIGN_OR_RAISE(const auto lefts, Sort(left, left_order, context_));
  ARROW_ASSIGN_OR_RAISE(const auto rights, Sort(right, right_order, context_));
  const bool by_left = lefts->num_rows() >= rights->num_rows();
  const TablePtr& larger = by_left ? lefts : rights;
  ARROW_ASSIGN_OR_RAISE(const auto keys, larger->SelectColumns(by_left ? options_.left_keys : options_.right_keys));
  const int64_t step = std::max<int64_t>(1, larger->num_rows() / (bytes / WorkPiece(context_) + 1));
  Tables rows;
  for (int64_t row = step; row < larger->num_rows(); row += step) rows.push_back(keys->Slice(row, 1));
  std::vector<SplitRange> left_ends;
  std::vector<SplitRange> right_ends;
  if (!rows.empty()) {
    const TablePtr splitters = table::StackTables(keys->schema(), rows);
    ARROW_ASSIGN_OR_RAISE(left_ends, FindSplits(*lefts, left_order, *splitters, context_));
    ARROW_ASSIGN_OR_RAISE(right_ends, FindSplits(*rights, right_order, *splitters, context_));
  }
  int64_t left_begin = 0;
  int64_t right_begin = 0;
  for (size_t s = 0; s <= left_ends.size(); ++s) {
    // Equal keys are not cut, so that both sides' meet.
    const int64_t left_end = s < left_ends.size() ? left_ends[s].before : lefts->num_rows();
    const int64_t right_end = s < right_ends.size() ? right_ends[s].before : rights->num_rows();
    if (left_end == left_begin && right_end == right_begin) continue;
    ARROW_RETURN_NOT_OK(
        Add(lefts->Slice(left_begin, left_end - left_begin), rights->Slice(right_begin, right_end - right_begin)));
    left_begin = left_end;
    right_begin = right_end;
  }
  return arrow::Status::OK();
}

arrow::Status Joiner::Crossed(const TablePtr& left, const TablePtr& right) {
  const auto row_bytes = [](const arrow::Table& table) {
    return table::TableBytes(table) / std::max<int64_t>(table.num_rows(), 1) + 1;
  };
  const int64_t at_once = std::max<int64_t>(1, WorkPiece(context_) / (row_bytes(*left) + row_bytes(*right)));
  const int64_t left_rows = std::max<int64_t>(1, at_once / std::max<int64_t>(right->num_rows(), 1));
  for (int64_t l = 0; l < left->num_rows(); l += left_rows) {
    // More than one left row at once only with all of the right: the order is by left row.
    for (int64_t r = 0; r < right->num_rows(); r += at_once) {
      ARROW_RETURN_NOT_OK(Add(left->Slice(l, left_rows), right->Slice(r, at_once)));
    }
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<TablePtr> SpilledJoin(const TablePtr& left, const TablePtr& right, const JoinOptions& options,
                                    const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto schema, JoinSchema(*left->schema(), *right->schema(), options));
  Joiner joiner(options, context);
  if (options.type == JoinType::kCross) {
    ARROW_RETURN_NOT_OK(joiner.Crossed(left, right));
  } else if (options.algorithm == JoinAlgorithm::kSort || options.maintain_order) {
    ARROW_RETURN_NOT_OK(joiner.ByRange(left, right));
  } else {
    ARROW_RETURN_NOT_OK(joiner.ByHash(left, right));
  }
  return table::StackTables(schema, joiner.results());
}

}  // namespace weft::kernels
