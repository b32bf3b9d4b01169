#include "weft/kernels/filter.h"

#include <arrow/array.h>
#include <arrow/array/util.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/exec.h>
#include <arrow/table.h>
#include <arrow/type_traits.h>

#include <utility>

#include "weft/kernels/functions.h"
#include "weft/kernels/text_search.h"
#include "weft/table/columns.h"

namespace weft::kernels {
namespace {

using arrow::compute::ExecBatch;
using arrow::compute::Expression;

/// Rows of one task.
constexpr int64_t kBatchRows = 1 << 17;
/// Where all but so small a share of the rows is kept, they are kept column by column.
constexpr int64_t kDenseShare = 16;

/// Every column that the expression names must be there, once.
arrow::Status CheckFields(const arrow::Schema& schema, const Expression& expression, std::string_view operation) {
  for (const arrow::FieldRef& field : arrow::compute::FieldsInExpression(expression)) {
    if (const std::string* name = field.name()) {
      const std::vector<std::string> names{*name};
      ARROW_RETURN_NOT_OK(table::FindColumns(schema, names, operation).status());
      continue;
    }
    const auto found = field.FindAll(schema);
    if (found.empty()) {
      return arrow::Status::KeyError(operation, ": there is no field ", field.ToString(), " in the table's columns ",
                                     schema.ToString());
    }
    if (found.size() > 1) {
      return arrow::Status::Invalid(operation, ": ", field.ToString(), " names more than one field");
    }
  }
  return arrow::Status::OK();
}

arrow::Result<Expression> Bind(const arrow::Schema& schema, const Expression& expression, std::string_view operation,
                               const Context& context) {
  ARROW_RETURN_NOT_OK(RegisterFunctions());
  ARROW_RETURN_NOT_OK(CheckFields(schema, expression, operation));
  arrow::compute::ExecContext exec(context.pool);
  auto bound = WithMatchedPieces(expression).Bind(schema, &exec);
  // Of other types than texts, as Arrow has it.
  if (!bound.ok()) bound = expression.Bind(schema, &exec);
  if (!bound.ok()) {
    const arrow::Status& status = bound.status();
    if (status.IsOutOfMemory() || status.IsCancelled()) return status;
    const std::string text = std::string(operation) + ": cannot evaluate " + expression.ToString() +
                             " on these columns: " + status.message();
    // Arrow says NotImplemented where no kernel takes the types, and KeyError where it knows no such function.
    if (status.IsNotImplemented() || status.IsTypeError()) return arrow::Status::TypeError(text);
    return arrow::Status::Invalid(text);
  }
  if (!bound->IsScalarExpression()) {
    return arrow::Status::Invalid(operation, ": ", expression.ToString(),
                                  " does not give one value a row; only such expressions can be used");
  }
  return bound;
}

/// The table cut into batches of at most kBatchRows rows without copying.
arrow::Result<arrow::RecordBatchVector> Batches(const arrow::Table& table) {
  arrow::TableBatchReader reader(table);
  reader.set_chunksize(kBatchRows);
  return reader.ToRecordBatches();
}

arrow::Result<arrow::Datum> Evaluate(const Expression& bound, const arrow::RecordBatch& batch,
                                     std::string_view operation, const Context& context) {
  arrow::compute::ExecContext exec(context.pool);
  exec.set_use_threads(false);
  auto result = arrow::compute::ExecuteScalarExpression(bound, ExecBatch(batch), &exec);
  if (result.ok()) return result;
  const arrow::Status& status = result.status();
  return status.WithMessage(operation, ": ", bound.ToString(), ": ", status.message());
}

/// The rows of a batch where `mask`, a boolean scalar or array, is true; nullptr for none.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> Select(const std::shared_ptr<arrow::RecordBatch>& batch,
                                                          const arrow::Datum& mask, const Context& context) {
  if (mask.is_scalar()) {
    const auto& scalar = static_cast<const arrow::BooleanScalar&>(*mask.scalar());
    return scalar.is_valid && scalar.value ? batch : nullptr;
  }
  const auto array = mask.make_array();
  const int64_t chosen = static_cast<const arrow::BooleanArray&>(*array).true_count();
  if (chosen == 0) return nullptr;
  if (chosen == batch->num_rows()) return batch;
  if (batch->num_columns() == 0) return arrow::RecordBatch::Make(batch->schema(), chosen, arrow::ArrayVector());
  arrow::compute::ExecContext exec(context.pool);
  exec.set_use_threads(false);
  if (chosen >= batch->num_rows() / kDenseShare * (kDenseShare - 1)) {
    // Stretches of rows are copied whole; for a batch Arrow would take row by row.
    arrow::ArrayVector columns;
    for (const auto& column : batch->columns()) {
      ARROW_ASSIGN_OR_RAISE(const arrow::Datum kept,
                            arrow::compute::Filter(column, array, arrow::compute::FilterOptions::Defaults(), &exec));
      columns.push_back(kept.make_array());
    }
    return arrow::RecordBatch::Make(batch->schema(), chosen, std::move(columns));
  }
  ARROW_ASSIGN_OR_RAISE(const arrow::Datum kept,
                        arrow::compute::Filter(batch, array, arrow::compute::FilterOptions::Defaults(), &exec));
  return kept.record_batch();
}

/// One of the conditions that all must be true.
struct Condition {
  Expression expression;
  /// It, or a later one, reads texts or lists.
  bool dear = false;
};

/// The conditions in their order, so that later ones need not be evaluated for rows for which an earlier one is false.
void AddConditions(const arrow::Schema& schema, const Expression& expression, std::vector<Condition>* conditions) {
  const auto* call = expression.call();
  if (call != nullptr && (call->function_name == "and" || call->function_name == "and_kleene")) {
    for (const Expression& argument : call->arguments) AddConditions(schema, argument, conditions);
    return;
  }
  bool dear = false;
  for (const arrow::FieldRef& field : arrow::compute::FieldsInExpression(expression)) {
    const auto found = field.GetOneOrNone(schema);
    dear = dear || !found.ok() || *found == nullptr || !arrow::is_fixed_width(*(*found)->type());
  }
  conditions->push_back({expression, dear});
  if (!dear) return;
  for (Condition& earlier : *conditions) earlier.dear = true;
}

/// Whether so few rows are left that the conditions to come are worth evaluating for those alone, which copies them.
bool AreFew(const arrow::Datum& mask, int64_t rows, bool dear) {
  if (!mask.is_array()) return false;
  return static_cast<const arrow::BooleanArray&>(*mask.make_array()).true_count() <= rows / (dear ? 3 : 32);
}

/// The rows of a batch for which all conditions are true; nullptr for none.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> Choose(std::shared_ptr<arrow::RecordBatch> batch,
                                                          const std::vector<Condition>& conditions,
                                                          const Context& context) {
  arrow::compute::ExecContext exec(context.pool);
  exec.set_use_threads(false);
  arrow::Datum mask;
  for (const auto& [condition, dear] : conditions) {
    if (mask.kind() != arrow::Datum::NONE && AreFew(mask, batch->num_rows(), dear)) {
      ARROW_ASSIGN_OR_RAISE(batch, Select(batch, mask, context));
      if (batch == nullptr) return batch;
      mask = arrow::Datum();
    }
    ARROW_ASSIGN_OR_RAISE(auto holds, Evaluate(condition, *batch, "filter", context));
    if (mask.kind() == arrow::Datum::NONE) {
      mask = std::move(holds);
    } else {
      ARROW_ASSIGN_OR_RAISE(mask, arrow::compute::CallFunction("and_kleene", {mask, holds}, &exec));
    }
  }
  return Select(batch, mask, context);
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::Table>> Filter(const std::shared_ptr<arrow::Table>& table,
                                                    const Expression& predicate, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto bound, Bind(*table->schema(), predicate, "filter", context));
  if (bound.type()->id() != arrow::Type::BOOL) {
    return arrow::Status::TypeError("filter: the predicate ", predicate.ToString(), " has type ",
                                    bound.type()->ToString(), ", not bool");
  }
  TraceSpan span(context.tracer, "filter");
  span.AddRows(table->num_rows());
  std::vector<Condition> conditions;
  AddConditions(*table->schema(), bound, &conditions);
  ARROW_ASSIGN_OR_RAISE(auto batches, Batches(*table));
  ARROW_RETURN_NOT_OK(ParallelFor(context, static_cast<int64_t>(batches.size()), [&](int64_t b) -> arrow::Status {
    auto& batch = batches[static_cast<size_t>(b)];
    ARROW_ASSIGN_OR_RAISE(batch, Choose(std::move(batch), conditions, context));
    return arrow::Status::OK();
  }));
  std::erase(batches, nullptr);
  return arrow::Table::FromRecordBatches(table->schema(), batches);
}

arrow::Result<std::shared_ptr<arrow::Table>> Project(const std::shared_ptr<arrow::Table>& table,
                                                     const std::vector<Projection>& projections,
                                                     const Context& context) {
  const arrow::Schema& schema = *table->schema();
  arrow::FieldVector fields;
  std::vector<std::shared_ptr<arrow::ChunkedArray>> columns(projections.size());
  std::vector<Expression> bound;
  bool computed = false;
  for (size_t p = 0; p < projections.size(); ++p) {
    const Projection& projection = projections[p];
    ARROW_ASSIGN_OR_RAISE(auto expression, Bind(schema, projection.expression, "project", context));
    const arrow::FieldRef* field = projection.expression.field_ref();
    if (field != nullptr && !field->IsNested()) {
      // A column as it is.
      ARROW_ASSIGN_OR_RAISE(const auto path, field->FindOne(schema));
      columns[p] = table->column(path[0]);
      fields.push_back(schema.field(path[0])->WithName(projection.name));
    } else {
      fields.push_back(arrow::field(projection.name, expression.type()->GetSharedPtr()));
      computed = true;
    }
    bound.push_back(std::move(expression));
  }
  TraceSpan span(context.tracer, "project");
  span.AddRows(table->num_rows());
  arrow::RecordBatchVector batches;
  if (computed) {
    ARROW_ASSIGN_OR_RAISE(batches, Batches(*table));
  }
  std::vector<arrow::ArrayVector> chunks(projections.size(), arrow::ArrayVector(batches.size()));
  ARROW_RETURN_NOT_OK(ParallelFor(context, static_cast<int64_t>(batches.size()), [&](int64_t b) -> arrow::Status {
    const auto& batch = *batches[static_cast<size_t>(b)];
    for (size_t p = 0; p < projections.size(); ++p) {
      if (columns[p] != nullptr) continue;
      ARROW_ASSIGN_OR_RAISE(const auto value, Evaluate(bound[p], batch, "project", context));
      auto& chunk = chunks[p][static_cast<size_t>(b)];
      if (value.is_scalar()) {
        ARROW_ASSIGN_OR_RAISE(chunk, arrow::MakeArrayFromScalar(*value.scalar(), batch.num_rows(), context.pool));
      } else {
        chunk = value.make_array();
      }
    }
    return arrow::Status::OK();
  }));
  for (size_t p = 0; p < projections.size(); ++p) {
    if (columns[p] != nullptr) continue;
    columns[p] = std::make_shared<arrow::ChunkedArray>(std::move(chunks[p]), fields[p]->type());
  }
  return arrow::Table::Make(arrow::schema(std::move(fields), schema.metadata()), std::move(columns), table->num_rows());
}

}  // namespace weft::kernels
