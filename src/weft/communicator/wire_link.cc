// What a link has in common, and its sending half.
#include "weft/communicator/wire_link.h"

#include <algorithm>
#include <cstring>

#include "weft/communicator/message_limits.h"
#include "weft/communicator/timing.h"

namespace weft {
namespace {

/// Pieces of a message that are asked for ahead.
constexpr int64_t kPiecesAhead = 4;
/// Pieces are short enough for heartbeats to go in between, unless that makes too many of them.
constexpr int64_t kPieceBytes = 4 << 20;
constexpr int64_t kMaxPieces = 1 << 16;
constexpr size_t kMaxSpans = 64;
/// Of the notes that may be on their way, so many are kept for what must go out when messages cannot.
constexpr uint32_t kKeptForCredit = 2;
constexpr uint32_t kKeptForHeartbeats = 4;
/// A suspicion becomes an error after this: what the peer said before it went tells more.
constexpr Duration kSuspicion = std::chrono::milliseconds(100);

}  // namespace

WireLink::WireLink(WireContext* context, Rank peer)
    : context_(context),
      window_(EagerWindow(context->world_size)),
      eager_granted_(window_),
      eager_advertised_(window_) {
  info_.peer = peer;
  info_.path = context->wire->path();
  info_.remote_address = context->wire->address(peer);
}

void WireLink::Touch() {
  if (flushing_ || std::exchange(dirty_, true)) return;
  context_->dirty.push_back(this);
}

void WireLink::Queue(NoteType type, uint8_t flags, uint64_t tag, uint64_t number, std::string payload) {
  Note& note = queue_.emplace_back();
  note.header.type = type;
  note.header.flags = flags;
  note.header.tag = tag;
  note.header.number = number;
  note.payload = std::move(payload);
  Touch();
}

void WireLink::SayHello() { Queue(NoteType::kHello, 0, 0, 0, {}); }

void WireLink::QueueHeartbeat(std::string_view text) {
  if (peer_left_ || leaving_ || suspected()) return;
  // One that waits already says as much.
  for (const Note& note : queue_) {
    if (note.header.type == NoteType::kHeartbeat) return;
  }
  const auto clock = static_cast<uint64_t>(Clock::now().time_since_epoch().count());
  const size_t room = std::min<size_t>(kMaxText, context_->wire->limits().note - sizeof(NoteHeader));
  if (text.size() > room) text = {};
  Queue(NoteType::kHeartbeat, kNoteAsk, clock, 0, std::string(text));
}

arrow::Status WireLink::Send(const OperationRef& operation) {
  if (peer_left_) return Lost("has left the job (closed its communicator)");
  const int64_t size = operation->size;
  const int64_t charge = size + kEagerOverhead;
  const auto longest = static_cast<int64_t>(context_->wire->limits().note - sizeof(NoteHeader));
  if (size <= longest && eager_sent_ + charge <= eager_granted_) {
    eager_sent_ += charge;
    NoteHeader header;
    header.type = NoteType::kEager;
    header.tag = operation->tag;
    iovec spans[kMaxSpans];
    int64_t bytes = 0;
    const size_t count = operation->send_cursor.Fill(spans, kMaxSpans, size, &bytes);
    arrow::Result<bool> gone = false;
    if (queue_.empty() && bytes == size) gone = SendNote(header, {spans, count});
    if (gone.ok() && !*gone) {
      std::string payload(static_cast<size_t>(size), '\0');
      operation->send_cursor.CopyTo(reinterpret_cast<std::byte*>(payload.data()), size);
      Queue(header.type, 0, header.tag, 0, std::move(payload));
    }
    ++info_.messages_sent;
    context_->ledger.Complete(*operation, arrow::Status::OK(), size);
    if (!gone.ok()) Suspect(gone.status().message());
    return arrow::Status::OK();
  }
  const int64_t fewest = size / kMaxPieces + 1;
  AnnouncePayload announce = {size, std::min(std::max(kPieceBytes, fewest), context_->wire->limits().piece), next_key_};
  Outgoing outgoing;
  outgoing.operation = operation;
  outgoing.piece = announce.piece;
  outgoing.first = announce.first;
  outgoing.pieces = (size + announce.piece - 1) / announce.piece;
  next_key_ += static_cast<uint64_t>(outgoing.pieces);
  operation->number = next_number_++;
  outgoing_.emplace(operation->number, std::move(outgoing));
  Queue(NoteType::kAnnounce, 0, operation->tag, operation->number,
        {reinterpret_cast<const char*>(&announce), sizeof(announce)});
  Flush();
  return arrow::Status::OK();
}

arrow::Result<bool> WireLink::SendNote(NoteHeader header, std::span<const iovec> payload) {
  const uint32_t kept = header.type == NoteType::kCredit || header.type == NoteType::kAbort ? 0
                        : header.type == NoteType::kHeartbeat                               ? kKeptForCredit
                                                                                            : kKeptForHeartbeats;
  if (on_their_way() + kept >= context_->wire->limits().notes) return false;
  header.from = context_->rank;
  header.job = context_->job;
  header.sequence = sent_;
  header.taken = taken_;
  header.credit = static_cast<uint64_t>(eager_consumed_ + window_);
  iovec spans[kMaxSpans + 1];
  spans[0] = {&header, sizeof(header)};
  size_t length = 0;
  for (size_t i = 0; i < payload.size(); ++i) {
    spans[i + 1] = payload[i];
    length += payload[i].iov_len;
  }
  header.length = static_cast<uint32_t>(length);
  ARROW_ASSIGN_OR_RAISE(const bool gone, context_->wire->SendNote(info_.peer, {spans, payload.size() + 1}));
  if (!gone) return false;
  ++sent_;
  taken_reported_ = taken_;
  eager_advertised_ = eager_consumed_ + window_;
  credit_now_ = false;
  info_.bytes_sent += static_cast<int64_t>(sizeof(header) + length);
  return true;
}

void WireLink::Flush() {
  dirty_ = false;
  if (suspected() || peer_left_) queue_.clear();
  if (suspected()) return;
  flushing_ = true;
  const arrow::Result<bool> all = FlushAll();
  flushing_ = false;
  // A peer that cannot be written to may have said why before.
  if (!all.ok()) {
    Suspect(all.status().message());
  } else if (!*all) {
    Touch();
  }
}

/// False where something is left.
arrow::Result<bool> WireLink::FlushAll() {
  if (std::exchange(answer_due_, false)) Queue(NoteType::kHeartbeat, kNoteAnswer, answer_clock_, 0, {});
  bool all = true;
  if (!leaving_) {
    ARROW_ASSIGN_OR_RAISE(all, PostPieces());
  }
  ARROW_ASSIGN_OR_RAISE(bool empty, FlushNotes());
  if (!leaving_) {
    ARROW_ASSIGN_OR_RAISE(const bool sent, SendPieces());
    all = all && sent;
    ARROW_ASSIGN_OR_RAISE(empty, FlushNotes());
  }
  const uint32_t unreported = taken_ - taken_reported_;
  if (credit_now_ || unreported >= context_->wire->limits().notes / 2 ||
      eager_consumed_ + window_ - eager_advertised_ >= window_ / 4) {
    NoteHeader header;
    header.type = NoteType::kCredit;
    ARROW_ASSIGN_OR_RAISE(const bool gone, SendNote(header, {}));
    all = all && gone;
  }
  return all && empty;
}

arrow::Result<bool> WireLink::FlushNotes() {
  while (!queue_.empty()) {
    const Note& note = queue_.front();
    const iovec span = {const_cast<char*>(note.payload.data()), note.payload.size()};
    ARROW_ASSIGN_OR_RAISE(const bool gone, SendNote(note.header, {&span, note.payload.empty() ? 0U : 1U}));
    if (!gone) return false;
    queue_.pop_front();
  }
  return true;
}

arrow::Result<bool> WireLink::SendPieces() {
  for (auto& [number, outgoing] : outgoing_) {
    while (outgoing.started < outgoing.allowed && !outgoing.operation->done()) {
      ARROW_ASSIGN_OR_RAISE(const bool gone, SendPiece(number, outgoing));
      if (!gone) return false;
    }
  }
  return true;
}

arrow::Result<bool> WireLink::SendPiece(uint64_t number, Outgoing& outgoing) {
  const OperationRef& operation = outgoing.operation;
  const WireLimits& limits = context_->wire->limits();
  WirePiece piece;
  piece.link = this;
  piece.number = number;
  piece.length = std::min(outgoing.piece, operation->size - operation->moved);
  piece.operation = operation;
  piece.owner = operation->owner;
  iovec spans[kMaxSpans];
  int64_t bytes = 0;
  size_t count = operation->send_cursor.Fill(spans, std::min(limits.spans, kMaxSpans), piece.length, &bytes);
  if (bytes < piece.length) {
    piece.packed = std::make_unique_for_overwrite<std::byte[]>(static_cast<size_t>(piece.length));
    PartCursor<ConstBytes> from = operation->send_cursor;
    from.CopyTo(piece.packed.get(), piece.length);
    spans[0] = {piece.packed.get(), static_cast<size_t>(piece.length)};
    count = 1;
  }
  const uint64_t cookie = context_->next_cookie;
  const uint64_t key = outgoing.first + static_cast<uint64_t>(outgoing.started);
  ARROW_ASSIGN_OR_RAISE(const bool gone, context_->wire->SendPiece(info_.peer, key, {spans, count}, cookie));
  if (!gone) return false;
  ++context_->next_cookie;
  operation->send_cursor.Advance(piece.length);
  operation->moved += piece.length;
  info_.bytes_sent += piece.length;
  if (limits.silent_pieces) {
    Queue(NoteType::kPieceSent, 0, static_cast<uint64_t>(outgoing.started), number, {});
    outgoing.cookies.push_back(cookie);
  }
  ++outgoing.started;
  context_->pieces.emplace(cookie, std::move(piece));
  return true;
}

/// So many more pieces of the message `number` are through.
void WireLink::Sent(uint64_t number, int64_t pieces) {
  const auto found = outgoing_.find(number);
  if (found == outgoing_.end()) return;
  Outgoing& outgoing = found->second;
  outgoing.sent += pieces;
  if (outgoing.sent < outgoing.pieces) return;
  ++info_.messages_sent;
  const OperationRef operation = outgoing.operation;
  outgoing_.erase(found);
  context_->ledger.Complete(*operation, arrow::Status::OK(), operation->size);
}

void WireLink::CompleteAll(const arrow::Status& status) {
  Ledger& ledger = context_->ledger;
  matching_.ForEachPosted([&](const OperationRef& it) { ledger.Complete(*it, status, 0); });
  for (auto& [number, incoming] : incoming_) ledger.Complete(*incoming.operation, status, incoming.operation->moved);
  for (auto& [number, outgoing] : outgoing_) ledger.Complete(*outgoing.operation, status, outgoing.operation->moved);
  matching_.Clear();
  announced_.clear();
  incoming_.clear();
  outgoing_.clear();
  leaving_ = true;
}

void WireLink::Fail(const arrow::Status& status, const std::string* abort) {
  queue_.clear();
  answer_due_ = false;
  credit_now_ = false;
  CompleteAll(status);
  if (abort == nullptr || peer_left_ || suspected()) return;
  const size_t room = std::min<size_t>(kMaxText, context_->wire->limits().note - sizeof(NoteHeader));
  if (abort->size() <= room) Queue(NoteType::kAbort, 0, 0, 0, *abort);
}

void WireLink::Leave(const arrow::Status& status) {
  CompleteAll(status);
  if (peer_left_ || suspected()) return;
  Queue(NoteType::kBye, 0, 0, 0, {});
}

void WireLink::Cancel(Operation& operation, const arrow::Status& status) {
  if (!operation.is_send) matching_.Remove(operation);
  context_->ledger.Complete(operation, status, operation.moved);
  for (const auto& [cookie, piece] : context_->pieces) {
    if (piece.operation.get() == &operation) context_->wire->CancelPiece(cookie);
  }
}

void WireLink::Suspect(const std::string& how) {
  if (suspected() || peer_left_) return;
  suspicion_ = how;
  suspected_at_ = Clock::now();
  context_->any_suspected = true;
  Touch();
}

arrow::Status WireLink::CheckSuspicion(Clock::time_point now) const {
  if (!suspected() || peer_left_ || leaving_ || now - suspected_at_ < kSuspicion) return arrow::Status::OK();
  return Lost("is gone: " + suspicion_ + " (was its process killed?)");
}

arrow::Status WireLink::Error(CommunicationFailure failure, const std::string& message) const {
  CommunicationError error;
  error.failure = failure;
  error.rank = context_->rank;
  error.peer = info_.peer;
  error.phase = "wait";
  const Operation* oldest = nullptr;
  const auto look = [&](const Operation& operation) {
    if (operation.done() || (oldest != nullptr && oldest->started <= operation.started)) return;
    oldest = &operation;
    error.operation = operation.is_send ? "send" : "recv";
    error.bytes = operation.moved;
    error.phase = operation.moved > 0 ? "payload" : "wait";
  };
  const_cast<Matching&>(matching_).ForEachPosted([&](const OperationRef& operation) { look(*operation); });
  for (const auto& [number, incoming] : incoming_) look(*incoming.operation);
  for (const auto& [number, outgoing] : outgoing_) look(*outgoing.operation);
  if (oldest != nullptr) error.elapsed = Clock::now() - oldest->started;
  return MakeCommunicationError(std::move(error), message);
}

arrow::Status WireLink::Lost(const std::string& how) const {
  return Error(CommunicationFailure::kPeerLost, "rank " + std::to_string(info_.peer) + " " + how);
}

arrow::Status WireLink::ProtocolError(const std::string& what) const {
  return Error(CommunicationFailure::kOther, "rank " + std::to_string(info_.peer) +
                                                 " broke the protocol of the link: it " + what +
                                                 "; do all ranks run the same version of weft?");
}

// Receiving pieces: here because posting them is giving the wire something.

arrow::Result<bool> WireLink::PostPieces() {
  for (auto& [number, incoming] : incoming_) {
    const int64_t before = incoming.posted;
    bool more = true;
    while (more && incoming.posted < std::min(incoming.pieces, incoming.done + kPiecesAhead)) {
      ARROW_ASSIGN_OR_RAISE(more, PostPiece(number, incoming));
    }
    if (incoming.posted > before) {
      const RequestPayload payload = {incoming.done};
      Queue(NoteType::kRequest, 0, static_cast<uint64_t>(incoming.posted), number,
            {reinterpret_cast<const char*>(&payload), sizeof(payload)});
    }
    if (!more) return false;
  }
  return true;
}

arrow::Result<bool> WireLink::PostPiece(uint64_t number, Incoming& incoming) {
  const OperationRef& operation = incoming.operation;
  const WireLimits& limits = context_->wire->limits();
  WirePiece piece;
  piece.link = this;
  piece.receive = true;
  piece.number = number;
  piece.length =
      std::min(incoming.announced.piece, incoming.announced.size - incoming.posted * incoming.announced.piece);
  piece.operation = operation;
  piece.owner = operation->owner;
  piece.to = operation->recv_cursor;
  iovec spans[kMaxSpans];
  int64_t bytes = 0;
  size_t count = operation->recv_cursor.Fill(spans, std::min(limits.spans, kMaxSpans), piece.length, &bytes);
  if (bytes < piece.length) {
    piece.packed = std::make_unique_for_overwrite<std::byte[]>(static_cast<size_t>(piece.length));
    spans[0] = {piece.packed.get(), static_cast<size_t>(piece.length)};
    count = 1;
  }
  const uint64_t cookie = context_->next_cookie;
  const uint64_t key = incoming.announced.first + static_cast<uint64_t>(incoming.posted);
  ARROW_ASSIGN_OR_RAISE(const bool taken, context_->wire->ReceivePiece(info_.peer, key, {spans, count}, cookie));
  if (!taken) return false;
  ++context_->next_cookie;
  operation->recv_cursor.Advance(piece.length);
  if (limits.silent_pieces) incoming.cookies.push_back(cookie);
  ++incoming.posted;
  context_->pieces.emplace(cookie, std::move(piece));
  return true;
}

}  // namespace weft
