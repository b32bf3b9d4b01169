#include "weft/exchange/block_stream.h"

#include "exchange/ranks.h"
#include "table/random_table.h"
#include "weft/base/communication_error.h"

namespace weft::exchange {
namespace {

using test::RandomTable;
using test::SchemaOf;

/// Two ranks in one thread.
std::vector<std::unique_ptr<Communicator>> Pair(Duration timeout = std::chrono::seconds(5)) {
  CommunicatorOptions options;
  options.timeout = timeout;
  return local::MakeCommunicators(2, options).ValueOrDie();
}

/// Catches what a sender sends, message by message.
std::vector<std::string> Messages(const OutgoingBlock& block) {
  auto ranks = Pair();
  BlockSender sender(*ranks[0], 1, 1 << 20);
  EXPECT_TRUE(sender.Send(block).ok());
  std::vector<std::string> out;
  // A short message may have been taken over by the transport before it is received: bytes tell, the sender does not.
  for (int64_t left = 32 + block.header->size() + block.body_bytes; left > 0;) {
    std::string bytes(1 << 20, '\0');
    const auto length = ranks[1]->Recv(0, kStreamTag, std::as_writable_bytes(std::span<char>(bytes)));
    EXPECT_TRUE(length.ok()) << length.status().ToString();
    if (!length.ok()) break;
    bytes.resize(static_cast<size_t>(*length));
    left -= *length;
    out.push_back(std::move(bytes));
    EXPECT_TRUE(sender.Poll().ok());
  }
  return out;
}

struct Stream {
  std::vector<std::string> block;
  std::vector<std::string> end;
  int64_t rows = 0;
};

Stream MakeStream(const std::shared_ptr<arrow::Table>& table) {
  Stream out;
  const auto batch = table->CombineChunksToBatch().ValueOrDie();
  const auto writer = table::WireWriter::Make(table->schema(), Context{}).ValueOrDie();
  out.block = Messages(MakeOutgoing(writer->Write(batch).ValueOrDie(), false));
  out.end = Messages(EndOfStream("shuffle", writer.get(), arrow::Status::OK()).ValueOrDie());
  out.rows = batch->num_rows();
  return out;
}

/// What a receiver makes of these messages.
struct Outcome {
  arrow::Status communication;
  arrow::Status error;
  int64_t rows = 0;
};

Outcome Deliver(const std::vector<std::string>& messages, Duration timeout = std::chrono::seconds(5)) {
  auto ranks = Pair(timeout);
  std::vector<RequestPtr> sends;
  for (const auto& message : messages) {
    sends.push_back(ranks[0]->Isend(1, kStreamTag, {AsBytes(message)}).ValueOrDie());
  }
  const Context context;
  Streams streams(*ranks[1], context, "test", {.collective = Collective::kShuffleRows});
  const auto receiver = streams.AddReceiver(0);
  EXPECT_TRUE(receiver.ok());
  Outcome out;
  out.communication = streams.Drain();
  out.error = streams.error();
  out.rows = (*receiver)->rows();
  return out;
}

TEST(BlockStream, SmallBlocksAreOneMessageAndLargeOnesTwo) {
  const auto schema = SchemaOf({arrow::int64()});
  EXPECT_EQ(MakeStream(RandomTable(schema, {.rows = 100})).block.size(), 1U);
  const auto large = MakeStream(RandomTable(schema, {.rows = 5000}));
  EXPECT_EQ(large.block.size(), 2U);
  EXPECT_EQ(large.end.size(), 1U);
  const auto wide = schema->WithMetadata(arrow::key_value_metadata({"k"}, {std::string(20000, 'v')}));
  EXPECT_EQ(MakeStream(RandomTable(wide, {.rows = 5000})).block.size(), 3U);
  EXPECT_EQ(MakeStream(RandomTable(wide, {.rows = 0})).block.size(), 2U);
}

TEST(BlockStream, WhatIsNoBlockFailsTheCommunicator) {
  for (const std::string& junk : {std::string(), std::string("x"), std::string(24, '\0'), std::string(5000, '\x7f')}) {
    const auto outcome = Deliver({junk});
    EXPECT_TRUE(IsCommunicationError(outcome.communication, CommunicationFailure::kMismatch))
        << outcome.communication.ToString();
    EXPECT_NE(outcome.communication.message().find("rank 0"), std::string::npos);
  }
}

TEST(BlockStream, AStreamThatBreaksOffIsATimeout) {
  auto stream = MakeStream(RandomTable(SchemaOf({arrow::int64()}), {.rows = 5000}));
  const auto outcome = Deliver({stream.block[0]}, std::chrono::milliseconds(200));
  EXPECT_TRUE(IsCommunicationError(outcome.communication, CommunicationFailure::kTimedOut))
      << outcome.communication.ToString();
}

/// Data that does not hold is an error of this stream; what follows is received and dropped, and the communicator is
/// good to the end.
TEST(BlockStream, BadDataIsDrained) {
  auto stream = MakeStream(RandomTable(SchemaOf({arrow::utf8()}), {.rows = 5000, .null_share = 0, .sliced = false}));
  ASSERT_EQ(stream.block.size(), 2U);
  // The offsets come first in the body.
  stream.block[1][4000] = static_cast<char>(stream.block[1][4000] ^ 0x40);
  stream.block[1][4003] = '\x7f';
  auto messages = stream.block;
  messages.insert(messages.end(), stream.block.begin(), stream.block.end());
  messages.insert(messages.end(), stream.end.begin(), stream.end.end());
  const auto outcome = Deliver(messages);
  EXPECT_TRUE(outcome.communication.ok()) << outcome.communication.ToString();
  EXPECT_TRUE(outcome.error.IsInvalid());
  EXPECT_NE(outcome.error.message().find("rank 0 sent"), std::string::npos) << outcome.error.ToString();
}

TEST(BlockStream, MutatedMessagesGiveErrorsOrRows) {
  const auto stream = MakeStream(RandomTable(SchemaOf({arrow::utf8(), arrow::list(arrow::int8())}), {.rows = 30}));
  ASSERT_EQ(stream.block.size(), 1U);
  test::Random random(3);
  int broken = 0;
  int refused = 0;
  for (int round = 0; round < 1000; ++round) {
    std::string block = stream.block[0];
    // Half of them in the front.
    const auto range = random.Below(2) == 0 ? 32 : static_cast<int64_t>(block.size());
    const auto at = static_cast<size_t>(random.Below(range));
    block[at] = static_cast<char>(block[at] ^ (1 << random.Below(8)));
    const auto outcome = Deliver({block, stream.end[0]}, std::chrono::milliseconds(500));
    if (!outcome.communication.ok()) {
      ++broken;
    } else if (!outcome.error.ok()) {
      ++refused;
    } else {
      EXPECT_EQ(outcome.rows, stream.rows);
    }
  }
  EXPECT_GT(broken, 300);
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace weft::exchange
