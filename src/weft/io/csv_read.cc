#include <algorithm>
#include <utility>

#include "weft/io/csv_file.h"
#include "weft/io/csv_types.h"
#include "weft/io/read.h"
#include "weft/io/row_filter.h"
#include "weft/io/share.h"
#include "weft/table/columns.h"

namespace weft::io {
namespace {

using arrow::Result;
using arrow::Status;
using TablePtr = std::shared_ptr<arrow::Table>;

constexpr std::string_view kOperation = "read_csv";

Status CheckOptions(const CsvOptions& csv) {
  const auto wrong = [](char c) { return c == '\n' || c == '\r' || c == '\0'; };
  if (wrong(csv.delimiter) || wrong(csv.quote)) {
    return Status::Invalid(kOperation, ": a line end or NUL cannot be the delimiter or the quote");
  }
  if (csv.delimiter == csv.quote) {
    return Status::Invalid(kOperation, ": delimiter and quote are the same character '", csv.quote, "'");
  }
  std::vector<std::string> names = csv.names;
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) return Status::Invalid(kOperation, ": names= has '", *twice, "' twice");
  return Status::OK();
}

/// The files one below the other. A file whose own types differ from those that all agree on is read again with these.
Result<TablePtr> ReadFiles(const std::vector<std::string>& files, const CsvOptions& csv,
                           const std::vector<std::string>& columns, const Context& context) {
  const auto count = static_cast<int64_t>(files.size());
  std::vector<TablePtr> tables(files.size());
  const bool within_file = count < context.threads;
  Context outer = context;
  if (within_file) outer.threads = 1;
  ARROW_RETURN_NOT_OK(ParallelFor(outer, count, [&](int64_t i) {
    const auto at = static_cast<size_t>(i);
    ARROW_ASSIGN_OR_RAISE(tables[at], ReadCsvFile(files[at], csv, columns, within_file, context));
    return Status::OK();
  }));
  std::vector<NamedSchema> schemas;
  for (size_t i = 0; i < files.size(); ++i) schemas.push_back({files[i], tables[i]->schema()});
  ARROW_ASSIGN_OR_RAISE(const auto schema, UnifyCsvSchemas(schemas));
  CsvOptions agreed = csv;
  agreed.types.clear();
  for (const auto& field : schema->fields()) agreed.types.emplace_back(field->name(), field->type());
  ARROW_RETURN_NOT_OK(ParallelFor(outer, count, [&](int64_t i) {
    const auto at = static_cast<size_t>(i);
    if (OnlyNullsDiffer(*tables[at]->schema(), *schema)) {
      ARROW_ASSIGN_OR_RAISE(tables[at], CastNulls(*tables[at], schema, context));
      return Status::OK();
    }
    tables[at].reset();
    ARROW_ASSIGN_OR_RAISE(tables[at], ReadCsvFile(files[at], agreed, schema->field_names(), within_file, context));
    return Status::OK();
  }));
  return arrow::ConcatenateTables(tables);
}

}  // namespace

Result<TablePtr> ReadCsv(const std::vector<std::string>& paths, const CsvOptions& csv, const ReadOptions& options,
                         const Context& context) {
  ARROW_RETURN_NOT_OK(CheckOptions(csv));
  ARROW_ASSIGN_OR_RAISE(auto files, ExpandPaths(paths, ".csv"));
  ARROW_ASSIGN_OR_RAISE(const auto sizes, FileSizes(files));
  const Share share = ContiguousShare(sizes, options.rank, options.world_size);
  files = std::vector<std::string>(files.begin() + share.begin, files.begin() + share.end);
  if (files.empty()) return nullptr;

  TraceSpan span(context.tracer, "read_csv.read");
  for (int64_t i = share.begin; i < share.end; ++i) span.AddBytes(sizes[static_cast<size_t>(i)]);
  std::vector<std::string> columns = options.columns;
  if (!columns.empty()) {
    ARROW_ASSIGN_OR_RAISE(const auto filter_columns, FilterColumns(options.filter, kOperation));
    for (const std::string& name : filter_columns) {
      if (std::find(columns.begin(), columns.end(), name) == columns.end()) columns.push_back(name);
    }
  }
  ARROW_ASSIGN_OR_RAISE(auto table, ReadFiles(files, csv, columns, context));
  ARROW_ASSIGN_OR_RAISE(const RowFilter filter, RowFilter::Make(options.filter, table->schema(), kOperation, context));
  ARROW_ASSIGN_OR_RAISE(table, filter.Apply(table, context));
  if (!options.columns.empty()) {
    ARROW_ASSIGN_OR_RAISE(const auto chosen, table::FindColumns(*table->schema(), options.columns, kOperation));
    ARROW_ASSIGN_OR_RAISE(table, table->SelectColumns(chosen));
  }
  span.AddRows(table->num_rows());
  return table;
}

}  // namespace weft::io
