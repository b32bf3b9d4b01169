#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <arrow/array/array_primitive.h>

#include <array>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "errors.h"
#include "operators.h"
#include "run.h"
#include "session.h"
#include "table.h"
#include "weft/distributed/ewm.h"
#include "weft/distributed/window.h"
#include "weft/kernels/ewm.h"
#include "weft/kernels/window.h"

namespace weft::python {

namespace nb = nanobind;

namespace {

/// From a dict: kind ("rows", "time", "expanding"), size, center, closed, time.
kernels::WindowFrame ReadFrame(const nb::dict& given) {
  kernels::WindowFrame frame;
  for (const auto& [key, value] : given) {
    const auto name = nb::cast<std::string>(key);
    if (name == "kind") {
      const auto kind = nb::cast<std::string>(value);
      frame.kind = kind == "rows"   ? kernels::WindowKind::kRows
                   : kind == "time" ? kernels::WindowKind::kTime
                                    : kernels::WindowKind::kExpanding;
    } else if (name == "size") {
      frame.size = nb::cast<int64_t>(value);
    } else if (name == "center") {
      frame.center = nb::cast<bool>(value);
    } else if (name == "closed") {
      const auto closed = nb::cast<std::string>(value);
      frame.closed_left = closed == "left" || closed == "both";
      frame.closed_right = closed == "right" || closed == "both";
    } else if (name == "time") {
      frame.time = nb::cast<int>(value);
    } else {
      throw nb::type_error(("a window has no " + name).c_str());
    }
  }
  return frame;
}

/// From a dict: function, column, name; where it matters ddof, q, interpolation.
kernels::WindowAggregate ReadAggregate(const nb::dict& given) {
  kernels::WindowAggregate made;
  for (const auto& [key, value] : given) {
    const auto name = nb::cast<std::string>(key);
    if (name == "function") {
      made.function = Check(kernels::ParseWindowFunction(nb::cast<std::string>(value)));
    } else if (name == "column") {
      made.column = nb::cast<int>(value);
    } else if (name == "name") {
      made.name = nb::cast<std::string>(value);
    } else if (name == "ddof") {
      made.ddof = nb::cast<int64_t>(value);
    } else if (name == "q") {
      made.quantile = nb::cast<double>(value);
    } else if (name == "interpolation") {
      made.interpolation = Check(kernels::ParseInterpolation(nb::cast<std::string>(value)));
    } else {
      throw nb::type_error(("an aggregate of windows has no " + name).c_str());
    }
  }
  return made;
}

/// `keys`: those of groups; empty for windows of the whole.
PyTable Window(const PlainTable& table, const PySession* session, const nb::dict& frame, int64_t min_periods,
               const std::vector<nb::dict>& aggregates, const std::vector<int>& keys, bool dropna) {
  kernels::WindowOptions options;
  options.frame = ReadFrame(frame);
  options.min_periods = min_periods;
  for (const auto& given : aggregates) options.aggregates.push_back(ReadAggregate(given));
  if (keys.empty()) {
    return {Run(
        session,
        [&](Communicator& communicator, const Context& context) {
          return distributed::Window(communicator, table.table, options, context);
        },
        [&](const Context& context) {
          return kernels::Window(table.table, options, 0, table.table->num_rows(), {}, context);
        })};
  }
  return {Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::GroupWindow(communicator, table.table, keys, dropna, options, context);
      },
      [&](const Context& context) { return kernels::GroupWindow(table.table, keys, dropna, options, context); })};
}

/// The rows that this rank's windows see, and which of them is its first.
nb::tuple WindowRows(const PlainTable& table, const PySession& session, const nb::dict& frame) {
  const auto wanted = ReadFrame(frame);
  const auto made = RunOverRanks(session, [&](Communicator& communicator, const Context& context) {
    return distributed::FetchWindowRows(communicator, table.table, wanted, context);
  });
  return nb::make_tuple(PyTable{made.rows}, made.first);
}

std::shared_ptr<arrow::Array> Numbers(const kernels::PoolArray<int64_t>& values) {
  auto buffer = arrow::AllocateBuffer(values.size() * static_cast<int64_t>(sizeof(int64_t)));
  Check(buffer.status());
  std::copy(values.begin(), values.end(), reinterpret_cast<int64_t*>((*buffer)->mutable_data()));
  return std::make_shared<arrow::Int64Array>(values.size(), *std::move(buffer));
}

/// Columns "begin" and "end" of the windows of rows in segments.
PyTable WindowBounds(const PlainTable& table, const nb::dict& frame, nb::handle starts) {
  const auto wanted = ReadFrame(frame);
  const auto array = ImportArray(starts);
  if (array->type_id() != arrow::Type::INT64 || array->null_count() > 0) {
    throw nb::type_error("window_bounds: starts are int64 without nulls");
  }
  const std::span numbers(static_cast<const arrow::Int64Array&>(*array).raw_values(),
                          static_cast<size_t>(array->length()));
  const auto bounds = RunEach(
      nullptr, [&](const Context& context) { return kernels::FindWindows(*table.table, wanted, numbers, context); });
  return {
      arrow::Table::Make(arrow::schema({arrow::field("begin", arrow::int64()), arrow::field("end", arrow::int64())}),
                         {Numbers(bounds.begins), Numbers(bounds.ends)})};
}

PyTable Ewm(const PlainTable& table, const PySession* session, std::vector<int> columns, double alpha, bool adjust,
            bool ignore_na, int64_t min_periods, const std::vector<int>& keys, bool dropna) {
  const kernels::EwmOptions options{std::move(columns), alpha, adjust, ignore_na, min_periods};
  if (keys.empty()) {
    return {Run(
        session,
        [&](Communicator& communicator, const Context& context) {
          return distributed::Ewm(communicator, table.table, options, context);
        },
        [&](const Context& context) { return kernels::Ewm(*table.table, options, {}, context); })};
  }
  return {Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::GroupEwm(communicator, table.table, keys, dropna, options, context);
      },
      [&](const Context& context) { return kernels::GroupEwm(*table.table, keys, dropna, options, context); })};
}

}  // namespace

void BindWindowing(nb::module_& module) {
  module.def("window", &Window, nb::arg("table"), nb::arg("session").none(), nb::kw_only(), nb::arg("frame"),
             nb::arg("min_periods"), nb::arg("aggregates"), nb::arg("keys") = std::vector<int>(),
             nb::arg("dropna") = true);
  module.def("window_rows", &WindowRows, nb::arg("table"), nb::arg("session"), nb::kw_only(), nb::arg("frame"));
  module.def("window_bounds", &WindowBounds, nb::arg("table"), nb::kw_only(), nb::arg("frame"), nb::arg("starts"));
  module.def("ewm", &Ewm, nb::arg("table"), nb::arg("session").none(), nb::kw_only(), nb::arg("columns"),
             nb::arg("alpha"), nb::arg("adjust"), nb::arg("ignore_na"), nb::arg("min_periods"),
             nb::arg("keys") = std::vector<int>(), nb::arg("dropna") = true);
}

}  // namespace weft::python
