#include "weft/io/csv_split.h"

#include <algorithm>
#include <cstring>

namespace weft::io {
namespace {

using arrow::Result;

constexpr int64_t kPieceBytes = 1 << 20;

}  // namespace

CsvEffectScanner::CsvEffectScanner(char delimiter, char quote, int64_t begin)
    : delimiter_(delimiter), quote_(quote), at_(begin) {
  for (size_t state = 0; state < kCsvStates; ++state) effect_.from[state].end = static_cast<CsvState>(state);
  effect_.from[static_cast<size_t>(CsvState::kLine)].record = begin;
}

/// Text without quotes.
void CsvEffectScanner::AddPlain(std::string_view text) {
  if (text.empty()) return;
  const char last = text.back();
  const bool line_end = last == '\n' || last == '\r';
  const CsvState after = line_end ? CsvState::kLine : last == delimiter_ ? CsvState::kField : CsvState::kPlain;
  int64_t record = -2;
  for (auto& [end, first] : effect_.from) {
    if (end == CsvState::kQuoted) continue;
    end = after;
    if (first >= 0) continue;
    if (record == -2) {
      const size_t found = text.find_first_of("\r\n");
      record = found == std::string_view::npos ? -1 : at_ + static_cast<int64_t>(found) + 1;
    }
    first = record;
  }
  at_ += static_cast<int64_t>(text.size());
}

void CsvEffectScanner::Add(std::string_view text) {
  while (!text.empty()) {
    const size_t quote = std::min(text.find(quote_), text.size());
    AddPlain(text.substr(0, quote));
    text.remove_prefix(quote);
    if (text.empty()) break;
    for (auto& [end, first] : effect_.from) {
      if (end == CsvState::kQuoted) {
        end = CsvState::kField;
      } else if (end != CsvState::kPlain) {
        end = CsvState::kQuoted;
      }
    }
    text.remove_prefix(1);
    ++at_;
  }
}

Result<CsvEffect> ScanCsvRange(const CsvPiece& range, int64_t start, const CsvOptions& csv, const Context& context) {
  const int64_t begin = std::max(range.begin, start);
  const int64_t end = std::max(range.end, start);
  CsvEffectScanner scanner(csv.delimiter, csv.quote, begin);
  if (begin < end) {
    ARROW_ASSIGN_OR_RAISE(const auto text, OpenCsvText({range.path, begin, end}, csv, context));
    for (;;) {
      ARROW_RETURN_NOT_OK(context.stop.Poll());
      ARROW_ASSIGN_OR_RAISE(const auto piece, text->Read(kPieceBytes));
      if (piece->size() == 0) break;
      scanner.Add(std::string_view(*piece));
    }
  }
  return scanner.effect();
}

std::vector<int64_t> FirstRecords(std::span<const CsvEffect> effects, int64_t start) {
  std::vector<int64_t> first;
  CsvState state = CsvState::kLine;
  for (const CsvEffect& effect : effects) {
    const auto& from = effect.from[static_cast<size_t>(state)];
    first.push_back(from.record);
    state = from.end;
  }
  // A record that begins at the very end of a range begins the next one.
  for (size_t i = first.size(); i-- > 0;) {
    const int64_t next = i + 1 < first.size() ? first[i + 1] : -1;
    if (first[i] < 0) first[i] = next;
  }
  if (!first.empty() && first.front() < 0) first.front() = start;
  return first;
}

}  // namespace weft::io
