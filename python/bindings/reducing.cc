#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "errors.h"
#include "operators.h"
#include "run.h"
#include "session.h"
#include "table.h"
#include "weft/distributed/reduce.h"
#include "weft/kernels/reduce.h"

namespace weft::python {

namespace nb = nanobind;

namespace {

PyTable Reduce(const PyTable& table, const PySession* session,
               const std::vector<std::tuple<std::string, int>>& reductions, bool skipna, int64_t min_count,
               int64_t ddof) {
  kernels::ReduceOptions options;
  for (const auto& [function, column] : reductions) {
    options.reductions.push_back({Check(kernels::ParseReduceFunction(function)), column});
  }
  options.skip_missing = skipna;
  options.min_count = min_count;
  options.ddof = ddof;
  return {Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::Reduce(communicator, table.table, options, context);
      },
      [&](const Context& context) { return kernels::Reduce(table.table, options, context); })};
}

}  // namespace

void BindReducing(nb::module_& module) {
  module.def("reduce", &Reduce, nb::arg("table"), nb::arg("session").none(), nb::kw_only(), nb::arg("reductions"),
             nb::arg("skipna"), nb::arg("min_count"), nb::arg("ddof"));
}

}  // namespace weft::python
