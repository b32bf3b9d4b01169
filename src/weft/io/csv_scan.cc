#include "weft/io/csv_scan.h"

#include <arrow/io/interfaces.h>
#include <arrow/status.h>

#include <utility>

namespace weft::io {
namespace {

using arrow::Result;
using arrow::Status;

constexpr int64_t kPieceBytes = 1 << 16;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

size_t CsvRecordScanner::Next(std::string_view text, std::vector<std::string>* fields) {
  size_t i = 0;
  const auto append = [&](char c) {
    if (fields != nullptr) fields->back() += c;
  };
  const auto begin_field = [&] {
    if (fields != nullptr) fields->emplace_back();
  };
  while (i < text.size() && !done_) {
    const char c = text[i++];
    ++taken_;
    const bool line_end = c == '\n' || c == '\r';
    if (c == '\n' && after_return_) {
      after_return_ = false;
      if (state_ == State::kQuoted) append(c);
      continue;
    }
    after_return_ = c == '\r';
    if (line_end) ++lines_;
    if (state_ == State::kQuoteInQuoted) {
      if (c == quote_) {
        append(c);
        state_ = State::kQuoted;
        continue;
      }
      state_ = State::kPlain;
    }
    if (state_ == State::kQuoted) {
      if (c == quote_) {
        state_ = State::kQuoteInQuoted;
      } else {
        append(c);
      }
      continue;
    }
    if (state_ == State::kLineStart) {
      if (line_end) continue;
      record_line_ = lines_ + 1;
      record_offset_ = taken_ - 1;
      begin_field();
      state_ = State::kFieldStart;
    }
    if (line_end) {
      state_ = State::kLineStart;
      done_ = true;
    } else if (c == delimiter_) {
      begin_field();
      state_ = State::kFieldStart;
    } else if (c == quote_ && state_ == State::kFieldStart) {
      state_ = State::kQuoted;
    } else {
      append(c);
      state_ = State::kPlain;
    }
  }
  return i;
}

bool CsvRecordScanner::Finish() {
  if (state_ == State::kLineStart) return done_;
  state_ = State::kLineStart;
  done_ = true;
  return true;
}

Result<CsvHead> ReadCsvHead(arrow::io::InputStream& stream, char delimiter, char quote, bool keep, int64_t max_bytes) {
  CsvHead head;
  CsvRecordScanner scanner(delimiter, quote);
  std::string text;
  size_t scanned = 0;
  bool more = true;
  const auto read_more = [&]() -> Status {
    ARROW_ASSIGN_OR_RAISE(const auto piece, stream.Read(kPieceBytes));
    more = piece->size() > 0;
    text.append(reinterpret_cast<const char*>(piece->data()), static_cast<size_t>(piece->size()));
    return Status::OK();
  };
  while (more && text.size() < kByteOrderMark.size()) ARROW_RETURN_NOT_OK(read_more());
  if (text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
  while (!scanner.done()) {
    scanned += scanner.Next(std::string_view(text).substr(scanned), &head.fields);
    if (scanner.done()) break;
    if (static_cast<int64_t>(text.size()) > max_bytes) {
      return Status::Invalid("line ", scanner.record_line(), ": the record that begins here has no end within ",
                             max_bytes, " bytes; is a quote missing?");
    }
    if (more) ARROW_RETURN_NOT_OK(read_more());
    if (!more && scanned == text.size()) {
      if (scanner.in_quotes()) {
        return Status::Invalid("line ", scanner.record_line(), ": a quoted field that begins here has no end");
      }
      if (!scanner.Finish()) return head;
    }
  }
  head.found = true;
  // A line feed that belongs to the record's carriage return goes with it.
  if (scanned > 0 && text[scanned - 1] == '\r') {
    while (more && scanned == text.size()) ARROW_RETURN_NOT_OK(read_more());
    if (scanned < text.size() && text[scanned] == '\n') ++scanned;
  }
  head.first_line = keep ? scanner.record_line() : scanner.line();
  text.erase(0, keep ? static_cast<size_t>(scanner.record_offset()) : scanned);
  head.rest = std::move(text);
  return head;
}

Result<CsvPlace> FindCsvPlace(arrow::io::InputStream& stream, char delimiter, char quote, int64_t record,
                              int64_t first_line) {
  CsvPlace place;
  CsvRecordScanner scanner(delimiter, quote);
  int64_t records = 0;
  const auto count = [&] {
    ++records;
    if (records == record) place.line = scanner.record_line() - 1 + first_line;
  };
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(const auto piece, stream.Read(kPieceBytes));
    if (piece->size() == 0) break;
    std::string_view text(*piece);
    while (!text.empty()) {
      text.remove_prefix(scanner.Next(text, nullptr));
      if (!scanner.done()) continue;
      count();
      if (place.line > 0) return place;
      scanner.Reset();
    }
  }
  if (scanner.in_quotes()) place.open_quote_line = scanner.record_line() - 1 + first_line;
  if (scanner.Finish()) count();
  return place;
}

}  // namespace weft::io
