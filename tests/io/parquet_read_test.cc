#include <arrow/compute/cast.h>
#include <arrow/util/io_util.h>

#include <cerrno>

#include "io/files.h"
#include "table/random_table.h"
#include "weft/io/read.h"

namespace weft::io {
namespace {

using arrow::compute::field_ref;
using arrow::compute::literal;
using test::CountingTable;
using test::ExpectTable;
using test::Int64Values;
using test::JsonTable;
using test::TemporaryDirectory;
using test::WriteParquetFile;

class ReadParquetTest : public ::testing::Test {
 protected:
  arrow::Result<std::shared_ptr<arrow::Table>> Read(const std::string& name, const ReadOptions& options = {},
                                                    int threads = 1) {
    Context context;
    context.threads = threads;
    return ReadParquet({directory_ / name}, options, context);
  }
  static ReadOptions Share(int rank, int world_size) {
    ReadOptions options;
    options.rank = rank;
    options.world_size = world_size;
    return options;
  }
  static std::vector<int64_t> Range(int64_t begin, int64_t end) {
    std::vector<int64_t> values;
    for (int64_t i = begin; i < end; ++i) values.push_back(i);
    return values;
  }
  TemporaryDirectory directory_;
};

TEST_F(ReadParquetTest, EveryTypeComesBack) {
  std::vector<std::shared_ptr<arrow::DataType>> types;
  for (const auto& type : test::AllTypes()) {
    // Parquet has no struct without fields.
    if (type->id() != arrow::Type::STRUCT || type->num_fields() > 0) types.push_back(type);
  }
  test::RandomTableOptions random;
  random.rows = 500;
  const auto table = test::RandomTable(test::SchemaOf(types), random);
  for (const char* compression : {"snappy", "zstd", "gzip", "none", ""}) {
    WriteOptions options;
    options.compression = compression;
    options.row_group_rows = 130;
    const auto status = WriteFile(directory_ / "all.parquet", *table, options, Context());
    ASSERT_TRUE(status.ok()) << status;
    for (const int threads : {1, 3, 8}) {
      auto read = Read("all.parquet", {}, threads).ValueOrDie();
      ASSERT_EQ(read->num_columns(), table->num_columns());
      int changed = 0;
      for (int i = 0; i < table->num_columns(); ++i) {
        const auto& type = types[static_cast<size_t>(i)];
        EXPECT_EQ(read->field(i)->name(), table->field(i)->name());
        if (read->field(i)->type()->Equals(type) || type->id() == arrow::Type::DICTIONARY) continue;
        // Seconds and date64 are other types in Parquet, for Arrow too.
        ++changed;
        const auto cast = arrow::compute::Cast(read->column(i), type).ValueOrDie().chunked_array();
        read = read->SetColumn(i, table->field(i), cast).ValueOrDie();
      }
      EXPECT_EQ(changed, 3);
      EXPECT_TRUE(test::SameRowsInOrder(*read, *table));
    }
  }
}

TEST_F(ReadParquetTest, RanksShareRowGroupsInOrder) {
  WriteParquetFile(directory_, "d/a.parquet", *CountingTable(0, 250));
  WriteParquetFile(directory_, "d/b.parquet", *CountingTable(250, 10));
  WriteParquetFile(directory_, "d/c.parquet", *CountingTable(260, 740));
  for (const int world : {1, 2, 3, 5, 20}) {
    std::vector<int64_t> all;
    for (int rank = 0; rank < world; ++rank) {
      const auto table = Read("d", Share(rank, world), 1 + rank % 3).ValueOrDie();
      EXPECT_TRUE(table->schema()->Equals(*CountingTable(0, 1)->schema()));
      EXPECT_LE(table->num_rows(), 1000 / world + 100);
      for (const int64_t id : Int64Values(*table, "id")) all.push_back(id);
    }
    EXPECT_EQ(all, Range(0, 1000));
  }
}

TEST_F(ReadParquetTest, ColumnsInTheOrderAskedFor) {
  WriteParquetFile(directory_, "a.parquet", *CountingTable(0, 3));
  ReadOptions options;
  options.columns = {"name", "id"};
  ExpectTable(Read("a.parquet", options).ValueOrDie(),
              {{"name", arrow::utf8(), R"(["row 0", "row 1", "row 2"])"}, {"id", arrow::int64(), "[0, 1, 2]"}});
  options.columns = {"id", "nmae"};
  EXPECT_STATUS_HAS(Read("a.parquet", options).status(), IsKeyError, "nmae");
}

TEST_F(ReadParquetTest, NestedColumnsAreProjectedWhole) {
  const auto table = JsonTable(
      {{"x", arrow::int64(), "[1, 2]"},
       {"s", arrow::struct_({arrow::field("p", arrow::int64()), arrow::field("q", arrow::list(arrow::utf8()))}),
        R"([{"p": 1, "q": ["a"]}, null])"},
       {"y", arrow::float64(), "[0.5, null]"}});
  WriteParquetFile(directory_, "a.parquet", *table);
  ReadOptions options;
  options.columns = {"y", "s"};
  const auto read = Read("a.parquet", options).ValueOrDie();
  EXPECT_TRUE(test::SameRowsInOrder(*read, *table->SelectColumns({2, 1}).ValueOrDie()));
}

TEST_F(ReadParquetTest, FiltersAreExactAndSkipRowGroups) {
  WriteParquetFile(directory_, "a.parquet", *CountingTable(0, 1000));
  ReadOptions options;
  options.columns = {"name"};
  options.filter = arrow::compute::and_(arrow::compute::greater_equal(field_ref("id"), literal(295)),
                                        arrow::compute::less(field_ref("id"), literal(int64_t{305})));
  const auto table = Read("a.parquet", options).ValueOrDie();
  EXPECT_EQ(table->num_columns(), 1);
  EXPECT_EQ(table->num_rows(), 10);
  EXPECT_EQ(table->column(0)->GetScalar(0).ValueOrDie()->ToString(), "row 295");
  // Only two row groups are left for the ranks: each gets one.
  for (const int rank : {0, 1}) {
    options.rank = rank;
    options.world_size = 2;
    EXPECT_EQ(Read("a.parquet", options).ValueOrDie()->num_rows(), 5) << rank;
  }
}

TEST_F(ReadParquetTest, FiltersOfManyKinds) {
  WriteParquetFile(directory_, "a.parquet",
                   *JsonTable({{"a", arrow::int64(), "[1, null, 3, 4, null, 6]"},
                               {"s", arrow::utf8(), R"(["x", "y", null, "x", "y", "z"])"}}),
                   2);
  const auto rows = [&](arrow::compute::Expression filter, int threads = 1) {
    ReadOptions options;
    options.filter = std::move(filter);
    auto table = Read("a.parquet", options, threads);
    EXPECT_TRUE(table.ok()) << table.status();
    return table.ok() ? (*table)->num_rows() : -1;
  };
  using arrow::compute::call;
  for (const int threads : {1, 4}) {
    EXPECT_EQ(rows(literal(true), threads), 6);
    EXPECT_EQ(rows(literal(false), threads), 0);
    EXPECT_EQ(rows(call("is_null", {field_ref("a")}), threads), 2);
    EXPECT_EQ(rows(arrow::compute::greater(field_ref("a"), literal(2.5)), threads), 3);
    EXPECT_EQ(rows(arrow::compute::equal(field_ref("s"), literal("x")), threads), 2);
    EXPECT_EQ(rows(arrow::compute::not_(arrow::compute::equal(field_ref("s"), literal("x"))), threads), 3);
    EXPECT_EQ(rows(arrow::compute::equal(field_ref("a"), literal(99)), threads), 0);
    EXPECT_EQ(rows(arrow::compute::greater(call("add", {field_ref("a"), literal(1)}), literal(4)), threads), 2);
    EXPECT_EQ(rows(arrow::compute::equal(field_ref("a"), literal(arrow::MakeNullScalar(arrow::int64()))), threads), 0);
  }
}

TEST_F(ReadParquetTest, AWrongFilterIsRefused) {
  WriteParquetFile(directory_, "a.parquet", *CountingTable(0, 10));
  ReadOptions options;
  options.filter = arrow::compute::greater(field_ref("idd"), literal(1));
  EXPECT_STATUS_HAS(Read("a.parquet", options).status(), IsKeyError, "idd");
  options.filter = arrow::compute::greater(field_ref("name"), literal(1));
  EXPECT_STATUS_HAS(Read("a.parquet", options).status(), IsTypeError, "name");
  options.filter = field_ref("id");
  EXPECT_STATUS_HAS(Read("a.parquet", options).status(), IsTypeError, "boolean");
  options.filter = arrow::compute::greater(field_ref(0), literal(1));
  EXPECT_STATUS_HAS(Read("a.parquet", options).status(), IsInvalid, "position");
}

TEST_F(ReadParquetTest, FilesMayHaveTheirColumnsInAnyOrder) {
  WriteParquetFile(directory_, "d/a.parquet", *CountingTable(0, 5));
  WriteParquetFile(directory_, "d/b.parquet", *CountingTable(5, 5)->SelectColumns({2, 0, 1}).ValueOrDie());
  const auto table = Read("d").ValueOrDie();
  EXPECT_TRUE(test::SameRowsInOrder(*table, *CountingTable(0, 10)));
}

TEST_F(ReadParquetTest, FilesOfAnotherSchemaAreNamed) {
  WriteParquetFile(directory_, "d/a.parquet", *CountingTable(0, 5));
  const auto with = [&](const std::shared_ptr<arrow::Table>& second) {
    WriteParquetFile(directory_, "d/b.parquet", *second);
    return Read("d").status();
  };
  auto other = CountingTable(0, 5);
  const auto narrow = arrow::compute::Cast(other->column(0), arrow::int32()).ValueOrDie().chunked_array();
  auto status = with(other->SetColumn(0, arrow::field("id", arrow::int32()), narrow).ValueOrDie());
  EXPECT_STATUS_HAS(status, IsTypeError, "b.parquet': column 'id' is int32, but int64");
  status = with(other->RemoveColumn(1).ValueOrDie());
  EXPECT_STATUS_HAS(status, IsTypeError, "b.parquet' has no column 'half'");
  status = with(other->AddColumn(1, arrow::field("more", arrow::int64()), other->column(0)).ValueOrDie());
  EXPECT_STATUS_HAS(status, IsTypeError, "b.parquet' has a column 'more'");
}

TEST_F(ReadParquetTest, EmptyFilesAndShares) {
  WriteParquetFile(directory_, "a.parquet", *CountingTable(0, 0));
  for (const int rank : {0, 1}) {
    const auto table = Read("a.parquet", Share(rank, 2)).ValueOrDie();
    EXPECT_EQ(table->num_rows(), 0);
    EXPECT_TRUE(table->schema()->Equals(*CountingTable(0, 1)->schema()));
  }
}

TEST_F(ReadParquetTest, MetadataOfTheSchemaIsKept) {
  const auto metadata = arrow::key_value_metadata({"index"}, {"id"});
  WriteParquetFile(directory_, "a.parquet", *CountingTable(0, 4)->ReplaceSchemaMetadata(metadata));
  for (const int rank : {0, 1}) {
    const auto read = Read("a.parquet", Share(rank, 2)).ValueOrDie()->schema()->metadata();
    ASSERT_NE(read, nullptr);
    EXPECT_EQ(read->Get("index").ValueOrDie(), "id");
  }
}

TEST_F(ReadParquetTest, MemoryComesFromThePool) {
  WriteParquetFile(directory_, "a.parquet", *CountingTable(0, 10000), 10000);
  arrow::CappedMemoryPool pool(arrow::default_memory_pool(), 50'000);
  Context context;
  context.pool = &pool;
  EXPECT_TRUE(ReadParquet({directory_ / "a.parquet"}, {}, context).status().IsOutOfMemory());
}

TEST_F(ReadParquetTest, AStopRequestEndsIt) {
  WriteParquetFile(directory_, "a.parquet", *CountingTable(0, 10000), 10);
  arrow::StopSource source;
  source.RequestStop();
  Context context;
  context.stop = source.token();
  EXPECT_TRUE(ReadParquet({directory_ / "a.parquet"}, {}, context).status().IsCancelled());
}

TEST_F(ReadParquetTest, BrokenFilesAreNamed) {
  const std::string path = WriteParquetFile(directory_, "a.parquet", *CountingTable(0, 1000));
  const std::string bytes = test::ReadBytes(path);
  const auto with = [&](const std::string& text) {
    directory_.Write("broken.parquet", text);
    return Read("broken.parquet").status();
  };
  EXPECT_STATUS_HAS(with(""), IsIOError, "broken.parquet', metadata");
  EXPECT_STATUS_HAS(with("id,half\n1,2\n"), IsIOError, "broken.parquet', metadata");
  EXPECT_STATUS_HAS(with(bytes.substr(0, bytes.size() / 2)), IsIOError, "broken.parquet', metadata");
  EXPECT_STATUS_HAS(with(bytes.substr(bytes.size() / 2)), IsIOError, "broken.parquet'");
  // One byte of a page: its checksum does not fit.
  std::string damaged = bytes;
  damaged[60] = static_cast<char>(damaged[60] ^ 0x10);
  EXPECT_STATUS_HAS(with(damaged), IsIOError, "broken.parquet', row group 0");
  const auto missing = Read("none.parquet").status();
  EXPECT_EQ(arrow::internal::ErrnoFromStatus(missing), ENOENT) << missing;
}

}  // namespace
}  // namespace weft::io
