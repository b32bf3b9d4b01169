#include "operators.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "expression.h"
#include "run.h"
#include "session.h"
#include "table.h"
#include "weft/distributed/align.h"
#include "weft/distributed/fill.h"
#include "weft/exchange/exchange.h"
#include "weft/kernels/beside.h"
#include "weft/kernels/fill.h"
#include "weft/kernels/filter.h"

namespace weft::python {

namespace nb = nanobind;

namespace {

/// `local`, whose error one rank may have alone: where `agree`, every rank of a session gets it.
template <typename Local>
TablePtr RunAgreed(const PySession* session, bool agree, std::string_view operation, Local&& local) {
  return Run(
      session,
      [&](Communicator& communicator, const Context& context) -> TableResult {
        auto made = local(context);
        if (agree) ARROW_RETURN_NOT_OK(exchange::Agree(communicator, made.status(), operation));
        return made;
      },
      local);
}

PyTable Filter(const PlainTable& table, const PySession* session, const PyExpression& predicate, bool agree) {
  return table.Some(RunAgreed(session, agree, "filter", [&](const Context& context) {
    return kernels::Filter(table.table, predicate.expression, context);
  }));
}

PyTable Project(const PlainTable& table, const PySession* session, const std::vector<std::string>& names,
                const std::vector<PyExpression>& expressions, bool agree) {
  std::vector<kernels::Projection> projections;
  for (size_t i = 0; i < names.size(); ++i) projections.push_back({names[i], expressions[i].expression});
  return table.With(RunAgreed(session, agree, "project", [&](const Context& context) {
    return kernels::Project(table.table, projections, context);
  }));
}

PyTable Align(const PlainTable& left, const PlainTable& right, const PySession* session, int index_columns,
              const std::string& operation) {
  return {Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::Align(communicator, left.table, right.table, index_columns, operation, context);
      },
      [&](const Context& context) -> TableResult {
        ARROW_RETURN_NOT_OK(kernels::CheckSameRows(*left.table, *right.table, index_columns, operation, context));
        return right.table;
      })};
}

PyTable Beside(const std::vector<PlainTable>& tables, std::optional<std::vector<std::string>> names) {
  std::vector<TablePtr> inputs;
  for (const PlainTable& table : tables) inputs.push_back(table.table);
  if (!names) {
    names.emplace();
    for (const TablePtr& table : inputs) {
      const auto own = table->ColumnNames();
      names->insert(names->end(), own.begin(), own.end());
    }
  }
  const auto made = Check(kernels::Beside(inputs, *names));
  for (const PlainTable& table : tables) {
    if (PyTable found = table.With(made); found.lies.known()) return found;
  }
  return {made};
}

PyTable Fill(const PlainTable& table, const PySession* session, const std::vector<int>& columns, bool forward,
             int64_t limit) {
  const kernels::FillOptions options{columns, forward, limit};
  return {Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::Fill(communicator, table.table, options, context);
      },
      [&](const Context& context) { return kernels::Fill(table.table, options, {}, context); })};
}

}  // namespace

void BindElementwise(nb::module_& module) {
  module.def("filter", &Filter, nb::arg("table"), nb::arg("session").none(), nb::arg("predicate"),
             nb::arg("agree") = false);
  module.def("project", &Project, nb::arg("table"), nb::arg("session").none(), nb::arg("names"), nb::arg("expressions"),
             nb::arg("agree") = false);
  module.def("align", &Align, nb::arg("left"), nb::arg("right"), nb::arg("session").none(), nb::arg("index_columns"),
             nb::arg("operation"));
  module.def("fill", &Fill, nb::arg("table"), nb::arg("session").none(), nb::kw_only(), nb::arg("columns"),
             nb::arg("forward"), nb::arg("limit"));
  module.def("beside", &Beside, nb::arg("tables"), nb::arg("names") = nb::none());
}

}  // namespace weft::python
