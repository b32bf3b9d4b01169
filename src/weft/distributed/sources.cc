#include "weft/distributed/sources.h"

#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>

#include <algorithm>
#include <utility>

#include "weft/base/byte_codec.h"
#include "weft/exchange/exchange.h"
#include "weft/io/csv_file.h"
#include "weft/io/read.h"

namespace weft::distributed {
namespace {

using arrow::Result;
using arrow::Status;

Status Look(const Sources& sources, const std::string& extension, io::Hive hive, bool with_sizes,
            std::string_view operation, FileList* list) {
  ARROW_ASSIGN_OR_RAISE(list->files, io::ExpandFiles(sources.paths, extension, hive));
  list->sizes.assign(list->files.size(), 0);
  if (!with_sizes) return Status::OK();
  std::vector<std::string> names;
  for (const io::DataFile& file : list->files) names.push_back(file.name);
  ARROW_ASSIGN_OR_RAISE(list->sizes, io::FileSizes(names, operation));
  return Status::OK();
}

void Put(const io::DataFile& file, int64_t size, ByteWriter* writer) {
  writer->PutString(file.name).Put(size).Put(static_cast<uint32_t>(file.keys.size()));
  for (const io::HiveKey& key : file.keys) {
    writer->PutString(key.name).PutString(key.value).Put(static_cast<uint8_t>(key.null));
  }
}

Status Get(ByteReader* reader, FileList* list) {
  io::DataFile file;
  ARROW_ASSIGN_OR_RAISE(file.name, reader->GetString());
  ARROW_ASSIGN_OR_RAISE(const auto size, reader->Get<int64_t>());
  ARROW_ASSIGN_OR_RAISE(const auto keys, reader->Get<uint32_t>());
  for (uint32_t i = 0; i < keys; ++i) {
    io::HiveKey& key = file.keys.emplace_back();
    ARROW_ASSIGN_OR_RAISE(key.name, reader->GetString());
    ARROW_ASSIGN_OR_RAISE(key.value, reader->GetString());
    ARROW_ASSIGN_OR_RAISE(const auto null, reader->Get<uint8_t>());
    key.null = null != 0;
  }
  list->files.push_back(std::move(file));
  list->sizes.push_back(size);
  return Status::OK();
}

}  // namespace

Result<FileList> AgreeOnFiles(Communicator& communicator, const Sources& sources, const std::string& extension,
                              io::Hive hive, bool with_sizes, std::string_view operation) {
  Status status;
  FileList list;
  if (sources.own ? !sources.paths.empty() : communicator.rank() == 0) {
    status = Look(sources, extension, hive, with_sizes, operation, &list);
  }
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, status, operation));
  if (sources.own) {
    ARROW_ASSIGN_OR_RAISE(const auto counts,
                          exchange::AllgatherCounts(communicator, static_cast<int64_t>(list.files.size())));
    int64_t files = 0;
    for (const int64_t count : counts) files += count;
    if (files == 0) return Status::Invalid(operation, ": no rank has a path");
    return list;
  }
  ByteWriter writer;
  for (size_t i = 0; i < list.files.size(); ++i) Put(list.files[i], list.sizes[i], &writer);
  ARROW_ASSIGN_OR_RAISE(const auto lists, exchange::AllgatherBytes(communicator, writer.bytes()));
  list = {};
  ByteReader reader(lists[0]);
  while (reader.left() > 0) ARROW_RETURN_NOT_OK(Get(&reader, &list));
  return list;
}

Result<std::shared_ptr<arrow::Table>> AgreeOnTable(Communicator& communicator,
                                                   Result<std::shared_ptr<arrow::Table>> table,
                                                   std::string_view operation, const Context& context) {
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, table.status(), operation));
  std::string mine;
  if (*table != nullptr) {
    ARROW_ASSIGN_OR_RAISE(const auto bytes, arrow::ipc::SerializeSchema(*(*table)->schema()));
    mine = std::string_view(*bytes);
  }
  ARROW_ASSIGN_OR_RAISE(const auto all, exchange::AllgatherBytes(communicator, mine));
  const auto given = std::find_if(all.begin(), all.end(), [](const std::string& bytes) { return !bytes.empty(); });
  if (given == all.end()) return Status::Invalid(operation, ": no rank has anything to read");
  if (*table == nullptr) {
    arrow::io::BufferReader stream(arrow::Buffer::FromString(*given));
    arrow::ipc::DictionaryMemo memo;
    ARROW_ASSIGN_OR_RAISE(const auto schema, arrow::ipc::ReadSchema(&stream, &memo));
    ARROW_ASSIGN_OR_RAISE(*table, arrow::Table::MakeEmpty(schema, context.pool));
  }
  ARROW_RETURN_NOT_OK(exchange::AgreeSchema(communicator, (*table)->schema(), operation));
  return table;
}

}  // namespace weft::distributed
