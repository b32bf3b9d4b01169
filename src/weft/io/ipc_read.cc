#include <arrow/io/interfaces.h>
#include <arrow/ipc/reader.h>
#include <arrow/record_batch.h>

#include <algorithm>
#include <exception>
#include <new>
#include <utility>

#include "weft/io/input_file.h"
#include "weft/io/location.h"
#include "weft/io/read.h"
#include "weft/io/row_filter.h"
#include "weft/table/columns.h"
#include "weft/table/runs.h"
#include "weft/table/without_views.h"

namespace weft::io {
namespace {

using arrow::Result;
using arrow::Status;
using BatchPtr = std::shared_ptr<arrow::RecordBatch>;
using TablePtr = std::shared_ptr<arrow::Table>;

constexpr std::string_view kOperation = "read_ipc";
constexpr std::string_view kMagic = "ARROW1";

/// A file, opened. A stream's batches are not known before it is read.
struct IpcFile {
  std::string path;
  std::shared_ptr<arrow::io::RandomAccessFile> file;
  std::shared_ptr<arrow::ipc::RecordBatchFileReader> reader;
  std::shared_ptr<arrow::Schema> schema;
  int64_t size = 0;
  int batches = 1;
};

Result<IpcFile> Open(const std::string& path, const arrow::ipc::IpcReadOptions& options) {
  IpcFile made;
  made.path = path;
  ARROW_ASSIGN_OR_RAISE(const Location location, Locate(path));
  ARROW_ASSIGN_OR_RAISE(made.file, OpenInput(location, options.memory_pool));
  ARROW_ASSIGN_OR_RAISE(made.size, made.file->GetSize());
  ARROW_ASSIGN_OR_RAISE(const auto head, made.file->ReadAt(0, static_cast<int64_t>(kMagic.size())));
  if (std::string_view(*head).starts_with("FEA1")) {
    return Status::NotImplemented("it is of Feather's first version; write it again with a newer library");
  }
  if (std::string_view(*head) == kMagic) {
    ARROW_ASSIGN_OR_RAISE(made.reader, arrow::ipc::RecordBatchFileReader::Open(made.file, options));
    made.schema = made.reader->schema();
    made.batches = made.reader->num_record_batches();
  } else {
    ARROW_RETURN_NOT_OK(made.file->Seek(0));
    ARROW_ASSIGN_OR_RAISE(const auto stream, arrow::ipc::RecordBatchStreamReader::Open(made.file, options));
    made.schema = stream->schema();
  }
  return made;
}

/// What a damaged file holds must not harm later operators.
Status Keep(const BatchPtr& batch, std::vector<BatchPtr>* batches) {
  ARROW_RETURN_NOT_OK(batch->ValidateFull());
  if (batch->num_rows() > 0) batches->push_back(batch);
  return Status::OK();
}

/// A rank's part of the bytes of all files, from their beginning.
struct Part {
  __extension__ using Wide = unsigned __int128;
  Wide begin = 0;
  Wide end = 0;

  /// Which rows of a batch, whose bytes are [from, to), are in it.
  std::pair<int64_t, int64_t> Rows(int64_t rows, Wide from, Wide to) const {
    const auto row = [&](Wide at) {
      const Wide inside = std::min(std::max(at, from), to) - from;
      return static_cast<int64_t>(inside * static_cast<Wide>(rows) / (to - from));
    };
    return {row(begin), row(end)};
  }
};

Status ReadFile(const IpcFile& file, Part::Wide before, const Part& part, const arrow::ipc::IpcReadOptions& options,
                const Context& context, std::vector<BatchPtr>* batches) {
  const auto size = static_cast<Part::Wide>(std::max<int64_t>(file.size, 1));
  if (file.reader == nullptr) {
    const Part::Wide middle = before + size / 2;
    if (middle < part.begin || middle >= part.end) return Status::OK();
    ARROW_RETURN_NOT_OK(file.file->Seek(0));
    ARROW_ASSIGN_OR_RAISE(const auto stream, arrow::ipc::RecordBatchStreamReader::Open(file.file, options));
    for (;;) {
      ARROW_RETURN_NOT_OK(context.stop.Poll());
      BatchPtr batch;
      ARROW_RETURN_NOT_OK(stream->ReadNext(&batch));
      if (batch == nullptr) return Status::OK();
      ARROW_RETURN_NOT_OK(Keep(batch, batches));
    }
  }
  const auto count = static_cast<Part::Wide>(file.batches);
  for (int i = 0; i < file.batches; ++i) {
    // Batches of one file count as being of one size; it may have more of them than bytes that are told apart.
    const Part::Wide from = before * count + size * static_cast<Part::Wide>(i);
    const Part::Wide to = from + size;
    const Part scaled{part.begin * count, part.end * count};
    if (to <= scaled.begin || from >= scaled.end) continue;
    ARROW_RETURN_NOT_OK(context.stop.Poll());
    ARROW_ASSIGN_OR_RAISE(const auto batch, file.reader->ReadRecordBatch(i));
    const auto [begin, end] = scaled.Rows(batch->num_rows(), from, to);
    ARROW_RETURN_NOT_OK(
        Keep(begin == 0 && end == batch->num_rows() ? batch : batch->Slice(begin, end - begin), batches));
  }
  return Status::OK();
}

template <typename Function>
auto NoThrow(const std::string& path, const Function& function) -> decltype(function()) {
  const std::string where = "read_ipc: file '" + path + "'";
  try {
    auto made = function();
    const Status status = [&] {
      if constexpr (std::is_same_v<decltype(made), Status>) {
        return made;
      } else {
        return made.status();
      }
    }();
    if (!status.ok()) return FileError(status, where);
    return made;
  } catch (const std::bad_alloc&) {
    return Status::OutOfMemory(where, ": out of memory");
  } catch (const std::exception& e) {
    return Status::IOError(where, ": ", e.what());
  }
}

Status CheckSame(const IpcFile& file, const IpcFile& first) {
  if (file.schema->Equals(*first.schema, false)) return Status::OK();
  return Status::TypeError(kOperation, ": file '", file.path, "' has other columns or types than '", first.path,
                           "': ", file.schema->ToString(), " and ", first.schema->ToString());
}

}  // namespace

Result<TablePtr> ReadIpc(const std::vector<DataFile>& files, const ReadOptions& options, const Context& context) {
  if (files.empty()) return Status::Invalid(kOperation, ": no file is given");
  auto ipc = arrow::ipc::IpcReadOptions::Defaults();
  ipc.memory_pool = context.pool;
  ipc.use_threads = context.threads > 1;
  ipc.ensure_alignment = arrow::ipc::Alignment::kDataTypeSpecificAlignment;
  std::vector<IpcFile> opened;
  Part::Wide total = 0;
  for (const DataFile& file : files) {
    ARROW_ASSIGN_OR_RAISE(IpcFile one, NoThrow(file.name, [&] { return Open(file.name, ipc); }));
    total += static_cast<Part::Wide>(std::max<int64_t>(one.size, 1));
    opened.push_back(std::move(one));
    ARROW_RETURN_NOT_OK(CheckSame(opened.back(), opened.front()));
  }
  const auto world = static_cast<Part::Wide>(options.world_size);
  const auto rank = static_cast<Part::Wide>(options.rank);
  const Part part{total * rank / world, total * (rank + 1) / world};

  TraceSpan span(context.tracer, "read_ipc.read");
  std::vector<BatchPtr> batches;
  Part::Wide before = 0;
  for (const IpcFile& file : opened) {
    ARROW_RETURN_NOT_OK(NoThrow(file.path, [&] { return ReadFile(file, before, part, ipc, context, &batches); }));
    before += static_cast<Part::Wide>(std::max<int64_t>(file.size, 1));
  }
  ARROW_ASSIGN_OR_RAISE(auto table, arrow::Table::FromRecordBatches(opened.front().schema, batches));
  ARROW_ASSIGN_OR_RAISE(table, NoThrow(opened.front().path, [&] { return table::WithoutViews(table, context); }));
  ARROW_ASSIGN_OR_RAISE(table, table::WithOurRuns(table, context));
  if (!options.filter.Equals(arrow::compute::literal(true))) {
    ARROW_ASSIGN_OR_RAISE(table, table::WithoutRuns(table, context));
  }
  const auto schema = table->schema();
  std::vector<std::string> names = schema->field_names();
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) {
    return Status::Invalid(kOperation, ": file '", opened.front().path, "' has two columns named '", *twice, "'");
  }
  ARROW_ASSIGN_OR_RAISE(const auto filter, RowFilter::Make(options.filter, schema, kOperation, context));
  ARROW_ASSIGN_OR_RAISE(table, filter.Apply(table, context));
  if (!options.columns.empty()) {
    ARROW_ASSIGN_OR_RAISE(const auto chosen, table::FindColumns(*schema, options.columns, kOperation));
    ARROW_ASSIGN_OR_RAISE(table, table->SelectColumns(chosen));
  }
  span.AddRows(table->num_rows());
  return table;
}

}  // namespace weft::io
