// One connection of the rendezvous server. Its states, in order:
//
//   kHello --Hello--> kProof --Proof--> kServing --any frame of a request--> kServing
//     |                  |                 |  +--Relay--> kParked --the peer's Relay--> kRelaying --> kClosed
//     |                  |                 |                |
//     +------------------+-----------------+----------------+--Refuse--> kLeaving
//   kLeaving --refusal written, end of file or 1 s--> kClosed
//
// A read or write error, and a stalled write, lead from any state to kClosed. In kRelaying the socket is the relay's.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weft/rendezvous/metrics.h"
#include "weft/rendezvous/pairing.h"
#include "weft/rendezvous/protocol.h"
#include "weft/rendezvous/relay.h"
#include "weft/rendezvous/server.h"
#include "weft/rendezvous/server_stream.h"
#include "weft/rendezvous/store_service.h"

namespace weft::rendezvous {

class ServerSession;

/// What a session needs of the server.
class SessionHost {
 public:
  virtual ~SessionHost() = default;
  virtual void OnAdmitted(ServerSession* session) = 0;
  /// Called once, when the session's socket has been closed. The host lets go of it later, not in this call.
  virtual void OnClosed(ServerSession* session) = 0;
};

/// Admission keys: whoever knows one of them is admitted; none: anyone is. They may be replaced while the server runs.
using AdmissionKeys = std::vector<std::string>;

/// What does the requests of admitted clients, and what all sessions share.
struct Services {
  StoreService* store;
  Pairing* pairing;
  Relay* relay;
  ServerCounters* counters;
  const AdmissionKeys* keys;
  const RendezvousLimits* limits;
};

/// Runs on the server's thread alone.
class ServerSession : public StoreClient,
                      public RoomMember,
                      public RelayEnd,
                      public std::enable_shared_from_this<ServerSession> {
 public:
  enum class State : uint8_t { kHello, kProof, kServing, kParked, kRelaying, kLeaving, kClosed };

  ServerSession(ServerStreamRef stream, SessionHost* host, const Services& services, std::string address);

  /// Begins to read.
  void Start();
  void Send(std::string frame) override;
  /// Tells the client why and closes when it has read it, or soon.
  void Refuse(RefusalCode code, const std::string& message);
  void Close() override;
  void Drop(const std::string& why) override { Refuse(RefusalCode::kTooSlow, why); }
  Duration RoundTrip() const override;
  const Endpoint& observed() const override { return observed_; }
  void HandOver() override;
  ServerStream& stream() override { return *stream_; }
  /// Looks at the limits of time.
  void Tick(KeyTable::Time now);

  /// What connections are counted by.
  const std::string& address() const override { return address_; }
  bool admitted() const { return admitted_; }
  State state() const { return state_; }
  /// Bytes of replies that the client has not taken.
  int64_t backlog() const { return output_bytes_; }

 private:
  void Read();
  void OnRead(size_t bytes);
  /// Does what the input asks for and reads on.
  void Proceed();
  /// A client that does not take its replies gets nothing done, and is not read, until it does.
  bool held_back() const;
  /// Takes whole frames from the input; returns false when the session is leaving.
  bool TakeFrames();
  arrow::Status OnFrame(MessageType type, std::string_view body);
  arrow::Status OnHello(std::string_view body);
  arrow::Status OnProof(std::string_view body);
  /// The server's own proof where the client's is right.
  arrow::Result<std::optional<Proof>> CheckProof(const Proof& proof) const;
  arrow::Status OnRequest(MessageType type, std::string_view body);
  /// Reads a claim, and refuses the client where it is not good.
  arrow::Result<std::optional<RoomClaim>> TakeClaim(RoomUse use, std::string_view body, uint64_t* id);
  arrow::Status OnEnter(std::string_view body);
  arrow::Status OnRelay(std::string_view body);
  void Leave();
  void Write();
  void OnWritten();

  const ServerStreamRef stream_;
  SessionHost* const host_;
  const Services services_;
  const std::string address_;
  State state_ = State::kHello;
  bool admitted_ = false;

  std::array<char, 4096> buffer_;
  std::string input_;
  bool reading_ = false;
  size_t discarded_ = 0;

  std::deque<std::string> output_;
  std::vector<std::string> writing_;
  int64_t output_bytes_ = 0;  // queued and being written

  Endpoint observed_;
  bool claimed_ = false;  // a claim of a room has been looked at: that costs time, and there is one a connection
  Nonce client_nonce_{};
  Nonce server_nonce_{};
  KeyTable::Time began_;
  KeyTable::Time last_frame_;
  KeyTable::Time frame_began_;
  KeyTable::Time write_began_;
  KeyTable::Time leave_by_;
};

}  // namespace weft::rendezvous
