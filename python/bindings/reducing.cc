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
#include "weft/distributed/comoments.h"
#include "weft/distributed/inversions.h"
#include "weft/distributed/quantile.h"
#include "weft/distributed/reduce.h"
#include "weft/distributed/scan.h"
#include "weft/distributed/shift.h"
#include "weft/distributed/unique.h"
#include "weft/exchange/exchange.h"
#include "weft/kernels/comoments.h"
#include "weft/kernels/inversions.h"
#include "weft/kernels/quantile.h"
#include "weft/kernels/reduce.h"
#include "weft/kernels/row_reduce.h"
#include "weft/kernels/scan.h"
#include "weft/kernels/unique.h"

namespace weft::python {

namespace nb = nanobind;

namespace {

PyTable Reduce(const PlainTable& table, const PySession* session,
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

PyTable Quantile(const PlainTable& table, const PySession* session, std::vector<int> columns,
                 std::vector<double> quantiles, const std::string& interpolation, bool skipna, bool approximate) {
  kernels::QuantileOptions options;
  options.columns = std::move(columns);
  options.quantiles = std::move(quantiles);
  options.interpolation = Check(kernels::ParseInterpolation(interpolation));
  options.skip_missing = skipna;
  options.approximate = approximate;
  return {Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::Quantile(communicator, table.table, options, context);
      },
      [&](const Context& context) {
        return kernels::Quantile(table.table, options, kernels::SelectAlone(), context);
      })};
}

PyTable Scan(const PlainTable& table, const PySession* session, const std::string& function, std::vector<int> columns,
             bool skipna) {
  kernels::ScanOptions options;
  options.function = Check(kernels::ParseScanFunction(function));
  options.columns = std::move(columns);
  options.skip_missing = skipna;
  return {Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::Scan(communicator, table.table, options, context);
      },
      [&](const Context& context) { return kernels::Scan(table.table, nullptr, options, context); })};
}

PyTable Shift(const PlainTable& table, const PySession* session, int64_t periods, const PlainTable& fill) {
  return {Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::Shift(communicator, table.table, periods, fill.table, context);
      },
      [&](const Context& context) { return distributed::ShiftLocal(table.table, periods, fill.table, context); })};
}

/// {count, covariance, correlation} of each pair of columns.
std::vector<std::tuple<int64_t, double, double>> PairMoments(const PlainTable& table, const PySession* session,
                                                             const std::vector<int>& columns, int64_t ddof,
                                                             const std::string& operation) {
  // Types are the same on all ranks, or AgreeSchema says so first.
  const auto check = [&] { return kernels::CheckNumbers(*table.table->schema(), columns, operation); };
  const auto found = Run(
      session,
      [&](Communicator& communicator, const Context& context) -> arrow::Result<std::vector<kernels::CoMoments>> {
        ARROW_RETURN_NOT_OK(exchange::Agree(communicator, check(), operation));
        return distributed::PairMoments(communicator, *table.table, columns, context);
      },
      [&](const Context& context) -> arrow::Result<std::vector<kernels::CoMoments>> {
        ARROW_RETURN_NOT_OK(check());
        return kernels::PairMoments(*table.table, columns, context);
      });
  std::vector<std::tuple<int64_t, double, double>> pairs;
  for (const auto& pair : found) pairs.emplace_back(pair.count, pair.Covariance(ddof), pair.Correlation());
  return pairs;
}

std::vector<int64_t> CountDistinct(const PlainTable& table, const PySession* session, const std::vector<int>& columns,
                                   bool dropna) {
  return Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::CountDistinct(communicator, table.table, columns, dropna, context);
      },
      [&](const Context& context) -> arrow::Result<std::vector<int64_t>> {
        std::vector<int64_t> counts;
        for (const int column : columns) {
          ARROW_ASSIGN_OR_RAISE(const int64_t count, kernels::CountDistinct(*table.table, column, dropna, context));
          counts.push_back(count);
        }
        return counts;
      });
}

/// One column, "0", of a value a row. An error that one rank has alone is every rank's.
PyTable RowReduce(const PlainTable& table, const PySession* session, const std::string& function, bool skipna,
                  int64_t min_count, int64_t ddof, double quantile, const std::string& interpolation) {
  kernels::RowReduceOptions options;
  options.function = Check(kernels::ParseRowFunction(function));
  options.skip_missing = skipna;
  options.min_count = min_count;
  options.ddof = ddof;
  options.quantile = quantile;
  options.interpolation = Check(kernels::ParseInterpolation(interpolation));
  const auto local = [&](const Context& context) -> TableResult {
    ARROW_ASSIGN_OR_RAISE(auto column, kernels::ReduceRows(*table.table, options, context));
    return arrow::Table::Make(arrow::schema({arrow::field("0", column->type())}), {column});
  };
  return {Run(
      session,
      [&](Communicator& communicator, const Context& context) -> TableResult {
        auto made = local(context);
        ARROW_RETURN_NOT_OK(exchange::Agree(communicator, made.status(), function));
        return made;
      },
      local)};
}

int64_t Inversions(const PlainTable& table, const PySession* session, int column) {
  return Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::CountInversions(communicator, table.table->column(column), context);
      },
      [&](const Context& context) -> arrow::Result<int64_t> {
        ARROW_ASSIGN_OR_RAISE(const auto found, kernels::CountInversions(table.table->column(column), context));
        return found.count;
      });
}

}  // namespace

void BindReducing(nb::module_& module) {
  module.def("reduce", &Reduce, nb::arg("table"), nb::arg("session").none(), nb::kw_only(), nb::arg("reductions"),
             nb::arg("skipna"), nb::arg("min_count"), nb::arg("ddof"));
  module.def("quantile", &Quantile, nb::arg("table"), nb::arg("session").none(), nb::kw_only(), nb::arg("columns"),
             nb::arg("quantiles"), nb::arg("interpolation"), nb::arg("skipna"), nb::arg("approximate"));
  module.def("scan", &Scan, nb::arg("table"), nb::arg("session").none(), nb::kw_only(), nb::arg("function"),
             nb::arg("columns"), nb::arg("skipna"));
  module.def("shift", &Shift, nb::arg("table"), nb::arg("session").none(), nb::kw_only(), nb::arg("periods"),
             nb::arg("fill"));
  module.def("pair_moments", &PairMoments, nb::arg("table"), nb::arg("session").none(), nb::kw_only(),
             nb::arg("columns"), nb::arg("ddof"), nb::arg("operation"));
  module.def("count_distinct", &CountDistinct, nb::arg("table"), nb::arg("session").none(), nb::kw_only(),
             nb::arg("columns"), nb::arg("dropna"));
  module.def("row_reduce", &RowReduce, nb::arg("table"), nb::arg("session").none(), nb::kw_only(), nb::arg("function"),
             nb::arg("skipna"), nb::arg("min_count"), nb::arg("ddof"), nb::arg("quantile"), nb::arg("interpolation"));
  module.def("inversions", &Inversions, nb::arg("table"), nb::arg("session").none(), nb::kw_only(), nb::arg("column"));
}

}  // namespace weft::python
