#include "operators.h"

#include <nanobind/stl/vector.h>

#include <utility>
#include <vector>

#include "run.h"
#include "session.h"
#include "table.h"
#include "weft/distributed/slice.h"
#include "weft/distributed/sort.h"
#include "weft/distributed/unique.h"
#include "weft/kernels/sort.h"
#include "weft/kernels/unique.h"

namespace weft::python {

namespace nb = nanobind;

namespace {

PyTable Sort(const PyTable& table, const PySession* session, const std::vector<int>& keys,
             const std::vector<bool>& ascending, bool nulls_first) {
  kernels::SortOptions options;
  for (size_t i = 0; i < keys.size(); ++i) options.keys.push_back({keys[i], ascending[i]});
  options.nulls_first = nulls_first;
  options.nan_is_null = true;
  return {Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::Sort(communicator, table.table, options, context);
      },
      [&](const Context& context) { return kernels::Sort(table.table, options, context); })};
}

PyTable Unique(const PyTable& table, const PySession* session, std::vector<int> columns) {
  kernels::UniqueOptions options;
  options.columns = std::move(columns);
  options.nan_is_null = true;
  return {Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::Unique(communicator, table.table, options, context);
      },
      [&](const Context& context) { return kernels::Unique(table.table, options, context); })};
}

PyTable Slice(const PyTable& table, const PySession& session, int64_t offset, int64_t length) {
  return {RunOverRanks(session, [&](Communicator& communicator, const Context&) {
    return distributed::Slice(communicator, table.table, offset, length);
  })};
}

PyTable Repartition(const PyTable& table, const PySession& session) {
  return {RunOverRanks(session, [&](Communicator& communicator, const Context& context) {
    return distributed::Repartition(communicator, table.table, context);
  })};
}

}  // namespace

void BindOrdering(nb::module_& module) {
  module.def("sort", &Sort, nb::arg("table"), nb::arg("session").none(), nb::kw_only(), nb::arg("keys"),
             nb::arg("ascending"), nb::arg("nulls_first"));
  module.def("unique", &Unique, nb::arg("table"), nb::arg("session").none(), nb::kw_only(), nb::arg("columns"));
  module.def("slice", &Slice);
  module.def("repartition", &Repartition);
}

}  // namespace weft::python
