// The receiving half of a link.
#include <sys/uio.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "weft/backends/tcp/link.h"
#include "weft/base/communication_error.h"
#include "weft/communicator/abort_text.h"

namespace weft::tcp {
namespace {

constexpr size_t kMaxSpans = 256;
constexpr size_t kStagedBytes = 16 << 10;

/// A heartbeat of a peer that has not all its links yet, and so no transport (Linker::SayAlive).
bool SaysThatItLinks(const FrameHeader& frame) {
  return frame.type == FrameType::kHeartbeat && frame.flags == 0 && frame.length == 0;
}

}  // namespace

arrow::Status Link::Recv(OperationRef operation) {
  std::optional<Unexpected> message = matching_.TakeUnexpected(operation->tag);
  if (!message) {
    if (peer_left_ || ended())
      return Lost("has left the job (closed its communicator) and has sent nothing more for this receive");
    matching_.Post(std::move(operation));
    return arrow::Status::OK();
  }
  if (message->number != 0) {
    if (peer_left_ || ended()) return Lost("has left the job (closed its communicator) before its message was sent");
    Accept(message->number, message->size, operation);
  } else {
    Consume(message->size);
    if (message->size > operation->size) {
      context_->ledger.Complete(*operation, MismatchError(context_->rank, *operation, message->size), 0);
    } else {
      operation->recv_cursor.CopyFrom(message->bytes.get(), message->size);
      context_->ledger.Complete(*operation, arrow::Status::OK(), message->size);
    }
    context_->buffers.GiveBack(std::move(message->bytes), static_cast<size_t>(message->size));
  }
  return blocked_ ? arrow::Status::OK() : Flush();
}

/// Asks for an announced message, or refuses it where it is too long.
void Link::Accept(uint64_t number, int64_t size, const OperationRef& receive) {
  if (size > receive->size) {
    context_->ledger.Complete(*receive, MismatchError(context_->rank, *receive, size), 0);
    Queue(FrameType::kClearToSend, kFlagRefused, number, static_cast<uint64_t>(size));
    return;
  }
  incoming_.emplace(number, Incoming{receive, size, 0});
  Queue(FrameType::kClearToSend, 0, number, static_cast<uint64_t>(size));
}

/// Gives back the credit of an eager message.
void Link::Consume(int64_t size) { eager_consumed_ += size + kEagerOverhead; }

arrow::Status Link::OnReadable() {
  bool more = true;
  if (!ended() && !broken_) stream_->Allow(kReadBudget);
  while (more && !ended() && !broken_) {
    const bool direct = payload_left_ > 0 && target_ != Target::kDiscard;
    ARROW_RETURN_NOT_OK(direct ? ReadDirect(&more) : ReadStaged(&more));
  }
  return blocked_ ? arrow::Status::OK() : Flush();
}

/// Reads payload to where it belongs, and the next header behind it.
arrow::Status Link::ReadDirect(bool* more) {
  iovec spans[kMaxSpans];
  size_t count = 0;
  int64_t wanted = 0;
  if (target_ == Target::kBuffer) {
    spans[count++] = {target_buffer_.get() + (int64_t{frame_.length} - payload_left_),
                      static_cast<size_t>(payload_left_)};
    wanted = payload_left_;
  } else if (!target_operation_->done()) {
    count = target_operation_->recv_cursor.Fill(spans, kMaxSpans - 1, payload_left_, &wanted);
  } else {
    target_ = Target::kDiscard;  // cancelled
    return arrow::Status::OK();
  }
  const int64_t payload = wanted;
  if (wanted == payload_left_) {
    spans[count++] = {head_.data(), kHeaderSize};
    wanted += static_cast<int64_t>(kHeaderSize);
  }
  const IoResult result = stream_->Read({spans, count});
  *more = result.kind == IoResult::Kind::kMoved && (result.bytes == wanted || result.more);
  if (result.kind != IoResult::Kind::kMoved) return AfterRead(result);
  info_.bytes_received += result.bytes;
  last_heard_ = Clock::now();
  const int64_t taken = std::min(result.bytes, payload);
  if (target_ == Target::kReceive) target_operation_->recv_cursor.Advance(taken);
  Took(taken);
  if (payload_left_ == 0) ARROW_RETURN_NOT_OK(FinishFrame());
  head_have_ = static_cast<size_t>(result.bytes - taken);
  if (head_have_ < kHeaderSize) return arrow::Status::OK();
  head_have_ = 0;
  const HeaderBytes head = head_;
  return BeginFrame(head.data());
}

arrow::Status Link::ReadStaged(bool* more) {
  std::byte* stage = context_->stage.data();
  if (payload_left_ > 0) head_have_ = 0;
  std::memcpy(stage, head_.data(), head_have_);
  // What comes behind a header may belong to memory that is known once the header is: little of it is read to here.
  const size_t room = payload_left_ > 0 ? context_->stage.size() : kStagedBytes;
  const iovec span = {stage + head_have_, room - head_have_};
  const IoResult result = stream_->Read({&span, 1});
  *more = result.kind == IoResult::Kind::kMoved && (static_cast<size_t>(result.bytes) == span.iov_len || result.more);
  if (result.kind != IoResult::Kind::kMoved) return AfterRead(result);
  info_.bytes_received += result.bytes;
  last_heard_ = Clock::now();
  const size_t have = head_have_ + static_cast<size_t>(result.bytes);
  head_have_ = 0;
  return Parse(stage, have);
}

arrow::Status Link::AfterRead(const IoResult& result) {
  if (result.kind == IoResult::Kind::kWouldBlock) return arrow::Status::OK();
  const std::string how = result.kind == IoResult::Kind::kEnd
                              ? "is gone: its end of the link was closed without a goodbye (was its process killed?)"
                              : "is gone: " + FailureText(result) + ", on the link to it";
  return Break(how);
}

arrow::Status Link::Parse(const std::byte* bytes, size_t size) {
  while (size > 0) {
    size_t used = 0;
    if (payload_left_ > 0) {
      used = std::min(size, static_cast<size_t>(payload_left_));
      Take(bytes, used);
      Took(static_cast<int64_t>(used));
      if (payload_left_ == 0) ARROW_RETURN_NOT_OK(FinishFrame());
    } else if (size >= kHeaderSize) {
      used = kHeaderSize;
      ARROW_RETURN_NOT_OK(BeginFrame(bytes));
    } else {
      std::memcpy(head_.data(), bytes, size);
      head_have_ = size;
      return arrow::Status::OK();
    }
    bytes += used;
    size -= used;
  }
  return arrow::Status::OK();
}

void Link::Take(const std::byte* bytes, size_t size) {
  if (target_ == Target::kBuffer) {
    std::memcpy(target_buffer_.get() + (int64_t{frame_.length} - payload_left_), bytes, size);
  } else if (target_ == Target::kReceive && !target_operation_->done()) {
    target_operation_->recv_cursor.CopyFrom(bytes, static_cast<int64_t>(size));
  }
}

void Link::Took(int64_t bytes) {
  payload_left_ -= bytes;
  if (frame_.type == FrameType::kData) {
    const auto found = incoming_.find(frame_.tag);
    if (found != incoming_.end()) found->second.received += bytes;
  }
}

arrow::Status Link::BeginFrame(const std::byte* head) {
  arrow::Result<FrameHeader> decoded = DecodeHeader(head);
  if (!decoded.ok()) return ProtocolError("sent a bad frame (" + decoded.status().message() + ")");
  frame_ = *decoded;
  if (resume_awaited_ && !held_ && SaysThatItLinks(frame_)) return arrow::Status::OK();
  if ((frame_.type == FrameType::kResume) != resume_awaited_) {
    return ProtocolError(resume_awaited_ ? "did not say first what it has" : "said again what it has");
  }
  if (resume_awaited_) return TakeResume();
  if (peer_has_) {
    ARROW_RETURN_NOT_OK(GoOn());
  } else {
    heard_ = true;
  }
  if (peer_left_) return ProtocolError("sent a frame after its goodbye");
  if (IsNumbered(frame_.type)) {
    if (frame_.sequence > received_sequence_ + 1 || frame_.sequence == 0) {
      return ProtocolError("sent a frame out of order");
    }
    // What is there already counts for nothing but what every header says.
    if (frame_.sequence <= received_sequence_) {
      if (InStream(frame_) == 0) frame_.length = 0;
      frame_.type = FrameType::kAcknowledge;
    }
  }
  payload_left_ = InStream(frame_);
  target_ = Target::kDiscard;
  target_operation_ = nullptr;
  const bool again = half_.has_value() && IsNumbered(frame_.type);
  if (again) ARROW_RETURN_NOT_OK(BeginAgain());
  if (!leaving_) {
    ARROW_RETURN_NOT_OK(TakeAcknowledgement(frame_.acknowledgement));
    ARROW_RETURN_NOT_OK(TakeCredit());
    if (again) return arrow::Status::OK();  // some of it is still to come
    switch (frame_.type) {
      case FrameType::kEager:
        ARROW_RETURN_NOT_OK(BeginEager());
        break;
      case FrameType::kRequestToSend:
        ARROW_RETURN_NOT_OK(BeginRequest());
        break;
      case FrameType::kClearToSend:
        ARROW_RETURN_NOT_OK(BeginClear());
        break;
      case FrameType::kData:
        ARROW_RETURN_NOT_OK(BeginData());
        break;
      case FrameType::kHeartbeat:
      case FrameType::kAbort:
      case FrameType::kMemory:
        target_ = Target::kBuffer;
        target_buffer_ = std::make_unique_for_overwrite<std::byte[]>(frame_.length);
        break;
      case FrameType::kAcknowledge:
      case FrameType::kBye:
      case FrameType::kResume:
        break;
    }
  } else if (frame_.acknowledgement <= written_sequence_) {
    ARROW_RETURN_NOT_OK(TakeAcknowledgement(frame_.acknowledgement));
  }
  const bool shared = InStream(frame_) != int64_t{frame_.length};
  if (shared) ARROW_RETURN_NOT_OK(TakeShared());
  if (payload_left_ > 0) return arrow::Status::OK();
  ARROW_RETURN_NOT_OK(FinishFrame());
  if (shared && shared_acknowledgement_due()) AcknowledgeShared();
  return arrow::Status::OK();
}

arrow::Status Link::TakeCredit() {
  constexpr auto kMaxCredit = static_cast<uint64_t>(INT64_MAX);
  if (frame_.credit > kMaxCredit || static_cast<int64_t>(frame_.credit) < eager_granted_) {
    return ProtocolError("took credit back");
  }
  eager_granted_ = static_cast<int64_t>(frame_.credit);
  return arrow::Status::OK();
}

arrow::Status Link::BeginEager() {
  eager_received_ += int64_t{frame_.length} + kEagerOverhead;
  if (eager_received_ > eager_consumed_ + window_) return ProtocolError("sent more than it had credit for");
  target_operation_ = matching_.TakePosted(frame_.tag);
  if (target_operation_ == nullptr) {
    target_ = Target::kBuffer;
    target_buffer_ = context_->buffers.Take(frame_.length);
  } else if (frame_.length > target_operation_->size) {
    context_->ledger.Complete(*target_operation_, MismatchError(context_->rank, *target_operation_, frame_.length), 0);
  } else {
    target_ = Target::kReceive;
  }
  return arrow::Status::OK();
}

arrow::Status Link::BeginRequest() {
  if (frame_.size > static_cast<uint64_t>(INT64_MAX)) return ProtocolError("announced a message of impossible length");
  const auto size = static_cast<int64_t>(frame_.size);
  const OperationRef receive = matching_.TakePosted(frame_.tag);
  if (receive != nullptr) {
    Accept(frame_.sequence, size, receive);
  } else {
    if (matching_.announced() >= kMaxAnnounced)
      return ProtocolError("announced too many messages that nobody receives");
    matching_.AddUnexpected(frame_.tag, {nullptr, size, frame_.sequence, nullptr});
  }
  return arrow::Status::OK();
}

arrow::Status Link::BeginClear() {
  const auto found = announced_.find(frame_.tag);
  if (found == announced_.end()) return ProtocolError("asked for a message that was not announced");
  const OperationRef operation = found->second;
  if (static_cast<int64_t>(frame_.size) != operation->size || operation->moved > 0) {
    return ProtocolError("asked for a message in a wrong way");
  }
  if ((frame_.flags & kFlagRefused) != 0) {
    announced_.erase(found);
    ++info_.messages_sent;
    context_->ledger.Complete(*operation, arrow::Status::OK(), operation->size);
  } else if (!operation->done()) {
    clear_.push_back({operation, sharing_ == Sharing::kReady});
  }
  return arrow::Status::OK();
}

arrow::Status Link::BeginData() {
  const auto found = incoming_.find(frame_.tag);
  if (found == incoming_.end()) return ProtocolError("sent data that nobody asked for");
  Incoming& incoming = found->second;
  const int64_t after = incoming.received + frame_.length;
  const bool last = (frame_.flags & kFlagLast) != 0;
  if (static_cast<int64_t>(frame_.size) != incoming.received || after > incoming.size ||
      last != (after == incoming.size) || (frame_.length == 0 && incoming.size != 0)) {
    return ProtocolError("sent data beside its message");
  }
  if (!incoming.operation->done()) {
    target_ = Target::kReceive;
    target_operation_ = incoming.operation;
  }
  return arrow::Status::OK();
}

arrow::Status Link::FinishFrame() {
  if (IsNumbered(frame_.type)) received_sequence_ = frame_.sequence;
  if (leaving_) {
    if (frame_.type == FrameType::kBye) {
      peer_left_ = true;
      acknowledge_now_ = true;
    }
    return arrow::Status::OK();
  }
  switch (frame_.type) {
    case FrameType::kEager:
      FinishEager();
      break;
    case FrameType::kData:
      return FinishData();
    case FrameType::kHeartbeat:
      FinishHeartbeat();
      break;
    case FrameType::kAbort:
      return FinishAbort();
    case FrameType::kBye:
      return FinishBye();
    case FrameType::kMemory:
      return FinishMemory();
    case FrameType::kRequestToSend:
    case FrameType::kClearToSend:
    case FrameType::kAcknowledge:
    case FrameType::kResume:
      break;
  }
  return arrow::Status::OK();
}

void Link::FinishEager() {
  const int64_t size = frame_.length;
  if ((frame_.flags & kFlagReply) != 0) acknowledge_now_ = true;
  if (target_operation_ != nullptr) {
    Consume(size);
    context_->ledger.Complete(*target_operation_, arrow::Status::OK(), size);
    target_operation_ = nullptr;
  } else if (const OperationRef receive = matching_.TakePosted(frame_.tag)) {  // posted while the frame came in
    Consume(size);
    if (size > receive->size) {
      context_->ledger.Complete(*receive, MismatchError(context_->rank, *receive, size), 0);
    } else {
      receive->recv_cursor.CopyFrom(target_buffer_.get(), size);
      context_->ledger.Complete(*receive, arrow::Status::OK(), size);
    }
    context_->buffers.GiveBack(std::move(target_buffer_), frame_.length);
  } else {
    matching_.AddUnexpected(frame_.tag, {std::move(target_buffer_), size, 0, nullptr});
  }
  ++info_.messages_received;
}

arrow::Status Link::FinishData() {
  target_operation_ = nullptr;
  if ((frame_.flags & kFlagLast) == 0) return arrow::Status::OK();
  const auto found = incoming_.find(frame_.tag);
  if (found == incoming_.end()) return arrow::Status::OK();
  context_->ledger.Complete(*found->second.operation, arrow::Status::OK(), found->second.size);
  incoming_.erase(found);
  ++info_.messages_received;
  if ((frame_.flags & kFlagShared) == 0) acknowledge_now_ = true;  // the sender waits for it
  return arrow::Status::OK();
}

void Link::FinishHeartbeat() {
  if ((frame_.flags & kFlagAnswer) != 0) {
    const auto asked = Clock::time_point(Clock::duration(static_cast<int64_t>(frame_.tag)));
    const double seconds = Seconds(Clock::now() - asked);
    if (seconds >= 0 && seconds < 3600) info_.round_trip_seconds = seconds;
    return;
  }
  if (frame_.length > 0) {
    context_->heard.emplace_back(info_.peer,
                                 std::string(reinterpret_cast<const char*>(target_buffer_.get()), frame_.length));
  }
  if ((frame_.flags & kFlagAsk) != 0) {
    answer_due_ = true;
    answer_clock_ = frame_.tag;
  }
}

arrow::Status Link::FinishAbort() {
  peer_left_ = true;  // nothing but the end of its stream comes now
  peer_aborted_ = true;
  return DecodeAbort({reinterpret_cast<const char*>(target_buffer_.get()), frame_.length}, info_.peer, context_->rank);
}

arrow::Status Link::FinishBye() {
  peer_left_ = true;
  acknowledge_now_ = true;
  if (!waits()) return arrow::Status::OK();
  return Lost("has left the job (closed its communicator) while this rank still waits for it");
}

}  // namespace weft::tcp
