// Finding records in CSV text: the header before Arrow reads the rest, and lines for error messages.
#pragma once

#include <arrow/io/type_fwd.h>
#include <arrow/result.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft::io {

/// Splits text that comes in pieces into records, by the rules of RFC 4180 as Arrow's parser applies them: a field is
/// quoted when its first character is the quote; two quotes within are one; "\n", "\r\n" and "\r" end a record; blank
/// lines are none.
class CsvRecordScanner {
 public:
  CsvRecordScanner(char delimiter, char quote) : delimiter_(delimiter), quote_(quote) {}

  /// Takes text up to the end of the next record that is not blank, its line end included where it is in the piece.
  /// Returns how many bytes it took; done() tells whether the record is complete. `fields` (may be nullptr) gets the
  /// record's fields, appended to while it goes on.
  size_t Next(std::string_view text, std::vector<std::string>* fields);
  bool done() const { return done_; }
  /// Begins the next record.
  void Reset() { done_ = false; }

  /// At the end of the text: completes a record that has no line end. False where there is none.
  bool Finish();
  /// Whether the text so far ends within quotes.
  bool in_quotes() const { return state_ == State::kQuoted; }

  /// The line (from 1) on which the current or last record began, and its first byte's place in all the text.
  int64_t record_line() const { return record_line_; }
  int64_t record_offset() const { return record_offset_; }
  /// The line on which the next byte lies.
  int64_t line() const { return lines_ + 1; }

 private:
  enum class State : uint8_t { kLineStart, kFieldStart, kPlain, kQuoted, kQuoteInQuoted };

  const char delimiter_;
  const char quote_;
  State state_ = State::kLineStart;
  bool done_ = false;
  /// The last byte was a carriage return: a line feed now belongs to it.
  bool after_return_ = false;
  int64_t taken_ = 0;
  int64_t lines_ = 0;
  int64_t record_line_ = 1;
  int64_t record_offset_ = 0;
};

/// Reads single records and lines from the beginning of a text.
class CsvHeadReader {
 public:
  CsvHeadReader(arrow::io::InputStream& stream, char delimiter, char quote)
      : stream_(stream), delimiter_(delimiter), quote_(quote) {}

  /// Takes `prefix` where the text goes on with it.
  arrow::Status Skip(std::string_view prefix);
  /// Takes a line, blank or not, with the lines that a quote in it reaches over. Nothing at the end of the text.
  arrow::Status SkipLine();
  /// Takes a record and the blank lines before it; false at the end of the text. A record without end, or of more than
  /// 256 MiB, is Status::Invalid.
  arrow::Result<bool> Next(std::vector<std::string>* fields);

  /// Bytes taken so far, the line on which the next one lies, and that on which the last record began.
  int64_t offset() const { return before_ + static_cast<int64_t>(at_); }
  int64_t line() const { return line_; }
  int64_t record_line() const { return record_line_; }

 private:
  arrow::Status Fill();
  /// Takes a line feed that belongs to the carriage return before it.
  arrow::Status TakeLineFeed();

  arrow::io::InputStream& stream_;
  const char delimiter_;
  const char quote_;
  std::string text_;
  size_t at_ = 0;
  int64_t before_ = 0;
  int64_t line_ = 1;
  int64_t record_line_ = 1;
  bool more_ = true;
};

/// What a look at the whole text tells an error message.
struct CsvPlace {
  /// The line on which record number `record` (from 1) begins; 0 where there are fewer.
  int64_t line = 0;
  /// The line on which a quoted field begins that nothing ends; 0 where there is none.
  int64_t open_quote_line = 0;
};

/// Looks for both in what `stream` has left, whose first line is number `first_line`; `record` 0 looks for none.
arrow::Result<CsvPlace> FindCsvPlace(arrow::io::InputStream& stream, char delimiter, char quote, int64_t record,
                                     int64_t first_line);

/// How many lines end within the first `bytes` of `stream`, which must have so many.
arrow::Result<int64_t> CountLines(arrow::io::InputStream& stream, int64_t bytes);

}  // namespace weft::io
