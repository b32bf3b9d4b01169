// Tables cross between Python and C++ by the Arrow C stream and nothing else.
#pragma once

#include <arrow/array.h>
#include <arrow/table.h>
#include <nanobind/nanobind.h>

#include <memory>
#include <utility>

namespace weft::python {

/// What Python holds of a table.
struct PyTable {
  std::shared_ptr<arrow::Table> table;
};

/// Reads all of an object with __arrow_c_stream__; no copy. Raises what the source raises.
std::shared_ptr<arrow::Table> ImportTable(nanobind::handle source);
/// An object with __arrow_c_array__.
std::shared_ptr<arrow::Array> ImportArray(nanobind::handle source);
/// An object with __arrow_c_schema__.
std::shared_ptr<arrow::Schema> ImportSchema(nanobind::handle source);

void BindTable(nanobind::module_& module);

}  // namespace weft::python
