#include "operators.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "errors.h"
#include "run.h"
#include "session.h"
#include "table.h"
#include "weft/distributed/asof_join.h"
#include "weft/distributed/concat.h"
#include "weft/distributed/join.h"
#include "weft/distributed/membership.h"
#include "weft/distributed/set_operations.h"
#include "weft/distributed/unique_keys.h"
#include "weft/kernels/asof_join.h"
#include "weft/kernels/concat.h"
#include "weft/kernels/join.h"
#include "weft/kernels/key_parts.h"
#include "weft/kernels/membership.h"
#include "weft/kernels/set_operations.h"
#include "weft/kernels/unique_keys.h"
#include "weft/table/tables.h"

namespace weft::python {

namespace nb = nanobind;

namespace {

kernels::JoinType ParseJoinType(const std::string& how) {
  if (how == "inner") return kernels::JoinType::kInner;
  if (how == "left") return kernels::JoinType::kLeft;
  if (how == "right") return kernels::JoinType::kRight;
  if (how == "outer") return kernels::JoinType::kOuter;
  if (how == "cross") return kernels::JoinType::kCross;
  if (how == "left_semi") return kernels::JoinType::kLeftSemi;
  if (how == "left_anti") return kernels::JoinType::kLeftAnti;
  Raise(arrow::Status::Invalid("merge: unknown how '", how, "'"));
}

kernels::JoinAlgorithm ParseAlgorithm(const std::string& algorithm) {
  if (algorithm == "hash") return kernels::JoinAlgorithm::kHash;
  if (algorithm == "sort") return kernels::JoinAlgorithm::kSort;
  if (algorithm == "broadcast") return kernels::JoinAlgorithm::kBroadcast;
  if (algorithm == "auto") return kernels::JoinAlgorithm::kAuto;
  Raise(arrow::Status::Invalid("merge: unknown algorithm '", algorithm, "'"));
}

PyTable Join(const PyTable& left, const PyTable& right, const PySession* session, std::vector<int> left_keys,
             std::vector<int> right_keys, const std::string& how, const std::string& algorithm,
             const std::string& left_suffix, const std::string& right_suffix, const std::string& indicator,
             bool maintain_order, std::optional<std::vector<int>> columns) {
  kernels::JoinOptions options;
  options.left_keys = std::move(left_keys);
  options.right_keys = std::move(right_keys);
  options.type = ParseJoinType(how);
  options.algorithm = ParseAlgorithm(algorithm);
  options.nulls_equal = true;
  options.nan_is_null = true;
  options.left_suffix = left_suffix;
  options.right_suffix = right_suffix;
  options.indicator = indicator;
  options.maintain_order = maintain_order;
  options.columns = std::move(columns);
  // Runs are for the way between ranks.
  const TablePtr left_rows = session == nullptr ? WithoutRuns(left) : left.table;
  const TablePtr right_rows = session == nullptr ? WithoutRuns(right) : right.table;
  distributed::JoinPlacement lie{left.lies, right.lies, {}};
  auto joined = Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::Join(communicator, left_rows, right_rows, options, context, &lie);
      },
      [&](const Context& context) { return kernels::Join(left_rows, right_rows, options, context); });
  return {std::move(joined), std::move(lie.result)};
}

std::vector<PyTable> CutByKey(const PlainTable& table, const PySession* session, std::vector<int> columns, int parts,
                              const std::vector<int>& wanted) {
  const kernels::KeyParts how{.keys = std::move(columns), .nan_is_null = true, .parts = parts};
  std::vector<PyTable> out;
  for (auto& made :
       RunEach(session, [&](const Context& context) { return kernels::CutByKey(table.table, how, wanted, context); })) {
    out.push_back({std::move(made), table.lies.InAnyOrder()});
  }
  return out;
}

PyTable Stack(const std::vector<PlainTable>& tables) {
  if (tables.empty()) Raise(arrow::Status::Invalid("stack: no tables"));
  std::vector<TablePtr> inputs;
  bool alike = true;
  for (const PlainTable& table : tables) {
    if (!table.table->schema()->Equals(*tables[0].table->schema(), /*check_metadata=*/false)) {
      Raise(arrow::Status::Invalid("stack: tables of other columns: ", table.table->schema()->ToString(), " and ",
                                   tables[0].table->schema()->ToString()));
    }
    inputs.push_back(table.table);
    alike = alike && table.lies == tables[0].lies;
  }
  auto stacked = table::StackTables(inputs[0]->schema(), inputs);
  return {std::move(stacked), alike ? tables[0].lies.InAnyOrder() : distributed::Placement()};
}

PyTable Concat(const std::vector<PlainTable>& tables, const PySession* session, bool outer) {
  std::vector<TablePtr> inputs;
  for (const PlainTable& table : tables) inputs.push_back(table.table);
  return {Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::Concat(communicator, inputs, outer, context);
      },
      [&](const Context& context) { return kernels::Concat(inputs, outer, context); })};
}

void CheckUnique(const PlainTable& table, const PySession* session, const std::vector<int>& columns,
                 const std::string& what) {
  // A value, since Run hands one on.
  const auto checked = [](const arrow::Status& status) -> arrow::Result<bool> {
    ARROW_RETURN_NOT_OK(status);
    return true;
  };
  Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return checked(distributed::CheckUniqueKeys(communicator, *table.table, columns, what, context));
      },
      [&](const Context& context) { return checked(kernels::CheckUniqueKeys(*table.table, columns, what, context)); });
}

PyTable CombineSets(const PlainTable& left, const PlainTable& right, const PySession* session,
                    const std::string& operation, bool all) {
  kernels::SetOptions options;
  options.operation = operation == "union"       ? kernels::SetOperation::kUnion
                      : operation == "intersect" ? kernels::SetOperation::kIntersect
                                                 : kernels::SetOperation::kSubtract;
  options.all = all;
  return {Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::CombineSets(communicator, left.table, right.table, options, context);
      },
      [&](const Context& context) -> TableResult {
        ARROW_ASSIGN_OR_RAISE(const auto sides, kernels::ConformSets(left.table, right.table, context));
        return kernels::CombineSets(sides.first, sides.second, options, context);
      })};
}

PyTable IsMember(const PlainTable& left, const PlainTable& right, const PySession* session,
                 const std::vector<int>& left_keys, const std::vector<int>& right_keys) {
  return {Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::IsMember(communicator, left.table, right.table, left_keys, right_keys, context);
      },
      [&](const Context& context) {
        return kernels::IsMember(left.table, right.table, left_keys, right_keys, context);
      })};
}

PyTable AsofJoin(const PlainTable& left, const PlainTable& right, const PySession* session, int left_on, int right_on,
                 std::vector<int> left_by, std::vector<int> right_by, const std::string& direction,
                 bool allow_exact_matches, std::optional<uint64_t> tolerance, std::optional<double> float_tolerance,
                 const std::string& left_suffix, const std::string& right_suffix) {
  kernels::AsofOptions options;
  options.left_on = left_on;
  options.right_on = right_on;
  options.left_by = std::move(left_by);
  options.right_by = std::move(right_by);
  options.direction = direction == "backward"  ? kernels::AsofDirection::kBackward
                      : direction == "forward" ? kernels::AsofDirection::kForward
                                               : kernels::AsofDirection::kNearest;
  options.allow_exact_matches = allow_exact_matches;
  options.tolerance = tolerance;
  options.float_tolerance = float_tolerance;
  options.left_suffix = left_suffix;
  options.right_suffix = right_suffix;
  return {Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::AsofJoin(communicator, left.table, right.table, options, context);
      },
      [&](const Context& context) { return kernels::AsofJoin(left.table, right.table, options, context); })};
}

}  // namespace

void BindCombining(nb::module_& module) {
  module.def("join", &Join, nb::arg("left"), nb::arg("right"), nb::arg("session").none(), nb::kw_only(),
             nb::arg("left_keys"), nb::arg("right_keys"), nb::arg("how"), nb::arg("algorithm"), nb::arg("left_suffix"),
             nb::arg("right_suffix"), nb::arg("indicator"), nb::arg("maintain_order"), nb::arg("columns").none());
  module.def("cut_by_key", &CutByKey, nb::arg("table"), nb::arg("session").none(), nb::kw_only(), nb::arg("columns"),
             nb::arg("parts"), nb::arg("wanted"));
  module.def("asof_join", &AsofJoin, nb::arg("left"), nb::arg("right"), nb::arg("session").none(), nb::kw_only(),
             nb::arg("left_on"), nb::arg("right_on"), nb::arg("left_by"), nb::arg("right_by"), nb::arg("direction"),
             nb::arg("allow_exact_matches"), nb::arg("tolerance").none(), nb::arg("float_tolerance").none(),
             nb::arg("left_suffix"), nb::arg("right_suffix"));
  module.def("combine_sets", &CombineSets, nb::arg("left"), nb::arg("right"), nb::arg("session").none(), nb::kw_only(),
             nb::arg("operation"), nb::arg("all"));
  module.def("is_member", &IsMember, nb::arg("left"), nb::arg("right"), nb::arg("session").none(), nb::kw_only(),
             nb::arg("left_keys"), nb::arg("right_keys"));
  module.def("check_unique", &CheckUnique, nb::arg("table"), nb::arg("session").none(), nb::kw_only(),
             nb::arg("columns"), nb::arg("what"));
  module.def("stack", &Stack, nb::arg("tables"));
  module.def("concat", &Concat, nb::arg("tables"), nb::arg("session").none(), nb::kw_only(), nb::arg("outer"));
}

}  // namespace weft::python
