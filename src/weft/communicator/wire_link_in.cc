// The receiving half of a link.
#include <algorithm>
#include <cstring>
#include <string>

#include "weft/communicator/abort_text.h"
#include "weft/communicator/message_limits.h"
#include "weft/communicator/wire_link.h"

namespace weft {

arrow::Status WireLink::Recv(const OperationRef& operation) {
  std::optional<Unexpected> message = matching_.TakeUnexpected(operation->tag);
  if (!message) {
    if (peer_left_)
      return Lost("has left the job (closed its communicator) and has sent nothing more for this receive");
    matching_.Post(operation);
    return arrow::Status::OK();
  }
  if (message->number != 0) {
    if (peer_left_) return Lost("has left the job (closed its communicator) before its message was sent");
    const auto announced = announced_.extract(message->number);
    Accept(message->number, announced.mapped(), operation);
  } else {
    eager_consumed_ += message->size + kEagerOverhead;
    if (message->size > operation->size) {
      context_->ledger.Complete(*operation, MismatchError(context_->rank, *operation, message->size), 0);
    } else {
      operation->recv_cursor.CopyFrom(message->bytes.get(), message->size);
      context_->ledger.Complete(*operation, arrow::Status::OK(), message->size);
    }
  }
  Flush();
  return arrow::Status::OK();
}

/// Begins to take an announced message, or refuses it where it is too long.
void WireLink::Accept(uint64_t number, const AnnouncePayload& announced, const OperationRef& receive) {
  Touch();
  if (announced.size > receive->size) {
    context_->ledger.Complete(*receive, MismatchError(context_->rank, *receive, announced.size), 0);
    Queue(NoteType::kRequest, kNoteRefused, 0, number, {});
    return;
  }
  Incoming incoming;
  incoming.operation = receive;
  incoming.announced = announced;
  incoming.pieces = (announced.size + announced.piece - 1) / announced.piece;
  if (incoming.pieces == 0) {  // nothing to send; it was announced for lack of credit
    context_->ledger.Complete(*receive, arrow::Status::OK(), 0);
    ++info_.messages_received;
    Queue(NoteType::kRequest, 0, 0, number, {});
    return;
  }
  incoming_.emplace(number, std::move(incoming));
}

arrow::Status WireLink::OnNote(const NoteHeader& header, ConstBytes payload) {
  last_heard_ = Clock::now();
  info_.bytes_received += static_cast<int64_t>(sizeof(header) + payload.size());
  if (header.sequence != taken_) {
    if (header.sequence - taken_ >= context_->wire->limits().notes) return ProtocolError("numbered a note wrongly");
    early_[header.sequence] = {header, std::string(AsText(payload))};
    return arrow::Status::OK();
  }
  ARROW_RETURN_NOT_OK(Take(header, payload));
  while (!early_.empty()) {
    const auto next = early_.extract(taken_);
    if (next.empty()) break;
    ARROW_RETURN_NOT_OK(Take(next.mapped().first, AsBytes(std::string_view(next.mapped().second))));
  }
  return arrow::Status::OK();
}

arrow::Status WireLink::Take(const NoteHeader& header, ConstBytes payload) {
  ++taken_;
  if (taken_ - taken_reported_ >= context_->wire->limits().notes / 2) Touch();
  if (peer_left_) return arrow::Status::OK();
  if (header.taken - taken_by_peer_ > on_their_way()) return ProtocolError("took a note that was not sent");
  if (header.taken != taken_by_peer_ && !queue_.empty()) Touch();
  taken_by_peer_ = header.taken;
  if (static_cast<int64_t>(header.credit) < eager_granted_) return ProtocolError("took credit back");
  eager_granted_ = static_cast<int64_t>(header.credit);
  if (leaving_ && header.type != NoteType::kBye) return arrow::Status::OK();
  switch (header.type) {
    case NoteType::kHello:
      greeted_ = true;
      return arrow::Status::OK();
    case NoteType::kEager:
      return TakeEager(header, payload);
    case NoteType::kAnnounce:
      return TakeAnnounce(header, payload);
    case NoteType::kRequest:
      return TakeRequest(header, payload);
    case NoteType::kPieceSent:
      return TakePieceSent(header);
    case NoteType::kHeartbeat:
      TakeHeartbeat(header, payload);
      return arrow::Status::OK();
    case NoteType::kAbort:
      return TakeAbort(payload);
    case NoteType::kBye:
      peer_left_ = true;
      credit_now_ = true;
      Touch();
      if (leaving_ || !waits()) return arrow::Status::OK();
      return Lost("has left the job (closed its communicator) while this rank still waits for it");
    case NoteType::kCredit:
      return arrow::Status::OK();
  }
  return ProtocolError("sent a note of an unknown type");
}

arrow::Status WireLink::TakeEager(const NoteHeader& header, ConstBytes payload) {
  const auto size = static_cast<int64_t>(payload.size());
  eager_received_ += size + kEagerOverhead;
  if (eager_received_ > eager_consumed_ + window_) return ProtocolError("sent more than it had credit for");
  ++info_.messages_received;
  const OperationRef receive = matching_.TakePosted(header.tag);
  if (receive == nullptr) {
    auto bytes = std::make_unique_for_overwrite<std::byte[]>(payload.size());
    if (!payload.empty()) std::memcpy(bytes.get(), payload.data(), payload.size());
    matching_.AddUnexpected(header.tag, {std::move(bytes), size, 0, nullptr});
    return arrow::Status::OK();
  }
  eager_consumed_ += size + kEagerOverhead;
  if (eager_consumed_ + window_ - eager_advertised_ >= window_ / 4) Touch();
  if (size > receive->size) {
    context_->ledger.Complete(*receive, MismatchError(context_->rank, *receive, size), 0);
  } else {
    receive->recv_cursor.CopyFrom(payload.data(), size);
    context_->ledger.Complete(*receive, arrow::Status::OK(), size);
  }
  return arrow::Status::OK();
}

arrow::Status WireLink::TakeAnnounce(const NoteHeader& header, ConstBytes payload) {
  AnnouncePayload announced;
  if (payload.size() != sizeof(announced)) return ProtocolError("announced a message in a wrong way");
  std::memcpy(&announced, payload.data(), sizeof(announced));
  if (announced.size < 0 || announced.piece <= 0 || announced.piece > context_->wire->limits().piece) {
    return ProtocolError("announced a message of impossible length");
  }
  const OperationRef receive = matching_.TakePosted(header.tag);
  if (receive != nullptr) {
    Accept(header.number, announced, receive);
    return arrow::Status::OK();
  }
  if (matching_.announced() >= kMaxAnnounced) return ProtocolError("announced too many messages that nobody receives");
  announced_.emplace(header.number, announced);
  matching_.AddUnexpected(header.tag, {nullptr, announced.size, header.number, nullptr});
  return arrow::Status::OK();
}

arrow::Status WireLink::TakeRequest(const NoteHeader& header, ConstBytes payload) {
  const auto found = outgoing_.find(header.number);
  if (found == outgoing_.end()) return ProtocolError("asked for a message that was not announced");
  Outgoing& outgoing = found->second;
  if ((header.flags & kNoteRefused) != 0 || outgoing.pieces == 0) {
    Sent(header.number, outgoing.pieces);
    return arrow::Status::OK();
  }
  RequestPayload request;
  if (payload.size() != sizeof(request)) return ProtocolError("asked for a message in a wrong way");
  std::memcpy(&request, payload.data(), sizeof(request));
  const auto allowed = static_cast<int64_t>(header.tag);
  if (allowed < outgoing.allowed || allowed > outgoing.pieces || request.done > outgoing.started) {
    return ProtocolError("asked for a message in a wrong way");
  }
  outgoing.allowed = allowed;
  Touch();
  if (!context_->wire->limits().silent_pieces) return arrow::Status::OK();
  const int64_t before = outgoing.sent;
  for (int64_t i = before; i < request.done; ++i) {
    const uint64_t cookie = outgoing.cookies[static_cast<size_t>(i)];
    ARROW_RETURN_NOT_OK(context_->wire->EndPiece(cookie));
    auto piece = context_->pieces.extract(cookie);
    context_->ledger.released.push_back(std::move(piece.mapped().owner));
  }
  if (request.done > before) Sent(header.number, request.done - before);
  return arrow::Status::OK();
}

arrow::Status WireLink::TakePieceSent(const NoteHeader& header) {
  const auto found = incoming_.find(header.number);
  if (found == incoming_.end() || found->second.done != static_cast<int64_t>(header.tag) ||
      found->second.done >= found->second.posted) {
    return ProtocolError("sent a piece that nobody asked for");
  }
  const uint64_t cookie = found->second.cookies[static_cast<size_t>(header.tag)];
  ARROW_RETURN_NOT_OK(context_->wire->EndPiece(cookie));
  auto piece = context_->pieces.extract(cookie);
  return OnPiece(std::move(piece.mapped()), arrow::Status::OK());
}

arrow::Status WireLink::OnPiece(WirePiece piece, const arrow::Status& status) {
  if (piece.owner) context_->ledger.released.push_back(std::move(piece.owner));
  if (leaving_) return arrow::Status::OK();
  last_heard_ = Clock::now();
  if (!status.ok()) {
    if (!piece.operation->done()) Suspect(status.message());
    return arrow::Status::OK();
  }
  if (!piece.receive) {
    Sent(piece.number, 1);
    return arrow::Status::OK();
  }
  info_.bytes_received += piece.length;
  if (piece.packed != nullptr && !piece.operation->done()) piece.to.CopyFrom(piece.packed.get(), piece.length);
  piece.operation->moved += piece.length;
  return CountPiece(piece.number);
}

arrow::Status WireLink::CountPiece(uint64_t number) {
  const auto found = incoming_.find(number);
  if (found == incoming_.end()) return arrow::Status::OK();
  Incoming& incoming = found->second;
  Touch();
  if (++incoming.done < incoming.pieces) return arrow::Status::OK();
  if (context_->wire->limits().silent_pieces) {
    const RequestPayload payload = {incoming.done};
    Queue(NoteType::kRequest, 0, static_cast<uint64_t>(incoming.posted), number,
          {reinterpret_cast<const char*>(&payload), sizeof(payload)});
  }
  ++info_.messages_received;
  const OperationRef operation = incoming.operation;
  const int64_t size = incoming.announced.size;
  incoming_.erase(found);
  context_->ledger.Complete(*operation, arrow::Status::OK(), size);
  return arrow::Status::OK();
}

void WireLink::TakeHeartbeat(const NoteHeader& header, ConstBytes payload) {
  if ((header.flags & kNoteAnswer) != 0) {
    const auto asked = Clock::time_point(Clock::duration(static_cast<int64_t>(header.tag)));
    const double seconds = Seconds(Clock::now() - asked);
    if (seconds >= 0 && seconds < 3600) info_.round_trip_seconds = seconds;
    return;
  }
  if (!payload.empty()) context_->heard.emplace_back(info_.peer, std::string(AsText(payload)));
  answer_due_ = true;
  answer_clock_ = header.tag;
  Touch();
}

arrow::Status WireLink::TakeAbort(ConstBytes payload) {
  peer_left_ = true;  // nothing comes now
  peer_aborted_ = true;
  return DecodeAbort(AsText(payload), info_.peer, context_->rank);
}

}  // namespace weft
