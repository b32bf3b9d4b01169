#include "weft/io/csv_file.h"

#include <arrow/csv/api.h>
#include <arrow/filesystem/filesystem.h>
#include <arrow/io/compressed.h>
#include <arrow/io/interfaces.h>
#include <arrow/util/compression.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <exception>
#include <set>
#include <utility>

#include "weft/io/csv_scan.h"
#include "weft/io/location.h"
#include "weft/table/columns.h"

namespace weft::io {
namespace {

using arrow::Result;
using arrow::Status;
using TablePtr = std::shared_ptr<arrow::Table>;

constexpr std::string_view kOperation = "read_csv";
constexpr int32_t kBlockBytes = 4 << 20;
/// Arrow takes no record longer than a block; it is read again with larger blocks up to this.
constexpr int32_t kMaxBlockBytes = 1 << 30;

/// What pandas reads as missing, besides the empty text.
constexpr const char* kNullValues[] = {"#N/A", "#N/A N/A", "#NA",     "-1.#IND", "-1.#QNAN", "-NaN",
                                       "-nan", "1.#IND",   "1.#QNAN", "<NA>",    "N/A",      "NA",
                                       "NULL", "NaN",      "None",    "n/a",     "nan",      "null"};

/// Text already read, then the rest of a stream. Counts quotes on the way.
class CsvText : public arrow::io::InputStream {
 public:
  CsvText(std::string head, std::shared_ptr<arrow::io::InputStream> rest, char quote, const Context& context)
      : head_(std::move(head)), rest_(std::move(rest)), quote_(quote), context_(context) {}

  int64_t quotes() const { return quotes_; }

  Status Close() override { return rest_->Close(); }
  bool closed() const override { return rest_->closed(); }
  Result<int64_t> Tell() const override { return position_; }

  Result<int64_t> Read(int64_t nbytes, void* out) override {
    ARROW_RETURN_NOT_OK(context_.stop.Poll());
    int64_t got = 0;
    if (head_used_ < head_.size()) {
      got = std::min(nbytes, static_cast<int64_t>(head_.size() - head_used_));
      std::memcpy(out, head_.data() + head_used_, static_cast<size_t>(got));
      head_used_ += static_cast<size_t>(got);
      if (head_used_ == head_.size()) head_ = std::string(), head_used_ = 0;
    }
    if (got < nbytes) {
      ARROW_ASSIGN_OR_RAISE(const int64_t more, rest_->Read(nbytes - got, static_cast<char*>(out) + got));
      got += more;
    }
    const auto* text = static_cast<const char*>(out);
    quotes_ += std::count(text, text + got, quote_);
    position_ += got;
    return got;
  }

  Result<std::shared_ptr<arrow::Buffer>> Read(int64_t nbytes) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(nbytes, context_.pool));
    ARROW_ASSIGN_OR_RAISE(const int64_t got, Read(nbytes, buffer->mutable_data()));
    ARROW_RETURN_NOT_OK(buffer->Resize(got, false));
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }

 private:
  std::string head_;
  size_t head_used_ = 0;
  std::shared_ptr<arrow::io::InputStream> rest_;
  const char quote_;
  const Context context_;
  int64_t quotes_ = 0;
  int64_t position_ = 0;
};

Result<std::shared_ptr<arrow::io::InputStream>> OpenText(const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(const Location location, Locate(path));
  ARROW_ASSIGN_OR_RAISE(auto stream, location.file_system->OpenInputStream(location.path));
  const std::pair<std::string_view, arrow::Compression::type> packings[] = {{".gz", arrow::Compression::GZIP},
                                                                            {".bz2", arrow::Compression::BZ2},
                                                                            {".zst", arrow::Compression::ZSTD},
                                                                            {".lz4", arrow::Compression::LZ4_FRAME}};
  for (const auto& [extension, compression] : packings) {
    if (!location.path.ends_with(extension)) continue;
    // The stream uses the codec as long as it lives.
    struct Unpacked {
      std::unique_ptr<arrow::util::Codec> codec;
      std::shared_ptr<arrow::io::CompressedInputStream> text;
    };
    auto unpacked = std::make_shared<Unpacked>();
    ARROW_ASSIGN_OR_RAISE(unpacked->codec, arrow::util::Codec::Create(compression));
    ARROW_ASSIGN_OR_RAISE(unpacked->text,
                          arrow::io::CompressedInputStream::Make(unpacked->codec.get(), std::move(stream)));
    return std::shared_ptr<arrow::io::InputStream>(unpacked, unpacked->text.get());
  }
  return stream;
}

std::vector<std::string> HeaderNames(const std::vector<std::string>& fields) {
  std::vector<std::string> names;
  std::set<std::string> taken(fields.begin(), fields.end());
  std::set<std::string> used;
  for (size_t i = 0; i < fields.size(); ++i) {
    std::string name = fields[i].empty() ? "Unnamed: " + std::to_string(i) : fields[i];
    for (int copy = 1; used.contains(name); ++copy) {
      const std::string next = fields[i] + "." + std::to_string(copy);
      if (!taken.contains(next) && !used.contains(next)) name = next;
    }
    used.insert(name);
    names.push_back(std::move(name));
  }
  return names;
}

/// One file under way: where its data begin and what its columns are called.
struct OpenFile {
  std::shared_ptr<CsvText> text;
  std::vector<std::string> names;
  int64_t first_line = 1;
  bool has_rows = false;
};

Result<OpenFile> Open(const std::string& path, const CsvOptions& csv, const Context& context) {
  OpenFile file;
  ARROW_ASSIGN_OR_RAISE(auto stream, OpenText(path));
  CsvHead head;
  size_t width = 0;
  if (csv.header) {
    ARROW_ASSIGN_OR_RAISE(head, ReadCsvHead(*stream, csv.delimiter, csv.quote, false));
    if (!head.found) return Status::Invalid("the file is empty: it has no header line");
    width = head.fields.size();
    file.names = csv.names.empty() ? HeaderNames(head.fields) : csv.names;
  }
  auto rest = std::make_shared<CsvText>(std::move(head.rest), stream, csv.quote, context);
  const int64_t before = head.first_line - 1;
  ARROW_ASSIGN_OR_RAISE(head, ReadCsvHead(*rest, csv.delimiter, csv.quote, true));
  file.has_rows = head.found;
  file.first_line = before + head.first_line;
  if (!csv.header) {
    width = head.found ? head.fields.size() : csv.names.size();
    file.names = csv.names;
    for (size_t i = 0; csv.names.empty() && i < width; ++i) file.names.push_back(std::to_string(i));
    if (file.names.empty()) return Status::Invalid("the file is empty: its columns are not known");
  }
  if (file.names.size() != width) {
    return Status::Invalid("line 1: ", width, " columns, but names= gives ", file.names.size());
  }
  file.text = std::make_shared<CsvText>(std::move(head.rest), std::move(rest), csv.quote, context);
  return file;
}

arrow::csv::ConvertOptions MakeConvertOptions(const CsvOptions& csv, std::vector<std::string> columns) {
  auto convert = arrow::csv::ConvertOptions::Defaults();
  convert.null_values = csv.null_values;
  convert.null_values.emplace_back();
  if (csv.default_null_values) {
    convert.null_values.insert(convert.null_values.end(), std::begin(kNullValues), std::end(kNullValues));
  }
  convert.strings_can_be_null = true;
  convert.quoted_strings_can_be_null = true;
  convert.include_columns = std::move(columns);
  for (const auto& [name, type] : csv.types) convert.column_types[name] = type;
  return convert;
}

Result<TablePtr> EmptyTable(const CsvOptions& csv, const std::vector<std::string>& columns, const Context& context) {
  arrow::FieldVector fields;
  for (const std::string& name : columns) {
    const auto typed =
        std::find_if(csv.types.begin(), csv.types.end(), [&](const auto& entry) { return entry.first == name; });
    fields.push_back(arrow::field(name, typed == csv.types.end() ? arrow::null() : typed->second));
  }
  return arrow::Table::MakeEmpty(arrow::schema(std::move(fields)), context.pool);
}

/// Takes `lead`, a number and ": " out of the message and returns the number; -1 where they are not there.
int64_t TakeNumber(std::string_view lead, std::string* message) {
  const size_t at = message->find(lead);
  if (at == std::string::npos) return -1;
  int64_t number = -1;
  const char* const begin = message->data() + at + lead.size();
  const auto parsed = std::from_chars(begin, message->data() + message->size(), number);
  if (parsed.ec != std::errc() || !std::string_view(parsed.ptr).starts_with(": ")) return -1;
  message->erase(at, static_cast<size_t>(parsed.ptr + 2 - message->data()) - at);
  return number;
}

class FileReader {
 public:
  FileReader(const std::string& path, const CsvOptions& csv, const std::vector<std::string>& columns,
             const Context& context)
      : path_(path), csv_(csv), columns_(columns), context_(context) {}

  Result<TablePtr> Read(bool use_threads) {
    int32_t block = kBlockBytes;
    for (;;) {
      auto table = ReadOnce(block, use_threads);
      if (table.ok()) return table;
      const Status& status = table.status();
      if (!status.IsInvalid()) return FileError(status, "read_csv: file '" + path_ + "'");
      if (status.message().find("straddling") != std::string::npos && block < kMaxBlockBytes) {
        block *= 4;
      } else if (use_threads) {
        // Threads know no row numbers.
        use_threads = false;
      } else {
        return Explain(status);
      }
    }
  }

 private:
  Result<TablePtr> ReadOnce(int32_t block, bool use_threads) {
    ARROW_ASSIGN_OR_RAISE(const OpenFile file, Open(path_, csv_, context_));
    names_ = file.names;
    arrow::FieldVector fields;
    for (const std::string& name : file.names) fields.push_back(arrow::field(name, arrow::null()));
    const arrow::Schema all(std::move(fields));
    const auto columns = columns_.empty() ? file.names : columns_;
    ARROW_RETURN_NOT_OK(table::FindColumns(all, columns, kOperation).status());
    std::vector<std::string> typed;
    for (const auto& [name, type] : csv_.types) typed.push_back(name);
    ARROW_RETURN_NOT_OK(table::FindColumns(all, typed, "read_csv, types").status());
    if (!file.has_rows) return EmptyTable(csv_, columns, context_);

    auto read = arrow::csv::ReadOptions::Defaults();
    read.use_threads = use_threads;
    read.block_size = block;
    read.column_names = file.names;
    auto parse = arrow::csv::ParseOptions::Defaults();
    parse.delimiter = csv_.delimiter;
    parse.quote_char = csv_.quote;
    parse.newlines_in_values = true;
    ARROW_ASSIGN_OR_RAISE(const auto reader,
                          arrow::csv::TableReader::Make(arrow::io::IOContext(context_.pool, context_.stop), file.text,
                                                        read, parse, MakeConvertOptions(csv_, columns)));
    ARROW_ASSIGN_OR_RAISE(auto table, reader->Read());
    // Well-formed text has each quote twice, but a lone one may stand within a field that is not quoted.
    if (file.text->quotes() % 2 != 0) {
      ARROW_ASSIGN_OR_RAISE(const CsvPlace place, Find(0));
      if (place.open_quote_line > 0) {
        return Status::Invalid("line ", place.open_quote_line,
                               ": a quoted field of the record that begins here has no end");
      }
    }
    return table;
  }

  Result<CsvPlace> Find(int64_t record) {
    ARROW_ASSIGN_OR_RAISE(const OpenFile file, Open(path_, csv_, context_));
    return FindCsvPlace(*file.text, csv_.delimiter, csv_.quote, record, file.first_line);
  }

  /// Arrow's row and column numbers as the file's line and the column's name.
  Status Explain(const Status& status) {
    std::string message = status.message();
    const int64_t column = TakeNumber("In CSV column #", &message);
    const int64_t row = TakeNumber("Row #", &message);
    std::string where = "read_csv: file '" + path_ + "'";
    if (row > 0) {
      const auto place = Find(row);
      if (place.ok() && place->line > 0) where += ", line " + std::to_string(place->line);
    }
    if (column >= 0 && column < static_cast<int64_t>(names_.size())) {
      where += ", column '" + names_[static_cast<size_t>(column)] + "'";
    }
    return Status::Invalid(where, ": ", message);
  }

  const std::string& path_;
  const CsvOptions& csv_;
  const std::vector<std::string>& columns_;
  const Context& context_;
  std::vector<std::string> names_;
};

}  // namespace

Result<TablePtr> ReadCsvFile(const std::string& path, const CsvOptions& csv, const std::vector<std::string>& columns,
                             bool use_threads, const Context& context) {
  try {
    return FileReader(path, csv, columns, context).Read(use_threads);
  } catch (const std::bad_alloc&) {
    return Status::OutOfMemory(kOperation, ": file '", path, "': out of memory");
  } catch (const std::exception& e) {
    return Status::IOError(kOperation, ": file '", path, "': ", e.what());
  }
}

Result<std::vector<int64_t>> FileSizes(const std::vector<std::string>& files) {
  std::vector<int64_t> sizes;
  for (const std::string& file : files) {
    ARROW_ASSIGN_OR_RAISE(const Location location, Locate(file));
    ARROW_ASSIGN_OR_RAISE(const auto info, location.file_system->GetFileInfo(location.path));
    if (info.type() == arrow::fs::FileType::NotFound) return NotFound(kOperation, file, "no such file");
    sizes.push_back(std::max<int64_t>(info.size(), 0));
  }
  return sizes;
}

}  // namespace weft::io
