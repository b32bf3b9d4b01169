#include "weft/table/runs.h"

#include <arrow/array/array_run_end.h>
#include <arrow/array/concatenate.h>
#include <arrow/chunked_array.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/cast.h>
#include <arrow/compute/exec.h>
#include <arrow/util/byte_size.h>
#include <arrow/util/checked_cast.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "weft/table/columns.h"

namespace weft::table {
namespace {

using arrow::internal::checked_cast;
using ArrayPtr = std::shared_ptr<arrow::Array>;
using ColumnPtr = std::shared_ptr<arrow::ChunkedArray>;
using TablePtr = std::shared_ptr<arrow::Table>;

bool IsEncoded(const arrow::DataType& type) { return type.id() == arrow::Type::RUN_END_ENCODED; }

std::shared_ptr<arrow::DataType> ValueType(const arrow::DataType& type) {
  return checked_cast<const arrow::RunEndEncodedType&>(type).value_type();
}

bool MayStay(const arrow::DataType& values) {
  return CanBeKey(values) && values.id() != arrow::Type::DICTIONARY && values.id() != arrow::Type::NA;
}

arrow::compute::ExecContext OneThread(arrow::MemoryPool* pool) {
  arrow::compute::ExecContext exec(pool);
  exec.set_use_threads(false);
  return exec;
}

/// Of 32 bits a run's end is below this.
constexpr int64_t kMostRows = INT32_MAX;

/// A chunk of another kind of ends, as one or more of ours.
arrow::Status AppendOurs(const arrow::Array& chunk, const std::shared_ptr<arrow::DataType>& type,
                         arrow::MemoryPool* pool, arrow::ArrayVector* out) {
  auto exec = OneThread(pool);
  for (int64_t begin = 0; begin < chunk.length(); begin += kMostRows) {
    const auto slice = chunk.Slice(begin, kMostRows);
    const auto& encoded = checked_cast<const arrow::RunEndEncodedArray&>(*slice);
    ARROW_ASSIGN_OR_RAISE(auto ends, encoded.LogicalRunEnds(pool));
    ARROW_ASSIGN_OR_RAISE(ends,
                          arrow::compute::Cast(*ends, arrow::int32(), arrow::compute::CastOptions::Safe(), &exec));
    ARROW_ASSIGN_OR_RAISE(auto made, arrow::RunEndEncodedArray::Make(type, slice->length(), std::move(ends),
                                                                     encoded.LogicalValues(), /*offset=*/0));
    out->push_back(std::move(made));
  }
  return arrow::Status::OK();
}

/// The table with `make` of each column whose type `wanted` changes.
arrow::Result<TablePtr> Change(
    const TablePtr& table, const std::function<std::shared_ptr<arrow::DataType>(int)>& wanted,
    const std::function<arrow::Status(const ArrayPtr& chunk, const std::shared_ptr<arrow::DataType>& type,
                                      arrow::ArrayVector* out)>& make) {
  TablePtr made = table;
  for (int c = 0; c < table->num_columns(); ++c) {
    const auto type = wanted(c);
    if (type->Equals(*table->field(c)->type())) continue;
    arrow::ArrayVector chunks;
    for (const auto& chunk : table->column(c)->chunks()) ARROW_RETURN_NOT_OK(make(chunk, type, &chunks));
    ARROW_ASSIGN_OR_RAISE(made, made->SetColumn(c, table->field(c)->WithType(type),
                                                std::make_shared<arrow::ChunkedArray>(std::move(chunks), type)));
  }
  return made;
}

arrow::Result<TablePtr> Decode(const TablePtr& table, const std::function<bool(int)>& chosen, const Context& context) {
  return Change(
      table,
      [&](int c) {
        const auto& type = table->field(c)->type();
        return IsEncoded(*type) && chosen(c) ? WithoutRuns(type) : type;
      },
      [&](const ArrayPtr& chunk, const std::shared_ptr<arrow::DataType>&, arrow::ArrayVector* out) -> arrow::Status {
        ARROW_RETURN_NOT_OK(context.stop.Poll());
        ARROW_ASSIGN_OR_RAISE(out->emplace_back(), WithoutRuns(chunk, context.pool));
        return arrow::Status::OK();
      });
}

/// A column's runs, and about how many bytes a value of theirs takes.
struct Runs {
  int64_t count = 0;
  double width = 0;
};

arrow::Result<Runs> RunsOf(const arrow::ChunkedArray& column) {
  Runs runs;
  int64_t bytes = 0;
  for (const auto& chunk : column.chunks()) {
    const auto values = checked_cast<const arrow::RunEndEncodedArray&>(*chunk).LogicalValues();
    ARROW_ASSIGN_OR_RAISE(const int64_t more, arrow::util::ReferencedBufferSize(*values));
    runs.count += values->length();
    bytes += more;
  }
  runs.width = static_cast<double>(bytes) / static_cast<double>(std::max<int64_t>(runs.count, 1));
  return runs;
}

}  // namespace

bool HasRuns(const arrow::DataType& type) {
  if (!IsEncoded(type)) return false;
  const auto& encoded = checked_cast<const arrow::RunEndEncodedType&>(type);
  return encoded.run_end_type()->id() == arrow::Type::INT32 && MayStay(*encoded.value_type());
}

bool HasRuns(const arrow::Schema& schema) {
  return std::any_of(schema.fields().begin(), schema.fields().end(),
                     [](const auto& field) { return IsEncoded(*field->type()); });
}

std::shared_ptr<arrow::DataType> WithoutRuns(const std::shared_ptr<arrow::DataType>& type) {
  return IsEncoded(*type) ? ValueType(*type) : type;
}

std::shared_ptr<arrow::Schema> WithoutRuns(const std::shared_ptr<arrow::Schema>& schema) {
  if (!HasRuns(*schema)) return schema;
  arrow::FieldVector fields;
  for (const auto& field : schema->fields()) fields.push_back(field->WithType(WithoutRuns(field->type())));
  return arrow::schema(std::move(fields), schema->metadata());
}

arrow::Result<ArrayPtr> WithoutRuns(const ArrayPtr& array, arrow::MemoryPool* pool) {
  if (!IsEncoded(*array->type())) return array;
  auto exec = OneThread(pool);
  if (MayStay(*ValueType(*array->type()))) {
    ARROW_ASSIGN_OR_RAISE(const auto plain, arrow::compute::RunEndDecode(array, &exec));
    return plain.make_array();
  }
  // Arrow decodes no dictionaries and nothing nested: each row takes the value of its run.
  const auto& encoded = checked_cast<const arrow::RunEndEncodedArray&>(*array);
  ARROW_ASSIGN_OR_RAISE(const auto ends, encoded.LogicalRunEnds(pool));
  ARROW_ASSIGN_OR_RAISE(const auto wide,
                        arrow::compute::Cast(*ends, arrow::int64(), arrow::compute::CastOptions::Safe(), &exec));
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> numbers,
                        arrow::AllocateBuffer(array->length() * static_cast<int64_t>(sizeof(int64_t)), pool));
  auto* out = reinterpret_cast<int64_t*>(numbers->mutable_data());
  const int64_t* end = wide->data()->GetValues<int64_t>(1);
  int64_t row = 0;
  for (int64_t run = 0; run < wide->length(); ++run) {
    for (; row < end[run]; ++row) out[row] = run;
  }
  const auto indices = arrow::ArrayData::Make(arrow::int64(), array->length(), {nullptr, std::move(numbers)}, 0);
  ARROW_ASSIGN_OR_RAISE(const auto taken, arrow::compute::Take(encoded.LogicalValues(), arrow::Datum(indices),
                                                               arrow::compute::TakeOptions::NoBoundsCheck(), &exec));
  return taken.make_array();
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> WithoutRuns(const std::shared_ptr<arrow::RecordBatch>& batch,
                                                               arrow::MemoryPool* pool) {
  auto schema = WithoutRuns(batch->schema());
  if (schema == batch->schema()) return batch;
  arrow::ArrayVector columns;
  for (const auto& column : batch->columns()) {
    ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), WithoutRuns(column, pool));
  }
  return arrow::RecordBatch::Make(std::move(schema), batch->num_rows(), std::move(columns));
}

arrow::Result<TablePtr> WithoutRuns(const TablePtr& table, const Context& context) {
  return Decode(table, [](int) { return true; }, context);
}

arrow::Result<TablePtr> WithoutRuns(const TablePtr& table, std::span<const int> columns, const Context& context) {
  return Decode(table, [&](int c) { return std::find(columns.begin(), columns.end(), c) != columns.end(); }, context);
}

arrow::Result<TablePtr> WithOurRuns(const TablePtr& table, const Context& context) {
  return Change(
      table,
      [&](int c) {
        const auto& type = table->field(c)->type();
        if (!IsEncoded(*type)) return type;
        const auto values = ValueType(*type);
        return MayStay(*values) ? arrow::run_end_encoded(arrow::int32(), values) : values;
      },
      [&](const ArrayPtr& chunk, const std::shared_ptr<arrow::DataType>& type,
          arrow::ArrayVector* out) -> arrow::Status {
        if (IsEncoded(*type)) return AppendOurs(*chunk, type, context.pool, out);
        ARROW_ASSIGN_OR_RAISE(out->emplace_back(), WithoutRuns(chunk, context.pool));
        return arrow::Status::OK();
      });
}

bool RunsPay(double width, int64_t rows, int64_t runs, int parts) {
  if (rows == 0) return true;
  const auto count = static_cast<double>(runs);
  const double length = static_cast<double>(rows) / count;
  // A run comes to a part with the chance that one of its rows does.
  const double reached = 1 - std::pow(1 - 1.0 / parts, length);
  return 2 * count * parts * reached * (width + sizeof(int32_t)) < static_cast<double>(rows) * width;
}

arrow::Result<TablePtr> WithRunsThatPay(const TablePtr& table, int parts, const Context& context) {
  std::vector<int> dropped;
  for (int c = 0; c < table->num_columns(); ++c) {
    const auto& column = *table->column(c);
    if (!IsEncoded(*column.type())) continue;
    ARROW_ASSIGN_OR_RAISE(const Runs runs, RunsOf(column));
    const bool pay = HasRuns(*column.type()) && RunsPay(runs.width, column.length(), runs.count, parts);
    if (!pay) dropped.push_back(c);
  }
  return WithoutRuns(table, dropped, context);
}

}  // namespace weft::table
