#include "operators.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <arrow/array/array_primitive.h>

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "run.h"
#include "session.h"
#include "table.h"
#include "weft/distributed/places.h"
#include "weft/distributed/rank.h"
#include "weft/distributed/sample.h"
#include "weft/distributed/slice.h"
#include "weft/distributed/sort.h"
#include "weft/distributed/top.h"
#include "weft/distributed/unique.h"
#include "weft/kernels/gather.h"
#include "weft/kernels/rank.h"
#include "weft/kernels/sort.h"
#include "weft/kernels/top.h"
#include "weft/kernels/unique.h"

namespace weft::python {

namespace nb = nanobind;

namespace {

kernels::SortOptions Order(const std::vector<int>& keys, const std::vector<bool>& ascending, bool nulls_first) {
  kernels::SortOptions options;
  for (size_t i = 0; i < keys.size(); ++i) options.keys.push_back({keys[i], ascending[i]});
  options.nulls_first = nulls_first;
  options.nan_is_null = true;
  return options;
}

PyTable Sort(const PlainTable& table, const PySession* session, const std::vector<int>& keys,
             const std::vector<bool>& ascending, bool nulls_first) {
  const auto options = Order(keys, ascending, nulls_first);
  auto lie = session == nullptr ? distributed::Placement() : table.lies;
  auto sorted = Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::Sort(communicator, table.table, options, context, &lie);
      },
      [&](const Context& context) { return kernels::Sort(table.table, options, context); });
  return {std::move(sorted), std::move(lie)};
}

kernels::UniqueOptions Duplicates(std::vector<int> columns, const std::string& keep) {
  kernels::UniqueOptions options;
  options.columns = std::move(columns);
  options.nan_is_null = true;
  options.keep = keep == "first" ? kernels::Keep::kFirst : keep == "last" ? kernels::Keep::kLast : kernels::Keep::kNone;
  return options;
}

PyTable Unique(const PlainTable& table, const PySession* session, std::vector<int> columns, const std::string& keep,
               bool maintain_order) {
  auto options = Duplicates(std::move(columns), keep);
  options.maintain_order = maintain_order;
  auto lie = session == nullptr && !maintain_order ? table.lies.InAnyOrder() : table.lies;
  auto unique = Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::Unique(communicator, table.table, options, context, &lie);
      },
      [&](const Context& context) { return kernels::Unique(table.table, options, context); });
  return {std::move(unique), std::move(lie)};
}

TablePtr OneColumn(const char* name, const std::shared_ptr<arrow::Array>& values) {
  return arrow::Table::Make(arrow::schema({arrow::field(name, values->type())}), arrow::ArrayVector{values});
}

PyTable Duplicated(const PlainTable& table, const PySession* session, std::vector<int> columns,
                   const std::string& keep) {
  const auto options = Duplicates(std::move(columns), keep);
  const auto mark = [&](const arrow::Result<kernels::PoolArray<int64_t>>& kept, const Context& context) -> TableResult {
    ARROW_RETURN_NOT_OK(kept);
    ARROW_ASSIGN_OR_RAISE(auto marks, kernels::MarkRows(kept->span(), false, table.table->num_rows(), context));
    return OneColumn("duplicated", marks);
  };
  return {Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return mark(distributed::KeptRows(communicator, table.table, options, context), context);
      },
      [&](const Context& context) { return mark(kernels::KeptRows(*table.table, options, context), context); })};
}

PyTable Top(const PlainTable& table, const PySession* session, const std::vector<int>& keys,
            const std::vector<bool>& ascending, int64_t rows, const std::string& keep) {
  kernels::TopOptions options;
  options.order = Order(keys, ascending, false);
  options.rows = rows;
  options.ties = keep == "first" ? kernels::Ties::kFirst : keep == "last" ? kernels::Ties::kLast : kernels::Ties::kAll;
  return {Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::Top(communicator, table.table, options, context);
      },
      [&](const Context& context) { return kernels::Top(table.table, options, context); })};
}

PyTable RankRows(const PlainTable& table, const PySession* session, int column, const std::string& method,
                 bool ascending, const std::string& missing, bool percent) {
  kernels::RankOptions options;
  options.column = column;
  options.method = method == "average" ? kernels::RankMethod::kAverage
                   : method == "min"   ? kernels::RankMethod::kMin
                   : method == "max"   ? kernels::RankMethod::kMax
                   : method == "first" ? kernels::RankMethod::kFirst
                                       : kernels::RankMethod::kDense;
  options.ascending = ascending;
  options.missing = missing == "keep"  ? kernels::RankMissing::kKeep
                    : missing == "top" ? kernels::RankMissing::kTop
                                       : kernels::RankMissing::kBottom;
  options.percent = percent;
  options.nan_is_null = true;
  return {OneColumn("rank",
                    Run(
                        session,
                        [&](Communicator& communicator, const Context& context) {
                          return distributed::RankRows(communicator, table.table, options, context);
                        },
                        [&](const Context& context) { return kernels::RankRows(*table.table, options, context); }))};
}

PyTable Take(const PlainTable& table, const PySession* session, nb::handle rows) {
  const auto array = ImportArray(rows);
  if (array->type_id() != arrow::Type::INT64 || array->null_count() > 0) {
    throw nb::type_error("take: rows are int64 without nulls");
  }
  const std::span numbers(static_cast<const arrow::Int64Array&>(*array).raw_values(),
                          static_cast<size_t>(array->length()));
  const auto local = [&](const Context& context) -> TableResult {
    for (const int64_t row : numbers) {
      if (row < 0 || row >= table.table->num_rows()) {
        return arrow::Status::IndexError("take: row ", row, " is not there; the frame has ", table.table->num_rows(),
                                         " rows");
      }
    }
    return kernels::GatherRows(table.table, numbers, context);
  };
  return {Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::TakeRows(communicator, table.table, numbers, context);
      },
      local)};
}

PyTable Sample(const PlainTable& table, const PySession* session, int64_t rows, bool replace, uint64_t seed) {
  const distributed::SampleOptions options{.rows = rows, .replace = replace, .seed = seed};
  return {Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::Sample(communicator, table.table, options, context);
      },
      [&](const Context& context) { return distributed::Sample(table.table, options, context); })};
}

PyTable Slice(const PyTable& table, const PySession& session, int64_t offset, int64_t length) {
  return table.Some(RunOverRanks(session, [&](Communicator& communicator, const Context&) {
    return distributed::Slice(communicator, table.table, offset, length);
  }));
}

PyTable Repartition(const PyTable& table, const PySession& session, const std::vector<int64_t>& counts) {
  return {RunOverRanks(session, [&](Communicator& communicator, const Context& context) {
    return distributed::Repartition(communicator, table.table, context, counts);
  })};
}

PyTable RepartitionByKey(const PyTable& table, const PySession& session, const std::vector<int>& columns) {
  auto lie = table.lies;
  auto moved = RunOverRanks(session, [&](Communicator& communicator, const Context& context) {
    return distributed::RepartitionByKey(communicator, table.table, columns, true, context, &lie);
  });
  return {std::move(moved), std::move(lie)};
}

}  // namespace

void BindOrdering(nb::module_& module) {
  module.def("sort", &Sort, nb::arg("table"), nb::arg("session").none(), nb::kw_only(), nb::arg("keys"),
             nb::arg("ascending"), nb::arg("nulls_first"));
  module.def("unique", &Unique, nb::arg("table"), nb::arg("session").none(), nb::kw_only(), nb::arg("columns"),
             nb::arg("keep") = "first", nb::arg("maintain_order") = false);
  module.def("duplicated", &Duplicated, nb::arg("table"), nb::arg("session").none(), nb::kw_only(), nb::arg("columns"),
             nb::arg("keep"));
  module.def("top", &Top, nb::arg("table"), nb::arg("session").none(), nb::kw_only(), nb::arg("keys"),
             nb::arg("ascending"), nb::arg("rows"), nb::arg("keep"));
  module.def("rank", &RankRows, nb::arg("table"), nb::arg("session").none(), nb::kw_only(), nb::arg("column"),
             nb::arg("method"), nb::arg("ascending"), nb::arg("missing"), nb::arg("percent"));
  module.def("take", &Take, nb::arg("table"), nb::arg("session").none(), nb::arg("rows"));
  module.def("sample", &Sample, nb::arg("table"), nb::arg("session").none(), nb::kw_only(), nb::arg("rows"),
             nb::arg("replace"), nb::arg("seed"));
  module.def("slice", &Slice);
  module.def("repartition", &Repartition, nb::arg("table"), nb::arg("session"),
             nb::arg("counts") = std::vector<int64_t>());
  module.def("repartition_by_key", &RepartitionByKey);
}

}  // namespace weft::python
