// CSV files as columns of texts, whose types are decided when all ranks' texts are known.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weft/base/context.h"
#include "weft/io/csv_text.h"
#include "weft/io/csv_values.h"
#include "weft/io/read.h"

namespace weft::io {

/// The columns of some files, and what their texts are (kCsvHidden among it).
struct CsvColumns {
  /// The file that has them, for messages.
  std::string source;
  std::vector<std::string> names;
  std::vector<CsvKinds> kinds;

  std::string Pack() const;
  static arrow::Result<CsvColumns> Unpack(std::string_view bytes);
};

/// The first one's names in its order, with all kinds. Status::KeyError naming file and column where another has not
/// the same names (their order is free).
arrow::Result<CsvColumns> UnifyCsvColumns(const std::vector<CsvColumns>& all);

/// The rows of a table of these columns that pass the filter, without hidden columns.
arrow::Result<std::shared_ptr<arrow::Table>> FilterCsv(std::shared_ptr<arrow::Table> table, const CsvColumns& columns,
                                                       const ReadOptions& options, const Context& context);

/// The schema: the types that options give, else those of the kinds.
arrow::Result<std::shared_ptr<arrow::Schema>> CsvSchema(const CsvColumns& columns, const CsvOptions& csv);

/// Status::Invalid where options contradict themselves. To be asked before any file is opened.
arrow::Status CheckCsvOptions(const CsvOptions& csv);

/// `status` with the file's name; what is wrong with its text is Invalid, with its bytes an IOError.
arrow::Status OfCsvFile(const std::string& path, const arrow::Status& status);

/// Pieces of files, parsed into texts.
class CsvShare {
 public:
  /// The columns that `options` and `csv` ask for, in the files' order, and those that the filter needs. Pieces are of
  /// files in their order. Errors as in ReadCsv.
  static arrow::Result<CsvShare> Read(const std::vector<CsvPiece>& pieces, const CsvOptions& csv,
                                      const ReadOptions& options, const Context& context);

  bool empty() const { return parts_.empty(); }
  /// Of a share that is not empty.
  arrow::Result<CsvColumns> Columns(const Context& context) const;
  /// The values as the types of `schema`, which has these columns; texts are let go on the way.
  arrow::Result<std::shared_ptr<arrow::Table>> Convert(const std::shared_ptr<arrow::Schema>& schema,
                                                       const Context& context) &&;

 private:
  struct Part {
    CsvPiece piece;
    CsvStart start;
    std::vector<std::string> names;
    /// For each name, kCsvHidden or 0.
    std::vector<CsvKinds> hidden;
    /// Columns of binary.
    std::shared_ptr<arrow::Table> texts;
  };
  explicit CsvShare(const CsvOptions& csv) : csv_(&csv) {}
  arrow::Status ReadPart(const CsvPiece& piece, const ReadOptions& options, int64_t max_records, bool use_threads,
                         Part* part, const Context& context) const;
  arrow::Status Locate(const Part& part, int64_t row, const std::string& column, const std::string& message,
                       const Context& context) const;

  /// Outlives this.
  const CsvOptions* csv_;
  std::vector<Part> parts_;
};

/// The sizes of files in bytes, as they lie (a compressed one is small). What is no regular file is an error.
arrow::Result<std::vector<int64_t>> FileSizes(const std::vector<std::string>& files, std::string_view operation);

}  // namespace weft::io
