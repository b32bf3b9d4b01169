// Links that broke are made again, after all have been linked once.
#include <algorithm>
#include <utility>

#include "weft/backends/tcp/linker.h"
#include "weft/backends/tcp/relinker.h"
#include "weft/backends/tcp/timing.h"
#include "weft/base/logging.h"

namespace weft::tcp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kPollWhileBroken = milliseconds(50);
/// How long the port of a peer must be closed for the peer to be gone: it keeps its port open for as long as it lives.
constexpr Duration kClosedFor = milliseconds(300);
/// A word to the server now and then, so that neither it nor a NAT forgets a rank that may have to be paired again.
constexpr Duration kSpeakEvery = seconds(10);

}  // namespace

void Linker::Serve(Relinker& relinker) {
  relinker_ = &relinker;
  missing_ = 0;
  for (PeerState& state : peers_) {
    state.punching = state.relaying = state.nominating = false;
  }
  const bool has_rooms = std::any_of(peers_.begin(), peers_.end(), [](const PeerState& state) { return state.paired; });
  spoke_ = Clock::now();
  if (server_lost_) ReachServer();
  for (;;) {
    const Relinker::Orders orders = relinker.TakeOrders();
    if (orders.stop) break;
    for (const auto& [peer, links] : orders.broken) {
      if (links == Links(peer)) TakeBroken(peer);  // else a later link is on its way to the transport
    }
    for (const Rank peer : processes_.Ended()) ended_[static_cast<size_t>(peer)] = true;
    TakeNotices();
    GiveVerdicts(relinker);
    StartDials();
    const Clock::time_point now = Clock::now();
    std::optional<Duration> wait;
    if (missing_ > 0 || !connections_.empty()) {
      wait = std::max(NextTry(now + kPollWhileBroken) - now, Duration::zero());
    } else if (has_rooms) {
      if (now - spoke_ >= kSpeakEvery) {
        if (!server_lost_) options_.rendezvous->Rest();
        spoke_ = now;
      }
      wait = spoke_ + kSpeakEvery - now;
    }
    Turn(wait);
  }
  connections_.clear();
  watch_.reset();
  listener_->Close();
  relinker_ = nullptr;
}

/// The transport says that the latest link to the peer has broken.
void Linker::TakeBroken(Rank peer) {
  PeerState& state = Peer(peer);
  // Those that were under way when it was made are of that time.
  for (auto it = connections_.begin(); it != connections_.end();) {
    if (it->dialed != peer) {
      ++it;
      continue;
    }
    Close(*it, {});
    it = connections_.erase(it);
  }
  if (state.linked) ++missing_;
  state.linked = false;
  state.nominating = std::any_of(connections_.begin(), connections_.end(), [peer](const Connection& connection) {
    return connection.handshake.peer() == peer && connection.handshake.state() == Handshake::State::kProbing;
  });
  state.punching = state.relaying = state.went = false;
  state.tries = state.errors = state.broken = 0;
  state.last_trouble.clear();
  state.verdict = arrow::Status::OK();
  state.clock.reset();
  state.mend_by.reset();
  state.relay_at.reset();
  state.gone_at.reset();
  state.relay_pause = milliseconds(100);
  for (Route& route : state.routes) {
    route.busy = false;
    route.next_try = Clock::now();
    route.refused_since.reset();
    route.pause = milliseconds(20);
  }
  if (!state.paired) return;
  ReachServer();
  options_.rendezvous->Ask({static_cast<uint32_t>(peer)});
}

/// Goes on to look for a server that is gone, in the background.
void Linker::ReachServer() {
  if (!server_lost_) return;
  if (!watch_) watch_.emplace(nullptr, options_.rendezvous.get());
  watch_->Reconnect();
}

void Linker::GiveVerdicts(Relinker& relinker) {
  if (missing_ == 0) return;
  for (Rank peer = 0; peer < identity_.world_size; ++peer) {
    PeerState& state = Peer(peer);
    if (peer == identity_.rank || state.linked) continue;
    relinker.Note(peer, state.tries, state.last_trouble);
    const std::optional<std::string> why = Verdict(peer);
    if (!why) continue;
    WEFT_LOG(kInfo, "the link to rank " << peer << " will not be made again: " << *why);
    state.linked = true;  // nothing is to be done for it
    --missing_;
    relinker.Tell({Remade::Kind::kLost, peer, Links(peer), {}, *why});
  }
  if (missing_ == 0 && options_.rendezvous != nullptr) options_.rendezvous->Rest();
}

/// Why there will be no link to the peer, where that is known.
std::optional<std::string> Linker::Verdict(Rank peer) const {
  const PeerState& state = peers_[static_cast<size_t>(peer)];
  const Clock::time_point now = Clock::now();
  if (ended_[static_cast<size_t>(peer)]) return "its process has ended";
  if (state.gone_at && now >= *state.gone_at) return "it " + state.gone_why;
  if (!state.verdict.ok() && now - state.verdict_at >= kVerdictGrace) return state.verdict.message();
  if (RefusedAgain(state)) return "nobody listens any more at " + state.routes.front().endpoint.ToString();
  return std::nullopt;
}

/// Every address of the peer refuses connections. Not so where the server can pair the two, or had to: a private
/// address leads to somebody else's host from here.
bool Linker::RefusedAgain(const PeerState& state) const {
  if (state.routes.empty() || (state.paired && (!server_lost_ || state.path != LinkPath::kHost))) return false;
  const Clock::time_point since = Clock::now() - kClosedFor;
  return std::all_of(state.routes.begin(), state.routes.end(),
                     [since](const Route& route) { return route.refused_since && *route.refused_since <= since; });
}

}  // namespace weft::tcp
