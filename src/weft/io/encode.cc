#include "weft/io/encode.h"

#include <arrow/compute/cast.h>
#include <arrow/compute/exec.h>
#include <arrow/io/compressed.h>
#include <arrow/io/interfaces.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/util/compression.h>
#include <parquet/arrow/schema.h>
#include <parquet/arrow/writer.h>
#include <parquet/exception.h>
#include <parquet/file_writer.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>

#include <exception>
#include <new>
#include <utility>

#include "weft/base/spill.h"
#include "weft/io/text_write.h"

namespace weft::io {
namespace {

using arrow::Result;
using arrow::Status;

struct Packing {
  std::string_view name;
  arrow::Compression::type type;
  /// Of a text file that is packed so; empty: text is not.
  std::string_view extension;
  bool parquet;
  bool ipc;
};
constexpr Packing kPackings[] = {{"none", arrow::Compression::UNCOMPRESSED, "", true, true},
                                 {"gzip", arrow::Compression::GZIP, ".gz", true, false},
                                 {"bz2", arrow::Compression::BZ2, ".bz2", false, false},
                                 {"zstd", arrow::Compression::ZSTD, ".zst", true, true},
                                 {"snappy", arrow::Compression::SNAPPY, "", true, false},
                                 {"brotli", arrow::Compression::BROTLI, "", true, false},
                                 {"lz4", arrow::Compression::LZ4, "", true, true}};

bool IsText(FileFormat format) { return format == FileFormat::kCsv || format == FileFormat::kJsonLines; }
bool IsIpc(FileFormat format) { return format == FileFormat::kIpcFile || format == FileFormat::kIpcStream; }

bool Takes(const Packing& packing, FileFormat format) {
  if (IsText(format)) return packing.type == arrow::Compression::UNCOMPRESSED || !packing.extension.empty();
  return IsIpc(format) ? packing.ipc : packing.parquet;
}

/// nullptr for one that the format has not.
const Packing* FindPacking(const WriteOptions& options) {
  std::string_view name = options.compression;
  if (name.empty()) name = IsText(options.format) ? "none" : IsIpc(options.format) ? "lz4" : "snappy";
  for (const Packing& packing : kPackings) {
    if (packing.name == name && Takes(packing, options.format)) return &packing;
  }
  return nullptr;
}

const char* OperationOf(FileFormat format) {
  switch (format) {
    case FileFormat::kCsv:
      return "write_csv";
    case FileFormat::kJsonLines:
      return "write_json";
    case FileFormat::kIpcFile:
      return "write_feather";
    case FileFormat::kIpcStream:
      return "write_ipc";
    default:
      return "write_parquet";
  }
}

std::shared_ptr<parquet::WriterProperties> ParquetProperties(const WriteOptions& options, arrow::MemoryPool* pool) {
  parquet::WriterProperties::Builder builder;
  builder.memory_pool(pool);
  const Packing* const packing = FindPacking(options);
  builder.compression(packing == nullptr ? arrow::Compression::UNCOMPRESSED : packing->type);
  builder.max_row_group_length(options.row_group_rows);
  builder.enable_page_checksum();
  return builder.build();
}

std::shared_ptr<parquet::ArrowWriterProperties> ArrowProperties(bool use_threads) {
  parquet::ArrowWriterProperties::Builder builder;
  builder.store_schema();
  builder.set_use_threads(use_threads);
  return builder.build();
}

/// Dictionaries of durations as durations: Arrow's reader makes integers of them.
Result<std::shared_ptr<arrow::Table>> WithPlainDurations(const arrow::Table& table, const Context& context) {
  arrow::compute::ExecContext exec(context.pool);
  exec.set_use_threads(false);
  auto made = table.Slice(0);
  for (int i = 0; i < table.num_columns(); ++i) {
    const auto& field = table.field(i);
    if (field->type()->id() != arrow::Type::DICTIONARY) continue;
    const auto& values = static_cast<const arrow::DictionaryType&>(*field->type()).value_type();
    if (values->id() != arrow::Type::DURATION) continue;
    ARROW_ASSIGN_OR_RAISE(const auto plain,
                          arrow::compute::Cast(table.column(i), arrow::compute::CastOptions::Safe(values), &exec));
    ARROW_ASSIGN_OR_RAISE(made, made->SetColumn(i, field->WithType(values), plain.chunked_array()));
  }
  return made;
}

Status WriteParquet(const arrow::Table& given, const WriteOptions& options, const Context& context,
                    const std::shared_ptr<arrow::io::OutputStream>& sink, std::string* metadata) {
  ARROW_ASSIGN_OR_RAISE(const auto plain, WithPlainDurations(given, context));
  const arrow::Table& table = *plain;
  ARROW_ASSIGN_OR_RAISE(auto writer, parquet::arrow::FileWriter::Open(*table.schema(), context.pool, sink,
                                                                      ParquetProperties(options, context.pool),
                                                                      ArrowProperties(context.threads > 1)));
  // Row groups end where they should, whatever the table's chunks.
  for (int64_t begin = 0; begin < table.num_rows(); begin += options.row_group_rows) {
    const auto group = table.Slice(begin, options.row_group_rows);
    ARROW_RETURN_NOT_OK(writer->NewBufferedRowGroup());
    arrow::TableBatchReader reader(*group);
    for (;;) {
      ARROW_RETURN_NOT_OK(context.stop.Poll());
      if (context.spill != nullptr) context.spill->KeepWithin();
      std::shared_ptr<arrow::RecordBatch> batch;
      ARROW_RETURN_NOT_OK(reader.ReadNext(&batch));
      if (batch == nullptr) break;
      ARROW_RETURN_NOT_OK(writer->WriteRecordBatch(*batch));
    }
  }
  ARROW_RETURN_NOT_OK(writer->Close());
  if (metadata != nullptr) *metadata = writer->metadata()->SerializeToString();
  return Status::OK();
}

Status WriteIpc(const arrow::Table& table, const WriteOptions& options, const Context& context,
                const std::shared_ptr<arrow::io::OutputStream>& sink) {
  auto ipc = arrow::ipc::IpcWriteOptions::Defaults();
  ipc.memory_pool = context.pool;
  ipc.use_threads = context.threads > 1;
  // Chunks of a column may have different dictionaries; a file holds one.
  ipc.unify_dictionaries = true;
  const Packing* const packing = FindPacking(options);
  if (packing != nullptr && packing->type != arrow::Compression::UNCOMPRESSED) {
    const auto type = packing->type == arrow::Compression::LZ4 ? arrow::Compression::LZ4_FRAME : packing->type;
    ARROW_ASSIGN_OR_RAISE(ipc.codec, arrow::util::Codec::Create(type));
  }
  ARROW_ASSIGN_OR_RAISE(const auto writer, options.format == FileFormat::kIpcFile
                                               ? arrow::ipc::MakeFileWriter(sink, table.schema(), ipc)
                                               : arrow::ipc::MakeStreamWriter(sink, table.schema(), ipc));
  ARROW_RETURN_NOT_OK(writer->WriteTable(table, options.row_group_rows));
  return writer->Close();
}

Status WriteText(const arrow::Table& table, const WriteOptions& options, const Context& context,
                 const std::shared_ptr<arrow::io::OutputStream>& sink) {
  const auto write = options.format == FileFormat::kCsv ? WriteCsvText : WriteJsonText;
  const Packing* const packing = FindPacking(options);
  if (packing == nullptr || packing->type == arrow::Compression::UNCOMPRESSED) {
    return write(table, options, context, sink.get());
  }
  ARROW_ASSIGN_OR_RAISE(const auto codec, arrow::util::Codec::Create(packing->type));
  // Closing the packed stream closes what it writes to; the caller wants to sync that first.
  class KeepOpen : public arrow::io::OutputStream {
   public:
    explicit KeepOpen(std::shared_ptr<arrow::io::OutputStream> to) : to_(std::move(to)) {}
    Status Close() override {
      closed_ = true;
      return to_->Flush();
    }
    bool closed() const override { return closed_; }
    Result<int64_t> Tell() const override { return to_->Tell(); }
    Status Write(const void* data, int64_t nbytes) override { return to_->Write(data, nbytes); }
    Status Flush() override { return to_->Flush(); }

   private:
    std::shared_ptr<arrow::io::OutputStream> to_;
    bool closed_ = false;
  };
  ARROW_ASSIGN_OR_RAISE(const auto packed, arrow::io::CompressedOutputStream::Make(
                                               codec.get(), std::make_shared<KeepOpen>(sink), context.pool));
  ARROW_RETURN_NOT_OK(write(table, options, context, packed.get()));
  return packed->Close();
}

/// Whether a format can hold a column.
Status CheckField(const std::shared_ptr<arrow::Field>& field, const WriteOptions& options) {
  switch (options.format) {
    case FileFormat::kCsv:
      return CsvCanHold(*field->type()) ? Status::OK() : Status::TypeError("a CSV file cannot hold it");
    case FileFormat::kJsonLines:
      return JsonCanHold(*field->type()) ? Status::OK() : Status::TypeError("a JSON file cannot hold it");
    case FileFormat::kParquet: {
      std::shared_ptr<parquet::SchemaDescriptor> unused;
      return parquet::arrow::ToParquetSchema(arrow::schema({field}).get(),
                                             *ParquetProperties(options, arrow::default_memory_pool()),
                                             *ArrowProperties(false), &unused);
    }
    default:
      return Status::OK();
  }
}

}  // namespace

Status CheckEncodable(const arrow::Schema& schema, const WriteOptions& options) {
  const char* const operation = OperationOf(options.format);
  if (FindPacking(options) == nullptr) {
    std::string known;
    for (const Packing& packing : kPackings) {
      if (Takes(packing, options.format)) known += (known.empty() ? "" : ", ") + std::string(packing.name);
    }
    return Status::Invalid(operation, ": unknown compression '", options.compression, "'; there are: ", known);
  }
  if (options.row_group_rows < 1) {
    return Status::Invalid(operation, ": row_group_rows is ", options.row_group_rows, ", must be at least 1");
  }
  const auto wrong = [](char c) { return c == '\n' || c == '\r' || c == '\0'; };
  if (wrong(options.delimiter) || wrong(options.quote) || options.delimiter == options.quote) {
    return Status::Invalid(operation, ": the delimiter cannot be a line end or the quote");
  }
  if (!options.header_names.empty() && static_cast<int>(options.header_names.size()) != schema.num_fields()) {
    return Status::Invalid(operation, ": the header has ", options.header_names.size(), " names for ",
                           schema.num_fields(), " columns");
  }
  for (const auto& field : schema.fields()) {
    const Status status = CheckField(field, options);
    if (status.ok()) continue;
    return Status::TypeError(operation, ": column '", field->name(), "' (", field->type()->ToString(),
                             "): ", status.message());
  }
  return Status::OK();
}

Status Encode(const arrow::Table& table, const WriteOptions& options, const Context& context,
              const std::shared_ptr<arrow::io::OutputStream>& sink, std::string* metadata) {
  try {
    if (IsText(options.format)) return WriteText(table, options, context, sink);
    if (IsIpc(options.format)) return WriteIpc(table, options, context, sink);
    return WriteParquet(table, options, context, sink, metadata);
  } catch (const parquet::ParquetStatusException& e) {
    return e.status();
  } catch (const std::bad_alloc&) {
    return Status::OutOfMemory("out of memory");
  } catch (const std::exception& e) {
    return Status::IOError(e.what());
  }
}

namespace {

Result<std::shared_ptr<parquet::FileMetaData>> ParseMetadata(const std::string& bytes) {
  return parquet::FileMetaData::Make(bytes.data(), static_cast<int64_t>(bytes.size()));
}

}  // namespace

Result<std::string> NameMetadata(const std::string& metadata, const std::string& file) {
  try {
    ARROW_ASSIGN_OR_RAISE(const auto parsed, ParseMetadata(metadata));
    parsed->set_file_path(file);
    return parsed->SerializeToString();
  } catch (const std::exception& e) {
    return Status::IOError(e.what());
  }
}

Status EncodeMetadata(const std::vector<std::string>& metadata, const arrow::Schema& schema,
                      const std::shared_ptr<arrow::io::OutputStream>& all,
                      const std::shared_ptr<arrow::io::OutputStream>& common) {
  try {
    std::shared_ptr<parquet::FileMetaData> joined;
    for (const std::string& bytes : metadata) {
      ARROW_ASSIGN_OR_RAISE(auto parsed, ParseMetadata(bytes));
      if (joined == nullptr) {
        joined = std::move(parsed);
      } else {
        joined->AppendRowGroups(*parsed);
      }
    }
    // A file without rows has all that _common_metadata is to have.
    ARROW_ASSIGN_OR_RAISE(
        auto writer, parquet::arrow::FileWriter::Open(schema, arrow::default_memory_pool(), common,
                                                      parquet::default_writer_properties(), ArrowProperties(false)));
    ARROW_RETURN_NOT_OK(writer->Close());
    if (joined == nullptr) joined = writer->metadata();
    return parquet::arrow::WriteMetaDataFile(*joined, all.get());
  } catch (const std::exception& e) {
    return Status::IOError(e.what());
  }
}

std::string FileExtension(const WriteOptions& options) {
  const Packing* const packing = FindPacking(options);
  const std::string packed(packing == nullptr ? "" : packing->extension);
  switch (options.format) {
    case FileFormat::kCsv:
      return ".csv" + packed;
    case FileFormat::kJsonLines:
      return ".jsonl" + packed;
    case FileFormat::kIpcFile:
      return ".feather";
    case FileFormat::kIpcStream:
      return ".arrows";
    default:
      return ".parquet";
  }
}

bool HasDataExtension(std::string_view name, std::string_view* bare) {
  const auto take = [&](std::string_view extension) {
    if (!name.ends_with(extension)) return false;
    name.remove_suffix(extension.size());
    if (bare != nullptr) *bare = name;
    return true;
  };
  for (const std::string_view extension : {".parquet", ".feather", ".arrows", ".arrow"}) {
    if (take(extension)) return true;
  }
  for (const Packing& packing : kPackings) {
    if (!packing.extension.empty() && name.ends_with(packing.extension)) {
      name.remove_suffix(packing.extension.size());
      break;
    }
  }
  return take(".csv") || take(".jsonl") || take(".json");
}

}  // namespace weft::io
