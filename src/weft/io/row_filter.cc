#include "weft/io/row_filter.h"

#include <arrow/array/builder_primitive.h>
#include <arrow/array/util.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/exec.h>
#include <arrow/record_batch.h>
#include <arrow/util/bit_util.h>

#include <algorithm>
#include <bit>
#include <cstring>
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

/// For each row whether the filter is true: one answer for all, or an array of bools.
Result<arrow::Datum> MaskOf(const arrow::compute::Expression& bound, const arrow::RecordBatch& batch,
                            const Context& context) {
  arrow::compute::ExecContext execution(context.pool);
  execution.set_use_threads(false);
  return arrow::compute::ExecuteScalarExpression(bound, arrow::compute::ExecBatch(batch), &execution);
}

bool IsTrueScalar(const arrow::Scalar& mask) {
  return mask.is_valid && static_cast<const arrow::BooleanScalar&>(mask).value;
}

/// Eight bytes' worth of bits from bit `at` on, of `left` bits; those past the end are 0.
uint64_t BitsFrom(const uint8_t* bits, int64_t at, int64_t left) {
  uint64_t word = 0;
  if (at % 8 == 0 && left >= 64) {
    std::memcpy(&word, bits + at / 8, sizeof(word));
    return word;
  }
  for (int64_t i = 0; i < std::min<int64_t>(left, 64); ++i) {
    word |= static_cast<uint64_t>(arrow::bit_util::GetBit(bits, at + i)) << i;
  }
  return word;
}

/// Writes `first` and up for the rows that are true, and returns the end of what was written.
int64_t* PutTrue(const arrow::BooleanArray& mask, int64_t first, int64_t* out) {
  const uint8_t* const values = mask.values()->data();
  const uint8_t* const validity = mask.null_bitmap_data();
  for (int64_t i = 0; i < mask.length(); i += 64) {
    const int64_t left = mask.length() - i;
    uint64_t word = BitsFrom(values, mask.offset() + i, left);
    if (validity != nullptr) word &= BitsFrom(validity, mask.offset() + i, left);
    for (; word != 0; word &= word - 1) *out++ = first + i + std::countr_zero(word);
  }
  return out;
}

Result<std::shared_ptr<arrow::RecordBatch>> FilterBatch(const arrow::compute::Expression& bound,
                                                        const std::shared_ptr<arrow::RecordBatch>& batch,
                                                        const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const arrow::Datum mask, MaskOf(bound, *batch, context));
  if (mask.is_scalar()) return IsTrueScalar(*mask.scalar()) ? batch : batch->Slice(0, 0);
  arrow::compute::ExecContext execution(context.pool);
  execution.set_use_threads(false);
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

Result<std::shared_ptr<arrow::ChunkedArray>> TakeRows(const arrow::ChunkedArray& column, const arrow::Int64Array& rows,
                                                      const Context& context) {
  arrow::compute::ExecContext execution(context.pool);
  execution.set_use_threads(false);
  arrow::ArrayVector chunks;
  int64_t first = 0;
  int64_t begin = 0;
  for (const auto& chunk : column.chunks()) {
    const int64_t* const values = rows.raw_values();
    const int64_t end = std::lower_bound(values + begin, values + rows.length(), first + chunk->length()) - values;
    auto places = rows.Slice(begin, end - begin);
    if (first > 0) {
      arrow::Int64Builder shifted(context.pool);
      ARROW_RETURN_NOT_OK(shifted.Reserve(end - begin));
      for (int64_t i = begin; i < end; ++i) shifted.UnsafeAppend(values[i] - first);
      ARROW_ASSIGN_OR_RAISE(places, shifted.Finish());
    }
    ARROW_ASSIGN_OR_RAISE(
        const arrow::Datum taken,
        arrow::compute::Take(chunk, places, arrow::compute::TakeOptions::NoBoundsCheck(), &execution));
    chunks.push_back(taken.make_array());
    first += chunk->length();
    begin = end;
  }
  return std::make_shared<arrow::ChunkedArray>(std::move(chunks), column.type());
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

Result<std::shared_ptr<arrow::Int64Array>> RowFilter::Select(const std::shared_ptr<arrow::Table>& table,
                                                             const Context& context) const {
  if (trivial_) return nullptr;
  std::vector<std::pair<int64_t, arrow::Datum>> masks;
  int64_t count = 0;
  int64_t first = 0;
  arrow::TableBatchReader reader(*table);
  for (;;) {
    std::shared_ptr<arrow::RecordBatch> batch;
    ARROW_RETURN_NOT_OK(reader.ReadNext(&batch));
    if (batch == nullptr) break;
    ARROW_ASSIGN_OR_RAISE(arrow::Datum mask, MaskOf(bound_, *batch, context));
    if (mask.is_scalar()) {
      // The same for each row: as an array it is only of the rows' number.
      const arrow::BooleanScalar same(IsTrueScalar(*mask.scalar()));
      ARROW_ASSIGN_OR_RAISE(mask, arrow::MakeArrayFromScalar(same, batch->num_rows(), context.pool));
    }
    count += static_cast<const arrow::BooleanArray&>(*mask.make_array()).true_count();
    masks.emplace_back(first, std::move(mask));
    first += batch->num_rows();
  }
  if (count == table->num_rows()) return nullptr;
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> rows,
                        arrow::AllocateBuffer(count * static_cast<int64_t>(sizeof(int64_t)), context.pool));
  auto* out = reinterpret_cast<int64_t*>(rows->mutable_data());
  for (const auto& [begin, mask] : masks) {
    out = PutTrue(static_cast<const arrow::BooleanArray&>(*mask.make_array()), begin, out);
  }
  return std::make_shared<arrow::Int64Array>(count, std::move(rows));
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
