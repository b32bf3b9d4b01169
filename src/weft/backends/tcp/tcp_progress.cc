// How the transport polls, what it does by time, and how it fails.
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "weft/backends/tcp/relinker.h"
#include "weft/backends/tcp/tcp_transport.h"
#include "weft/backends/tcp/timing.h"
#include "weft/base/communication_error.h"
#include "weft/communicator/abort_text.h"

namespace weft::tcp {

/// Waits without the mutex, for events at most `wait`; the first `spin` of it awake.
int TcpTransport::Poll(Lock& lock, Duration spin, Duration wait, std::span<epoll_event> events) {
  lock.unlock();
  const auto look = [&](int64_t milliseconds) {
    return ::epoll_wait(poll_.get(), events.data(), static_cast<int>(events.size()), static_cast<int>(milliseconds));
  };
  int count = 0;
  if (spin > Duration::zero() && wait > Duration::zero()) {
    const auto end = Clock::now() + std::min(spin, wait);
    do {
      count = look(0);
    } while (count == 0 && Clock::now() < end);
  }
  if (count == 0) count = look(std::chrono::ceil<std::chrono::milliseconds>(wait).count());
  lock.lock();
  return count < 0 ? 0 : count;  // an interrupted wait is a short one
}

void TcpTransport::Handle(std::span<const epoll_event> events) {
  bool remade = false;
  for (const epoll_event& event : events) {
    if (event.data.u32 == kRemadeSlot) {
      remade = true;  // after the others: they are about the streams that there were
      continue;
    }
    if (event.data.u32 == kWakeSlot) {
      uint64_t count = 0;
      [[maybe_unused]] const ssize_t got = ::read(wake_.get(), &count, sizeof(count));
      continue;
    }
    Slot& slot = slots_[event.data.u32];
    if (!slot.polled) continue;
    Link& link = *slot.link;
    const bool broken = (event.events & (EPOLLHUP | EPOLLERR)) != 0;
    arrow::Status status;
    if (!failure_.ok()) {
      if (broken || (event.events & EPOLLIN) != 0) link.Drain();
      if (!link.ended()) status = link.Flush();
    } else {
      if (broken || (event.events & EPOLLIN) != 0) status = link.OnReadable();
      if (status.ok() && (event.events & EPOLLOUT) != 0) status = link.Flush();
    }
    if (!status.ok() && closing_) link.GiveUp();
    if (!status.ok() && !closing_) Fail(status, true);
    UpdateInterest(slot);
  }
  if (remade) TakeRemade();
}

void TcpTransport::UpdateInterest(Slot& slot) {
  if (!slot.polled) return;
  if (slot.link->broken()) {
    ::epoll_ctl(poll_.get(), EPOLL_CTL_DEL, slot.link->descriptor(), nullptr);
    slot.polled = false;
    slot.link->DropStream();
    troubled_ = true;
    relinker_->Break(slot.link->peer(), slot.links);
    return;
  }
  if (slot.link->ended()) {
    // Before it is closed: a forked child may hold the same socket, and closing alone would leave it polled.
    if (slot.link->open()) ::epoll_ctl(poll_.get(), EPOLL_CTL_DEL, slot.link->descriptor(), nullptr);
    slot.polled = false;
    slot.link->Disconnect();
    return;
  }
  uint32_t interest = EPOLLIN;
  if (slot.link->blocked()) interest |= EPOLLOUT;
  if (interest == slot.interest) return;
  epoll_event event = {};
  event.events = interest;
  event.data.u32 = static_cast<uint32_t>(&slot - slots_.data());
  ::epoll_ctl(poll_.get(), EPOLL_CTL_MOD, slot.link->descriptor(), &event);
  slot.interest = interest;
}

void TcpTransport::FlushAll() {
  for (Slot& slot : slots_) {
    if (slot.link == nullptr) continue;
    // An error shows again, with what the peer has said before, when the link is read.
    if (!slot.link->blocked()) (void)slot.link->Flush();
    UpdateInterest(slot);
  }
}

void TcpTransport::Fail(const arrow::Status& status, bool own_finding) {
  if (!failure_.ok()) return;
  failure_ = status;
  const std::string text = EncodeAbort(status, own_finding);
  for (Slot& slot : slots_) {
    // An abort is passed on: a rank that leaves because of it may be seen to go before the abort itself is.
    if (slot.link != nullptr) slot.link->Fail(status, slot.link->peer_aborted() ? nullptr : &text);
  }
  self_.CompleteAll(status);
  FlushAll();
  if (driver_present_) Wake();
}

void TcpTransport::Wake() const {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof(one));
}

/// What is to be done after events: timers, and heartbeats that have come.
void TcpTransport::Settle(Lock& lock) {
  const Clock::time_point now = Clock::now();
  const bool waiting = context_.ledger.pending > 0 || troubled_;
  if (now - last_timers_ >= (waiting ? kTimersWhileWaiting : kTimersWhileIdle)) RunTimers(lock);
  if (!context_.heard.empty()) CheckHeard(lock);
}

void TcpTransport::RunTimers(Lock& lock) {
  const Clock::time_point now = Clock::now();
  if (now - last_timers_ >= kWasStopped) wait_began_ = now;
  last_timers_ = now;
  if (!failure_.ok() || closing_) return;
  SendHeartbeats(lock, now);
  if (troubled_) LookForSuspects(now);
  if (failure_.ok() && !closing_ && context_.ledger.pending > 0) LookForSilence(now);
}

void TcpTransport::SendHeartbeats(Lock& lock, Clock::time_point now) {
  const bool waiting = context_.ledger.pending > 0;
  if (waiting && now - std::max(wait_began_, last_beat_) >= kHeartbeatEvery) {
    last_beat_ = now;
    std::string text;
    if (make_heartbeat_) {
      lock.unlock();
      text = make_heartbeat_();
      lock.lock();
      if (!failure_.ok() || closing_) return;
    }
    for (Slot& slot : slots_) {
      if (slot.link != nullptr) slot.link->QueueHeartbeat(text);
    }
    FlushAll();
  } else if (!waiting) {
    bool any = false;
    for (Slot& slot : slots_) {
      if (slot.link == nullptr) continue;
      const bool direct = slot.link->info().path == "host";
      if (now - slot.link->last_written() < (direct ? kKeepaliveEvery : kKeepNatEvery)) continue;
      slot.link->QueueHeartbeat({});
      any = true;
    }
    if (any) FlushAll();
  }
}

void TcpTransport::LookForSilence(Clock::time_point now) {
  for (Slot& slot : slots_) {
    if (slot.link == nullptr || slot.link->peer_left() || slot.link->ended()) continue;
    Link& link = *slot.link;
    if (link.troubled() && now - std::max(wait_began_, link.broke_at()) >= kRemakeWithin) {
      return Fail(NotRemade(slot, {}), true);
    }
    if (link.broken()) continue;
    const Duration silence = now - std::max(wait_began_, link.last_heard());
    if (silence < (context_.remakes ? kSilentFor : kLostAfter)) continue;
    const arrow::Status status =
        link.Break("has not been heard of for " +
                       std::to_string(std::chrono::duration_cast<std::chrono::seconds>(silence).count()) +
                       " s; is its process stopped, or its host cut off?",
                   true);
    if (!status.ok()) return Fail(status, true);
    UpdateInterest(slot);
  }
}

void TcpTransport::CheckHeard(Lock& lock) {
  const auto heard = std::exchange(context_.heard, {});
  if (!check_heartbeat_) return;
  lock.unlock();
  arrow::Status status;
  for (const auto& [peer, text] : heard) {
    status = check_heartbeat_(peer, text);
    if (!status.ok()) break;
  }
  lock.lock();
  if (!status.ok() && !closing_) Fail(status, true);
}

void TcpTransport::RunIo() {
  epoll_event events[64];
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
    const int count = Poll(lock, Duration::zero(),
                           context_.ledger.pending > 0 || troubled_ ? kTimersWhileWaiting : kTimersWhileIdle, events);
    if (stop_ || driver_present_) continue;
    Handle({events, static_cast<size_t>(count)});
    Settle(lock);
  }
}

}  // namespace weft::tcp
