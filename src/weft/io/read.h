// Reading tables from files: one rank's share, without talking to other ranks.
#pragma once

#include <arrow/compute/expression.h>
#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>
#include <string>
#include <vector>

#include "weft/base/context.h"

namespace weft::io {

/// Paths, globs ("a/*.parquet", "**" for any depth), directories (all files of the format below them, hidden ones and
/// "_*" left out) or "s3://bucket/key", each expanded in sorted order, the list's order kept. A directory or prefix
/// with a `_weft_manifest.json` gives the files it names. A path or pattern that finds nothing is an IOError that names
/// it.
arrow::Result<std::vector<std::string>> ExpandPaths(const std::vector<std::string>& paths,
                                                    const std::string& extension);

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
/// schema. A broken file is an IOError with its name and where it broke.
arrow::Result<std::shared_ptr<arrow::Table>> ReadParquet(const std::vector<std::string>& paths,
                                                         const ReadOptions& options, const Context& context);

struct CsvOptions {
  char delimiter = ',';
  char quote = '"';
  /// Names of the columns; empty: from the header line.
  std::vector<std::string> names;
  bool header = true;
  /// Field texts that are null, besides the empty one. The default is pandas' list.
  std::vector<std::string> null_values;
  bool default_null_values = true;
  /// Types of some columns, by name; others are inferred.
  std::vector<std::pair<std::string, std::shared_ptr<arrow::DataType>>> types;
};

/// This rank's share of CSV files: whole files, contiguous runs of about the same number of bytes. Types are inferred
/// from this rank's share alone; distributed::ReadCsv makes them agree. A column whose cells are all null has Arrow's
/// null type. A rank with no file returns nullptr. A broken line is an Invalid with file, line number and cause.
arrow::Result<std::shared_ptr<arrow::Table>> ReadCsv(const std::vector<std::string>& paths, const CsvOptions& csv,
                                                     const ReadOptions& options, const Context& context);

}  // namespace weft::io
