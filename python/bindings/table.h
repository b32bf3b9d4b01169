// Tables cross between Python and C++ by the Arrow C stream and nothing else.
#pragma once

#include <arrow/array.h>
#include <arrow/table.h>
#include <nanobind/nanobind.h>

#include <memory>
#include <utility>

#include "weft/distributed/placement.h"

namespace weft::python {

/// What Python holds of a table.
struct PyTable {
  std::shared_ptr<arrow::Table> table;
  /// Where its rows lie among ranks, as far as the operators that made it know.
  distributed::Placement lies = {};

  /// A table with the same rows, some of whose columns are this one's.
  PyTable With(std::shared_ptr<arrow::Table> other) const {
    auto carried = lies.CarriedTo(*table, *other);
    return {std::move(other), std::move(carried)};
  }
  /// A table with the same columns and some of the rows.
  PyTable Some(std::shared_ptr<arrow::Table> other) const { return {std::move(other), lies}; }
};

/// Reads all of an object with __arrow_c_stream__; no copy. Raises what the source raises.
std::shared_ptr<arrow::Table> ImportTable(nanobind::handle source);
/// An object with __arrow_c_array__.
std::shared_ptr<arrow::Array> ImportArray(nanobind::handle source);
/// An object with __arrow_c_schema__.
std::shared_ptr<arrow::Schema> ImportSchema(nanobind::handle source);

void BindTable(nanobind::module_& module);

}  // namespace weft::python
