#include "weft/io/row_filter.h"

#include <arrow/compute/api_vector.h>
#include <arrow/compute/exec.h>
#include <arrow/record_batch.h>

#include <algorithm>
#include <utility>

#include "weft/table/columns.h"

namespace weft::io {
namespace {

using arrow::Result;
using arrow::Status;

bool IsTrue(const arrow::compute::Expression& filter) {
  const arrow::Datum* value = filter.literal();
  if (value == nullptr || !value->is_scalar() || value->type()->id() != arrow::Type::BOOL) return false;
  const auto& scalar = static_cast<const arrow::BooleanScalar&>(*value->scalar());
  return scalar.is_valid && scalar.value;
}

Result<std::shared_ptr<arrow::RecordBatch>> FilterBatch(const arrow::compute::Expression& bound,
                                                        const std::shared_ptr<arrow::RecordBatch>& batch,
                                                        const Context& context) {
  arrow::compute::ExecContext execution(context.pool);
  execution.set_use_threads(false);
  ARROW_ASSIGN_OR_RAISE(const arrow::Datum mask,
                        arrow::compute::ExecuteScalarExpression(bound, arrow::compute::ExecBatch(*batch), &execution));
  if (mask.is_scalar()) {
    const auto& scalar = static_cast<const arrow::BooleanScalar&>(*mask.scalar());
    return scalar.is_valid && scalar.value ? batch : batch->Slice(0, 0);
  }
  ARROW_ASSIGN_OR_RAISE(const arrow::Datum kept,
                        arrow::compute::Filter(batch, mask, arrow::compute::FilterOptions::Defaults(), &execution));
  return kept.record_batch();
}

}  // namespace

Result<std::vector<std::string>> FilterColumns(const arrow::compute::Expression& filter, std::string_view operation) {
  std::vector<std::string> names;
  for (const arrow::FieldRef& ref : arrow::compute::FieldsInExpression(filter)) {
    const arrow::FieldRef* first = &ref;
    while (const auto* nested = first->nested_refs()) first = &nested->front();
    const std::string* name = first->name();
    if (name == nullptr) {
      return Status::Invalid(operation, ": the filter names a column by position (", ref.ToString(), "); use its name");
    }
    if (std::find(names.begin(), names.end(), *name) == names.end()) names.push_back(*name);
  }
  return names;
}

Result<RowFilter> RowFilter::Make(const arrow::compute::Expression& filter, std::shared_ptr<arrow::Schema> schema,
                                  std::string_view operation, const Context& context) {
  RowFilter made;
  made.schema_ = std::move(schema);
  made.bound_ = filter;
  made.trivial_ = IsTrue(filter);
  if (made.trivial_) return made;
  ARROW_ASSIGN_OR_RAISE(const auto names, FilterColumns(filter, operation));
  ARROW_RETURN_NOT_OK(table::FindColumns(*made.schema_, names, operation).status());
  arrow::compute::ExecContext execution(context.pool);
  auto bound = filter.Bind(*made.schema_, &execution);
  if (!bound.ok()) {
    return Status::TypeError(operation, ": the filter ", filter.ToString(),
                             " does not fit the columns' types: ", bound.status().message());
  }
  made.bound_ = *std::move(bound);
  const arrow::Type::type type = made.bound_.type()->id();
  if (type != arrow::Type::BOOL && type != arrow::Type::NA) {
    return Status::TypeError(operation, ": the filter ", filter.ToString(), " is ", made.bound_.type()->ToString(),
                             ", not boolean");
  }
  if (type == arrow::Type::NA) {
    made.bound_ = arrow::compute::literal(arrow::Datum(std::make_shared<arrow::BooleanScalar>()));
    ARROW_ASSIGN_OR_RAISE(made.bound_, made.bound_.Bind(*made.schema_, &execution));
  }
  return made;
}

Result<bool> RowFilter::MayPass(const arrow::compute::Expression& known) const {
  if (trivial_) return true;
  ARROW_ASSIGN_OR_RAISE(const auto fact, known.Bind(*schema_));
  ARROW_ASSIGN_OR_RAISE(const auto left, arrow::compute::SimplifyWithGuarantee(bound_, fact));
  return left.IsSatisfiable();
}

Result<std::shared_ptr<arrow::Table>> RowFilter::Apply(const std::shared_ptr<arrow::Table>& table,
                                                       const Context& context) const {
  if (trivial_) return table;
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  arrow::TableBatchReader reader(*table);
  for (;;) {
    std::shared_ptr<arrow::RecordBatch> batch;
    ARROW_RETURN_NOT_OK(reader.ReadNext(&batch));
    if (batch == nullptr) break;
    batches.push_back(std::move(batch));
  }
  ARROW_RETURN_NOT_OK(ParallelFor(context, static_cast<int64_t>(batches.size()), [&](int64_t i) {
    auto& batch = batches[static_cast<size_t>(i)];
    ARROW_ASSIGN_OR_RAISE(batch, FilterBatch(bound_, batch, context));
    return Status::OK();
  }));
  std::erase_if(batches, [](const auto& batch) { return batch->num_rows() == 0; });
  return arrow::Table::FromRecordBatches(table->schema(), batches);
}

}  // namespace weft::io
