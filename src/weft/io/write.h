// Writing tables to files so that nothing is seen before all of it is there.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>
#include <string>

#include "weft/base/context.h"

namespace weft::io {

enum class FileFormat { kParquet, kCsv };

struct WriteOptions {
  FileFormat format = FileFormat::kParquet;
  /// Parquet: "snappy" (the default), "zstd", "gzip", "none". CSV: "none" (the default), "gzip". Empty: the default.
  std::string compression;
  int64_t row_group_rows = 1 << 20;
  char delimiter = ',';
  bool header = true;
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
  virtual arrow::Result<std::string> WritePart(int rank, const arrow::Table& table, const WriteOptions& options,
                                               const Context& context) = 0;
  /// Makes the parts visible, all at once.
  virtual arrow::Status Commit(const std::vector<std::string>& parts) = 0;
  /// Removes what this object wrote, and after Begin all of the attempt. To be called on every rank. Nothing after
  /// Commit. Never fails loudly.
  virtual void Abandon() = 0;
};

/// One file, by this rank alone, under a temporary name and renamed. An existing file is replaced, or, without
/// `overwrite`, an IOError with the detail of EEXIST.
arrow::Status WriteFile(const std::string& path, const arrow::Table& table, const WriteOptions& options,
                        const Context& context, bool overwrite = true);

}  // namespace weft::io
