#include "weft/table/spill_file.h"

#include <arrow/array.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>
#include <arrow/util/checked_cast.h>
#include <arrow/util/compression.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "weft/table/tables.h"

namespace weft::table {
namespace {

int64_t BatchBytes(const arrow::RecordBatch& batch) {
  int64_t bytes = 0;
  for (const auto& column : batch.columns()) bytes += ArrayBytes(*column);
  return bytes;
}

std::shared_ptr<arrow::Schema> StoredSchema(const arrow::Schema& schema) {
  arrow::FieldVector fields;
  for (const auto& field : schema.fields()) {
    const bool dictionary = field->type()->id() == arrow::Type::DICTIONARY;
    fields.push_back(
        dictionary
            ? field->WithType(arrow::internal::checked_cast<const arrow::DictionaryType&>(*field->type()).index_type())
            : field);
  }
  return arrow::schema(std::move(fields));
}

/// Together where they go together; dictionaries inside of other columns may not.
arrow::RecordBatchVector Combine(arrow::RecordBatchVector batches, arrow::MemoryPool* pool) {
  if (batches.size() < 2) return batches;
  auto made = arrow::ConcatenateRecordBatches(batches, pool);
  if (made.ok()) return {*std::move(made)};
  return batches;
}

}  // namespace

arrow::Result<std::unique_ptr<SpillFile>> SpillFile::Make(std::shared_ptr<arrow::Schema> schema, int parts,
                                                          int64_t segment_bytes, int64_t held_bytes,
                                                          const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const int file, context.spill->space().NewFile());
  return std::unique_ptr<SpillFile>(new SpillFile(std::move(schema), parts, segment_bytes, held_bytes, context, file));
}

SpillFile::SpillFile(std::shared_ptr<arrow::Schema> schema, int parts, int64_t segment_bytes, int64_t held_bytes,
                     const Context& context, int file)
    : schema_(std::move(schema)),
      stored_schema_(StoredSchema(*schema_)),
      segment_bytes_(segment_bytes),
      most_held_bytes_(held_bytes),
      context_(context),
      file_(file),
      parts_(static_cast<size_t>(parts)) {}

SpillFile::~SpillFile() { ::close(file_); }

arrow::Status SpillFile::Append(int part, std::shared_ptr<arrow::RecordBatch> batch) {
  if (batch->num_rows() == 0) return arrow::Status::OK();
  Part& to = parts_[static_cast<size_t>(part)];
  arrow::ArrayVector columns = batch->columns();
  arrow::ArrayVector dictionaries(columns.size());
  for (size_t c = 0; c < columns.size(); ++c) {
    if (columns[c]->type_id() != arrow::Type::DICTIONARY) continue;
    const auto& encoded = arrow::internal::checked_cast<const arrow::DictionaryArray&>(*columns[c]);
    dictionaries[c] = encoded.dictionary();
    columns[c] = encoded.indices();
  }
  const auto same = [](const auto& a, const auto& b) {
    return a == b || (a != nullptr && b != nullptr && a->data() == b->data());
  };
  if (!to.held.empty() && !std::equal(dictionaries.begin(), dictionaries.end(), to.dictionaries.begin(), same)) {
    ARROW_RETURN_NOT_OK(Flush(part));
  }
  to.dictionaries = std::move(dictionaries);
  batch = arrow::RecordBatch::Make(stored_schema_, batch->num_rows(), std::move(columns));
  const int64_t bytes = BatchBytes(*batch);
  to.rows += batch->num_rows();
  to.bytes += bytes;
  to.held_bytes += bytes;
  held_bytes_ += bytes;
  to.held.push_back(std::move(batch));
  if (to.held_bytes >= segment_bytes_) return Flush(part);
  if (held_bytes_ < most_held_bytes_) return arrow::Status::OK();
  // The fullest go: those that hold more than half of the mean.
  const int64_t least = held_bytes_ / parts() / 2;
  for (int p = 0; p < parts(); ++p) {
    if (parts_[static_cast<size_t>(p)].held_bytes > least) ARROW_RETURN_NOT_OK(Flush(p));
  }
  return arrow::Status::OK();
}

arrow::Status SpillFile::Flush(int part) {
  Part& from = parts_[static_cast<size_t>(part)];
  if (from.held.empty()) return arrow::Status::OK();
  TraceSpan span(context_.tracer, "spill.write");
  arrow::MemoryPool* const pool = context_.spill->work();
  held_bytes_ -= std::exchange(from.held_bytes, 0);
  const auto batches = Combine(std::exchange(from.held, {}), pool);
  arrow::ipc::IpcWriteOptions options = arrow::ipc::IpcWriteOptions::Defaults();
  options.memory_pool = pool;
  options.use_threads = false;
  ARROW_ASSIGN_OR_RAISE(options.codec, arrow::util::Codec::Create(arrow::Compression::LZ4_FRAME));
  ARROW_ASSIGN_OR_RAISE(const auto sink, arrow::io::BufferOutputStream::Create(64 << 10, pool));
  ARROW_ASSIGN_OR_RAISE(const auto writer, arrow::ipc::MakeStreamWriter(sink, stored_schema_, options));
  for (const auto& batch : batches) {
    span.AddRows(batch->num_rows());
    ARROW_RETURN_NOT_OK(writer->WriteRecordBatch(*batch));
  }
  ARROW_RETURN_NOT_OK(writer->Close());
  ARROW_ASSIGN_OR_RAISE(const auto buffer, sink->Finish());
  ARROW_RETURN_NOT_OK(context_.spill->space().Write(file_, end_, buffer->data(), buffer->size()));
  span.AddBytes(buffer->size());
  from.segments.push_back({end_, buffer->size(), from.dictionaries});
  end_ += buffer->size();
  return arrow::Status::OK();
}

arrow::Status SpillFile::FlushAll() {
  for (int part = 0; part < parts(); ++part) ARROW_RETURN_NOT_OK(Flush(part));
  return arrow::Status::OK();
}

arrow::Result<std::shared_ptr<arrow::Table>> SpillFile::Take(int part, size_t segment) {
  return Take(part, segment, segment + 1);
}

arrow::Result<std::shared_ptr<arrow::Table>> SpillFile::Take(int part, size_t begin, size_t end) {
  TraceSpan span(context_.tracer, "spill.read");
  arrow::MemoryPool* const pool = context_.spill->work();
  arrow::ipc::IpcReadOptions options = arrow::ipc::IpcReadOptions::Defaults();
  options.memory_pool = pool;
  options.use_threads = false;
  std::vector<std::shared_ptr<arrow::Table>> tables;
  for (size_t i = begin; i < end; ++i) {
    const Segment& segment = parts_[static_cast<size_t>(part)].segments[i];
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> buffer, arrow::AllocateBuffer(segment.bytes, pool));
    ARROW_RETURN_NOT_OK(context_.spill->space().Read(file_, segment.offset, buffer->mutable_data(), segment.bytes));
    context_.spill->space().GiveBack(file_, segment.offset, segment.bytes);
    span.AddBytes(segment.bytes);
    ARROW_ASSIGN_OR_RAISE(const auto reader,
                          arrow::ipc::RecordBatchStreamReader::Open(
                              std::make_shared<arrow::io::BufferReader>(std::move(buffer)), options));
    ARROW_ASSIGN_OR_RAISE(const auto stored, reader->ToTable());
    span.AddRows(stored->num_rows());
    ARROW_ASSIGN_OR_RAISE(auto table, Restore(*stored, segment));
    tables.push_back(std::move(table));
  }
  return StackTables(schema_, tables);
}

arrow::Result<std::shared_ptr<arrow::Table>> SpillFile::Restore(const arrow::Table& stored,
                                                                const Segment& segment) const {
  arrow::ChunkedArrayVector columns = stored.columns();
  for (size_t c = 0; c < columns.size(); ++c) {
    if (segment.dictionaries[c] == nullptr) continue;
    const auto& type = schema_->field(static_cast<int>(c))->type();
    arrow::ArrayVector chunks;
    for (const auto& indices : columns[c]->chunks()) {
      chunks.push_back(std::make_shared<arrow::DictionaryArray>(type, indices, segment.dictionaries[c]));
    }
    columns[c] = std::make_shared<arrow::ChunkedArray>(std::move(chunks), type);
  }
  return arrow::Table::Make(schema_, std::move(columns), stored.num_rows());
}

}  // namespace weft::table
