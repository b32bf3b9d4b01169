// What a link sends through memory that its two ranks share.
//
//   A, which sends                         B
//   kAsked   ---- MEMORY -------------->   opens a mailbox
//            <--- MEMORY where ---------
//   kGiven   ==== the memory, by the mailbox ====>
//            ---- MEMORY given -------->   maps it
//   kReady   <--- MEMORY taken ---------
//
// Whatever fails on the way leaves the stream as it was. None of these frames is numbered: where a link breaks on the
// way, A asks anew.
#include <string>
#include <utility>

#include "weft/backends/tcp/address.h"
#include "weft/backends/tcp/link.h"
#include "weft/base/logging.h"

namespace weft::tcp {
namespace {

/// A message that is worth the memory; where it is there, shorter ones go through it too.
constexpr int64_t kAsksFrom = 64 << 10;

}  // namespace

void Link::AskForSharing(int64_t size) {
  if (size < kAsksFrom || held_ || broken_) return;
  if (context_->shared_bytes == 0 || !info_.cipher.empty() || !OnThisHost(stream_->descriptor())) {
    sharing_ = Sharing::kNever;
    return;
  }
  sharing_ = Sharing::kAsked;
  Queue(FrameType::kMemory, 0, 0, 0);
}

arrow::Status Link::FinishMemory() {
  switch (frame_.flags) {
    case 0: {
      shared_in_ = nullptr;  // the peer has forgotten it
      CountShared();
      auto mailbox = context_->shared_bytes > 0 ? Mailbox::Open() : arrow::Status::Invalid("not wanted");
      mailbox_ = mailbox.ok() ? *std::move(mailbox) : nullptr;
      if (mailbox_ == nullptr) {
        Queue(FrameType::kMemory, kFlagTaken, 0, 0);
      } else {
        QueueText(FrameType::kMemory, kFlagWhere, 0, mailbox_->address());
      }
      return arrow::Status::OK();
    }
    case kFlagWhere:
      if (sharing_ != Sharing::kAsked || frame_.length != Mailbox::kAddressSize) break;
      GiveMemory({reinterpret_cast<const char*>(target_buffer_.get()), frame_.length});
      return arrow::Status::OK();
    case kFlagGiven:
      if (mailbox_ == nullptr) break;
      TakeMemory();
      return arrow::Status::OK();
    case kFlagTaken:
      if (sharing_ != Sharing::kAsked && sharing_ != Sharing::kGiven) break;
      if (frame_.size == 0) {
        shared_out_ = nullptr;
        sharing_ = Sharing::kNever;
        return arrow::Status::OK();
      }
      if (sharing_ != Sharing::kGiven || frame_.size != static_cast<uint64_t>(shared_out_->size())) break;
      shared_out_->CloseDescriptor();
      sharing_ = Sharing::kReady;
      CountShared();
      return arrow::Status::OK();
    default:
      break;
  }
  return ProtocolError("said what makes no sense about shared memory");
}

void Link::GiveMemory(std::string_view address) {
  auto made = SharedOut::Make(SharedSize(context_->shared_bytes, context_->world_size));
  arrow::Status status = made.status();
  if (status.ok()) status = Mailbox::Post(address, (*made)->descriptor());
  if (!status.ok()) {
    WEFT_LOG(kInfo, "no memory is shared with rank " << info_.peer << ": " << status.message());
    sharing_ = Sharing::kNever;
    return;
  }
  shared_out_ = *std::move(made);
  sharing_ = Sharing::kGiven;
  Queue(FrameType::kMemory, kFlagGiven, 0, static_cast<uint64_t>(shared_out_->size()));
}

void Link::TakeMemory() {
  auto opened = SharedIn::Open(mailbox_->Take(), frame_.size);
  mailbox_ = nullptr;
  if (opened.ok()) {
    shared_in_ = *std::move(opened);
  } else {
    WEFT_LOG(kInfo, "no memory is shared with rank " << info_.peer << ": " << opened.status().message());
  }
  CountShared();
  Queue(FrameType::kMemory, kFlagTaken, 0, opened.ok() ? frame_.size : 0);
}

void Link::CountShared() {
  info_.shared_memory =
      (sharing_ == Sharing::kReady ? shared_out_->size() : 0) + (shared_in_ != nullptr ? shared_in_->size() : 0);
}

/// Moves the next `length` bytes of the message to the memory, as the payload of `frame`.
void Link::PutShared(const OutFrameRef& frame, Operation& operation, int64_t length) {
  frame->header.length = static_cast<uint32_t>(length);
  shared_out_->Put(&operation.send_cursor, length);
  info_.bytes_sent += length;
}

/// The payload of the frame at hand.
arrow::Status Link::TakeShared() {
  if (leaving_) return arrow::Status::OK();
  const int64_t length = frame_.length;
  if (shared_in_ == nullptr || length > shared_in_->size()) {
    return ProtocolError("sent data through memory that it does not share");
  }
  payload_left_ = length;
  for (const ConstBytes piece : shared_in_->Next(length)) {
    Take(piece.data(), piece.size());
    Took(static_cast<int64_t>(piece.size()));
  }
  info_.bytes_received += length;
  shared_unacknowledged_ += length;
  return arrow::Status::OK();
}

/// In the middle of what is read, so that the peer has room again before all of it is.
void Link::AcknowledgeShared() {
  if (!wire_.empty() || blocked_ || write_failed_ || stream_->pending()) return;  // what waits will carry it
  const auto frame = Queue(FrameType::kAcknowledge, 0, 0, 0);
  Stamp(*frame);
  const iovec span = {frame->head.data(), kHeaderSize};
  const IoResult result = stream_->Write({&span, 1});
  // A failure shows again where there is more to do about it: when the rest is written.
  if (result.kind == IoResult::Kind::kMoved) Written(result.bytes);
}

}  // namespace weft::tcp
