#include "weft/kernels/asof_join.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/compute/cast.h>
#include <arrow/compute/exec.h>
#include <arrow/type_traits.h>

#include <bit>
#include <cmath>
#include <utility>

#include "weft/kernels/gather.h"
#include "weft/kernels/join_plan.h"
#include "weft/kernels/row_groups.h"

namespace weft::kernels {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

constexpr uint64_t kSign = uint64_t{1} << 63;

JoinOptions AsJoin(const AsofOptions& options) {
  JoinOptions join;
  join.left_keys = options.left_by;
  join.left_keys.push_back(options.left_on);
  join.right_keys = options.right_by;
  join.right_keys.push_back(options.right_on);
  join.type = JoinType::kLeft;
  join.left_suffix = options.left_suffix;
  join.right_suffix = options.right_suffix;
  return join;
}

bool IsOrdered(const arrow::DataType& type) {
  return arrow::is_integer(type.id()) || arrow::is_floating(type.id()) || arrow::is_temporal(type.id()) ||
         type.id() == arrow::Type::DURATION;
}

uint64_t EncodeFloat(double value) {
  const auto bits = std::bit_cast<uint64_t>(value == 0 ? 0.0 : value);
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}

double DecodeFloat(uint64_t word) { return std::bit_cast<double>((word & kSign) != 0 ? word ^ kSign : ~word); }

/// What each key is cast to before it is encoded.
std::shared_ptr<arrow::DataType> WideType(const arrow::DataType& type) {
  if (arrow::is_floating(type.id())) return arrow::float64();
  return type.id() == arrow::Type::UINT64 ? arrow::uint64() : arrow::int64();
}

arrow::Result<std::shared_ptr<arrow::Array>> Widen(const std::shared_ptr<arrow::Array>& chunk,
                                                   arrow::compute::ExecContext* exec) {
  std::shared_ptr<arrow::Array> array = chunk;
  if (arrow::is_temporal(chunk->type_id())) {
    // The numbers that the times are kept as.
    const bool wide = chunk->type()->byte_width() == 8;
    ARROW_ASSIGN_OR_RAISE(array, chunk->View(wide ? arrow::int64() : arrow::int32()));
  }
  const auto wide = WideType(*array->type());
  if (array->type()->Equals(*wide)) return array;
  return arrow::compute::Cast(*array, wide, arrow::compute::CastOptions::Safe(), exec);
}

struct Matcher {
  const PoolArray<uint64_t>& left;
  const PoolArray<uint64_t>& right;
  /// By row: its group; nullptr where all are of one.
  const int64_t* left_groups;
  const int64_t* right_groups;
  const AsofOptions& options;

  static int64_t Group(const int64_t* groups, int64_t row) { return groups == nullptr ? 0 : groups[row]; }

  bool IsNear(uint64_t low, uint64_t high) const {
    if (options.float_tolerance) return DecodeFloat(high) - DecodeFloat(low) <= *options.float_tolerance;
    return !options.tolerance || high - low <= *options.tolerance;
  }

  /// Writes to `found` the right row of each left row, or -1; `last` has -1 for each group.
  void Backward(int64_t* last, int64_t* found) const {
    int64_t next = 0;
    for (int64_t i = 0; i < left.size(); ++i) {
      for (; next < right.size(); ++next) {
        const bool before = options.allow_exact_matches ? right[next] <= left[i] : right[next] < left[i];
        if (!before) break;
        last[Group(right_groups, next)] = next;
      }
      const int64_t row = last[Group(left_groups, i)];
      found[i] = row >= 0 && IsNear(right[row], left[i]) ? row : -1;
    }
  }

  void Forward(int64_t* last, int64_t* found) const {
    int64_t next = right.size() - 1;
    for (int64_t i = left.size() - 1; i >= 0; --i) {
      for (; next >= 0; --next) {
        const bool after = options.allow_exact_matches ? right[next] >= left[i] : right[next] > left[i];
        if (!after) break;
        last[Group(right_groups, next)] = next;
      }
      const int64_t row = last[Group(left_groups, i)];
      found[i] = row >= 0 && IsNear(left[i], right[row]) ? row : -1;
    }
  }

  bool IsBackwardNearer(int64_t i, int64_t backward, int64_t forward, bool floating) const {
    if (floating) {
      const double key = DecodeFloat(left[i]);
      return key - DecodeFloat(right[backward]) <= DecodeFloat(right[forward]) - key;
    }
    return left[i] - right[backward] <= right[forward] - left[i];
  }
};

arrow::Result<PoolArray<int64_t>> FindMatches(const Matcher& matcher, int64_t groups, bool floating,
                                              const Context& context) {
  const int64_t rows = matcher.left.size();
  const auto search = [&](bool forward) -> arrow::Result<PoolArray<int64_t>> {
    ARROW_ASSIGN_OR_RAISE(auto last, PoolArray<int64_t>::Make(groups, context.pool));
    std::fill(last.begin(), last.end(), -1);
    ARROW_ASSIGN_OR_RAISE(auto found, PoolArray<int64_t>::Make(rows, context.pool));
    forward ? matcher.Forward(last.data(), found.data()) : matcher.Backward(last.data(), found.data());
    return found;
  };
  if (matcher.options.direction != AsofDirection::kNearest) {
    return search(matcher.options.direction == AsofDirection::kForward);
  }
  ARROW_ASSIGN_OR_RAISE(auto backward, search(false));
  ARROW_ASSIGN_OR_RAISE(const auto forward, search(true));
  for (int64_t i = 0; i < rows; ++i) {
    if (forward[i] < 0) continue;
    if (backward[i] < 0 || !matcher.IsBackwardNearer(i, backward[i], forward[i], floating)) backward[i] = forward[i];
  }
  return backward;
}

/// The table with one more row, of nulls.
arrow::Result<TablePtr> AppendNulls(const TablePtr& table, const Context& context) {
  std::vector<std::shared_ptr<arrow::ChunkedArray>> columns;
  for (const auto& column : table->columns()) {
    auto chunks = column->chunks();
    ARROW_ASSIGN_OR_RAISE(auto null, arrow::MakeArrayOfNull(column->type(), 1, context.pool));
    chunks.push_back(std::move(null));
    columns.push_back(std::make_shared<arrow::ChunkedArray>(std::move(chunks), column->type()));
  }
  return arrow::Table::Make(table->schema(), std::move(columns), table->num_rows() + 1);
}

/// Groups of both sides by `by`, numbered alike: those of the left's rows, then those of the right's.
arrow::Result<RowGroups> GroupBoth(const TablePtr& left, const TablePtr& right, const AsofOptions& options,
                                   const Context& context) {
  arrow::FieldVector fields;
  std::vector<std::shared_ptr<arrow::ChunkedArray>> columns;
  std::vector<int> places;
  arrow::compute::ExecContext exec(context.pool);
  for (size_t k = 0; k < options.left_by.size(); ++k) {
    const auto& first = left->column(options.left_by[k]);
    arrow::Datum second(right->column(options.right_by[k]));
    if (!first->type()->Equals(second.type())) {
      ARROW_ASSIGN_OR_RAISE(second,
                            arrow::compute::Cast(second, first->type(), arrow::compute::CastOptions::Safe(), &exec));
    }
    auto chunks = first->chunks();
    const auto& others = second.chunked_array()->chunks();
    chunks.insert(chunks.end(), others.begin(), others.end());
    places.push_back(static_cast<int>(k));
    fields.push_back(arrow::field(std::to_string(k), first->type()));
    columns.push_back(std::make_shared<arrow::ChunkedArray>(std::move(chunks), first->type()));
  }
  const auto both =
      arrow::Table::Make(arrow::schema(std::move(fields)), std::move(columns), left->num_rows() + right->num_rows());
  return FindRowGroups(*both, places, context);
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::Schema>> AsofSchema(const arrow::Schema& left, const arrow::Schema& right,
                                                         const AsofOptions& options) {
  ARROW_ASSIGN_OR_RAISE(auto schema, JoinSchema(left, right, AsJoin(options)));
  const auto& l = left.field(options.left_on);
  const auto& r = right.field(options.right_on);
  if (!l->type()->Equals(r->type())) {
    return arrow::Status::TypeError("merge_asof: the key '", l->name(), "' is ", l->type()->ToString(),
                                    " on the left, and '", r->name(), "' is ", r->type()->ToString(),
                                    " on the right; cast one of them to the type of the other");
  }
  if (!IsOrdered(*l->type())) {
    return arrow::Status::TypeError("merge_asof: the key '", l->name(), "' is ", l->type()->ToString(),
                                    "; it must be a number or a time");
  }
  return schema;
}

arrow::Result<PoolArray<uint64_t>> AsofKeys(const arrow::ChunkedArray& column, const char* side,
                                            const Context& context) {
  const auto missing = [&] {
    return arrow::Status::Invalid("merge_asof: the key of the ", side, " has missing values; drop those rows first");
  };
  if (column.null_count() > 0) return missing();
  ARROW_ASSIGN_OR_RAISE(auto words, PoolArray<uint64_t>::Make(column.length(), context.pool));
  arrow::compute::ExecContext exec(context.pool);
  int64_t at = 0;
  for (const auto& chunk : column.chunks()) {
    ARROW_ASSIGN_OR_RAISE(const auto wide, Widen(chunk, &exec));
    const int64_t rows = wide->length();
    if (wide->type_id() == arrow::Type::DOUBLE) {
      const double* values = wide->data()->GetValues<double>(1);
      for (int64_t i = 0; i < rows; ++i) {
        if (std::isnan(values[i])) return missing();
        words[at++] = EncodeFloat(values[i]);
      }
    } else {
      const uint64_t flip = wide->type_id() == arrow::Type::UINT64 ? 0 : kSign;
      const uint64_t* values = wide->data()->GetValues<uint64_t>(1);
      for (int64_t i = 0; i < rows; ++i) words[at++] = values[i] ^ flip;
    }
  }
  for (int64_t i = 1; i < words.size(); ++i) {
    if (words[i] < words[i - 1]) {
      return arrow::Status::Invalid("merge_asof: the ", side, " is not sorted by its key: row ", i,
                                    " is less than the row before; use sort_values first");
    }
  }
  return words;
}

arrow::Result<TablePtr> AsofJoin(const TablePtr& left, const TablePtr& right, const AsofOptions& options,
                                 const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto schema, AsofSchema(*left->schema(), *right->schema(), options));
  const TraceSpan span(context.tracer, "asof join");
  ARROW_ASSIGN_OR_RAISE(const auto left_keys, AsofKeys(*left->column(options.left_on), "left", context));
  ARROW_ASSIGN_OR_RAISE(const auto right_keys, AsofKeys(*right->column(options.right_on), "right", context));
  RowGroups groups{1, {}};
  if (!options.left_by.empty()) {
    ARROW_ASSIGN_OR_RAISE(groups, GroupBoth(left, right, options, context));
  }
  const bool grouped = !options.left_by.empty();
  const Matcher matcher{left_keys, right_keys, grouped ? groups.ids.data() : nullptr,
                        grouped ? groups.ids.data() + left->num_rows() : nullptr, options};
  const bool floating = arrow::is_floating(left->field(options.left_on)->type()->id());
  ARROW_ASSIGN_OR_RAISE(auto found, FindMatches(matcher, groups.groups, floating, context));

  ARROW_ASSIGN_OR_RAISE(const auto plan, PlanJoin(*left->schema(), *right->schema(), AsJoin(options)));
  std::vector<int> right_columns;
  for (const OutputColumn& column : plan.columns) {
    if (column.side == Side::kRight) right_columns.push_back(column.column);
  }
  ARROW_ASSIGN_OR_RAISE(auto others, right->SelectColumns(right_columns));
  ARROW_ASSIGN_OR_RAISE(others, AppendNulls(others, context));
  for (int64_t& row : found) row = row < 0 ? right->num_rows() : row;
  ARROW_ASSIGN_OR_RAISE(others, GatherRows(others, found.span(), context));
  auto columns = left->columns();
  columns.insert(columns.end(), others->columns().begin(), others->columns().end());
  return arrow::Table::Make(schema, std::move(columns), left->num_rows());
}

}  // namespace weft::kernels
