#include "weft/table/wire.h"

#include <arrow/util/key_value_metadata.h>

#include <cstdlib>

#include "table/random_table.h"

namespace weft::table {
namespace {

using test::RandomTable;
using test::RandomTableOptions;
using test::SchemaOf;
using test::SentTypes;

constexpr int64_t kMaxBody = int64_t{1} << 40;

/// What arrives: the header and one piece of memory for all bodies.
struct Arrived {
  std::string header;
  std::string body;
};

Arrived Carry(const WireBlock& block) {
  Arrived out;
  out.header = block.header->ToString();
  for (const ConstBytes part : block.body) out.body += AsText(part);
  EXPECT_EQ(static_cast<int64_t>(out.body.size()), block.body_bytes);
  return out;
}

/// Memory of its own exact size, so that a sanitizer sees reads beyond it.
std::shared_ptr<arrow::Buffer> Copy(std::string_view bytes) {
  auto buffer = arrow::AllocateBuffer(static_cast<int64_t>(bytes.size())).ValueOrDie();
  if (!bytes.empty()) std::memcpy(buffer->mutable_data(), bytes.data(), bytes.size());
  return buffer;
}

struct Block {
  WireHeader header;
  std::shared_ptr<arrow::RecordBatch> batch;
};

arrow::Result<Block> Receive(WireReader* reader, const Arrived& arrived) {
  Block block;
  ARROW_ASSIGN_OR_RAISE(block.header, reader->ReadHeader(Copy(arrived.header)));
  std::vector<std::shared_ptr<arrow::Buffer>> bodies;
  std::string_view left = arrived.body;
  for (const int64_t size : block.header.body_sizes) {
    if (static_cast<size_t>(size) > left.size()) return arrow::Status::Invalid("the body is too short");
    bodies.push_back(Copy(left.substr(0, static_cast<size_t>(size))));
    left.remove_prefix(static_cast<size_t>(size));
  }
  ARROW_ASSIGN_OR_RAISE(block.batch, reader->Read(std::move(bodies)));
  return block;
}

std::vector<std::shared_ptr<arrow::RecordBatch>> Batches(const arrow::Table& table, int64_t rows) {
  arrow::TableBatchReader reader(table);
  reader.set_chunksize(rows);
  return reader.ToRecordBatches().ValueOrDie();
}

/// Sends the batches and the end, receives them, and makes a table of what came.
arrow::Result<std::shared_ptr<arrow::Table>> RoundTrip(const std::shared_ptr<arrow::Schema>& schema,
                                                       const std::vector<std::shared_ptr<arrow::RecordBatch>>& batches,
                                                       const arrow::Status& end = arrow::Status::OK()) {
  ARROW_ASSIGN_OR_RAISE(auto writer, WireWriter::Make(schema, Context{}));
  ARROW_ASSIGN_OR_RAISE(auto reader, WireReader::Make(3, kMaxBody, Context{}));
  std::vector<std::shared_ptr<arrow::RecordBatch>> received;
  for (const auto& batch : batches) {
    ARROW_ASSIGN_OR_RAISE(const auto block, writer->Write(batch));
    ARROW_ASSIGN_OR_RAISE(const auto got, Receive(reader.get(), Carry(block)));
    EXPECT_FALSE(got.header.last);
    EXPECT_TRUE(got.batch->ValidateFull().ok()) << got.batch->ValidateFull().ToString();
    received.push_back(got.batch);
  }
  ARROW_ASSIGN_OR_RAISE(const auto block, writer->Finish(end));
  ARROW_ASSIGN_OR_RAISE(const auto got, Receive(reader.get(), Carry(block)));
  EXPECT_TRUE(got.header.last);
  EXPECT_EQ(got.batch, nullptr);
  ARROW_RETURN_NOT_OK(got.header.status);
  EXPECT_TRUE(reader->schema()->Equals(*schema, /*check_metadata=*/true));
  return arrow::Table::FromRecordBatches(reader->schema(), received);
}

TEST(Wire, CarriesEveryTypeSlicedOrNot) {
  const auto schema = SchemaOf(SentTypes());
  for (const bool sliced : {false, true}) {
    for (const double null_share : {0.0, 0.3, 1.0}) {
      for (const int64_t rows : {0, 1, 500}) {
        RandomTableOptions options;
        options.rows = rows;
        options.sliced = sliced;
        options.null_share = null_share;
        options.ragged = true;
        options.dictionary_nulls = true;
        const auto table = RandomTable(schema, options);
        const auto back = RoundTrip(schema, Batches(*table, 97));
        ASSERT_TRUE(back.ok()) << back.status().ToString();
        EXPECT_TRUE(test::SameRowsInOrder(*table, **back));
      }
    }
  }
}

TEST(Wire, CarriesBatchesWithoutRows) {
  const auto schema = SchemaOf(SentTypes());
  RandomTableOptions options;
  options.rows = 10;
  options.chunks = 1;
  const auto batch = RandomTable(schema, options)->CombineChunksToBatch().ValueOrDie();
  const auto back = RoundTrip(schema, {batch->Slice(0, 0), batch->Slice(4, 0), batch->Slice(2, 3), batch->Slice(9, 0)});
  ASSERT_TRUE(back.ok()) << back.status().ToString();
  EXPECT_EQ((*back)->num_rows(), 3);
}

TEST(Wire, ZeroColumnsKeepTheirRows) {
  const auto schema = arrow::schema(arrow::FieldVector{});
  const auto back = RoundTrip(schema, {arrow::RecordBatch::Make(schema, 12, arrow::ArrayVector{})});
  ASSERT_TRUE(back.ok()) << back.status().ToString();
  EXPECT_EQ((*back)->num_rows(), 12);
}

TEST(Wire, KeepsMetadataAndNullability) {
  const auto schema = arrow::schema({arrow::field("a", arrow::int8(), false, arrow::key_value_metadata({"k"}, {"v"}))},
                                    arrow::key_value_metadata({"weft"}, {std::string("a\0b", 3)}));
  const auto back = RoundTrip(schema, {});
  ASSERT_TRUE(back.ok()) << back.status().ToString();
  EXPECT_TRUE((*back)->schema()->Equals(*schema, true));
}

TEST(Wire, BodiesAreNotCopied) {
  const auto array = arrow::MakeArrayFromScalar(arrow::Int64Scalar(7), 1000).ValueOrDie();
  const auto schema = arrow::schema({arrow::field("a", arrow::int64())});
  auto writer = WireWriter::Make(schema, Context{}).ValueOrDie();
  const auto block = writer->Write(arrow::RecordBatch::Make(schema, 1000, {array})).ValueOrDie();
  ASSERT_EQ(block.body.size(), 1U);
  EXPECT_EQ(reinterpret_cast<const uint8_t*>(block.body[0].data()), array->data()->buffers[1]->data());
  EXPECT_EQ(block.body_bytes, 8000);
}

TEST(Wire, DictionariesTravelOnlyWhenTheyAreNew) {
  const auto type = arrow::dictionary(arrow::int8(), arrow::utf8());
  const auto schema = arrow::schema({arrow::field("d", type)});
  const auto make = [&](const std::vector<std::string>& values) {
    arrow::StringBuilder builder;
    EXPECT_TRUE(builder.AppendValues(values).ok());
    const auto indices = arrow::MakeArrayFromScalar(arrow::Int8Scalar(1), 8).ValueOrDie();
    const auto array = std::make_shared<arrow::DictionaryArray>(type, indices, builder.Finish().ValueOrDie());
    return arrow::RecordBatch::Make(schema, 8, {array});
  };
  auto writer = WireWriter::Make(schema, Context{}).ValueOrDie();
  auto reader = WireReader::Make(0, kMaxBody, Context{}).ValueOrDie();
  const auto send = [&](const std::shared_ptr<arrow::RecordBatch>& batch, size_t bodies) {
    const auto block = writer->Write(batch).ValueOrDie();
    const auto got = Receive(reader.get(), Carry(block));
    EXPECT_TRUE(got.ok()) << got.status().ToString();
    EXPECT_EQ(got->header.body_sizes.size(), bodies);
    EXPECT_TRUE(got->batch->Equals(*batch));
    return got->batch;
  };
  const auto first = send(make({"a", "b"}), 2);
  send(make({"a", "b"}), 1);
  send(make({"a", "c"}), 2);
  send(make({"a", "c"}), 1);
  EXPECT_TRUE(first->Equals(*make({"a", "b"})));
}

TEST(Wire, TheLastBlockCarriesTheError) {
  const auto schema = SchemaOf({arrow::int8()});
  const auto back = RoundTrip(schema, {}, arrow::Status::KeyError("no column 'x'"));
  EXPECT_TRUE(back.status().IsKeyError());
  EXPECT_EQ(back.status().message(), "rank 3: no column 'x'");
}

TEST(Wire, RefusesTypesItDoesNotCarry) {
  for (const auto& type :
       {arrow::utf8_view(), arrow::dense_union({arrow::field("a", arrow::int8())}),
        arrow::list(arrow::run_end_encoded(arrow::int32(), arrow::int8())),
        arrow::run_end_encoded(arrow::int64(), arrow::int8()),
        arrow::run_end_encoded(arrow::int32(), arrow::dictionary(arrow::int8(), arrow::utf8())),
        arrow::run_end_encoded(arrow::int32(), arrow::list(arrow::int8())),
        arrow::dictionary(arrow::int8(), arrow::list(arrow::dictionary(arrow::int8(), arrow::utf8())))}) {
    const auto status = WireWriter::Make(SchemaOf({type}), Context{}).status();
    EXPECT_TRUE(status.IsTypeError()) << status.ToString();
    EXPECT_NE(status.message().find("'c0"), std::string::npos) << status.ToString();
  }
}

TEST(Wire, RefusesRunsThatDoNotHold) {
  const auto type = arrow::run_end_encoded(arrow::int32(), arrow::int64());
  const auto schema = SchemaOf({type});
  const auto values =
      arrow::ArrayData::Make(arrow::int64(), 3, {nullptr, arrow::Buffer::FromVector(std::vector<int64_t>{1, 2, 3})}, 0);
  const auto send = [&](std::vector<int32_t> ends, int64_t rows) {
    const auto runs = static_cast<int64_t>(ends.size());
    const auto child =
        arrow::ArrayData::Make(arrow::int32(), runs, {nullptr, arrow::Buffer::FromVector(std::move(ends))}, 0);
    const auto column = arrow::ArrayData::Make(type, rows, {nullptr}, {child, values}, 0);
    auto writer = WireWriter::Make(schema, Context{}).ValueOrDie();
    const auto block = writer->Write(arrow::RecordBatch::Make(schema, rows, {column}));
    if (!block.ok()) return block.status();
    auto reader = WireReader::Make(1, kMaxBody, Context{}).ValueOrDie();
    return Receive(reader.get(), Carry(*block)).status();
  };
  EXPECT_TRUE(send({2, 3, 7}, 7).ok());
  EXPECT_TRUE(send({2, 3, 9}, 7).ok());
  for (const auto& ends : std::vector<std::vector<int32_t>>{{0, 3, 7}, {-1, 3, 7}, {3, 3, 7}, {4, 3, 7}}) {
    EXPECT_TRUE(send(ends, 7).IsInvalid());
  }
}

TEST(Wire, RefusesBodiesThatAreTooLarge) {
  const auto schema = SchemaOf({arrow::int64()});
  auto writer = WireWriter::Make(schema, Context{}).ValueOrDie();
  const auto block = writer->Write(Batches(*RandomTable(schema, {.chunks = 1}), 1000)[0]).ValueOrDie();
  auto reader = WireReader::Make(5, block.body_bytes - 1, Context{}).ValueOrDie();
  const auto status = reader->ReadHeader(block.header).status();
  EXPECT_TRUE(status.IsInvalid());
  EXPECT_NE(status.message().find("rank 5"), std::string::npos) << status.ToString();
  EXPECT_FALSE(reader->ReadHeader(block.header).ok()) << "a stream that failed once stays so";
}

TEST(Wire, RefusesBlocksOutOfOrder) {
  const auto schema = SchemaOf({arrow::int64()});
  auto writer = WireWriter::Make(schema, Context{}).ValueOrDie();
  const auto batch = Batches(*RandomTable(schema, {.chunks = 1}), 1000)[0];
  const auto first = Carry(writer->Write(batch).ValueOrDie());
  const auto second = Carry(writer->Write(batch).ValueOrDie());
  auto reader = WireReader::Make(0, kMaxBody, Context{}).ValueOrDie();
  EXPECT_TRUE(Receive(reader.get(), second).status().IsInvalid()) << "no schema yet";
  reader = WireReader::Make(0, kMaxBody, Context{}).ValueOrDie();
  EXPECT_TRUE(Receive(reader.get(), first).ok());
  EXPECT_TRUE(Receive(reader.get(), first).status().IsInvalid()) << "a second schema";
  EXPECT_TRUE(writer->Finish(arrow::Status::OK()).ok());
  EXPECT_FALSE(writer->Write(batch).ok());
  EXPECT_FALSE(writer->Finish(arrow::Status::OK()).ok());
}

/// Mutates bytes of headers and bodies: what comes out is an error or a table that holds.
void Mutate(uint64_t seed, int mutations) {
  test::Random random(seed);
  const auto types = SentTypes();
  int refused = 0;
  for (int round = 0; round < mutations; ++round) {
    std::vector<std::shared_ptr<arrow::DataType>> some;
    for (int i = 0; i < 3; ++i)
      some.push_back(types[static_cast<size_t>(random.Below(static_cast<int64_t>(types.size())))]);
    const auto schema = SchemaOf(some);
    RandomTableOptions options;
    options.seed = random.Next();
    options.rows = 20;
    options.chunks = 1;
    options.dictionary_nulls = true;
    auto writer = WireWriter::Make(schema, Context{}).ValueOrDie();
    std::vector<Arrived> blocks;
    for (const auto& batch : Batches(*RandomTable(schema, options), 10)) {
      blocks.push_back(Carry(writer->Write(batch).ValueOrDie()));
    }
    // One stream serves for many mutations of it.
    for (int again = 0; again < 10 && round < mutations; ++again, ++round) {
      auto mutated = blocks;
      auto& block = mutated[static_cast<size_t>(random.Below(static_cast<int64_t>(mutated.size())))];
      std::string& bytes = block.body.empty() || random.Below(3) > 0 ? block.header : block.body;
      switch (random.Below(8)) {
        case 0:
          bytes.resize(static_cast<size_t>(random.Below(static_cast<int64_t>(bytes.size()) + 1)));
          break;
        case 1:
          bytes.append(static_cast<size_t>(random.Below(100)), '\1');
          break;
        default:
          for (int64_t flips = 1 + random.Below(3); flips > 0; --flips) {
            const auto at = static_cast<size_t>(random.Below(static_cast<int64_t>(bytes.size())));
            const char corners[] = {'\0', '\1', '\x7f', '\xff'};
            bytes[at] =
                random.Below(2) == 0 ? corners[random.Below(4)] : static_cast<char>(bytes[at] ^ (1 << random.Below(8)));
          }
      }
      auto reader = WireReader::Make(1, 1 << 20, Context{}).ValueOrDie();
      for (const Arrived& arrived : mutated) {
        const auto got = Receive(reader.get(), arrived);
        if (!got.ok()) {
          ++refused;
          break;
        }
        if (got->batch == nullptr) break;
        // Rows of no columns take no memory and can be any number.
        if (got->batch->num_rows() > 1 << 20) continue;
        // Walks through every value.
        const auto table = arrow::Table::FromRecordBatches(got->batch->schema(), {got->batch});
        ASSERT_TRUE(table.ok());
        (void)test::RowsAsText(**table);
        ASSERT_TRUE(got->batch->Validate().ok()) << got->batch->Validate().ToString();
      }
    }
  }
  EXPECT_GT(refused, mutations / 10);
}

TEST(Wire, MutatedBlocksGiveErrorsOrTables) {
  const bool soak = std::getenv("WEFT_SOAK") != nullptr;
  for (uint64_t seed = 1; seed <= (soak ? 100 : 1); ++seed) Mutate(seed, 10000);
}

TEST(Wire, ColumnsBeyondTwoGigabytes) {
  if (std::getenv("WEFT_SOAK") == nullptr) GTEST_SKIP() << "set WEFT_SOAK=1";
  // Rows of 1 MiB that all refer to the same bytes cannot be; a column of 2.5 GiB of them can.
  const std::string text(1 << 20, 'x');
  arrow::LargeStringBuilder builder;
  for (int i = 0; i < 2560; ++i) ASSERT_TRUE(builder.Append(text).ok());
  const auto schema = arrow::schema({arrow::field("s", arrow::large_utf8())});
  const auto batch = arrow::RecordBatch::Make(schema, 2560, {builder.Finish().ValueOrDie()});
  auto writer = WireWriter::Make(schema, Context{}).ValueOrDie();
  const auto block = writer->Write(batch).ValueOrDie();
  EXPECT_GT(block.body_bytes, int64_t{2560} << 20);
  auto reader = WireReader::Make(0, kMaxBody, Context{}).ValueOrDie();
  const auto header = reader->ReadHeader(block.header).ValueOrDie();
  auto body = arrow::AllocateBuffer(header.body_sizes[0]).ValueOrDie();
  size_t at = 0;
  for (const ConstBytes part : block.body) {
    std::memcpy(body->mutable_data() + at, part.data(), part.size());
    at += part.size();
  }
  std::vector<std::shared_ptr<arrow::Buffer>> bodies;
  bodies.push_back(std::move(body));
  const auto back = reader->Read(std::move(bodies)).ValueOrDie();
  EXPECT_EQ(back->num_rows(), 2560);
  EXPECT_TRUE(back->Equals(*batch));
}

}  // namespace
}  // namespace weft::table
