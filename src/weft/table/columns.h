// Names and types of columns: finding them, and saying clearly what is wrong with them.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft::table {

/// The positions of `names`. Status::KeyError names what is missing (and a near miss, where there is one) and lists the
/// columns there are; a name that two columns have is Status::Invalid.
arrow::Result<std::vector<int>> FindColumns(const arrow::Schema& schema, std::span<const std::string> names,
                                            std::string_view operation);

/// True for types that rows can be joined, grouped, sorted and partitioned by: bool, integers, floats (half too),
/// decimals, dates, times, timestamps, durations, (large) strings and binaries, fixed-size binary, null, and a
/// dictionary of these.
bool CanBeKey(const arrow::DataType& type);

/// Status::TypeError naming column, type and operation for the first of `columns` that cannot be a key.
arrow::Status CheckKeyTypes(const arrow::Schema& schema, std::span<const int> columns, std::string_view operation);

/// Whether values of the two types compare by value as keys: equal types, or differing only in offset width (string and
/// large_string) or in dictionary encoding.
bool SameKeyType(const arrow::DataType& left, const arrow::DataType& right);

/// The type without dictionary encoding and with 32-bit offsets where it has offsets: what two key columns share.
std::shared_ptr<arrow::DataType> LogicalKeyType(const std::shared_ptr<arrow::DataType>& type);

}  // namespace weft::table
