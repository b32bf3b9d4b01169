#include "weft/io/csv_file.h"

#include <arrow/csv/api.h>
#include <arrow/filesystem/filesystem.h>

#include <algorithm>
#include <charconv>
#include <exception>
#include <utility>

#include "weft/base/byte_codec.h"
#include "weft/io/location.h"
#include "weft/io/row_filter.h"
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

/// What pandas reads as missing.
constexpr const char* kNullValues[] = {"",     "#N/A",   "#N/A N/A", "#NA",  "-1.#IND", "-1.#QNAN", "-NaN",
                                       "-nan", "1.#IND", "1.#QNAN",  "<NA>", "N/A",     "NA",       "NULL",
                                       "NaN",  "None",   "n/a",      "nan",  "null"};

bool Contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
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

/// Which of a file's columns to take, in its order; `hidden` gets those that only the filter needs.
Result<std::vector<int>> Choose(const CsvStart& start, const CsvOptions& csv, const ReadOptions& options,
                                std::vector<int>* hidden) {
  arrow::FieldVector fields;
  for (const std::string& name : start.names) fields.push_back(arrow::field(name, arrow::null()));
  const arrow::Schema schema(fields);
  ARROW_ASSIGN_OR_RAISE(std::vector<int> chosen, table::FindColumns(schema, options.columns, kOperation));
  const auto width = static_cast<int>(start.names.size());
  for (const int position : csv.positions) {
    if (position < 0 || position >= width) {
      return Status::KeyError("there is no column at position ", position, "; the file has ", width);
    }
    chosen.push_back(position);
  }
  for (int i = 0; i < width && options.columns.empty() && csv.positions.empty(); ++i) chosen.push_back(i);
  ARROW_ASSIGN_OR_RAISE(const auto filter_names, FilterColumns(options.filter, kOperation));
  ARROW_ASSIGN_OR_RAISE(const auto filter_columns, table::FindColumns(schema, filter_names, kOperation));
  for (const int column : filter_columns) {
    if (std::find(chosen.begin(), chosen.end(), column) == chosen.end()) hidden->push_back(column);
  }
  chosen.insert(chosen.end(), hidden->begin(), hidden->end());
  std::sort(chosen.begin(), chosen.end());
  chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
  return chosen;
}

/// One piece under way.
class PieceReader {
 public:
  PieceReader(const CsvPiece& piece, const CsvStart& start, const CsvOptions& csv, const std::vector<int>& chosen,
              int64_t max_records, const Context& context)
      : piece_(piece), start_(start), csv_(csv), chosen_(chosen), max_records_(max_records), context_(context) {}

  Result<TablePtr> Read(bool use_threads) {
    int32_t block = kBlockBytes;
    for (;;) {
      auto table = ReadOnce(block, use_threads);
      if (table.ok()) return table;
      const Status& status = table.status();
      if (!status.IsInvalid()) return status;
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
  std::string Name(int column) const { return std::to_string(column); }

  Result<TablePtr> Empty() const {
    arrow::FieldVector fields;
    for (const int column : chosen_) fields.push_back(arrow::field(Name(column), arrow::binary()));
    return arrow::Table::MakeEmpty(arrow::schema(std::move(fields)), context_.pool);
  }

  Result<TablePtr> ReadOnce(int32_t block, bool use_threads) {
    ARROW_ASSIGN_OR_RAISE(auto stream, OpenCsvText(piece_, csv_, context_));
    const auto text = std::make_shared<CsvText>(std::move(stream), csv_, max_records_, context_);
    // Arrow has no table without a row.
    ARROW_ASSIGN_OR_RAISE(const bool rows, HasRecord());
    if (!rows) return Empty();

    auto read = arrow::csv::ReadOptions::Defaults();
    read.use_threads = use_threads;
    read.block_size = block;
    auto convert = arrow::csv::ConvertOptions::Defaults();
    // Places in the file instead of names.
    for (size_t i = 0; i < start_.names.size(); ++i) read.column_names.push_back(Name(static_cast<int>(i)));
    for (const int column : chosen_) {
      convert.include_columns.push_back(Name(column));
      convert.column_types[Name(column)] = arrow::binary();
    }
    convert.null_values = csv_.null_values;
    if (csv_.default_null_values) {
      convert.null_values.insert(convert.null_values.end(), std::begin(kNullValues), std::end(kNullValues));
    }
    convert.strings_can_be_null = true;
    convert.quoted_strings_can_be_null = true;
    auto parse = arrow::csv::ParseOptions::Defaults();
    parse.delimiter = csv_.delimiter;
    parse.quote_char = csv_.quote;
    parse.newlines_in_values = true;
    ARROW_ASSIGN_OR_RAISE(
        const auto reader,
        arrow::csv::TableReader::Make(arrow::io::IOContext(context_.pool, context_.stop), text, read, parse, convert));
    ARROW_ASSIGN_OR_RAISE(auto table, reader->Read());
    if (text->may_end_quoted()) {
      ARROW_ASSIGN_OR_RAISE(const CsvPlace place, FindPlace(0));
      if (place.open_quote_line > 0) {
        return Status::Invalid("line ", place.open_quote_line,
                               ": a quoted field of the record that begins here has no end");
      }
    }
    return table;
  }

  Result<bool> HasRecord() const {
    if (max_records_ == 0 || (piece_.end >= 0 && piece_.end == piece_.begin)) return false;
    ARROW_ASSIGN_OR_RAISE(const auto text, OpenCsvText(piece_, csv_, context_));
    CsvRecordScanner scanner(csv_.delimiter, csv_.quote);
    for (;;) {
      ARROW_ASSIGN_OR_RAISE(const auto some, text->Read(1 << 10));
      if (some->size() == 0) return false;
      // Whatever is no line end begins a record.
      if (std::string_view(*some).find_first_not_of("\r\n") != std::string_view::npos) return true;
    }
  }

  Result<CsvPlace> FindPlace(int64_t record) const { return FindRecord(piece_, start_, csv_, record, context_); }

  /// Arrow's row and column numbers as the file's line and the column's name.
  Status Explain(const Status& status) const {
    std::string message = status.message();
    const int64_t column = TakeNumber("In CSV column #", &message);
    const int64_t row = TakeNumber("Row #", &message);
    std::string where;
    if (row > 0) {
      const auto place = FindPlace(row);
      if (place.ok() && place->line > 0) where += "line " + std::to_string(place->line) + ": ";
    }
    if (column >= 0 && column < static_cast<int64_t>(start_.names.size())) {
      where += "column '" + start_.names[static_cast<size_t>(column)] + "': ";
    }
    return Status::Invalid(where, message);
  }

 public:
  /// A look at the piece's text for record number `record`, from 1.
  static Result<CsvPlace> FindRecord(const CsvPiece& piece, const CsvStart& start, const CsvOptions& csv,
                                     int64_t record, const Context& context) {
    int64_t line = start.line;
    if (piece.begin != start.offset) {
      ARROW_ASSIGN_OR_RAISE(const auto whole, OpenCsvText({piece.path, 0, -1}, csv, context));
      ARROW_ASSIGN_OR_RAISE(line, CountLines(*whole, piece.begin));
      ++line;
    }
    ARROW_ASSIGN_OR_RAISE(const auto text, OpenCsvText(piece, csv, context));
    return FindCsvPlace(*text, csv.delimiter, csv.quote, record, line);
  }

 private:
  const CsvPiece& piece_;
  const CsvStart& start_;
  const CsvOptions& csv_;
  const std::vector<int>& chosen_;
  const int64_t max_records_;
  const Context& context_;
};

}  // namespace

std::string CsvColumns::Pack() const {
  ByteWriter writer;
  writer.PutString(source);
  for (size_t i = 0; i < names.size(); ++i) writer.PutString(names[i]).Put(kinds[i]);
  return writer.Take();
}

Result<CsvColumns> CsvColumns::Unpack(std::string_view bytes) {
  ByteReader reader(bytes);
  CsvColumns columns;
  ARROW_ASSIGN_OR_RAISE(columns.source, reader.GetString());
  while (reader.left() > 0) {
    ARROW_ASSIGN_OR_RAISE(const auto name, reader.GetString());
    columns.names.emplace_back(name);
    ARROW_ASSIGN_OR_RAISE(const auto kinds, reader.Get<CsvKinds>());
    columns.kinds.push_back(kinds);
  }
  return columns;
}

Result<CsvColumns> UnifyCsvColumns(const std::vector<CsvColumns>& all) {
  CsvColumns made = all.front();
  for (const CsvColumns& other : all) {
    for (size_t i = 0; i < made.names.size(); ++i) {
      const auto found = std::find(other.names.begin(), other.names.end(), made.names[i]);
      if (found == other.names.end()) {
        return Status::KeyError(kOperation, ": file '", other.source, "' has no column '", made.names[i], "', which '",
                                made.source, "' has");
      }
      made.kinds[i] |= other.kinds[static_cast<size_t>(found - other.names.begin())];
    }
    for (const std::string& name : other.names) {
      if (Contains(made.names, name)) continue;
      return Status::KeyError(kOperation, ": file '", other.source, "' has a column '", name, "', which '", made.source,
                              "' has not");
    }
  }
  return made;
}

Result<TablePtr> FilterCsv(TablePtr table, const CsvColumns& columns, const ReadOptions& options,
                           const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto filter, RowFilter::Make(options.filter, table->schema(), kOperation, context));
  ARROW_ASSIGN_OR_RAISE(table, filter.Apply(table, context));
  std::vector<int> shown;
  for (size_t i = 0; i < columns.kinds.size(); ++i) {
    if ((columns.kinds[i] & kCsvHidden) == 0) shown.push_back(static_cast<int>(i));
  }
  return table->SelectColumns(shown);
}

Result<std::shared_ptr<arrow::Schema>> CsvSchema(const CsvColumns& columns, const CsvOptions& csv) {
  arrow::FieldVector fields;
  for (size_t i = 0; i < columns.names.size(); ++i) {
    const std::string& name = columns.names[i];
    const auto typed = std::find_if(csv.types.begin(), csv.types.end(), [&](const auto& t) { return t.first == name; });
    auto type = typed != csv.types.end() ? typed->second : csv.type;
    if (type == nullptr) type = CsvType(columns.kinds[i]);
    fields.push_back(arrow::field(name, std::move(type)));
  }
  return arrow::schema(std::move(fields));
}

Status CheckCsvOptions(const CsvOptions& csv) {
  const auto wrong = [](char c) { return c == '\n' || c == '\r' || c == '\0'; };
  if (wrong(csv.delimiter) || wrong(csv.quote)) {
    return Status::Invalid(kOperation, ": a line end or NUL cannot be the delimiter or the quote");
  }
  if (csv.delimiter == csv.quote) {
    return Status::Invalid(kOperation, ": delimiter and quote are the same character '", csv.quote, "'");
  }
  if (csv.decimal == csv.thousands) {
    return Status::Invalid(kOperation, ": decimal and thousands are the same character '", csv.decimal, "'");
  }
  std::vector<std::string> names = csv.names;
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) return Status::Invalid(kOperation, ": names= has '", *twice, "' twice");
  return Status::OK();
}

Status OfCsvFile(const std::string& path, const Status& status) {
  const std::string where = "read_csv: file '" + path + "'";
  if (!status.IsInvalid()) return FileError(status, where);
  // "line 7: ..." goes on with the place.
  const bool place = status.message().starts_with("line ") || status.message().starts_with("column ");
  return Status::Invalid(where, place ? ", " : ": ", status.message());
}

Status CsvShare::ReadPart(const CsvPiece& piece, const ReadOptions& options, int64_t max_records, bool use_threads,
                          Part* part, const Context& context) const {
  const auto read = [&]() -> Status {
    part->piece = piece;
    ARROW_ASSIGN_OR_RAISE(part->start, ReadCsvStart(piece.path, *csv_, context));
    part->piece.begin = std::max(piece.begin, part->start.offset);
    if (piece.end >= 0) part->piece.end = std::max(piece.end, part->piece.begin);
    std::vector<std::string> typed;
    arrow::FieldVector fields;
    for (const std::string& name : part->start.names) fields.push_back(arrow::field(name, arrow::null()));
    for (const auto& [name, type] : csv_->types) typed.push_back(name);
    ARROW_RETURN_NOT_OK(table::FindColumns(arrow::Schema(fields), typed, "dtype").status());
    ARROW_RETURN_NOT_OK(table::FindColumns(arrow::Schema(fields), csv_->times, "parse_dates").status());
    for (const int position : csv_->time_positions) {
      if (position >= 0 && position < static_cast<int>(part->start.names.size())) continue;
      return Status::KeyError("parse_dates: there is no column at position ", position);
    }
    std::vector<int> hidden;
    ARROW_ASSIGN_OR_RAISE(const auto chosen, Choose(part->start, *csv_, options, &hidden));
    for (const int column : chosen) {
      part->names.push_back(part->start.names[static_cast<size_t>(column)]);
      const bool hides = std::find(hidden.begin(), hidden.end(), column) != hidden.end();
      part->hidden.push_back(hides ? kCsvHidden : 0);
    }
    PieceReader reader(part->piece, part->start, *csv_, chosen, max_records, context);
    ARROW_ASSIGN_OR_RAISE(part->texts, reader.Read(use_threads));
    return Status::OK();
  };
  try {
    const Status status = read();
    return status.ok() ? status : OfCsvFile(piece.path, status);
  } catch (const std::bad_alloc&) {
    return Status::OutOfMemory(kOperation, ": file '", piece.path, "': out of memory");
  } catch (const std::exception& e) {
    return Status::IOError(kOperation, ": file '", piece.path, "': ", e.what());
  }
}

Result<CsvShare> CsvShare::Read(const std::vector<CsvPiece>& pieces, const CsvOptions& csv, const ReadOptions& options,
                                const Context& context) {
  CsvShare share(csv);
  if (csv.max_rows >= 0) {
    int64_t left = csv.max_rows;
    for (const CsvPiece& piece : pieces) {
      if (left == 0 && !share.parts_.empty()) break;
      Part part;
      ARROW_RETURN_NOT_OK(share.ReadPart(piece, options, left, context.threads > 1, &part, context));
      left -= part.texts->num_rows();
      share.parts_.push_back(std::move(part));
    }
    return share;
  }
  const auto count = static_cast<int64_t>(pieces.size());
  share.parts_.resize(pieces.size());
  // Few pieces: threads share the blocks of one instead.
  const bool within = count < context.threads;
  Context outer = context;
  if (within) outer.threads = 1;
  ARROW_RETURN_NOT_OK(ParallelFor(outer, count, [&](int64_t i) {
    const auto at = static_cast<size_t>(i);
    return share.ReadPart(pieces[at], options, -1, within, &share.parts_[at], context);
  }));
  return share;
}

Result<CsvColumns> CsvShare::Columns(const Context& context) const {
  const CsvReader values(*csv_);
  std::vector<CsvColumns> all;
  struct Work {
    CsvKinds* kinds;
    const arrow::ChunkedArray* texts;
    bool time;
  };
  std::vector<Work> works;
  for (const Part& part : parts_) {
    all.push_back({part.piece.path, part.names, part.hidden});
  }
  for (size_t p = 0; p < parts_.size(); ++p) {
    const Part& part = parts_[p];
    for (size_t i = 0; i < part.names.size(); ++i) {
      const std::string& name = part.names[i];
      if (csv_->type != nullptr) continue;
      if (std::any_of(csv_->types.begin(), csv_->types.end(), [&](const auto& t) { return t.first == name; })) continue;
      const bool time = Contains(csv_->times, name) ||
                        std::any_of(csv_->time_positions.begin(), csv_->time_positions.end(), [&](int position) {
                          return part.start.names[static_cast<size_t>(position)] == name;
                        });
      works.push_back({&all[p].kinds[i], part.texts->column(static_cast<int>(i)).get(), time});
    }
  }
  ARROW_RETURN_NOT_OK(ParallelFor(context, static_cast<int64_t>(works.size()), [&](int64_t i) {
    const Work& work = works[static_cast<size_t>(i)];
    for (const auto& chunk : work.texts->chunks()) {
      if ((*work.kinds & kCsvText) != 0) break;
      *work.kinds |= values.Kinds(static_cast<const arrow::BinaryArray&>(*chunk), work.time);
    }
    return Status::OK();
  }));
  return UnifyCsvColumns(all);
}

Status CsvShare::Locate(const Part& part, int64_t row, const std::string& column, const std::string& message,
                        const Context& context) const {
  std::string where = "read_csv: file '" + part.piece.path + "'";
  const auto place = PieceReader::FindRecord(part.piece, part.start, *csv_, row + 1, context);
  if (place.ok() && place->line > 0) where += ", line " + std::to_string(place->line);
  return Status::Invalid(where, ", column '", column, "': ", message);
}

Result<TablePtr> CsvShare::Convert(const std::shared_ptr<arrow::Schema>& schema, const Context& context) && {
  const CsvReader values(*csv_);
  std::vector<arrow::ArrayVector> columns(static_cast<size_t>(schema->num_fields()));
  struct Work {
    const Part* part;
    int64_t row;
    int column;
    std::shared_ptr<arrow::Array> texts;
    std::shared_ptr<arrow::Array>* made;
  };
  std::vector<Work> works;
  int64_t rows = 0;
  for (auto& part : parts_) {
    for (int i = 0; i < schema->num_fields(); ++i) {
      const auto at = std::find(part.names.begin(), part.names.end(), schema->field(i)->name()) - part.names.begin();
      int64_t row = 0;
      for (const auto& chunk : part.texts->column(static_cast<int>(at))->chunks()) {
        works.push_back({&part, row, i, chunk, nullptr});
        columns[static_cast<size_t>(i)].emplace_back();
        row += chunk->length();
      }
    }
    rows += part.texts->num_rows();
    part.texts.reset();
  }
  std::vector<size_t> used(columns.size(), 0);
  for (Work& work : works) {
    const auto column = static_cast<size_t>(work.column);
    work.made = &columns[column][used[column]++];
  }
  ARROW_RETURN_NOT_OK(ParallelFor(context, static_cast<int64_t>(works.size()), [&](int64_t i) {
    Work& work = works[static_cast<size_t>(i)];
    ARROW_RETURN_NOT_OK(context.stop.Poll());
    const auto& field = *schema->field(work.column);
    int64_t bad = -1;
    auto texts = std::static_pointer_cast<arrow::BinaryArray>(std::move(work.texts));
    auto made = values.Convert(texts, field.type(), &bad, context);
    if (made.ok()) {
      *work.made = *std::move(made);
      return Status::OK();
    }
    if (bad < 0) return made.status();
    std::string shown(texts->GetView(bad).substr(0, 100));
    for (char& c : shown) {
      if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) c = '?';
    }
    return Locate(*work.part, work.row + bad, field.name(),
                  "'" + shown + "' as " + field.type()->ToString() + ": " + made.status().message(), context);
  }));
  arrow::ChunkedArrayVector chunked;
  for (int i = 0; i < schema->num_fields(); ++i) {
    chunked.push_back(
        std::make_shared<arrow::ChunkedArray>(std::move(columns[static_cast<size_t>(i)]), schema->field(i)->type()));
  }
  return arrow::Table::Make(schema, std::move(chunked), rows);
}

Result<std::vector<int64_t>> FileSizes(const std::vector<std::string>& files, std::string_view operation) {
  std::vector<int64_t> sizes;
  for (const std::string& file : files) {
    ARROW_ASSIGN_OR_RAISE(const weft::io::Location location, weft::io::Locate(file));
    ARROW_ASSIGN_OR_RAISE(const auto info, location.file_system->GetFileInfo(location.path));
    if (info.type() == arrow::fs::FileType::NotFound) return NotFound(operation, file, "no such file");
    if (info.type() != arrow::fs::FileType::File)
      return Status::IOError(operation, ": '", file, "' is no regular file");
    sizes.push_back(std::max<int64_t>(info.size(), 0));
  }
  return sizes;
}

}  // namespace weft::io
