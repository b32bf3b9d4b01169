#include "weft/kernels/beside.h"

#include <arrow/array.h>
#include <arrow/compare.h>
#include <arrow/compute/cast.h>

#include <string>
#include <utility>

namespace weft::kernels {
namespace {

/// Without the dictionary, which may differ where the values do not.
arrow::Result<std::shared_ptr<arrow::ChunkedArray>> Dense(const std::shared_ptr<arrow::ChunkedArray>& column,
                                                          const Context& context) {
  if (column->type()->id() != arrow::Type::DICTIONARY) return column;
  const auto& type = static_cast<const arrow::DictionaryType&>(*column->type());
  arrow::compute::ExecContext exec(context.pool);
  ARROW_ASSIGN_OR_RAISE(const arrow::Datum dense,
                        arrow::compute::Cast(column, type.value_type(), arrow::compute::CastOptions::Safe(), &exec));
  return dense.chunked_array();
}

}  // namespace

arrow::Status CheckSameRows(const arrow::Table& left, const arrow::Table& right, int index_columns,
                            std::string_view operation, const Context& context) {
  if (left.num_rows() != right.num_rows()) {
    return arrow::Status::Invalid(operation, ": one side has ", left.num_rows(), " rows, the other ", right.num_rows());
  }
  const arrow::EqualOptions options = arrow::EqualOptions::Defaults().nans_equal(true);
  for (int i = 0; i < index_columns; ++i) {
    ARROW_ASSIGN_OR_RAISE(const auto one, Dense(left.column(i), context));
    ARROW_ASSIGN_OR_RAISE(const auto other, Dense(right.column(i), context));
    if (!one->Equals(*other, options)) {
      return arrow::Status::Invalid(operation, ": the two sides' indexes (", left.field(i)->name(),
                                    ") differ; join them, or reset_index(drop=True) both to go by position");
    }
  }
  return arrow::Status::OK();
}

arrow::Result<std::shared_ptr<arrow::Table>> Beside(const std::vector<std::shared_ptr<arrow::Table>>& tables,
                                                    const std::vector<std::string>& names) {
  arrow::FieldVector fields;
  arrow::ChunkedArrayVector columns;
  const int64_t rows = tables.empty() ? 0 : tables.front()->num_rows();
  for (const auto& table : tables) {
    if (table->num_rows() != rows) {
      return arrow::Status::Invalid("columns of ", rows, " and of ", table->num_rows(), " rows make no table");
    }
    for (int i = 0; i < table->num_columns(); ++i) {
      if (fields.size() == names.size()) return arrow::Status::Invalid("there are more columns than names");
      fields.push_back(table->field(i)->WithName(names[fields.size()]));
      columns.push_back(table->column(i));
    }
  }
  if (fields.size() != names.size()) return arrow::Status::Invalid("there are more names than columns");
  return arrow::Table::Make(arrow::schema(std::move(fields)), std::move(columns), rows);
}

}  // namespace weft::kernels
