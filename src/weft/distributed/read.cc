#include "weft/distributed/read.h"

#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>

#include <algorithm>
#include <utility>

#include "weft/base/byte_codec.h"
#include "weft/exchange/exchange.h"
#include "weft/io/csv_file.h"
#include "weft/io/csv_types.h"
#include "weft/io/row_filter.h"
#include "weft/io/share.h"
#include "weft/table/columns.h"

namespace weft::distributed {
namespace {

using arrow::Result;
using arrow::Status;
using TablePtr = std::shared_ptr<arrow::Table>;

struct FileList {
  std::vector<std::string> names;
  std::vector<int64_t> sizes;
};

/// Rank 0 looks, so that all ranks share out the very same files.
Result<FileList> AgreeOnFiles(Communicator& communicator, const std::vector<std::string>& paths,
                              const std::string& extension, bool with_sizes, std::string_view operation) {
  Status status;
  ByteWriter writer;
  if (communicator.rank() == 0) {
    const auto look = [&]() -> Status {
      ARROW_ASSIGN_OR_RAISE(const auto names, io::ExpandPaths(paths, extension));
      std::vector<int64_t> sizes(names.size(), 0);
      if (with_sizes) {
        ARROW_ASSIGN_OR_RAISE(sizes, io::FileSizes(names));
      }
      for (size_t i = 0; i < names.size(); ++i) writer.PutString(names[i]).Put(sizes[i]);
      return Status::OK();
    };
    status = look();
  }
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, status, operation));
  ARROW_ASSIGN_OR_RAISE(const auto lists, exchange::AllgatherBytes(communicator, writer.bytes()));
  FileList list;
  ByteReader reader(lists[0]);
  while (reader.left() > 0) {
    ARROW_ASSIGN_OR_RAISE(const auto name, reader.GetString());
    list.names.emplace_back(name);
    ARROW_ASSIGN_OR_RAISE(const auto size, reader.Get<int64_t>());
    list.sizes.push_back(size);
  }
  return list;
}

Result<std::string> PackSchema(const std::string& source, const std::shared_ptr<arrow::Schema>& schema) {
  ARROW_ASSIGN_OR_RAISE(const auto bytes, arrow::ipc::SerializeSchema(*schema));
  return ByteWriter().PutString(source).PutRaw(std::string_view(*bytes)).Take();
}

Result<io::NamedSchema> UnpackSchema(std::string_view bytes) {
  ByteReader reader(bytes);
  ARROW_ASSIGN_OR_RAISE(const auto source, reader.GetString());
  ARROW_ASSIGN_OR_RAISE(const auto raw, reader.GetRaw(reader.left()));
  io::NamedSchema named{std::string(source), nullptr};
  arrow::io::BufferReader stream(arrow::Buffer::FromString(std::string(raw)));
  arrow::ipc::DictionaryMemo memo;
  ARROW_ASSIGN_OR_RAISE(named.schema, arrow::ipc::ReadSchema(&stream, &memo));
  return named;
}

/// What all ranks' schemas unify to. Every rank computes the same from the same, its error too.
Result<std::shared_ptr<arrow::Schema>> AgreeOnTypes(Communicator& communicator, const std::vector<std::string>& files,
                                                    const TablePtr& table) {
  std::string mine;
  if (table != nullptr) {
    ARROW_ASSIGN_OR_RAISE(mine, PackSchema(files.front(), table->schema()));
  }
  ARROW_ASSIGN_OR_RAISE(const auto packed, exchange::AllgatherBytes(communicator, mine));
  std::vector<io::NamedSchema> schemas;
  for (const std::string& bytes : packed) {
    if (bytes.empty()) continue;
    ARROW_ASSIGN_OR_RAISE(schemas.emplace_back(), UnpackSchema(bytes));
  }
  return io::UnifyCsvSchemas(schemas);
}

/// The columns to read: those of the result, then those that only the filter needs; empty for all.
Result<std::vector<std::string>> NeededColumns(const io::ReadOptions& options) {
  std::vector<std::string> columns = options.columns;
  if (columns.empty()) return columns;
  ARROW_ASSIGN_OR_RAISE(const auto filter_columns, io::FilterColumns(options.filter, "read_csv"));
  for (const std::string& name : filter_columns) {
    if (std::find(columns.begin(), columns.end(), name) == columns.end()) columns.push_back(name);
  }
  return columns;
}

Result<TablePtr> FitToTypes(const std::vector<std::string>& files, TablePtr table,
                            const std::shared_ptr<arrow::Schema>& schema, const io::CsvOptions& csv,
                            const Context& context) {
  if (table == nullptr) return arrow::Table::MakeEmpty(schema, context.pool);
  if (io::OnlyNullsDiffer(*table->schema(), *schema)) return io::CastNulls(*table, schema, context);
  io::CsvOptions typed = csv;
  typed.types.clear();
  for (const auto& field : schema->fields()) typed.types.emplace_back(field->name(), field->type());
  table.reset();
  io::ReadOptions whole;
  whole.columns = schema->field_names();
  return io::ReadCsv(files, typed, whole, context);
}

Result<TablePtr> FilterAndProject(TablePtr table, const io::ReadOptions& options, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto filter, io::RowFilter::Make(options.filter, table->schema(), "read_csv", context));
  ARROW_ASSIGN_OR_RAISE(table, filter.Apply(table, context));
  if (options.columns.empty()) return table;
  ARROW_ASSIGN_OR_RAISE(const auto chosen, table::FindColumns(*table->schema(), options.columns, "read_csv"));
  return table->SelectColumns(chosen);
}

}  // namespace

Result<TablePtr> ReadParquet(Communicator& communicator, const std::vector<std::string>& paths, io::ReadOptions options,
                             const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const FileList list, AgreeOnFiles(communicator, paths, ".parquet", false, "read_parquet"));
  options.rank = communicator.rank();
  options.world_size = communicator.world_size();
  auto table = io::ReadParquet(list.names, options, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, table.status(), "read_parquet"));
  ARROW_RETURN_NOT_OK(exchange::AgreeSchema(communicator, (*table)->schema(), "read_parquet"));
  return table;
}

Result<TablePtr> ReadCsv(Communicator& communicator, const std::vector<std::string>& paths, const io::CsvOptions& csv,
                         io::ReadOptions options, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const FileList list, AgreeOnFiles(communicator, paths, ".csv", true, "read_csv"));
  const io::Share share = io::ContiguousShare(list.sizes, communicator.rank(), communicator.world_size());
  const std::vector<std::string> files(list.names.begin() + share.begin, list.names.begin() + share.end);
  // The filter waits until types are agreed on: it is the same on all ranks only then.
  const auto read = [&]() -> Result<TablePtr> {
    if (files.empty()) return nullptr;
    io::ReadOptions unfiltered;
    ARROW_ASSIGN_OR_RAISE(unfiltered.columns, NeededColumns(options));
    return io::ReadCsv(files, csv, unfiltered, context);
  };
  auto table = read();
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, table.status(), "read_csv"));
  ARROW_ASSIGN_OR_RAISE(const auto schema, AgreeOnTypes(communicator, files, *table));
  const auto finish = [&]() -> Result<TablePtr> {
    ARROW_ASSIGN_OR_RAISE(auto fitted, FitToTypes(files, *std::move(table), schema, csv, context));
    return FilterAndProject(std::move(fitted), options, context);
  };
  auto result = finish();
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, result.status(), "read_csv"));
  return result;
}

}  // namespace weft::distributed
