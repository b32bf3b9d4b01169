#include "weft/table/without_views.h"

#include <arrow/array.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/cast.h>
#include <arrow/compute/exec.h>
#include <arrow/extension_type.h>
#include <arrow/type_traits.h>

#include <algorithm>
#include <utility>

namespace weft::table {
namespace {

std::shared_ptr<arrow::Field> Of(const std::shared_ptr<arrow::Field>& field) {
  return field->WithType(WithoutViews(field->type()));
}

bool HoldsUnion(const arrow::DataType& type) {
  return arrow::is_union(type) ||
         std::ranges::any_of(type.fields(), [](const auto& field) { return HoldsUnion(*field->type()); });
}

/// The array as one of type `plain`, which is its own without views.
arrow::Result<std::shared_ptr<arrow::Array>> Plain(const std::shared_ptr<arrow::Array>& array,
                                                   const std::shared_ptr<arrow::DataType>& plain,
                                                   arrow::compute::ExecContext* exec) {
  if (array->type()->Equals(*plain)) return array;
  switch (array->type_id()) {
    case arrow::Type::EXTENSION:
      return Plain(static_cast<const arrow::ExtensionArray&>(*array).storage(), plain, exec);
    // Arrow (26) casts views of lists as if each ended where the next begins.
    case arrow::Type::LIST_VIEW: {
      const auto& views = static_cast<const arrow::ListViewArray&>(*array);
      ARROW_ASSIGN_OR_RAISE(const auto lists, arrow::ListArray::FromListView(views, exec->memory_pool()));
      return Plain(lists, plain, exec);
    }
    case arrow::Type::LARGE_LIST_VIEW: {
      const auto& views = static_cast<const arrow::LargeListViewArray&>(*array);
      ARROW_ASSIGN_OR_RAISE(const auto lists, arrow::LargeListArray::FromListView(views, exec->memory_pool()));
      return Plain(lists, plain, exec);
    }
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST:
    case arrow::Type::FIXED_SIZE_LIST:
    case arrow::Type::MAP:
    case arrow::Type::STRUCT:
    case arrow::Type::RUN_END_ENCODED: {
      auto data = array->data()->Copy();
      data->type = plain;
      for (size_t i = 0; i < data->child_data.size(); ++i) {
        const auto& type = plain->field(static_cast<int>(i))->type();
        ARROW_ASSIGN_OR_RAISE(const auto child, Plain(arrow::MakeArray(data->child_data[i]), type, exec));
        data->child_data[i] = child->data();
      }
      return arrow::MakeArray(std::move(data));
    }
    case arrow::Type::DICTIONARY: {
      auto data = array->data()->Copy();
      if (plain->id() != arrow::Type::DICTIONARY) {
        const auto& encoded = static_cast<const arrow::DictionaryArray&>(*array);
        ARROW_ASSIGN_OR_RAISE(const auto values, Plain(encoded.dictionary(), plain, exec));
        ARROW_ASSIGN_OR_RAISE(
            const auto taken,
            arrow::compute::Take(values, encoded.indices(), arrow::compute::TakeOptions::NoBoundsCheck(), exec));
        return taken.make_array();
      }
      const auto& type = static_cast<const arrow::DictionaryType&>(*plain).value_type();
      data->type = plain;
      ARROW_ASSIGN_OR_RAISE(const auto values, Plain(arrow::MakeArray(data->dictionary), type, exec));
      data->dictionary = values->data();
      return arrow::MakeArray(std::move(data));
    }
    default:
      break;
  }
  return arrow::compute::Cast(*array, plain, arrow::compute::CastOptions::Safe(), exec);
}

}  // namespace

std::shared_ptr<arrow::DataType> WithoutViews(const std::shared_ptr<arrow::DataType>& type) {
  std::shared_ptr<arrow::DataType> plain = type;
  switch (type->id()) {
    case arrow::Type::EXTENSION: {
      const auto& extension = static_cast<const arrow::ExtensionType&>(*type);
      // What pandas makes again of its own.
      if (extension.extension_name().starts_with("pandas.")) return type;
      if (extension.extension_name() == "arrow.bool8") return arrow::boolean();
      return WithoutViews(extension.storage_type());
    }
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
    case arrow::Type::FIXED_SIZE_LIST:
      plain =
          arrow::fixed_size_list(Of(type->field(0)), static_cast<const arrow::FixedSizeListType&>(*type).list_size());
      break;
    case arrow::Type::MAP: {
      const auto& map = static_cast<const arrow::MapType&>(*type);
      plain = std::make_shared<arrow::MapType>(Of(map.key_field()), Of(map.item_field()), map.keys_sorted());
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
      // Arrow (26) makes no one dictionary of several of these, and does not tell half floats apart where it does.
      if (values->id() == arrow::Type::HALF_FLOAT || values->id() == arrow::Type::NA || arrow::is_nested(*values)) {
        return values;
      }
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
  for (const auto& field : table->schema()->fields()) {
    if (!HoldsUnion(*field->type())) continue;
    return arrow::Status::TypeError("column '", field->name(), "' of type ", field->type()->ToString(),
                                    ": unions are not taken; make it a struct or text first");
  }
  auto schema = WithoutViews(table->schema());
  if (schema->Equals(*table->schema())) return table;
  arrow::compute::ExecContext exec(context.pool);
  exec.set_use_threads(false);
  auto columns = table->columns();
  for (int i = 0; i < table->num_columns(); ++i) {
    const auto& type = schema->field(i)->type();
    if (type->Equals(*table->field(i)->type())) continue;
    auto& column = columns[static_cast<size_t>(i)];
    arrow::ArrayVector chunks;
    for (const auto& chunk : column->chunks()) {
      ARROW_ASSIGN_OR_RAISE(chunks.emplace_back(), Plain(chunk, type, &exec));
    }
    column = std::make_shared<arrow::ChunkedArray>(std::move(chunks), type);
  }
  return arrow::Table::Make(std::move(schema), std::move(columns), table->num_rows());
}

}  // namespace weft::table
