// TLS 1.3 with a key that both ends have beforehand, over a connected socket. The only file that knows OpenSSL's TLS.
//
// One form and no other: TLS 1.3, external pre-shared key with ephemeral key exchange (psk_dhe_ke), no certificates, no
// tickets, no early data. An end that offers or answers anything else fails the handshake.
#pragma once

#include <arrow/result.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <memory>
#include <span>
#include <string>

#include "weft/backends/tcp/byte_stream.h"
#include "weft/backends/tcp/proof.h"

namespace weft::tcp {

/// What one connection's TLS is made from.
struct TlsKey {
  Hash secret;           // of this connection alone
  std::string identity;  // names the key; public
  bool server = false;
};

/// Not thread-safe. Does not own the socket, which is non-blocking and outlives it. Nothing is closed by the destructor
/// and no goodbye said.
class TlsChannel {
 public:
  enum class Step : uint8_t { kWait, kDone, kWrongKey, kFailed };

  static arrow::Result<std::unique_ptr<TlsChannel>> Open(int socket, const TlsKey& key);
  ~TlsChannel();

  /// Goes on with the handshake as far as the socket lets it. Takes no byte beyond it. What is left to be written (also
  /// the reason of a failure, for the peer) is pending.
  Step Handshake();
  /// 32 bytes that only the two ends of this connection know (RFC 8446, 7.5). After kDone.
  arrow::Result<Hash> Export() const;
  /// The name of the cipher. After kDone.
  std::string cipher() const;

  /// From now on takes more bytes from the socket than it was asked for, to save calls: no poll of the socket tells of
  /// those; Read must go on until it says kWouldBlock.
  void ReadAhead();
  /// From now on takes at most so many bytes from the socket; then, and once they are given out, it says kWouldBlock.
  void Allow(int64_t bytes) { allowed_ = bytes; }

  /// As ByteStream has them. What Write has taken is encrypted and may be pending; with no spans it goes on with that.
  IoResult Read(std::span<const iovec> into);
  IoResult Write(std::span<const iovec> from);
  bool pending() const { return out_done_ < out_.size(); }
  /// Says goodbye (close_notify): what follows is not of this connection.
  void SayGoodbye();

  /// What kFailed and kWrongKey mean, for people.
  const std::string& cause() const { return cause_; }
  /// Bytes that have come from the socket so far.
  int64_t received() const { return received_; }

  /// The sender takes a new key after so many bytes: AES-GCM is not to be used for ever (RFC 8446, 5.5).
  static constexpr int64_t kBytesOfAKey = int64_t{64} << 30;
  void SetBytesOfAKey(int64_t bytes) { bytes_of_a_key_ = bytes; }

 private:
  struct OpenSsl;

  TlsChannel(int socket, const TlsKey& key);
  bool FlushOut();
  void EncryptSome(std::span<const iovec> from, size_t* span, size_t* offset, int64_t* taken);
  bool Encrypt(const void* bytes, size_t size);
  ssize_t Receive(void* into, size_t size);
  IoResult Explain(int code);
  IoResult Failed() const;

  const int socket_;
  const TlsKey key_;
  std::unique_ptr<OpenSsl> ssl_;
  std::string cause_;
  int error_ = 0;        // errno of the socket, reading
  int write_error_ = 0;  // ... and writing
  bool done_ = false;    // the handshake
  bool failed_ = false;
  bool wrong_key_ = false;

  // Ciphertext from the socket that OpenSSL has not asked for yet.
  std::unique_ptr<std::byte[]> in_;
  size_t in_begin_ = 0;
  size_t in_end_ = 0;
  bool socket_ended_ = false;
  int64_t allowed_ = INT64_MAX;
  int64_t received_ = 0;

  // Ciphertext for the socket.
  std::string out_;
  size_t out_done_ = 0;
  std::unique_ptr<std::byte[]> stage_;  // plaintext of one record that comes from several places
  int64_t encrypted_ = 0;               // with this key
  int64_t bytes_of_a_key_ = kBytesOfAKey;
};

}  // namespace weft::tcp
