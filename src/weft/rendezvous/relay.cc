#include "weft/rendezvous/relay.h"

#include <algorithm>
#include <asio/buffer.hpp>
#include <asio/error.hpp>
#include <asio/steady_timer.hpp>
#include <utility>
#include <vector>

#include "weft/rendezvous/event_log.h"

namespace weft::rendezvous {
namespace {

/// How soon a stream that is held back by its room's rate looks again.
constexpr Duration kRatePause = std::chrono::milliseconds(10);
/// How long a room's account is kept after its last use, so that a quota is not escaped by a short break.
constexpr Duration kKeptAccount = std::chrono::hours(1);
constexpr size_t kMaxAccounts = 1 << 16;

std::string JoinedReply(uint64_t id) { return EncodeReply(id, ReplyCode::kOk, ""); }

}  // namespace

/// Reads no more than one buffer ahead of what the other end has taken: the two connections' own flow control reaches
/// through. An end of stream is passed on as one; when both ways have ended, or one has failed, both are closed.
class RelayPair : public std::enable_shared_from_this<RelayPair> {
 public:
  RelayPair(Relay* relay, const RoomName& room, RelayAccount* account, RelayEndRef a, RelayEndRef b)
      : relay_(relay), room_(room), account_(account), ways_{Way(relay->io_), Way(relay->io_)} {
    ways_[0].from = a;
    ways_[0].to = b;
    ways_[1].from = std::move(b);
    ways_[1].to = std::move(a);
  }

  void Start(const std::string& reply_a, const std::string& reply_b) {
    moved_ = Clock::now();
    // What is first written to an end is its own Reply, by the way that leads there.
    Begin(ways_[0], reply_b);
    Begin(ways_[1], reply_a);
  }

  const RoomName& room() const { return room_; }
  Clock::time_point moved() const { return moved_; }

  void End(const char* why) {
    if (ended_) return;
    ended_ = true;
    Event(LogLevel::kInfo, "relay-end")
        .With("room", ShortName(room_))
        .With("reason", why)
        .With("bytes", bytes_)
        .With("seconds", Seconds(Clock::now() - began_));
    for (Way& way : ways_) way.pause.cancel();
    ways_[0].from->Close();
    ways_[0].to->Close();
    relay_->Over(shared_from_this());
  }

 private:
  struct Way {
    explicit Way(asio::io_context* io) : pause(*io) {}
    RelayEndRef from;
    RelayEndRef to;
    std::vector<char> buffer;
    asio::steady_timer pause;
    bool done = false;
  };

  void Begin(Way& way, const std::string& reply) {
    way.buffer.assign(reply.begin(), reply.end());
    Write(way, reply.size());
  }

  void Read(Way& way) {
    const size_t allowed = Allowance();
    if (allowed == 0) {
      way.pause.expires_after(kRatePause);
      way.pause.async_wait([self = shared_from_this(), &way](asio::error_code error) {
        if (!error && !self->ended_) self->Read(way);
      });
      return;
    }
    way.buffer.resize(static_cast<size_t>(relay_->limits_.buffer_bytes));
    const auto room = asio::buffer(way.buffer.data(), std::min(allowed, way.buffer.size()));
    way.from->stream().Read(room, [self = shared_from_this(), &way](asio::error_code error, size_t bytes) {
      if (self->ended_) return;
      if (error == asio::error::eof) return self->EndOfStream(way);
      if (error) return self->End("an end is gone");
      self->Count(bytes);
      if (self->account_->bytes > self->relay_->limits_.bytes_per_room) {
        return self->End("the room's quota of bytes is used up");
      }
      self->Write(way, bytes);
    });
  }

  void Write(Way& way, size_t bytes) {
    way.to->stream().Write({asio::buffer(way.buffer.data(), bytes)},
                           [self = shared_from_this(), &way](asio::error_code error, size_t) {
                             if (self->ended_) return;
                             if (error) return self->End("an end is gone");
                             self->moved_ = Clock::now();
                             self->Read(way);
                           });
  }

  void EndOfStream(Way& way) {
    way.done = true;
    if (ways_[0].done && ways_[1].done) return End("both ends are done");
    way.to->stream().ShutdownSend();
  }

  /// How many bytes may be read now by the room's rate.
  size_t Allowance() {
    const int64_t rate = relay_->limits_.bytes_per_second_per_room;
    const auto buffer = static_cast<size_t>(relay_->limits_.buffer_bytes);
    if (rate <= 0) return buffer;
    const auto now = Clock::now();
    // A second's worth may be saved up.
    const double most = static_cast<double>(rate);
    account_->allowance = std::min(most, account_->allowance + most * Seconds(now - account_->filled));
    account_->filled = now;
    return account_->allowance < 1 ? 0 : std::min(buffer, static_cast<size_t>(account_->allowance));
  }

  void Count(size_t bytes) {
    const auto counted = static_cast<int64_t>(bytes);
    account_->bytes += counted;
    account_->allowance -= static_cast<double>(bytes);
    account_->used = moved_ = Clock::now();
    relay_->bytes_ += counted;
    bytes_ += counted;
  }

  Relay* const relay_;
  const RoomName room_;
  RelayAccount* const account_;
  Way ways_[2];
  const Clock::time_point began_ = Clock::now();
  Clock::time_point moved_;
  int64_t bytes_ = 0;
  bool ended_ = false;
};

arrow::Status Relay::CheckLimits(const RelayAccount& account) const {
  if (limits_.pairs == 0) return arrow::Status::CapacityError("this server relays nothing");
  if (static_cast<int64_t>(2 * pairs_.size() + parked_.size()) >= 2 * limits_.pairs) {
    return arrow::Status::CapacityError("the server relays ", limits_.pairs, " pairs, its limit");
  }
  if (account.ends >= 2 * limits_.pairs_per_room) {
    return arrow::Status::CapacityError("the job has ", limits_.pairs_per_room, " relayed pairs, its limit");
  }
  if (account.bytes > limits_.bytes_per_room) {
    return arrow::Status::CapacityError("the job has had its quota of ", limits_.bytes_per_room, " relayed bytes");
  }
  return arrow::Status::OK();
}

arrow::Status Relay::Join(const RelayEndRef& end, uint64_t id, const RoomClaim& claim, Time now) {
  if (claim.rank == claim.number) return arrow::Status::Invalid("a rank is not relayed to itself");
  if (!accounts_.contains(claim.room) && accounts_.size() >= kMaxAccounts) {
    return arrow::Status::CapacityError("the server keeps accounts of ", accounts_.size(), " rooms, its limit");
  }
  RelayAccount& account = accounts_[claim.room];
  if (account.filled == Time()) {
    account.filled = now;
    account.allowance = static_cast<double>(std::max<int64_t>(0, limits_.bytes_per_second_per_room));
  }
  account.used = now;
  if (const auto old = parked_.find({claim.room, claim.rank, claim.number}); old != parked_.end()) {
    const RelayEndRef dropped = old->second.end;
    Unpark(old);
    dropped->Drop("this rank has come anew");
  }
  const auto peer = parked_.find({claim.room, claim.number, claim.rank});
  if (peer == parked_.end()) {
    ARROW_RETURN_NOT_OK(CheckLimits(account));
    const Key key{claim.room, claim.rank, claim.number};
    parked_[key] = {end, id, now + limits_.wait};
    parked_ends_[end.get()] = key;
    ++account.ends;
    return arrow::Status::OK();
  }
  const Parked other = peer->second;
  Unpark(peer);
  account.ends += 2;
  other.end->HandOver();
  end->HandOver();
  const auto pair = std::make_shared<RelayPair>(this, claim.room, &account, end, other.end);
  pairs_.insert(pair);
  ++pairs_in_all_;
  Event(LogLevel::kInfo, "relay-begin")
      .With("room", ShortName(claim.room))
      .With("rank", claim.rank)
      .With("peer", claim.number);
  pair->Start(JoinedReply(id), JoinedReply(other.id));
  return arrow::Status::OK();
}

void Relay::Unpark(std::map<Key, Parked>::iterator parked) {
  --accounts_[std::get<0>(parked->first)].ends;
  parked_ends_.erase(parked->second.end.get());
  parked_.erase(parked);
}

void Relay::Remove(RelayEnd* end) {
  const auto found = parked_ends_.find(end);
  if (found != parked_ends_.end()) Unpark(parked_.find(found->second));
}

void Relay::Over(const std::shared_ptr<RelayPair>& pair) {
  accounts_[pair->room()].ends -= 2;
  pairs_.erase(pair);
}

void Relay::Tick(Time now) {
  std::vector<std::shared_ptr<RelayPair>> idle;
  for (const auto& pair : pairs_) {
    if (now - pair->moved() > limits_.idle) idle.push_back(pair);
  }
  for (const auto& pair : idle) pair->End("nothing was carried for too long");
  std::vector<std::map<Key, Parked>::iterator> late;
  for (auto it = parked_.begin(); it != parked_.end(); ++it) {
    if (now >= it->second.until) late.push_back(it);
  }
  for (const auto& parked : late) {
    const RelayEndRef end = parked->second.end;
    Unpark(parked);
    end->Drop("the peer did not come to be relayed");
  }
  std::erase_if(accounts_,
                [now](const auto& entry) { return entry.second.ends == 0 && now - entry.second.used > kKeptAccount; });
}

Relay::Counts Relay::counts() const {
  return {static_cast<int64_t>(parked_.size()), static_cast<int64_t>(pairs_.size()), bytes_, pairs_in_all_};
}

}  // namespace weft::rendezvous
