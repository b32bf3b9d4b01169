// Blocks of table::WireWriter between two ranks, in order, with bounded bytes under way; and the loop that drives many
// such streams at once.
//
// A block is one to three messages of one tag. The first has a fixed front, the block's header and, where all of it
// fits kInlineBytes, the body, so that a small block is one message and one receive; else the body is a message of
// its own, received into the memory where it stays. A header too long for the first message goes on in a second.
// A body may be compressed (table/wire_compression.h), as the front says; it is a message of its own then.
#pragma once

#include <arrow/buffer.h>
#include <arrow/result.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "weft/base/context.h"
#include "weft/communicator/agreement.h"
#include "weft/communicator/communicator.h"
#include "weft/exchange/compression.h"
#include "weft/table/wire.h"

namespace weft::exchange {

/// The tag of all streams. A stream has an end and its blocks come in order, so streams that follow each other need no
/// tags of their own.
constexpr Tag kStreamTag = Communicator::kMaxTag;

/// Capacity of a stream's first message of each block.
constexpr int64_t kInlineBytes = 16 << 10;

/// A body that a peer announces is refused beyond this, before memory is taken for it.
constexpr int64_t kMaxBodyBytes = int64_t{1} << 38;

/// What is sent: of this rank's own making, or a block that came from another rank and is passed on.
struct OutgoingBlock {
  bool last = false;
  std::shared_ptr<arrow::Buffer> header;
  std::vector<ConstBytes> body;
  int64_t body_bytes = 0;
  /// Of `body`: fewer than `body_bytes` where it is compressed.
  int64_t sent_bytes = 0;
  Owner body_owner;

  bool compressed() const { return sent_bytes < body_bytes; }
};

OutgoingBlock MakeOutgoing(table::WireBlock block, bool last);

/// The block that ends the stream of `writer`; of a stream without rows or schema where `writer` is nullptr or cannot
/// make one, and then with an error. Errors are told as those of `operation`.
arrow::Result<OutgoingBlock> EndOfStream(std::string_view operation, table::WireWriter* writer,
                                         const arrow::Status& status);

/// Sends blocks to one rank. Errors are of communication and final.
class BlockSender {
 public:
  BlockSender(Communicator& communicator, Rank to, int64_t max_in_flight_bytes)
      : communicator_(communicator), to_(to), max_in_flight_bytes_(max_in_flight_bytes) {}

  Rank to() const { return to_; }
  /// Whether there is room for a block of this size; with nothing under way there always is.
  bool HasRoom(int64_t bytes) const { return pending_.empty() || in_flight_bytes_ + bytes <= max_in_flight_bytes_; }
  bool idle() const { return pending_.empty(); }
  /// Of what was sent by this sender.
  const LinkRate& link() const { return link_; }
  /// Blocks so far whose bodies were messages of their own.
  int64_t bodies() const { return bodies_; }

  arrow::Status Send(const OutgoingBlock& block);

  /// Looks after what is under way; true where something of it was completed.
  arrow::Result<bool> Poll();

 private:
  struct Pending {
    RequestPtr request;
    int64_t bytes;
  };

  arrow::Status Start(std::vector<ConstBytes> parts, Owner owner);

  Communicator& communicator_;
  Rank to_;
  int64_t max_in_flight_bytes_;
  int64_t in_flight_bytes_ = 0;
  int64_t bodies_ = 0;
  LinkRate link_;
  std::deque<Pending> pending_;
};

/// Receives one stream, to its end whatever happens: after an error of its own (data that does not hold, no memory) it
/// goes on and drops what comes. Errors of Start and Poll are of communication and final.
class BlockReceiver {
 public:
  /// Blocks are passed on to `forward` as they come, too; those outlive the receiver.
  BlockReceiver(Communicator& communicator, Rank from, const Context& context, std::vector<BlockSender*> forward = {});

  Rank from() const { return from_; }
  arrow::Status Start();
  arrow::Result<bool> Poll();
  bool done() const { return state_ == State::kDone; }

  /// The sender's error, after the last block.
  const arrow::Status& sender_error() const { return sender_error_; }
  /// The first error that arose here.
  const arrow::Status& error() const { return error_; }
  /// The stream's schema; nullptr before the first block.
  std::shared_ptr<arrow::Schema> schema() const { return reader_ == nullptr ? nullptr : reader_->schema(); }
  int64_t rows() const { return rows_; }
  int64_t bytes() const { return bytes_; }
  /// What was received, in order; without batches of no rows.
  std::vector<std::shared_ptr<arrow::RecordBatch>>& batches() { return batches_; }

 private:
  enum class State { kIdle, kFirst, kHeader, kBody, kForward, kDone };

  arrow::Status Expect(std::vector<MutableBytes> parts, Owner owner, int64_t bytes, State state);
  arrow::Status OnFirst();
  arrow::Status OnHeader();
  arrow::Status OnBody();
  arrow::Result<std::shared_ptr<arrow::Buffer>> Allocate(int64_t bytes);
  arrow::Status AllocateBodies();
  arrow::Status Decompress();
  arrow::Status PassOn();
  arrow::Status ProtocolError(const std::string& what);
  void Fail(const arrow::Status& status);

  Communicator& communicator_;
  Rank from_;
  const Context& context_;
  std::vector<BlockSender*> forward_;
  std::unique_ptr<table::WireReader> reader_;
  State state_ = State::kIdle;
  RequestPtr request_;
  int64_t expected_bytes_ = 0;
  // The block at hand.
  std::shared_ptr<arrow::Buffer> first_;
  std::shared_ptr<arrow::Buffer> header_;
  std::vector<std::shared_ptr<arrow::Buffer>> bodies_;
  /// The body as it comes, where it is compressed.
  std::shared_ptr<arrow::Buffer> compressed_;
  int64_t body_bytes_ = 0;
  int64_t sent_bytes_ = 0;
  bool last_ = false;

  std::vector<std::shared_ptr<arrow::RecordBatch>> batches_;
  int64_t rows_ = 0;
  int64_t bytes_ = 0;
  arrow::Status sender_error_;
  arrow::Status error_;
};

/// The streams of one exchange.
class Streams {
 public:
  /// `operation` is for error messages; all ranks make the streams of `call`.
  Streams(Communicator& communicator, const Context& context, std::string operation, const CollectiveCall& call)
      : communicator_(communicator),
        mark_(communicator.Enter(call)),
        context_(context),
        operation_(operation),
        choice_(context, std::move(operation)) {}

  const std::string& operation() const { return operation_; }

  BlockSender* AddSender(Rank to, int64_t max_in_flight_bytes);
  /// Receives from the start.
  arrow::Result<BlockReceiver*> AddReceiver(Rank from, std::vector<BlockSender*> forward = {});

  const std::vector<std::unique_ptr<BlockSender>>& senders() const { return senders_; }
  const std::vector<std::unique_ptr<BlockReceiver>>& receivers() const { return receivers_; }

  /// Whether to compress this block for `sender`, one of `shares` that are sent different blocks as large as this one.
  /// Where the link looks slow, waits for what was sent first, to know.
  arrow::Result<bool> ShouldCompress(BlockSender* sender, const OutgoingBlock& block, int shares);

  /// The block with a compressed body; as it is where that would not be smaller, or there is no memory for it.
  OutgoingBlock Compress(OutgoingBlock block);

  /// Says that a block was made, for ShouldCompress.
  void Offered(const OutgoingBlock& block) { choice_.Offered(block.body_bytes); }

  /// How short a part of a batch is sent next: the first two are quarters, so that the links are known early.
  int64_t NextParts() { return choice_.mode() == Compression::kAuto && batches_++ < 2 ? 4 : 1; }

  /// Moves what can be moved without waiting.
  arrow::Status Poll();

  /// Drives all streams until `ready` holds. When nothing has moved for the communicator's timeout, kTimedOut; an
  /// interrupt is returned as it is. Both abort the communicator, since data is under way.
  arrow::Status WaitUntil(const std::function<bool()>& ready);

  /// Drives all streams to their end.
  arrow::Status Drain();

  /// The first error by rank that is in the streams: this rank's own first.
  arrow::Status error() const;

  /// After Drain, without an error: the schema that all rows now have, `own` being that of this rank's. Columns that
  /// have runs on some ranks alone lose them: then it is another one than `own`, and what was received is of it, on all
  /// ranks that receive from all. Status::TypeError naming a rank that sent other columns.
  arrow::Result<std::shared_ptr<arrow::Schema>> CommonSchema(const std::shared_ptr<arrow::Schema>& own);

 private:
  arrow::Result<bool> Move();
  arrow::Status TimedOut() const;
  /// Memory that two ranks share carries bytes faster than anything compresses them. Such a link looks slow where its
  /// ranks are kept from their cores, and knowing better would take a wait.
  bool SharesMemory(Rank peer);

  Communicator& communicator_;
  std::shared_ptr<CallMark> mark_;
  const Context& context_;
  std::string operation_;
  CompressionChoice choice_;
  int64_t batches_ = 0;
  std::vector<bool> share_memory_;  // by rank, as it was when first asked for
  // Receivers refer to senders, so that they go first.
  std::vector<std::unique_ptr<BlockSender>> senders_;
  std::vector<std::unique_ptr<BlockReceiver>> receivers_;
};

}  // namespace weft::exchange
