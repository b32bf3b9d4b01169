#include "weft/kernels/concat.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/cast.h>
#include <arrow/compute/exec.h>
#include <arrow/compute/initialize.h>

#include <string>
#include <unordered_map>
#include <utility>

namespace weft::kernels {
namespace {

using arrow::Type;

const std::shared_ptr<arrow::DataType>& ValueType(const std::shared_ptr<arrow::DataType>& type) {
  if (type->id() != Type::DICTIONARY) return type;
  return static_cast<const arrow::DictionaryType&>(*type).value_type();
}

/// The type that values of both can be cast to. Dictionaries of different types lose their encoding.
arrow::Result<std::shared_ptr<arrow::DataType>> CommonType(const std::string& name,
                                                           const std::shared_ptr<arrow::DataType>& a,
                                                           const std::shared_ptr<arrow::DataType>& b) {
  if (a->Equals(*b) || b->id() == Type::NA) return a;
  if (a->id() == Type::NA) return b;
  const auto merged = arrow::field(name, ValueType(a))
                          ->MergeWith(arrow::field(name, ValueType(b)), arrow::Field::MergeOptions::Permissive());
  if (!merged.ok()) {
    return arrow::Status::TypeError("concat: column '", name, "' has type ", a->ToString(), " in one table and ",
                                    b->ToString(), " in another, which have no common type; cast one of them first");
  }
  return (*merged)->type();
}

arrow::Result<std::shared_ptr<arrow::ChunkedArray>> DecodeColumn(const arrow::ChunkedArray& column,
                                                                 arrow::compute::ExecContext* exec) {
  arrow::ArrayVector chunks;
  for (const auto& chunk : column.chunks()) {
    const auto& encoded = static_cast<const arrow::DictionaryArray&>(*chunk);
    ARROW_ASSIGN_OR_RAISE(const arrow::Datum values,
                          arrow::compute::Take(encoded.dictionary(), encoded.indices(),
                                               arrow::compute::TakeOptions::NoBoundsCheck(), exec));
    chunks.push_back(values.make_array());
  }
  return std::make_shared<arrow::ChunkedArray>(std::move(chunks), ValueType(column.type()));
}

arrow::Result<std::shared_ptr<arrow::ChunkedArray>> NullColumn(const std::shared_ptr<arrow::DataType>& type,
                                                               int64_t rows, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(auto nulls, arrow::MakeArrayOfNull(type, rows, context.pool));
  return std::make_shared<arrow::ChunkedArray>(std::move(nulls));
}

arrow::Result<std::shared_ptr<arrow::ChunkedArray>> CastColumn(const std::string& name,
                                                               const std::shared_ptr<arrow::ChunkedArray>& column,
                                                               const std::shared_ptr<arrow::DataType>& type,
                                                               const Context& context) {
  if (column->type()->Equals(*type)) return column;
  if (column->type()->id() == Type::NA) return NullColumn(type, column->length(), context);
  arrow::compute::ExecContext exec(context.pool);
  exec.set_use_threads(false);
  auto values = column;
  if (column->type()->id() == Type::DICTIONARY && type->id() != Type::DICTIONARY) {
    ARROW_ASSIGN_OR_RAISE(values, DecodeColumn(*column, &exec));
    if (values->type()->Equals(*type)) return values;
  }
  auto options = arrow::compute::CastOptions::Safe(type);
  // Integers above 2^53 are rounded, as pandas does.
  options.allow_float_truncate = arrow::is_integer(values->type()->id()) && arrow::is_floating(type->id());
  const auto cast = arrow::compute::Cast(arrow::Datum(values), options, &exec);
  if (cast.ok()) return cast->chunked_array();
  const arrow::Status& status = cast.status();
  if (status.IsNotImplemented() || status.IsTypeError()) {
    return arrow::Status::TypeError("concat: column '", name, "' of type ", column->type()->ToString(),
                                    " cannot become ", type->ToString());
  }
  return status.WithMessage("concat: column '", name, "' of type ", column->type()->ToString(), " as ",
                            type->ToString(), ": ", status.message());
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::Schema>> ConcatSchema(const std::vector<std::shared_ptr<arrow::Schema>>& schemas,
                                                           bool outer) {
  if (schemas.empty()) return arrow::Status::Invalid("concat: there is no table");
  struct Column {
    std::shared_ptr<arrow::Field> field;
    size_t tables = 0;
  };
  std::vector<Column> columns;
  std::unordered_map<std::string, size_t> places;
  for (size_t s = 0; s < schemas.size(); ++s) {
    for (const auto& field : schemas[s]->fields()) {
      const auto [place, added] = places.try_emplace(field->name(), columns.size());
      if (added) columns.push_back({field, 0});
      Column& column = columns[place->second];
      if (schemas[s]->GetAllFieldIndices(field->name()).size() > 1) {
        return arrow::Status::Invalid("concat: table ", s, " has two columns '", field->name(),
                                      "'; rename one of them");
      }
      ++column.tables;
      ARROW_ASSIGN_OR_RAISE(auto type, CommonType(field->name(), column.field->type(), field->type()));
      column.field =
          column.field->WithType(std::move(type))->WithNullable(column.field->nullable() || field->nullable());
    }
  }
  arrow::FieldVector fields;
  for (const Column& column : columns) {
    if (column.tables == schemas.size()) {
      fields.push_back(column.field);
    } else if (outer) {
      fields.push_back(column.field->WithNullable(true));
    }
  }
  return arrow::schema(std::move(fields), schemas[0]->metadata());
}

arrow::Result<std::shared_ptr<arrow::Table>> Conform(const std::shared_ptr<arrow::Table>& table,
                                                     const std::shared_ptr<arrow::Schema>& schema,
                                                     const Context& context) {
  if (table->schema()->Equals(*schema, true)) return table;
  // Kernels beyond the basic ones are registered on first use; repeated calls do nothing.
  ARROW_RETURN_NOT_OK(arrow::compute::Initialize());
  std::vector<std::shared_ptr<arrow::ChunkedArray>> columns(static_cast<size_t>(schema->num_fields()));
  ARROW_RETURN_NOT_OK(ParallelFor(context, schema->num_fields(), [&](int64_t c) -> arrow::Status {
    const auto& field = schema->field(static_cast<int>(c));
    const auto found = table->schema()->GetAllFieldIndices(field->name());
    if (found.size() > 1) {
      return arrow::Status::Invalid("concat: a table has two columns '", field->name(), "'; rename one of them");
    }
    auto& column = columns[static_cast<size_t>(c)];
    if (!found.empty()) {
      return CastColumn(field->name(), table->column(found[0]), field->type(), context).Value(&column);
    }
    if (!field->nullable() && table->num_rows() > 0) {
      return arrow::Status::Invalid("concat: a table lacks column '", field->name(), "', which must not be null");
    }
    return NullColumn(field->type(), table->num_rows(), context).Value(&column);
  }));
  return arrow::Table::Make(schema, std::move(columns), table->num_rows());
}

arrow::Result<std::shared_ptr<arrow::Table>> Concat(const std::vector<std::shared_ptr<arrow::Table>>& tables,
                                                    bool outer, const Context& context) {
  std::vector<std::shared_ptr<arrow::Schema>> schemas;
  for (const auto& table : tables) schemas.push_back(table->schema());
  ARROW_ASSIGN_OR_RAISE(const auto schema, ConcatSchema(schemas, outer));
  TraceSpan span(context.tracer, "concat");
  std::vector<std::shared_ptr<arrow::Table>> conformed;
  for (const auto& table : tables) {
    ARROW_ASSIGN_OR_RAISE(auto part, Conform(table, schema, context));
    span.AddRows(part->num_rows());
    conformed.push_back(std::move(part));
  }
  return arrow::ConcatenateTables(conformed, {}, context.pool);
}

}  // namespace weft::kernels
