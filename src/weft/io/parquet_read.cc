#include <algorithm>
#include <utility>

#include "weft/io/location.h"
#include "weft/io/parquet_file.h"
#include "weft/io/read.h"
#include "weft/io/row_filter.h"
#include "weft/io/share.h"
#include "weft/table/columns.h"

namespace weft::io {
namespace {

using arrow::Result;
using arrow::Status;
using TablePtr = std::shared_ptr<arrow::Table>;

constexpr std::string_view kOperation = "read_parquet";

struct Work {
  const ParquetFile* file;
  int row_group;
};

/// The first file's schema; a column is nullable where any file has it so.
Result<std::shared_ptr<arrow::Schema>> CommonSchema(const std::vector<ParquetFile>& files) {
  const ParquetFile& first = files.front();
  std::vector<std::string> names = first.schema()->field_names();
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) {
    return Status::Invalid(kOperation, ": file '", first.path(), "' has two columns named '", *twice, "'");
  }
  arrow::FieldVector fields = first.schema()->fields();
  for (const ParquetFile& file : files) {
    for (auto& field : fields) {
      const int i = file.schema()->GetFieldIndex(field->name());
      if (i < 0) {
        return Status::TypeError(kOperation, ": file '", file.path(), "' has no column '", field->name(), "' (",
                                 field->type()->ToString(), "), which '", first.path(), "' has");
      }
      const auto& other = file.schema()->field(i);
      if (!other->type()->Equals(*field->type())) {
        return Status::TypeError(kOperation, ": file '", file.path(), "': column '", field->name(), "' is ",
                                 other->type()->ToString(), ", but ", field->type()->ToString(), " in '", first.path(),
                                 "'");
      }
      if (other->nullable() && !field->nullable()) field = field->WithNullable(true);
    }
    if (file.schema()->num_fields() != first.schema()->num_fields()) {
      for (const auto& field : file.schema()->fields()) {
        if (std::count(names.begin(), names.end(), field->name()) == 1) continue;
        return Status::TypeError(kOperation, ": file '", file.path(), "' has a column '", field->name(), "' (",
                                 field->type()->ToString(), "), which '", first.path(), "' has not");
      }
      return Status::TypeError(kOperation, ": file '", file.path(), "' has a column twice");
    }
  }
  return arrow::schema(std::move(fields), first.schema()->metadata());
}

std::shared_ptr<arrow::Schema> Choose(const arrow::Schema& schema, const std::vector<std::string>& names) {
  arrow::FieldVector fields;
  for (const std::string& name : names) fields.push_back(schema.GetFieldByName(name));
  return arrow::schema(std::move(fields), schema.metadata());
}

struct Plan {
  std::shared_ptr<arrow::Schema> result_schema;
  /// The result's columns, then those that only the filter needs.
  std::vector<std::string> columns;
  RowFilter filter;
  std::vector<Work> works;
};

Result<Plan> MakePlan(const std::vector<ParquetFile>& files, const ReadOptions& options, const Context& context) {
  Plan plan;
  ARROW_ASSIGN_OR_RAISE(const auto schema, CommonSchema(files));
  plan.columns = options.columns.empty() ? schema->field_names() : options.columns;
  ARROW_RETURN_NOT_OK(table::FindColumns(*schema, plan.columns, kOperation).status());
  plan.result_schema = Choose(*schema, plan.columns);
  ARROW_ASSIGN_OR_RAISE(const auto filter_columns, FilterColumns(options.filter, kOperation));
  ARROW_RETURN_NOT_OK(table::FindColumns(*schema, filter_columns, kOperation).status());
  for (const std::string& name : filter_columns) {
    if (std::find(plan.columns.begin(), plan.columns.end(), name) == plan.columns.end()) plan.columns.push_back(name);
  }
  ARROW_ASSIGN_OR_RAISE(plan.filter,
                        RowFilter::Make(options.filter, Choose(*schema, plan.columns), kOperation, context));
  std::vector<Work> all;
  std::vector<int64_t> rows;
  for (const ParquetFile& file : files) {
    for (int i = 0; i < file.row_groups(); ++i) {
      // All ranks leave out the same row groups, before the rest is shared.
      ARROW_ASSIGN_OR_RAISE(const bool may_pass, file.MayPass(i, plan.filter));
      if (!may_pass) continue;
      all.push_back({&file, i});
      rows.push_back(file.rows(i));
    }
  }
  const Share share = ContiguousShare(rows, options.rank, options.world_size);
  plan.works.assign(all.begin() + share.begin, all.begin() + share.end);
  return plan;
}

Result<TablePtr> ReadWork(const Plan& plan, const Work& work, bool use_threads, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(TablePtr table, work.file->Read(work.row_group, plan.columns, use_threads, context));
  table = arrow::Table::Make(plan.filter.schema(), table->columns(), table->num_rows());
  Context serial = context;
  serial.threads = 1;
  ARROW_ASSIGN_OR_RAISE(table, plan.filter.Apply(table, serial));
  auto columns = table->columns();
  columns.resize(static_cast<size_t>(plan.result_schema->num_fields()));
  return arrow::Table::Make(plan.result_schema, std::move(columns), table->num_rows());
}

}  // namespace

Result<TablePtr> ReadParquet(const std::vector<std::string>& paths, const ReadOptions& options,
                             const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto names, ExpandPaths(paths, ".parquet"));
  TraceSpan metadata_span(context.tracer, "read_parquet.metadata");
  std::vector<ParquetFile> files(names.size());
  ARROW_RETURN_NOT_OK(ParallelFor(context, static_cast<int64_t>(names.size()), [&](int64_t i) {
    ARROW_ASSIGN_OR_RAISE(files[static_cast<size_t>(i)], ParquetFile::Open(names[static_cast<size_t>(i)], context));
    return Status::OK();
  }));
  ARROW_ASSIGN_OR_RAISE(const Plan plan, MakePlan(files, options, context));
  metadata_span.End();

  TraceSpan span(context.tracer, "read_parquet.read");
  std::vector<TablePtr> tables(plan.works.size());
  const auto works = static_cast<int64_t>(plan.works.size());
  // Few row groups: threads share the columns of one instead.
  const bool by_column = works < context.threads;
  Context outer = context;
  if (by_column) outer.threads = 1;
  ARROW_RETURN_NOT_OK(ParallelFor(outer, works, [&](int64_t i) {
    const auto at = static_cast<size_t>(i);
    ARROW_ASSIGN_OR_RAISE(tables[at], ReadWork(plan, plan.works[at], by_column, context));
    return Status::OK();
  }));
  if (tables.empty()) return arrow::Table::MakeEmpty(plan.result_schema, context.pool);
  ARROW_ASSIGN_OR_RAISE(auto table, arrow::ConcatenateTables(tables));
  span.AddRows(table->num_rows());
  return table;
}

}  // namespace weft::io
