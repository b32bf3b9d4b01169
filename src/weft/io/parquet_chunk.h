// Column chunks of a Parquet file that are decoded here, at chosen rows alone: numbers, dates and decimals by the
// commonest encodings. All others are left to Arrow's reader.
#pragma once

#include <arrow/array.h>
#include <arrow/io/interfaces.h>
#include <arrow/result.h>
#include <arrow/type.h>

#include <memory>

#include "weft/base/context.h"

namespace parquet {
class ColumnChunkMetaData;
class ColumnDescriptor;
class FileMetaData;
class ReaderProperties;
}  // namespace parquet

namespace weft::io {

/// How all of Weft reads Parquet: pages' checksums are verified.
parquet::ReaderProperties ParquetProperties(const Context& context);

/// False for a chunk of which the metadata alone tells that ReadChunk gives nothing. May throw what the Parquet library
/// does.
bool CanReadChunk(const parquet::FileMetaData& file, int row_group, int leaf, const arrow::DataType& type);

/// The values of a leaf's chunk, as a column of `type`, at `rows` (ascending, each below the row group's number of
/// rows; nullptr: at all). Pages without such rows are not decompressed. nullptr where a page is of a form that is not
/// decoded here, or is damaged: Arrow's reader then reads it or says what is wrong. May throw what the Parquet library
/// does.
arrow::Result<std::shared_ptr<arrow::Array>> ReadChunk(arrow::io::RandomAccessFile* input,
                                                       const parquet::FileMetaData& file, int row_group, int leaf,
                                                       const std::shared_ptr<arrow::DataType>& type,
                                                       const arrow::Int64Array* rows, const Context& context);

}  // namespace weft::io
