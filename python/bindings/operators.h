// The operators: on this process' rows, or over the ranks of a session.
#pragma once

#include <nanobind/nanobind.h>

namespace weft::python {

void BindOperators(nanobind::module_& module);
void BindFiles(nanobind::module_& module);

}  // namespace weft::python
