#include "weft/io/parquet_file.h"

#include <arrow/compute/expression.h>
#include <arrow/dataset/file_parquet.h>
#include <arrow/filesystem/filesystem.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/statistics.h>

#include <algorithm>
#include <exception>
#include <new>
#include <utility>

#include "weft/io/glob.h"
#include "weft/io/input_file.h"
#include "weft/io/location.h"
#include "weft/io/parquet_chunk.h"
#include "weft/table/without_views.h"

namespace weft::io {
namespace {

using arrow::Result;
using arrow::Status;

/// The Parquet library throws, most of all on damaged files; here it stops.
template <typename T, typename Function>
Result<T> NoThrow(const Function& function) {
  try {
    return function();
  } catch (const parquet::ParquetStatusException& e) {
    return e.status();
  } catch (const std::bad_alloc&) {
    return Status::OutOfMemory("out of memory");
  } catch (const std::exception& e) {
    return Status::IOError(e.what());
  }
}

Result<std::unique_ptr<parquet::arrow::FileReader>> MakeReader(std::shared_ptr<arrow::io::RandomAccessFile> input,
                                                               std::shared_ptr<parquet::FileMetaData> metadata,
                                                               bool local, bool use_threads, const Context& context) {
  parquet::ArrowReaderProperties arrow_properties(use_threads);
  // Ranges are fetched together from afar; a local file is read as it is decoded.
  arrow_properties.set_pre_buffer(!local);
  arrow_properties.set_io_context(arrow::io::IOContext(context.pool, context.stop));
  parquet::arrow::FileReaderBuilder builder;
  ARROW_RETURN_NOT_OK(builder.Open(std::move(input), ParquetProperties(context), std::move(metadata)));
  builder.memory_pool(context.pool);
  builder.properties(arrow_properties);
  return builder.Build();
}

void CollectLeaves(const parquet::arrow::SchemaField& field, std::vector<int>* leaves) {
  if (field.is_leaf()) leaves->push_back(field.column_index);
  for (const auto& child : field.children) CollectLeaves(child, leaves);
}

}  // namespace

Result<ParquetFile> ParquetFile::Open(const std::string& path, const Context& context) {
  auto opened = NoThrow<ParquetFile>([&]() -> Result<ParquetFile> {
    ParquetFile made;
    made.path_ = path;
    ARROW_ASSIGN_OR_RAISE(const Location location, Locate(path));
    made.local_ = location.local;
    ARROW_ASSIGN_OR_RAISE(auto input, OpenInput(location, context.pool));
    ARROW_ASSIGN_OR_RAISE(const auto reader, MakeReader(std::move(input), nullptr, location.local, false, context));
    made.metadata_ = reader->parquet_reader()->metadata();
    ARROW_RETURN_NOT_OK(reader->GetSchema(&made.schema_));
    for (const auto& field : reader->manifest().schema_fields) CollectLeaves(field, &made.leaves_.emplace_back());
    made.schema_ = table::WithoutViews(made.schema_);
    if (static_cast<int>(made.leaves_.size()) != made.schema_->num_fields()) {
      return Status::IOError("its two schemas differ");
    }
    for (int i = 0; i < made.row_groups(); ++i) {
      if (made.rows(i) < 0) return Status::IOError("row group ", i, " has ", made.rows(i), " rows");
    }
    return made;
  });
  if (!opened.ok()) return FileError(opened.status(), "Parquet file '" + path + "', metadata");
  return opened;
}

int ParquetFile::row_groups() const { return metadata_->num_row_groups(); }

int64_t ParquetFile::rows(int row_group) const { return metadata_->RowGroup(row_group)->num_rows(); }

Result<std::vector<ParquetFile>> ParquetFile::OpenListed(const std::string& path, std::vector<std::string>* listed,
                                                         const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const ParquetFile all, Open(path, context));
  const auto split = [&]() -> Result<std::vector<ParquetFile>> {
    std::vector<std::vector<int>> groups;
    for (int i = 0; i < all.row_groups(); ++i) {
      const auto group = all.metadata_->RowGroup(i);
      const std::string name = group->num_columns() > 0 ? group->ColumnChunk(0)->file_path() : "";
      const auto parts = SplitPath(name);
      if (name.empty() || name.front() == '/' || std::find(parts.begin(), parts.end(), "..") != parts.end()) {
        return Status::IOError("row group ", i, " lies in '", name, "', which is no file below it");
      }
      const auto known = std::find(listed->begin(), listed->end(), name) - listed->begin();
      if (known == static_cast<std::ptrdiff_t>(listed->size())) {
        listed->push_back(name);
        groups.emplace_back();
      }
      groups[static_cast<size_t>(known)].push_back(i);
    }
    std::vector<ParquetFile> files;
    const std::string lead = path.substr(0, path.size() - BaseName(path).size());
    for (size_t i = 0; i < groups.size(); ++i) {
      ParquetFile& file = files.emplace_back(all);
      file.path_ = lead + (*listed)[i];
      file.metadata_ = all.metadata_->Subset(groups[i]);
    }
    return files;
  };
  auto files = NoThrow<std::vector<ParquetFile>>(split);
  if (!files.ok()) return FileError(files.status(), "Parquet file '" + path + "', metadata");
  return files;
}

Result<bool> ParquetFile::MayPassUnguarded(int row_group, const RowFilter& filter,
                                           const arrow::compute::Expression& known) const {
  const auto group = metadata_->RowGroup(row_group);
  std::vector<arrow::compute::Expression> facts = {known};
  for (const auto& field : filter.schema()->fields()) {
    const int column = schema_->GetFieldIndex(field->name());
    if (column < 0 || leaves_[static_cast<size_t>(column)].size() != 1 || field->type()->num_fields() > 0) continue;
    const int leaf = leaves_[static_cast<size_t>(column)][0];
    if (leaf >= group->num_columns()) continue;
    const auto statistics = group->ColumnChunk(leaf)->statistics();
    if (statistics == nullptr) continue;
    auto fact = arrow::dataset::ParquetFileFragment::EvaluateStatisticsAsExpression(*field, *statistics);
    if (fact.has_value()) facts.push_back(*std::move(fact));
  }
  return filter.MayPass(arrow::compute::and_(std::move(facts)));
}

Result<bool> ParquetFile::MayPass(int row_group, const RowFilter& filter,
                                  const arrow::compute::Expression& known) const {
  if (filter.trivial()) return true;
  auto may = NoThrow<bool>([&] { return MayPassUnguarded(row_group, filter, known); });
  // Statistics that cannot be used prove nothing.
  return may.ok() ? *may : true;
}

Result<std::shared_ptr<arrow::Table>> ParquetFile::ReadByArrow(
    const std::shared_ptr<arrow::io::RandomAccessFile>& input, int row_group, std::span<const std::string> columns,
    const arrow::Int64Array* rows, bool use_threads, const Context& context) const {
  ARROW_ASSIGN_OR_RAISE(const auto reader, MakeReader(input, metadata_, local_, use_threads, context));
  std::vector<int> leaves;
  for (const std::string& name : columns) {
    const auto& own = leaves_[static_cast<size_t>(schema_->GetFieldIndex(name))];
    leaves.insert(leaves.end(), own.begin(), own.end());
  }
  ARROW_ASSIGN_OR_RAISE(const auto table, reader->ReadRowGroup(row_group, leaves));
  if (table->num_rows() != this->rows(row_group)) {
    return Status::IOError("it has ", table->num_rows(), " rows, its metadata says ", this->rows(row_group));
  }
  std::vector<std::shared_ptr<arrow::Field>> fields;
  std::vector<std::shared_ptr<arrow::ChunkedArray>> data;
  for (const std::string& name : columns) {
    const int i = table->schema()->GetFieldIndex(name);
    if (i < 0) return Status::IOError("column '", name, "' is not in it");
    fields.push_back(table->schema()->field(i));
    data.push_back(table->column(i));
  }
  auto chosen = arrow::Table::Make(arrow::schema(std::move(fields)), std::move(data), table->num_rows());
  // What a damaged file decodes to must not harm later operators.
  ARROW_RETURN_NOT_OK(chosen->ValidateFull());
  ARROW_ASSIGN_OR_RAISE(chosen, table::WithoutViews(chosen, context));
  if (rows == nullptr) return chosen;
  data = chosen->columns();
  for (auto& column : data) {
    ARROW_ASSIGN_OR_RAISE(column, TakeRows(*column, *rows, context));
  }
  return arrow::Table::Make(chosen->schema(), std::move(data), rows->length());
}

Result<std::shared_ptr<arrow::ChunkedArray>> ParquetFile::ReadAlone(
    const std::shared_ptr<arrow::io::RandomAccessFile>& input, int row_group, const std::string& name,
    const arrow::Int64Array* rows, bool by_arrow, const Context& context) const {
  const int place = schema_->GetFieldIndex(name);
  const auto& type = schema_->field(place)->type();
  const auto& own = leaves_[static_cast<size_t>(place)];
  if (own.size() != 1) return nullptr;
  if (CanReadChunk(*metadata_, row_group, own[0], *type)) {
    ARROW_ASSIGN_OR_RAISE(auto array, ReadChunk(input.get(), *metadata_, row_group, own[0], type, rows, context));
    if (array != nullptr) return std::make_shared<arrow::ChunkedArray>(std::move(array));
  }
  if (!by_arrow) return nullptr;
  ARROW_ASSIGN_OR_RAISE(const auto table, ReadByArrow(input, row_group, {&name, 1}, rows, false, context));
  return table->column(0);
}

Result<std::shared_ptr<arrow::Table>> ParquetFile::ReadUnguarded(int row_group, std::span<const std::string> columns,
                                                                 const arrow::Int64Array* rows, bool use_threads,
                                                                 const Context& context) const {
  const int64_t count = rows == nullptr ? this->rows(row_group) : rows->length();
  if (columns.empty()) return arrow::Table::Make(arrow::schema({}), arrow::ChunkedArrayVector(), count);
  ARROW_ASSIGN_OR_RAISE(const Location location, Locate(path_));
  ARROW_ASSIGN_OR_RAISE(const auto input, OpenInput(location, context.pool));
  arrow::ChunkedArrayVector data(columns.size());
  if (local_) {
    Context inner = context;
    if (!use_threads) inner.threads = 1;
    ARROW_RETURN_NOT_OK(ParallelFor(inner, static_cast<int64_t>(columns.size()), [&](int64_t i) {
      const auto at = static_cast<size_t>(i);
      const auto read = [&] { return ReadAlone(input, row_group, columns[at], rows, use_threads, context); };
      ARROW_ASSIGN_OR_RAISE(data[at], NoThrow<std::shared_ptr<arrow::ChunkedArray>>(read));
      return Status::OK();
    }));
  }
  std::vector<std::string> others;
  arrow::FieldVector fields;
  for (size_t i = 0; i < columns.size(); ++i) {
    fields.push_back(schema_->GetFieldByName(columns[i]));
    if (data[i] == nullptr) others.push_back(columns[i]);
  }
  if (!others.empty()) {
    ARROW_ASSIGN_OR_RAISE(const auto table, ReadByArrow(input, row_group, others, rows, use_threads, context));
    int next = 0;
    for (auto& column : data) {
      if (column == nullptr) column = table->column(next++);
    }
  }
  return arrow::Table::Make(arrow::schema(std::move(fields)), std::move(data), count);
}

Result<std::shared_ptr<arrow::Table>> ParquetFile::Read(int row_group, std::span<const std::string> columns,
                                                        const arrow::Int64Array* rows, bool use_threads,
                                                        const Context& context) const {
  auto table = NoThrow<std::shared_ptr<arrow::Table>>(
      [&] { return ReadUnguarded(row_group, columns, rows, use_threads, context); });
  if (!table.ok()) {
    return FileError(table.status(), "Parquet file '" + path_ + "', row group " + std::to_string(row_group));
  }
  return table;
}

}  // namespace weft::io
