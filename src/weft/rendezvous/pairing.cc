#include "weft/rendezvous/pairing.h"

#include <algorithm>
#include <utility>

namespace weft::rendezvous {
namespace {

/// A tick that is this late means that the server itself was stopped: nobody's silence counts then.
constexpr Duration kWasStopped = std::chrono::milliseconds(2500);

uint32_t Microseconds(Duration duration) {
  return static_cast<uint32_t>(
      std::clamp<int64_t>(std::chrono::duration_cast<std::chrono::microseconds>(duration).count(), 0, 10'000'000));
}

}  // namespace

arrow::Status Pairing::Enter(RoomMember* member, const RoomClaim& claim, Time now) {
  if (member->room_ != nullptr) return arrow::Status::Invalid("this connection is in a room already");
  if (claim.number == 0 || claim.number > limits_.world || claim.rank >= claim.number) {
    return arrow::Status::Invalid("rank ", claim.rank, " of a world of ", claim.number,
                                  " cannot enter a room: at most ", limits_.world, " ranks are taken");
  }
  auto found = rooms_.find(claim.room);
  if (found == rooms_.end()) {
    if (rooms_.size() >= limits_.rooms) {
      return arrow::Status::CapacityError("the server has ", rooms_.size(), " rooms, its limit");
    }
    size_t& opened = by_address_[member->address()];
    if (opened >= limits_.rooms_per_address) {
      return arrow::Status::CapacityError("the server has ", opened, " rooms of ", member->address(), ", its limit");
    }
    ++opened;
    auto room = std::make_unique<Room>();
    room->name = claim.room;
    room->address = member->address();
    room->world = claim.number;
    room->members.resize(claim.number);
    room->seen.resize(claim.number);
    found = rooms_.emplace(claim.room, std::move(room)).first;
  }
  Room* room = found->second.get();
  if (room->world != claim.number) {
    return arrow::Status::Invalid("the room is of a world of ", room->world, ", not of ", claim.number);
  }
  const bool anew = room->seen[claim.rank];
  RoomMember* before = std::exchange(room->members[claim.rank], member);
  if (before == nullptr) {
    ++room->present;
    ++counts_.members;
  } else {
    before->room_ = nullptr;
  }
  room->seen[claim.rank] = true;
  member->room_ = room;
  member->rank_ = claim.rank;
  member->resting_ = member->rested_ = false;
  member->heard_ = member->pinged_ = now;
  member->asked_.assign(room->world, false);
  std::erase(room->left, claim.rank);
  if (before != nullptr) Tell(room, claim.rank, Encode(Gone{claim.rank, GoneReason::kEnded}));
  if (anew) Tell(room, claim.rank, EncodeHere(claim.rank));
  // Sending may end a connection, and so add to these.
  for (const uint32_t rank : std::vector<uint32_t>(room->left)) {
    if (member->room_ != room) break;
    member->Send(Encode(Gone{rank, GoneReason::kEnded}));
  }
  return arrow::Status::OK();
}

arrow::Status Pairing::Ask(RoomMember* member, std::string_view body, Time /*now*/) {
  ARROW_ASSIGN_OR_RAISE(const std::vector<uint32_t> peers, DecodeAsk(body));
  Room* room = member->room_;
  // Its place has been taken by a later connection of the same rank.
  if (room == nullptr) return arrow::Status::OK();
  member->resting_ = false;
  for (const uint32_t peer : peers) {
    if (peer >= room->world || peer == member->rank_) {
      return arrow::Status::Invalid("rank ", member->rank_, " asks for rank ", peer, " of a world of ", room->world);
    }
    if (!member->asked_[peer]) ++counts_.asks;
    member->asked_[peer] = true;
    RoomMember* other = room->members[peer];
    if (other == nullptr && room->seen[peer]) member->Send(Encode(Gone{peer, GoneReason::kEnded}));
    if (other != nullptr && other->asked_[member->rank_]) {
      TellToGo(member, other);
    } else if (other != nullptr && other->rested_) {
      other->Send(EncodeWanted(member->rank_));
    }
    if (member->room_ != room) break;  // its connection ended
  }
  return arrow::Status::OK();
}

arrow::Status Pairing::Rest(RoomMember* member) {
  member->resting_ = member->rested_ = true;
  std::fill(member->asked_.begin(), member->asked_.end(), false);
  return arrow::Status::OK();
}

void Pairing::TellToGo(RoomMember* a, RoomMember* b) {
  a->asked_[b->rank_] = false;
  b->asked_[a->rank_] = false;
  ++counts_.gos;
  const Duration way_a = a->RoundTrip() / 2;
  const Duration way_b = b->RoundTrip() / 2;
  const Duration longer = std::max(way_a, way_b);
  const uint64_t seed = random_();
  const auto message = [&](const RoomMember* to, Duration way) {
    return Encode(Go{.peer = to->rank_,
                     .host = to->observed().host,
                     .port = to->observed().port,
                     .wait_microseconds = Microseconds(longer - way),
                     .round_trip_microseconds = Microseconds(2 * (way_a + way_b)),
                     .seed = seed});
  };
  const std::string to_a = message(b, way_a);
  const std::string to_b = message(a, way_b);
  a->Send(to_a);
  b->Send(to_b);
}

void Pairing::Tell(Room* room, uint32_t but, const std::string& frame) {
  // Sending may end connections, and so empty places, but the room stays until its caller lets go of it.
  for (uint32_t rank = 0; rank < room->world; ++rank) {
    RoomMember* member = room->members[rank];
    if (rank != but && member != nullptr && !member->resting_) member->Send(frame);
  }
}

void Pairing::Leave(RoomMember* member, GoneReason reason) {
  Room* room = std::exchange(member->room_, nullptr);
  if (room == nullptr) return;
  room->members[member->rank_] = nullptr;
  room->left.push_back(member->rank_);
  --counts_.members;
  ++(reason == GoneReason::kSilent ? counts_.silent : counts_.ended);
  // Counted down after the others have heard of it: one of them may leave while it is told.
  Tell(room, member->rank_, Encode(Gone{member->rank_, reason}));
  if (--room->present == 0) Forget(room);
}

void Pairing::Forget(Room* room) {
  const auto address = by_address_.find(room->address);
  if (--address->second == 0) by_address_.erase(address);
  rooms_.erase(room->name);
}

void Pairing::Tick(Time now) {
  const bool stopped = last_tick_ != Time() && now - last_tick_ > kWasStopped;
  last_tick_ = now;
  std::vector<RoomMember*> silent;
  std::vector<RoomMember*> due;
  for (const auto& [name, room] : rooms_) {
    for (RoomMember* member : room->members) {
      if (member == nullptr || member->resting_) continue;
      if (stopped) member->heard_ = now;
      if (now - member->heard_ > limits_.silence) {
        silent.push_back(member);
      } else if (now - member->pinged_ >= limits_.ping) {
        due.push_back(member);
      }
    }
  }
  for (RoomMember* member : silent) {
    if (member->room_ == nullptr) continue;
    Leave(member, GoneReason::kSilent);
    member->Drop("this rank did not answer for " + std::to_string(limits_.silence / std::chrono::seconds(1)) + " s");
  }
  for (RoomMember* member : due) {
    if (member->room_ == nullptr) continue;
    member->pinged_ = now;
    member->Send(Frame(MessageType::kPing, ""));
  }
}

}  // namespace weft::rendezvous
