#include "weft/io/hive.h"

#include <arrow/array/concatenate.h>
#include <arrow/builder.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/cast.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "weft/io/glob.h"
#include "weft/table/columns.h"

namespace weft::io {
namespace {

using arrow::Result;
using arrow::Status;
namespace compute = arrow::compute;

/// Hive's name of null.
constexpr std::string_view kNull = "__HIVE_DEFAULT_PARTITION__";

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string Decode(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 && HexDigit(text[i + 2]) >= 0) {
      plain += static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2]));
      i += 2;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

/// As Arrow writes them: all but letters, digits and "-_.~" percent-encoded.
std::string Encode(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string made;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '_' || c == '.' || c == '~';
    if (plain) {
      made += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      made += '%';
      made += kHex[byte >> 4];
      made += kHex[byte & 15];
    }
  }
  return made;
}

std::optional<int64_t> Integer(std::string_view text) {
  int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

bool IsHiveDirectory(std::string_view name) { return name.find('=') != std::string_view::npos && name[0] != '='; }

std::vector<HiveKey> ParseHive(std::string_view relative_path) {
  std::vector<HiveKey> keys;
  auto parts = SplitPath(relative_path);
  if (!parts.empty()) parts.pop_back();
  for (const std::string_view part : parts) {
    if (!IsHiveDirectory(part)) continue;
    const size_t equals = part.find('=');
    HiveKey key;
    key.name = Decode(part.substr(0, equals));
    const std::string_view value = part.substr(equals + 1);
    key.null = value == kNull;
    if (!key.null) key.value = Decode(value);
    keys.push_back(std::move(key));
  }
  return keys;
}

Result<arrow::FieldVector> HiveFields(std::span<const DataFile> files) {
  arrow::FieldVector fields;
  if (files.empty()) return fields;
  const auto& first = files.front().keys;
  for (size_t k = 0; k < first.size(); ++k) {
    bool integers = true;
    bool any = false;
    for (const DataFile& file : files) {
      if (file.keys.size() != first.size() || file.keys[k].name != first[k].name) {
        return Status::Invalid("the directories of '", file.name, "' and '", files.front().name,
                               "' do not hold the same columns");
      }
      if (file.keys[k].null) continue;
      any = true;
      integers = integers && Integer(file.keys[k].value).has_value();
    }
    fields.push_back(arrow::field(first[k].name, integers && any ? arrow::int64() : arrow::utf8()));
  }
  for (const DataFile& file : files) {
    if (file.keys.size() != first.size()) {
      return Status::Invalid("the directories of '", file.name, "' and '", files.front().name,
                             "' do not hold the same columns");
    }
  }
  return fields;
}

Result<std::shared_ptr<arrow::Scalar>> HiveScalar(const HiveKey& key, const arrow::Field& field) {
  if (key.null) return arrow::MakeNullScalar(field.type());
  if (field.type()->id() != arrow::Type::INT64) return std::make_shared<arrow::StringScalar>(key.value);
  const auto value = Integer(key.value);
  if (!value.has_value()) return Status::Invalid("'", key.value, "' is no integer");
  return std::make_shared<arrow::Int64Scalar>(*value);
}

Result<compute::Expression> HiveFact(const DataFile& file, const arrow::FieldVector& fields,
                                     const arrow::Schema& schema) {
  std::vector<compute::Expression> facts;
  for (size_t k = 0; k < file.keys.size(); ++k) {
    if (schema.GetFieldIndex(fields[k]->name()) < 0) continue;
    ARROW_ASSIGN_OR_RAISE(const auto value, HiveScalar(file.keys[k], *fields[k]));
    const auto column = compute::field_ref(fields[k]->name());
    facts.push_back(file.keys[k].null ? compute::is_null(column) : compute::equal(column, compute::literal(value)));
  }
  if (facts.empty()) return compute::literal(true);
  return compute::and_(std::move(facts));
}

Status CheckHiveColumns(const arrow::Schema& schema, const std::vector<std::string>& columns) {
  ARROW_ASSIGN_OR_RAISE(const auto found, table::FindColumns(schema, columns, "partition_cols"));
  if (static_cast<int>(found.size()) >= schema.num_fields()) {
    return Status::Invalid("partition_cols: no column is left for the files");
  }
  for (const int column : found) {
    const auto& field = *schema.field(column);
    auto type = field.type();
    if (type->id() == arrow::Type::DICTIONARY) type = static_cast<const arrow::DictionaryType&>(*type).value_type();
    const auto id = type->id();
    if (arrow::is_integer(id) || id == arrow::Type::BOOL || arrow::is_string(id) || arrow::is_date(id) ||
        arrow::is_floating(id) || id == arrow::Type::TIMESTAMP || id == arrow::Type::NA || arrow::is_decimal(id)) {
      continue;
    }
    return Status::TypeError("partition_cols: column '", field.name(), "' (", field.type()->ToString(),
                             ") cannot be in a directory's name");
  }
  return Status::OK();
}

Result<std::vector<HivePart>> SplitHive(const arrow::Table& table, const std::vector<std::string>& columns,
                                        const Context& context) {
  ARROW_RETURN_NOT_OK(CheckHiveColumns(*table.schema(), columns));
  ARROW_ASSIGN_OR_RAISE(const auto found, table::FindColumns(*table.schema(), columns, "partition_cols"));
  compute::ExecContext execution(context.pool);
  const int64_t rows = table.num_rows();
  std::vector<HivePart> parts;
  if (rows == 0) return parts;
  // A number for each combination of values, as they first come.
  std::vector<int64_t> part_of(static_cast<size_t>(rows), 0);
  std::vector<std::string> directories(1);
  for (const int column : found) {
    ARROW_ASSIGN_OR_RAISE(const arrow::Datum texts, compute::Cast(arrow::Datum(table.column(column)), arrow::utf8(),
                                                                  compute::CastOptions::Safe(), &execution));
    std::map<std::pair<int64_t, std::string>, int64_t> numbers;
    std::vector<std::string> next;
    size_t row = 0;
    const std::string lead = Encode(table.schema()->field(column)->name()) + "=";
    for (const auto& chunk : texts.chunks()) {
      const auto& array = static_cast<const arrow::StringArray&>(*chunk);
      for (int64_t i = 0; i < array.length(); ++i, ++row) {
        const std::string value = array.IsNull(i) ? std::string(kNull) : Encode(array.GetView(i));
        const auto [entry, fresh] = numbers.try_emplace({part_of[row], value}, static_cast<int64_t>(next.size()));
        if (fresh) {
          const std::string& outer = directories[static_cast<size_t>(part_of[row])];
          next.push_back((outer.empty() ? "" : outer + "/") + lead + value);
        }
        part_of[row] = entry->second;
      }
    }
    directories = std::move(next);
  }
  std::vector<arrow::Int64Builder> rows_of;
  for (size_t i = 0; i < directories.size(); ++i) rows_of.emplace_back(context.pool);
  for (int64_t row = 0; row < rows; ++row) {
    ARROW_RETURN_NOT_OK(rows_of[static_cast<size_t>(part_of[static_cast<size_t>(row)])].Append(row));
  }
  std::vector<int> kept;
  for (int i = 0; i < table.num_columns(); ++i) {
    if (std::find(found.begin(), found.end(), i) == found.end()) kept.push_back(i);
  }
  ARROW_ASSIGN_OR_RAISE(const auto rest, table.SelectColumns(kept));
  for (size_t i = 0; i < directories.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(const auto chosen, rows_of[i].Finish());
    ARROW_ASSIGN_OR_RAISE(const arrow::Datum taken, compute::Take(arrow::Datum(rest), arrow::Datum(chosen),
                                                                  compute::TakeOptions::NoBoundsCheck(), &execution));
    parts.push_back({directories[i], taken.table()});
  }
  return parts;
}

}  // namespace weft::io
