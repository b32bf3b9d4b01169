// Cutting a CSV file into ranges of bytes that are read apart, each at the beginning of a record.
//
// Whether a line end ends a record depends on all the text before it. But the scanner has few states, and what a range
// of text does to each of them can be found without knowing which it begins in; so each rank scans its own range, and
// what all ranges do is put together. (Mytkowicz, Musuvathi, Schulte, "Data-Parallel Finite-State Machines", ASPLOS
// 2014; for CSV: Ge, Li, Eilebrecht, Chandramouli, Kossmann, "Speculative Distributed CSV Data Parsing for Big Data
// Analytics", SIGMOD 2019.)
#pragma once

#include <arrow/result.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weft/base/context.h"
#include "weft/io/csv_text.h"

namespace weft::io {

/// Where in a record a byte stands.
enum class CsvState : uint8_t {
  /// At the beginning of a line that may be a record.
  kLine,
  /// At the beginning of a field, or after a quote within quotes: a quote now begins or goes on with quoted text.
  kField,
  /// In a field that is not quoted, where a quote is a character as others.
  kPlain,
  kQuoted,
};
inline constexpr size_t kCsvStates = 4;

/// What a range of bytes does to each state that it may begin in.
struct CsvEffect {
  struct From {
    CsvState end = CsvState::kLine;
    /// The first byte after which a record begins, from the beginning of the text; -1 where there is none in the range.
    int64_t record = -1;
  };
  std::array<From, kCsvStates> from;
};

/// Scans text that comes in pieces.
class CsvEffectScanner {
 public:
  CsvEffectScanner(char delimiter, char quote, int64_t begin);
  void Add(std::string_view text);
  const CsvEffect& effect() const { return effect_; }

 private:
  void AddPlain(std::string_view text);

  const char delimiter_;
  const char quote_;
  int64_t at_;
  CsvEffect effect_;
};

/// The effect of one range; `start` is where the file's data begin.
arrow::Result<CsvEffect> ScanCsvRange(const CsvPiece& range, int64_t start, const CsvOptions& csv,
                                      const Context& context);

/// For consecutive ranges of one file (of which the first begins at the beginning of the data) the byte at which each
/// range's first record begins; -1 where all records from there on began before.
std::vector<int64_t> FirstRecords(std::span<const CsvEffect> effects, int64_t start);

}  // namespace weft::io
