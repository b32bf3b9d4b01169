// One Parquet file: its metadata, and its row groups as tables.
#pragma once

#include <arrow/array.h>
#include <arrow/compute/expression.h>
#include <arrow/io/interfaces.h>
#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "weft/base/context.h"
#include "weft/io/row_filter.h"

namespace parquet {
class FileMetaData;
}

namespace weft::io {

/// What a rank knows of a file before it reads rows; holds no file open. Immutable, may be used by several threads.
class ParquetFile {
 public:
  /// Reads the metadata at the end of the file. An IOError names the file and says what is broken.
  static arrow::Result<ParquetFile> Open(const std::string& path, const Context& context);

  /// The row groups that a `_metadata` file lists, by file: each with the path as it stands there (relative to the
  /// directory of `path`). Its files themselves are not opened.
  static arrow::Result<std::vector<ParquetFile>> OpenListed(const std::string& path, std::vector<std::string>* listed,
                                                            const Context& context);

  const std::string& path() const { return path_; }
  /// Whether reading columns one after the other costs no more than reading them together.
  bool local() const { return local_; }
  /// As Arrow reads it, with the file's own metadata.
  const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }
  int row_groups() const;
  int64_t rows(int row_group) const;

  /// False where the row group's statistics, and what is `known` of all rows, prove that no row passes the filter.
  arrow::Result<bool> MayPass(int row_group, const RowFilter& filter, const arrow::compute::Expression& known) const;

  /// The row group's columns of the given names, in that order (names are the schema's, none twice), at `rows`
  /// (ascending, each below rows(row_group); nullptr: all). The columns are decoded on Arrow's CPU threads where
  /// `use_threads`; then the caller must not be one of them.
  arrow::Result<std::shared_ptr<arrow::Table>> Read(int row_group, std::span<const std::string> columns,
                                                    const arrow::Int64Array* rows, bool use_threads,
                                                    const Context& context) const;

 private:
  arrow::Result<bool> MayPassUnguarded(int row_group, const RowFilter& filter,
                                       const arrow::compute::Expression& known) const;

  arrow::Result<std::shared_ptr<arrow::Table>> ReadByArrow(const std::shared_ptr<arrow::io::RandomAccessFile>& input,
                                                           int row_group, std::span<const std::string> columns,
                                                           const arrow::Int64Array* rows, bool use_threads,
                                                           const Context& context) const;
  /// A column as ReadChunk gives it, else, where it is not nested, as Arrow does; nullptr: it is left to ReadByArrow,
  /// with others.
  arrow::Result<std::shared_ptr<arrow::ChunkedArray>> ReadAlone(
      const std::shared_ptr<arrow::io::RandomAccessFile>& input, int row_group, const std::string& name,
      const arrow::Int64Array* rows, bool by_arrow, const Context& context) const;
  arrow::Result<std::shared_ptr<arrow::Table>> ReadUnguarded(int row_group, std::span<const std::string> columns,
                                                             const arrow::Int64Array* rows, bool use_threads,
                                                             const Context& context) const;

  std::string path_;
  bool local_ = true;
  std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<parquet::FileMetaData> metadata_;
  /// Of each column of the schema, its leaves in the file.
  std::vector<std::vector<int>> leaves_;
};

}  // namespace weft::io
