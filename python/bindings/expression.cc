#include "expression.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/compute/api_scalar.h>
#include <arrow/compute/function_options.h>
#include <arrow/scalar.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "errors.h"
#include "table.h"
#include "weft/kernels/functions.h"

namespace weft::python {

namespace nb = nanobind;
namespace cp = arrow::compute;

namespace {

/// `options` is one of pyarrow.compute's, which crosses in Arrow's serialized form.
PyExpression Call(std::string function, const std::vector<PyExpression>& arguments, nb::handle options) {
  std::vector<cp::Expression> inner;
  inner.reserve(arguments.size());
  for (const PyExpression& argument : arguments) inner.push_back(argument.expression);
  if (options.is_none()) return {cp::call(std::move(function), std::move(inner))};
  const auto name = nb::cast<std::string>(nb::handle(options.type()).attr("__name__"));
  const auto bytes = nb::cast<nb::bytes>(options.attr("serialize")().attr("to_pybytes")());
  const arrow::Buffer buffer(static_cast<const uint8_t*>(bytes.data()), static_cast<int64_t>(bytes.size()));
  std::shared_ptr<cp::FunctionOptions> read = Check(cp::FunctionOptions::Deserialize(name, buffer));
  return {cp::call(std::move(function), std::move(inner), std::move(read))};
}

}  // namespace

void BindExpression(nb::module_& module) {
  nb::class_<PyExpression>(module, "Expression")
      .def_static("field", [](const std::string& name) { return PyExpression{cp::field_ref(arrow::FieldRef(name))}; })
      .def_static("literal",
                  [](nb::handle array) {
                    return PyExpression{cp::literal(arrow::Datum(Check(ImportArray(array)->GetScalar(0))))};
                  })
      .def_static("call", &Call, nb::arg("function"), nb::arg("arguments"), nb::arg("options") = nb::none())
      .def_static("lookup",
                  [](const PyExpression& argument, nb::handle keys, nb::handle values, bool keep) {
                    return PyExpression{cp::call("weft_lookup", {argument.expression},
                                                 kernels::LookupOptions(ImportArray(keys), ImportArray(values), keep))};
                  })
      .def_static("is_in", [](const PyExpression& argument, nb::handle values) {
        return PyExpression{
            cp::call("is_in", {argument.expression},
                     cp::SetLookupOptions(arrow::Datum(ImportArray(values)), cp::SetLookupOptions::SKIP))};
      });
}

}  // namespace weft::python
