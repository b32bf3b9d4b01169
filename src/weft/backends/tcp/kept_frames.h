// What a link has sent and its peer has not acknowledged, kept so that another stream can go on from there.
#pragma once

#include <arrow/status.h>

#include <cstdint>
#include <deque>
#include <memory>

#include "weft/backends/tcp/frame.h"
#include "weft/communicator/message_operation.h"

namespace weft::tcp {

/// A frame on its way or waiting for its acknowledgement.
struct OutFrame {
  FrameHeader header;
  HeaderBytes head;
  bool stamped = false;
  int64_t head_left = kHeaderSize;
  int64_t payload_left = 0;
  std::unique_ptr<std::byte[]> owned;  // the payload, or ...
  OperationRef operation;              // ... whose memory it is in
  PartCursor<ConstBytes> start;        // where in that memory
  PartCursor<ConstBytes> cursor;       // the part that is not written
  bool cut = false;                    // `owned` lacks what was written before the memory was given back
};
using OutFrameRef = std::shared_ptr<OutFrame>;

/// Copies what is not written yet, so that the caller's memory is no longer needed.
void Detach(OutFrame& frame);

/// The numbered frames of a link, in order, from the first one that is not acknowledged. Short messages are here as
/// copies, which the eager credit bounds; the rest refers to memory that its sends hold until they complete, and costs
/// nothing. Guarded by the transport's mutex.
class KeptFrames {
 public:
  void Add(OutFrameRef frame) { frames_.push_back(std::move(frame)); }
  bool empty() const { return frames_.empty(); }
  void Clear() { frames_.clear(); }
  const std::deque<OutFrameRef>& frames() const { return frames_; }

  /// Takes out the oldest frame where `acknowledgement` covers it, else returns nullptr.
  OutFrameRef TakeAcknowledged(uint64_t acknowledgement);

  /// Makes all frames ready to be written again, the first one from byte `part` of its payload on. `acknowledgement` is
  /// what the peer has; `next` the sequence of the next frame to be queued. Status::Invalid, with what is wrong, where
  /// the peer lacks frames that are kept no more, has a part that no frame has, or the memory of a frame is gone
  /// because its send was given up.
  arrow::Status Rewind(uint64_t acknowledgement, uint64_t part, uint64_t next);

  /// Detaches the frames of a send that is given up; nullptr: all.
  void DetachAll(const Operation* operation);

 private:
  std::deque<OutFrameRef> frames_;
};

}  // namespace weft::tcp
