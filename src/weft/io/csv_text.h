// The text of a CSV file: unpacked, in UTF-8, from any byte on.
#pragma once

#include <arrow/io/interfaces.h>
#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "weft/base/context.h"
#include "weft/io/csv_scan.h"
#include "weft/io/read.h"

namespace weft::io {

/// A file, or the bytes [begin, end) of its text; end -1: to its end. Both are where a record begins or 0.
struct CsvPiece {
  std::string path;
  int64_t begin = 0;
  int64_t end = -1;
};

/// Whether the file's text can be read from any byte on: it is UTF-8 and not compressed.
bool CanSplitCsv(const std::string& path, const CsvOptions& csv);

/// "gzip" and so on for a name's extension, "none" for another.
std::string_view CompressionOf(std::string_view name);

/// The bytes of `path`, unpacked (`compression` as in CsvOptions), from `begin` to `end` (-1: to the end). Only whole
/// files can be unpacked.
arrow::Result<std::shared_ptr<arrow::io::InputStream>> OpenUnpacked(const std::string& path,
                                                                    const std::string& compression, int64_t begin,
                                                                    int64_t end, const Context& context);

/// The piece's text.
arrow::Result<std::shared_ptr<arrow::io::InputStream>> OpenCsvText(const CsvPiece& piece, const CsvOptions& csv,
                                                                   const Context& context);

/// Where a file's records begin and what its columns are called.
struct CsvStart {
  /// Of all columns. A name that the header has twice becomes "name.1" and so on, an empty one "Unnamed: i".
  std::vector<std::string> names;
  /// The first byte of the text that may be part of a record of data.
  int64_t offset = 0;
  /// Its line, from 1.
  int64_t line = 1;
};

/// Status::Invalid for a file without a header, or, where there is to be none, without columns.
arrow::Result<CsvStart> ReadCsvStart(const std::string& path, const CsvOptions& csv, const Context& context);

/// A stream that looks at quotes, polls for a stop, and ends after `max_records` (negative: never).
class CsvText : public arrow::io::InputStream {
 public:
  CsvText(std::shared_ptr<arrow::io::InputStream> text, const CsvOptions& csv, int64_t max_records,
          const Context& context);

  /// Whether what was read can end within a quoted field: its last quote stands where a field begins, or after another
  /// quote. Rarely true of text that does not.
  bool may_end_quoted() const { return may_end_quoted_; }

  arrow::Status Close() override { return text_->Close(); }
  bool closed() const override { return text_->closed(); }
  arrow::Result<int64_t> Tell() const override { return position_; }
  arrow::Result<int64_t> Read(int64_t nbytes, void* out) override;
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t nbytes) override;

 private:
  std::shared_ptr<arrow::io::InputStream> text_;
  const char delimiter_;
  const char quote_;
  CsvRecordScanner scanner_;
  int64_t records_left_;
  const Context context_;
  bool may_end_quoted_ = false;
  char last_byte_ = '\n';
  int64_t position_ = 0;
};

}  // namespace weft::io
