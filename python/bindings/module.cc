#include <nanobind/nanobind.h>

#include "expression.h"
#include "operators.h"
#include "rendezvous.h"
#include "session.h"
#include "table.h"

NB_MODULE(_core, module) {
  module.attr("__version__") = WEFT_VERSION;
  module.attr("arrow_version") = WEFT_ARROW_VERSION;
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
