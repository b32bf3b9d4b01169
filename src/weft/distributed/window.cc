#include "weft/distributed/window.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <string>
#include <utility>

#include "weft/distributed/shuffle_return.h"
#include "weft/exchange/exchange.h"
#include "weft/table/columns.h"

namespace weft::distributed {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;
using kernels::WindowFrame;
using kernels::WindowKind;

/// Rows [begin, end) of this rank's table.
struct Slice {
  int64_t begin = 0;
  int64_t end = 0;
};

TablePtr Stack(const std::shared_ptr<arrow::Schema>& schema, const std::vector<TablePtr>& parts) {
  arrow::ChunkedArrayVector columns;
  for (int c = 0; c < schema->num_fields(); ++c) {
    arrow::ArrayVector chunks;
    for (const TablePtr& part : parts) {
      const auto& more = part->column(c)->chunks();
      chunks.insert(chunks.end(), more.begin(), more.end());
    }
    columns.push_back(std::make_shared<arrow::ChunkedArray>(std::move(chunks), schema->field(c)->type()));
  }
  int64_t rows = 0;
  for (const TablePtr& part : parts) rows += part->num_rows();
  return arrow::Table::Make(schema, std::move(columns), rows);
}

/// Collective. To each rank a slice of this rank's rows (none to itself), and all that came put around the own rows.
arrow::Result<WindowRows> SendSlices(Communicator& communicator, const TablePtr& table,
                                     const std::vector<Slice>& slices, const Context& context) {
  std::vector<TablePtr> sent;
  std::vector<int64_t> ends;
  for (const Slice& slice : slices) {
    sent.push_back(table->Slice(slice.begin, slice.end - slice.begin));
    ends.push_back((ends.empty() ? 0 : ends.back()) + slice.end - slice.begin);
  }
  ARROW_ASSIGN_OR_RAISE(const auto shuffled, exchange::Shuffle(communicator, Stack(table->schema(), sent),
                                                               exchange::ByPosition(std::move(ends), 0), context));
  const auto from = shuffled.rows_from.begin();
  const int64_t before = std::accumulate(from, from + communicator.rank(), int64_t{0});
  const TablePtr whole =
      Stack(table->schema(), {shuffled.table->Slice(0, before), table, shuffled.table->Slice(before)});
  return WindowRows{whole, before};
}

/// What ranks tell each other of their rows.
struct Span {
  int64_t rows = 0;
  int64_t first = 0;
  int64_t last = 0;
  int64_t rises = 1;
  int64_t falls = 1;
};

/// Whether times fall along the rows of all ranks; Status::Invalid where they neither fall nor rise. The same on all
/// ranks.
arrow::Result<bool> Falls(const std::vector<Span>& spans, const std::string& name) {
  bool rises = true;
  bool falls = true;
  const Span* before = nullptr;
  for (const Span& span : spans) {
    if (span.rows == 0) continue;
    rises = rises && span.rises != 0 && (before == nullptr || before->last <= span.first);
    falls = falls && span.falls != 0 && (before == nullptr || before->last >= span.first);
    before = &span;
  }
  if (!rises && !falls) {
    return arrow::Status::Invalid("rolling: '", name,
                                  "' goes up and down along the rows; windows by time need rows sorted by it");
  }
  return !rises;
}

/// Of windows by number: what each rank sees of rows [first, first + rows) of the whole.
std::vector<Slice> SlicesOfRows(const std::vector<Span>& spans, const WindowFrame& frame, size_t rank) {
  const auto reach = kernels::ReachOf(frame);
  std::vector<int64_t> firsts(spans.size() + 1);
  for (size_t r = 0; r < spans.size(); ++r) firsts[r + 1] = firsts[r] + spans[r].rows;
  const int64_t total = firsts.back();
  const int64_t first = firsts[rank];
  const int64_t end = firsts[rank + 1];
  std::vector<Slice> slices(spans.size());
  for (size_t r = 0; r < spans.size(); ++r) {
    if (r == rank || spans[r].rows == 0) continue;
    int64_t from = firsts[r] - std::min(reach.before, total);
    int64_t to = firsts[r + 1] + std::min(reach.after, total);
    if (frame.kind == WindowKind::kExpanding) {
      from = 0;
      to = firsts[r + 1];
    }
    from = std::clamp(from, first, end);
    slices[r] = {from - first, std::clamp(to, from, end) - first};
  }
  return slices;
}

/// Of windows by time; `times` rise.
std::vector<Slice> SlicesOfTimes(const std::vector<Span>& spans, const WindowFrame& frame,
                                 std::span<const int64_t> times, size_t rank) {
  const auto rows = static_cast<int64_t>(times.size());
  std::vector<Slice> slices(spans.size());
  for (size_t r = 0; r < spans.size(); ++r) {
    if (r == rank || spans[r].rows == 0) continue;
    if (rank < r) {
      const auto from = std::partition_point(times.begin(), times.end(), [&](int64_t time) {
        return !kernels::BeforeInWindow(frame, time, spans[r].first);
      });
      slices[r] = {from - times.begin(), rows};
    } else {
      const auto to = std::partition_point(
          times.begin(), times.end(), [&](int64_t time) { return kernels::AfterInWindow(frame, time, spans[r].last); });
      slices[r] = {0, to - times.begin()};
    }
  }
  return slices;
}

Span SpanOf(std::span<const int64_t> times) {
  Span span;
  span.rows = static_cast<int64_t>(times.size());
  if (times.empty()) return span;
  span.first = times.front();
  span.last = times.back();
  span.rises = std::is_sorted(times.begin(), times.end()) ? 1 : 0;
  span.falls = std::is_sorted(times.rbegin(), times.rend()) ? 1 : 0;
  return span;
}

/// The columns that windows need, and the options that name them there.
struct Needed {
  kernels::WindowOptions options;
  ColumnPlaces columns;

  explicit Needed(const kernels::WindowOptions& wanted) : options(wanted) {}
  void Finish() {
    if (options.frame.kind == WindowKind::kTime) options.frame.time = columns.Take(options.frame.time);
    for (auto& aggregate : options.aggregates) aggregate.column = columns.Take(aggregate.column);
  }
};

/// `keys` are those of groups.
arrow::Status AgreeInput(Communicator& communicator, const TablePtr& table, const kernels::WindowOptions& options,
                         const std::vector<int>& keys = {}) {
  arrow::Status check = kernels::WindowSchema(*table->schema(), options).status();
  if (check.ok()) check = table::CheckKeyTypes(*table->schema(), keys, "groupby");
  return exchange::AgreeSchema(
      communicator, check.ok() ? arrow::Result<std::shared_ptr<arrow::Schema>>(table->schema()) : check, "rolling");
}

/// Windows of rows fetched from other ranks. Schemas have been agreed.
arrow::Result<TablePtr> WindowOfRows(Communicator& communicator, const TablePtr& table,
                                     const kernels::WindowOptions& options, const Context& context) {
  Needed needed(options);
  needed.Finish();
  ARROW_ASSIGN_OR_RAISE(const auto columns, table->SelectColumns(needed.columns.columns()));
  ARROW_ASSIGN_OR_RAISE(const auto seen, FetchWindowRows(communicator, columns, needed.options.frame, context));
  auto made = kernels::Window(seen.rows, needed.options, seen.first, table->num_rows(), {}, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, made.status(), "rolling"));
  return made;
}

/// Expanding windows that need what the ranks before come to. Schemas have been agreed.
arrow::Result<TablePtr> WindowOfTotals(Communicator& communicator, const TablePtr& table,
                                       const kernels::WindowOptions& options, const Context& context) {
  using kernels::WindowTotals;
  auto totals = kernels::TotalsOfWindow(*table, options, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, totals.status(), "expanding"));
  ARROW_ASSIGN_OR_RAISE(const auto all,
                        exchange::AllgatherValues(communicator, std::span<const WindowTotals>(*totals), "expanding"));
  std::vector<WindowTotals> before(options.aggregates.size());
  for (size_t i = 0; i < before.size() * static_cast<size_t>(communicator.rank()); ++i) {
    before[i % before.size()].Merge(all[i]);
  }
  auto made = kernels::Window(table, options, 0, table->num_rows(), before, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, made.status(), "expanding"));
  return made;
}

}  // namespace

arrow::Result<WindowRows> FetchWindowRows(Communicator& communicator, const TablePtr& table, const WindowFrame& frame,
                                          const Context& context) {
  const arrow::Status check = kernels::CheckWindowFrame(*table->schema(), frame);
  ARROW_RETURN_NOT_OK(exchange::AgreeSchema(
      communicator, check.ok() ? arrow::Result<std::shared_ptr<arrow::Schema>>(table->schema()) : check, "rolling"));
  const auto rank = static_cast<size_t>(communicator.rank());
  Span own;
  own.rows = table->num_rows();
  kernels::PoolArray<int64_t> times;
  if (frame.kind == WindowKind::kTime) {
    auto found = kernels::WindowTimes(*table, frame.time, context);
    ARROW_RETURN_NOT_OK(exchange::Agree(communicator, found.status(), "rolling"));
    times = *std::move(found);
    own = SpanOf(times.span());
  }
  ARROW_ASSIGN_OR_RAISE(auto spans, exchange::AllgatherValues(communicator, std::span<const Span>(&own, 1), "rolling"));
  if (frame.kind != WindowKind::kTime) {
    return SendSlices(communicator, table, SlicesOfRows(spans, frame, rank), context);
  }
  ARROW_ASSIGN_OR_RAISE(const bool falls, Falls(spans, table->field(frame.time)->name()));
  if (falls) {
    for (int64_t& time : times) time = ~time;
    for (Span& span : spans) span = {span.rows, ~span.first, ~span.last, 1, 1};
  }
  return SendSlices(communicator, table, SlicesOfTimes(spans, frame, times.span(), rank), context);
}

arrow::Result<TablePtr> Window(Communicator& communicator, const TablePtr& table, const kernels::WindowOptions& options,
                               const Context& context) {
  ARROW_RETURN_NOT_OK(AgreeInput(communicator, table, options));
  if (communicator.world_size() == 1) {
    return kernels::Window(table, options, 0, table->num_rows(), {}, context);
  }
  if (options.frame.kind != WindowKind::kExpanding) return WindowOfRows(communicator, table, options, context);
  kernels::WindowOptions by_totals = options;
  kernels::WindowOptions by_rows = options;
  std::erase_if(by_totals.aggregates, [](const auto& one) { return !kernels::HasWindowTotals(one.function); });
  std::erase_if(by_rows.aggregates, [](const auto& one) { return kernels::HasWindowTotals(one.function); });
  if (by_rows.aggregates.empty()) return WindowOfTotals(communicator, table, options, context);
  ARROW_ASSIGN_OR_RAISE(const auto of_totals, WindowOfTotals(communicator, table, by_totals, context));
  ARROW_ASSIGN_OR_RAISE(const auto of_rows, WindowOfRows(communicator, table, by_rows, context));
  arrow::FieldVector fields;
  arrow::ChunkedArrayVector columns;
  int next_total = 0;
  int next_row = 0;
  for (const auto& aggregate : options.aggregates) {
    const bool total = kernels::HasWindowTotals(aggregate.function);
    const auto& source = total ? of_totals : of_rows;
    const int at = total ? next_total++ : next_row++;
    fields.push_back(source->field(at));
    columns.push_back(source->column(at));
  }
  return arrow::Table::Make(arrow::schema(std::move(fields)), std::move(columns), table->num_rows());
}

arrow::Result<TablePtr> GroupWindow(Communicator& communicator, const TablePtr& table, const std::vector<int>& keys,
                                    bool drop_null_keys, const kernels::WindowOptions& options,
                                    const Context& context) {
  ARROW_RETURN_NOT_OK(AgreeInput(communicator, table, options, keys));
  if (communicator.world_size() == 1) return kernels::GroupWindow(table, keys, drop_null_keys, options, context);
  Needed needed(options);
  const auto local_keys = needed.columns.Take(keys);
  needed.Finish();
  ARROW_ASSIGN_OR_RAISE(auto rows, table->SelectColumns(needed.columns.columns()));
  const RowKernel kernel = [&](const TablePtr& part) {
    return kernels::GroupWindow(part, local_keys, drop_null_keys, needed.options, context);
  };
  return ComputeByKey(communicator, std::move(rows), local_keys, /*nan_is_null=*/true, kernel, "rolling", context);
}

}  // namespace weft::distributed
