// A directory of a test's own, and small tables and files in it.
#pragma once

#include <arrow/api.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weft/io/write.h"

namespace weft::test {

/// Made when it is made, with all in it removed at its end.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "weft-test-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    path_ = name;
  }
  ~TemporaryDirectory() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

  /// Writes a file, making the directories above it, and returns its path.
  std::string Write(std::string_view name, std::string_view bytes) const {
    const std::string path = *this / name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }

  /// The names directly in `directory` (relative; empty: all), hidden ones too, sorted.
  std::vector<std::string> Names(std::string_view directory = "") const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(*this / directory)) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

 private:
  std::string path_;
};

inline std::string ReadBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

struct JsonColumn {
  std::string name;
  std::shared_ptr<arrow::DataType> type;
  std::string values;
};

inline std::shared_ptr<arrow::Table> JsonTable(const std::vector<JsonColumn>& columns) {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (const JsonColumn& column : columns) {
    fields.push_back(arrow::field(column.name, column.type));
    arrays.push_back(arrow::json::ArrayFromJSONString(column.type, column.values).ValueOrDie());
  }
  return arrow::Table::Make(arrow::schema(fields), arrays);
}

inline void ExpectTable(const std::shared_ptr<arrow::Table>& actual, const std::vector<JsonColumn>& columns) {
  const auto expected = JsonTable(columns);
  ASSERT_NE(actual, nullptr);
  EXPECT_TRUE(actual->ValidateFull().ok());
  EXPECT_TRUE(actual->Equals(*expected)) << "got\n" << actual->ToString() << "\nexpected\n" << expected->ToString();
}

/// Rows first ... first + rows - 1: "id" int64, "half" double, "name" text.
inline std::shared_ptr<arrow::Table> CountingTable(int64_t first, int64_t rows) {
  arrow::Int64Builder id;
  arrow::DoubleBuilder half;
  arrow::StringBuilder name;
  for (int64_t i = first; i < first + rows; ++i) {
    EXPECT_TRUE(id.Append(i).ok());
    EXPECT_TRUE(half.Append(static_cast<double>(i) / 2).ok());
    EXPECT_TRUE(name.Append("row " + std::to_string(i)).ok());
  }
  return arrow::Table::Make(arrow::schema({arrow::field("id", arrow::int64()), arrow::field("half", arrow::float64()),
                                           arrow::field("name", arrow::utf8())}),
                            {id.Finish().ValueOrDie(), half.Finish().ValueOrDie(), name.Finish().ValueOrDie()});
}

inline std::string WriteParquetFile(const TemporaryDirectory& directory, std::string_view name,
                                    const arrow::Table& table, int64_t row_group_rows = 100) {
  io::WriteOptions options;
  options.row_group_rows = row_group_rows;
  std::filesystem::create_directories(std::filesystem::path(directory / name).parent_path());
  const arrow::Status status = io::WriteFile(directory / name, table, options, Context());
  EXPECT_TRUE(status.ok()) << status;
  return directory / name;
}

/// The values of an int64 column.
inline std::vector<int64_t> Int64Values(const arrow::Table& table, const std::string& name) {
  std::vector<int64_t> values;
  for (const auto& chunk : table.GetColumnByName(name)->chunks()) {
    const auto& array = static_cast<const arrow::Int64Array&>(*chunk);
    for (int64_t i = 0; i < array.length(); ++i) values.push_back(array.Value(i));
  }
  return values;
}

#define EXPECT_STATUS_HAS(status, is, text)                                         \
  do {                                                                              \
    const arrow::Status weft_status = (status);                                     \
    EXPECT_TRUE(weft_status.is()) << weft_status;                                   \
    EXPECT_NE(weft_status.ToString().find(text), std::string::npos) << weft_status; \
  } while (false)

}  // namespace weft::test
