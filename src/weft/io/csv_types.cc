#include "weft/io/csv_types.h"

#include <arrow/array/util.h>

#include <algorithm>
#include <utility>

namespace weft::io {
namespace {

using arrow::Result;
using arrow::Status;
using arrow::Type;
using TypePtr = std::shared_ptr<arrow::DataType>;

bool IsPlainTime(const arrow::DataType& type) {
  return type.id() == Type::DATE32 ||
         (type.id() == Type::TIMESTAMP && static_cast<const arrow::TimestampType&>(type).timezone().empty());
}

bool IsTimestampWithZone(const arrow::DataType& type) { return type.id() == Type::TIMESTAMP && !IsPlainTime(type); }

bool HasNanoseconds(const arrow::DataType& type) {
  return type.id() == Type::TIMESTAMP && static_cast<const arrow::TimestampType&>(type).unit() == arrow::TimeUnit::NANO;
}

}  // namespace

TypePtr UnifyCsvTypes(const TypePtr& left, const TypePtr& right) {
  if (left->Equals(*right) || right->id() == Type::NA) return left;
  if (left->id() == Type::NA) return right;
  const auto number = [](const arrow::DataType& type) { return type.id() == Type::INT64 || type.id() == Type::DOUBLE; };
  if (number(*left) && number(*right)) return arrow::float64();
  const auto unit = HasNanoseconds(*left) || HasNanoseconds(*right) ? arrow::TimeUnit::NANO : arrow::TimeUnit::SECOND;
  if (IsPlainTime(*left) && IsPlainTime(*right)) return arrow::timestamp(unit);
  if (IsTimestampWithZone(*left) && IsTimestampWithZone(*right)) {
    const auto& zone = static_cast<const arrow::TimestampType&>(*left).timezone();
    if (zone == static_cast<const arrow::TimestampType&>(*right).timezone()) return arrow::timestamp(unit, zone);
  }
  if (left->id() == Type::BINARY || right->id() == Type::BINARY) return arrow::binary();
  return arrow::utf8();
}

Result<std::shared_ptr<arrow::Schema>> UnifyCsvSchemas(const std::vector<NamedSchema>& schemas) {
  const NamedSchema& first = schemas.front();
  arrow::FieldVector fields = first.schema->fields();
  for (const NamedSchema& other : schemas) {
    for (auto& field : fields) {
      const int i = other.schema->GetFieldIndex(field->name());
      if (i < 0) {
        return Status::KeyError("read_csv: file '", other.source, "' has no column '", field->name(), "', which '",
                                first.source, "' has");
      }
      field = field->WithType(UnifyCsvTypes(field->type(), other.schema->field(i)->type()));
    }
    for (const auto& field : other.schema->fields()) {
      if (first.schema->GetFieldIndex(field->name()) >= 0) continue;
      return Status::KeyError("read_csv: file '", other.source, "' has a column '", field->name(), "', which '",
                              first.source, "' has not");
    }
  }
  return arrow::schema(std::move(fields));
}

bool OnlyNullsDiffer(const arrow::Schema& from, const arrow::Schema& to) {
  return std::all_of(to.fields().begin(), to.fields().end(), [&](const auto& field) {
    const auto own = from.GetFieldByName(field->name());
    return own != nullptr && (own->type()->id() == Type::NA || own->type()->Equals(*field->type()));
  });
}

Result<std::shared_ptr<arrow::Table>> CastNulls(const arrow::Table& table, const std::shared_ptr<arrow::Schema>& schema,
                                                const Context& context) {
  arrow::ChunkedArrayVector columns;
  for (const auto& field : schema->fields()) {
    auto column = table.GetColumnByName(field->name());
    if (!column->type()->Equals(*field->type())) {
      ARROW_ASSIGN_OR_RAISE(auto nulls, arrow::MakeArrayOfNull(field->type(), table.num_rows(), context.pool));
      column = std::make_shared<arrow::ChunkedArray>(std::move(nulls));
    }
    columns.push_back(std::move(column));
  }
  return arrow::Table::Make(schema, std::move(columns), table.num_rows());
}

}  // namespace weft::io
