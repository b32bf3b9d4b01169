// Whether an array that came from a peer can be read without going astray.
#pragma once

#include <arrow/array/data.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <string>

namespace weft::table {

/// Status::TypeError where the wire form does not carry the type: unions, views, run-end encoding but for columns of
/// which HasRuns holds, and dictionaries whose values hold dictionaries. `path` names the column.
arrow::Status CheckWireType(const arrow::DataType& type, const std::string& path);

/// Checks lengths, null counts, offsets and dictionary indices against the buffers, in full, in time linear in the
/// rows, without making an arrow::Array (whose constructors abort on some of what is refused here). Values are not
/// looked at: UTF-8, the digits of decimals and the hours of a day are the sender's business and cannot lead astray.
/// `with_dictionary`: a dictionary's values too, not the indices alone.
arrow::Status ValidateArrayData(const arrow::ArrayData& array, bool with_dictionary);

}  // namespace weft::table
