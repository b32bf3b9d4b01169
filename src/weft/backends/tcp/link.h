// The link to one peer: frames over a byte stream, messages over frames.
#pragma once

#include <arrow/status.h>

#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "weft/backends/tcp/buffer_pool.h"
#include "weft/backends/tcp/byte_stream.h"
#include "weft/backends/tcp/frame.h"
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
};

/// What one call of OnReadable takes from the stream's descriptor, about.
inline constexpr int64_t kReadBudget = 8 << 20;

/// Short messages (eager) are sent at once, within the credit that the peer gives for messages that nobody has received
/// yet, and are complete as soon as they are copied or acknowledged. Longer ones, and those beyond the credit, are
/// announced, asked for by the peer when their receive is there, sent in pieces straight from the sender's memory into
/// the receiver's, and are complete when the last piece is acknowledged.
///
/// Every numbered frame is kept until it is acknowledged, so that a link over a new stream could go on from there.
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
  /// this nothing that the peer does is an error.
  void Fail(const arrow::Status& status, const std::string* abort);
  /// Completes all operations with `status`, sends what was promised, and says goodbye. After this nothing that the
  /// peer does is an error.
  void Leave(const arrow::Status& status);

  Rank peer() const { return info_.peer; }
  int descriptor() const { return stream_->descriptor(); }
  bool peer_left() const { return peer_left_; }
  /// The peer has sent an abort; it has told all others too.
  bool peer_aborted() const { return peer_aborted_; }
  /// The stream is at its end; it stays open until Disconnect, so that its descriptor can be taken out of a poll set.
  bool ended() const { return ended_; }
  bool open() const { return stream_ != nullptr; }
  /// All that this rank has to say has been taken by the peer, or there is no one left to take it.
  bool settled() const;
  /// Nothing is left to be written.
  bool quiet() const;
  Clock::time_point last_heard() const { return last_heard_; }
  Clock::time_point last_written() const { return last_written_; }
  const LinkInfo& info() const { return info_; }
  /// An error about this link, with the facts of the operation that waits for it.
  arrow::Status Error(CommunicationFailure failure, const std::string& message) const;
  /// Shuts the stream down and closes it.
  void Disconnect();

 private:
  /// A frame on its way or waiting for its acknowledgement.
  struct OutFrame {
    FrameHeader header;
    HeaderBytes head;
    bool stamped = false;
    int64_t head_left = kHeaderSize;
    int64_t payload_left = 0;
    std::unique_ptr<std::byte[]> owned;  // the payload, or ...
    OperationRef operation;              // ... whose memory it is in
    PartCursor<ConstBytes> cursor;
  };
  using OutFrameRef = std::shared_ptr<OutFrame>;

  /// A long message whose pieces come in.
  struct Incoming {
    OperationRef operation;
    int64_t size = 0;
    int64_t received = 0;
  };

  enum class Target : uint8_t { kDiscard, kReceive, kBuffer };

  // Out.
  void SendEager(OperationRef operation);
  OutFrameRef Queue(FrameType type, uint8_t flags, uint64_t tag, uint64_t size);
  void QueueText(FrameType type, uint8_t flags, uint64_t tag, std::string_view text);
  void QueueOwned(const OutFrameRef& frame, std::unique_ptr<std::byte[]> payload, size_t length);
  void FillWire();
  void Stamp(OutFrame& frame);
  void Written(int64_t bytes);
  static void Detach(OutFrame& frame);
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
  void Take(const std::byte* bytes, size_t size);
  void Took(int64_t bytes);

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
  std::deque<OutFrameRef> kept_;
  uint64_t next_sequence_ = 1;
  uint64_t written_sequence_ = 0;
  int64_t eager_sent_ = 0;
  int64_t eager_granted_;
  std::unordered_map<uint64_t, OperationRef> announced_;  // sends not yet acknowledged, by number
  std::deque<OperationRef> clear_;                        // sends that were asked for and have pieces left
  bool blocked_ = false;
  bool ended_ = false;
  bool write_failed_ = false;
  bool leaving_ = false;

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
