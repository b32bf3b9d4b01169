// Columns of runs between ranks: sent as they are, and made plain on all ranks where not all have them.
#include "weft/table/runs.h"

#include <arrow/api.h>
#include <arrow/array/concatenate.h>

#include <algorithm>
#include <numeric>

#include "exchange/ranks.h"
#include "table/random_table.h"
#include "weft/distributed/join.h"
#include "weft/distributed/slice.h"
#include "weft/exchange/exchange.h"

namespace weft::exchange {
namespace {

using test::OnRanks;
using test::RandomTable;
using test::SchemaOf;
using TablePtr = std::shared_ptr<arrow::Table>;

/// Rows whose runs pay in every shuffle, and a plain number.
TablePtr LongRuns(Rank rank, int64_t rows = 4000) {
  const auto runs = [&](const std::shared_ptr<arrow::DataType>& type, int64_t length) {
    const auto count = (rows + length - 1) / length;
    const auto values =
        RandomTable(SchemaOf({type}), {.seed = static_cast<uint64_t>(rank) + 5, .rows = count, .chunks = 1});
    std::vector<int32_t> ends;
    for (int64_t i = 1; i <= count; ++i) ends.push_back(static_cast<int32_t>(std::min(i * length, rows)));
    const auto made_ends = arrow::ArrayData::Make(arrow::int32(), count, {nullptr, arrow::Buffer::FromVector(ends)}, 0);
    const auto column = count == 0 ? arrow::MakeEmptyArray(type).ValueOrDie() : values->column(0)->chunk(0);
    return arrow::RunEndEncodedArray::Make(rows, arrow::MakeArray(made_ends), column).ValueOrDie();
  };
  std::vector<int64_t> numbers(static_cast<size_t>(rows));
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<int64_t>(i * 7919 % 1000);
  const auto plain = std::make_shared<arrow::Int64Array>(rows, arrow::Buffer::FromVector(std::move(numbers)));
  const arrow::ArrayVector columns = {plain, runs(arrow::utf8(), 500), runs(arrow::int64(), 300)};
  return arrow::Table::Make(SchemaOf({columns[0]->type(), columns[1]->type(), columns[2]->type()}), columns, rows);
}

TablePtr Plain(const TablePtr& table) { return table::WithoutRuns(table, Context()).ValueOrDie(); }

struct Sent {
  TablePtr table;
  int64_t bytes;
};

int64_t BytesSent(const Communicator& c) {
  int64_t bytes = 0;
  for (const LinkInfo& link : c.links()) bytes += link.peer == c.rank() ? 0 : link.bytes_sent;
  return bytes;
}

TEST(Runs, AreSentAsTheyAre) {
  for (const int world : {2, 3, 5}) {
    OnRanks(world, [&](Communicator& c) -> arrow::Status {
      const auto table = LongRuns(c.rank());
      const auto shuffle = [&](const TablePtr& rows) -> arrow::Result<Sent> {
        const int64_t before = BytesSent(c);
        ARROW_ASSIGN_OR_RAISE(const auto made, Shuffle(c, rows, ByHash({0}, false, world), Context()));
        return Sent{made.table, BytesSent(c) - before};
      };
      ARROW_ASSIGN_OR_RAISE(const auto ours, shuffle(table));
      ARROW_ASSIGN_OR_RAISE(const auto plain, shuffle(Plain(table)));
      ARROW_RETURN_NOT_OK(ours.table->ValidateFull());
      EXPECT_TRUE(ours.table->schema()->Equals(*table->schema()));
      EXPECT_TRUE(test::SameRowsInOrder(*ours.table, *plain.table));
      // What is left are the numbers: 8 bytes of 8 + 4 + a text + 8 a row.
      EXPECT_LT(ours.bytes * 2, plain.bytes);
      // Runs may be keys.
      ARROW_ASSIGN_OR_RAISE(const auto by_run, Shuffle(c, table, ByHash({1, 2}, true, world), Context()));
      ARROW_ASSIGN_OR_RAISE(const auto by_value, Shuffle(c, Plain(table), ByHash({1, 2}, true, world), Context()));
      EXPECT_TRUE(test::SameRowsInOrder(*by_run.table, *by_value.table));
      EXPECT_TRUE(by_run.table->schema()->Equals(*table->schema()));
      return arrow::Status::OK();
    });
  }
}

TEST(Runs, OfSomeRanksAloneAreNobodys) {
  for (const int world : {2, 3, 4}) {
    for (Rank odd = 0; odd < world; ++odd) {
      OnRanks(world, [&](Communicator& c) -> arrow::Status {
        const auto rows = LongRuns(c.rank());
        const auto table = c.rank() == odd ? Plain(rows) : rows;
        ARROW_RETURN_NOT_OK(AgreeSchema(c, table->schema(), "test"));
        ARROW_ASSIGN_OR_RAISE(const auto made, Shuffle(c, table, ByHash({0}, false, world), Context()));
        ARROW_ASSIGN_OR_RAISE(const auto plain, Shuffle(c, Plain(rows), ByHash({0}, false, world), Context()));
        EXPECT_TRUE(made.table->schema()->Equals(*plain.table->schema()));
        ARROW_RETURN_NOT_OK(made.table->ValidateFull());
        EXPECT_TRUE(test::SameRowsInOrder(*made.table, *plain.table));
        ARROW_ASSIGN_OR_RAISE(const auto everywhere, Allgather(c, table, Context()));
        ARROW_ASSIGN_OR_RAISE(const auto expected, Allgather(c, Plain(rows), Context()));
        EXPECT_TRUE(everywhere->schema()->Equals(*expected->schema()));
        EXPECT_TRUE(test::SameRowsInOrder(*everywhere, *expected));
        ARROW_ASSIGN_OR_RAISE(const auto gathered, Gather(c, table, 1, Context()));
        if (c.rank() == 1) {
          EXPECT_TRUE(test::SameRowsInOrder(*gathered, *expected));
        }
        return arrow::Status::OK();
      });
    }
  }
}

/// As nobody's: where they do not pay on one rank.
TEST(Runs, ThatDoNotPayAreSentPlain) {
  OnRanks(3, [&](Communicator& c) -> arrow::Status {
    const auto type = arrow::run_end_encoded(arrow::int32(), arrow::int64());
    const auto table = c.rank() == 2 ? RandomTable(SchemaOf({arrow::int64(), type}), {.seed = 3, .rows = 0})
                                     : RandomTable(SchemaOf({arrow::int64(), type}), {.seed = 3, .rows = 2000});
    std::vector<int32_t> ends(2000);
    std::iota(ends.begin(), ends.end(), 1);
    const auto made_ends = arrow::MakeArray(
        arrow::ArrayData::Make(arrow::int32(), 2000, {nullptr, arrow::Buffer::FromVector(std::move(ends))}, 0));
    auto short_runs = table;
    if (c.rank() == 0) {
      ARROW_ASSIGN_OR_RAISE(const auto numbers, arrow::Concatenate(table->column(0)->chunks()));
      ARROW_ASSIGN_OR_RAISE(const auto column, arrow::RunEndEncodedArray::Make(2000, made_ends, numbers));
      ARROW_ASSIGN_OR_RAISE(short_runs,
                            table->SetColumn(1, table->field(1), std::make_shared<arrow::ChunkedArray>(column)));
    }
    ARROW_ASSIGN_OR_RAISE(const auto made, Shuffle(c, short_runs, ByHash({0}, false, 3), Context()));
    EXPECT_FALSE(table::HasRuns(*made.table->schema()));
    ARROW_ASSIGN_OR_RAISE(const auto plain, Shuffle(c, Plain(short_runs), ByHash({0}, false, 3), Context()));
    EXPECT_TRUE(test::SameRowsInOrder(*made.table, *plain.table));
    return arrow::Status::OK();
  });
}

TEST(Runs, RepartitionKeepsThem) {
  OnRanks(4, [&](Communicator& c) -> arrow::Status {
    const auto table = LongRuns(c.rank(), c.rank() == 1 ? 0 : 1000 * (c.rank() + 1));
    ARROW_ASSIGN_OR_RAISE(const auto made, distributed::Repartition(c, table, Context()));
    ARROW_ASSIGN_OR_RAISE(const auto plain, distributed::Repartition(c, Plain(table), Context()));
    EXPECT_TRUE(made->schema()->Equals(*table->schema()));
    EXPECT_TRUE(test::SameRowsInOrder(*made, *plain));
    ARROW_ASSIGN_OR_RAISE(const auto by_key, distributed::RepartitionByKey(c, table, {1}, true, Context()));
    ARROW_ASSIGN_OR_RAISE(const auto plain_key, distributed::RepartitionByKey(c, Plain(table), {1}, true, Context()));
    EXPECT_TRUE(test::SameRowsInOrder(*by_key, *plain_key));
    return arrow::Status::OK();
  });
}

/// Whatever way its rows go, and with keys that have runs.
TEST(Runs, AJoinSendsThemAndGivesPlainColumns) {
  using kernels::JoinAlgorithm;
  using kernels::JoinType;
  for (const auto type : {JoinType::kInner, JoinType::kLeft, JoinType::kOuter, JoinType::kLeftSemi}) {
    for (const auto algorithm : {JoinAlgorithm::kHash, JoinAlgorithm::kSort, JoinAlgorithm::kAuto}) {
      for (const bool ordered : {false, true}) {
        for (const int key : {0, 2}) {
          OnRanks(3, [&](Communicator& c) -> arrow::Status {
            const auto left = LongRuns(c.rank(), 700);
            const auto right = c.rank() == 1 ? Plain(LongRuns(1, 60)) : LongRuns(c.rank() + 1, 60);
            kernels::JoinOptions options;
            options.left_keys = options.right_keys = {key};
            options.type = type;
            options.algorithm = algorithm;
            options.maintain_order = ordered;
            ARROW_ASSIGN_OR_RAISE(const auto made, distributed::Join(c, left, right, options, Context()));
            ARROW_ASSIGN_OR_RAISE(const auto plain,
                                  distributed::Join(c, Plain(left), Plain(right), options, Context()));
            EXPECT_TRUE(made->schema()->Equals(*plain->schema()));
            EXPECT_TRUE(test::SameRows(*made, *plain));
            if (ordered) {
              EXPECT_TRUE(test::SameRowsInOrder(*made, *plain));
            }
            return made->ValidateFull();
          });
        }
      }
    }
  }
}

}  // namespace
}  // namespace weft::exchange
