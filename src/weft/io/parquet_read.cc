#include <arrow/array/util.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "weft/io/hive.h"
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
using ColumnPtr = std::shared_ptr<arrow::ChunkedArray>;
using NamedColumns = std::vector<std::pair<std::string, ColumnPtr>>;

constexpr std::string_view kOperation = "read_parquet";

/// A file, and what its directories say.
struct Entry {
  DataFile data;
  std::optional<ParquetFile> file;
};

struct Work {
  const Entry* entry;
  int row_group;
};

/// The first file's schema; a column is nullable where any file has it so.
Result<std::shared_ptr<arrow::Schema>> CommonSchema(const std::vector<Entry>& entries) {
  const ParquetFile& first = *entries.front().file;
  std::vector<std::string> names = first.schema()->field_names();
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) {
    return Status::Invalid(kOperation, ": file '", first.path(), "' has two columns named '", *twice, "'");
  }
  arrow::FieldVector fields = first.schema()->fields();
  for (const Entry& entry : entries) {
    const ParquetFile& file = *entry.file;
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

/// A file's schema and, behind, the columns that directories hold.
Result<std::shared_ptr<arrow::Schema>> WithHive(const arrow::Schema& schema, const arrow::FieldVector& hive,
                                                const std::string& path) {
  arrow::FieldVector fields = schema.fields();
  for (const auto& field : hive) {
    if (schema.GetFieldIndex(field->name()) >= 0) {
      return Status::Invalid(kOperation, ": file '", path, "' has a column '", field->name(),
                             "', which its directories hold too; read it with partitioning=None");
    }
    fields.push_back(field);
  }
  return arrow::schema(std::move(fields), schema.metadata());
}

/// `_metadata` files as those that they list.
Result<std::vector<Entry>> ListEntries(const std::vector<DataFile>& files, const Context& context) {
  std::vector<Entry> entries;
  for (const DataFile& file : files) {
    if (BaseName(file.name) != "_metadata") {
      entries.push_back({file, std::nullopt});
      continue;
    }
    std::vector<std::string> listed;
    ARROW_ASSIGN_OR_RAISE(auto opened, ParquetFile::OpenListed(file.name, &listed, context));
    if (opened.empty()) {
      ARROW_ASSIGN_OR_RAISE(auto empty, ParquetFile::Open(file.name, context));
      entries.push_back({file, std::move(empty)});
    }
    for (size_t i = 0; i < opened.size(); ++i) {
      DataFile data{opened[i].path(), file.keys};
      const auto keys = ParseHive(listed[i]);
      data.keys.insert(data.keys.end(), keys.begin(), keys.end());
      entries.push_back({std::move(data), std::move(opened[i])});
    }
  }
  return entries;
}

Status OpenEntry(Entry* entry, const Context& context) {
  if (entry->file.has_value()) return Status::OK();
  ARROW_ASSIGN_OR_RAISE(entry->file, ParquetFile::Open(entry->data.name, context));
  return Status::OK();
}

/// Leaves out files whose directories say that no row passes; not the first, whose schema is needed. True where even
/// that one's rows are not.
Result<bool> Prune(std::vector<Entry>* entries, const arrow::FieldVector& hive, const ReadOptions& options,
                   const Context& context) {
  if (hive.empty()) return false;
  ARROW_RETURN_NOT_OK(OpenEntry(&entries->front(), context));
  const ParquetFile& first = *entries->front().file;
  ARROW_ASSIGN_OR_RAISE(auto schema, WithHive(*first.schema(), hive, first.path()));
  ARROW_ASSIGN_OR_RAISE(const auto filter, RowFilter::Make(options.filter, std::move(schema), kOperation, context));
  if (filter.trivial()) return false;
  std::vector<Entry> kept;
  for (Entry& entry : *entries) {
    ARROW_ASSIGN_OR_RAISE(const auto fact, HiveFact(entry.data, hive, *filter.schema()));
    ARROW_ASSIGN_OR_RAISE(const bool may_pass, filter.MayPass(fact));
    if (may_pass) kept.push_back(std::move(entry));
  }
  if (kept.empty()) {
    entries->resize(1);
    return true;
  }
  *entries = std::move(kept);
  return false;
}

struct Plan {
  std::shared_ptr<arrow::Schema> result_schema;
  /// The result's columns, then those that only the filter needs.
  std::vector<std::string> columns;
  arrow::FieldVector hive;
  /// Of its own columns alone.
  RowFilter filter;
  std::vector<Work> works;
};

Result<Plan> MakePlan(const std::vector<Entry>& entries, const arrow::FieldVector& hive, bool nothing,
                      const ReadOptions& options, const Context& context) {
  Plan plan;
  plan.hive = hive;
  ARROW_ASSIGN_OR_RAISE(const auto common, CommonSchema(entries));
  ARROW_ASSIGN_OR_RAISE(const auto schema, WithHive(*common, hive, entries.front().file->path()));
  plan.columns = options.columns.empty() ? schema->field_names() : options.columns;
  ARROW_RETURN_NOT_OK(table::FindColumns(*schema, plan.columns, kOperation).status());
  plan.result_schema = Choose(*schema, plan.columns);
  ARROW_ASSIGN_OR_RAISE(const auto filter_columns, FilterColumns(options.filter, kOperation));
  ARROW_RETURN_NOT_OK(table::FindColumns(*schema, filter_columns, kOperation).status());
  for (const std::string& name : filter_columns) {
    if (std::find(plan.columns.begin(), plan.columns.end(), name) == plan.columns.end()) plan.columns.push_back(name);
  }
  ARROW_ASSIGN_OR_RAISE(plan.filter,
                        RowFilter::Make(options.filter, Choose(*schema, filter_columns), kOperation, context));
  std::vector<Work> all;
  std::vector<int64_t> rows;
  for (const Entry& entry : entries) {
    ARROW_ASSIGN_OR_RAISE(const auto fact, HiveFact(entry.data, hive, *plan.filter.schema()));
    for (int i = 0; i < entry.file->row_groups() && !nothing; ++i) {
      // All ranks leave out the same row groups, before the rest is shared.
      ARROW_ASSIGN_OR_RAISE(const bool may_pass, entry.file->MayPass(i, plan.filter, fact));
      if (!may_pass) continue;
      all.push_back({&entry, i});
      rows.push_back(entry.file->rows(i));
    }
  }
  const Share share = ContiguousShare(rows, options.rank, options.world_size);
  plan.works.assign(all.begin() + share.begin, all.begin() + share.end);
  return plan;
}

/// The place of a column among those of the directories; -1 where a file has it.
int HivePlace(const Plan& plan, const std::string& name) {
  for (size_t i = 0; i < plan.hive.size(); ++i) {
    if (plan.hive[i]->name() == name) return static_cast<int>(i);
  }
  return -1;
}

/// Columns of a row group by name; those that directories hold are made.
Result<NamedColumns> ReadColumns(const Plan& plan, const Work& work, const std::vector<std::string>& names,
                                 const arrow::Int64Array* rows, bool use_threads, const Context& context) {
  std::vector<std::string> stored;
  for (const std::string& name : names) {
    if (HivePlace(plan, name) < 0) stored.push_back(name);
  }
  const ParquetFile& file = *work.entry->file;
  ARROW_ASSIGN_OR_RAISE(const TablePtr table, file.Read(work.row_group, stored, rows, use_threads, context));
  NamedColumns columns;
  int next = 0;
  for (const std::string& name : names) {
    const int place = HivePlace(plan, name);
    if (place < 0) {
      columns.emplace_back(name, table->column(next++));
      continue;
    }
    const auto& field = *plan.hive[static_cast<size_t>(place)];
    ARROW_ASSIGN_OR_RAISE(const auto value, HiveScalar(work.entry->data.keys[static_cast<size_t>(place)], field));
    ARROW_ASSIGN_OR_RAISE(auto same, arrow::MakeArrayFromScalar(*value, table->num_rows(), context.pool));
    columns.emplace_back(name, std::make_shared<arrow::ChunkedArray>(std::move(same)));
  }
  return columns;
}

/// nullptr where it is not there.
ColumnPtr FindColumn(const NamedColumns& columns, const std::string& name) {
  for (const auto& [own, column] : columns) {
    if (own == name) return column;
  }
  return nullptr;
}

/// The rows that pass; nullptr where none does. The filter's columns come first: of the others only what is at these
/// rows is decoded.
Result<TablePtr> ReadWork(const Plan& plan, const Work& work, bool use_threads, const Context& context) {
  const ParquetFile& file = *work.entry->file;
  NamedColumns known;
  std::shared_ptr<arrow::Int64Array> rows;
  if (!plan.filter.trivial()) {
    const auto first = file.local() ? plan.filter.schema()->field_names() : plan.columns;
    ARROW_ASSIGN_OR_RAISE(known, ReadColumns(plan, work, first, nullptr, use_threads, context));
    arrow::ChunkedArrayVector tested;
    for (const auto& name : plan.filter.schema()->field_names()) tested.push_back(FindColumn(known, name));
    const auto table = arrow::Table::Make(plan.filter.schema(), std::move(tested), file.rows(work.row_group));
    ARROW_ASSIGN_OR_RAISE(rows, plan.filter.Select(table, context));
    if (rows != nullptr && rows->length() == 0) return nullptr;
  }
  std::vector<std::string> wanted;
  for (const auto& field : plan.result_schema->fields()) {
    if (FindColumn(known, field->name()) == nullptr) wanted.push_back(field->name());
  }
  ARROW_ASSIGN_OR_RAISE(const auto others, ReadColumns(plan, work, wanted, rows.get(), use_threads, context));
  arrow::ChunkedArrayVector columns;
  for (const auto& field : plan.result_schema->fields()) {
    ColumnPtr column = FindColumn(others, field->name());
    if (column == nullptr) {
      column = FindColumn(known, field->name());
      if (rows != nullptr) {
        ARROW_ASSIGN_OR_RAISE(column, TakeRows(*column, *rows, context));
      }
    }
    columns.push_back(std::move(column));
  }
  return arrow::Table::Make(plan.result_schema, std::move(columns),
                            rows == nullptr ? file.rows(work.row_group) : rows->length());
}

}  // namespace

Result<TablePtr> ReadParquet(const std::vector<std::string>& paths, const ReadOptions& options,
                             const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto files, ExpandFiles(paths, ".parquet", Hive::kColumns));
  return ReadParquet(files, options, context);
}

Result<TablePtr> ReadParquet(const std::vector<DataFile>& files, const ReadOptions& options, const Context& context) {
  if (files.empty()) return Status::Invalid(kOperation, ": no file is given");
  TraceSpan metadata_span(context.tracer, "read_parquet.metadata");
  ARROW_ASSIGN_OR_RAISE(std::vector<Entry> entries, ListEntries(files, context));
  std::vector<DataFile> data;
  for (const Entry& entry : entries) data.push_back(entry.data);
  auto hive = HiveFields(data);
  if (!hive.ok()) return hive.status().WithMessage(kOperation, ": ", hive.status().message());
  ARROW_ASSIGN_OR_RAISE(const bool nothing, Prune(&entries, *hive, options, context));
  ARROW_RETURN_NOT_OK(ParallelFor(context, static_cast<int64_t>(entries.size()),
                                  [&](int64_t i) { return OpenEntry(&entries[static_cast<size_t>(i)], context); }));
  ARROW_ASSIGN_OR_RAISE(const Plan plan, MakePlan(entries, *hive, nothing, options, context));
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
  std::erase(tables, nullptr);
  if (tables.empty()) return arrow::Table::MakeEmpty(plan.result_schema, context.pool);
  ARROW_ASSIGN_OR_RAISE(auto table, arrow::ConcatenateTables(tables));
  span.AddRows(table->num_rows());
  return table;
}

}  // namespace weft::io
