#include "weft/communicator/start_up.h"

#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "weft/base/communication_error.h"
#if WEFT_HAVE_RENDEZVOUS
#include "weft/rendezvous/client.h"
#endif

namespace weft {

struct StartUp::Peers {
  struct Peer {
    bool met = false;
    bool silent = false;
    /// When it left; kComeBackWithin later it is gone.
    std::optional<Clock::time_point> left_at;
  };
  std::vector<Peer> all;
  Clock::time_point began = Clock::now();
};

namespace {

/// A connection to the server may be lost and made again.
constexpr Duration kComeBackWithin = std::chrono::seconds(1);
/// How late the server may say that a rank has left which the library has missed.
constexpr Duration kExplainWithin = std::chrono::seconds(2);

}  // namespace

#if WEFT_HAVE_RENDEZVOUS
using rendezvous::Notice;

arrow::Result<std::unique_ptr<StartUp>> StartUp::Begin(const BackendContext& context) {
  std::unique_ptr<StartUp> made(new StartUp(context));
  if (context.rendezvous == nullptr) return made;
  const Membership& membership = *context.membership;
  ARROW_ASSIGN_OR_RAISE(const auto room,
                        rendezvous::RoomKey::Derive(context.secret, membership.job(), membership.epoch()));
  ARROW_RETURN_NOT_OK(context.rendezvous->Enter(room, membership.rank(), membership.world_size()));
  made->peers_ = std::make_unique<Peers>();
  made->peers_->all.resize(static_cast<size_t>(membership.world_size()));
  return made;
}

StartUp::~StartUp() {
  if (peers_ != nullptr) context_.rendezvous->Rest();
}

arrow::Status StartUp::CheckLeft(Duration come_back_within) {
  if (peers_ == nullptr) return arrow::Status::OK();
  for (const Notice& notice : context_.rendezvous->notices().Take()) {
    if (notice.peer >= peers_->all.size()) continue;
    Peers::Peer& peer = peers_->all[notice.peer];
    if (notice.kind == Notice::Kind::kHere) peer.left_at.reset();
    if (notice.kind != Notice::Kind::kGone) continue;
    peer.silent = notice.reason == rendezvous::GoneReason::kSilent;
    // Each has another time, in the order in which the server says it.
    const auto now = Clock::now();
    peer.left_at = peer.silent ? now - come_back_within : now;
  }
  const auto now = Clock::now();
  bool missing = false;
  const Peers::Peer* first = nullptr;
  for (const Peers::Peer& peer : peers_->all) {
    if (!peer.left_at || now - *peer.left_at < come_back_within) continue;
    missing = missing || !peer.met;
    if (first == nullptr || *peer.left_at < *first->left_at) first = &peer;
  }
  if (!missing) return arrow::Status::OK();
  const auto lost = static_cast<Rank>(first - peers_->all.data());
  return MakeCommunicationError(
      {.failure = CommunicationFailure::kPeerLost,
       .operation = "init",
       .phase = "rendezvous",
       .rank = context_.membership->rank(),
       .peer = lost,
       .elapsed = now - peers_->began},
      "rank " + std::to_string(lost) +
          (first->silent ? " does not answer the rendezvous server any more: it is stopped, or cut off"
                         : " has left before all ranks had met: its connection to the rendezvous server has ended") +
          "; look at its log");
}
#else
arrow::Result<std::unique_ptr<StartUp>> StartUp::Begin(const BackendContext& context) {
  return std::unique_ptr<StartUp>(new StartUp(context));
}

StartUp::~StartUp() = default;

arrow::Status StartUp::CheckLeft(Duration) { return arrow::Status::OK(); }
#endif

arrow::Status StartUp::Check() {
  if (interrupted_) ARROW_RETURN_NOT_OK(interrupted_());
  return CheckLeft(kComeBackWithin);
}

arrow::Status StartUp::Explain(const arrow::Status& said) {
  if (IsCommunicationError(said, CommunicationFailure::kTimedOut)) return said;
  const auto deadline = Deadline::After(peers_ == nullptr ? Duration::zero() : kExplainWithin);
  for (;;) {
    if (interrupted_) ARROW_RETURN_NOT_OK(interrupted_());
    ARROW_RETURN_NOT_OK(CheckLeft(Duration::zero()));
    if (deadline.Passed()) return said;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

StartUp::StartUp(const BackendContext& context)
    : context_(context), interrupted_(context.communicator.check_interrupt) {
  context_.communicator.check_interrupt = [this] { return Check(); };
}

void StartUp::Met(Rank peer) {
  if (peers_ != nullptr) peers_->all[static_cast<size_t>(peer)].met = true;
}

}  // namespace weft
