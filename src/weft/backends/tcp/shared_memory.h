// Memory that two ranks of one host share: what one of them has for the other, written and read in order.
#pragma once

#include <arrow/result.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "weft/backends/tcp/byte_stream.h"
#include "weft/backends/tcp/proof.h"
#include "weft/communicator/message_operation.h"

namespace weft::tcp {

/// Bytes of the memory for one peer, at the least and at the most; no correct peer offers more.
inline constexpr int64_t kLeastMemory = 256 << 10;
inline constexpr int64_t kMostMemory = 4 << 20;

/// Those that a rank offers to a peer, of `all` for its peers together; it is more than that where there are so many of
/// them that each has the least.
constexpr int64_t SharedSize(int64_t all, int world_size) {
  const int64_t share = all / std::max(1, world_size - 1);
  return std::clamp(share / 4096 * 4096, kLeastMemory, kMostMemory);
}

/// A mapping that ends with its owner.
class Mapping {
 public:
  /// `writable`: for the side that writes.
  static arrow::Result<Mapping> Make(int descriptor, int64_t size, bool writable);
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&&) = delete;
  ~Mapping();
  std::byte* data() const { return data_; }
  int64_t size() const { return size_; }

 private:
  Mapping(std::byte* data, int64_t size) : data_(data), size_(size) {}
  std::byte* data_;
  int64_t size_;
};

/// The writer's side. What is in the memory is known from the order alone: both sides count bytes, and nothing but
/// payload is shared. Room comes back in the order in which it was taken.
class SharedOut {
 public:
  /// Memory without a name (memfd), all of it there from the start, which nobody can make shorter.
  static arrow::Result<std::unique_ptr<SharedOut>> Make(int64_t size);

  int descriptor() const { return memory_.get(); }
  /// The descriptor is needed no more.
  void CloseDescriptor() { memory_.Reset(); }
  int64_t size() const { return mapping_.size(); }
  int64_t room() const { return size() - (written_ - freed_); }
  /// Copies `length` bytes, room() at most, and advances the cursor.
  void Put(PartCursor<ConstBytes>* from, int64_t length);
  void Free(int64_t length) { freed_ += length; }

 private:
  SharedOut(Descriptor memory, Mapping mapping) : memory_(std::move(memory)), mapping_(std::move(mapping)) {}
  Descriptor memory_;
  Mapping mapping_;
  int64_t written_ = 0;
  int64_t freed_ = 0;
};

/// The reader's side, which cannot write there.
class SharedIn {
 public:
  /// Status::Invalid where the descriptor is not memory of `size` bytes that cannot be made shorter, or `size` is
  /// nothing that a correct peer has.
  static arrow::Result<std::unique_ptr<SharedIn>> Open(Descriptor memory, uint64_t size);

  int64_t size() const { return mapping_.size(); }
  /// The next `length` bytes, size() at most, in one or two pieces.
  std::array<ConstBytes, 2> Next(int64_t length);

 private:
  explicit SharedIn(Mapping mapping) : mapping_(std::move(mapping)) {}
  Mapping mapping_;
  int64_t read_ = 0;
};

/// Where a descriptor can be sent to from processes of the same network namespace: a datagram socket of an abstract
/// name. Everybody there can see the name and send anything; what counts comes with the token, which the link told.
class Mailbox {
 public:
  /// Bytes of an address: name and token.
  static constexpr size_t kAddressSize = 64;

  static arrow::Result<std::unique_ptr<Mailbox>> Open();
  /// What the peer is to be told.
  std::string address() const;
  /// The descriptor that has come with the token; not valid where none has.
  Descriptor Take();

  /// Sends a descriptor to an address. An error where nobody has that name here, or its queue is full.
  static arrow::Status Post(std::string_view address, int descriptor);

 private:
  Mailbox(Descriptor socket, Hash name, Hash token) : socket_(std::move(socket)), name_(name), token_(token) {}
  Descriptor socket_;
  Hash name_;
  Hash token_;
};

}  // namespace weft::tcp
