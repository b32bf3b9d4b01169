#include "weft/kernels/unique.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <set>

#include "kernels/oracle.h"
#include "table/random_table.h"

namespace weft::kernels {
namespace {

using test::Cell;
using test::RandomTable;
using test::SchemaOf;

void Check(const std::shared_ptr<arrow::Table>& table, const UniqueOptions& options) {
  auto columns = options.columns;
  if (columns.empty()) {
    for (int c = 0; c < table->num_columns(); ++c) columns.push_back(c);
  }
  std::vector<std::vector<Cell>> cells;
  for (const int column : columns) cells.push_back(test::CellsOf(*table->column(column), options.nan_is_null));
  const auto text = test::RowsAsText(*table);
  std::set<std::vector<Cell>> seen;
  std::vector<std::string> expected;
  for (size_t row = 0; row < text.size(); ++row) {
    std::vector<Cell> key;
    for (const auto& column : cells) key.push_back(column[row]);
    if (seen.insert(key).second) expected.push_back(text[row]);
  }
  for (const int threads : {1, 2}) {
    Context context;
    context.threads = threads;
    const auto result = Unique(table, options, context);
    ASSERT_TRUE(result.ok()) << result.status();
    ASSERT_TRUE((*result)->ValidateFull().ok());
    ASSERT_TRUE((*result)->schema()->Equals(*table->schema()));
    ASSERT_EQ(test::RowsAsText(**result), expected);
  }
}

TEST(Unique, EveryKeyType) {
  for (const auto& type : test::KeyTypes()) {
    SCOPED_TRACE(type->ToString());
    const auto table = RandomTable(SchemaOf({type, arrow::list(arrow::utf8())}), {.rows = 300, .cardinality = 20});
    Check(table, {{0}, false});
    Check(table, {{0}, true});
    Check(RandomTable(SchemaOf({type, arrow::int8()}), {.rows = 0}), {{}, false});
  }
}

TEST(Unique, AllColumns) {
  const auto schema = SchemaOf({arrow::utf8(), arrow::int8(), arrow::float32()});
  Check(RandomTable(schema, {.rows = 1000, .cardinality = 6}), {{}, false});
  Check(RandomTable(schema, {.rows = 1000, .null_share = 1, .cardinality = 6}), {{}, false});
}

TEST(Unique, ManyRows) {
  const auto schema = SchemaOf({arrow::int64()});
  Check(RandomTable(schema, {.rows = 135000, .cardinality = 1000000}), {{}, false});
  Check(RandomTable(schema, {.rows = 135000, .cardinality = 10}), {{}, false});
}

TEST(Unique, SaysWhatIsWrong) {
  const auto table = RandomTable(SchemaOf({arrow::list(arrow::int32())}), {.rows = 10});
  const auto status = Unique(table, {}, {}).status();
  EXPECT_TRUE(status.IsTypeError()) << status;
  EXPECT_NE(status.message().find("c0"), std::string::npos);
  EXPECT_NE(status.message().find("unique"), std::string::npos);
  EXPECT_TRUE(Unique(table, {{1}, false}, {}).status().IsInvalid());
}

}  // namespace
}  // namespace weft::kernels
