#include "weft/table/without_views.h"

#include <arrow/array/array_run_end.h>
#include <arrow/compute/cast.h>
#include <arrow/compute/exec.h>

#include <utility>

namespace weft::table {
namespace {

std::shared_ptr<arrow::Field> Of(const std::shared_ptr<arrow::Field>& field) {
  return field->WithType(WithoutViews(field->type()));
}

/// Runs whose values are cast; Arrow casts none.
arrow::Result<std::shared_ptr<arrow::ChunkedArray>> CastRuns(const arrow::ChunkedArray& column,
                                                             const std::shared_ptr<arrow::DataType>& type,
                                                             arrow::compute::ExecContext* exec) {
  const auto& values_type = static_cast<const arrow::RunEndEncodedType&>(*type).value_type();
  arrow::ArrayVector chunks;
  for (const auto& chunk : column.chunks()) {
    const auto& encoded = static_cast<const arrow::RunEndEncodedArray&>(*chunk);
    ARROW_ASSIGN_OR_RAISE(
        auto values, arrow::compute::Cast(*encoded.values(), values_type, arrow::compute::CastOptions::Safe(), exec));
    ARROW_ASSIGN_OR_RAISE(
        chunks.emplace_back(),
        arrow::RunEndEncodedArray::Make(type, chunk->length(), encoded.run_ends(), std::move(values), chunk->offset()));
  }
  return std::make_shared<arrow::ChunkedArray>(std::move(chunks), type);
}

}  // namespace

std::shared_ptr<arrow::DataType> WithoutViews(const std::shared_ptr<arrow::DataType>& type) {
  std::shared_ptr<arrow::DataType> plain = type;
  switch (type->id()) {
    case arrow::Type::STRING_VIEW:
      return arrow::utf8();
    case arrow::Type::BINARY_VIEW:
      return arrow::binary();
    case arrow::Type::LIST:
    case arrow::Type::LIST_VIEW:
      plain = arrow::list(Of(type->field(0)));
      break;
    case arrow::Type::LARGE_LIST:
    case arrow::Type::LARGE_LIST_VIEW:
      plain = arrow::large_list(Of(type->field(0)));
      break;
    case arrow::Type::STRUCT: {
      arrow::FieldVector fields;
      for (const auto& field : type->fields()) fields.push_back(Of(field));
      plain = arrow::struct_(std::move(fields));
      break;
    }
    case arrow::Type::RUN_END_ENCODED: {
      const auto& encoded = static_cast<const arrow::RunEndEncodedType&>(*type);
      plain = arrow::run_end_encoded(encoded.run_end_type(), WithoutViews(encoded.value_type()));
      break;
    }
    case arrow::Type::DICTIONARY: {
      const auto& dictionary = static_cast<const arrow::DictionaryType&>(*type);
      auto values = WithoutViews(dictionary.value_type());
      // Arrow (26) does not tell half floats apart where it makes one dictionary of several.
      if (values->id() == arrow::Type::HALF_FLOAT) return values;
      plain = arrow::dictionary(dictionary.index_type(), std::move(values), dictionary.ordered());
      break;
    }
    default:
      break;
  }
  return plain->Equals(*type) ? type : plain;
}

std::shared_ptr<arrow::Schema> WithoutViews(const std::shared_ptr<arrow::Schema>& schema) {
  arrow::FieldVector fields;
  for (const auto& field : schema->fields()) fields.push_back(Of(field));
  return arrow::schema(std::move(fields), schema->metadata());
}

arrow::Result<std::shared_ptr<arrow::Table>> WithoutViews(const std::shared_ptr<arrow::Table>& table,
                                                          const Context& context) {
  auto schema = WithoutViews(table->schema());
  if (schema->Equals(*table->schema())) return table;
  arrow::compute::ExecContext exec(context.pool);
  exec.set_use_threads(false);
  auto columns = table->columns();
  for (int i = 0; i < table->num_columns(); ++i) {
    const auto& type = schema->field(i)->type();
    if (type->Equals(*table->field(i)->type())) continue;
    auto& column = columns[static_cast<size_t>(i)];
    if (type->id() == arrow::Type::RUN_END_ENCODED) {
      ARROW_ASSIGN_OR_RAISE(column, CastRuns(*column, type, &exec));
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(const auto plain,
                          arrow::compute::Cast(column, arrow::compute::CastOptions::Safe(type), &exec));
    column = plain.chunked_array();
  }
  return arrow::Table::Make(std::move(schema), std::move(columns), table->num_rows());
}

}  // namespace weft::table
