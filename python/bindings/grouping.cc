#include "operators.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "errors.h"
#include "run.h"
#include "session.h"
#include "table.h"
#include "weft/distributed/group_transform.h"
#include "weft/distributed/groupby.h"
#include "weft/distributed/shuffle_return.h"
#include "weft/exchange/exchange.h"
#include "weft/kernels/group_transform.h"
#include "weft/kernels/groupby.h"

namespace weft::python {

namespace nb = nanobind;

namespace {

/// One aggregation, from a dict: function, column, name; where it matters skipna, min_count, ddof, q, interpolation,
/// label.
kernels::Aggregation ReadAggregation(const nb::dict& given) {
  kernels::Aggregation made;
  for (const auto& [key, value] : given) {
    const auto name = nb::cast<std::string>(key);
    if (name == "function") {
      made.function = Check(kernels::ParseAggregateFunction(nb::cast<std::string>(value)));
    } else if (name == "column") {
      made.column = nb::cast<int>(value);
    } else if (name == "name") {
      made.name = nb::cast<std::string>(value);
    } else if (name == "skipna") {
      made.skip_nulls = nb::cast<bool>(value);
    } else if (name == "min_count") {
      made.min_count = nb::cast<int64_t>(value);
    } else if (name == "ddof") {
      made.ddof = nb::cast<int>(value);
    } else if (name == "q") {
      made.quantile = nb::cast<double>(value);
    } else if (name == "interpolation") {
      made.interpolation = Check(kernels::ParseInterpolation(nb::cast<std::string>(value)));
    } else if (name == "label") {
      made.label = nb::cast<int>(value);
    } else {
      throw nb::type_error(("an aggregation has no " + name).c_str());
    }
  }
  return made;
}

/// The same for a transform: function, column, name, skipna, periods, fill, limit, method, na_option, ascending, pct.
kernels::Transform ReadTransform(const nb::dict& given) {
  kernels::Transform made;
  for (const auto& [key, value] : given) {
    const auto name = nb::cast<std::string>(key);
    if (name == "function") {
      made.function = Check(kernels::ParseTransformFunction(nb::cast<std::string>(value)));
    } else if (name == "column") {
      made.column = nb::cast<int>(value);
    } else if (name == "name") {
      made.name = nb::cast<std::string>(value);
    } else if (name == "skipna") {
      made.skip_nulls = nb::cast<bool>(value);
    } else if (name == "periods") {
      made.periods = nb::cast<int64_t>(value);
    } else if (name == "fill") {
      made.fill = ImportArray(value);
    } else if (name == "limit") {
      made.limit = nb::cast<int64_t>(value);
    } else if (name == "method") {
      made.method = Check(kernels::ParseRankMethod(nb::cast<std::string>(value)));
    } else if (name == "na_option") {
      made.nulls = Check(kernels::ParseRankMissing(nb::cast<std::string>(value)));
    } else if (name == "ascending") {
      made.ascending = nb::cast<bool>(value);
    } else if (name == "pct") {
      made.percent = nb::cast<bool>(value);
    } else {
      throw nb::type_error(("a transform has no " + name).c_str());
    }
  }
  return made;
}

kernels::GroupByOptions ReadOptions(std::vector<int> keys, const std::vector<nb::dict>& aggregations, bool sort,
                                    bool dropna) {
  kernels::GroupByOptions options;
  options.keys = std::move(keys);
  for (const auto& given : aggregations) options.aggregations.push_back(ReadAggregation(given));
  options.sort = sort;
  options.drop_null_keys = dropna;
  options.nan_is_null = true;
  return options;
}

PyTable GroupBy(const PlainTable& table, const PySession* session, std::vector<int> keys,
                const std::vector<nb::dict>& aggregations, bool sort, bool dropna) {
  const auto options = ReadOptions(std::move(keys), aggregations, sort, dropna);
  auto lie = session == nullptr ? distributed::Placement() : table.lies;
  auto grouped = Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::GroupBy(communicator, table.table, options, context, &lie);
      },
      [&](const Context& context) { return kernels::GroupBy(table.table, options, context); });
  return {std::move(grouped), std::move(lie)};
}

PyTable GroupBroadcast(const PlainTable& table, const PySession* session, std::vector<int> keys,
                       const std::vector<nb::dict>& aggregations, bool dropna) {
  const auto options = ReadOptions(std::move(keys), aggregations, false, dropna);
  return {Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::GroupBroadcast(communicator, table.table, options, context, &table.lies);
      },
      [&](const Context& context) { return distributed::GroupBroadcast(table.table, options, context); })};
}

PyTable GroupTransform(const PlainTable& table, const PySession* session, std::vector<int> keys,
                       const std::vector<nb::dict>& transforms, bool dropna) {
  kernels::GroupTransformOptions options;
  options.keys = std::move(keys);
  for (const auto& given : transforms) options.transforms.push_back(ReadTransform(given));
  options.drop_null_keys = dropna;
  options.nan_is_null = true;
  return {Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::GroupTransform(communicator, table.table, options, context, &table.lies);
      },
      [&](const Context& context) { return kernels::GroupTransform(table.table, options, context); })};
}

/// Rows group by group: the rows with a last column of their numbers in the table; the keys, one row a group; and where
/// each group begins, as a column of one row more than there are groups.
nb::tuple RowsByGroup(const PlainTable& table, const std::vector<int>& keys, bool sort, bool dropna) {
  auto made = RunEach(nullptr, [&](const Context& context) {
    return kernels::RowsByGroup(table.table, keys, sort, dropna, true, context);
  });
  const auto one = [](const char* name, std::shared_ptr<arrow::Array> array) {
    return PyTable{arrow::Table::Make(arrow::schema({arrow::field(name, array->type())}), {array})};
  };
  return nb::make_tuple(PyTable{made.rows}, one("number", made.numbers), one("start", made.starts), PyTable{made.keys});
}

/// A trip of rows to the ranks of their keys, with a stop in Python.
class PyTrip {
 public:
  static PyTrip Out(const PlainTable& table, const PySession& session, std::vector<int> keys,
                    const std::string& operation) {
    PyTrip trip;
    trip.table_ = RunOverRanks(session, [&](Communicator& communicator, const Context& context) -> TableResult {
      ARROW_RETURN_NOT_OK(exchange::AgreeSchema(communicator, table.table->schema(), operation));
      trip.trip_ = std::make_unique<distributed::ShuffleReturn>(communicator, std::move(keys), true, operation);
      return trip.trip_->Out(table.table, context);
    });
    return trip;
  }
  PyTable rows() const { return {table_}; }
  PyTable Back(const PlainTable& answers, const PySession& session) {
    if (trip_ == nullptr) throw nb::value_error("these rows went back already");
    const auto trip = std::move(trip_);
    return {RunOverRanks(session, [&](Communicator&, const Context& context) -> TableResult {
      return trip->Back(answers.table, context);
    })};
  }

 private:
  TablePtr table_;
  std::unique_ptr<distributed::ShuffleReturn> trip_;
};

}  // namespace

void BindGrouping(nb::module_& module) {
  module.def("group_by", &GroupBy, nb::arg("table"), nb::arg("session").none(), nb::kw_only(), nb::arg("keys"),
             nb::arg("aggregations"), nb::arg("sort"), nb::arg("dropna"));
  module.def("group_broadcast", &GroupBroadcast, nb::arg("table"), nb::arg("session").none(), nb::kw_only(),
             nb::arg("keys"), nb::arg("aggregations"), nb::arg("dropna"));
  module.def("group_transform", &GroupTransform, nb::arg("table"), nb::arg("session").none(), nb::kw_only(),
             nb::arg("keys"), nb::arg("transforms"), nb::arg("dropna"));
  module.def("rows_by_group", &RowsByGroup, nb::arg("table"), nb::kw_only(), nb::arg("keys"), nb::arg("sort"),
             nb::arg("dropna"));
  nb::class_<PyTrip>(module, "Trip")
      .def_static("out", &PyTrip::Out, nb::arg("table"), nb::arg("session"), nb::kw_only(), nb::arg("keys"),
                  nb::arg("operation"))
      .def_prop_ro("rows", &PyTrip::rows)
      .def("back", &PyTrip::Back, nb::arg("answers"), nb::arg("session"));
}

}  // namespace weft::python
