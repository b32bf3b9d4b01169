// Tables of readers without what operators and the wire do not know: views, extensions, dictionaries that do not hold.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <memory>

#include "weft/base/context.h"

namespace weft::table {

/// string_view as string, binary_view as binary, list_view as list, an extension as its storage (but for those of
/// pandas), also within lists, structs, maps, runs and dictionaries, and dictionaries of half floats, of nulls and of
/// nested values as these; the type itself where there is none of them.
std::shared_ptr<arrow::DataType> WithoutViews(const std::shared_ptr<arrow::DataType>& type);

/// The schema with its types so, metadata kept.
std::shared_ptr<arrow::Schema> WithoutViews(const std::shared_ptr<arrow::Schema>& schema);

/// The table with its columns so; columns without views are shared. Status::Invalid where a chunk's texts are beyond 2
/// GiB, Status::TypeError for unions.
arrow::Result<std::shared_ptr<arrow::Table>> WithoutViews(const std::shared_ptr<arrow::Table>& table,
                                                          const Context& context);

}  // namespace weft::table
