#include "weft/rendezvous/server_session.h"

#include <asio/buffer.hpp>
#include <cstring>
#include <utility>

#include "weft/base/byte_codec.h"
#include "weft/rendezvous/event_log.h"

namespace weft::rendezvous {
namespace {

/// How long a client that was refused may take to read why.
constexpr Duration kLeaveTime = std::chrono::seconds(1);
/// A client that is refused and goes on sending is closed after this many bytes.
constexpr size_t kMaxDiscarded = size_t{1} << 20;
constexpr int64_t kWriteBatchBytes = 256 << 10;
constexpr size_t kWriteBatchFrames = 64;
/// An input buffer that grew beyond this is given back when it is empty.
constexpr size_t kKeptInputBytes = 16 << 10;

}  // namespace

ServerSession::ServerSession(ServerStreamRef stream, SessionHost* host, const Services& services, std::string address)
    : stream_(std::move(stream)),
      host_(host),
      services_(services),
      address_(std::move(address)),
      began_(Clock::now()),
      last_frame_(began_) {}

void ServerSession::Start() { Read(); }

void ServerSession::Read() {
  if (reading_ || state_ == State::kClosed) return;
  reading_ = true;
  stream_->Read(asio::buffer(buffer_), [self = shared_from_this()](asio::error_code error, size_t bytes) {
    self->reading_ = false;
    if (self->state_ == State::kRelaying) return;
    if (error) return self->Close();
    self->OnRead(bytes);
  });
}

void ServerSession::OnRead(size_t bytes) {
  if (state_ == State::kClosed) return;
  if (state_ == State::kLeaving) {
    discarded_ += bytes;
    return discarded_ > kMaxDiscarded ? Close() : Read();
  }
  if (input_.empty()) frame_began_ = Clock::now();
  input_.append(buffer_.data(), bytes);
  Proceed();
}

void ServerSession::Proceed() {
  if (!TakeFrames()) {
    input_ = std::string();
    if (state_ == State::kLeaving) Read();
    return;
  }
  if (!held_back()) Read();
}

bool ServerSession::held_back() const { return output_bytes_ > services_.limits->output_bytes / 4; }

bool ServerSession::TakeFrames() {
  size_t taken = 0;
  while (input_.size() - taken >= kLengthBytes && !held_back()) {
    uint32_t length = 0;
    std::memcpy(&length, input_.data() + taken, kLengthBytes);
    // The cap is looked at before memory is taken for the frame.
    const uint32_t cap = state_ == State::kServing ? kMaxFrameBytes : kMaxGreetingBytes;
    if (length == 0 || length > cap) {
      Refuse(RefusalCode::kMalformed, "a frame says that it has " + std::to_string(length) + " bytes, 1 to " +
                                          std::to_string(cap) + " are allowed");
      return false;
    }
    if (input_.size() - taken - kLengthBytes < length) break;
    const std::string_view frame = std::string_view(input_).substr(taken + kLengthBytes, length);
    const arrow::Status status = OnFrame(static_cast<MessageType>(frame.front()), frame.substr(1));
    if (!status.ok()) Refuse(RefusalCode::kMalformed, status.message());
    if (state_ == State::kLeaving || state_ == State::kClosed || state_ == State::kRelaying) return false;
    taken += kLengthBytes + length;
    frame_began_ = last_frame_ = Clock::now();
  }
  input_.erase(0, taken);
  if (input_.empty() && input_.capacity() > kKeptInputBytes) input_ = std::string();
  return true;
}

arrow::Status ServerSession::OnFrame(MessageType type, std::string_view body) {
  if (state_ == State::kServing) return OnRequest(type, body);
  if (state_ == State::kHello && type == MessageType::kHello) return OnHello(body);
  if (state_ == State::kProof && type == MessageType::kProof) return OnProof(body);
  return arrow::Status::Invalid("a message of type ", static_cast<int>(type), " does not come at this point");
}

arrow::Status ServerSession::OnRequest(MessageType type, std::string_view body) {
  const auto now = Clock::now();
  services_.pairing->Heard(this, now);
  services_.counters->CountRequest(type);
  switch (type) {
    case MessageType::kEnter:
      return OnEnter(body);
    case MessageType::kAsk:
      return services_.pairing->Ask(this, body, now);
    case MessageType::kRest:
      if (!body.empty()) return arrow::Status::Invalid("a rest has no fields");
      return services_.pairing->Rest(this);
    case MessageType::kPong:
      if (!body.empty()) return arrow::Status::Invalid("a pong has no fields");
      return arrow::Status::OK();
    case MessageType::kRelay:
      return OnRelay(body);
    default:
      return services_.store->Handle(this, type, body, now);
  }
}

namespace {

std::string ErrorReply(uint64_t id, const arrow::Status& error) {
  const ReplyCode code = error.IsCapacityError() ? ReplyCode::kFull : ReplyCode::kInvalid;
  return EncodeReply(id, code, error.message());
}

}  // namespace

arrow::Result<std::optional<RoomClaim>> ServerSession::TakeClaim(RoomUse use, std::string_view body, uint64_t* id) {
  if (std::exchange(claimed_, true)) return arrow::Status::Invalid("a connection enters or is relayed once");
  ByteReader reader(body);
  ARROW_ASSIGN_OR_RAISE(*id, reader.Get<uint64_t>());
  ARROW_ASSIGN_OR_RAISE(const RoomClaim claim, DecodeRoomClaim(body.substr(sizeof(uint64_t))));
  if (IsGood(claim, use, client_nonce_, server_nonce_)) return claim;
  Refuse(RefusalCode::kNotAdmitted, "the client does not have the key of the room that it claims");
  return std::nullopt;
}

arrow::Status ServerSession::OnEnter(std::string_view body) {
  uint64_t id = 0;
  ARROW_ASSIGN_OR_RAISE(const auto claim, TakeClaim(RoomUse::kEnter, body, &id));
  if (!claim.has_value()) return arrow::Status::OK();
  const arrow::Status entered = services_.pairing->Enter(this, *claim, Clock::now());
  Send(entered.ok() ? EncodeReply(id, ReplyCode::kOk, "") : ErrorReply(id, entered));
  return arrow::Status::OK();
}

arrow::Status ServerSession::OnRelay(std::string_view body) {
  uint64_t id = 0;
  // What the relay writes must not meet what this connection still writes by itself.
  if (!writing_.empty() || waiting()) return arrow::Status::Invalid("a relay is asked for while other answers are due");
  ARROW_ASSIGN_OR_RAISE(const auto claim, TakeClaim(RoomUse::kRelay, body, &id));
  if (!claim.has_value()) return arrow::Status::OK();
  state_ = State::kParked;
  const arrow::Status joined = services_.relay->Join(shared_from_this(), id, *claim, Clock::now());
  if (!joined.ok()) {
    state_ = State::kServing;
    Send(ErrorReply(id, joined));
  }
  return arrow::Status::OK();
}

void ServerSession::HandOver() {
  state_ = State::kRelaying;
  // A read is under way, so that the end of a parked connection is seen; it ends without a byte taken.
  stream_->CancelRead();
}

Duration ServerSession::RoundTrip() const { return stream_->RoundTrip(); }

arrow::Status ServerSession::OnHello(std::string_view body) {
  ARROW_ASSIGN_OR_RAISE(const Hello hello, DecodeHello(body));
  if (hello.version != kVersion) {
    Refuse(RefusalCode::kVersion, "the server speaks version " + std::to_string(kVersion) + " of the protocol (Weft " +
                                      WEFT_VERSION + "), the client version " + std::to_string(hello.version));
    return arrow::Status::OK();
  }
  client_nonce_ = hello.nonce;
  ARROW_ASSIGN_OR_RAISE(server_nonce_, MakeNonce());
  state_ = State::kProof;
  Send(Encode(Challenge{.version = kVersion, .wants_key = !services_.keys->empty(), .nonce = server_nonce_}));
  return arrow::Status::OK();
}

arrow::Result<std::optional<Proof>> ServerSession::CheckProof(const Proof& proof) const {
  if (services_.keys->empty()) return Proof{};
  std::optional<Proof> answer;
  // All keys are looked at, so that the time tells nothing.
  for (const std::string& key : *services_.keys) {
    ARROW_ASSIGN_OR_RAISE(const Proof expected, MakeProof(Side::kClient, key, client_nonce_, server_nonce_));
    ARROW_ASSIGN_OR_RAISE(const Proof own, MakeProof(Side::kServer, key, client_nonce_, server_nonce_));
    if (SameProof(proof, expected)) answer = own;
  }
  return answer;
}

arrow::Status ServerSession::OnProof(std::string_view body) {
  ARROW_ASSIGN_OR_RAISE(const Proof proof, DecodeProof(body));
  ARROW_ASSIGN_OR_RAISE(const std::optional<Proof> own, CheckProof(proof));
  if (!own.has_value()) {
    Refuse(RefusalCode::kNotAdmitted, "the client does not know the server's admission key");
    return arrow::Status::OK();
  }
  const auto remote = stream_->Remote();
  if (!remote.ok()) {
    Close();
    return arrow::Status::OK();
  }
  observed_ = *remote;
  Welcome welcome;
  welcome.proof = *own;
  welcome.observed_host = observed_.host;
  welcome.observed_port = observed_.port;
  welcome.idle_seconds =
      static_cast<uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(services_.limits->idle).count());
  welcome.server_version = WEFT_VERSION;
  state_ = State::kServing;
  admitted_ = true;
  ++services_.counters->admitted;
  Event(LogLevel::kDebug, "admitted").With("client", observed_.ToString());
  host_->OnAdmitted(this);
  Send(Encode(welcome));
  return arrow::Status::OK();
}

void ServerSession::Send(std::string frame) {
  if (state_ == State::kLeaving || state_ == State::kClosed || state_ == State::kRelaying) return;
  output_bytes_ += static_cast<int64_t>(frame.size());
  if (output_bytes_ > services_.limits->output_bytes) {
    Event(LogLevel::kInfo, "dropped").With("client", address_).With("reason", "backlog").With("bytes", output_bytes_);
    ++services_.counters->dropped_backlog;
    return Close();
  }
  output_.push_back(std::move(frame));
  if (writing_.empty()) Write();
}

void ServerSession::Refuse(RefusalCode code, const std::string& message) {
  if (state_ == State::kLeaving || state_ == State::kClosed) return;
  if (state_ == State::kRelaying) return Close();
  ++services_.counters->refused[static_cast<size_t>(code)];
  Event(LogLevel::kInfo, "refused").With("client", address_).With("reason", RefusalName(code)).With("text", message);
  Leave();
  Send(Encode(Refusal{code, message}));
  if (state_ == State::kClosed) return;
  state_ = State::kLeaving;
  leave_by_ = Clock::now() + kLeaveTime;
  Read();
}

void ServerSession::Write() {
  int64_t bytes = 0;
  while (!output_.empty() && writing_.size() < kWriteBatchFrames && bytes < kWriteBatchBytes) {
    bytes += static_cast<int64_t>(output_.front().size());
    writing_.push_back(std::move(output_.front()));
    output_.pop_front();
  }
  std::vector<asio::const_buffer> buffers;
  for (const std::string& frame : writing_) buffers.emplace_back(frame.data(), frame.size());
  write_began_ = Clock::now();
  stream_->Write(std::move(buffers), [self = shared_from_this()](asio::error_code error, size_t written) {
    if (error) return self->Close();
    self->output_bytes_ -= static_cast<int64_t>(written);
    self->writing_.clear();
    self->OnWritten();
  });
}

void ServerSession::OnWritten() {
  if (state_ == State::kClosed) return;
  if (!output_.empty()) {
    Write();
  } else if (state_ == State::kLeaving) {
    // Half closed, so that the client reads the refusal before it could meet a reset.
    stream_->ShutdownSend();
  }
  if (state_ != State::kServing) return Read();
  if (reading_ || held_back()) return;
  frame_began_ = Clock::now();
  Proceed();
}

void ServerSession::Close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  Leave();
  stream_->Close();
  output_.clear();
  host_->OnClosed(this);
}

/// Nothing of this connection is left in any service.
void ServerSession::Leave() {
  services_.store->Remove(this);
  services_.pairing->Remove(this);
  services_.relay->Remove(this);
}

void ServerSession::Tick(KeyTable::Time now) {
  const RendezvousLimits& limits = *services_.limits;
  if (state_ == State::kLeaving && now >= leave_by_) return Close();
  if (!writing_.empty() && now - write_began_ > limits.write) {
    Event(LogLevel::kInfo, "dropped").With("client", address_).With("reason", "slow-reader");
    ++services_.counters->dropped_slow;
    return Close();
  }
  if (state_ == State::kHello || state_ == State::kProof) {
    if (now - began_ > limits.authenticate) {
      Refuse(RefusalCode::kTooSlow, "the client did not introduce itself within the server's limit");
    }
  } else if (state_ == State::kServing) {
    if (!input_.empty() && !held_back() && now - frame_began_ > limits.frame) {
      Refuse(RefusalCode::kTooSlow, "a message did not come whole within the server's limit");
    } else if (input_.empty() && !waiting() && writing_.empty() && now - last_frame_ > limits.idle) {
      Refuse(RefusalCode::kIdle, "the connection was idle for longer than the server's limit");
    }
  }
}

}  // namespace weft::rendezvous
