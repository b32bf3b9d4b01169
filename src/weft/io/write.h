// Writing tables to files so that nothing is seen before all of it is there.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>
#include <string>
#include <vector>

#include "weft/base/context.h"

namespace weft::io {

enum class FileFormat { kParquet, kCsv, kJsonLines, kIpcFile, kIpcStream };

/// Which fields of a CSV file are quoted: those that need it, all, or all but numbers.
enum class CsvQuoting { kMinimal, kAll, kNotNumbers };

struct WriteOptions {
  FileFormat format = FileFormat::kParquet;
  /// Parquet: "snappy" (the default), "zstd", "gzip", "brotli", "lz4", "none". CSV and JSON: "none" (the default),
  /// "gzip", "bz2", "zstd". IPC: "lz4" (the default), "zstd", "none". Empty: the default.
  std::string compression;
  /// Rows of a row group or record batch.
  int64_t row_group_rows = 1 << 20;
  /// Parquet: columns whose values become directories ("year=2013"), each with the rows that have them.
  std::vector<std::string> partition_columns;
  /// Parquet, in a directory: `_metadata` (the row groups of all files) and `_common_metadata` (the schema) beside the
  /// parts.
  bool metadata_file = false;

  char delimiter = ',';
  char quote = '"';
  CsvQuoting quoting = CsvQuoting::kMinimal;
  bool header = true;
  /// Instead of the columns' names in the header; empty: those.
  std::vector<std::string> header_names;
  /// What missing values (null, NaN) are.
  std::string null_text;
  /// A printf conversion of one double, such as "%.3f"; empty: the shortest text that is the same number.
  std::string float_format;
  /// JSON: characters beyond ASCII as escapes.
  bool ascii = true;
};

/// What one rank wrote: names relative to the target, and, where asked for, each file's metadata.
struct WrittenParts {
  std::vector<std::string> names;
  std::vector<std::string> metadata;
};

/// One output of one job attempt: a directory of parts, written under a hidden temporary name beside the target and
/// renamed by Commit. Not collective: distributed::Write calls Begin on rank 0, WritePart on all, Commit on rank 0 or
/// Abandon, with agreements between.
///
/// On S3 there is no rename: parts go to their final prefix with the token in their names ("part-00003.weft-TOKEN..."),
/// and Commit writes `_weft_manifest.json` (where the target must be new, only if there is none; see PutManifest);
/// readers look only at what it names.
class Output {
 public:
  /// `token` is the same on all ranks and differs between writes: "JOB-EPOCH.NUMBER", of letters, digits and ".", "_",
  /// "-".
  /// An existing target is an IOError with the detail of EEXIST unless `overwrite`; it is replaced at Commit, not
  /// before, and only where it is a file or holds nothing but files that Weft could have written.
  static arrow::Result<std::unique_ptr<Output>> Make(const std::string& path, const std::string& token, bool overwrite);
  virtual ~Output() = default;

  /// Checks the target, removes what lower epochs of the same job left beside it, and makes the temporary directory.
  virtual arrow::Status Begin() = 0;
  /// Writes this rank's part ("part-00003.parquet") and returns its name. Removes what it wrote when it fails.
  arrow::Result<std::string> WritePart(int rank, const arrow::Table& table, const WriteOptions& options,
                                       const Context& context) {
    return WritePartIn("", rank, table, options, context, nullptr);
  }
  /// The same in a directory below the target ("year=2013"; "": the target). `metadata` (may be nullptr) gets a Parquet
  /// file's own, with its name in it.
  virtual arrow::Result<std::string> WritePartIn(const std::string& directory, int rank, const arrow::Table& table,
                                                 const WriteOptions& options, const Context& context,
                                                 std::string* metadata) = 0;
  /// This rank's parts: one, or with partition columns one for each combination of their values that it has.
  arrow::Result<WrittenParts> WriteParts(int rank, const arrow::Table& table, const WriteOptions& options,
                                         const Context& context);
  /// Writes `_metadata` and `_common_metadata` of all ranks' parts, by rank 0 before Commit.
  virtual arrow::Status WriteMetadata(const std::vector<std::string>& metadata, const arrow::Schema& schema) = 0;
  /// Makes the parts visible, all at once.
  virtual arrow::Status Commit(const std::vector<std::string>& parts) = 0;
  /// Removes what this object wrote, and after Begin all of the attempt. To be called on every rank. Nothing after
  /// Commit. Never fails loudly.
  virtual void Abandon() = 0;
  /// For an attempt that is over because a rank is lost, on every rank that is left, before Abandon: removes all of it,
  /// whoever made it, where that can be told from one whose Commit was done. A Commit under way elsewhere is either
  /// done before or fails. Never fails loudly.
  virtual void Discard() {}
};

/// The schema of the files: without partition columns.
std::shared_ptr<arrow::Schema> FileSchema(const arrow::Schema& schema, const WriteOptions& options);

/// A directory of parts by this rank alone; see Output.
arrow::Status WriteDirectory(const std::string& path, const arrow::Table& table, const WriteOptions& options,
                             const std::string& token, bool overwrite, const Context& context);

/// One file, by this rank alone, under a temporary name and renamed. An existing file is replaced, or, without
/// `overwrite`, an IOError with the detail of EEXIST.
arrow::Status WriteFile(const std::string& path, const arrow::Table& table, const WriteOptions& options,
                        const Context& context, bool overwrite = true);

}  // namespace weft::io
