// Reading tables from files: one rank's share, without talking to other ranks.
#pragma once

#include <arrow/compute/expression.h>
#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "weft/base/context.h"

namespace weft::io {

/// Paths, globs ("a/*.parquet", "**" for any depth), directories (all files of the format below them, hidden ones and
/// "_*" left out) or "s3://bucket/key", each expanded in sorted order, the list's order kept. A directory or prefix
/// with a `_weft_manifest.json` gives the files it names. A path or pattern that finds nothing is an IOError that names
/// it.
arrow::Result<std::vector<std::string>> ExpandPaths(const std::vector<std::string>& paths,
                                                    const std::string& extension);

/// A column's value that a directory's name holds.
struct HiveKey {
  std::string name;
  std::string value;
  bool null = false;
};

/// A file, and what its directories say of all its rows.
struct DataFile {
  std::string name;
  std::vector<HiveKey> keys;
};

/// What directories such as "year=2013" are, below a directory that is named or from a glob's first pattern on:
/// columns; names that mean nothing; or, below a directory, Status::NotImplemented.
enum class Hive { kColumns, kIgnored, kRefused };

/// As ExpandPaths, with what directories say of the files.
arrow::Result<std::vector<DataFile>> ExpandFiles(const std::vector<std::string>& paths, const std::string& extension,
                                                 Hive hive);

struct ReadOptions {
  /// Columns to read, in this order; empty means all. Status::KeyError for one that is not there.
  std::vector<std::string> columns;
  /// Rows for which it is true; pushed down to Parquet's row groups. Literal true by default.
  arrow::compute::Expression filter = arrow::compute::literal(true);
  /// This rank's share of the work: piece `rank` of `world_size`.
  int rank = 0;
  int world_size = 1;
};

/// This rank's share of Parquet files: row groups, in order of files, split among ranks so that each has about the same
/// number of rows and rank order is file order. All files must have the first one's schema, up to column order
/// (Status::TypeError naming file, column, types). A rank with no row groups returns an empty table of the right
/// schema. A broken file is an IOError with its name and where it broke. Columns that directories hold come last; files
/// whose directories cannot fit the filter are not opened. A file named `_metadata` stands for the row groups of the
/// files beside it that it lists.
arrow::Result<std::shared_ptr<arrow::Table>> ReadParquet(const std::vector<DataFile>& files, const ReadOptions& options,
                                                         const Context& context);

/// The same for paths that are not expanded yet, with hive partitions.
arrow::Result<std::shared_ptr<arrow::Table>> ReadParquet(const std::vector<std::string>& paths,
                                                         const ReadOptions& options, const Context& context);

struct CsvOptions {
  char delimiter = ',';
  char quote = '"';
  /// Names of the columns; empty: from the header line, or, where there is none, "0", "1" and so on.
  std::vector<std::string> names;
  bool header = true;
  /// Which record, blank lines not counted, is the header; those before it are left out.
  int header_row = 0;
  /// Lines to leave out before anything else, blank ones counted; one with a quoted line end is one.
  int64_t skip_rows = 0;
  /// At most so many records; negative: all.
  int64_t max_rows = -1;
  /// Field texts that are null, besides pandas' list, which holds the empty text.
  std::vector<std::string> null_values;
  bool default_null_values = true;
  /// Texts that are true and false, besides "true" and "false" in any case.
  std::vector<std::string> true_values;
  std::vector<std::string> false_values;
  char decimal = '.';
  /// Left out of numbers; 0: none.
  char thousands = '\0';
  /// Types of some columns, by name; others are inferred.
  std::vector<std::pair<std::string, std::shared_ptr<arrow::DataType>>> types;
  /// The type of all columns that `types` does not name; nullptr: inferred.
  std::shared_ptr<arrow::DataType> type;
  /// Columns that are timestamps where all their texts are, by name, or by position in the file.
  std::vector<std::string> times;
  std::vector<int> time_positions;
  /// Columns to read by position in the file, besides ReadOptions::columns; those of both are read in the file's order.
  std::vector<int> positions;
  /// "gzip", "bz2", "zstd", "lz4", "none", or "infer", by the file's extension.
  std::string compression = "infer";
  /// As iconv(3) names it.
  std::string encoding = "utf-8";
  /// Files of at least this many bytes are cut into a range of bytes for each rank, where they are UTF-8 and not
  /// compressed.
  int64_t split_bytes = 1 << 20;
};

/// This rank's share of CSV files: whole files, contiguous runs of about the same number of bytes (distributed::ReadCsv
/// cuts files too). Types are inferred from this rank's share alone, as pandas infers them: int64, uint64, double,
/// bool, text; but integers and bools may be null, and a column whose cells are all null has Arrow's null type. A rank
/// with no file returns nullptr. A broken line is an Invalid with file, line number and cause.
arrow::Result<std::shared_ptr<arrow::Table>> ReadCsv(const std::vector<std::string>& paths, const CsvOptions& csv,
                                                     const ReadOptions& options, const Context& context);

/// This rank's share of Arrow IPC files (Feather) and streams. Record batches are shared out, those on a border cut by
/// rows; a stream is one rank's. All files must have the first one's schema. What is read is validated in full.
arrow::Result<std::shared_ptr<arrow::Table>> ReadIpc(const std::vector<DataFile>& files, const ReadOptions& options,
                                                     const Context& context);

struct JsonOptions {
  /// As in CsvOptions.
  std::string compression = "infer";
  int64_t split_bytes = 1 << 20;
  /// Types of some columns, by name; others are inferred.
  std::vector<std::pair<std::string, std::shared_ptr<arrow::DataType>>> types;
};

/// JSON lines: an object a line; blank lines are none. Columns are all names that some line has, in the order in which
/// files first have them; types are inferred from all lines: bool, int64, double, text, lists and structs.
/// Status::Invalid naming the file for what is no JSON or of two types.
arrow::Result<std::shared_ptr<arrow::Table>> ReadJson(const std::vector<std::string>& paths, const JsonOptions& json,
                                                      const Context& context);

}  // namespace weft::io
