#include "weft/exchange/block_stream.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "weft/base/capped_pool.h"
#include "weft/base/communication_error.h"
#include "weft/base/fault_point.h"
#include "weft/exchange/blocks.h"
#include "weft/table/runs.h"

namespace weft::exchange {
namespace {

/// The front of a block's first message.
struct Front {
  static constexpr uint32_t kMagic = 0x324c4257;       // "WBL2"
  static constexpr uint32_t kFirstMagic = 0x4b4c4257;  // "WBLK", without compression
  static constexpr uint32_t kLast = 1;
  static constexpr uint32_t kLz4 = 2;
  uint32_t magic = kMagic;
  uint32_t flags = 0;
  int64_t header_bytes = 0;
  int64_t body_bytes = 0;
  int64_t sent_bytes = 0;  // of the body, less than body_bytes with kLz4

  bool compressed() const { return (flags & kLz4) != 0; }
  bool Holds() const {
    if (magic != kMagic || flags > (kLast | kLz4) || header_bytes < 0 || header_bytes > table::kMaxWireHeaderBytes ||
        body_bytes < 0 || body_bytes > kMaxBodyBytes) {
      return false;
    }
    return compressed() ? table::CheckCompressedBytes(sent_bytes, body_bytes).ok() : sent_bytes == body_bytes;
  }
};
static_assert(sizeof(Front) == 32 && sizeof(Front) % 8 == 0);
constexpr auto kFrontBytes = static_cast<int64_t>(sizeof(Front));

ConstBytes Span(const arrow::Buffer& buffer, int64_t begin, int64_t end) {
  return {reinterpret_cast<const std::byte*>(buffer.data()) + begin, static_cast<size_t>(end - begin)};
}

MutableBytes MutableSpan(arrow::Buffer& buffer, int64_t begin, int64_t end) {
  return {reinterpret_cast<std::byte*>(buffer.mutable_data()) + begin, static_cast<size_t>(end - begin)};
}

/// Whether front, header and body are one message.
bool IsInline(int64_t header_bytes, int64_t body_bytes) {
  return header_bytes <= kInlineBytes - kFrontBytes && body_bytes <= kInlineBytes - kFrontBytes - header_bytes;
}

}  // namespace

OutgoingBlock MakeOutgoing(table::WireBlock block, bool last) {
  const int64_t bytes = block.body_bytes;
  return {last, std::move(block.header), std::move(block.body), bytes, bytes, std::move(block.body_owner)};
}

arrow::Result<OutgoingBlock> EndOfStream(std::string_view operation, table::WireWriter* writer,
                                         const arrow::Status& status) {
  arrow::Status error = NameOperator(operation, status);
  if (writer != nullptr) {
    auto block = writer->Finish(error);
    if (block.ok()) return MakeOutgoing(*std::move(block), /*last=*/true);
    if (error.ok()) error = NameOperator(operation, block.status());
  }
  // The default context's memory is beside the limit, which may be what failed.
  ARROW_ASSIGN_OR_RAISE(const auto empty, table::WireWriter::Make(arrow::schema(arrow::FieldVector{}), Context{}));
  ARROW_ASSIGN_OR_RAISE(auto block, empty->Finish(error));
  return MakeOutgoing(std::move(block), /*last=*/true);
}

arrow::Status BlockSender::Send(const OutgoingBlock& block) {
  // Holds the front and all memory that the messages refer to.
  struct Held {
    Front front;
    OutgoingBlock block;
  };
  auto held = std::make_shared<Held>();
  held->block = block;
  held->front.flags = (block.last ? Front::kLast : 0) | (block.compressed() ? Front::kLz4 : 0);
  held->front.header_bytes = block.header->size();
  held->front.body_bytes = block.body_bytes;
  held->front.sent_bytes = block.sent_bytes;
  const ConstBytes front = std::as_bytes(std::span<const Front>(&held->front, 1));
  const int64_t header_bytes = block.header->size();
  const int64_t in_first = std::min(header_bytes, kInlineBytes - kFrontBytes);
  std::vector<ConstBytes> parts = {front, Span(*block.header, 0, in_first)};
  FaultPoint(FaultPhase::kHeader);
  if (!block.compressed() && IsInline(header_bytes, block.body_bytes)) {
    parts.insert(parts.end(), block.body.begin(), block.body.end());
    return Start(std::move(parts), held);
  }
  ARROW_RETURN_NOT_OK(Start(std::move(parts), held));
  if (in_first < header_bytes) ARROW_RETURN_NOT_OK(Start({Span(*block.header, in_first, header_bytes)}, held));
  FaultPoint(FaultPhase::kPayload);
  if (block.body_bytes > 0) ARROW_RETURN_NOT_OK(Start(block.body, held));
  ++bodies_;
  FaultPoint(FaultPhase::kPayload);
  return arrow::Status::OK();
}

arrow::Status BlockSender::Start(std::vector<ConstBytes> parts, Owner owner) {
  int64_t bytes = 0;
  for (const ConstBytes part : parts) bytes += static_cast<int64_t>(part.size());
  if (pending_.empty()) link_.Begin();
  ARROW_ASSIGN_OR_RAISE(auto request, communicator_.Isend(to_, kStreamTag, std::move(parts), std::move(owner)));
  pending_.push_back({std::move(request), bytes});
  in_flight_bytes_ += bytes;
  return arrow::Status::OK();
}

arrow::Result<bool> BlockSender::Poll() {
  bool moved = false;
  int64_t bytes = 0;
  // Messages of one tag to one rank are completed in order, or nearly so.
  while (!pending_.empty()) {
    ARROW_ASSIGN_OR_RAISE(const bool done, pending_.front().request->Test());
    if (!done) break;
    bytes += pending_.front().bytes;
    pending_.pop_front();
    moved = true;
  }
  in_flight_bytes_ -= bytes;
  if (moved) link_.Completed(bytes);
  return moved;
}

BlockReceiver::BlockReceiver(Communicator& communicator, Rank from, const Context& context,
                             std::vector<BlockSender*> forward)
    : communicator_(communicator), from_(from), context_(context), forward_(std::move(forward)) {}

void BlockReceiver::Fail(const arrow::Status& status) {
  if (error_.ok()) error_ = status;
}

arrow::Status BlockReceiver::ProtocolError(const std::string& what) {
  const auto error = MakeCommunicationError(
      {.failure = CommunicationFailure::kMismatch,
       .operation = "exchange",
       .phase = "header",
       .rank = communicator_.rank(),
       .peer = from_},
      "rank " + std::to_string(from_) + " sent " + what + "; ranks must run the same operators in the same order");
  communicator_.Abort(error);
  return error;
}

arrow::Status BlockReceiver::Expect(std::vector<MutableBytes> parts, Owner owner, int64_t bytes, State state) {
  ARROW_ASSIGN_OR_RAISE(request_, communicator_.Irecv(from_, kStreamTag, std::move(parts), std::move(owner)));
  expected_bytes_ = bytes;
  state_ = state;
  return arrow::Status::OK();
}

arrow::Result<std::shared_ptr<arrow::Buffer>> BlockReceiver::Allocate(int64_t bytes) {
  auto buffer = arrow::AllocateBuffer(bytes, context_.pool);
  if (buffer.ok()) return std::shared_ptr<arrow::Buffer>(*std::move(buffer));
  Fail(buffer.status());
  // What is dropped must be received all the same; this memory is not for keeping and beside the limit.
  ARROW_ASSIGN_OR_RAISE(auto dropped, arrow::AllocateBuffer(bytes, arrow::system_memory_pool()));
  return std::shared_ptr<arrow::Buffer>(std::move(dropped));
}

arrow::Status BlockReceiver::Start() {
  if (reader_ == nullptr && error_.ok()) {
    auto reader = table::WireReader::Make(from_, kMaxBodyBytes, context_);
    if (reader.ok()) reader_ = *std::move(reader);
    Fail(reader.status());
  }
  header_ = nullptr;
  compressed_ = nullptr;
  bodies_.clear();
  ARROW_ASSIGN_OR_RAISE(first_, Allocate(kInlineBytes));
  return Expect({MutableSpan(*first_, 0, kInlineBytes)}, first_, -1, State::kFirst);
}

arrow::Result<bool> BlockReceiver::Poll() {
  bool moved = false;
  while (state_ != State::kIdle && state_ != State::kDone) {
    if (state_ == State::kForward) {
      const bool room = std::all_of(forward_.begin(), forward_.end(),
                                    [&](const BlockSender* sender) { return sender->HasRoom(sent_bytes_); });
      if (!room) break;
      ARROW_RETURN_NOT_OK(PassOn());
      moved = true;
      continue;
    }
    ARROW_ASSIGN_OR_RAISE(const bool done, request_->Test());
    if (!done) break;
    moved = true;
    const int64_t received = request_->received_bytes();
    if (expected_bytes_ >= 0 && received != expected_bytes_) {
      return ProtocolError(std::to_string(received) + " bytes where " + std::to_string(expected_bytes_) + " were due");
    }
    bytes_ += received;
    switch (state_) {
      case State::kFirst:
        ARROW_RETURN_NOT_OK(OnFirst());
        break;
      case State::kHeader:
        ARROW_RETURN_NOT_OK(OnHeader());
        break;
      default:
        ARROW_RETURN_NOT_OK(OnBody());
    }
  }
  return moved;
}

arrow::Status BlockReceiver::OnFirst() {
  const int64_t received = request_->received_bytes();
  Front front;
  if (received < kFrontBytes) return ProtocolError("a message of " + std::to_string(received) + " bytes");
  std::memcpy(&front, first_->data(), sizeof(front));
  if (front.magic == Front::kFirstMagic) return ProtocolError("a block as an older version of Weft makes it");
  if (!front.Holds()) return ProtocolError("what is no block of a table");
  last_ = (front.flags & Front::kLast) != 0;
  body_bytes_ = front.body_bytes;
  sent_bytes_ = front.sent_bytes;
  const int64_t in_first = std::min(front.header_bytes, kInlineBytes - kFrontBytes);
  const bool whole = !front.compressed() && IsInline(front.header_bytes, front.body_bytes);
  const int64_t due = kFrontBytes + in_first + (whole ? front.body_bytes : 0);
  if (received != due) {
    return ProtocolError(std::to_string(received) + " bytes where " + std::to_string(due) + " were due");
  }
  if (in_first == front.header_bytes) {
    header_ = arrow::SliceBuffer(first_, kFrontBytes, in_first);
    return OnHeader();
  }
  ARROW_ASSIGN_OR_RAISE(header_, Allocate(front.header_bytes));
  std::memcpy(header_->mutable_data(), first_->data() + kFrontBytes, static_cast<size_t>(in_first));
  return Expect({MutableSpan(*header_, in_first, front.header_bytes)}, header_, front.header_bytes - in_first,
                State::kHeader);
}

/// Memory for each body, or one piece for all of them where the block is to be dropped.
arrow::Status BlockReceiver::AllocateBodies() {
  bodies_.clear();
  if (error_.ok()) {
    auto header = reader_->ReadHeader(header_);
    if (header.ok()) {
      int64_t sum = 0;
      for (const int64_t size : header->body_sizes) sum += size;
      if (sum != body_bytes_ || header->last != last_) {
        Fail(arrow::Status::Invalid("rank ", from_, " sent a block whose front and header differ"));
      }
      for (const int64_t size : header->body_sizes) {
        if (!error_.ok()) break;
        ARROW_ASSIGN_OR_RAISE(auto buffer, Allocate(size));
        bodies_.push_back(std::move(buffer));
      }
      if (header->last && sender_error_.ok()) sender_error_ = header->status;
    } else {
      Fail(header.status());
    }
  }
  if (sent_bytes_ < body_bytes_) {
    ARROW_ASSIGN_OR_RAISE(compressed_, Allocate(sent_bytes_));
    return arrow::Status::OK();
  }
  if (error_.ok()) return arrow::Status::OK();
  bodies_.clear();
  ARROW_ASSIGN_OR_RAISE(auto dropped, Allocate(body_bytes_));
  bodies_.push_back(std::move(dropped));
  return arrow::Status::OK();
}

arrow::Status BlockReceiver::Decompress() {
  const auto status = table::DecompressBody(*compressed_, bodies_, context_.pool);
  if (!status.IsInvalid()) return status;
  return arrow::Status::Invalid("rank ", from_, " sent a block of a table that does not hold: ", status.message());
}

arrow::Status BlockReceiver::OnHeader() {
  FaultPoint(FaultPhase::kHeader);
  ARROW_RETURN_NOT_OK(AllocateBodies());
  if (compressed_ == nullptr && IsInline(header_->size(), body_bytes_)) {
    const uint8_t* from = header_->data() + header_->size();
    for (const auto& body : bodies_) {
      if (body->size() > 0) std::memcpy(body->mutable_data(), from, static_cast<size_t>(body->size()));
      from += body->size();
    }
    return OnBody();
  }
  if (body_bytes_ == 0) return OnBody();
  if (compressed_ != nullptr) {
    return Expect({MutableSpan(*compressed_, 0, sent_bytes_)}, compressed_, sent_bytes_, State::kBody);
  }
  std::vector<MutableBytes> parts;
  for (const auto& body : bodies_) {
    if (body->size() > 0) parts.push_back(MutableSpan(*body, 0, body->size()));
  }
  // The buffers are held until the request lets go, whatever becomes of this receiver.
  auto owner = std::make_shared<std::vector<std::shared_ptr<arrow::Buffer>>>(bodies_);
  return Expect(std::move(parts), std::move(owner), body_bytes_, State::kBody);
}

arrow::Status BlockReceiver::OnBody() {
  FaultPoint(FaultPhase::kPayload);
  if (error_.ok() && compressed_ != nullptr) Fail(Decompress());
  if (error_.ok()) {
    auto batch = reader_->Read(bodies_);
    Fail(batch.status());
    if (batch.ok() && *batch != nullptr) {
      rows_ += (*batch)->num_rows();
      if ((*batch)->num_rows() > 0) batches_.push_back(*std::move(batch));
    }
  }
  // What fails here is of no use to anyone; let its memory go.
  if (!error_.ok()) batches_.clear();
  if (!forward_.empty()) {
    state_ = State::kForward;
    return arrow::Status::OK();
  }
  if (!last_) return Start();
  state_ = State::kDone;
  return arrow::Status::OK();
}

arrow::Status BlockReceiver::PassOn() {
  OutgoingBlock block;
  block.last = last_;
  block.header = header_;
  block.body_bytes = body_bytes_;
  block.sent_bytes = sent_bytes_;
  auto held = compressed_ == nullptr ? bodies_ : std::vector<std::shared_ptr<arrow::Buffer>>{compressed_};
  for (const auto& body : held) {
    if (body->size() > 0) block.body.push_back(Span(*body, 0, body->size()));
  }
  block.body_owner = std::make_shared<std::vector<std::shared_ptr<arrow::Buffer>>>(std::move(held));
  for (BlockSender* sender : forward_) ARROW_RETURN_NOT_OK(sender->Send(block));
  if (!last_) return Start();
  state_ = State::kDone;
  return arrow::Status::OK();
}

BlockSender* Streams::AddSender(Rank to, int64_t max_in_flight_bytes) {
  senders_.push_back(std::make_unique<BlockSender>(communicator_, to, max_in_flight_bytes));
  return senders_.back().get();
}

arrow::Result<BlockReceiver*> Streams::AddReceiver(Rank from, std::vector<BlockSender*> forward) {
  receivers_.push_back(std::make_unique<BlockReceiver>(communicator_, from, context_, std::move(forward)));
  ARROW_RETURN_NOT_OK(receivers_.back()->Start());
  return receivers_.back().get();
}

arrow::Result<bool> Streams::Move() {
  bool moved = false;
  for (const auto& sender : senders_) {
    ARROW_ASSIGN_OR_RAISE(const bool sent, sender->Poll());
    moved |= sent;
  }
  for (const auto& receiver : receivers_) {
    ARROW_ASSIGN_OR_RAISE(const bool received, receiver->Poll());
    moved |= received;
  }
  return moved;
}

arrow::Result<bool> Streams::ShouldCompress(BlockSender* sender, const OutgoingBlock& block, int shares) {
  if (choice_.mode() == Compression::kOff || block.body_bytes < kLeastCompressedBytes) return false;
  if (choice_.mode() == Compression::kLz4) return true;
  if (SharesMemory(sender->to())) return false;
  // What a link carries is seen by the first two blocks.
  if (sender->bodies() < 2) return false;
  if (sender->link().measures() < 2 && !sender->idle() && choice_.CouldPay(sender->link(), shares)) {
    ARROW_RETURN_NOT_OK(WaitUntil([&] { return sender->link().measures() >= 2 || sender->idle(); }));
  }
  return choice_.Pays(sender->link(), shares, block.body, block.body_bytes);
}

bool Streams::SharesMemory(Rank peer) {
  if (share_memory_.empty()) {
    share_memory_.resize(static_cast<size_t>(communicator_.world_size()));
    for (const LinkInfo& link : communicator_.links()) {
      if (link.peer >= 0) share_memory_[static_cast<size_t>(link.peer)] = link.shared_memory > 0;
    }
  }
  return share_memory_[static_cast<size_t>(peer)];
}

OutgoingBlock Streams::Compress(OutgoingBlock block) {
  const auto begin = Clock::now();
  const auto made = table::CompressBody(block.body, block.body_bytes, context_.pool);
  if (!made.ok()) return block;
  const int64_t bytes = *made == nullptr ? block.body_bytes : (*made)->size();
  choice_.Compressed(block.body_bytes, bytes, Clock::now() - begin);
  if (*made == nullptr) return block;
  block.body = {Span(**made, 0, bytes)};
  block.body_owner = *made;
  block.sent_bytes = bytes;
  return block;
}

arrow::Status Streams::Poll() { return Move().status(); }

arrow::Status Streams::TimedOut() const {
  Rank peer = -1;
  std::string waiting;
  for (const auto& receiver : receivers_) {
    if (receiver->done()) continue;
    if (peer < 0) peer = receiver->from();
    waiting += (waiting.empty() ? "data of rank " : ", ") + std::to_string(receiver->from());
  }
  for (const auto& sender : senders_) {
    if (sender->idle()) continue;
    if (peer < 0) peer = sender->to();
    waiting += (waiting.empty() ? "room at rank " : ", room at rank ") + std::to_string(sender->to());
  }
  return MakeCommunicationError(
      {.failure = CommunicationFailure::kTimedOut,
       .operation = operation_,
       .phase = "payload",
       .rank = communicator_.rank(),
       .peer = peer,
       .elapsed = communicator_.options().timeout},
      "waited for " + waiting + ", which did not come within the timeout; a longer one can be given to init");
}

arrow::Status Streams::WaitUntil(const std::function<bool()>& ready) {
  const auto& options = communicator_.options();
  Deadline deadline = Deadline::After(options.timeout);
  const auto begin = Clock::now();
  while (!ready()) {
    ARROW_ASSIGN_OR_RAISE(const bool moved, Move());
    if (moved) {
      deadline = Deadline::After(options.timeout);
      continue;
    }
    arrow::Status status = options.check_interrupt ? options.check_interrupt() : arrow::Status::OK();
    if (status.ok()) status = context_.stop.Poll();
    if (status.ok() && deadline.Passed()) status = TimedOut();
    if (!status.ok()) {
      communicator_.Abort(status);
      return status;
    }
    ARROW_RETURN_NOT_OK(communicator_.Progress(deadline.LeftUpTo(std::chrono::milliseconds(100))));
  }
  choice_.Waited(Clock::now() - begin);
  return arrow::Status::OK();
}

arrow::Status Streams::Drain() {
  return WaitUntil([this] {
    return std::all_of(senders_.begin(), senders_.end(), [](const auto& sender) { return sender->idle(); }) &&
           std::all_of(receivers_.begin(), receivers_.end(), [](const auto& receiver) { return receiver->done(); });
  });
}

arrow::Status Streams::error() const {
  for (const auto& receiver : receivers_) ARROW_RETURN_NOT_OK(receiver->error());
  for (const auto& receiver : receivers_) ARROW_RETURN_NOT_OK(receiver->sender_error());
  return arrow::Status::OK();
}

arrow::Result<std::shared_ptr<arrow::Schema>> Streams::CommonSchema(const std::shared_ptr<arrow::Schema>& own) {
  bool alike = true;
  for (const auto& receiver : receivers_) {
    ARROW_RETURN_NOT_OK(CheckSameColumns(*own, *receiver->schema(), receiver->from()));
    for (int i = 0; i < own->num_fields(); ++i) {
      alike = alike && receiver->schema()->field(i)->type()->Equals(*own->field(i)->type());
    }
  }
  if (alike) return own;
  for (const auto& receiver : receivers_) {
    for (auto& batch : receiver->batches()) {
      ARROW_ASSIGN_OR_RAISE(batch, table::WithoutRuns(batch, context_.pool));
    }
  }
  return table::WithoutRuns(own);
}

}  // namespace weft::exchange
