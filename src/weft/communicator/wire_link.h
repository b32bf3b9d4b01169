// The messages to and from one peer, over the notes and pieces of a Wire.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "weft/base/communication_error.h"
#include "weft/communicator/matching.h"
#include "weft/communicator/message_operation.h"
#include "weft/communicator/wire.h"
#include "weft/communicator/wire_note.h"

namespace weft {

class WireLink;

/// A piece that the library holds. It keeps the caller's memory alive whatever becomes of its operation.
struct WirePiece {
  WireLink* link = nullptr;
  bool receive = false;
  uint64_t number = 0;  // of the message
  int64_t length = 0;
  OperationRef operation;
  Owner owner;
  std::unique_ptr<std::byte[]> packed;  // where the parts are too many for one piece
  PartCursor<MutableBytes> to;          // where packed bytes belong
};

/// What the links of one transport share; guarded by its mutex.
struct WireContext {
  Rank rank = -1;
  int world_size = 1;
  uint32_t job = 0;
  Wire* wire = nullptr;
  Ledger ledger;
  std::unordered_map<uint64_t, WirePiece> pieces;  // by cookie
  uint64_t next_cookie = 1;
  /// Links that have something to send.
  std::vector<WireLink*> dirty;
  /// Some peer is suspected.
  bool any_suspected = false;
  /// Texts of heartbeats that have come, to be looked at without the mutex.
  std::vector<std::pair<Rank, std::string>> heard;
};

/// Short messages (eager) go in one note, within the credit that the peer gives for messages that nobody has received
/// yet, and are complete at once. Longer ones, and those beyond the credit, are announced; the receiver posts a few
/// pieces, asks for them, and posts more as they come, so that heartbeats find their way between them. A piece goes
/// from memory to memory, unless it is made of more parts than the wire takes: then it is packed.
///
/// Guarded by the transport's mutex. A call that returns an error has found the peer lost or breaking the protocol; the
/// transport then fails as a whole.
class WireLink {
 public:
  WireLink(WireContext* context, Rank peer);

  arrow::Status Send(const OperationRef& operation);
  arrow::Status Recv(const OperationRef& operation);
  /// Completes the operation with `status`.
  void Cancel(Operation& operation, const arrow::Status& status);

  void SayHello();
  bool greeted() const { return greeted_; }
  arrow::Status OnNote(const NoteHeader& header, ConstBytes payload);
  arrow::Status OnPiece(WirePiece piece, const arrow::Status& status);
  /// Gives the wire what it takes. Where it says that the peer is lost, the peer is suspected.
  void Flush();

  void QueueHeartbeat(std::string_view text);
  /// Drops all that is queued and completes all operations with `status`. Where `abort` is given, tells the peer. After
  /// this nothing that the peer does is an error.
  void Fail(const arrow::Status& status, const std::string* abort);
  /// Completes all operations with `status` and says goodbye. After this nothing that the peer does is an error.
  void Leave(const arrow::Status& status);

  /// The wire says that the peer is gone; what it said before may still come.
  void Suspect(const std::string& how);
  bool suspected() const { return !suspicion_.empty(); }
  /// The error of a suspicion that is old enough; else OK.
  arrow::Status CheckSuspicion(Clock::time_point now) const;

  Rank peer() const { return info_.peer; }
  bool peer_left() const { return peer_left_; }
  bool peer_aborted() const { return peer_aborted_; }
  /// All that this rank has to say has been taken by the peer, or there is no one left to take it.
  bool settled() const { return peer_left_ || suspected() || (queue_.empty() && sent_ == taken_by_peer_); }
  bool quiet() const { return queue_.empty() || peer_left_ || suspected(); }
  Clock::time_point last_heard() const { return last_heard_; }
  const LinkInfo& info() const { return info_; }
  LinkInfo* mutable_info() { return &info_; }
  /// An error about this link, with the facts of the operation that waits for it.
  arrow::Status Error(CommunicationFailure failure, const std::string& message) const;

 private:
  struct Note {
    NoteHeader header;
    std::string payload;
  };
  /// A long message that goes out.
  struct Outgoing {
    OperationRef operation;
    int64_t piece = 0;
    uint64_t first = 0;
    int64_t pieces = 0;
    int64_t allowed = 0;  // pieces that the peer has asked for
    int64_t started = 0;
    int64_t sent = 0;
    std::vector<uint64_t> cookies;  // by piece, on wires with silent pieces
  };
  /// A long message that comes in.
  struct Incoming {
    OperationRef operation;
    AnnouncePayload announced = {};
    int64_t pieces = 0;
    int64_t posted = 0;
    int64_t done = 0;
    std::vector<uint64_t> cookies;  // by piece, on wires with silent pieces
  };

  // Out.
  void Touch();
  void Queue(NoteType type, uint8_t flags, uint64_t tag, uint64_t number, std::string payload);
  arrow::Result<bool> FlushAll();
  arrow::Result<bool> FlushNotes();
  arrow::Result<bool> SendNote(NoteHeader header, std::span<const iovec> payload);
  arrow::Result<bool> SendPieces();
  arrow::Result<bool> SendPiece(uint64_t number, Outgoing& outgoing);
  arrow::Result<bool> PostPieces();
  arrow::Result<bool> PostPiece(uint64_t number, Incoming& incoming);
  void Sent(uint64_t number, int64_t pieces);
  uint32_t on_their_way() const { return sent_ - taken_by_peer_; }

  // In.
  arrow::Status Take(const NoteHeader& header, ConstBytes payload);
  arrow::Status TakeEager(const NoteHeader& header, ConstBytes payload);
  arrow::Status TakeAnnounce(const NoteHeader& header, ConstBytes payload);
  arrow::Status TakeRequest(const NoteHeader& header, ConstBytes payload);
  arrow::Status TakePieceSent(const NoteHeader& header);
  void TakeHeartbeat(const NoteHeader& header, ConstBytes payload);
  arrow::Status TakeAbort(ConstBytes payload);
  void Accept(uint64_t number, const AnnouncePayload& announced, const OperationRef& receive);
  arrow::Status CountPiece(uint64_t number);
  void CompleteAll(const arrow::Status& status);
  bool waits() const { return matching_.any_posted() || !incoming_.empty() || !outgoing_.empty(); }
  arrow::Status ProtocolError(const std::string& what) const;
  arrow::Status Lost(const std::string& how) const;

  WireContext* const context_;
  LinkInfo info_;
  const int64_t window_;
  Clock::time_point last_heard_ = Clock::now();
  bool dirty_ = false;
  bool flushing_ = false;
  bool greeted_ = false;
  bool leaving_ = false;
  bool peer_left_ = false;
  bool peer_aborted_ = false;
  std::string suspicion_;
  Clock::time_point suspected_at_;

  // Out.
  std::deque<Note> queue_;
  uint32_t sent_ = 0;  // notes
  uint32_t taken_by_peer_ = 0;
  int64_t eager_sent_ = 0;
  int64_t eager_granted_;
  uint64_t next_number_ = 1;
  uint64_t next_key_ = 0;
  std::map<uint64_t, Outgoing> outgoing_;  // by number
  bool answer_due_ = false;
  uint64_t answer_clock_ = 0;

  // In.
  Matching matching_;
  std::unordered_map<uint64_t, AnnouncePayload> announced_;  // not yet received, by number
  std::map<uint64_t, Incoming> incoming_;                    // by number
  std::map<uint32_t, std::pair<NoteHeader, std::string>> early_;
  uint32_t taken_ = 0;  // notes
  uint32_t taken_reported_ = 0;
  bool credit_now_ = false;
  int64_t eager_received_ = 0;
  int64_t eager_consumed_ = 0;
  int64_t eager_advertised_;
};

}  // namespace weft
