#include "exchange/ranks.h"
#include "weft/exchange/exchange.h"

namespace weft::exchange {
namespace {

using test::OnRanks;
using test::RunRanks;

TEST(Agree, AllWell) {
  for (const int world : {1, 2, 3, 5}) {
    OnRanks(world, [](Communicator& c) { return Agree(c, arrow::Status::OK(), "test"); });
  }
}

TEST(Agree, EveryRankGetsTheLowestRanksError) {
  for (const int world : {1, 2, 3, 5}) {
    const auto results = RunRanks(world, [world](Communicator& c) {
      const bool fails = c.rank() == world - 1 || c.rank() == world / 2;
      const auto local = fails ? arrow::Status::KeyError("no column, says ", c.rank()) : arrow::Status::OK();
      const auto agreed = Agree(c, local, "test");
      // The communicator is still good.
      ARROW_RETURN_NOT_OK(Agree(c, arrow::Status::OK(), "test"));
      return agreed;
    });
    for (int rank = 0; rank < world; ++rank) {
      const auto& status = results[static_cast<size_t>(rank)];
      EXPECT_TRUE(status.IsKeyError()) << status.ToString();
      const bool fails = rank == world - 1 || rank == world / 2;
      const std::string lowest = std::to_string(world / 2);
      EXPECT_EQ(status.message(),
                fails ? "no column, says " + std::to_string(rank) : "rank " + lowest + ": no column, says " + lowest);
    }
  }
}

TEST(AgreeSchema, MetadataAndNullabilityMayDiffer) {
  OnRanks(3, [](Communicator& c) {
    auto schema = arrow::schema({arrow::field("a", arrow::int64(), c.rank() == 1), arrow::field("b", arrow::utf8())});
    if (c.rank() == 2) schema = schema->WithMetadata(arrow::key_value_metadata({"k"}, {"v"}));
    return AgreeSchema(c, schema, "merge");
  });
}

TEST(AgreeSchema, NamesTheFirstColumnThatDiffers) {
  const auto results = RunRanks(4, [](Communicator& c) {
    const auto type = c.rank() >= 2 ? arrow::int32() : arrow::int64();
    return AgreeSchema(c, arrow::schema({arrow::field("a", arrow::utf8()), arrow::field("b", type)}), "merge");
  });
  for (const auto& status : results) {
    EXPECT_TRUE(status.IsTypeError()) << status.ToString();
    EXPECT_EQ(status.message(),
              "merge: column 1 is 'b' of type int64 on rank 0 and 'b' of type int32 on rank 2; all ranks must have the "
              "same columns, cast or select them first");
  }
}

TEST(AgreeSchema, ColumnsThatAreMissingAndErrors) {
  auto results = RunRanks(2, [](Communicator& c) {
    arrow::FieldVector fields = {arrow::field("a", arrow::utf8())};
    if (c.rank() == 0) fields.push_back(arrow::field("b", arrow::utf8()));
    return AgreeSchema(c, arrow::schema(fields), "merge");
  });
  for (const auto& status : results) {
    EXPECT_NE(status.message().find("'b' of type string on rank 0 and missing on rank 1"), std::string::npos)
        << status.ToString();
  }
  results = RunRanks(3, [](Communicator& c) {
    arrow::Result<std::shared_ptr<arrow::Schema>> mine = arrow::schema({arrow::field("a", arrow::utf8())});
    if (c.rank() == 1) mine = arrow::Status::IOError("no such file");
    return AgreeSchema(c, mine, "read");
  });
  EXPECT_EQ(results[0].message(), "rank 1: no such file");
  EXPECT_EQ(results[1].message(), "no such file");
  EXPECT_TRUE(results[2].IsIOError());
}

TEST(AllgatherBytes, AnyLengths) {
  for (const int world : {1, 2, 3, 8}) {
    OnRanks(world, [world](Communicator& c) -> arrow::Status {
      const auto text = [](int rank) {
        return rank == 1 ? std::string()
                         : std::string(static_cast<size_t>(rank) * 1000 + 1, static_cast<char>('a' + rank));
      };
      ARROW_ASSIGN_OR_RAISE(const auto all, AllgatherBytes(c, text(c.rank())));
      EXPECT_EQ(all.size(), static_cast<size_t>(world));
      for (int rank = 0; rank < world; ++rank) EXPECT_EQ(all[static_cast<size_t>(rank)], text(rank));
      ARROW_ASSIGN_OR_RAISE(const auto counts, AllgatherCounts(c, int64_t{1} << (c.rank() * 8 % 62)));
      for (int rank = 0; rank < world; ++rank) {
        EXPECT_EQ(counts[static_cast<size_t>(rank)], int64_t{1} << (rank * 8 % 62));
      }
      return arrow::Status::OK();
    });
  }
}

}  // namespace
}  // namespace weft::exchange
