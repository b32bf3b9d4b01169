#include "exchange/ranks.h"
#include "table/random_table.h"
#include "weft/exchange/exchange.h"

namespace weft::exchange {
namespace {

using test::OnRanks;
using test::RandomTable;
using test::RunRanks;
using test::SchemaOf;

std::shared_ptr<arrow::Table> Input(const std::shared_ptr<arrow::Schema>& schema, Rank rank) {
  test::RandomTableOptions options;
  options.seed = static_cast<uint64_t>(rank) + 10;
  options.rows = rank == 1 ? 0 : 10 + 25 * rank;
  options.dictionary_nulls = true;
  return RandomTable(schema, options);
}

std::vector<std::string> AllInputs(const std::shared_ptr<arrow::Schema>& schema, int world) {
  std::vector<std::shared_ptr<arrow::Table>> inputs;
  for (Rank rank = 0; rank < world; ++rank) inputs.push_back(Input(schema, rank));
  return test::RowsAsText(*arrow::ConcatenateTables(inputs).ValueOrDie());
}

TEST(Gather, EveryTypeToEveryRoot) {
  const auto schema = SchemaOf(test::SentTypes());
  for (const int world : {1, 2, 3, 5}) {
    const auto all = AllInputs(schema, world);
    OnRanks(world, [&](Communicator& c) -> arrow::Status {
      for (Rank root = 0; root < world; root += 2) {
        ARROW_ASSIGN_OR_RAISE(const auto got, Gather(c, Input(schema, c.rank()), root, Context{}));
        EXPECT_TRUE(got->schema()->Equals(*schema));
        if (c.rank() == root) {
          EXPECT_TRUE(test::internal::SameText(test::RowsAsText(*got), all));
        } else {
          EXPECT_EQ(got->num_rows(), 0);
        }
      }
      return arrow::Status::OK();
    });
  }
}

TEST(Allgather, EveryTypeOnAllRanks) {
  const auto schema = SchemaOf(test::SentTypes());
  for (const int world : {1, 2, 3, 4, 8}) {
    const auto all = AllInputs(schema, world);
    OnRanks(world, [&](Communicator& c) -> arrow::Status {
      ARROW_ASSIGN_OR_RAISE(const auto got, Allgather(c, Input(schema, c.rank()), Context{}));
      EXPECT_TRUE(test::internal::SameText(test::RowsAsText(*got), all));
      return got->Validate();
    });
  }
}

TEST(Broadcast, EveryTypeFromEveryRoot) {
  const auto schema = SchemaOf(test::SentTypes())->WithMetadata(arrow::key_value_metadata({"k"}, {"v"}));
  const auto table = Input(schema, 3);
  const auto rows = test::RowsAsText(*table);
  for (const int world : {1, 2, 3, 4, 5, 8}) {
    OnRanks(world, [&](Communicator& c) -> arrow::Status {
      for (Rank root = 0; root < world; ++root) {
        ARROW_ASSIGN_OR_RAISE(const auto got, Broadcast(c, c.rank() == root ? table : nullptr, root, Context{}));
        EXPECT_TRUE(got->schema()->Equals(*schema, true));
        EXPECT_TRUE(test::internal::SameText(test::RowsAsText(*got), rows)) << "root " << root << " of " << world;
      }
      return arrow::Status::OK();
    });
  }
}

TEST(Broadcast, OfManyBlocks) {
  const auto schema = SchemaOf({arrow::int64(), arrow::utf8()});
  const auto table = RandomTable(schema, {.rows = 200000, .null_share = 0, .cardinality = 200000, .chunks = 1});
  OnRanks(4, [&](Communicator& c) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(const auto got, Broadcast(c, c.rank() == 1 ? table : nullptr, 1, Context{}));
    EXPECT_TRUE(got->Equals(*table));
    return arrow::Status::OK();
  });
}

TEST(Collect, ErrorsReachAllRanks) {
  const auto bad = SchemaOf({arrow::utf8_view()});
  const auto good = SchemaOf({arrow::int8()});
  for (int which = 0; which < 3; ++which) {
    const auto results = RunRanks(3, [&](Communicator& c) -> arrow::Status {
      const auto table = arrow::Table::MakeEmpty(c.rank() == 2 ? bad : good).ValueOrDie();
      arrow::Status status;
      if (which == 0) status = Gather(c, table, 0, Context{}).status();
      if (which == 1) status = Allgather(c, table, Context{}).status();
      if (which == 2) status = Broadcast(c, table, 2, Context{}).status();
      // The communicator stays good.
      ARROW_ASSIGN_OR_RAISE(const auto all, Allgather(c, RandomTable(good, {.rows = 10}), Context{}));
      EXPECT_EQ(all->num_rows(), 30);
      return status;
    });
    for (const auto& status : results) {
      EXPECT_TRUE(status.IsTypeError()) << which << ": " << status.ToString();
      EXPECT_NE(status.message().find("string_view"), std::string::npos) << status.ToString();
    }
  }
}

TEST(Collect, RootsOutsideTheWorld) {
  OnRanks(2, [&](Communicator& c) -> arrow::Status {
    const auto table = RandomTable(SchemaOf({arrow::int8()}), {});
    EXPECT_TRUE(Gather(c, table, 2, Context{}).status().IsInvalid());
    EXPECT_TRUE(Broadcast(c, table, -1, Context{}).status().IsInvalid());
    return arrow::Status::OK();
  });
}

TEST(Collect, ZeroColumnsKeepTheirRows) {
  OnRanks(2, [&](Communicator& c) -> arrow::Status {
    const auto table = arrow::Table::Make(arrow::schema(arrow::FieldVector{}), arrow::ChunkedArrayVector{}, 3);
    ARROW_ASSIGN_OR_RAISE(const auto all, Allgather(c, table, Context{}));
    EXPECT_EQ(all->num_rows(), 6);
    ARROW_ASSIGN_OR_RAISE(const auto same, Broadcast(c, table, 0, Context{}));
    EXPECT_EQ(same->num_rows(), 3);
    return arrow::Status::OK();
  });
}

}  // namespace
}  // namespace weft::exchange
