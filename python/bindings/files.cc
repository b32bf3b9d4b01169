#include <nanobind/nanobind.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <utility>
#include <vector>

#include "errors.h"
#include "expression.h"
#include "operators.h"
#include "session.h"
#include "table.h"
#include "weft/distributed/read.h"
#include "weft/distributed/write.h"
#include "weft/io/read.h"
#include "weft/io/write.h"

namespace weft::python {

namespace nb = nanobind;

namespace {

int RankToName(const PySession* session) { return session == nullptr ? -1 : session->rank_to_name(); }

io::ReadOptions MakeReadOptions(std::vector<std::string> columns, const PyExpression* filter) {
  io::ReadOptions options;
  options.columns = std::move(columns);
  if (filter != nullptr) options.filter = filter->expression;
  return options;
}

/// Runs `over_ranks(communicator, context)` where there is a session, else `local(context)`, without the GIL.
template <typename Result, typename OverRanks, typename Local>
Result Run(const PySession* session, OverRanks&& over_ranks, Local&& local) {
  const Context context = session == nullptr ? LocalContext() : session->session->context();
  const nb::gil_scoped_release release;
  if (session == nullptr) return local(context);
  auto communicator = session->session->communicator();
  if (!communicator.ok()) return communicator.status();
  return over_ranks(**communicator, context);
}

using TableResult = arrow::Result<std::shared_ptr<arrow::Table>>;

PyTable ReadParquet(const std::vector<std::string>& paths, const PySession* session, std::vector<std::string> columns,
                    const PyExpression* filter) {
  const io::ReadOptions options = MakeReadOptions(std::move(columns), filter);
  auto table = Run<TableResult>(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::ReadParquet(communicator, paths, options, context);
      },
      [&](const Context& context) { return io::ReadParquet(paths, options, context); });
  return {Check(std::move(table), RankToName(session))};
}

PyTable ReadCsv(const std::vector<std::string>& paths, const PySession* session, std::vector<std::string> columns,
                const PyExpression* filter, const std::string& delimiter, const std::string& quote,
                std::vector<std::string> names, bool header, std::vector<std::string> null_values,
                bool default_null_values, nb::handle types) {
  const io::ReadOptions options = MakeReadOptions(std::move(columns), filter);
  io::CsvOptions csv;
  csv.delimiter = delimiter.at(0);
  csv.quote = quote.at(0);
  csv.names = std::move(names);
  csv.header = header;
  csv.null_values = std::move(null_values);
  csv.default_null_values = default_null_values;
  const auto schema = ImportSchema(types);
  for (const auto& field : schema->fields()) csv.types.emplace_back(field->name(), field->type());
  auto table = Run<TableResult>(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::ReadCsv(communicator, paths, csv, options, context);
      },
      [&](const Context& context) { return io::ReadCsv(paths, csv, options, context); });
  return {Check(std::move(table), RankToName(session))};
}

void Write(const PyTable& table, const PySession* session, const std::string& path, const std::string& format,
           const std::string& compression, int64_t row_group_rows, const std::string& delimiter, bool header,
           bool overwrite) {
  io::WriteOptions options;
  options.format = format == "csv" ? io::FileFormat::kCsv : io::FileFormat::kParquet;
  options.compression = compression;
  options.row_group_rows = row_group_rows;
  options.delimiter = delimiter.at(0);
  options.header = header;
  const auto status = Run<arrow::Status>(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::Write(communicator, path, table.table, options, session->session->token(), overwrite,
                                  context);
      },
      [&](const Context& context) { return io::WriteFile(path, *table.table, options, context, overwrite); });
  Check(status, RankToName(session));
}

}  // namespace

void BindFiles(nb::module_& module) {
  module.def("read_parquet", &ReadParquet, nb::arg("paths"), nb::arg("session").none(), nb::kw_only(),
             nb::arg("columns"), nb::arg("filter").none());
  module.def("read_csv", &ReadCsv, nb::arg("paths"), nb::arg("session").none(), nb::kw_only(), nb::arg("columns"),
             nb::arg("filter").none(), nb::arg("delimiter"), nb::arg("quote"), nb::arg("names"), nb::arg("header"),
             nb::arg("null_values"), nb::arg("default_null_values"), nb::arg("types"));
  module.def("write", &Write, nb::arg("table"), nb::arg("session").none(), nb::arg("path"), nb::kw_only(),
             nb::arg("format"), nb::arg("compression"), nb::arg("row_group_rows"), nb::arg("delimiter"),
             nb::arg("header"), nb::arg("overwrite"));
}

}  // namespace weft::python
