// Files that are damaged anywhere: an error or a table that is sound, never a crash.
#include <cstdlib>
#include <random>

#include "io/files.h"
#include "table/random_table.h"
#include "weft/io/csv_file.h"
#include "weft/io/csv_split.h"
#include "weft/io/read.h"

namespace weft::io {
namespace {

using test::TemporaryDirectory;

int Rounds() {
  const char* const soak = std::getenv("WEFT_SOAK");
  return soak != nullptr && std::string_view(soak) == "1" ? 10'000 : 2'000;
}

/// One of: bytes changed, bits flipped, a piece cut out, a piece doubled, the end cut off, zeros written over a piece.
std::string Damage(std::string bytes, std::mt19937_64& random) {
  const auto below = [&](size_t bound) { return static_cast<size_t>(random() % std::max<size_t>(bound, 1)); };
  const size_t hits = 1 + below(4);
  for (size_t i = 0; i < hits && !bytes.empty(); ++i) {
    // Half of the damage goes to the last part, where Parquet has its metadata.
    const size_t from = random() % 2 == 0 ? bytes.size() - std::min<size_t>(bytes.size(), 4000) : 0;
    const size_t at = from + below(bytes.size() - from);
    const size_t length = std::min(bytes.size() - at, 1 + below(64));
    switch (random() % 6) {
      case 0:
        bytes[at] = static_cast<char>(random());
        break;
      case 1:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
        break;
      case 2:
        bytes.erase(at, length);
        break;
      case 3:
        bytes.insert(at, bytes.substr(at, length));
        break;
      case 4:
        if (random() % 8 == 0) bytes.resize(at);
        break;
      default:
        bytes.replace(at, length, std::string(length, '\0'));
    }
  }
  return bytes;
}

/// Counts outcomes; a table must be sound.
struct Outcomes {
  int tables = 0;
  int errors = 0;

  void Add(const arrow::Result<std::shared_ptr<arrow::Table>>& read, int round) {
    if (!read.ok()) {
      ++errors;
      EXPECT_NE(read.status().message().find("damaged"), std::string::npos) << round << ": " << read.status();
      return;
    }
    ++tables;
    const auto status = (*read)->ValidateFull();
    EXPECT_TRUE(status.ok()) << round << ": " << status;
  }
};

/// What a damaged length asks for must not be taken.
class DamageTest : public ::testing::Test {
 protected:
  DamageTest() : pool_(arrow::default_memory_pool(), 256 << 20) { context_.pool = &pool_; }
  TemporaryDirectory directory_;
  arrow::CappedMemoryPool pool_;
  Context context_;
};

TEST_F(DamageTest, Parquet) {
  std::vector<std::shared_ptr<arrow::DataType>> types;
  for (const auto& type : test::AllTypes()) {
    if (type->id() != arrow::Type::STRUCT || type->num_fields() > 0) types.push_back(type);
  }
  test::RandomTableOptions random_table;
  random_table.rows = 60;
  std::vector<std::string> originals;
  for (const char* compression : {"none", "snappy"}) {
    // A small table of many types, and a plain one of two row groups.
    WriteOptions options;
    options.compression = compression;
    options.row_group_rows = 30;
    for (const auto& table : {test::RandomTable(test::SchemaOf(types), random_table), test::CountingTable(0, 60)}) {
      ASSERT_TRUE(WriteFile(directory_ / "whole.parquet", *table, options, Context()).ok());
      originals.push_back(test::ReadBytes(directory_ / "whole.parquet"));
    }
  }
  std::mt19937_64 random(2024);
  Outcomes outcomes;
  for (int round = 0; round < Rounds(); ++round) {
    const auto& original = originals[random() % originals.size()];
    const std::string path = directory_.Write("damaged.parquet", Damage(original, random));
    ReadOptions options;
    if (round % 3 == 0) {
      options.filter = arrow::compute::greater(arrow::compute::field_ref(round % 2 == 0 ? "c4" : "id"),
                                               arrow::compute::literal(int64_t{5}));
    }
    auto read = ReadParquet(std::vector<std::string>{path}, options, context_);
    if (!read.ok() && (read.status().IsKeyError() || read.status().IsTypeError())) continue;
    outcomes.Add(read, round);
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_GT(outcomes.errors, Rounds() / 4);
}

TEST_F(DamageTest, Csv) {
  std::string original = "id,text,when,x\n";
  for (int i = 0; i < 300; ++i) {
    original += std::to_string(i) + (i % 3 == 0 ? ",\"a,\"\"b\n\"," : ",plain,") + "2013-01-" +
                std::to_string(10 + i % 20) + " 05:00:00," + (i % 5 == 0 ? "" : std::to_string(i) + ".5") + "\r\n";
  }
  std::mt19937_64 random(77);
  Outcomes outcomes;
  for (int round = 0; round < Rounds(); ++round) {
    const std::string path = directory_.Write("damaged.csv", Damage(original, random));
    CsvOptions csv;
    if (round % 2 == 0) csv.types = {{"x", arrow::float64()}};
    auto read = ReadCsv({path}, csv, {}, context_);
    if (!read.ok() && read.status().IsKeyError()) continue;
    outcomes.Add(read, round);
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_GT(outcomes.errors, Rounds() / 20);
  EXPECT_GT(outcomes.tables, Rounds() / 20);
}

/// Cut at any bytes, as many ranks read it: together the same rows as one rank, or errors.
TEST_F(DamageTest, SplitCsv) {
  std::string original = "id,text\n";
  for (int i = 0; i < 100; ++i) {
    original += std::to_string(i) + (i % 3 == 0 ? ",\"a,\"\"b\n\"\r\n" : ",pla\"in\n");
  }
  std::mt19937_64 random(78);
  int same = 0;
  for (int round = 0; round < Rounds(); ++round) {
    const std::string text = Damage(original, random);
    const std::string path = directory_.Write("damaged.csv", text);
    const auto size = static_cast<int64_t>(text.size());
    CsvOptions csv;
    csv.type = arrow::binary();
    const auto whole = ReadCsv({path}, csv, {}, context_);
    const auto start = ReadCsvStart(path, csv, context_);
    if (!start.ok()) continue;
    const int ranks = 2 + static_cast<int>(random() % 5);
    std::vector<CsvEffect> effects;
    for (int rank = 0; rank < ranks; ++rank) {
      effects.push_back(
          ScanCsvRange({path, size * rank / ranks, size * (rank + 1) / ranks}, start->offset, csv, context_)
              .ValueOrDie());
    }
    const auto first = FirstRecords(effects, start->offset);
    std::vector<std::shared_ptr<arrow::Table>> tables;
    arrow::Status status;
    for (size_t rank = 0; rank < first.size() && status.ok(); ++rank) {
      const int64_t begin = first[rank] < 0 ? size : first[rank];
      const int64_t end = rank + 1 < first.size() && first[rank + 1] >= 0 ? first[rank + 1] : size;
      auto share = CsvShare::Read({{path, begin, end}}, csv, {}, context_);
      status = share.status();
      if (!status.ok()) break;
      const auto columns = share->Columns(context_).ValueOrDie();
      const auto schema = CsvSchema(columns, csv).ValueOrDie();
      tables.push_back((*std::move(share)).Convert(schema, context_).ValueOrDie());
    }
    ASSERT_EQ(whole.ok(), status.ok()) << round << ": " << whole.status() << " " << status;
    if (!whole.ok()) continue;
    const auto together = arrow::ConcatenateTables(tables).ValueOrDie();
    ASSERT_TRUE(together->Equals(**whole)) << round;
    ++same;
  }
  EXPECT_GT(same, Rounds() / 20);
}

TEST_F(DamageTest, JsonLines) {
  std::string original;
  for (int i = 0; i < 200; ++i) {
    original += "{\"id\": " + std::to_string(i) + ", \"s\": \"a\\n" + std::to_string(i) +
                "\", \"l\": [1, 2.5, null], \"o\": {\"x\": true}}\n";
  }
  std::mt19937_64 random(79);
  Outcomes outcomes;
  for (int round = 0; round < Rounds(); ++round) {
    const std::string path = directory_.Write("damaged.jsonl", Damage(original, random));
    auto read = ReadJson({path}, {}, context_);
    outcomes.Add(read, round);
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_GT(outcomes.errors, Rounds() / 20);
}

TEST_F(DamageTest, Ipc) {
  std::vector<std::string> originals;
  test::RandomTableOptions random_table;
  random_table.rows = 60;
  for (const auto format : {FileFormat::kIpcFile, FileFormat::kIpcStream}) {
    for (const char* compression : {"none", "lz4", "zstd"}) {
      WriteOptions options;
      options.format = format;
      options.compression = compression;
      options.row_group_rows = 25;
      for (const auto& table :
           {test::RandomTable(test::SchemaOf(test::AllTypes()), random_table), test::CountingTable(0, 60)}) {
        ASSERT_TRUE(WriteFile(directory_ / "whole.feather", *table, options, Context()).ok());
        originals.push_back(test::ReadBytes(directory_ / "whole.feather"));
      }
    }
  }
  std::mt19937_64 random(2025);
  Outcomes outcomes;
  for (int round = 0; round < Rounds(); ++round) {
    const auto& original = originals[random() % originals.size()];
    const std::string path = directory_.Write("damaged.feather", Damage(original, random));
    ReadOptions options;
    options.world_size = 1 + static_cast<int>(random() % 3);
    options.rank = static_cast<int>(random()) & (options.world_size - 1);
    auto read = ReadIpc({{path, {}}}, options, context_);
    if (!read.ok() && (read.status().IsTypeError() || read.status().IsKeyError())) continue;
    outcomes.Add(read, round);
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_GT(outcomes.errors, Rounds() / 20);
}

TEST_F(DamageTest, MetadataFiles) {
  WriteOptions options;
  options.partition_columns = {"half"};
  options.metadata_file = true;
  const auto table = test::CountingTable(0, 6);
  ASSERT_TRUE(WriteDirectory(directory_ / "whole", *table, options, "t", false, Context()).ok());
  const std::string original = test::ReadBytes(directory_ / "whole/_metadata");
  std::mt19937_64 random(6);
  Outcomes outcomes;
  for (int round = 0; round < Rounds() / 4; ++round) {
    const std::string path = directory_.Write("whole/_metadata", Damage(original, random));
    auto read = ReadParquet(std::vector<std::string>{path}, {}, context_);
    ++(read.ok() ? outcomes.tables : outcomes.errors);
    if (read.ok()) {
      ASSERT_TRUE((*read)->ValidateFull().ok());
    }
  }
  EXPECT_GT(outcomes.errors, Rounds() / 20);
}

TEST_F(DamageTest, CompressedCsv) {
  WriteOptions options;
  options.format = FileFormat::kCsv;
  options.compression = "gzip";
  ASSERT_TRUE(WriteFile(directory_ / "whole.csv.gz", *test::CountingTable(0, 200), options, Context()).ok());
  const std::string original = test::ReadBytes(directory_ / "whole.csv.gz");
  std::mt19937_64 random(5);
  Outcomes outcomes;
  for (int round = 0; round < Rounds() / 4; ++round) {
    const std::string path = directory_.Write("damaged.csv.gz", Damage(original, random));
    outcomes.Add(ReadCsv({path}, {}, {}, context_), round);
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_GT(outcomes.errors, Rounds() / 8);
}

}  // namespace
}  // namespace weft::io
