#include <nanobind/nanobind.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "errors.h"
#include "expression.h"
#include "operators.h"
#include "run.h"
#include "session.h"
#include "table.h"
#include "weft/distributed/read.h"
#include "weft/distributed/write.h"
#include "weft/io/manifest.h"
#include "weft/io/read.h"
#include "weft/io/write.h"

namespace weft::python {

namespace nb = nanobind;

namespace {

io::ReadOptions MakeReadOptions(std::vector<std::string> columns, const PyExpression* filter) {
  io::ReadOptions options;
  options.columns = std::move(columns);
  if (filter != nullptr) options.filter = filter->expression;
  return options;
}

distributed::Sources MakeSources(const std::vector<std::string>& paths, bool own) { return {paths, own}; }

PyTable ReadParquet(const std::vector<std::string>& paths, const PySession* session, bool own,
                    std::vector<std::string> columns, const PyExpression* filter, bool with_hive) {
  const auto hive = with_hive ? io::Hive::kColumns : io::Hive::kIgnored;
  const io::ReadOptions options = MakeReadOptions(std::move(columns), filter);
  return {Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::ReadParquet(communicator, MakeSources(paths, own), options, hive, context);
      },
      [&](const Context& context) -> TableResult {
        ARROW_ASSIGN_OR_RAISE(const auto files, io::ExpandFiles(paths, ".parquet", hive));
        return io::ReadParquet(files, options, context);
      })};
}

PyTable ReadIpc(const std::vector<std::string>& paths, const PySession* session, bool own,
                std::vector<std::string> columns, const PyExpression* filter) {
  const io::ReadOptions options = MakeReadOptions(std::move(columns), filter);
  return {Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::ReadIpc(communicator, MakeSources(paths, own), options, context);
      },
      [&](const Context& context) -> TableResult {
        ARROW_ASSIGN_OR_RAISE(const auto files, io::ExpandFiles(paths, ".feather", io::Hive::kRefused));
        return io::ReadIpc(files, options, context);
      })};
}

PyTable ReadJson(const std::vector<std::string>& paths, const PySession* session, bool own,
                 const std::string& compression, nb::handle types, int64_t split_bytes) {
  io::JsonOptions json;
  json.compression = compression;
  json.split_bytes = split_bytes;
  const auto schema = ImportSchema(types);
  for (const auto& field : schema->fields()) json.types.emplace_back(field->name(), field->type());
  return {Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::ReadJson(communicator, MakeSources(paths, own), json, context);
      },
      [&](const Context& context) { return io::ReadJson(paths, json, context); })};
}

PyTable ReadCsv(const std::vector<std::string>& paths, const PySession* session, bool own,
                std::vector<std::string> columns, const PyExpression* filter, const io::CsvOptions& csv) {
  const io::ReadOptions options = MakeReadOptions(std::move(columns), filter);
  return {Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::ReadCsv(communicator, MakeSources(paths, own), csv, options, context);
      },
      [&](const Context& context) { return io::ReadCsv(paths, csv, options, context); })};
}

/// Types of columns by name, from anything with __arrow_c_schema__; the one without a name is all others'.
void SetTypes(io::CsvOptions& csv, nb::handle types) {
  csv.types.clear();
  const auto schema = ImportSchema(types);
  for (const auto& field : schema->fields()) {
    if (field->name().empty()) {
      csv.type = field->type();
    } else {
      csv.types.emplace_back(field->name(), field->type());
    }
  }
}

/// "parquet", "csv", "jsonl", "feather", "stream".
void SetFormat(io::WriteOptions& options, const std::string& name) {
  options.format = name == "csv"       ? io::FileFormat::kCsv
                   : name == "jsonl"   ? io::FileFormat::kJsonLines
                   : name == "feather" ? io::FileFormat::kIpcFile
                   : name == "stream"  ? io::FileFormat::kIpcStream
                                       : io::FileFormat::kParquet;
}

void Write(const PlainTable& table, const PySession* session, const std::string& path, const std::string& token,
           bool overwrite, const io::WriteOptions& options) {
  Run(
      session,
      [&](Communicator& communicator, const Context& context) {
        return distributed::Write(communicator, path, table.table, options, session->session->token(), overwrite,
                                  context);
      },
      [&](const Context& context) {
        if (!options.partition_columns.empty()) {
          return io::WriteDirectory(path, *table.table, options, token, overwrite, context);
        }
        return io::WriteFile(path, *table.table, options, context, overwrite);
      });
}

/// `put` is called with (path, suffix, bytes) and returns True, False or None. It lives as long as the process.
void SetConditionalPut(nb::object put) {
  // Taken away from Python's reference counting: a commit may come when the interpreter already goes down.
  PyObject* const function = put.release().ptr();
  io::SetConditionalPut([function](const std::string& path, const std::string& suffix, const std::string& bytes,
                                   const std::optional<std::string>& expected) -> arrow::Result<std::optional<bool>> {
    const nb::gil_scoped_acquire acquire;
    try {
      const nb::object old =
          expected.has_value() ? nb::object(nb::bytes(expected->data(), expected->size())) : nb::object(nb::none());
      const nb::object result = nb::handle(function)(path, suffix, nb::bytes(bytes.data(), bytes.size()), old);
      if (result.is_none()) return std::nullopt;
      return std::optional<bool>(nb::cast<bool>(result));
    } catch (const std::exception& error) {
      return arrow::Status::IOError("conditional put: ", error.what());
    }
  });
}

}  // namespace

void BindFiles(nb::module_& module) {
  nb::class_<io::CsvOptions>(module, "CsvOptions")
      .def(nb::init<>())
      .def_rw("delimiter", &io::CsvOptions::delimiter)
      .def_rw("quote", &io::CsvOptions::quote)
      .def_rw("names", &io::CsvOptions::names)
      .def_rw("header", &io::CsvOptions::header)
      .def_rw("header_row", &io::CsvOptions::header_row)
      .def_rw("skip_rows", &io::CsvOptions::skip_rows)
      .def_rw("max_rows", &io::CsvOptions::max_rows)
      .def_rw("null_values", &io::CsvOptions::null_values)
      .def_rw("default_null_values", &io::CsvOptions::default_null_values)
      .def_rw("true_values", &io::CsvOptions::true_values)
      .def_rw("false_values", &io::CsvOptions::false_values)
      .def_rw("decimal", &io::CsvOptions::decimal)
      .def_rw("thousands", &io::CsvOptions::thousands)
      .def("set_types", &SetTypes)
      .def_rw("times", &io::CsvOptions::times)
      .def_rw("time_positions", &io::CsvOptions::time_positions)
      .def_rw("positions", &io::CsvOptions::positions)
      .def_rw("compression", &io::CsvOptions::compression)
      .def_rw("encoding", &io::CsvOptions::encoding)
      .def_rw("split_bytes", &io::CsvOptions::split_bytes);
  nb::enum_<io::CsvQuoting>(module, "CsvQuoting")
      .value("MINIMAL", io::CsvQuoting::kMinimal)
      .value("ALL", io::CsvQuoting::kAll)
      .value("NOT_NUMBERS", io::CsvQuoting::kNotNumbers);
  nb::class_<io::WriteOptions>(module, "WriteOptions")
      .def(nb::init<>())
      .def("set_format", &SetFormat)
      .def_rw("compression", &io::WriteOptions::compression)
      .def_rw("row_group_rows", &io::WriteOptions::row_group_rows)
      .def_rw("partition_columns", &io::WriteOptions::partition_columns)
      .def_rw("metadata_file", &io::WriteOptions::metadata_file)
      .def_rw("delimiter", &io::WriteOptions::delimiter)
      .def_rw("quote", &io::WriteOptions::quote)
      .def_rw("quoting", &io::WriteOptions::quoting)
      .def_rw("header", &io::WriteOptions::header)
      .def_rw("header_names", &io::WriteOptions::header_names)
      .def_rw("null_text", &io::WriteOptions::null_text)
      .def_rw("float_format", &io::WriteOptions::float_format)
      .def_rw("ascii", &io::WriteOptions::ascii);
  module.def("read_parquet", &ReadParquet, nb::arg("paths"), nb::arg("session").none(), nb::kw_only(), nb::arg("own"),
             nb::arg("columns"), nb::arg("filter").none(), nb::arg("hive"));
  module.def("read_ipc", &ReadIpc, nb::arg("paths"), nb::arg("session").none(), nb::kw_only(), nb::arg("own"),
             nb::arg("columns"), nb::arg("filter").none());
  module.def("read_json", &ReadJson, nb::arg("paths"), nb::arg("session").none(), nb::kw_only(), nb::arg("own"),
             nb::arg("compression"), nb::arg("types"), nb::arg("split_bytes"));
  module.def("read_csv", &ReadCsv, nb::arg("paths"), nb::arg("session").none(), nb::kw_only(), nb::arg("own"),
             nb::arg("columns"), nb::arg("filter").none(), nb::arg("options"));
  module.def("set_conditional_put", &SetConditionalPut, nb::arg("put"));
  module.def("write", &Write, nb::arg("table"), nb::arg("session").none(), nb::arg("path"), nb::kw_only(),
             nb::arg("token"), nb::arg("overwrite"), nb::arg("options"));
}

}  // namespace weft::python
