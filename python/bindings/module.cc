#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <vector>

#include "errors.h"
#include "expression.h"
#include "operators.h"
#include "rendezvous.h"
#include "session.h"
#include "table.h"
#include "weft/base/cpu_level.h"

NB_MODULE(_core, module) {
  module.attr("__version__") = WEFT_VERSION;
  module.attr("arrow_version") = WEFT_ARROW_VERSION;
  module.def("cpu_levels", [] {
    std::vector<std::string> names;
    for (const weft::CpuLevel level : weft::CpuLevels()) names.emplace_back(weft::CpuLevelName(level));
    return names;
  });
  module.def("cpu_level", [] {
    weft::python::Check(weft::CheckCpuLevel());
    return std::string(weft::CpuLevelName(weft::ActiveCpuLevel()));
  });
  weft::python::BindTable(module);
  weft::python::BindExpression(module);
  weft::python::BindSession(module);
  weft::python::BindRows(module);
  weft::python::BindElementwise(module);
  weft::python::BindOrdering(module);
  weft::python::BindGrouping(module);
  weft::python::BindReducing(module);
  weft::python::BindWindowing(module);
  weft::python::BindCombining(module);
  weft::python::BindFiles(module);
  weft::python::BindRendezvous(module);
}
