// How a link breaks and goes on over another stream.
#include <sys/socket.h>

#include <string>
#include <utility>

#include "weft/backends/tcp/link.h"
#include "weft/base/logging.h"

namespace weft::tcp {
namespace {

/// So many streams in a row may break before they carry anything of what waits.
constexpr int kMostInVain = 64;
/// One that became silent, which takes 3 s to be known, counts as so many: the fourth in a row is the last.
constexpr int kSilentWeighs = 21;
/// Bytes of a frame that such a stream must have carried to count for something.
constexpr uint64_t kLeastBeforeSilence = 64 << 10;
/// The same of those over which nothing came, which takes 3 s each to be known; one over which not even RESUME was
/// answered counts twice.
constexpr int kMostSilent = 3;
constexpr int kUnansweredWeighs = 2;

}  // namespace

arrow::Status Link::Break(const std::string& how, bool silent) {
  // A peer that has said goodbye, or a rank that has nothing left to say, needs no other stream.
  const bool needed = !peer_left_ && !(leaving_ && kept_.empty());
  if (broken_ || ended_) return arrow::Status::OK();
  if (!needed || !context_->remakes) {
    arrow::Status status = peer_left_ || leaving_ ? arrow::Status::OK() : Lost(how);
    ended_ = true;
    wire_.clear();
    blocked_ = false;
    return status;
  }
  silent_streams_ = silent && !heard_ ? silent_streams_ + (answered_ ? 1 : kUnansweredWeighs) : 0;
  broke_silently_ = silent;
  if (silent_streams_ > kMostSilent) {
    return Lost(how + " The link was made again and again, and nothing came over it");
  }
  WEFT_LOG(kInfo,
           "the link to rank " << info_.peer << " broke, and is to be made again: rank " << info_.peer << " " << how);
  // A stream that broke before the peer had spoken on it did not mend the one before.
  if (!held_) broke_at_ = Clock::now();
  how_broken_ = how;
  ++info_.errors;
  info_.last_error = how;
  KeepHalf();
  broken_ = true;
  held_ = true;
  wire_.clear();
  blocked_ = false;
  answer_due_ = false;
  suspected_at_.reset();
  return arrow::Status::OK();
}

void Link::KeepHalf() {
  head_have_ = 0;
  if (payload_left_ == 0) return;
  if (IsNumbered(frame_.type)) {
    half_ = Half{frame_, int64_t{frame_.length} - payload_left_, target_, std::move(target_operation_),
                 std::move(target_buffer_)};
  }
  payload_left_ = 0;
  target_ = Target::kDiscard;
  target_operation_ = nullptr;
  target_buffer_ = nullptr;
}

void Link::DropStream() {
  if (stream_ == nullptr) return;
  const linger now = {1, 0};
  ::setsockopt(stream_->descriptor(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  stream_ = nullptr;
}

arrow::Status Link::Resume(std::unique_ptr<ByteStream> stream, const LinkInfo& info) {
  if (!broken_) {
    // The peer saw the stream break before this rank did.
    KeepHalf();
    if (!held_) broke_at_ = Clock::now();
    how_broken_ = "has made the link anew";
    wire_.clear();
  }
  DropStream();
  stream_ = std::move(stream);
  broken_ = ended_ = write_failed_ = blocked_ = answer_due_ = shut_ = false;
  held_ = resume_awaited_ = true;
  peer_has_.reset();
  heard_ = answered_ = false;
  suspected_at_.reset();
  mailbox_ = nullptr;
  if (sharing_ == Sharing::kAsked || sharing_ == Sharing::kGiven) {
    shared_out_ = nullptr;
    sharing_ = Sharing::kUnknown;
  }
  last_heard_ = last_written_ = Clock::now();
  info_.path = info.path;
  info_.cipher = info.cipher;
  info_.remote_address = info.remote_address;
  info_.tries += info.tries;
  info_.errors += info.errors;
  if (!info.last_error.empty()) info_.last_error = info.last_error;
  ++info_.remade;
  WEFT_LOG(kInfo, "the link to rank " << info_.peer << " was made again by " << info_.path << " after "
                                      << Seconds(last_heard_ - broke_at_) * 1e3 << " ms");
  QueueResume();
  if (abort_text_) QueueText(FrameType::kAbort, 0, 0, *abort_text_);
  return Flush();
}

void Link::QueueResume() { Queue(FrameType::kResume, 0, 0, half_ ? static_cast<uint64_t>(half_->have) : 0); }

/// The first frame of a stream.
arrow::Status Link::TakeResume() {
  resume_awaited_ = false;
  if (abort_text_) return arrow::Status::OK();
  ARROW_RETURN_NOT_OK(TakeAcknowledgement(frame_.acknowledgement));
  ARROW_RETURN_NOT_OK(TakeCredit());
  if (!held_) {
    if (frame_.acknowledgement == 0 && frame_.size == 0) return arrow::Status::OK();
    return ProtocolError("has frames of this rank on a link that is new");
  }
  // What waits goes when the peer has spoken once more: a stream that dies of the first burst, before the peer's word
  // is through, would look like one over which nothing comes.
  Queue(FrameType::kAcknowledge, 0, 0, 0);
  peer_has_ = {frame_.acknowledgement, frame_.size};
  return arrow::Status::OK();
}

/// After the first frame behind the peer's RESUME: numbered frames may go, those first that the peer lacks.
arrow::Status Link::GoOn() {
  const auto [acknowledgement, part] = *std::exchange(peer_has_, std::nullopt);
  answered_ = true;
  held_ = false;
  const arrow::Status status = kept_.Rewind(acknowledgement, part, next_sequence_);
  if (!status.ok()) return Lost("cannot go on where its link broke: it " + status.message());
  // What trickles through a path that swallows the rest would take for ever.
  const uint64_t least = broke_silently_ ? kLeastBeforeSilence : 1;
  // Either way: where one side's burst always kills the stream first, the other's turn comes when that is through.
  const uint64_t have = half_ ? static_cast<uint64_t>(half_->have) : 0;
  const bool received = received_sequence_ > had_.first || have >= had_.second + least;
  const bool carried = carried_ || part >= carried_part_ + least || received;
  had_ = {received_sequence_, have};
  if (carried) silent_streams_ = 0;
  if (carried || kept_.empty()) {
    in_vain_ = 0;
  } else if ((in_vain_ += broke_silently_ ? kSilentWeighs : 1) > kMostInVain) {
    return Lost(how_broken_ + "; the link was made again and again, and carried nothing");
  }
  carried_ = false;
  carried_part_ = part;
  written_sequence_ = acknowledgement;
  wire_.insert(wire_.end(), kept_.frames().begin(), kept_.frames().end());
  return arrow::Status::OK();
}

/// The frame of which a part is there comes again, without that part.
arrow::Status Link::BeginAgain() {
  // Where it is refused it stays: its receive is among those that are completed when the link fails.
  const FrameHeader& before = half_->frame;
  if (frame_.type != before.type || frame_.flags != before.flags || frame_.length != before.length ||
      frame_.tag != before.tag || frame_.sequence != before.sequence || frame_.size != before.size) {
    return ProtocolError("sent another frame in place of the one that it had begun");
  }
  Half half = *std::exchange(half_, std::nullopt);
  payload_left_ = int64_t{frame_.length} - half.have;
  target_ = half.target;
  target_operation_ = std::move(half.operation);
  target_buffer_ = std::move(half.buffer);
  return arrow::Status::OK();
}

void Link::GiveUp() {
  broken_ = false;
  ended_ = true;
  wire_.clear();
  blocked_ = false;
}

void Link::Suspect() {
  if (broken_ || ended_ || peer_left_ || suspected()) return;
  suspected_at_ = Clock::now();
  QueueHeartbeat({});
}

std::optional<Clock::time_point> Link::suspected() const {
  return suspected_at_ && last_heard_ < *suspected_at_ ? suspected_at_ : std::nullopt;
}

}  // namespace weft::tcp
