// The operators: on this process' rows, or over the ranks of a session.
#pragma once

#include <nanobind/nanobind.h>

namespace weft::python {

void BindRows(nanobind::module_& module);
void BindElementwise(nanobind::module_& module);
void BindOrdering(nanobind::module_& module);
void BindGrouping(nanobind::module_& module);
void BindReducing(nanobind::module_& module);
void BindWindowing(nanobind::module_& module);
void BindCombining(nanobind::module_& module);
void BindFiles(nanobind::module_& module);

}  // namespace weft::python
