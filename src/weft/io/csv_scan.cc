#include "weft/io/csv_scan.h"

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>
#include <arrow/status.h>

#include <algorithm>
#include <utility>

namespace weft::io {
namespace {

using arrow::Result;
using arrow::Status;

constexpr int64_t kPieceBytes = 1 << 16;
constexpr int64_t kMaxRecordBytes = int64_t{1} << 28;

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

Status CsvHeadReader::Fill() {
  before_ += static_cast<int64_t>(at_);
  text_.erase(0, at_);
  at_ = 0;
  ARROW_ASSIGN_OR_RAISE(const auto piece, stream_.Read(kPieceBytes));
  more_ = piece->size() > 0;
  text_.append(reinterpret_cast<const char*>(piece->data()), static_cast<size_t>(piece->size()));
  return Status::OK();
}

Status CsvHeadReader::Skip(std::string_view prefix) {
  while (more_ && text_.size() - at_ < prefix.size()) ARROW_RETURN_NOT_OK(Fill());
  if (std::string_view(text_).substr(at_).starts_with(prefix)) at_ += prefix.size();
  return Status::OK();
}

Status CsvHeadReader::TakeLineFeed() {
  while (more_ && at_ == text_.size()) ARROW_RETURN_NOT_OK(Fill());
  if (at_ < text_.size() && text_[at_] == '\n') ++at_;
  return Status::OK();
}

Status CsvHeadReader::SkipLine() {
  bool quoted = false;
  for (;;) {
    while (more_ && at_ == text_.size()) ARROW_RETURN_NOT_OK(Fill());
    if (at_ == text_.size()) return Status::OK();
    const char c = text_[at_++];
    if (c == quote_) quoted = !quoted;
    if (c != '\n' && c != '\r') continue;
    ++line_;
    if (c == '\r') ARROW_RETURN_NOT_OK(TakeLineFeed());
    if (!quoted) return Status::OK();
  }
}

Result<bool> CsvHeadReader::Next(std::vector<std::string>* fields) {
  fields->clear();
  CsvRecordScanner scanner(delimiter_, quote_);
  const int64_t begin = offset();
  for (;;) {
    at_ += scanner.Next(std::string_view(text_).substr(at_), fields);
    if (scanner.done()) break;
    if (offset() - begin > kMaxRecordBytes) {
      return Status::Invalid("line ", scanner.record_line() + line_ - 1,
                             ": the record that begins here has no end within ", kMaxRecordBytes,
                             " bytes; is a quote missing?");
    }
    if (more_) {
      ARROW_RETURN_NOT_OK(Fill());
      continue;
    }
    if (scanner.in_quotes()) {
      return Status::Invalid("line ", scanner.record_line() + line_ - 1,
                             ": a quoted field that begins here has no end");
    }
    if (!scanner.Finish()) return false;
  }
  if (at_ > 0 && text_[at_ - 1] == '\r') ARROW_RETURN_NOT_OK(TakeLineFeed());
  record_line_ = scanner.record_line() + line_ - 1;
  line_ += scanner.line() - 1;
  return true;
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

Result<int64_t> CountLines(arrow::io::InputStream& stream, int64_t bytes) {
  int64_t lines = 0;
  char before = '\0';
  // One more tells whether a carriage return at the end has its line feed after it.
  for (int64_t left = bytes + 1; left > 0;) {
    ARROW_ASSIGN_OR_RAISE(const auto piece, stream.Read(std::min(left, kPieceBytes)));
    if (piece->size() == 0) break;
    for (const char c : std::string_view(*piece)) {
      // A carriage return counts when it is known what follows it.
      if (before == '\r' && c != '\n') ++lines;
      if (c == '\n' && left > 1) ++lines;
      before = c;
      --left;
    }
  }
  return lines;
}

}  // namespace weft::io
