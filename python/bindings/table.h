// Tables cross between Python and C++ by the Arrow C stream and nothing else.
#pragma once

#include <arrow/array.h>
#include <arrow/table.h>
#include <nanobind/nanobind.h>

#include <memory>
#include <utility>

#include "weft/distributed/placement.h"

namespace weft::python {

/// What Python holds of a table. Its columns may have runs (weft/table/runs.h), of which Python sees nothing.
struct PyTable {
  std::shared_ptr<arrow::Table> table;
  /// Where its rows lie among ranks, as far as the operators that made it know.
  distributed::Placement lies = {};
  /// The table without runs, once it was asked for. Under the GIL.
  mutable std::shared_ptr<arrow::Table> plain = nullptr;

  /// A table with the same rows, some of whose columns are this one's.
  PyTable With(std::shared_ptr<arrow::Table> other) const {
    auto carried = lies.CarriedTo(*table, *other);
    return {std::move(other), std::move(carried)};
  }
  /// A table with the same columns and some of the rows.
  PyTable Some(std::shared_ptr<arrow::Table> other) const { return {std::move(other), lies}; }
};

/// A table whose columns have no runs: what operators take that look at values. As an argument of a bound function it
/// is made of the `Table` that Python gives.
struct PlainTable : PyTable {};

/// The table without runs, kept by it. The GIL is held.
const std::shared_ptr<arrow::Table>& WithoutRuns(const PyTable& table);

/// Reads all of an object with __arrow_c_stream__; no copy. Raises what the source raises.
std::shared_ptr<arrow::Table> ImportTable(nanobind::handle source);
/// An object with __arrow_c_array__.
std::shared_ptr<arrow::Array> ImportArray(nanobind::handle source);
/// An object with __arrow_c_schema__.
std::shared_ptr<arrow::Schema> ImportSchema(nanobind::handle source);

void BindTable(nanobind::module_& module);

}  // namespace weft::python

template <>
struct nanobind::detail::type_caster<weft::python::PlainTable> {
  NB_TYPE_CASTER(weft::python::PlainTable, make_caster<weft::python::PyTable>::Name)

  bool from_python(handle source, uint32_t flags, cleanup_list* cleanup) {
    make_caster<weft::python::PyTable> given;
    if (!given.from_python(source, flags, cleanup)) return false;
    const auto& table = given.operator cast_t<const weft::python::PyTable&>();
    value = {{weft::python::WithoutRuns(table), table.lies}};
    return true;
  }
};
