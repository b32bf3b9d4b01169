// Files that are damaged anywhere: an error or a table that is sound, never a crash.
#include <cstdlib>
#include <random>

#include "io/files.h"
#include "table/random_table.h"
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
    auto read = ReadParquet({path}, options, context_);
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
