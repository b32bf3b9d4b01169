#include "weft/table/columns.h"

#include <arrow/type_traits.h>
#include <arrow/util/checked_cast.h>

#include <algorithm>
#include <cctype>

namespace weft::table {
namespace {

using arrow::internal::checked_cast;

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

/// Insertions, deletions and substitutions between two words (Wagner, Fischer, "The string-to-string correction
/// problem", JACM 1974).
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

/// The column that was probably meant, or nothing.
std::string NearMiss(const arrow::Schema& schema, const std::string& name) {
  constexpr size_t kLongest = 64;
  if (name.size() > kLongest) return {};
  const std::string wanted = Lower(name);
  size_t best = std::max<size_t>(1, name.size() / 3) + 1;
  std::string found;
  for (const auto& field : schema.fields()) {
    if (field->name().size() > kLongest) continue;
    const size_t distance = EditDistance(wanted, Lower(field->name()));
    if (distance >= best) continue;
    best = distance;
    found = field->name();
  }
  return found;
}

std::string ColumnList(const arrow::Schema& schema) {
  constexpr int kMost = 50;
  std::string out;
  for (int i = 0; i < std::min(schema.num_fields(), kMost); ++i) {
    if (i > 0) out += ", ";
    out += "'" + schema.field(i)->name() + "'";
  }
  if (schema.num_fields() > kMost) out += " and " + std::to_string(schema.num_fields() - kMost) + " more";
  return out.empty() ? "there are none" : out;
}

}  // namespace

arrow::Result<std::vector<int>> FindColumns(const arrow::Schema& schema, std::span<const std::string> names,
                                            std::string_view operation) {
  std::vector<int> found;
  std::string missing;
  for (const std::string& name : names) {
    const std::vector<int> at = schema.GetAllFieldIndices(name);
    if (at.size() > 1) {
      return arrow::Status::Invalid(operation, ": ", at.size(), " columns are named '", name, "'; rename all but one");
    }
    if (at.size() == 1) {
      found.push_back(at[0]);
      continue;
    }
    if (!missing.empty()) missing += ", ";
    missing += "'" + name + "'";
    const std::string near = NearMiss(schema, name);
    if (!near.empty()) missing += " (did you mean '" + near + "'?)";
  }
  if (!missing.empty()) {
    return arrow::Status::KeyError(operation, ": no column ", missing, "; columns: ", ColumnList(schema));
  }
  return found;
}

bool CanBeKey(const arrow::DataType& type) {
  using arrow::Type;
  switch (type.id()) {
    case Type::NA:
    case Type::BOOL:
    case Type::DATE32:
    case Type::DATE64:
    case Type::TIME32:
    case Type::TIME64:
    case Type::TIMESTAMP:
    case Type::DURATION:
    case Type::STRING:
    case Type::LARGE_STRING:
    case Type::BINARY:
    case Type::LARGE_BINARY:
    case Type::FIXED_SIZE_BINARY:
      return true;
    case Type::DICTIONARY:
      return CanBeKey(*checked_cast<const arrow::DictionaryType&>(type).value_type());
    default:
      return arrow::is_integer(type.id()) || arrow::is_floating(type.id()) || arrow::is_decimal(type.id());
  }
}

arrow::Status CheckKeyTypes(const arrow::Schema& schema, std::span<const int> columns, std::string_view operation) {
  for (const int column : columns) {
    if (column < 0 || column >= schema.num_fields()) {
      return arrow::Status::IndexError(operation, ": no column number ", column, " among ", schema.num_fields());
    }
    const auto& field = schema.field(column);
    if (CanBeKey(*field->type())) continue;
    return arrow::Status::TypeError(operation, ": column '", field->name(), "' of type ", field->type()->ToString(),
                                    " cannot be a key");
  }
  return arrow::Status::OK();
}

std::shared_ptr<arrow::DataType> LogicalKeyType(const std::shared_ptr<arrow::DataType>& type) {
  switch (type->id()) {
    case arrow::Type::LARGE_STRING:
      return arrow::utf8();
    case arrow::Type::LARGE_BINARY:
      return arrow::binary();
    case arrow::Type::DICTIONARY:
      return LogicalKeyType(checked_cast<const arrow::DictionaryType&>(*type).value_type());
    default:
      return type;
  }
}

bool SameKeyType(const arrow::DataType& left, const arrow::DataType& right) {
  // LogicalKeyType wants shared pointers; these do not own.
  const auto borrow = [](const arrow::DataType& type) {
    return std::shared_ptr<arrow::DataType>(std::shared_ptr<void>(), const_cast<arrow::DataType*>(&type));
  };
  return LogicalKeyType(borrow(left))->Equals(*LogicalKeyType(borrow(right)));
}

}  // namespace weft::table
