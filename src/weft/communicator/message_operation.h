// Sends and receives under way, and the walk over their parts.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "weft/base/deadline.h"
#include "weft/communicator/transport.h"

namespace weft {

/// A place in the concatenation of spans that somebody else holds.
template <typename Bytes>
class PartCursor {
 public:
  PartCursor() = default;
  explicit PartCursor(const std::vector<Bytes>* parts) : parts_(parts) {}

  /// Writes spans from here on, at most `capacity` of them and `limit` bytes in all; returns how many and adds the
  /// bytes to `*bytes`.
  size_t Fill(iovec* out, size_t capacity, int64_t limit, int64_t* bytes) const {
    size_t count = 0;
    size_t offset = offset_;
    for (size_t part = part_; part < parts_->size() && count < capacity && limit > 0; ++part, offset = 0) {
      const Bytes& span = (*parts_)[part];
      const size_t take = std::min(span.size() - offset, static_cast<size_t>(limit));
      if (take == 0) continue;
      out[count++] = {const_cast<std::byte*>(span.data() + offset), take};
      limit -= static_cast<int64_t>(take);
      *bytes += static_cast<int64_t>(take);
    }
    return count;
  }

  void Advance(int64_t bytes) {
    auto left = static_cast<size_t>(bytes);
    while (left > 0) {
      const size_t here = (*parts_)[part_].size() - offset_;
      if (left < here) {
        offset_ += left;
        return;
      }
      left -= here;
      ++part_;
      offset_ = 0;
    }
  }

  /// Copies `bytes` bytes out of the parts and advances.
  void CopyTo(std::byte* to, int64_t bytes) {
    ForEachPiece(bytes, [&to](const std::byte* piece, size_t size) {
      std::memcpy(to, piece, size);
      to += size;
    });
  }

  /// Copies `bytes` bytes into the parts and advances.
  void CopyFrom(const std::byte* from, int64_t bytes) {
    ForEachPiece(bytes, [&from](auto* piece, size_t size) {
      std::memcpy(piece, from, size);
      from += size;
    });
  }

 private:
  template <typename Use>
  void ForEachPiece(int64_t bytes, Use&& use) {
    auto left = static_cast<size_t>(bytes);
    while (left > 0) {
      const Bytes& span = (*parts_)[part_];
      const size_t take = std::min(left, span.size() - offset_);
      if (take > 0) use(span.data() + offset_, take);
      left -= take;
      offset_ += take;
      if (offset_ == span.size()) {
        ++part_;
        offset_ = 0;
      }
    }
  }

  const std::vector<Bytes>* parts_ = nullptr;
  size_t part_ = 0;
  size_t offset_ = 0;
};

/// One send or receive; guarded by the transport's mutex but for what TransportOperation gives to its readers.
class Operation : public TransportOperation {
 public:
  bool is_send = false;
  Rank peer = -1;
  Tag tag = 0;
  int64_t size = 0;  // of the message that is sent; room for the one that is received
  std::vector<ConstBytes> send_parts;
  std::vector<MutableBytes> recv_parts;
  Owner owner;
  Clock::time_point started;

  uint64_t number = 0;  // of a message that was announced
  int64_t moved = 0;    // bytes put in frames, or received
  PartCursor<ConstBytes> send_cursor;
  PartCursor<MutableBytes> recv_cursor;
};

using OperationRef = std::shared_ptr<Operation>;

/// What is said where a message of `size` bytes comes for a receive of `expected`, and what the user may have done.
std::string MismatchText(int64_t size, int64_t expected, int64_t tag);

/// The error of a receive that a message of `size` bytes does not fit in.
arrow::Status MismatchError(Rank self, const Operation& receive, int64_t size);

/// The operations of one transport in sum; guarded by its mutex.
struct Ledger {
  int64_t pending = 0;    // not yet complete
  int64_t completed = 0;  // since the last Progress
  /// Owners to let go of by the calling thread: the I/O thread must not run their destructors, which may take locks of
  /// the caller's (an interpreter's, say).
  std::vector<Owner> released;

  void Complete(Operation& operation, arrow::Status status, int64_t bytes) {
    if (operation.done()) return;
    --pending;
    ++completed;
    if (operation.owner) released.push_back(std::move(operation.owner));
    operation.Complete(std::move(status), bytes);
  }
};

}  // namespace weft
