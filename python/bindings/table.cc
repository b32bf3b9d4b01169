#include "table.h"

#include <arrow/c/abi.h>
#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/util/byte_size.h>
#include <arrow/util/key_value_metadata.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <vector>

#include "errors.h"
#include "session.h"
#include "weft/table/runs.h"
#include "weft/table/without_views.h"

namespace weft::python {

namespace nb = nanobind;

namespace {

template <typename T>
T* FromCapsule(const nb::object& capsule, const char* name) {
  void* pointer = PyCapsule_GetPointer(capsule.ptr(), name);
  if (pointer == nullptr) throw nb::python_error();
  return static_cast<T*>(pointer);
}

template <typename T>
void ReleaseCapsule(PyObject* capsule, const char* name) {
  auto* held = static_cast<T*>(PyCapsule_GetPointer(capsule, name));
  if (held == nullptr) {
    PyErr_WriteUnraisable(capsule);
    return;
  }
  if (held->release != nullptr) held->release(held);
  delete held;
}

template <typename T>
nb::object ToCapsule(std::unique_ptr<T> held, const char* name, PyCapsule_Destructor destructor) {
  PyObject* capsule = PyCapsule_New(held.get(), name, destructor);
  if (capsule == nullptr) {
    if (held->release != nullptr) held->release(held.get());
    throw nb::python_error();
  }
  held.release();
  return nb::steal(capsule);
}

constexpr const char* kStream = "arrow_array_stream";
constexpr const char* kSchema = "arrow_schema";
constexpr const char* kArray = "arrow_array";

nb::object ExportStream(const PyTable& self, nb::handle /*requested_schema*/) {
  auto stream = std::make_unique<ArrowArrayStream>();
  Check(arrow::ExportRecordBatchReader(std::make_shared<arrow::TableBatchReader>(WithoutRuns(self)), stream.get()));
  return ToCapsule(std::move(stream), kStream,
                   [](PyObject* capsule) { ReleaseCapsule<ArrowArrayStream>(capsule, kStream); });
}

nb::object ExportSchema(const PyTable& self) {
  auto schema = std::make_unique<ArrowSchema>();
  Check(arrow::ExportSchema(*table::WithoutRuns(self.table->schema()), schema.get()));
  return ToCapsule(std::move(schema), kSchema,
                   [](PyObject* capsule) { ReleaseCapsule<ArrowSchema>(capsule, kSchema); });
}

/// All batches that have rows: Arrow (26) gives an empty one that is a slice buffers that end before its offset, with
/// which it then cannot put chunks together.
arrow::Result<std::shared_ptr<arrow::Table>> ReadRows(arrow::RecordBatchReader& reader) {
  ARROW_ASSIGN_OR_RAISE(auto batches, reader.ToRecordBatches());
  std::erase_if(batches, [](const auto& batch) { return batch->num_rows() == 0; });
  return arrow::Table::FromRecordBatches(reader.schema(), std::move(batches));
}

int64_t Bytes(const PyTable& self) {
  const auto size = arrow::util::ReferencedBufferSize(*self.table);
  return size.ok() ? *size : arrow::util::TotalBufferSize(*self.table);
}

nb::dict Metadata(const PyTable& self) {
  nb::dict found;
  const auto& metadata = self.table->schema()->metadata();
  for (int64_t i = 0; metadata != nullptr && i < metadata->size(); ++i) {
    // What is no text is of no interest to Python: Arrow's own serialized schema, for one.
    PyObject* text =
        PyUnicode_DecodeUTF8(metadata->value(i).data(), static_cast<Py_ssize_t>(metadata->value(i).size()), nullptr);
    if (text == nullptr) {
      PyErr_Clear();
      continue;
    }
    found[metadata->key(i).c_str()] = nb::steal(text);
  }
  return found;
}

PyTable WithMetadata(const PyTable& self, const std::vector<std::string>& keys,
                     const std::vector<std::string>& values) {
  return self.With(self.table->ReplaceSchemaMetadata(keys.empty() ? nullptr : arrow::key_value_metadata(keys, values)));
}

}  // namespace

const std::shared_ptr<arrow::Table>& WithoutRuns(const PyTable& table) {
  if (!table::HasRuns(*table.table->schema())) return table.table;
  if (table.plain == nullptr) table.plain = Check(table::WithoutRuns(table.table, LocalContext()));
  return table.plain;
}

std::shared_ptr<arrow::Table> ImportTable(nb::handle source) {
  const nb::object capsule = source.attr("__arrow_c_stream__")();
  auto* stream = FromCapsule<ArrowArrayStream>(capsule, kStream);
  arrow::Result<std::shared_ptr<arrow::Table>> table;
  {
    const nb::gil_scoped_release release;
    const auto reader = arrow::ImportRecordBatchReader(stream);
    table = reader.ok() ? ReadRows(**reader) : reader.status();
  }
  return Check(std::move(table));
}

std::shared_ptr<arrow::Array> ImportArray(nb::handle source) {
  const nb::object capsules = source.attr("__arrow_c_array__")();
  const nb::object schema = capsules[0];
  const nb::object array = capsules[1];
  return Check(arrow::ImportArray(FromCapsule<ArrowArray>(array, kArray), FromCapsule<ArrowSchema>(schema, kSchema)));
}

std::shared_ptr<arrow::Schema> ImportSchema(nb::handle source) {
  const nb::object capsule = source.attr("__arrow_c_schema__")();
  return Check(arrow::ImportSchema(FromCapsule<ArrowSchema>(capsule, kSchema)));
}

void BindTable(nb::module_& module) {
  nb::class_<PyTable>(module, "Table")
      .def_static(
          "from_stream",
          [](nb::handle source) {
            const auto plain = Check(table::WithoutViews(ImportTable(source), LocalContext()));
            return PyTable{Check(table::WithOurRuns(plain, LocalContext()))};
          },
          nb::arg("source"))
      .def_prop_ro("num_rows", [](const PyTable& self) { return self.table->num_rows(); })
      .def_prop_ro("num_columns", [](const PyTable& self) { return self.table->num_columns(); })
      .def_prop_ro("column_names", [](const PyTable& self) { return self.table->ColumnNames(); })
      .def_prop_ro("nbytes", &Bytes)
      .def("slice", [](const PyTable& self, int64_t offset,
                       int64_t length) { return self.Some(self.table->Slice(offset, length)); })
      .def("select",
           [](const PyTable& self, const std::vector<int>& positions) {
             return self.With(Check(self.table->SelectColumns(positions)));
           })
      .def("rename",
           [](const PyTable& self, const std::vector<std::string>& names) {
             return self.With(Check(self.table->RenameColumns(names)));
           })
      .def("with_metadata", &WithMetadata)
      .def("metadata", &Metadata)
      .def("__arrow_c_stream__", &ExportStream, nb::arg("requested_schema") = nb::none())
      .def("__arrow_c_schema__", &ExportSchema);
}

}  // namespace weft::python
