// What the transport does about links that break.
#include <algorithm>
#include <utility>

#include "weft/backends/tcp/relinker.h"
#include "weft/backends/tcp/tcp_transport.h"
#include "weft/backends/tcp/timing.h"
#include "weft/base/communication_error.h"

namespace weft::tcp {

void TcpTransport::TakeRemade() {
  for (Remade& remade : relinker_->Take()) {
    Slot& slot = slots_[static_cast<size_t>(remade.peer)];
    Link& link = *slot.link;
    switch (remade.kind) {
      case Remade::Kind::kLinked:
        TakeStream(slot, remade);
        break;
      case Remade::Kind::kLost:
        if (!link.broken() || remade.links != slot.links) break;
        if (closing_ || !failure_.ok()) {
          link.GiveUp();
        } else {
          Fail(NotRemade(slot, remade.why), true);
        }
        break;
      case Remade::Kind::kWanted:
        if (remade.links != slot.links || !failure_.ok()) break;
        link.Suspect();
        troubled_ = true;
        FlushAll();
        if (driver_present_) Wake();
        break;
    }
  }
}

void TcpTransport::TakeStream(Slot& slot, Remade& remade) {
  Link& link = *slot.link;
  if (slot.polled) ::epoll_ctl(poll_.get(), EPOLL_CTL_DEL, link.descriptor(), nullptr);
  slot.polled = false;
  slot.links = remade.links;
  const arrow::Status status = link.Resume(std::move(remade.made.stream), remade.made.info);
  epoll_event event = {};
  event.events = slot.interest = failure_.ok() ? uint32_t{EPOLLIN} : 0;
  event.data.u32 = static_cast<uint32_t>(&slot - slots_.data());
  slot.polled = ::epoll_ctl(poll_.get(), EPOLL_CTL_ADD, link.descriptor(), &event) == 0;
  if (!status.ok() || !slot.polled) {
    if (closing_ || !failure_.ok()) {
      link.GiveUp();
    } else {
      Fail(status.ok() ? link.Error(CommunicationFailure::kOther, "the system polls no more streams") : status, true);
    }
  }
  UpdateInterest(slot);
}

void TcpTransport::LookForSuspects(Clock::time_point now) {
  troubled_ = std::any_of(slots_.begin(), slots_.end(), [](const Slot& slot) {
    return slot.link != nullptr && (slot.link->troubled() || slot.link->suspected());
  });
  for (Slot& slot : slots_) {
    if (slot.link == nullptr) continue;
    const auto since = slot.link->suspected();
    if (!since || now - *since < kSignOfLifeWithin) continue;
    const arrow::Status status =
        slot.link->Break("wants its link to be made again, and does not answer on the old one");
    if (!status.ok()) return Fail(status, true);
    UpdateInterest(slot);
  }
}

arrow::Status TcpTransport::NotRemade(const Slot& slot, const std::string& why) const {
  const Link& link = *slot.link;
  const std::string tried = relinker_ == nullptr ? "" : relinker_->Tried(link.peer());
  char seconds[32];
  std::snprintf(seconds, sizeof(seconds), "%.1f", Seconds(Clock::now() - link.broke_at()));
  return link.Error(CommunicationFailure::kPeerLost, "rank " + std::to_string(link.peer()) + " " + link.how_broken() +
                                                         "; the link could not be made again in " + seconds + " s" +
                                                         (why.empty() ? "" : ": " + why) + " (" + tried + ")");
}

/// While the communicator is closed: what is not made again in time will not be.
void TcpTransport::GiveUpLate(Clock::time_point now) {
  for (Slot& slot : slots_) {
    if (slot.link == nullptr || !slot.link->troubled() || now - slot.link->broke_at() < kRemakeWithin) continue;
    slot.link->GiveUp();
    UpdateInterest(slot);
  }
}

}  // namespace weft::tcp
