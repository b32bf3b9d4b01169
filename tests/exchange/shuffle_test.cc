#include <arrow/compute/cast.h>

#include <mutex>
#include <set>

#include "exchange/ranks.h"
#include "table/random_table.h"
#include "weft/base/communication_error.h"
#include "weft/exchange/exchange.h"
#include "weft/table/columns.h"
#include "weft/table/hash.h"
#include "weft/table/runs.h"

namespace weft::exchange {
namespace {

using test::OnRanks;
using test::RandomTable;
using test::RandomTableOptions;
using test::RunRanks;
using test::SchemaOf;
using Tables = std::vector<std::shared_ptr<arrow::Table>>;
using Rows = std::vector<std::string>;

/// What a shuffle of `inputs` must give on each rank: by source, in the source's order.
std::vector<Rows> Expected(const Tables& inputs, const std::vector<std::vector<uint32_t>>& owners) {
  std::vector<Rows> out(inputs.size());
  for (size_t source = 0; source < inputs.size(); ++source) {
    const Rows rows = test::RowsAsText(*inputs[source]);
    for (size_t i = 0; i < rows.size(); ++i) out[owners[source][i]].push_back(rows[i]);
  }
  return out;
}

std::vector<uint32_t> OwnersByHash(const arrow::Table& table, const std::vector<int>& columns, int world) {
  std::vector<uint64_t> hashes(static_cast<size_t>(table.num_rows()));
  EXPECT_TRUE(table::HashRows(table, columns, {}, Context{}, hashes.data()).ok());
  std::vector<uint32_t> owners;
  for (const uint64_t hash : hashes) owners.push_back(table::RankOfHash(hash, static_cast<uint32_t>(world)));
  return owners;
}

/// Shuffles by hash of `columns` and checks rows, owners, order and counts.
void CheckByHash(const Tables& inputs, const std::vector<int>& columns, const ShuffleOptions& options = {}) {
  const int world = static_cast<int>(inputs.size());
  std::vector<std::vector<uint32_t>> owners;
  for (const auto& input : inputs) owners.push_back(OwnersByHash(*input, columns, world));
  const auto expected = Expected(inputs, owners);
  OnRanks(world, [&](Communicator& c) -> arrow::Status {
    const auto me = static_cast<size_t>(c.rank());
    ARROW_ASSIGN_OR_RAISE(const auto result, Shuffle(c, inputs[me], ByHash(columns, false, world), Context{}, options));
    ARROW_RETURN_NOT_OK(result.table->Validate());
    // Whether runs pay is another matter.
    EXPECT_TRUE(table::WithoutRuns(result.table->schema())->Equals(*table::WithoutRuns(inputs[me]->schema()), true));
    EXPECT_TRUE(test::internal::SameText(test::RowsAsText(*result.table), expected[me]));
    for (size_t source = 0; source < inputs.size(); ++source) {
      EXPECT_EQ(result.rows_from[source], std::count(owners[source].begin(), owners[source].end(), me));
    }
    return arrow::Status::OK();
  });
}

Tables Inputs(int world, const std::shared_ptr<arrow::Schema>& schema, RandomTableOptions options) {
  Tables inputs;
  for (int rank = 0; rank < world; ++rank) {
    options.seed = options.seed * 31 + 1;
    inputs.push_back(RandomTable(schema, options));
  }
  return inputs;
}

TEST(Shuffle, EveryTypeOverWorldsOfAllSizes) {
  const auto schema = SchemaOf(test::SentTypes());
  for (const int world : {1, 2, 3, 4, 5, 8}) {
    SCOPED_TRACE(world);
    RandomTableOptions options;
    options.rows = 60;
    options.ragged = world % 2 == 0;
    options.dictionary_nulls = true;
    // Key columns: int64 and string.
    CheckByHash(Inputs(world, schema, options), {4, 25}, {.batch_bytes = 12000});
  }
}

TEST(Shuffle, EveryKeyType) {
  for (const auto& type : test::KeyTypes()) {
    SCOPED_TRACE(type->ToString());
    CheckByHash(Inputs(3, SchemaOf({type, arrow::int32()}), {.rows = 200}), {0});
  }
}

TEST(Shuffle, EmptyTablesAndOneSided) {
  const auto schema = SchemaOf({arrow::int64(), arrow::utf8(), arrow::dictionary(arrow::int8(), arrow::utf8())});
  CheckByHash(Inputs(3, schema, {.rows = 0}), {0});
  auto inputs = Inputs(4, schema, {.rows = 0});
  inputs[2] = RandomTable(schema, {.rows = 500});
  CheckByHash(inputs, {1});
  inputs[1] = arrow::Table::MakeEmpty(schema).ValueOrDie();
  inputs[3] = arrow::Table::Make(
      schema, {std::make_shared<arrow::ChunkedArray>(arrow::ArrayVector{}, arrow::int64()),
               std::make_shared<arrow::ChunkedArray>(arrow::ArrayVector{}, arrow::utf8()), inputs[1]->column(2)});
  CheckByHash(inputs, {1});
}

TEST(Shuffle, HeavySkew) {
  const auto schema = SchemaOf({arrow::int64(), arrow::utf8()});
  CheckByHash(Inputs(4, schema, {.rows = 5000, .null_share = 0, .cardinality = 1}), {0}, {.batch_bytes = 4000});
  CheckByHash(Inputs(4, schema, {.rows = 5000, .null_share = 1}), {0}, {.batch_bytes = 4000});
  CheckByHash(Inputs(5, schema, {.rows = 5000, .skew = 1}), {0}, {.batch_bytes = 4000});
}

TEST(Shuffle, TinyBoundsOnBytesUnderWay) {
  const auto schema = SchemaOf({arrow::int64(), arrow::utf8(), arrow::list(arrow::int32())});
  for (const int world : {2, 5}) {
    CheckByHash(Inputs(world, schema, {.rows = 500, .cardinality = 1000}), {0},
                {.batch_bytes = 1, .max_in_flight_bytes = 1});
    CheckByHash(Inputs(world, schema, {.rows = 20000, .cardinality = 1000}), {0},
                {.batch_bytes = 200000, .max_in_flight_bytes = 1});
  }
}

/// Headers beyond the first message: many columns and a long metadata.
TEST(Shuffle, LongHeaders) {
  std::vector<std::shared_ptr<arrow::DataType>> types(150, arrow::int16());
  types.insert(types.end(), 30, arrow::dictionary(arrow::int8(), arrow::utf8()));
  const auto schema = SchemaOf(types)->WithMetadata(arrow::key_value_metadata({"pandas"}, {std::string(100000, 'm')}));
  CheckByHash(Inputs(3, schema, {.rows = 50}), {0, 1}, {.batch_bytes = 20000});
}

TEST(Shuffle, ZeroColumnsKeepTheirRows) {
  const auto schema = arrow::schema(arrow::FieldVector{});
  OnRanks(3, [&](Communicator& c) -> arrow::Status {
    const auto table = arrow::Table::Make(schema, arrow::ChunkedArrayVector{}, 30);
    const auto to_two = [](const arrow::RecordBatch&, int64_t first, const Context&, std::span<uint32_t> targets) {
      for (size_t i = 0; i < targets.size(); ++i) targets[i] = (first + static_cast<int64_t>(i)) % 2 == 0 ? 2 : 0;
      return arrow::Status::OK();
    };
    ARROW_ASSIGN_OR_RAISE(const auto result, Shuffle(c, table, to_two, Context{}));
    EXPECT_EQ(result.table->num_rows(), c.rank() == 1 ? 0 : 45);
    return arrow::Status::OK();
  });
}

TEST(Shuffle, ByPositionKeepsTheGlobalOrder) {
  const auto schema = SchemaOf({arrow::int64(), arrow::utf8(), arrow::dictionary(arrow::int8(), arrow::utf8())});
  const std::vector<int64_t> lengths = {1000, 0, 37, 2500};
  const std::vector<int64_t> ends = {10, 1500, 1500, 3537};
  Tables inputs;
  std::vector<int64_t> offsets = {0};
  for (const int64_t length : lengths) {
    inputs.push_back(RandomTable(schema, {.seed = static_cast<uint64_t>(length) + 1, .rows = length}));
    offsets.push_back(offsets.back() + length);
  }
  const auto all = test::RowsAsText(*arrow::ConcatenateTables(inputs).ValueOrDie());
  OnRanks(4, [&](Communicator& c) -> arrow::Status {
    const auto me = static_cast<size_t>(c.rank());
    ARROW_ASSIGN_OR_RAISE(const auto result,
                          Shuffle(c, inputs[me], ByPosition(ends, offsets[me]), Context{}, {.batch_bytes = 5000}));
    const auto begin = me == 0 ? 0 : ends[me - 1];
    EXPECT_TRUE(
        test::internal::SameText(test::RowsAsText(*result.table), Rows(all.begin() + begin, all.begin() + ends[me])));
    return arrow::Status::OK();
  });
}

TEST(Shuffle, ByPositionBeyondTheEndIsAnErrorOnAllRanks) {
  const auto results = RunRanks(3, [&](Communicator& c) -> arrow::Status {
    const auto table = RandomTable(SchemaOf({arrow::int64()}), {.rows = 10});
    return Shuffle(c, table, ByPosition({5, 10, c.rank() == 1 ? 12 : 20}, c.rank() * 5), Context{}).status();
  });
  for (const auto& status : results) EXPECT_TRUE(status.IsInvalid()) << status.ToString();
  EXPECT_EQ(results[0].message().find("rank 1: row 12"), 0U) << results[0].ToString();
}

TEST(Shuffle, SmallChunksOfOneSourceArePutTogether) {
  const auto schema = SchemaOf({arrow::int64(), arrow::utf8(), arrow::dictionary(arrow::int16(), arrow::utf8())});
  OnRanks(2, [&](Communicator& c) -> arrow::Status {
    const auto table = RandomTable(schema, {.seed = static_cast<uint64_t>(c.rank()) + 5, .rows = 5000, .chunks = 200});
    ARROW_ASSIGN_OR_RAISE(const auto result, Shuffle(c, table, ByHash({0}, false, 2), Context{}));
    EXPECT_LE(result.table->column(0)->num_chunks(), 2);
    EXPECT_GT(result.table->num_rows(), 1000);
    return arrow::Status::OK();
  });
}

/// A partitioner that fails on one rank at a row.
Partitioner Failing(Rank rank, Rank fails, int64_t at, int world) {
  return [=](const arrow::RecordBatch& batch, int64_t first, const Context&,
             std::span<uint32_t> targets) -> arrow::Status {
    if (rank == fails && first + batch.num_rows() > at) return arrow::Status::Invalid("row ", at, " is bad");
    for (size_t i = 0; i < targets.size(); ++i)
      targets[i] = static_cast<uint32_t>((first + static_cast<int64_t>(i)) % world);
    return arrow::Status::OK();
  };
}

TEST(Shuffle, AnErrorOfOneRankIsReturnedByAllAndTheCommunicatorStaysGood) {
  for (const int world : {2, 3, 5}) {
    for (const int64_t at : {0, 3000, 9999}) {
      const Rank fails = world - 1;
      const auto results = RunRanks(world, [&](Communicator& c) -> arrow::Status {
        const auto table = RandomTable(SchemaOf({arrow::int64(), arrow::utf8()}), {.rows = 10000});
        const ShuffleOptions options{.batch_bytes = 10000, .max_in_flight_bytes = 10000};
        const auto failed = Shuffle(c, table, Failing(c.rank(), fails, at, world), Context{}, options).status();
        // The next one works.
        ARROW_RETURN_NOT_OK(Shuffle(c, table, ByHash({0}, false, world), Context{}, options).status());
        return failed.ok() ? arrow::Status::UnknownError("no error") : failed;
      });
      for (int rank = 0; rank < world; ++rank) {
        const std::string text = "row " + std::to_string(at) + " is bad";
        const std::string named = "rank " + std::to_string(fails) + ": " + text;
        EXPECT_EQ(results[static_cast<size_t>(rank)].message(), rank == fails ? text : named);
        EXPECT_TRUE(results[static_cast<size_t>(rank)].IsInvalid());
      }
    }
  }
}

TEST(Shuffle, TypesThatCannotBeSentAndTargetsOutsideTheWorld) {
  auto results = RunRanks(2, [&](Communicator& c) {
    const auto table = arrow::Table::MakeEmpty(SchemaOf({arrow::utf8_view()})).ValueOrDie();
    return Shuffle(c, table, ByPosition({0, 0}, 0), Context{}).status();
  });
  for (const auto& status : results) EXPECT_TRUE(status.IsTypeError()) << status.ToString();
  results = RunRanks(2, [&](Communicator& c) {
    const auto beyond = [](const arrow::RecordBatch&, int64_t, const Context&, std::span<uint32_t> targets) {
      targets[3] = 2;
      return arrow::Status::OK();
    };
    return Shuffle(c, RandomTable(SchemaOf({arrow::int8()}), {.chunks = 1}), beyond, Context{}).status();
  });
  for (const auto& status : results) EXPECT_TRUE(status.IsInvalid()) << status.ToString();
}

TEST(Shuffle, SchemasThatDifferAreAnErrorOnAllRanks) {
  const auto results = RunRanks(3, [&](Communicator& c) {
    const auto type = c.rank() == 2 ? arrow::int32() : arrow::int64();
    return Shuffle(c, RandomTable(SchemaOf({type}), {}), ByHash({0}, false, 3), Context{}).status();
  });
  for (const auto& status : results) EXPECT_TRUE(status.IsTypeError()) << status.ToString();
}

/// A pool that gives no more memory after a number of bytes.
class ScarcePool : public arrow::ProxyMemoryPool {
 public:
  explicit ScarcePool(int64_t limit) : arrow::ProxyMemoryPool(arrow::default_memory_pool()), left_(limit) {}
  arrow::Status Allocate(int64_t size, int64_t alignment, uint8_t** out) override {
    if (left_.fetch_sub(size) < size) return arrow::Status::OutOfMemory("MemoryLimitExceeded: ", size, " bytes");
    return arrow::ProxyMemoryPool::Allocate(size, alignment, out);
  }
  using arrow::ProxyMemoryPool::Allocate;

 private:
  std::atomic<int64_t> left_;
};

TEST(Shuffle, MemoryThatRunsOutOnOneRankIsAnErrorOnAll) {
  for (const int64_t limit : {0, 100000, 300000, 500000}) {
    // Where rank 0 has no rows it fails at what it receives, else as soon at what it sends, which it says in its
    // streams.
    for (const int64_t rows : {0, 100000}) {
      const auto results = RunRanks(3, [&](Communicator& c) -> arrow::Status {
        const auto schema = SchemaOf({arrow::int64()});
        const auto table =
            RandomTable(schema, {.rows = c.rank() == 0 ? rows : 100000, .null_share = 0, .cardinality = 100000});
        ScarcePool pool(limit);
        Context context;
        if (c.rank() == 0) context.pool = &pool;
        const auto status = Shuffle(c, table, ByHash({0}, false, 3), context, {.batch_bytes = 100000}).status();
        ARROW_RETURN_NOT_OK(Agree(c, arrow::Status::OK(), "test"));
        return status.ok() ? arrow::Status::UnknownError("no error") : status;
      });
      for (const auto& status : results) {
        EXPECT_TRUE(status.IsOutOfMemory()) << limit << ": " << status.ToString();
        EXPECT_NE(status.message().find("MemoryLimitExceeded: shuffle: "), std::string::npos) << status.ToString();
      }
    }
  }
}

TEST(Shuffle, ARankThatDoesNotComeIsATimeout) {
  const auto results = RunRanks(
      2,
      [&](Communicator& c) -> arrow::Status {
        if (c.rank() == 1) {
          std::this_thread::sleep_for(std::chrono::milliseconds(1500));
          return arrow::Status::OK();
        }
        return Shuffle(c, RandomTable(SchemaOf({arrow::int8()}), {}), ByHash({0}, false, 2), Context{}).status();
      },
      std::chrono::milliseconds(300));
  EXPECT_TRUE(IsCommunicationError(results[0], CommunicationFailure::kTimedOut)) << results[0].ToString();
}

TEST(Shuffle, AnInterruptEndsItOnAllRanks) {
  CommunicatorOptions options;
  auto communicators = local::MakeCommunicators(2, options).ValueOrDie();
  std::thread other([&] {
    const auto status =
        Shuffle(*communicators[1], RandomTable(SchemaOf({arrow::int8()}), {}), ByHash({0}, false, 2), Context{})
            .status();
    EXPECT_TRUE(IsCommunicationError(status, CommunicationFailure::kAborted)) << status.ToString();
  });
  communicators[0]->Abort(arrow::Status::Cancelled("Ctrl-C"));
  other.join();
}

/// A string column of 2.5 GiB in many chunks, and a large_string column of as much in one.
TEST(Shuffle, ColumnsBeyondTwoGigabytes) {
  if (std::getenv("WEFT_SOAK") == nullptr) GTEST_SKIP() << "set WEFT_SOAK=1";
  constexpr int64_t kChunkRows = 64;
  constexpr int64_t kChunks = 40;
  const std::string text(1 << 20, 'x');
  for (const bool large : {false, true}) {
    std::shared_ptr<arrow::ChunkedArray> column;
    if (large) {
      arrow::LargeStringBuilder builder;
      for (int64_t i = 0; i < kChunkRows * kChunks; ++i) ASSERT_TRUE(builder.Append(text).ok());
      column = std::make_shared<arrow::ChunkedArray>(builder.Finish().ValueOrDie());
    } else {
      arrow::StringBuilder builder;
      for (int64_t i = 0; i < kChunkRows; ++i) ASSERT_TRUE(builder.Append(text).ok());
      const auto chunk = builder.Finish().ValueOrDie();
      column = std::make_shared<arrow::ChunkedArray>(arrow::ArrayVector(kChunks, chunk));
    }
    const auto schema = arrow::schema({arrow::field("s", column->type())});
    OnRanks(2, [&](Communicator& c) -> arrow::Status {
      ARROW_ASSIGN_OR_RAISE(auto table, arrow::Table::MakeEmpty(schema));
      if (c.rank() == 0) table = arrow::Table::Make(schema, {column});
      ARROW_ASSIGN_OR_RAISE(const auto result, Shuffle(c, table, ByPosition({10, kChunkRows * kChunks}, 0), Context{}));
      EXPECT_EQ(result.table->num_rows(), c.rank() == 0 ? 10 : kChunkRows * kChunks - 10);
      const auto expected = column->Slice(c.rank() == 0 ? 0 : 10, result.table->num_rows());
      EXPECT_TRUE(result.table->column(0)->Equals(expected));
      return arrow::Status::OK();
    });
  }
}

TEST(Shuffle, TracesItsPhases) {
  OnRanks(2, [&](Communicator& c) -> arrow::Status {
    Tracer tracer(false);
    Context context;
    context.tracer = &tracer;
    const auto table = RandomTable(SchemaOf({arrow::int64()}), {.rows = 1000});
    ARROW_RETURN_NOT_OK(Shuffle(c, table, ByHash({0}, false, 2), context).status());
    auto totals = tracer.totals();
    EXPECT_EQ(totals["shuffle.partition"].rows, 1000);
    EXPECT_GT(totals["shuffle.send"].bytes, 1000);
    EXPECT_GT(totals["shuffle.send"].rows, 0);
    EXPECT_GT(totals["shuffle.wait"].bytes, 1000);
    return arrow::Status::OK();
  });
}

}  // namespace
}  // namespace weft::exchange
