#include "operators.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <utility>
#include <vector>

#include "errors.h"
#include "run.h"
#include "session.h"
#include "table.h"
#include "weft/distributed/concat.h"
#include "weft/distributed/join.h"
#include "weft/kernels/concat.h"
#include "weft/kernels/join.h"

namespace weft::python {

namespace nb = nanobind;

namespace {

kernels::JoinType ParseJoinType(const std::string& how) {
  if (how == "inner") return kernels::JoinType::kInner;
  if (how == "left") return kernels::JoinType::kLeft;
  if (how == "right") return kernels::JoinType::kRight;
  if (how == "outer") return kernels::JoinType::kOuter;
  Raise(arrow::Status::Invalid("merge: unknown how '", how, "'"));
}

PyTable Join(const PyTable& left, const PyTable& right, const PySession* session, std::vector<int> left_keys,
             std::vector<int> right_keys, const std::string& how, const std::string& algorithm,
             const std::string& left_suffix, const std::string& right_suffix) {
  kernels::JoinOptions options;
  options.left_keys = std::move(left_keys);
  options.right_keys = std::move(right_keys);
  options.type = ParseJoinType(how);
  options.algorithm = algorithm == "sort" ? kernels::JoinAlgorithm::kSort : kernels::JoinAlgorithm::kHash;
  options.nulls_equal = true;
  options.nan_is_null = true;
  options.left_suffix = left_suffix;
  options.right_suffix = right_suffix;
  return {Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::Join(communicator, left.table, right.table, options, context);
      },
      [&](const Context& context) { return kernels::Join(left.table, right.table, options, context); })};
}

PyTable Concat(const std::vector<PyTable>& tables, const PySession* session, bool outer) {
  std::vector<TablePtr> inputs;
  for (const PyTable& table : tables) inputs.push_back(table.table);
  return {Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::Concat(communicator, inputs, outer, context);
      },
      [&](const Context& context) { return kernels::Concat(inputs, outer, context); })};
}

}  // namespace

void BindCombining(nb::module_& module) {
  module.def("join", &Join, nb::arg("left"), nb::arg("right"), nb::arg("session").none(), nb::kw_only(),
             nb::arg("left_keys"), nb::arg("right_keys"), nb::arg("how"), nb::arg("algorithm"), nb::arg("left_suffix"),
             nb::arg("right_suffix"));
  module.def("concat", &Concat, nb::arg("tables"), nb::arg("session").none(), nb::kw_only(), nb::arg("outer"));
}

}  // namespace weft::python
