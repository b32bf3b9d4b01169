// The link to one peer: frames over a byte stream, messages over frames.
#pragma once

#include <arrow/status.h>

#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "weft/backends/tcp/buffer_pool.h"
#include "weft/backends/tcp/byte_stream.h"
#include "weft/backends/tcp/frame.h"
#include "weft/backends/tcp/kept_frames.h"
#include "weft/backends/tcp/shared_memory.h"
#include "weft/base/communication_error.h"
#include "weft/communicator/matching.h"
#include "weft/communicator/message_operation.h"

namespace weft::tcp {

/// What the links of one transport share; guarded by its mutex.
struct LinkContext {
  Rank rank = -1;
  int world_size = 1;
  Ledger ledger;
  BufferPool buffers;
  /// Where short frames are read to; holds nothing between calls.
  std::vector<std::byte> stage;
  /// Texts of heartbeats that have come, to be looked at without the mutex.
  std::vector<std::pair<Rank, std::string>> heard;
  /// A stream that breaks is replaced by another one; else its link is lost.
  bool remakes = false;
  /// Bytes of memory to share with ranks of this host, all together; 0: none.
  int64_t shared_bytes = 0;
};

/// Shorter messages go by the stream: there they are one write with their header.
inline constexpr int64_t kLeastShared = 16 << 10;

/// What one call of OnReadable takes from the stream's descriptor, about.
inline constexpr int64_t kReadBudget = 8 << 20;

/// Short messages (eager) are sent at once, within the credit that the peer gives for messages that nobody has received
/// yet, and are complete as soon as they are copied or acknowledged. Longer ones, and those beyond the credit, are
/// announced, asked for by the peer when their receive is there, sent in pieces straight from the sender's memory into
/// the receiver's, and are complete when the last piece is acknowledged.
///
/// Where both ranks are on one host, payloads of kLeastShared bytes and more go through memory that they share, and the
/// stream has their frames' headers alone. The send is complete as soon as the payload is there.
///
/// Every numbered frame is kept until it is acknowledged. Where the stream breaks, the link is `broken`: it takes sends
/// and receives as ever, writes nothing, and goes on with what the peer lacks when Resume gives it another stream. A
/// frame that had come in part goes on where it was, into the same memory.
///
/// Guarded by the transport's mutex. A call that returns an error has found the link dead or the peer breaking the
/// protocol; the transport then fails as a whole.
class Link {
 public:
  Link(LinkContext* context, LinkInfo info, std::unique_ptr<ByteStream> stream);

  arrow::Status Send(OperationRef operation);
  arrow::Status Recv(OperationRef operation);
  /// Completes the operation with `status` and forgets the caller's memory.
  void Cancel(const OperationRef& operation, const arrow::Status& status);

  /// Reads what is there, within a bound.
  arrow::Status OnReadable();
  /// Writes what is queued, within a bound.
  arrow::Status Flush();
  /// There is more to write than the stream took.
  bool blocked() const { return blocked_; }

  void QueueHeartbeat(std::string_view text);
  /// Drops all that is queued and completes all operations with `status`. Where `abort` is given, tells the peer. After
  /// this nothing that the peer does is an error, and the stream's sending half is shut once all is written: a peer
  /// that has failed too does the same, so the stream's end says that it has read the abort.
  void Fail(const arrow::Status& status, const std::string* abort);
  /// Completes all operations with `status`, sends what was promised, and says goodbye. After this nothing that the
  /// peer does is an error.
  void Leave(const arrow::Status& status);

  Rank peer() const { return info_.peer; }
  int descriptor() const { return stream_->descriptor(); }
  bool peer_left() const { return peer_left_; }
  /// The peer has sent an abort; it has told all others too.
  bool peer_aborted() const { return peer_aborted_; }
  /// No stream will come any more; the last one stays open until Disconnect, so that its descriptor can be taken out of
  /// a poll set.
  bool ended() const { return ended_; }
  bool open() const { return stream_ != nullptr; }
  /// All that this rank has to say has been taken by the peer, or there is no one left to take it.
  bool settled() const;
  /// Broken, or made again and not yet known to work.
  bool troubled() const { return broken_ || (held_ && !ended_); }
  Clock::time_point last_heard() const { return last_heard_; }
  Clock::time_point last_written() const { return last_written_; }
  const LinkInfo& info() const { return info_; }
  /// An error about this link, with the facts of the operation that waits for it.
  arrow::Status Error(CommunicationFailure failure, const std::string& message) const;
  /// Reads and drops what comes to a link that has failed; at the stream's end the link has ended. Unread bytes would
  /// turn its close into a reset, and what the peer has not taken yet, the abort, would be lost.
  void Drain();
  /// Shuts the stream down and closes it.
  void Disconnect();

  // Breaking and going on: link_resume.cc.
  /// The stream is of no use any more, and another may take its place. Where none can, an error; or OK where none is
  /// needed, and then the link has ended.
  /// `silent`: nothing said so, only no byte came any more.
  arrow::Status Break(const std::string& how, bool silent = false);
  bool broken() const { return broken_; }
  Clock::time_point broke_at() const { return broke_at_; }
  /// What happened to the stream of a broken link.
  const std::string& how_broken() const { return how_broken_; }
  /// Closes a broken link's stream at once, so that its pair of addresses is free.
  void DropStream();
  /// Goes on over another stream, whatever became of the old one, which must be out of all poll sets. `info` has how
  /// it was made.
  arrow::Status Resume(std::unique_ptr<ByteStream> stream, const LinkInfo& info);
  /// No other stream will come: ends a broken link without an error.
  void GiveUp();
  /// The peer may have left this stream: asks it for a sign of life.
  void Suspect();
  /// When it was last asked so and has not answered.
  std::optional<Clock::time_point> suspected() const;

 private:
  /// A long message whose pieces come in.
  struct Incoming {
    OperationRef operation;
    int64_t size = 0;
    int64_t received = 0;
  };

  enum class Target : uint8_t { kDiscard, kReceive, kBuffer };

  /// A numbered frame that had come in part when the stream broke, and where the rest of it belongs.
  struct Half {
    FrameHeader frame;
    int64_t have = 0;
    Target target = Target::kDiscard;
    OperationRef operation;
    std::unique_ptr<std::byte[]> buffer;
  };

  /// A message that was asked for and has pieces left.
  struct Outgoing {
    OperationRef operation;
    bool shared = false;  // all of its pieces
  };

  enum class Sharing : uint8_t { kUnknown, kAsked, kGiven, kReady, kNever };

  // Out.
  void SendEager(OperationRef operation);
  bool QueuePiece();
  OutFrameRef Queue(FrameType type, uint8_t flags, uint64_t tag, uint64_t size);
  void QueueText(FrameType type, uint8_t flags, uint64_t tag, std::string_view text);
  void QueueOwned(const OutFrameRef& frame, std::unique_ptr<std::byte[]> payload, size_t length);
  void FillWire();
  void Stamp(OutFrame& frame);
  void Written(int64_t bytes);
  arrow::Status WriteFailed(const IoResult& result);
  void CompleteAll(const arrow::Status& status);

  // In.
  arrow::Status ReadDirect(bool* more);
  arrow::Status ReadStaged(bool* more);
  arrow::Status AfterRead(const IoResult& result);
  arrow::Status Parse(const std::byte* bytes, size_t size);
  arrow::Status BeginFrame(const std::byte* head);
  arrow::Status BeginEager();
  arrow::Status BeginRequest();
  arrow::Status BeginClear();
  arrow::Status BeginData();
  arrow::Status FinishFrame();
  arrow::Status FinishData();
  arrow::Status FinishBye();
  void FinishEager();
  void FinishHeartbeat();
  arrow::Status FinishAbort();
  arrow::Status TakeAcknowledgement(uint64_t acknowledgement);
  arrow::Status TakeCredit();
  arrow::Status TakeResume();
  arrow::Status GoOn();
  arrow::Status BeginAgain();
  void KeepHalf();
  void QueueResume();
  void Take(const std::byte* bytes, size_t size);
  void Took(int64_t bytes);

  // Shared memory: link_shared.cc.
  void AskForSharing(int64_t size);
  bool SharesNow(int64_t size) const {
    return sharing_ == Sharing::kReady && size >= kLeastShared && shared_out_->room() >= size;
  }
  void PutShared(const OutFrameRef& frame, Operation& operation, int64_t length);
  arrow::Status TakeShared();
  arrow::Status FinishMemory();
  void GiveMemory(std::string_view address);
  void TakeMemory();
  void CountShared();
  void AcknowledgeShared();
  bool shared_acknowledgement_due() const {
    return shared_in_ != nullptr && shared_unacknowledged_ >= shared_in_->size() / 4;
  }

  void Accept(uint64_t number, int64_t size, const OperationRef& receive);
  void Consume(int64_t size);
  bool waits() const { return matching_.any_posted() || !incoming_.empty() || !announced_.empty(); }
  arrow::Status ProtocolError(const std::string& what) const;
  arrow::Status Lost(const std::string& how) const;

  LinkContext* const context_;
  LinkInfo info_;
  std::unique_ptr<ByteStream> stream_;
  const int64_t window_;
  Clock::time_point last_heard_ = Clock::now();
  Clock::time_point last_written_ = Clock::now();

  // Out: frames to write, in order; numbered ones in `kept_` too until they are acknowledged.
  std::deque<OutFrameRef> wire_;
  KeptFrames kept_;
  uint64_t next_sequence_ = 1;
  uint64_t written_sequence_ = 0;
  int64_t eager_sent_ = 0;
  int64_t eager_granted_;
  std::unordered_map<uint64_t, OperationRef> announced_;  // sends not yet acknowledged, by number
  std::deque<Outgoing> clear_;
  bool blocked_ = false;
  bool ended_ = false;
  bool write_failed_ = false;
  bool leaving_ = false;
  bool failed_ = false;
  bool shut_ = false;                      // the stream's sending half
  std::optional<std::string> abort_text_;  // of a link that has failed: what the peer is to be told

  // Breaking and going on.
  bool broken_ = false;
  Clock::time_point broke_at_;
  std::string how_broken_;
  bool held_ = false;           // numbered frames wait for the peer's RESUME on this stream, and its next frame
  bool resume_awaited_ = true;  // the peer has not sent it yet
  int in_vain_ = 0;             // streams in a row that carried nothing of what waited, silent ones several times
  bool broke_silently_ = false;
  bool heard_ = true;       // more than RESUME and its answer has come over this stream
  bool answered_ = true;    // the peer has answered this side's RESUME
  int silent_streams_ = 0;  // in a row, over which no more than that came; unanswered ones count twice
  bool carried_ = true;     // something was acknowledged on this stream
  /// Acknowledgement and size of the peer's RESUME, until its next frame.
  std::optional<std::pair<uint64_t, uint64_t>> peer_has_;
  /// Of the peer's numbered frames, when this stream went on: the last whole one, and bytes of the next.
  std::pair<uint64_t, uint64_t> had_;
  uint64_t carried_part_ = 0;  // of the first frame of this stream, that the peer had before
  std::optional<Half> half_;
  std::optional<Clock::time_point> suspected_at_;

  // Shared memory, one a direction.
  Sharing sharing_ = Sharing::kUnknown;  // of what this rank sends
  std::unique_ptr<SharedOut> shared_out_;
  std::unique_ptr<SharedIn> shared_in_;
  std::unique_ptr<Mailbox> mailbox_;   // while the peer's memory is awaited
  int64_t shared_unacknowledged_ = 0;  // bytes taken from there

  // In.
  Matching matching_;
  std::unordered_map<uint64_t, Incoming> incoming_;
  uint64_t received_sequence_ = 0;
  uint64_t acknowledged_sequence_ = 0;  // what the peer has been told
  int64_t eager_received_ = 0;
  int64_t eager_consumed_ = 0;
  int64_t eager_advertised_;
  bool answer_due_ = false;
  uint64_t answer_clock_ = 0;
  bool acknowledge_now_ = false;
  bool peer_left_ = false;
  bool peer_aborted_ = false;

  // The frame that is being read.
  HeaderBytes head_;
  size_t head_have_ = 0;
  FrameHeader frame_;
  int64_t payload_left_ = 0;
  Target target_ = Target::kDiscard;
  OperationRef target_operation_;
  std::unique_ptr<std::byte[]> target_buffer_;
};

}  // namespace weft::tcp
