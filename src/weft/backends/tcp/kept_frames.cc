#include "weft/backends/tcp/kept_frames.h"

#include <utility>

namespace weft::tcp {
namespace {

/// Its payload cannot be had any more.
bool Gone(const OutFrame& frame) {
  return InStream(frame.header) > 0 && (frame.cut || (!frame.owned && frame.operation && frame.operation->done()));
}

}  // namespace

void Detach(OutFrame& frame) {
  if (frame.operation == nullptr || frame.owned || frame.payload_left == 0) return;
  const int64_t written = int64_t{frame.header.length} - frame.payload_left;
  frame.owned = std::make_unique_for_overwrite<std::byte[]>(frame.header.length);
  frame.cursor.CopyTo(frame.owned.get() + written, frame.payload_left);
  frame.cut = written > 0;
}

OutFrameRef KeptFrames::TakeAcknowledged(uint64_t acknowledgement) {
  if (frames_.empty() || frames_.front()->header.sequence > acknowledgement) return nullptr;
  OutFrameRef frame = std::move(frames_.front());
  frames_.pop_front();
  return frame;
}

arrow::Status KeptFrames::Rewind(uint64_t acknowledgement, uint64_t part, uint64_t next) {
  const uint64_t first = frames_.empty() ? next : frames_.front()->header.sequence;
  if (acknowledgement + 1 != first) {
    return arrow::Status::Invalid("has frame ", acknowledgement, " of this rank and not the next, but frames are kept ",
                                  "from ", first, " on only");
  }
  if (part > 0 && (frames_.empty() || static_cast<int64_t>(part) >= InStream(frames_.front()->header))) {
    return arrow::Status::Invalid("has ", part, " bytes of frame ", first, ", which are more than it has");
  }
  for (const OutFrameRef& frame : frames_) {
    if (Gone(*frame)) {
      return arrow::Status::Invalid("lacks frame ", frame->header.sequence,
                                    ", whose memory is gone since its send was given up");
    }
    frame->stamped = false;
    frame->head_left = static_cast<int64_t>(kHeaderSize);
    frame->payload_left = InStream(frame->header);
    frame->cursor = frame->start;
  }
  if (part > 0) {
    OutFrame& frame = *frames_.front();
    frame.payload_left -= static_cast<int64_t>(part);
    if (!frame.owned) frame.cursor.Advance(static_cast<int64_t>(part));
  }
  return arrow::Status::OK();
}

void KeptFrames::DetachAll(const Operation* operation) {
  for (const OutFrameRef& frame : frames_) {
    if (operation == nullptr || frame->operation.get() == operation) Detach(*frame);
  }
}

}  // namespace weft::tcp
