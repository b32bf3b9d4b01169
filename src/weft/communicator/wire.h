// What a library that moves bytes between ranks must offer, so that a WireTransport makes a Transport of it.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "weft/base/deadline.h"
#include "weft/base/types.h"

namespace weft {

struct WireLimits {
  /// Bytes of a note.
  size_t note = 0;
  /// Notes that may be on their way to one peer: sent, and not yet reported as taken.
  uint32_t notes = 0;
  /// Bytes of a piece, and the spans that it may be made of.
  int64_t piece = 0;
  size_t spans = 1;
  /// True where Poll reports neither end of a piece: then the sender tells the receiver by a note when all of a piece
  /// has been given to the library, notes never overtake pieces, and EndPiece is called on either side.
  bool silent_pieces = false;
};

/// Takes what Poll finds.
class WireSink {
 public:
  virtual ~WireSink() = default;
  /// A note of `from`; `bytes` are valid during the call.
  virtual void OnNote(Rank from, ConstBytes bytes) = 0;
  /// The library has let go of the piece `cookie`; its bytes are sent, or there, where `status` is OK.
  virtual void OnPiece(uint64_t cookie, const arrow::Status& status) = 0;
  /// The library says that the peer cannot be reached any more. What the peer sent before may still come.
  virtual void OnLost(Rank peer, const std::string& how) = 0;
};

/// Short notes and long pieces between ranks, all non-blocking. Notes to one peer are taken in order by its Poll, or
/// out of order (the transport numbers them), at most `limits().notes` at a time; the receiver's memory for so many is
/// the wire's. A piece is sent only after its receive was posted, under a key that no other piece from that rank has at
/// the time, and is of the same length on both sides; it goes straight from memory to memory.
///
/// Threads: one at a time, all calls but Wait and Wake; those may come from any thread at any time until Close.
class Wire {
 public:
  virtual ~Wire() = default;

  virtual const WireLimits& limits() const = 0;
  /// The name of the path for `LinkInfo`, and a peer's address.
  virtual std::string path() const = 0;
  virtual std::string address(Rank peer) const = 0;

  // Each is false where the library can take no more now; asked again after the next Poll. An error says that the peer
  // is lost.
  /// Sends the concatenation of `spans` as one note; copies it.
  virtual arrow::Result<bool> SendNote(Rank to, std::span<const iovec> spans) = 0;
  /// The memory must stay valid until OnPiece, EndPiece or Close.
  virtual arrow::Result<bool> SendPiece(Rank to, uint64_t key, std::span<const iovec> spans, uint64_t cookie) = 0;
  virtual arrow::Result<bool> ReceivePiece(Rank from, uint64_t key, std::span<const iovec> spans, uint64_t cookie) = 0;
  /// For silent pieces: the piece is known to be through.
  virtual arrow::Status EndPiece(uint64_t cookie) = 0;
  /// Gives a piece up if the library can; OnPiece comes then.
  virtual void CancelPiece(uint64_t cookie) = 0;

  /// Moves data without waiting and reports what has come to its end.
  virtual void Poll(WireSink& sink) = 0;
  /// True where nothing that was sent waits in this process.
  virtual bool Drained() const = 0;
  /// Returns when Poll may find something, after Wake, or after `wait`, whichever is first; may return for nothing.
  virtual void Wait(Duration wait) = 0;
  virtual void Wake() = 0;

  /// Frees all; afterwards the library touches no memory of pieces. Only the destructor may follow.
  virtual void Close() = 0;
};

}  // namespace weft
