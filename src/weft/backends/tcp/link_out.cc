// The sending half of a link.
#include <sys/uio.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "weft/backends/tcp/link.h"
#include "weft/base/communication_error.h"
#include "weft/base/fault_point.h"

namespace weft::tcp {
namespace {

constexpr size_t kMaxSpans = 256;
/// Pieces of long messages are put in frames only while fewer frames than this wait, so that others do not wait long.
constexpr size_t kFramesAhead = 3;
/// The shared memory has room for so many pieces of a long message: while one is read others are written.
constexpr int64_t kSharedPieces = 8;
/// What one call writes at most.
constexpr int64_t kWriteBudget = 8 << 20;
/// Numbered frames that may be unacknowledged before an acknowledgement of its own is sent.
constexpr uint64_t kAcknowledgeEvery = 64;

}  // namespace

Link::Link(LinkContext* context, LinkInfo info, std::unique_ptr<ByteStream> stream)
    : context_(context),
      info_(std::move(info)),
      stream_(std::move(stream)),
      window_(EagerWindow(context->world_size)),
      eager_granted_(window_),
      eager_advertised_(window_) {
  QueueResume();
}

arrow::Status Link::Send(OperationRef operation) {
  if (peer_left_ || ended()) return Lost("has left the job (closed its communicator)");
  const int64_t size = operation->size;
  const int64_t charge = size + kEagerOverhead;
  if (sharing_ == Sharing::kUnknown) AskForSharing(size);
  if (size <= int64_t{kMaxEagerPayload} && eager_sent_ + charge <= eager_granted_) {
    eager_sent_ += charge;
    SendEager(std::move(operation));
  } else {
    const auto frame = Queue(FrameType::kRequestToSend, 0, operation->tag, static_cast<uint64_t>(size));
    operation->number = frame->header.sequence;
    announced_.emplace(operation->number, std::move(operation));
  }
  return blocked_ ? arrow::Status::OK() : Flush();
}

void Link::SendEager(OperationRef operation) {
  const int64_t size = operation->size;
  if (SharesNow(size)) {
    PutShared(Queue(FrameType::kEager, kFlagShared, operation->tag, static_cast<uint64_t>(size)), *operation, size);
    ++info_.messages_sent;
    context_->ledger.Complete(*operation, arrow::Status::OK(), size);
    return;
  }
  const bool copied = size <= kMaxCopied;
  const auto frame = Queue(FrameType::kEager, copied ? 0 : kFlagReply, operation->tag, static_cast<uint64_t>(size));
  if (copied) {
    auto payload = context_->buffers.Take(static_cast<size_t>(size));
    operation->send_cursor.CopyTo(payload.get(), size);
    QueueOwned(frame, std::move(payload), static_cast<size_t>(size));
    ++info_.messages_sent;
    context_->ledger.Complete(*operation, arrow::Status::OK(), size);
    return;
  }
  frame->header.length = static_cast<uint32_t>(size);
  frame->payload_left = size;
  frame->cursor = frame->start = operation->send_cursor;
  frame->operation = operation;
  operation->number = frame->header.sequence;
  operation->moved = size;
  announced_.emplace(operation->number, std::move(operation));
}

OutFrameRef Link::Queue(FrameType type, uint8_t flags, uint64_t tag, uint64_t size) {
  auto frame = std::make_shared<OutFrame>();
  frame->header.type = type;
  frame->header.flags = flags;
  frame->header.tag = tag;
  frame->header.size = size;
  if (IsNumbered(type)) {
    frame->header.sequence = next_sequence_++;
    kept_.Add(frame);
    if (held_) return frame;  // goes when the peer has said what it lacks
  }
  wire_.push_back(frame);
  return frame;
}

void Link::QueueOwned(const OutFrameRef& frame, std::unique_ptr<std::byte[]> payload, size_t length) {
  frame->header.length = static_cast<uint32_t>(length);
  frame->payload_left = static_cast<int64_t>(length);
  frame->owned = std::move(payload);
}

void Link::QueueText(FrameType type, uint8_t flags, uint64_t tag, std::string_view text) {
  text = text.substr(0, kMaxText);
  auto payload = std::make_unique_for_overwrite<std::byte[]>(text.size());
  if (!text.empty()) std::memcpy(payload.get(), text.data(), text.size());
  QueueOwned(Queue(type, flags, tag, 0), std::move(payload), text.size());
}

void Link::QueueHeartbeat(std::string_view text) {
  if (peer_left_ || ended() || broken_ || leaving_) return;
  const auto clock = static_cast<uint64_t>(Clock::now().time_since_epoch().count());
  QueueText(FrameType::kHeartbeat, kFlagAsk, clock, text);
}

bool Link::settled() const {
  if (ended()) return true;
  if (failed_) return write_failed_ || (broken_ && !abort_text_);
  const bool written = wire_.empty() && (broken_ || write_failed_ || !stream_->pending());
  return written && (kept_.empty() || peer_left_);
}

/// Queues pieces of long messages, in turn, and answers and acknowledgements that nothing else carries.
void Link::FillWire() {
  if (answer_due_) {
    answer_due_ = false;
    QueueText(FrameType::kHeartbeat, kFlagAnswer, answer_clock_, {});
  }
  while (!held_ && !clear_.empty() && wire_.size() < kFramesAhead && QueuePiece()) {
  }
  if (!wire_.empty()) return;  // what waits there will carry the acknowledgement
  const int64_t credit = eager_consumed_ + window_;
  if (acknowledge_now_ || shared_acknowledgement_due() ||
      received_sequence_ - acknowledged_sequence_ >= kAcknowledgeEvery || credit - eager_advertised_ >= window_ / 4) {
    Queue(FrameType::kAcknowledge, 0, 0, 0);
  }
}

/// The next piece of the message whose turn it is; false where there is no room for it.
bool Link::QueuePiece() {
  const auto [operation, shared] = clear_.front();
  if (operation->done()) {  // cancelled
    clear_.pop_front();
    return true;
  }
  const int64_t longest = shared ? shared_out_->size() / kSharedPieces : int64_t{kMaxDataPayload};
  const int64_t length = std::min(operation->size - operation->moved, longest);
  if (shared && shared_out_->room() < length) return false;
  clear_.pop_front();
  const bool last = operation->moved + length == operation->size;
  const auto flags = static_cast<uint8_t>((last ? kFlagLast : 0) | (shared ? kFlagShared : 0));
  const auto frame = Queue(FrameType::kData, flags, operation->number, static_cast<uint64_t>(operation->moved));
  operation->moved += length;
  if (shared) {
    PutShared(frame, *operation, length);
  } else {
    frame->header.length = static_cast<uint32_t>(length);
    frame->payload_left = length;
    frame->operation = operation;
    frame->cursor = frame->start = operation->send_cursor;
    operation->send_cursor.Advance(length);
  }
  if (!last) {
    clear_.push_back({operation, shared});
  } else if (shared) {
    ++info_.messages_sent;
    context_->ledger.Complete(*operation, arrow::Status::OK(), operation->size);
    announced_.erase(operation->number);
  }
  return true;
}

void Link::Stamp(OutFrame& frame) {
  eager_advertised_ = eager_consumed_ + window_;
  acknowledged_sequence_ = received_sequence_;
  acknowledge_now_ = false;
  shared_unacknowledged_ = 0;
  frame.header.acknowledgement = received_sequence_;
  frame.header.credit = static_cast<uint64_t>(eager_advertised_);
  frame.head = EncodeHeader(frame.header);
  frame.stamped = true;
}

arrow::Status Link::Flush() {
  blocked_ = false;
  if (ended() || broken_ || write_failed_) return arrow::Status::OK();
  if (stream_->pending()) {
    const IoResult result = stream_->Write({});
    if (result.kind == IoResult::Kind::kFailed) return WriteFailed(result);
  }
  int64_t budget = kWriteBudget;
  for (FillWire(); !wire_.empty(); FillWire()) {
    if (budget <= 0) {
      blocked_ = true;
      return arrow::Status::OK();
    }
    iovec spans[kMaxSpans];
    size_t count = 0;
    int64_t bytes = 0;
    for (const auto& frame : wire_) {
      if (count + 2 > kMaxSpans) break;
      if (!frame->stamped) Stamp(*frame);
      if (frame->head_left > 0) {
        spans[count++] = {frame->head.data() + (kHeaderSize - static_cast<size_t>(frame->head_left)),
                          static_cast<size_t>(frame->head_left)};
        bytes += frame->head_left;
      }
      if (frame->payload_left == 0) continue;
      if (frame->owned) {
        const int64_t done = int64_t{frame->header.length} - frame->payload_left;
        spans[count++] = {frame->owned.get() + done, static_cast<size_t>(frame->payload_left)};
        bytes += frame->payload_left;
        continue;
      }
      int64_t filled = 0;
      count += frame->cursor.Fill(spans + count, kMaxSpans - count, frame->payload_left, &filled);
      bytes += filled;
      if (filled < frame->payload_left) break;  // more spans than fit in one call
    }
    const IoResult result = stream_->Write({spans, count});
    if (result.kind == IoResult::Kind::kFailed) return WriteFailed(result);
    if (result.kind != IoResult::Kind::kMoved) {
      blocked_ = true;
      return arrow::Status::OK();
    }
    Written(result.bytes);
    // In the midst of a frame, or before the next.
    FaultPoint(wire_.empty() ? FaultPhase::kHeader : FaultPhase::kPayload);
    budget -= result.bytes;
  }
  blocked_ = stream_->pending();
  if (failed_ && !blocked_ && !std::exchange(shut_, true)) stream_->ShutdownWrite();
  return arrow::Status::OK();
}

/// What the peer said before it went is still to be read, and tells more than the error of a write.
arrow::Status Link::WriteFailed(const IoResult& result) {
  const std::string why = FailureText(result);
  write_failed_ = true;
  wire_.clear();
  ARROW_RETURN_NOT_OK(OnReadable());
  return Break("is gone: " + why + ", on the link to it");
}

void Link::Written(int64_t bytes) {
  info_.bytes_sent += bytes;
  last_written_ = Clock::now();
  while (bytes > 0 && !wire_.empty()) {
    OutFrame& frame = *wire_.front();
    const int64_t head = std::min(frame.head_left, bytes);
    frame.head_left -= head;
    bytes -= head;
    const int64_t payload = std::min(frame.payload_left, bytes);
    if (payload > 0 && !frame.owned) frame.cursor.Advance(payload);
    frame.payload_left -= payload;
    bytes -= payload;
    if (frame.head_left > 0 || frame.payload_left > 0) return;
    if (frame.header.sequence != 0) written_sequence_ = frame.header.sequence;
    wire_.pop_front();
  }
}

arrow::Status Link::TakeAcknowledgement(uint64_t acknowledgement) {
  if (acknowledgement > written_sequence_) return ProtocolError("acknowledges a frame that was not sent");
  while (const OutFrameRef frame = kept_.TakeAcknowledged(acknowledgement)) {
    carried_ = true;
    if (frame->header.length > 0 && InStream(frame->header) == 0) shared_out_->Free(frame->header.length);
    if (frame->header.type == FrameType::kEager && frame->operation == nullptr) {
      context_->buffers.GiveBack(std::move(frame->owned), frame->header.length);
    }
    static_assert(kFlagLast == kFlagReply);  // of kData, of kEager: the acknowledgement completes the operation
    if (frame->operation == nullptr || (frame->header.flags & kFlagLast) == 0) continue;
    Operation& operation = *frame->operation;
    ++info_.messages_sent;
    context_->ledger.Complete(operation, arrow::Status::OK(), operation.size);
    announced_.erase(operation.number);
  }
  return arrow::Status::OK();
}

void Link::CompleteAll(const arrow::Status& status) {
  Ledger& ledger = context_->ledger;
  matching_.ForEachPosted([&](const OperationRef& operation) { ledger.Complete(*operation, status, 0); });
  for (auto& [number, incoming] : incoming_) ledger.Complete(*incoming.operation, status, incoming.received);
  for (auto& [number, operation] : announced_) ledger.Complete(*operation, status, 0);
  if (target_operation_) ledger.Complete(*target_operation_, status, 0);
  if (half_ && half_->operation) ledger.Complete(*half_->operation, status, 0);
  if (half_) half_->target = Target::kDiscard;
  target_operation_ = nullptr;
  target_ = Target::kDiscard;
  matching_.Clear();
  incoming_.clear();
  announced_.clear();
  clear_.clear();
  leaving_ = true;
}

void Link::Fail(const arrow::Status& status, const std::string* abort) {
  // A frame that is half written must be finished before anything else makes sense to the peer, and a stream begins
  // with its RESUME.
  failed_ = true;
  OutFrameRef begun;
  if (!wire_.empty()) {
    OutFrame& first = *wire_.front();
    const bool half =
        first.stamped && first.head_left + first.payload_left < int64_t{kHeaderSize} + InStream(first.header);
    if (half || first.header.type == FrameType::kResume) begun = wire_.front();
    if (begun) Detach(*begun);
  }
  wire_.clear();
  kept_.Clear();
  answer_due_ = false;
  acknowledge_now_ = false;
  if (begun) wire_.push_back(begun);
  CompleteAll(status);
  if (abort == nullptr || peer_left_) return;
  abort_text_ = *abort;  // also for a peer that comes over another stream
  if (!ended() && !broken_) QueueText(FrameType::kAbort, 0, 0, *abort);
}

void Link::Leave(const arrow::Status& status) {
  kept_.DetachAll(nullptr);
  CompleteAll(status);
  if (ended() || peer_left_) return;
  Queue(FrameType::kBye, 0, 0, 0);
}

void Link::Cancel(const OperationRef& operation, const arrow::Status& status) {
  if (operation->is_send) {
    kept_.DetachAll(operation.get());
  } else {
    matching_.Remove(*operation);  // one that is matched stays and has its bytes discarded
  }
  context_->ledger.Complete(*operation, status, operation->moved);
}

void Link::Drain() {
  const iovec sink = {context_->stage.data(), context_->stage.size()};
  for (int64_t read = 0; read < kReadBudget && !ended_;) {
    const IoResult result = ReadFrom(stream_->descriptor(), {&sink, 1});
    if (result.kind == IoResult::Kind::kWouldBlock) return;
    ended_ = result.kind != IoResult::Kind::kMoved;
    read += result.bytes;
  }
}

void Link::Disconnect() {
  if (stream_ == nullptr) return;
  if (!shut_) stream_->ShutdownWrite();
  Drain();
  stream_ = nullptr;
  ended_ = true;
  blocked_ = false;
  wire_.clear();
}

arrow::Status Link::Error(CommunicationFailure failure, const std::string& message) const {
  CommunicationError error;
  error.failure = failure;
  error.rank = context_->rank;
  error.peer = info_.peer;
  error.phase = "wait";
  const Operation* oldest = nullptr;
  const auto look = [&](const Operation& operation, int64_t moved) {
    if (operation.done() || (oldest != nullptr && oldest->started <= operation.started)) return;
    oldest = &operation;
    error.operation = operation.is_send ? "send" : "recv";
    error.bytes = moved;
    error.phase = moved > 0 ? "payload" : "wait";
  };
  const_cast<Matching&>(matching_).ForEachPosted([&](const OperationRef& operation) { look(*operation, 0); });
  for (const auto& [number, incoming] : incoming_) look(*incoming.operation, incoming.received);
  for (const auto& [number, operation] : announced_) look(*operation, operation->moved);
  if (oldest != nullptr) error.elapsed = Clock::now() - oldest->started;
  return MakeCommunicationError(std::move(error), message);
}

arrow::Status Link::Lost(const std::string& how) const {
  return Error(CommunicationFailure::kPeerLost, "rank " + std::to_string(info_.peer) + " " + how);
}

arrow::Status Link::ProtocolError(const std::string& what) const {
  return Error(CommunicationFailure::kOther, "rank " + std::to_string(info_.peer) +
                                                 " broke the protocol of the link: it " + what +
                                                 "; do all ranks run the same version of weft?");
}

}  // namespace weft::tcp
