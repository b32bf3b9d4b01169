#include "operators.h"

#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "errors.h"
#include "expression.h"
#include "session.h"
#include "table.h"
#include "weft/distributed/concat.h"
#include "weft/distributed/groupby.h"
#include "weft/distributed/join.h"
#include "weft/distributed/slice.h"
#include "weft/distributed/sort.h"
#include "weft/distributed/unique.h"
#include "weft/exchange/exchange.h"
#include "weft/kernels/concat.h"
#include "weft/kernels/filter.h"

namespace weft::python {

namespace nb = nanobind;

namespace {

using TablePtr = std::shared_ptr<arrow::Table>;
using TableResult = arrow::Result<TablePtr>;

/// Runs `over_ranks(communicator, context)` where there is a session, else `local(context)`, without the GIL.
template <typename OverRanks, typename Local>
PyTable Run(const PySession* session, OverRanks&& over_ranks, Local&& local) {
  const Context context = session == nullptr ? LocalContext() : session->session->context();
  TableResult made;
  {
    const nb::gil_scoped_release release;
    if (session == nullptr) {
      made = local(context);
    } else {
      auto communicator = session->session->communicator();
      made = communicator.ok() ? over_ranks(**communicator, context) : TableResult(communicator.status());
    }
  }
  return {Check(std::move(made), session == nullptr ? -1 : session->rank_to_name())};
}

/// The same for what no rank needs another's rows for.
template <typename Local>
PyTable RunEach(const PySession* session, Local&& local) {
  return Run(session, [&](Communicator&, const Context& context) { return local(context); }, local);
}

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
  return Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::Join(communicator, left.table, right.table, options, context);
      },
      [&](const Context& context) { return kernels::Join(left.table, right.table, options, context); });
}

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
  return Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::GroupBy(communicator, table.table, options, context);
      },
      [&](const Context& context) { return kernels::GroupBy(table.table, options, context); });
}

PyTable Sort(const PyTable& table, const PySession* session, const std::vector<int>& keys,
             const std::vector<bool>& ascending, bool nulls_first) {
  kernels::SortOptions options;
  for (size_t i = 0; i < keys.size(); ++i) options.keys.push_back({keys[i], ascending[i]});
  options.nulls_first = nulls_first;
  options.nan_is_null = true;
  return Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::Sort(communicator, table.table, options, context);
      },
      [&](const Context& context) { return kernels::Sort(table.table, options, context); });
}

PyTable Unique(const PyTable& table, const PySession* session, std::vector<int> columns) {
  kernels::UniqueOptions options;
  options.columns = std::move(columns);
  options.nan_is_null = true;
  return Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::Unique(communicator, table.table, options, context);
      },
      [&](const Context& context) { return kernels::Unique(table.table, options, context); });
}

PyTable Filter(const PyTable& table, const PySession* session, const PyExpression& predicate) {
  return RunEach(session,
                 [&](const Context& context) { return kernels::Filter(table.table, predicate.expression, context); });
}

PyTable Project(const PyTable& table, const PySession* session, const std::vector<std::string>& names,
                const std::vector<PyExpression>& expressions) {
  std::vector<kernels::Projection> projections;
  for (size_t i = 0; i < names.size(); ++i) projections.push_back({names[i], expressions[i].expression});
  return RunEach(session, [&](const Context& context) { return kernels::Project(table.table, projections, context); });
}

PyTable Concat(const std::vector<PyTable>& tables, const PySession* session, bool outer) {
  std::vector<TablePtr> inputs;
  for (const PyTable& table : tables) inputs.push_back(table.table);
  return Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::Concat(communicator, inputs, outer, context);
      },
      [&](const Context& context) { return kernels::Concat(inputs, outer, context); });
}

PyTable NoLocal(const PySession& session, const TablePtr& table,
                const std::function<TableResult(Communicator&, const Context&)>& over_ranks) {
  return Run(&session, over_ranks, [&](const Context&) { return TableResult(table); });
}

PyTable Slice(const PyTable& table, const PySession& session, int64_t offset, int64_t length) {
  return NoLocal(session, table.table, [&](Communicator& communicator, const Context&) {
    return distributed::Slice(communicator, table.table, offset, length);
  });
}

PyTable Repartition(const PyTable& table, const PySession& session) {
  return NoLocal(session, table.table, [&](Communicator& communicator, const Context& context) {
    return distributed::Repartition(communicator, table.table, context);
  });
}

PyTable Gather(const PyTable& table, const PySession& session, Rank root) {
  return NoLocal(session, table.table, [&](Communicator& communicator, const Context& context) {
    return exchange::Gather(communicator, table.table, root, context);
  });
}

PyTable Allgather(const PyTable& table, const PySession& session) {
  return NoLocal(session, table.table, [&](Communicator& communicator, const Context& context) {
    return exchange::Allgather(communicator, table.table, context);
  });
}

int64_t TotalRows(const PyTable& table, const PySession& session) {
  arrow::Result<int64_t> rows = 0;
  {
    const nb::gil_scoped_release release;
    auto communicator = session.session->communicator();
    rows = communicator.ok() ? distributed::TotalRows(**communicator, *table.table)
                             : arrow::Result<int64_t>(communicator.status());
  }
  return Check(std::move(rows), session.rank_to_name());
}

}  // namespace

void BindOperators(nb::module_& module) {
  module.def("join", &Join, nb::arg("left"), nb::arg("right"), nb::arg("session").none(), nb::kw_only(),
             nb::arg("left_keys"), nb::arg("right_keys"), nb::arg("how"), nb::arg("algorithm"), nb::arg("left_suffix"),
             nb::arg("right_suffix"));
  module.def("group_by", &GroupBy, nb::arg("table"), nb::arg("session").none(), nb::kw_only(), nb::arg("keys"),
             nb::arg("aggregations"), nb::arg("sort"), nb::arg("dropna"));
  module.def("sort", &Sort, nb::arg("table"), nb::arg("session").none(), nb::kw_only(), nb::arg("keys"),
             nb::arg("ascending"), nb::arg("nulls_first"));
  module.def("unique", &Unique, nb::arg("table"), nb::arg("session").none(), nb::kw_only(), nb::arg("columns"));
  module.def("filter", &Filter, nb::arg("table"), nb::arg("session").none(), nb::arg("predicate"));
  module.def("project", &Project, nb::arg("table"), nb::arg("session").none(), nb::arg("names"),
             nb::arg("expressions"));
  module.def("concat", &Concat, nb::arg("tables"), nb::arg("session").none(), nb::kw_only(), nb::arg("outer"));
  module.def("slice", &Slice);
  module.def("repartition", &Repartition);
  module.def("total_rows", &TotalRows);
  module.def("gather", &Gather);
  module.def("allgather", &Allgather);
}

}  // namespace weft::python
