// Reductions along rows beside loops over the rows, chunks cut at different rows.
#include "weft/kernels/row_reduce.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace weft::kernels {
namespace {

constexpr int64_t kRows = 5'000;
constexpr int kColumns = 5;

using Cells = std::vector<std::vector<std::optional<int64_t>>>;

/// By column; few values, and some that are missing.
Cells MakeCells() {
  std::mt19937_64 random(5);
  Cells cells(kColumns);
  for (auto& column : cells) {
    for (int64_t row = 0; row < kRows; ++row) {
      const auto value = static_cast<int64_t>(random() % 12) - 3;
      column.push_back(value > 7 ? std::nullopt : std::optional<int64_t>(value));
    }
  }
  return cells;
}

template <typename Builder, typename Value>
std::shared_ptr<arrow::Table> TableOf(const Cells& cells, const Value& value) {
  arrow::FieldVector fields;
  arrow::ChunkedArrayVector columns;
  int64_t chunk = 700;
  for (const auto& column : cells) {
    arrow::ArrayVector chunks;
    for (int64_t begin = 0; begin < kRows; begin += chunk) {
      Builder builder;
      for (int64_t row = begin; row < std::min(kRows, begin + chunk); ++row) {
        const auto& cell = column[static_cast<size_t>(row)];
        EXPECT_TRUE((cell ? builder.Append(value(*cell)) : builder.AppendNull()).ok());
      }
      chunks.push_back(builder.Finish().ValueOrDie());
    }
    chunk = chunk * 2 + 11;
    columns.push_back(std::make_shared<arrow::ChunkedArray>(chunks));
    fields.push_back(arrow::field("c" + std::to_string(fields.size()), columns.back()->type()));
  }
  return arrow::Table::Make(arrow::schema(fields), columns);
}

std::shared_ptr<arrow::Array> Reduced(const std::shared_ptr<arrow::Table>& table, const std::string& function,
                                      bool skip_missing = true) {
  Context context;
  context.threads = 2;
  RowReduceOptions options;
  options.function = ParseRowFunction(function).ValueOrDie();
  options.skip_missing = skip_missing;
  const auto made = ReduceRows(*table, options, context);
  EXPECT_TRUE(made.ok()) << made.status().ToString();
  return (*made)->num_chunks() == 1 ? (*made)->chunk(0) : arrow::Concatenate((*made)->chunks()).ValueOrDie();
}

std::vector<int64_t> There(const Cells& cells, int64_t row) {
  std::vector<int64_t> values;
  for (const auto& column : cells) {
    if (column[static_cast<size_t>(row)]) values.push_back(*column[static_cast<size_t>(row)]);
  }
  return values;
}

TEST(RowReduce, OfIntegersAndDoublesIsThatOfALoop) {
  const Cells cells = MakeCells();
  const auto whole = TableOf<arrow::Int64Builder>(cells, [](int64_t value) { return value; });
  const auto real = TableOf<arrow::DoubleBuilder>(cells, [](int64_t value) { return static_cast<double>(value); });
  const auto sums = std::static_pointer_cast<arrow::Int64Array>(Reduced(whole, "sum"));
  const auto all = std::static_pointer_cast<arrow::Int64Array>(Reduced(whole, "sum", false));
  const auto products = std::static_pointer_cast<arrow::DoubleArray>(Reduced(real, "prod"));
  const auto medians = std::static_pointer_cast<arrow::DoubleArray>(Reduced(real, "quantile"));
  const auto counts = std::static_pointer_cast<arrow::Int64Array>(Reduced(real, "count"));
  const auto different = std::static_pointer_cast<arrow::Int64Array>(Reduced(whole, "nunique"));
  const auto least = std::static_pointer_cast<arrow::Int64Array>(Reduced(whole, "min"));
  const auto place = std::static_pointer_cast<arrow::Int64Array>(Reduced(real, "idxmax"));
  for (int64_t row = 0; row < kRows; ++row) {
    std::vector<int64_t> values = There(cells, row);
    int64_t sum = 0;
    double product = 1;
    for (const int64_t value : values) {
      sum += value;
      product *= static_cast<double>(value);
    }
    EXPECT_EQ(sums->Value(row), sum);
    EXPECT_EQ(all->IsNull(row), values.size() < kColumns);
    EXPECT_EQ(products->Value(row), product);
    EXPECT_EQ(counts->Value(row), static_cast<int64_t>(values.size()));
    EXPECT_EQ(least->IsNull(row), values.empty());
    if (values.empty()) continue;
    std::sort(values.begin(), values.end());
    EXPECT_EQ(least->Value(row), values.front());
    const auto& greatest = cells[static_cast<size_t>(place->Value(row))][static_cast<size_t>(row)];
    EXPECT_EQ(greatest, values.back());
    const size_t middle = values.size() / 2;
    const auto upper = static_cast<double>(values[middle]);
    const double median = values.size() % 2 == 1 ? upper : (upper + static_cast<double>(values[middle - 1])) / 2;
    EXPECT_EQ(medians->Value(row), median);
    EXPECT_EQ(different->Value(row), std::unique(values.begin(), values.end()) - values.begin());
  }
}

TEST(RowReduce, OfTextIsByTheBytes) {
  const Cells cells = MakeCells();
  const auto text = [](int64_t value) {
    return "a text that is longer than a piece of a key: " + std::to_string(value);
  };
  const auto table = TableOf<arrow::StringBuilder>(cells, text);
  const auto greatest = std::static_pointer_cast<arrow::StringArray>(Reduced(table, "max"));
  for (int64_t row = 0; row < kRows; ++row) {
    std::string expected;
    for (const int64_t value : There(cells, row)) expected = std::max(expected, text(value));
    EXPECT_EQ(greatest->IsNull(row), expected.empty());
    if (expected.empty()) continue;
    EXPECT_EQ(greatest->GetString(row), expected);
  }
}

TEST(RowReduce, SaysWhatDoesNotFit) {
  Cells cells(2, std::vector<std::optional<int64_t>>(kRows, 1));
  cells[0][4'321] = std::numeric_limits<int64_t>::max();
  const auto table = TableOf<arrow::Int64Builder>(cells, [](int64_t value) { return value; });
  RowReduceOptions options;
  const auto made = ReduceRows(*table, options, {});
  ASSERT_TRUE(made.status().IsInvalid());
  EXPECT_NE(made.status().message().find("row 4321"), std::string::npos) << made.status().ToString();
  const auto mixed = table->SetColumn(1, arrow::field("d", arrow::float64()),
                                      TableOf<arrow::DoubleBuilder>(cells, [](int64_t) { return 0.5; })->column(0));
  EXPECT_TRUE(ReduceRows(**mixed, options, {}).status().IsTypeError());
}

TEST(RowReduce, OfNoColumnsIsThatOfNoValues) {
  const auto table = arrow::Table::Make(arrow::schema({}), arrow::ChunkedArrayVector{}, 3);
  EXPECT_EQ(Reduced(table, "sum")->ToString(),
            arrow::MakeArrayFromScalar(arrow::DoubleScalar(0), 3).ValueOrDie()->ToString());
  EXPECT_EQ(Reduced(table, "max")->null_count(), 3);
  EXPECT_EQ(Reduced(table, "nunique")->null_count(), 0);
}

}  // namespace
}  // namespace weft::kernels
