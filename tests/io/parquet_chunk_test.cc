#include "weft/io/parquet_chunk.h"

#include <arrow/compute/api_vector.h>
#include <arrow/compute/exec.h>
#include <arrow/io/file.h>
#include <arrow/io/memory.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/writer.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>

#include <random>

#include "io/files.h"
#include "table/random_table.h"
#include "weft/io/read.h"

namespace weft::io {
namespace {

using arrow::compute::field_ref;
using arrow::compute::literal;
using parquet::Compression;
using parquet::Encoding;
using parquet::ParquetDataPageVersion;
using test::TemporaryDirectory;

/// How a file is written.
struct Form {
  Compression::type compression = Compression::SNAPPY;
  int64_t dictionary_bytes = 1 << 20;
  bool checksums = false;
  ParquetDataPageVersion version = ParquetDataPageVersion::V1;
  Encoding::type encoding = Encoding::PLAIN;
};

std::vector<std::shared_ptr<arrow::DataType>> SimpleTypes() {
  return {arrow::int32(),
          arrow::uint32(),
          arrow::date32(),
          arrow::float32(),
          arrow::int64(),
          arrow::uint64(),
          arrow::float64(),
          arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"),
          arrow::timestamp(arrow::TimeUnit::NANO),
          arrow::duration(arrow::TimeUnit::MILLI)};
}

constexpr int kDecimals = 3;

/// The numbers as decimals of so many digits.
std::shared_ptr<arrow::ChunkedArray> Decimals(const arrow::ChunkedArray& numbers, int32_t digits) {
  int64_t bound = 1;
  for (int32_t i = 0; i < digits; ++i) bound *= 10;
  arrow::Decimal128Builder builder(arrow::decimal128(digits, 2));
  for (const auto& chunk : numbers.chunks()) {
    const auto& values = static_cast<const arrow::Int64Array&>(*chunk);
    for (int64_t i = 0; i < values.length(); ++i) {
      const auto status =
          values.IsNull(i) ? builder.AppendNull() : builder.Append(arrow::Decimal128(values.Value(i) % bound));
      EXPECT_TRUE(status.ok()) << status;
    }
  }
  return std::make_shared<arrow::ChunkedArray>(builder.Finish().ValueOrDie());
}

std::shared_ptr<arrow::Table> SimpleTable(int64_t rows, int64_t cardinality, double null_share, uint64_t seed = 1) {
  test::RandomTableOptions options;
  options.rows = rows;
  options.cardinality = cardinality;
  options.null_share = null_share;
  options.seed = seed;
  auto table = test::RandomTable(test::SchemaOf(SimpleTypes()), options);
  for (const int32_t digits : {9, 15, 18}) {
    const auto column = Decimals(*table->column(4), digits);
    const auto field = arrow::field("d" + std::to_string(digits), column->type());
    table = table->AddColumn(table->num_columns(), field, column).ValueOrDie();
  }
  if (null_share > 0) return table;
  // Without nulls there are no levels in the file.
  arrow::FieldVector fields;
  for (const auto& field : table->schema()->fields()) fields.push_back(field->WithNullable(false));
  return arrow::Table::Make(arrow::schema(fields), table->columns());
}

std::shared_ptr<arrow::Buffer> WriteTable(const arrow::Table& table, const Form& form, int64_t row_group_rows = 1000) {
  parquet::WriterProperties::Builder builder;
  builder.compression(form.compression)->data_page_version(form.version)->data_pagesize(700)->write_batch_size(90);
  builder.enable_store_decimal_as_integer()->dictionary_pagesize_limit(form.dictionary_bytes);
  if (form.dictionary_bytes == 0) builder.disable_dictionary()->encoding(form.encoding);
  if (form.checksums) builder.enable_page_checksum();
  parquet::ArrowWriterProperties::Builder arrow_builder;
  const auto sink = arrow::io::BufferOutputStream::Create().ValueOrDie();
  const auto status = parquet::arrow::WriteTable(table, arrow::default_memory_pool(), sink, row_group_rows,
                                                 builder.build(), arrow_builder.store_schema()->build());
  EXPECT_TRUE(status.ok()) << status;
  return sink->Finish().ValueOrDie();
}

std::shared_ptr<arrow::Array> Rows(int64_t rows, double share, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::bernoulli_distribution chosen(share);
  arrow::Int64Builder builder;
  for (int64_t i = 0; i < rows; ++i) {
    if (!chosen(random)) continue;
    EXPECT_TRUE(builder.Append(i).ok());
  }
  return builder.Finish().ValueOrDie();
}

/// The chunks that are decoded here, against Arrow's reader.
class ReadChunkTest : public ::testing::Test {
 protected:
  /// How many chunks of a file were decoded, all of them compared.
  int Compare(const std::shared_ptr<arrow::Buffer>& file, double share) {
    arrow::io::BufferReader input(file);
    const auto metadata = parquet::ReadMetaData(std::make_shared<arrow::io::BufferReader>(file));
    auto reader = parquet::arrow::FileReader::Make(
                      arrow::default_memory_pool(),
                      parquet::ParquetFileReader::Open(std::make_shared<arrow::io::BufferReader>(file)))
                      .ValueOrDie();
    int decoded = 0;
    for (int group = 0; group < metadata->num_row_groups(); ++group) {
      const auto whole = reader->ReadRowGroup(group).ValueOrDie();
      const auto rows = share < 1 ? Rows(whole->num_rows(), share, static_cast<uint64_t>(group) + 5) : nullptr;
      for (int leaf = 0; leaf < whole->num_columns(); ++leaf) {
        auto expected = whole->column(leaf);
        if (rows != nullptr) expected = arrow::compute::Take(expected, rows).ValueOrDie().chunked_array();
        if (!CanReadChunk(*metadata, group, leaf, *expected->type())) continue;
        const auto read = ReadChunk(&input, *metadata, group, leaf, expected->type(),
                                    static_cast<const arrow::Int64Array*>(rows.get()), Context());
        EXPECT_TRUE(read.ok()) << read.status();
        if (!read.ok() || *read == nullptr) continue;
        ++decoded;
        EXPECT_TRUE((*read)->ValidateFull().ok());
        EXPECT_TRUE(expected->Equals(arrow::ChunkedArray(*read), arrow::EqualOptions().nans_equal(true)))
            << whole->schema()->field(leaf)->ToString();
      }
    }
    return decoded;
  }
};

TEST_F(ReadChunkTest, AsArrowReadsThem) {
  const int chunks = 3 * (static_cast<int>(SimpleTypes().size()) + kDecimals);
  for (const double null_share : {0.0, 0.2, 1.0}) {
    for (const int64_t cardinality : {1, 50, 2500}) {
      const auto table = SimpleTable(2500, cardinality, null_share);
      // All by dictionary; the first pages alone; none.
      for (const int64_t dictionary_bytes : {1 << 20, 900, 0}) {
        for (const auto compression :
             {Compression::SNAPPY, Compression::UNCOMPRESSED, Compression::ZSTD, Compression::LZ4}) {
          const auto file = WriteTable(*table, {compression, dictionary_bytes, cardinality == 50});
          for (const double share : {1.0, 0.6, 0.01, 0.0}) {
            EXPECT_EQ(Compare(file, share), chunks)
                << null_share << " " << cardinality << " " << dictionary_bytes << " " << compression << " " << share;
          }
        }
      }
    }
  }
}

TEST_F(ReadChunkTest, OtherFormsAreLeftToArrow) {
  const auto table = SimpleTable(2500, 50, 0.1);
  EXPECT_EQ(Compare(WriteTable(*table, {Compression::SNAPPY, 1 << 20, false, ParquetDataPageVersion::V2}), 0.5), 0);
  Form split{Compression::SNAPPY, 0, false, ParquetDataPageVersion::V1, Encoding::BYTE_STREAM_SPLIT};
  EXPECT_EQ(Compare(WriteTable(*table, split), 0.5), 0);
  const std::vector<std::shared_ptr<arrow::DataType>> others = {arrow::utf8(),
                                                                arrow::int16(),
                                                                arrow::boolean(),
                                                                arrow::time64(arrow::TimeUnit::MICRO),
                                                                arrow::time32(arrow::TimeUnit::MILLI),
                                                                arrow::list(arrow::int64()),
                                                                arrow::struct_({arrow::field("x", arrow::int64())})};
  test::RandomTableOptions options;
  options.rows = 300;
  EXPECT_EQ(Compare(WriteTable(*test::RandomTable(test::SchemaOf(others), options), {}), 0.5), 0);
}

/// Through ReadParquet, where some columns are decoded here and others by Arrow, on any number of threads.
TEST_F(ReadChunkTest, FiltersOverBothKinds) {
  const TemporaryDirectory directory;
  auto table = SimpleTable(2500, 50, 0.2);
  test::RandomTableOptions text_options;
  text_options.rows = 2500;
  const auto texts = test::RandomTable(test::SchemaOf({arrow::utf8(), arrow::list(arrow::int64())}), text_options);
  table = table->AddColumn(2, arrow::field("text", arrow::utf8()), texts->column(0)).ValueOrDie();
  table = table->AddColumn(5, arrow::field("list", texts->field(1)->type()), texts->column(1)).ValueOrDie();
  std::vector<std::string> names = table->ColumnNames();
  const std::string integer = names[6];
  ASSERT_EQ(table->GetColumnByName(integer)->type()->id(), arrow::Type::INT64);
  for (const int64_t group_rows : {300, 2500}) {
    const auto bytes = WriteTable(*table, {}, group_rows);
    const auto path = directory.Write("both.parquet", std::string_view(*bytes));
    for (const auto& filter :
         {arrow::compute::greater(field_ref(integer), literal(int64_t{0})), arrow::compute::is_valid(field_ref("text")),
          arrow::compute::or_(arrow::compute::is_null(field_ref(integer)), arrow::compute::is_null(field_ref("text"))),
          literal(false), arrow::compute::is_null(field_ref(names[0]), false)}) {
      ReadOptions options;
      options.filter = filter;
      options.columns = {"d15", "list", integer, names[1], "text"};
      arrow::compute::ExecBatch batch(*table->CombineChunksToBatch().ValueOrDie());
      const auto bound = filter.Bind(*table->schema()).ValueOrDie();
      const auto mask = arrow::compute::ExecuteScalarExpression(bound, batch).ValueOrDie();
      std::shared_ptr<arrow::Table> expected = table->Slice(0, 0);
      if (mask.is_array()) expected = arrow::compute::Filter(table, mask).ValueOrDie().table();
      for (const int threads : {1, 2, 5}) {
        Context context;
        context.threads = threads;
        const auto read = ReadParquet(std::vector<std::string>{path}, options, context);
        ASSERT_TRUE(read.ok()) << read.status();
        EXPECT_TRUE((*read)->ValidateFull().ok());
        for (const auto& name : options.columns) {
          EXPECT_TRUE((*read)->GetColumnByName(name)->Equals(*expected->GetColumnByName(name),
                                                             arrow::EqualOptions().nans_equal(true)))
              << name << " " << filter.ToString() << " " << threads;
        }
      }
    }
  }
}

/// Bytes changed where no checksum tells: what is read is sound, and never more memory than a damaged length asks for.
TEST_F(ReadChunkTest, DamagedPages) {
  const TemporaryDirectory directory;
  arrow::CappedMemoryPool pool(arrow::default_memory_pool(), 256 << 20);
  Context context;
  context.pool = &pool;
  std::vector<std::string> originals;
  std::vector<int64_t> ends;
  for (const auto compression : {Compression::SNAPPY, Compression::UNCOMPRESSED}) {
    for (const int64_t dictionary_bytes : {1 << 20, 300, 0}) {
      for (const double null_share : {0.0, 0.3}) {
        const auto bytes = WriteTable(*SimpleTable(300, 40, null_share), {compression, dictionary_bytes}, 150);
        originals.push_back(bytes->ToString());
        const auto metadata = parquet::ReadMetaData(std::make_shared<arrow::io::BufferReader>(bytes));
        ends.push_back(bytes->size() - metadata->size());
      }
    }
  }
  std::mt19937_64 random(5);
  int tables = 0;
  int errors = 0;
  for (int round = 0; round < 1500; ++round) {
    const size_t which = random() % originals.size();
    std::string bytes = originals[which];
    for (size_t i = 0; i < 1 + random() % 4; ++i) {
      bytes[4 + random() % static_cast<size_t>(ends[which] - 12)] = static_cast<char>(random());
    }
    const auto path = directory.Write("damaged.parquet", bytes);
    ReadOptions options;
    if (round % 2 == 0) options.filter = arrow::compute::greater(field_ref("c4"), literal(int64_t{0}));
    const auto read = ReadParquet(std::vector<std::string>{path}, options, context);
    ++(read.ok() ? tables : errors);
    if (read.ok()) {
      ASSERT_TRUE((*read)->ValidateFull().ok()) << round << " " << (*read)->ValidateFull();
    }
  }
  EXPECT_GT(tables, 150);
  EXPECT_GT(errors, 150);
}

}  // namespace
}  // namespace weft::io
