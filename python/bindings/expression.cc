#include "expression.h"

#include <arrow/array.h>
#include <arrow/compute/api_scalar.h>
#include <arrow/compute/cast.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "errors.h"
#include "table.h"

namespace weft::python {

namespace nb = nanobind;
namespace cp = arrow::compute;

void BindExpression(nb::module_& module) {
  nb::class_<PyExpression>(module, "Expression")
      .def_static("field", [](const std::string& name) { return PyExpression{cp::field_ref(arrow::FieldRef(name))}; })
      .def_static("literal",
                  [](nb::handle array) {
                    return PyExpression{cp::literal(arrow::Datum(Check(ImportArray(array)->GetScalar(0))))};
                  })
      .def_static("call",
                  [](std::string function, const std::vector<PyExpression>& arguments) {
                    std::vector<cp::Expression> inner;
                    inner.reserve(arguments.size());
                    for (const PyExpression& argument : arguments) inner.push_back(argument.expression);
                    return PyExpression{cp::call(std::move(function), std::move(inner))};
                  })
      .def_static("is_in",
                  [](const PyExpression& argument, nb::handle values) {
                    return PyExpression{
                        cp::call("is_in", {argument.expression},
                                 cp::SetLookupOptions(arrow::Datum(ImportArray(values)), cp::SetLookupOptions::SKIP))};
                  })
      .def_static("is_null",
                  [](const PyExpression& argument, bool nan_is_null) {
                    return PyExpression{cp::call("is_null", {argument.expression}, cp::NullOptions(nan_is_null))};
                  })
      .def_static("cast", [](const PyExpression& argument, nb::handle schema) {
        return PyExpression{
            cp::call("cast", {argument.expression}, cp::CastOptions::Safe(ImportSchema(schema)->field(0)->type()))};
      });
}

}  // namespace weft::python
