#include "weft/kernels/group_transform.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/compute/cast.h>
#include <arrow/compute/exec.h>
#include <arrow/util/bit_util.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "weft/kernels/column_reals.h"
#include "weft/kernels/dense_values.h"
#include "weft/kernels/gather.h"
#include "weft/kernels/group_fold.h"
#include "weft/kernels/group_rank.h"
#include "weft/kernels/group_runs.h"
#include "weft/kernels/groupby.h"
#include "weft/table/columns.h"

namespace weft::kernels {
namespace {

using arrow::Type;
using ColumnResult = arrow::Result<std::shared_ptr<arrow::ChunkedArray>>;

template <typename Enum, size_t kCount>
arrow::Result<Enum> ParseName(const std::array<std::pair<std::string_view, Enum>, kCount>& names, std::string_view what,
                              std::string_view name) {
  std::string known;
  for (const auto& [text, value] : names) {
    if (text == name) return value;
    known += (known.empty() ? "" : ", ") + std::string(text);
  }
  return arrow::Status::Invalid(what, " '", name, "' is unknown; it is one of ", known);
}

/// A transform's input and the rows of each group.
struct Input {
  const Transform& transform;
  const GroupRuns& runs;
  std::shared_ptr<arrow::ChunkedArray> column;
  int64_t rows;
  bool nan_is_null;
  std::string name;
};

/// Calls visit(begin, end) with the runs of all groups, in parallel.
template <typename Visit>
arrow::Status EachRun(const GroupRuns& runs, const Context& context, const Visit& visit) {
  return VisitRuns(runs, context, [&](int64_t first, int64_t last) -> arrow::Status {
    for (int64_t g = first; g < last; ++g) {
      ARROW_RETURN_NOT_OK(visit(runs.rows.data() + runs.starts[g], runs.starts[g + 1] - runs.starts[g]));
    }
    return arrow::Status::OK();
  });
}

/// Calls visit(a group's state, row) for the rows of all groups, each group's in ascending order: columns are read as
/// they lie, not group by group. In parallel where sections share no groups.
template <typename State, typename Visit>
arrow::Status EachRow(const Grouping& grouping, const State& empty, const Context& context, const Visit& visit) {
  const auto sections = static_cast<int64_t>(grouping.sections.size());
  if (grouping.shared) {
    ARROW_ASSIGN_OR_RAISE(auto states, PoolArray<State>::Make(grouping.groups, context.pool));
    std::fill(states.begin(), states.end(), empty);
    for (const GroupSection& section : grouping.sections) {
      ARROW_RETURN_NOT_OK(context.stop.Poll());
      for (int64_t i = section.begin; i < section.end; ++i) {
        const uint32_t id = grouping.ids[i];
        if (id == 0) continue;
        ARROW_RETURN_NOT_OK(visit(&states[section.to_global[id - 1]], i));
      }
    }
    return arrow::Status::OK();
  }
  return ParallelFor(context, sections, [&](int64_t s) -> arrow::Status {
    const GroupSection& section = grouping.sections[static_cast<size_t>(s)];
    ARROW_ASSIGN_OR_RAISE(auto states, PoolArray<State>::Make(section.groups + 1, context.pool));
    std::fill(states.begin(), states.end(), empty);
    for (int64_t i = section.begin; i < section.end; ++i) {
      const uint32_t id = grouping.ids[i];
      if (id == 0) continue;
      ARROW_RETURN_NOT_OK(visit(&states[id], grouping.Row(i)));
    }
    return arrow::Status::OK();
  });
}

/// Values that are written in any order and by several threads, then made a column; null where none was written.
template <typename T>
class Written {
 public:
  static arrow::Result<Written> Make(int64_t rows, const Context& context) {
    Written made;
    made.rows_ = rows;
    ARROW_ASSIGN_OR_RAISE(made.values_, arrow::AllocateBuffer(rows * static_cast<int64_t>(sizeof(T)), context.pool));
    ARROW_ASSIGN_OR_RAISE(made.valid_, PoolArray<uint8_t>::MakeZero(rows, context.pool));
    std::memset(made.values_->mutable_data(), 0, static_cast<size_t>(made.values_->size()));
    made.out_ = reinterpret_cast<T*>(made.values_->mutable_data());
    return made;
  }
  void Set(int64_t row, T value) {
    out_[row] = value;
    valid_[row] = 1;
  }
  void Add(int64_t row, T value) { out_[row] += value; }
  ColumnResult Finish(const std::shared_ptr<arrow::DataType>& type, const Context& context) {
    std::shared_ptr<arrow::Buffer> bits;
    if (std::find(valid_.begin(), valid_.end(), 0) != valid_.end()) {
      ARROW_ASSIGN_OR_RAISE(bits, arrow::AllocateEmptyBitmap(rows_, context.pool));
      for (int64_t i = 0; i < rows_; ++i) arrow::bit_util::SetBitTo(bits->mutable_data(), i, valid_[i] != 0);
    }
    return std::make_shared<arrow::ChunkedArray>(
        arrow::MakeArray(arrow::ArrayData::Make(type, rows_, {std::move(bits), std::move(values_)})));
  }

 private:
  int64_t rows_ = 0;
  std::shared_ptr<arrow::Buffer> values_;
  T* out_ = nullptr;
  PoolArray<uint8_t> valid_;
};

arrow::Status RunOverflow(const Input& input, const arrow::DataType& type) {
  return arrow::Status::Invalid("groupby: the running ",
                                input.transform.function == TransformFunction::kCumSum ? "sum" : "product",
                                " of column '", input.name, "' does not fit its result type ", type.ToString(),
                                "; cast the column to double first");
}

/// Running sums and products; `value(row)`, `missing(row)`.
template <typename T, typename Value, typename Missing>
ColumnResult Running(const Input& input, const Grouping& grouping, const std::shared_ptr<arrow::DataType>& type,
                     const Value& value, const Missing& missing, const Context& context) {
  struct State {
    T total;
    bool ended;
  };
  ARROW_ASSIGN_OR_RAISE(auto out, Written<T>::Make(input.rows, context));
  const bool sum = input.transform.function == TransformFunction::kCumSum;
  const State empty{static_cast<T>(sum ? 0 : 1), false};
  ARROW_RETURN_NOT_OK(EachRow(grouping, empty, context, [&](State* state, int64_t row) -> arrow::Status {
    if (state->ended) return arrow::Status::OK();
    if (missing(row)) {
      state->ended = !input.transform.skip_nulls;
      return arrow::Status::OK();
    }
    const T next = value(row);
    T& total = state->total;
    if constexpr (std::is_integral_v<T>) {
      const bool over = sum ? __builtin_add_overflow(total, next, &total) : __builtin_mul_overflow(total, next, &total);
      if (over) return RunOverflow(input, *type);
    } else {
      total = sum ? total + next : total * next;
    }
    out.Set(row, total);
    return arrow::Status::OK();
  }));
  return out.Finish(type, context);
}

template <typename T>
ColumnResult RunningIntegers(const Input& input, const Grouping& grouping, const std::shared_ptr<arrow::DataType>& type,
                             const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto decoded, DecodeDictionary(input.column, context));
  ARROW_ASSIGN_OR_RAISE(auto flat, Flatten(*decoded, context));
  if (flat->type_id() != Type::DURATION && !flat->type()->Equals(*type)) {
    arrow::compute::ExecContext exec(context.pool);
    exec.set_use_threads(false);
    ARROW_ASSIGN_OR_RAISE(flat, arrow::compute::Cast(*flat, type, arrow::compute::CastOptions::Safe(), &exec));
  }
  const T* values = flat->data()->GetValues<T>(1);
  return Running<T>(
      input, grouping, type, [&](int64_t row) { return values[row]; }, [&](int64_t row) { return flat->IsNull(row); },
      context);
}

/// Where each row's value is taken from: `place(rows, count, out)` writes, for each row of a group, a row or -1.
/// Rows in no group take `otherwise`.
template <typename Place>
ColumnResult Moved(const Input& input, const Place& place, const Context& context, int64_t otherwise = -1) {
  ARROW_ASSIGN_OR_RAISE(auto from, PoolArray<int64_t>::Make(input.rows, context.pool));
  std::fill(from.begin(), from.end(), otherwise);
  ARROW_RETURN_NOT_OK(EachRun(input.runs, context, [&](const int64_t* rows, int64_t count) {
    place(rows, count, from.data());
    return arrow::Status::OK();
  }));
  return GatherOrNull(input.column, std::move(from), context);
}

ColumnResult RunningExtremes(const Input& input, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto keys, KeyColumn::Make({input.column}, input.nan_is_null, context));
  const bool greatest = input.transform.function == TransformFunction::kCumMax;
  const KeyDirection direction{!greatest, false};
  return Moved(
      input,
      [&](const int64_t* rows, int64_t count, int64_t* from) {
        int64_t best = -1;
        for (int64_t i = 0; i < count; ++i) {
          const int64_t row = rows[i];
          if (keys.may_have_nulls() && keys.IsNull(row)) {
            if (input.transform.skip_nulls) continue;
            break;
          }
          if (best < 0 || CompareKeys(keys, row, keys, best, direction) < 0) best = row;
          from[row] = best;
        }
      },
      context);
}

ColumnResult Shifted(Input input, const Context& context) {
  const int64_t periods = input.transform.periods;
  // A row put behind the column stands for what comes in.
  const int64_t fill = input.column->length();
  if (input.transform.fill != nullptr) {
    auto chunks = input.column->chunks();
    chunks.push_back(input.transform.fill);
    input.column = std::make_shared<arrow::ChunkedArray>(std::move(chunks), input.column->type());
  }
  const int64_t outside = input.transform.fill != nullptr ? fill : -1;
  return Moved(
      input,
      [&](const int64_t* rows, int64_t count, int64_t* from) {
        for (int64_t i = 0; i < count; ++i) {
          const bool inside = periods >= 0 ? i >= periods : periods >= i - count + 1;
          from[rows[i]] = inside ? rows[i - periods] : outside;
        }
      },
      context, outside);
}

ColumnResult Filled(const Input& input, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto missing, MissingRows(input.column, input.nan_is_null, context));
  const bool forward = input.transform.function == TransformFunction::kForwardFill;
  const int64_t limit = input.transform.limit < 0 ? INT64_MAX : input.transform.limit;
  return Moved(
      input,
      [&](const int64_t* rows, int64_t count, int64_t* from) {
        int64_t last = -1;
        int64_t filled = 0;
        for (int64_t i = 0; i < count; ++i) {
          const int64_t row = rows[forward ? i : count - 1 - i];
          if (missing.empty() || missing[row] == 0) {
            last = row;
            filled = 0;
          } else if (filled++ >= limit) {
            last = -1;
          }
          // What stays missing is the row itself: a NaN is not made a null.
          from[row] = last < 0 ? row : last;
        }
      },
      context);
}

/// How many rows of its group come before each row, or after it. Counted within sections, from the first entry on or
/// from the last; where sections share groups, what the sections passed before have of a group is added.
ColumnResult Counted(const Grouping& grouping, int64_t rows, bool before, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(auto out, Written<int64_t>::Make(rows, context));
  const auto sections = static_cast<int64_t>(grouping.sections.size());
  std::vector<PoolArray<int64_t>> counts(grouping.sections.size());
  ARROW_RETURN_NOT_OK(ParallelFor(context, sections, [&](int64_t s) -> arrow::Status {
    const GroupSection& section = grouping.sections[static_cast<size_t>(s)];
    ARROW_ASSIGN_OR_RAISE(auto seen, PoolArray<int64_t>::MakeZero(section.groups + 1, context.pool));
    const int64_t length = section.end - section.begin;
    for (int64_t i = 0; i < length; ++i) {
      const int64_t entry = before ? section.begin + i : section.end - 1 - i;
      const uint32_t id = grouping.ids[entry];
      if (id != 0) out.Set(grouping.Row(entry), seen[id]++);
    }
    if (grouping.shared) counts[static_cast<size_t>(s)] = std::move(seen);
    return arrow::Status::OK();
  }));
  if (!grouping.shared || sections < 2) return out.Finish(arrow::int64(), context);
  ARROW_ASSIGN_OR_RAISE(auto passed, PoolArray<int64_t>::MakeZero(grouping.groups, context.pool));
  for (int64_t s = 0; s < sections; ++s) {
    const auto place = static_cast<size_t>(before ? s : sections - 1 - s);
    const GroupSection& section = grouping.sections[place];
    for (int64_t g = 0; g < section.groups; ++g) {
      int64_t& of_group = passed[section.to_global[static_cast<size_t>(g)]];
      of_group += std::exchange(counts[place][g + 1], of_group);
    }
  }
  ARROW_RETURN_NOT_OK(ParallelFor(context, sections, [&](int64_t s) {
    const GroupSection& section = grouping.sections[static_cast<size_t>(s)];
    for (int64_t i = section.begin; i < section.end; ++i) {
      if (grouping.ids[i] != 0) out.Add(i, counts[static_cast<size_t>(s)][grouping.ids[i]]);
    }
    return arrow::Status::OK();
  }));
  return out.Finish(arrow::int64(), context);
}

ColumnResult Transformed(const Input& input, const Grouping& grouping, const std::shared_ptr<arrow::DataType>& type,
                         const Context& context) {
  switch (input.transform.function) {
    case TransformFunction::kCumSum:
    case TransformFunction::kCumProd: {
      if (type->id() == Type::UINT64) return RunningIntegers<uint64_t>(input, grouping, type, context);
      if (type->id() != Type::DOUBLE) return RunningIntegers<int64_t>(input, grouping, type, context);
      ARROW_ASSIGN_OR_RAISE(const auto values, Reals::Make(input.column, input.nan_is_null, context));
      return Running<double>(
          input, grouping, type, [&](int64_t row) { return values[row]; },
          [&](int64_t row) { return values.missing(row); }, context);
    }
    case TransformFunction::kCumMin:
    case TransformFunction::kCumMax:
      return RunningExtremes(input, context);
    case TransformFunction::kShift:
      return Shifted(input, context);
    case TransformFunction::kForwardFill:
    case TransformFunction::kBackwardFill:
      return Filled(input, context);
    case TransformFunction::kRank: {
      const GroupRankOptions options{input.transform.method, input.transform.nulls, input.transform.ascending,
                                     input.transform.percent, input.nan_is_null};
      return RankInGroups(grouping, input.column, options, context);
    }
    default:
      return Counted(grouping, input.rows, input.transform.function == TransformFunction::kCumCount, context);
  }
}

bool NeedsNoColumn(TransformFunction function) {
  return function == TransformFunction::kCumCount || function == TransformFunction::kRemaining;
}

bool NeedsRuns(TransformFunction function) {
  return !NeedsNoColumn(function) && function != TransformFunction::kRank && function != TransformFunction::kCumSum &&
         function != TransformFunction::kCumProd;
}

/// nullptr where the function does not take the type.
std::shared_ptr<arrow::DataType> TransformType(TransformFunction function,
                                               const std::shared_ptr<arrow::DataType>& input) {
  const auto& type =
      input->id() == Type::DICTIONARY ? static_cast<const arrow::DictionaryType&>(*input).value_type() : input;
  const Type::type id = type->id();
  switch (function) {
    case TransformFunction::kCumSum:
    case TransformFunction::kCumProd:
      if (id == Type::BOOL || arrow::is_signed_integer(id)) return arrow::int64();
      if (arrow::is_unsigned_integer(id)) return arrow::uint64();
      if (arrow::is_floating(id) || id == Type::NA) return arrow::float64();
      return id == Type::DURATION && function == TransformFunction::kCumSum ? type : nullptr;
    case TransformFunction::kCumMin:
    case TransformFunction::kCumMax:
      return table::CanBeKey(*input) ? input : nullptr;
    case TransformFunction::kRank:
      return table::CanBeKey(*input) ? arrow::float64() : nullptr;
    default:
      return input;
  }
}

constexpr std::array<std::pair<std::string_view, TransformFunction>, 10> kTransforms{
    {{"cumsum", TransformFunction::kCumSum},
     {"cumprod", TransformFunction::kCumProd},
     {"cummin", TransformFunction::kCumMin},
     {"cummax", TransformFunction::kCumMax},
     {"cumcount", TransformFunction::kCumCount},
     {"remaining", TransformFunction::kRemaining},
     {"shift", TransformFunction::kShift},
     {"ffill", TransformFunction::kForwardFill},
     {"bfill", TransformFunction::kBackwardFill},
     {"rank", TransformFunction::kRank}}};

std::string_view NameOf(TransformFunction function) {
  for (const auto& [name, known] : kTransforms) {
    if (known == function) return name;
  }
  return "unknown";
}

arrow::Status CheckKeys(const arrow::Schema& input, const std::vector<int>& keys) {
  for (const int key : keys) {
    if (key < 0 || key >= input.num_fields()) {
      return arrow::Status::Invalid("groupby: key column ", key, " is out of range; the table has ", input.num_fields(),
                                    " columns");
    }
  }
  return table::CheckKeyTypes(input, keys, "groupby");
}

}  // namespace

arrow::Result<TransformFunction> ParseTransformFunction(std::string_view name) {
  return ParseName(kTransforms, "groupby: transform", name);
}

arrow::Result<RankMethod> ParseRankMethod(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, RankMethod>, 5> kMethods{{{"average", RankMethod::kAverage},
                                                                             {"min", RankMethod::kMin},
                                                                             {"max", RankMethod::kMax},
                                                                             {"first", RankMethod::kFirst},
                                                                             {"dense", RankMethod::kDense}}};
  return ParseName(kMethods, "rank: method", name);
}

arrow::Result<RankMissing> ParseRankMissing(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, RankMissing>, 3> kOptions{
      {{"keep", RankMissing::kKeep}, {"top", RankMissing::kTop}, {"bottom", RankMissing::kBottom}}};
  return ParseName(kOptions, "rank: na_option", name);
}

arrow::Result<std::shared_ptr<arrow::Schema>> GroupTransformSchema(const arrow::Schema& input,
                                                                   const GroupTransformOptions& options) {
  ARROW_RETURN_NOT_OK(CheckKeys(input, options.keys));
  arrow::FieldVector fields;
  for (const Transform& transform : options.transforms) {
    if (NeedsNoColumn(transform.function)) {
      fields.push_back(arrow::field(transform.name, arrow::int64()));
      continue;
    }
    if (transform.column < 0 || transform.column >= input.num_fields()) {
      return arrow::Status::Invalid("groupby: ", NameOf(transform.function), " of column ", transform.column,
                                    ", which is out of range; the table has ", input.num_fields(), " columns");
    }
    const auto& field = *input.field(transform.column);
    auto type = TransformType(transform.function, field.type());
    if (type == nullptr) {
      return arrow::Status::TypeError("groupby: column '", field.name(), "' of type ", field.type()->ToString(),
                                      " has no ", NameOf(transform.function));
    }
    if (transform.fill != nullptr && (transform.fill->length() != 1 || !transform.fill->type()->Equals(*type))) {
      return arrow::Status::Invalid("groupby: the fill of column '", field.name(), "' is not one value of its type");
    }
    fields.push_back(arrow::field(transform.name, std::move(type)));
  }
  return arrow::schema(std::move(fields));
}

arrow::Result<std::shared_ptr<arrow::Table>> GroupTransform(const std::shared_ptr<arrow::Table>& table,
                                                            const GroupTransformOptions& options,
                                                            const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto schema, GroupTransformSchema(*table->schema(), options));
  TraceSpan span(context.tracer, "groupby.transform");
  span.AddRows(table->num_rows());
  ARROW_ASSIGN_OR_RAISE(const auto grouping,
                        GroupRows(*table, options.keys, {options.nan_is_null, options.drop_null_keys}, context));
  GroupRuns runs;
  if (std::any_of(options.transforms.begin(), options.transforms.end(),
                  [](const Transform& transform) { return NeedsRuns(transform.function); })) {
    ARROW_ASSIGN_OR_RAISE(runs, MakeGroupRuns(grouping, context));
  }
  arrow::ChunkedArrayVector columns;
  for (size_t t = 0; t < options.transforms.size(); ++t) {
    const Transform& transform = options.transforms[t];
    const bool none = NeedsNoColumn(transform.function);
    const Input input{transform,
                      runs,
                      none ? nullptr : table->column(transform.column),
                      table->num_rows(),
                      options.nan_is_null,
                      none ? "" : table->field(transform.column)->name()};
    ARROW_ASSIGN_OR_RAISE(auto column,
                          Transformed(input, grouping, schema->field(static_cast<int>(t))->type(), context));
    columns.push_back(std::move(column));
  }
  return arrow::Table::Make(schema, std::move(columns), table->num_rows());
}

arrow::Result<GroupedRows> RowsByGroup(const std::shared_ptr<arrow::Table>& table, const std::vector<int>& keys,
                                       bool sort, bool drop_null_keys, bool nan_is_null, const Context& context) {
  ARROW_RETURN_NOT_OK(CheckKeys(*table->schema(), keys));
  GroupByOptions options;
  options.keys = keys;
  options.sort = sort;
  options.drop_null_keys = drop_null_keys;
  options.nan_is_null = nan_is_null;
  GroupedRows made;
  PoolArray<int64_t> places;
  ARROW_ASSIGN_OR_RAISE(made.keys, GroupBy(table, options, context, &places));
  // A counting sort by group.
  const int64_t groups = made.keys->num_rows();
  const auto numbers = [&](int64_t count) {
    return arrow::AllocateBuffer(count * static_cast<int64_t>(sizeof(int64_t)), context.pool);
  };
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> starts_buffer, numbers(groups + 1));
  auto* starts = reinterpret_cast<int64_t*>(starts_buffer->mutable_data());
  std::fill(starts, starts + groups + 1, int64_t{0});
  for (const int64_t place : places) {
    if (place >= 0) ++starts[place + 1];
  }
  std::partial_sum(starts, starts + groups + 1, starts);
  const int64_t count = starts[groups];
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> rows_buffer, numbers(count));
  auto* rows = reinterpret_cast<int64_t*>(rows_buffer->mutable_data());
  ARROW_ASSIGN_OR_RAISE(auto next, PoolArray<int64_t>::Make(groups, context.pool));
  std::copy(starts, starts + groups, next.begin());
  for (int64_t row = 0; row < places.size(); ++row) {
    if (places[row] >= 0) rows[next[places[row]]++] = row;
  }
  ARROW_ASSIGN_OR_RAISE(made.rows, GatherRows(table, {rows, static_cast<size_t>(count)}, context));
  const auto array = [](int64_t length, std::shared_ptr<arrow::Buffer> buffer) {
    return arrow::MakeArray(arrow::ArrayData::Make(arrow::int64(), length, {nullptr, std::move(buffer)}, 0));
  };
  made.numbers = array(count, std::move(rows_buffer));
  made.starts = array(groups + 1, std::move(starts_buffer));
  return made;
}

}  // namespace weft::kernels
