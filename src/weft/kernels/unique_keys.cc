#include "weft/kernels/unique_keys.h"

#include <arrow/scalar.h>

#include <string>
#include <vector>

#include "weft/kernels/group_table.h"
#include "weft/table/columns.h"

namespace weft::kernels {
namespace {

/// A row that is not the first of its group; there must be one.
int64_t FindRepeated(const Grouping& grouping, int64_t rows) {
  std::vector<bool> first(static_cast<size_t>(rows), false);
  for (const int64_t row : grouping.first_rows) first[static_cast<size_t>(row)] = true;
  int64_t row = 0;
  while (first[static_cast<size_t>(row)]) ++row;
  return row;
}

arrow::Result<std::string> Describe(const arrow::Table& table, std::span<const int> columns, int64_t row) {
  constexpr size_t kMostCharacters = 80;
  std::string text;
  for (const int column : columns) {
    ARROW_ASSIGN_OR_RAISE(const auto value, table.column(column)->GetScalar(row));
    std::string shown = value->is_valid ? value->ToString() : "missing";
    if (shown.size() > kMostCharacters) shown = shown.substr(0, kMostCharacters) + " ...";
    text += (text.empty() ? "" : ", ") + table.field(column)->name() + "=" + shown;
  }
  return text;
}

}  // namespace

arrow::Status CheckUniqueKeys(const arrow::Table& table, std::span<const int> columns, std::string_view what,
                              const Context& context) {
  ARROW_RETURN_NOT_OK(table::CheckKeyTypes(*table.schema(), columns, what));
  ARROW_ASSIGN_OR_RAISE(const auto grouping, GroupRows(table, columns, {.nan_is_null = true}, context));
  if (grouping.groups == table.num_rows()) return arrow::Status::OK();
  ARROW_ASSIGN_OR_RAISE(const std::string key, Describe(table, columns, FindRepeated(grouping, table.num_rows())));
  return arrow::Status::Invalid(what, " are not unique: ", key, " is there more than once");
}

}  // namespace weft::kernels
