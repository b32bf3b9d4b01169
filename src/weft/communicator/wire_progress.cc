// How the transport polls its wire, what it does by time, and how it fails.
#include <algorithm>
#include <cstring>
#include <utility>

#include "weft/base/communication_error.h"
#include "weft/communicator/abort_text.h"
#include "weft/communicator/timing.h"
#include "weft/communicator/wire_transport.h"

namespace weft {
namespace {

using namespace std::chrono_literals;

/// Waking a sleeping thread takes about this long, so it pays to look for as long before one sleeps.
constexpr Duration kSpin = 20us;
/// How soon to look again where the wire could not take all.
constexpr Duration kRetry = 1ms;
constexpr Duration kSuspicionTick = 20ms;
constexpr Duration kLeaveWithoutOne = 2s;

}  // namespace

void WireTransport::OnNote(Rank from, ConstBytes bytes) {
  NoteHeader header;
  if (bytes.size() < sizeof(header) || from < 0 || from >= world_size() || from == rank()) return;
  std::memcpy(&header, bytes.data(), sizeof(header));
  // What strays in from elsewhere is none of ours.
  if (header.job != context_.job || header.from != from || header.length > bytes.size() - sizeof(header)) return;
  WireLink& link = *links_[static_cast<size_t>(from)];
  Check(link.OnNote(header, bytes.subspan(sizeof(header), header.length)));
}

void WireTransport::OnPiece(uint64_t cookie, const arrow::Status& status) {
  auto piece = context_.pieces.extract(cookie);
  if (piece.empty()) return;
  WireLink& link = *piece.mapped().link;
  Check(link.OnPiece(std::move(piece.mapped()), status));
}

void WireTransport::OnLost(Rank peer, const std::string& how) {
  WireLink& link = *links_[static_cast<size_t>(peer)];
  link.Suspect(how);
}

/// A link's finding fails the transport, unless it is leaving anyway.
void WireTransport::Check(const arrow::Status& status) {
  if (!status.ok() && !closing_) Fail(status, true);
}

void WireTransport::Poll() {
  wire_->Poll(*this);
  FlushDirty();
}

void WireTransport::FlushDirty() {
  const auto dirty = std::exchange(context_.dirty, {});
  for (WireLink* link : dirty) link->Flush();
}

Duration WireTransport::ShortenWait(Duration wait) const {
  if (!context_.dirty.empty()) wait = std::min(wait, kRetry);
  if (context_.any_suspected && failure_.ok()) wait = std::min(wait, kSuspicionTick);
  return wait;
}

void WireTransport::Drive(Lock& lock, Deadline deadline) {
  if (wire_ == nullptr) return;
  Clock::time_point spin_end = {};
  for (;;) {
    Poll();
    Settle(lock);
    if (context_.ledger.completed > 0 || !failure_.ok() || closing_ || deadline.Passed()) return;
    if (spin_) {
      const Clock::time_point now = Clock::now();
      if (spin_end == Clock::time_point()) spin_end = now + kSpin;
      if (now < spin_end) continue;
      spin_end = {};
    }
    const Duration wait = ShortenWait(deadline.LeftUpTo(kTimersWhileWaiting));
    lock.unlock();
    wire_->Wait(wait);
    lock.lock();
  }
}

void WireTransport::Fail(const arrow::Status& status, bool own_finding) {
  if (!failure_.ok()) return;
  failure_ = status;
  const std::string text = EncodeAbort(status, own_finding);
  for (const auto& link : links_) {
    // An abort is passed on: a rank that leaves because of it may be seen to go before the abort itself is.
    if (link != nullptr) link->Fail(status, link->peer_aborted() ? nullptr : &text);
  }
  for (const auto& [cookie, piece] : context_.pieces) context_.wire->CancelPiece(cookie);
  self_.CompleteAll(status);
  if (wire_ == nullptr) return;
  FlushDirty();
  wire_->Wake();
}

/// What is to be done after a poll: timers, and heartbeats that have come.
void WireTransport::Settle(Lock& lock) {
  const Clock::time_point now = Clock::now();
  const bool waiting = context_.ledger.pending > 0;
  if (context_.any_suspected && failure_.ok() && !closing_) {
    for (const auto& link : links_) {
      if (link != nullptr && failure_.ok()) Check(link->CheckSuspicion(now));
    }
  }
  if (now - last_timers_ >= (waiting ? kTimersWhileWaiting : kTimersWhileIdle)) RunTimers(lock);
  if (!context_.heard.empty()) CheckHeard(lock);
}

void WireTransport::RunTimers(Lock& lock) {
  const Clock::time_point now = Clock::now();
  if (now - last_timers_ >= kWasStopped) wait_began_ = now;
  last_timers_ = now;
  if (!failure_.ok() || closing_) return;
  SendHeartbeats(lock, now);
  if (failure_.ok() && !closing_ && context_.ledger.pending > 0) LookForSilence(now);
}

void WireTransport::SendHeartbeats(Lock& lock, Clock::time_point now) {
  if (context_.ledger.pending == 0 || now - std::max(wait_began_, last_beat_) < kHeartbeatEvery) return;
  last_beat_ = now;
  std::string text;
  if (make_heartbeat_) {
    lock.unlock();
    text = make_heartbeat_();
    lock.lock();
    if (!failure_.ok() || closing_) return;
  }
  for (const auto& link : links_) {
    if (link != nullptr) link->QueueHeartbeat(text);
  }
  FlushDirty();
}

void WireTransport::LookForSilence(Clock::time_point now) {
  for (const auto& link : links_) {
    if (link == nullptr || link->peer_left()) continue;
    const Duration silence = now - std::max(wait_began_, link->last_heard());
    if (silence < kLostAfter) continue;
    Fail(link->Error(CommunicationFailure::kPeerLost,
                     "rank " + std::to_string(link->peer()) + " has not been heard of for " +
                         std::to_string(std::chrono::duration_cast<std::chrono::seconds>(silence).count()) +
                         " s; is its process stopped or killed, or its host cut off?"),
         true);
    return;
  }
}

void WireTransport::CheckHeard(Lock& lock) {
  const auto heard = std::exchange(context_.heard, {});
  if (!check_heartbeat_) return;
  lock.unlock();
  arrow::Status status;
  for (const auto& [peer, text] : heard) {
    status = check_heartbeat_(peer, text);
    if (!status.ok()) break;
  }
  lock.lock();
  Check(status);
}

void WireTransport::WaitForPeers(Lock& lock, Deadline deadline) {
  const auto settled = [this](const auto& link) {
    return link == nullptr || (failure_.ok() ? link->settled() : link->quiet());
  };
  driver_present_ = true;
  for (;;) {
    Poll();
    if (std::all_of(links_.begin(), links_.end(), settled) && wire_->Drained()) break;
    // Where one has died, a library may have lost the goodbyes of others with it.
    if (context_.any_suspected) deadline = Earlier(deadline, Deadline::After(kLeaveWithoutOne));
    if (deadline.Passed()) break;
    const Duration wait = ShortenWait(deadline.LeftUpTo(kSuspicionTick));
    lock.unlock();
    wire_->Wait(wait);
    lock.lock();
  }
  driver_present_ = false;
}

void WireTransport::RunIo() {
  uint64_t seen = 0;
  Lock lock(mutex_);
  while (!stop_) {
    const bool away = !driver_present_ && Clock::now() - driver_left_ >= kStandBy;
    if (!away) {
      // A caller that has not left since the last look waits for long: look less often, it will say when it leaves.
      deep_stand_by_ = driver_present_ && seen == driver_comes_;
      seen = driver_comes_;
      stand_by_->wait_for(lock, deep_stand_by_ ? kDeepStandBy : kStandBy);
      deep_stand_by_ = false;
      continue;
    }
    const Duration wait = ShortenWait(context_.ledger.pending > 0 ? kTimersWhileWaiting : kTimersWhileIdle);
    lock.unlock();
    wire_->Wait(wait);
    lock.lock();
    if (stop_ || driver_present_) continue;
    Poll();
    Settle(lock);
  }
}

}  // namespace weft
