// The layer below a link: bytes in order, without blocking. A plain socket is one form.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace weft::tcp {

/// A file descriptor that is closed with its owner.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(other.Release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      Reset();
      number_ = other.Release();
    }
    return *this;
  }
  ~Descriptor() { Reset(); }

  int get() const { return number_; }
  bool valid() const { return number_ >= 0; }
  int Release() {
    const int number = number_;
    number_ = -1;
    return number;
  }
  void Reset();

 private:
  int number_ = -1;
};

/// What a read or write came to. `bytes` counts only for kMoved and is then above 0.
struct IoResult {
  enum class Kind : uint8_t { kMoved, kWouldBlock, kEnd, kFailed };
  Kind kind = Kind::kWouldBlock;
  int64_t bytes = 0;
  int error = 0;                // errno of kFailed
  const char* cause = nullptr;  // of kFailed, where it is no errno; lives as long as the stream
  bool more = false;            // of a read: ask again, the descriptor may not tell of what is still at hand
};

/// Why it is kFailed, for people.
std::string FailureText(const IoResult& result);

/// One readv or sendmsg of a non-blocking socket; never a SIGPIPE.
IoResult ReadFrom(int socket, std::span<const iovec> into);
IoResult WriteTo(int socket, std::span<const iovec> from);

/// Not thread-safe. All calls return at once.
class ByteStream {
 public:
  virtual ~ByteStream() = default;

  /// What to poll.
  virtual int descriptor() const = 0;

  /// From now on takes no more than about so many bytes from the descriptor; then Read says kWouldBlock. At first there
  /// is no such bound.
  virtual void Allow(int64_t bytes) = 0;

  /// Reads into the spans in turn. A result shorter than asked for and without `more` means that nothing more is at
  /// hand. kEnd when the peer has closed its side.
  virtual IoResult Read(std::span<const iovec> into) = 0;

  /// Writes from the spans in turn, as much as is taken now.
  virtual IoResult Write(std::span<const iovec> from) = 0;

  /// Some of what Write has taken is still to go to the descriptor: call it again, also with no spans, when the
  /// descriptor can be written to.
  virtual bool pending() const { return false; }

  /// Ends the outgoing side after what was written.
  virtual void ShutdownWrite() = 0;
};

/// Takes over a connected socket and sets it up (non-blocking, no delay).
std::unique_ptr<ByteStream> MakeSocketStream(Descriptor socket);

class TlsChannel;
/// The same with TLS over it; `channel` is the socket's, its handshake is done.
std::unique_ptr<ByteStream> MakeTlsStream(Descriptor socket, std::unique_ptr<TlsChannel> channel);

}  // namespace weft::tcp
