#include "operators.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <vector>

#include "expression.h"
#include "run.h"
#include "session.h"
#include "table.h"
#include "weft/kernels/filter.h"

namespace weft::python {

namespace nb = nanobind;

namespace {

PyTable Filter(const PyTable& table, const PySession* session, const PyExpression& predicate) {
  return {RunEach(session,
                  [&](const Context& context) { return kernels::Filter(table.table, predicate.expression, context); })};
}

PyTable Project(const PyTable& table, const PySession* session, const std::vector<std::string>& names,
                const std::vector<PyExpression>& expressions) {
  std::vector<kernels::Projection> projections;
  for (size_t i = 0; i < names.size(); ++i) projections.push_back({names[i], expressions[i].expression});
  return {
      RunEach(session, [&](const Context& context) { return kernels::Project(table.table, projections, context); })};
}

}  // namespace

void BindElementwise(nb::module_& module) {
  module.def("filter", &Filter, nb::arg("table"), nb::arg("session").none(), nb::arg("predicate"));
  module.def("project", &Project, nb::arg("table"), nb::arg("session").none(), nb::arg("names"),
             nb::arg("expressions"));
}

}  // namespace weft::python
