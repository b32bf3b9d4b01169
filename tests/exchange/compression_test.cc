#include "weft/exchange/compression.h"

#include <arrow/array/builder_primitive.h>

#include <numeric>
#include <thread>

#include "exchange/ranks.h"
#include "table/random_table.h"
#include "weft/base/capped_pool.h"
#include "weft/communicator/p2p_communicator.h"
#include "weft/exchange/block_stream.h"
#include "weft/exchange/exchange.h"

namespace weft::exchange {
namespace {

using test::OnRanks;
using test::RandomTable;
using test::SchemaOf;

Context With(Compression compression) {
  Context context;
  context.compression = compression;
  return context;
}

int64_t Bytes(const Tracer& tracer, const std::string& phase) {
  const auto totals = tracer.totals();
  const auto found = totals.find(phase);
  return found == totals.end() ? 0 : found->second.bytes;
}

/// Of `rank`, large enough for bodies that are compressed.
std::shared_ptr<arrow::Table> Input(const std::shared_ptr<arrow::Schema>& schema, Rank rank, int64_t rows) {
  test::RandomTableOptions options;
  options.seed = static_cast<uint64_t>(rank) + 1;
  options.rows = rows;
  options.dictionary_nulls = true;
  return RandomTable(schema, options);
}

TEST(Compression, AllThatShrinksComesAsItWas) {
  const auto schema = SchemaOf(test::AllTypes());
  const int world = 3;
  for (const Compression mode : {Compression::kLz4, Compression::kOff}) {
    std::vector<std::shared_ptr<arrow::Table>> inputs;
    for (Rank rank = 0; rank < world; ++rank) inputs.push_back(Input(schema, rank, 1000));
    const auto all = test::RowsAsText(*arrow::ConcatenateTables(inputs).ValueOrDie());
    const auto root = test::RowsAsText(*inputs[1]);
    OnRanks(world, [&](Communicator& c) -> arrow::Status {
      Tracer tracer(false);
      Context context = With(mode);
      context.tracer = &tracer;
      const auto own = inputs[static_cast<size_t>(c.rank())];
      ARROW_ASSIGN_OR_RAISE(const auto everywhere, Allgather(c, own, context));
      EXPECT_TRUE(test::internal::SameText(test::RowsAsText(*everywhere), all));
      ARROW_ASSIGN_OR_RAISE(const auto gathered, Gather(c, own, 0, context));
      if (c.rank() == 0) {
        EXPECT_TRUE(test::internal::SameText(test::RowsAsText(*gathered), all));
      }
      // Of three ranks the root sends to both: blocks are passed on in the test of five.
      ARROW_ASSIGN_OR_RAISE(const auto copied, Broadcast(c, c.rank() == 1 ? own : nullptr, 1, context));
      EXPECT_TRUE(test::internal::SameText(test::RowsAsText(*copied), root));
      ARROW_ASSIGN_OR_RAISE(const auto moved, Shuffle(c, own, ByHash({4}, false, world), context));
      ARROW_RETURN_NOT_OK(moved.table->ValidateFull());
      ARROW_ASSIGN_OR_RAISE(const auto again, Gather(c, moved.table, 0, context));
      if (c.rank() == 0) {
        EXPECT_TRUE(test::SameRows(*again, *everywhere));
      }
      for (const std::string operation : {"allgather", "shuffle"}) {
        const int64_t before = Bytes(tracer, operation + ".lz4");
        EXPECT_EQ(before > 0, mode == Compression::kLz4) << operation;
        EXPECT_LE(Bytes(tracer, operation + ".lz4_made"), mode == Compression::kLz4 ? before - 1 : 0) << operation;
      }
      return arrow::Status::OK();
    });
  }
}

TEST(Compression, OverManyRanksAndBlocks) {
  const auto schema = SchemaOf({arrow::int64(), arrow::utf8()});
  const int world = 5;
  const Context context = With(Compression::kLz4);
  OnRanks(world, [&](Communicator& c) -> arrow::Status {
    const auto own = Input(schema, c.rank(), 40000);
    ARROW_ASSIGN_OR_RAISE(const auto moved, Shuffle(c, own, ByHash({0}, false, world), context,
                                                    {.batch_bytes = 300000, .max_in_flight_bytes = 1}));
    ARROW_ASSIGN_OR_RAISE(const auto copied, Broadcast(c, own, 3, context));
    EXPECT_TRUE(test::SameRowsInOrder(*copied, *Input(schema, 3, 40000)));
    ARROW_ASSIGN_OR_RAISE(const auto counts, AllgatherCounts(c, moved.table->num_rows()));
    EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), int64_t{0}), 5 * 40000);
    return moved.table->ValidateFull();
  });
}

TEST(Compression, WithoutMemoryBlocksGoAsTheyAre) {
  const auto schema = SchemaOf({arrow::int64()});
  const auto ranks = local::MakeCommunicators(2, {}).ValueOrDie();
  Context context = With(Compression::kLz4);
  context.pool = MakeCappedPool(arrow::default_memory_pool(), 300000);
  Streams streams(*ranks[0], context, "test", {.collective = Collective::kShuffleRows});
  const auto batch = Input(schema, 0, 100000)->CombineChunksToBatch().ValueOrDie();
  const auto writer = table::WireWriter::Make(schema, Context{}).ValueOrDie();
  auto block = MakeOutgoing(writer->Write(batch).ValueOrDie(), false);
  const int64_t bytes = block.body_bytes;
  block = streams.Compress(std::move(block));
  EXPECT_FALSE(block.compressed());
  EXPECT_EQ(block.sent_bytes, bytes);
}

/// A column, and blocks of it as the wire has them.
struct Column {
  std::shared_ptr<arrow::Buffer> memory;
  std::vector<ConstBytes> body;
};

Column MakeColumn(bool noise) {
  arrow::Int64Builder builder;
  test::Random random(5);
  for (int64_t i = 0; i < 100000; ++i) {
    EXPECT_TRUE(builder.Append(noise ? static_cast<int64_t>(random.Next()) : i % 100).ok());
  }
  Column made;
  made.memory = builder.Finish().ValueOrDie()->data()->buffers[1];
  made.body = {{reinterpret_cast<const std::byte*>(made.memory->data()), 800000}};
  return made;
}

/// A link that took so long for each of two messages of 400 kB.
LinkRate Link(std::chrono::milliseconds took) {
  LinkRate link;
  link.Begin();
  for (int i = 0; i < 2; ++i) {
    std::this_thread::sleep_for(took);
    link.Completed(400000);
  }
  return link;
}

TEST(Compression, PaysOnASlowLinkWhereDataShrinks) {
  Tracer tracer(false);
  Context context;
  context.tracer = &tracer;
  const auto slow = Link(std::chrono::milliseconds(100));
  EXPECT_EQ(slow.measures(), 2);
  EXPECT_LT(slow.bytes_per_second(), 4.1e6);
  const auto numbers = MakeColumn(false);
  const auto noise = MakeColumn(true);
  const auto choices = [&] {
    std::vector<std::string> found;
    for (const auto& [name, totals] : tracer.totals()) {
      if (name.starts_with("choice.")) found.push_back(name);
    }
    return found;
  };
  CompressionChoice first(context, "one");
  first.Offered(100 << 20);
  EXPECT_FALSE(first.Pays(slow, 1, noise.body, 800000));
  EXPECT_EQ(choices(), (std::vector<std::string>{"choice.one.lz4_declined"}));
  CompressionChoice second(context, "two");
  second.Offered(100 << 20);
  EXPECT_TRUE(second.CouldPay(slow, 1));
  EXPECT_TRUE(second.Pays(slow, 1, numbers.body, 800000));
  EXPECT_TRUE(second.Pays(slow, 1, numbers.body, 800000));
  EXPECT_EQ(tracer.totals().at("choice.two.lz4").count, 1);
  // Data that turn out not to shrink.
  second.Compressed(800000, 790000, std::chrono::milliseconds(1));
  EXPECT_FALSE(second.Pays(slow, 1, noise.body, 800000));
}

TEST(Compression, DoesNotPayOnAFastLinkNorWhereTheThreadIsWhatIsSlow) {
  const auto numbers = MakeColumn(false);
  LinkRate fast;
  fast.Begin();
  fast.Completed(int64_t{1} << 40);
  fast.Completed(int64_t{1} << 40);
  Tracer tracer(false);
  Context context;
  context.tracer = &tracer;
  CompressionChoice choice(context, "one");
  choice.Offered(100 << 20);
  EXPECT_FALSE(choice.CouldPay(fast, 1));
  EXPECT_FALSE(choice.Pays(fast, 1, numbers.body, 800000));
  // A link of 20 MB/s, and a thread that makes 10 MB/s, since it waited for nothing.
  const auto slow = Link(std::chrono::milliseconds(20));
  CompressionChoice late(context, "two");
  std::this_thread::sleep_for(std::chrono::milliseconds(400));
  late.Offered(4000000);
  EXPECT_FALSE(late.Pays(slow, 1, numbers.body, 800000));
  late.Waited(std::chrono::milliseconds(400));
  EXPECT_TRUE(late.Pays(slow, 1, numbers.body, 800000));
  // One message says too little.
  LinkRate once;
  once.Begin();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  once.Completed(100000);
  EXPECT_FALSE(choice.Pays(once, 1, numbers.body, 800000));
  EXPECT_EQ(tracer.totals().count("choice.one.lz4"), 0U);
}

/// A transport whose links say that their ranks share memory.
class Sharing : public Transport {
 public:
  explicit Sharing(std::unique_ptr<Transport> inner) : inner_(std::move(inner)) {}
  Rank rank() const override { return inner_->rank(); }
  int world_size() const override { return inner_->world_size(); }
  arrow::Result<OperationPtr> Send(Rank to, Tag tag, std::vector<ConstBytes> parts, Owner owner) override {
    return inner_->Send(to, tag, std::move(parts), std::move(owner));
  }
  arrow::Result<OperationPtr> Recv(Rank from, Tag tag, std::vector<MutableBytes> parts, Owner owner) override {
    return inner_->Recv(from, tag, std::move(parts), std::move(owner));
  }
  arrow::Status Progress(Duration max_wait) override { return inner_->Progress(max_wait); }
  void Cancel(const OperationPtr& operation) override { inner_->Cancel(operation); }
  void Abort(const arrow::Status& cause) override { inner_->Abort(cause); }
  arrow::Status failure() const override { return inner_->failure(); }
  void SetHeartbeat(std::function<std::string()> make,
                    std::function<arrow::Status(Rank, std::string_view)> check) override {
    inner_->SetHeartbeat(std::move(make), std::move(check));
  }
  arrow::Status Close(Deadline deadline) override { return inner_->Close(deadline); }
  std::vector<LinkInfo> links() const override {
    auto links = inner_->links();
    for (auto& link : links) link.shared_memory = 1 << 20;
    return links;
  }

 private:
  std::unique_ptr<Transport> inner_;
};

/// Sends two blocks to a rank that is slow to take them; what is chosen for the next one.
arrow::Result<bool> ChosenForASlowPeer(bool shares) {
  ARROW_ASSIGN_OR_RAISE(auto transports, local::MakeTransports(2));
  if (shares) transports[0] = std::make_unique<Sharing>(std::move(transports[0]));
  std::vector<std::unique_ptr<Communicator>> ranks;
  for (auto& transport : transports) {
    ARROW_ASSIGN_OR_RAISE(ranks.emplace_back(), MakeP2PCommunicator("local", std::move(transport), {}));
  }
  const auto schema = SchemaOf({arrow::int64()});
  const auto numbers = MakeColumn(false);
  const auto batch = arrow::RecordBatch::Make(
      schema, 100000, {arrow::MakeArray(arrow::ArrayData::Make(arrow::int64(), 100000, {nullptr, numbers.memory}))});
  const Context context;
  arrow::Status received;
  std::thread slow([&] {
    const auto receive = [&]() -> arrow::Status {
      Streams streams(*ranks[1], context, "test", {.collective = Collective::kShuffleRows});
      ARROW_ASSIGN_OR_RAISE(const auto* receiver, streams.AddReceiver(0));
      for (const int64_t rows : {100000, 200000}) {
        // Long beside what a busy host may take from the sender meanwhile.
        std::this_thread::sleep_for(std::chrono::milliseconds(400));
        ARROW_RETURN_NOT_OK(streams.WaitUntil([&] { return receiver->rows() >= rows; }));
      }
      return streams.Drain();
    };
    received = receive();
  });
  const auto send = [&]() -> arrow::Result<bool> {
    Streams streams(*ranks[0], context, "test", {.collective = Collective::kShuffleRows});
    BlockSender* const sender = streams.AddSender(1, int64_t{1} << 30);
    ARROW_ASSIGN_OR_RAISE(const auto writer, table::WireWriter::Make(schema, context));
    const auto make = [&]() -> arrow::Result<OutgoingBlock> {
      ARROW_ASSIGN_OR_RAISE(auto block, writer->Write(batch));
      return MakeOutgoing(std::move(block), /*last=*/false);
    };
    for (int i = 0; i < 2; ++i) {
      ARROW_ASSIGN_OR_RAISE(const auto block, make());
      streams.Offered(block);
      ARROW_RETURN_NOT_OK(sender->Send(block));
      ARROW_RETURN_NOT_OK(streams.WaitUntil([&] { return sender->idle(); }));
    }
    ARROW_ASSIGN_OR_RAISE(const auto block, make());
    streams.Offered(block);
    ARROW_ASSIGN_OR_RAISE(const bool chosen, streams.ShouldCompress(sender, block, 1));
    ARROW_ASSIGN_OR_RAISE(const auto end, EndOfStream("shuffle", writer.get(), arrow::Status::OK()));
    ARROW_RETURN_NOT_OK(sender->Send(end));
    ARROW_RETURN_NOT_OK(streams.Drain());
    return chosen;
  };
  auto chosen = send();
  if (!chosen.ok()) ranks[0]->Abort(chosen.status());
  slow.join();
  ARROW_RETURN_NOT_OK(received);
  return chosen;
}

TEST(Compression, NeverPaysThroughSharedMemory) {
  const auto apart = ChosenForASlowPeer(/*shares=*/false);
  ASSERT_TRUE(apart.ok()) << apart.status();
  EXPECT_TRUE(*apart);
  const auto sharing = ChosenForASlowPeer(/*shares=*/true);
  ASSERT_TRUE(sharing.ok()) << sharing.status();
  EXPECT_FALSE(*sharing);
}

}  // namespace
}  // namespace weft::exchange
