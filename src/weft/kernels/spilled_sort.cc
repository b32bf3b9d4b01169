#include "weft/kernels/spilled_sort.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "weft/base/spill.h"
#include "weft/kernels/spilling.h"
#include "weft/table/spill_file.h"
#include "weft/table/tables.h"

namespace weft::kernels {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

/// Runs that are merged at once; more are merged in several passes.
constexpr int kFanIn = 128;

/// Sorted rows that come block by block.
struct Run {
  /// The next block; only while `more` says so.
  std::function<arrow::Result<TablePtr>()> next;
  std::function<bool()> more;
  /// Rows at hand that are not merged yet; nullptr for none.
  TablePtr block = nullptr;
};

Run RunOf(table::SpillFile* file, int part) {
  auto at = std::make_shared<size_t>(0);
  return {[=] { return file->Take(part, (*at)++); }, [=] { return *at < file->segments(part); }};
}

Run RunOf(TablePtr table, int64_t block_rows) {
  auto at = std::make_shared<int64_t>(0);
  return {[=]() -> arrow::Result<TablePtr> {
            const int64_t begin = std::exchange(*at, *at + block_rows);
            return table->Slice(begin, block_rows);
          },
          [=] { return *at < table->num_rows(); }};
}

using Sink = std::function<arrow::Status(const TablePtr&)>;

/// Merges runs: rows with equal keys come by run, then by row.
class Merger {
 public:
  Merger(std::vector<Run> runs, const SortOptions& options, const Context& context)
      : runs_(std::move(runs)),
        options_(options),
        spill_(context.spill),
        piece_(ForPiece(context)),
        key_options_(options) {
    for (size_t k = 0; k < options_.keys.size(); ++k) {
      key_columns_.push_back(options_.keys[k].column);
      key_options_.keys[k].column = static_cast<int>(k);
    }
  }

  arrow::Status Merge(const Sink& sink) {
    for (;;) {
      ARROW_RETURN_NOT_OK(piece_.stop.Poll());
      spill_->KeepWithin();
      ARROW_RETURN_NOT_OK(Fill());
      ARROW_ASSIGN_OR_RAISE(const auto pieces, NextPieces());
      if (pieces.empty()) return arrow::Status::OK();
      ARROW_ASSIGN_OR_RAISE(const auto merged, MergeSorted(pieces, options_, piece_));
      ARROW_RETURN_NOT_OK(sink(merged));
    }
  }

 private:
  arrow::Status Fill() {
    for (Run& run : runs_) {
      while (run.block == nullptr && run.more()) {
        ARROW_ASSIGN_OR_RAISE(run.block, run.next());
        if (run.block->num_rows() == 0) run.block = nullptr;
      }
    }
    return arrow::Status::OK();
  }

  /// The rows that can come next whatever is not read yet. The run whose last row at hand is least, and of equal ones
  /// the first, bounds them: earlier runs give rows up to that key, later ones only rows before it.
  arrow::Result<std::vector<TablePtr>> NextPieces() {
    std::vector<size_t> bounding;
    std::vector<TablePtr> last_rows;
    std::vector<TablePtr> pieces;
    for (size_t r = 0; r < runs_.size(); ++r) {
      if (runs_[r].block == nullptr || !runs_[r].more()) continue;
      bounding.push_back(r);
      ARROW_ASSIGN_OR_RAISE(auto last,
                            runs_[r].block->Slice(runs_[r].block->num_rows() - 1, 1)->SelectColumns(key_columns_));
      last_rows.push_back(std::move(last));
    }
    size_t bound = runs_.size();
    TablePtr splitter;
    if (!bounding.empty()) {
      const TablePtr lasts = table::StackTables(last_rows[0]->schema(), last_rows);
      ARROW_ASSIGN_OR_RAISE(const auto order, SortIndices(*lasts, key_options_, piece_));
      bound = bounding[static_cast<size_t>(order[0])];
      splitter = last_rows[static_cast<size_t>(order[0])];
    }
    for (size_t r = 0; r < runs_.size(); ++r) {
      TablePtr& block = runs_[r].block;
      if (block == nullptr) continue;
      int64_t rows = block->num_rows();
      if (splitter != nullptr && r != bound) {
        ARROW_ASSIGN_OR_RAISE(const auto ranges, FindSplits(*block, options_, *splitter, piece_));
        rows = r < bound ? ranges[0].through : ranges[0].before;
      }
      if (rows > 0) pieces.push_back(block->Slice(0, rows));
      block = rows < block->num_rows() ? block->Slice(rows) : nullptr;
    }
    return pieces;
  }

  std::vector<Run> runs_;
  const SortOptions& options_;
  Spill* const spill_;
  const Context piece_;
  /// The keys as columns of their own.
  SortOptions key_options_;
  std::vector<int> key_columns_;
};

/// Merges into tables that are kept, each of some blocks.
arrow::Result<TablePtr> MergeToTable(std::vector<Run> runs, const std::shared_ptr<arrow::Schema>& schema,
                                     const SortOptions& options, const Context& context) {
  const TraceSpan span(context.tracer, "sort.merge");
  std::vector<TablePtr> kept;
  std::vector<TablePtr> held;
  int64_t held_bytes = 0;
  const auto keep = [&]() -> arrow::Status {
    if (held.empty()) return arrow::Status::OK();
    ARROW_ASSIGN_OR_RAISE(auto made, Keep(table::StackTables(schema, held), context));
    kept.push_back(std::move(made));
    held.clear();
    held_bytes = 0;
    return arrow::Status::OK();
  };
  Merger merger(std::move(runs), options, context);
  ARROW_RETURN_NOT_OK(merger.Merge([&](const TablePtr& merged) {
    held.push_back(merged);
    held_bytes += table::TableBytes(*merged);
    return held_bytes > WorkPiece(context) ? keep() : arrow::Status::OK();
  }));
  ARROW_RETURN_NOT_OK(keep());
  return table::StackTables(schema, kept);
}

/// Writes sorted rows at the end of a run; the file makes blocks of them.
arrow::Status AddToRun(const arrow::Table& sorted, int64_t block_rows, table::SpillFile* file, int part) {
  arrow::TableBatchReader reader(sorted);
  reader.set_chunksize(block_rows);
  for (;;) {
    std::shared_ptr<arrow::RecordBatch> batch;
    ARROW_RETURN_NOT_OK(reader.ReadNext(&batch));
    if (batch == nullptr) return arrow::Status::OK();
    ARROW_RETURN_NOT_OK(file->Append(part, std::move(batch)));
  }
}

}  // namespace

arrow::Result<TablePtr> SpilledSort(const TablePtr& table, const SortOptions& options, const Context& context) {
  ARROW_RETURN_NOT_OK(CheckSort(*table->schema(), options));
  const Context piece = ForPiece(context);
  ARROW_ASSIGN_OR_RAISE(const bool sorted_already, IsSorted(*table, options, piece));
  if (sorted_already) return table;
  const auto& schema = table->schema();
  const int64_t rows = table->num_rows();
  const int64_t row_bytes = table::TableBytes(*table) / std::max<int64_t>(rows, 1) + 1;
  // Besides its rows a sort holds about 32 bytes a row: codes and numbers, each twice.
  const int64_t slice_rows = std::max<int64_t>(1, WorkPiece(context) / (row_bytes / 2 + 16));
  const int64_t slices = (rows + slice_rows - 1) / slice_rows;
  const int64_t at_once = std::min<int64_t>(slices, kFanIn);
  const int64_t block_rows = std::max<int64_t>(1, slice_rows / (at_once + 1));
  std::vector<std::unique_ptr<table::SpillFile>> files;
  std::vector<Run> runs;
  const int64_t block_bytes = block_rows * row_bytes;
  ARROW_ASSIGN_OR_RAISE(
      auto file, table::SpillFile::Make(schema, static_cast<int>(slices), block_bytes, 2 * block_bytes, context));
  for (int64_t slice = 0; slice < slices; ++slice) {
    ARROW_ASSIGN_OR_RAISE(const auto sorted, Sort(table->Slice(slice * slice_rows, slice_rows), options, piece));
    ARROW_RETURN_NOT_OK(AddToRun(*sorted, block_rows, file.get(), static_cast<int>(slice)));
    ARROW_RETURN_NOT_OK(file->Flush(static_cast<int>(slice)));
    runs.push_back(RunOf(file.get(), static_cast<int>(slice)));
  }
  files.push_back(std::move(file));
  while (static_cast<int64_t>(runs.size()) > kFanIn) {
    const auto groups = static_cast<int>((runs.size() + kFanIn - 1) / kFanIn);
    ARROW_ASSIGN_OR_RAISE(auto merged, table::SpillFile::Make(schema, groups, block_bytes, 2 * block_bytes, context));
    std::vector<Run> longer;
    for (int group = 0; group < groups; ++group) {
      const auto begin = static_cast<std::ptrdiff_t>(group) * kFanIn;
      const auto end = std::min<std::ptrdiff_t>(begin + kFanIn, static_cast<std::ptrdiff_t>(runs.size()));
      Merger merger({runs.begin() + begin, runs.begin() + end}, options, context);
      ARROW_RETURN_NOT_OK(
          merger.Merge([&](const TablePtr& rows) { return AddToRun(*rows, block_rows, merged.get(), group); }));
      ARROW_RETURN_NOT_OK(merged->Flush(group));
      longer.push_back(RunOf(merged.get(), group));
    }
    runs = std::move(longer);
    files.push_back(std::move(merged));
  }
  return MergeToTable(std::move(runs), schema, options, context);
}

arrow::Result<TablePtr> MergeInBlocks(const std::vector<TablePtr>& tables, const SortOptions& options,
                                      const Context& context) {
  int64_t bytes = 0;
  int64_t rows = 0;
  for (const auto& table : tables) {
    bytes += table::TableBytes(*table);
    rows += table->num_rows();
  }
  const int64_t row_bytes = bytes / std::max<int64_t>(rows, 1) + 1;
  const auto count = static_cast<int64_t>(tables.size());
  const int64_t block_rows = std::max<int64_t>(1, WorkPiece(context) / row_bytes / (count + 1));
  std::vector<Run> runs;
  for (const auto& table : tables) runs.push_back(RunOf(table, block_rows));
  return MergeToTable(std::move(runs), tables[0]->schema(), options, context);
}

}  // namespace weft::kernels
