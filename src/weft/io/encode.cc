#include "weft/io/encode.h"

#include <arrow/array/array_base.h>
#include <arrow/compute/cast.h>
#include <arrow/csv/writer.h>
#include <arrow/io/compressed.h>
#include <arrow/io/interfaces.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/util/compression.h>
#include <parquet/arrow/schema.h>
#include <parquet/arrow/writer.h>
#include <parquet/exception.h>
#include <parquet/properties.h>

#include <algorithm>
#include <exception>
#include <new>
#include <optional>
#include <utility>

namespace weft::io {
namespace {

using arrow::Result;
using arrow::Status;

std::optional<arrow::Compression::type> FindCompression(const WriteOptions& options) {
  if (options.compression.empty()) {
    return options.format == FileFormat::kCsv ? arrow::Compression::UNCOMPRESSED : arrow::Compression::SNAPPY;
  }
  if (options.compression == "none") return arrow::Compression::UNCOMPRESSED;
  if (options.compression == "gzip") return arrow::Compression::GZIP;
  if (options.format == FileFormat::kCsv) return std::nullopt;
  if (options.compression == "snappy") return arrow::Compression::SNAPPY;
  if (options.compression == "zstd") return arrow::Compression::ZSTD;
  return std::nullopt;
}

std::shared_ptr<parquet::WriterProperties> ParquetProperties(const WriteOptions& options, arrow::MemoryPool* pool) {
  parquet::WriterProperties::Builder builder;
  builder.memory_pool(pool);
  builder.compression(FindCompression(options).value_or(arrow::Compression::UNCOMPRESSED));
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

Status WriteParquet(const arrow::Table& table, const WriteOptions& options, const Context& context,
                    const std::shared_ptr<arrow::io::OutputStream>& sink) {
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
      std::shared_ptr<arrow::RecordBatch> batch;
      ARROW_RETURN_NOT_OK(reader.ReadNext(&batch));
      if (batch == nullptr) break;
      ARROW_RETURN_NOT_OK(writer->WriteRecordBatch(*batch));
    }
  }
  return writer->Close();
}

/// What Arrow's writer takes: no dictionaries, and text instead of binaries, whose bytes it would check.
std::shared_ptr<arrow::DataType> PlainType(const std::shared_ptr<arrow::DataType>& type) {
  switch (type->id()) {
    case arrow::Type::DICTIONARY:
      return PlainType(static_cast<const arrow::DictionaryType&>(*type).value_type());
    case arrow::Type::BINARY:
    case arrow::Type::FIXED_SIZE_BINARY:
      return arrow::utf8();
    case arrow::Type::LARGE_BINARY:
      return arrow::large_utf8();
    default:
      return type;
  }
}

std::shared_ptr<arrow::Schema> PlainSchema(const arrow::Schema& schema) {
  arrow::FieldVector fields = schema.fields();
  for (auto& field : fields) field = field->WithType(PlainType(field->type()));
  return arrow::schema(std::move(fields));
}

Result<std::shared_ptr<arrow::RecordBatch>> PlainBatch(const arrow::RecordBatch& batch,
                                                       const std::shared_ptr<arrow::Schema>& schema,
                                                       const Context& context) {
  arrow::ArrayVector columns = batch.columns();
  arrow::compute::ExecContext execution(context.pool);
  const auto cast = [&](const arrow::Array& column, const std::shared_ptr<arrow::DataType>& type) {
    return arrow::compute::Cast(column, type, arrow::compute::CastOptions::Safe(), &execution);
  };
  for (int i = 0; i < batch.num_columns(); ++i) {
    auto& column = columns[static_cast<size_t>(i)];
    if (column->type_id() == arrow::Type::DICTIONARY) {
      ARROW_ASSIGN_OR_RAISE(column,
                            cast(*column, static_cast<const arrow::DictionaryType&>(*column->type()).value_type()));
    }
    if (column->type_id() == arrow::Type::FIXED_SIZE_BINARY) {
      ARROW_ASSIGN_OR_RAISE(column, cast(*column, arrow::binary()));
    }
    const auto& type = schema->field(i)->type();
    if (!column->type()->Equals(*type)) {
      ARROW_ASSIGN_OR_RAISE(column, column->View(type));
    }
  }
  return arrow::RecordBatch::Make(schema, batch.num_rows(), std::move(columns));
}

Status WriteCsvText(const arrow::Table& table, const WriteOptions& options, const Context& context,
                    arrow::io::OutputStream* sink) {
  auto csv = arrow::csv::WriteOptions::Defaults();
  csv.include_header = options.header;
  csv.delimiter = options.delimiter;
  // Arrow's "needed" quotes every name.
  const std::string special = std::string("\"\r\n") + options.delimiter;
  const auto names = table.schema()->field_names();
  const bool plain = std::none_of(names.begin(), names.end(), [&](const std::string& name) {
    return name.empty() || name.find_first_of(special) != std::string::npos;
  });
  if (plain) csv.quoting_header = arrow::csv::QuotingStyle::None;
  csv.io_context = arrow::io::IOContext(context.pool, context.stop);
  csv.batch_size = 16 << 10;
  // A blank line would be no row to a reader.
  if (table.num_columns() == 1) csv.null_string = "NA";
  const auto schema = PlainSchema(*table.schema());
  ARROW_ASSIGN_OR_RAISE(auto writer, arrow::csv::MakeCSVWriter(sink, schema, csv));
  arrow::TableBatchReader reader(table);
  reader.set_chunksize(csv.batch_size);
  for (;;) {
    ARROW_RETURN_NOT_OK(context.stop.Poll());
    std::shared_ptr<arrow::RecordBatch> batch;
    ARROW_RETURN_NOT_OK(reader.ReadNext(&batch));
    if (batch == nullptr) break;
    ARROW_ASSIGN_OR_RAISE(batch, PlainBatch(*batch, schema, context));
    ARROW_RETURN_NOT_OK(writer->WriteRecordBatch(*batch));
  }
  return writer->Close();
}

Status WriteCsv(const arrow::Table& table, const WriteOptions& options, const Context& context,
                const std::shared_ptr<arrow::io::OutputStream>& sink) {
  if (options.compression != "gzip") return WriteCsvText(table, options, context, sink.get());
  ARROW_ASSIGN_OR_RAISE(const auto codec, arrow::util::Codec::Create(arrow::Compression::GZIP));
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
  ARROW_RETURN_NOT_OK(WriteCsvText(table, options, context, packed.get()));
  return packed->Close();
}

bool CsvCanHold(const arrow::DataType& type) {
  if (type.id() == arrow::Type::DICTIONARY) {
    return CsvCanHold(*static_cast<const arrow::DictionaryType&>(type).value_type());
  }
  const auto& id = type.id();
  return id == arrow::Type::NA || id == arrow::Type::BOOL || arrow::is_numeric(id) || arrow::is_decimal(id) ||
         arrow::is_date(id) || arrow::is_time(id) || id == arrow::Type::TIMESTAMP || arrow::is_base_binary_like(id) ||
         id == arrow::Type::FIXED_SIZE_BINARY;
}

}  // namespace

Status CheckEncodable(const arrow::Schema& schema, const WriteOptions& options) {
  const bool csv = options.format == FileFormat::kCsv;
  const char* const operation = csv ? "write_csv" : "write_parquet";
  if (!FindCompression(options).has_value()) {
    return Status::Invalid(operation, ": unknown compression '", options.compression,
                           "'; there are: ", csv ? "gzip, none" : "snappy, zstd, gzip, none");
  }
  if (options.row_group_rows < 1) {
    return Status::Invalid(operation, ": row_group_rows is ", options.row_group_rows, ", must be at least 1");
  }
  if (csv && (options.delimiter == '"' || options.delimiter == '\n' || options.delimiter == '\r')) {
    return Status::Invalid(operation, ": a quote or line end cannot be the delimiter");
  }
  const auto properties = ParquetProperties(options, arrow::default_memory_pool());
  const auto arrow_properties = ArrowProperties(false);
  for (const auto& field : schema.fields()) {
    Status status;
    if (csv) {
      if (!CsvCanHold(*field->type())) status = Status::TypeError("a CSV file cannot hold it");
    } else {
      std::shared_ptr<parquet::SchemaDescriptor> unused;
      status = parquet::arrow::ToParquetSchema(arrow::schema({field}).get(), *properties, *arrow_properties, &unused);
    }
    if (!status.ok()) {
      return Status::TypeError(operation, ": column '", field->name(), "' (", field->type()->ToString(),
                               "): ", status.message());
    }
  }
  return Status::OK();
}

Status Encode(const arrow::Table& table, const WriteOptions& options, const Context& context,
              const std::shared_ptr<arrow::io::OutputStream>& sink) {
  try {
    return options.format == FileFormat::kCsv ? WriteCsv(table, options, context, sink)
                                              : WriteParquet(table, options, context, sink);
  } catch (const parquet::ParquetStatusException& e) {
    return e.status();
  } catch (const std::bad_alloc&) {
    return Status::OutOfMemory("out of memory");
  } catch (const std::exception& e) {
    return Status::IOError(e.what());
  }
}

std::string FileExtension(const WriteOptions& options) {
  if (options.format == FileFormat::kParquet) return ".parquet";
  return options.compression == "gzip" ? ".csv.gz" : ".csv";
}

}  // namespace weft::io
