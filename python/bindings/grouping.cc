#include "operators.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "errors.h"
#include "run.h"
#include "session.h"
#include "table.h"
#include "weft/distributed/groupby.h"
#include "weft/kernels/groupby.h"

namespace weft::python {

namespace nb = nanobind;

namespace {

PyTable GroupBy(const PyTable& table, const PySession* session, std::vector<int> keys,
                const std::vector<std::tuple<std::string, int, std::string>>& aggregations, bool sort, bool dropna) {
  kernels::GroupByOptions options;
  options.keys = std::move(keys);
  for (const auto& [function, column, name] : aggregations) {
    options.aggregations.push_back({Check(kernels::ParseAggregateFunction(function)), column, name});
  }
  options.sort = sort;
  options.drop_null_keys = dropna;
  options.nan_is_null = true;
  return {Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::GroupBy(communicator, table.table, options, context);
      },
      [&](const Context& context) { return kernels::GroupBy(table.table, options, context); })};
}

}  // namespace

void BindGrouping(nb::module_& module) {
  module.def("group_by", &GroupBy, nb::arg("table"), nb::arg("session").none(), nb::kw_only(), nb::arg("keys"),
             nb::arg("aggregations"), nb::arg("sort"), nb::arg("dropna"));
}

}  // namespace weft::python
