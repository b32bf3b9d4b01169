// Arrow compute expressions, built from Python call by call.
#pragma once

#include <arrow/compute/expression.h>
#include <nanobind/nanobind.h>

namespace weft::python {

struct PyExpression {
  arrow::compute::Expression expression;
};

void BindExpression(nanobind::module_& module);

}  // namespace weft::python
