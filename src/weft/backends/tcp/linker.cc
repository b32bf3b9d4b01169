#include "weft/backends/tcp/linker.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <thread>
#include <utility>

#include "weft/backends/tcp/frame.h"
#include "weft/backends/tcp/relinker.h"
#include "weft/backends/tcp/timing.h"
#include "weft/base/byte_codec.h"
#include "weft/base/communication_error.h"
#include "weft/base/logging.h"
#include "weft/base/open_files.h"

namespace weft::tcp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kAddressName = "tcp/address";
/// How long a rank that fails stays to have its note read.
constexpr Duration kNoteLinger = seconds(1);
/// When the others' notes begin to be looked for. Most worlds are linked by then.
constexpr Duration kWatchAfter = milliseconds(250);
/// When the lower rank of a pair begins to dial too: the higher one may not get through, or may be gone.
constexpr Duration kDialTooAfter = seconds(1);
/// How long a port must be closed for its owner to be gone.
constexpr Duration kGoneAfter = seconds(1);
/// A server that is started again goes on where it was.
constexpr Duration kServerBackWithin = seconds(5);
constexpr int kLeastBacklog = 1024;
/// Files of a rank beside those of its links: to poll, to be woken, and connections that are on their way.
constexpr int64_t kOwnFiles = 10;
constexpr Duration kLongestPoll = milliseconds(50);

timespec ToTimespec(Duration wait) {
  const auto whole = std::chrono::floor<seconds>(wait);
  return {whole.count(), std::chrono::duration_cast<std::chrono::nanoseconds>(wait - whole).count()};
}

}  // namespace

Linker::Linker(Membership* membership, LinkIdentity identity, Options options)
    : membership_(membership),
      identity_(std::move(identity)),
      options_(std::move(options)),
      listener_(options_.listener) {
  const auto world = static_cast<size_t>(identity_.world_size);
  peers_.resize(world);
  links_.resize(world);
  ended_.resize(world);
  identity_.links = std::make_shared<std::vector<uint32_t>>(world, 0);
  missing_ = identity_.world_size - 1;
}

CommunicationError Linker::Facts(CommunicationFailure failure, const char* phase, Rank peer) const {
  CommunicationError error;
  error.failure = failure;
  error.operation = "init";
  error.phase = phase;
  error.rank = identity_.rank;
  error.peer = peer;
  error.elapsed = Clock::now() - began_;
  return error;
}

arrow::Result<std::vector<LinkedPeer>> Linker::Run() {
  if (listener_ == nullptr) {
    ARROW_ASSIGN_OR_RAISE(listener_, Listener::Open(std::max(kLeastBacklog, 2 * identity_.world_size)));
  }
  ARROW_RETURN_NOT_OK(Enter());
  ARROW_RETURN_NOT_OK(ExchangeCandidates());
  arrow::Status status = RequireOpenFiles("tcp: init", kOwnFiles + missing_);
  if (status.ok()) status = LinkAll();
  if (!status.ok()) LeaveNote(status);
  watch_.reset();
  if (options_.rendezvous != nullptr) options_.rendezvous->Rest();
  if (!status.ok()) listener_->Close();
  ARROW_RETURN_NOT_OK(status);
  std::vector<LinkedPeer> links(links_.size());
  links.swap(links_);
  return links;
}

/// From here on the server sees whether this rank is there, and others hear of it where it is not.
arrow::Status Linker::Enter() {
  if (options_.rendezvous == nullptr) return arrow::Status::OK();
  return options_.rendezvous->Enter(*options_.room, identity_.rank, identity_.world_size);
}

arrow::Status Linker::ExchangeCandidates() {
  ARROW_ASSIGN_OR_RAISE(Candidates own, GatherCandidates(listener_->port(), options_.advertise));
  own.process = ProcessWatch::Identity();
  if (options_.room) own.room.assign(options_.room->name().begin(), options_.room->name().end());
  const auto check = [this]() -> arrow::Status {
    TakeNotices();
    ARROW_RETURN_NOT_OK(CheckGone());
    return options_.check_interrupt ? options_.check_interrupt() : arrow::Status::OK();
  };
  const auto exchanged = membership_->ExchangeAll(kAddressName, own.Encode(), options_.deadline, check);
  // A rank that gives up takes its name back: not before the others, which give up now too, have looked who is missing.
  if (IsCommunicationError(exchanged.status(), CommunicationFailure::kTimedOut)) {
    std::this_thread::sleep_for(kVerdictGrace);
  }
  ARROW_ASSIGN_OR_RAISE(const auto values, exchanged);
  link_began_ = Clock::now();
  for (Rank peer = 0; peer < identity_.world_size; ++peer) {
    if (peer != identity_.rank) ARROW_RETURN_NOT_OK(TakePeer(peer, own, values[static_cast<size_t>(peer)]));
  }
  if (options_.rendezvous != nullptr) AskForAll();
  return arrow::Status::OK();
}

arrow::Status Linker::TakePeer(Rank peer, const Candidates& own, const std::string& value) {
  const std::string name = "rank " + std::to_string(peer);
  const arrow::Result<Candidates> theirs = Candidates::Decode(value);
  if (!theirs.ok()) {
    return MakeCommunicationError(Facts(CommunicationFailure::kMismatch, "rendezvous", peer),
                                  name + " " + theirs.status().message());
  }
  if (!own.room.empty() && !theirs->room.empty() && own.room != theirs->room) {
    return MakeCommunicationError(Facts(CommunicationFailure::kAuthenticationFailed, "rendezvous", peer),
                                  name + " and rank " + std::to_string(identity_.rank) +
                                      " do not have the same secret; give all ranks of the job the same WEFT_SECRET");
  }
  processes_.Add(peer, theirs->process);
  PeerState& state = Peer(peer);
  state.paired = !own.room.empty() && !theirs->room.empty() && !SameHost(own, *theirs);
  const Clock::time_point first_try = peer > identity_.rank ? link_began_ + kDialTooAfter : link_began_;
  for (const Candidate& candidate : Dialable(own, *theirs)) {
    const arrow::Result<Endpoint> endpoint = Endpoint::Resolve(candidate.host, candidate.port);
    if (endpoint.ok()) {
      state.routes.push_back({*endpoint, false, first_try, std::nullopt});
    } else {
      state.last_trouble = endpoint.status().message();
    }
  }
  if (!state.routes.empty() || state.paired || peer > identity_.rank) return arrow::Status::OK();
  return MakeCommunicationError(Facts(CommunicationFailure::kPeerLost, "connect", peer),
                                name + " has no address that can be used; " + state.last_trouble);
}

arrow::Status Linker::LinkAll() {
  Clock::time_point interrupt_at = Clock::now();
  while (missing_ > 0) {
    const Clock::time_point now = Clock::now();
    if (options_.check_interrupt && now >= interrupt_at) {
      ARROW_RETURN_NOT_OK(options_.check_interrupt());
      interrupt_at = now + milliseconds(50);
    }
    if (!watch_ && now - link_began_ > kWatchAfter) {
      watch_.emplace(membership_, options_.rendezvous.get());
      if (server_lost_) watch_->Reconnect();
    }
    TakeNotices();
    ARROW_RETURN_NOT_OK(CheckTrouble());
    SayAlive(now);
    StartDials();
    const Clock::time_point latest = Clock::now() + options_.deadline.LeftUpTo(kLongestPoll);
    Turn(std::max(NextTry(latest) - Clock::now(), Duration::zero()));
  }
  // Others of the same pairs that were under way are not needed, and their peers know.
  connections_.clear();
  return arrow::Status::OK();
}

/// A peer whose own links are complete waits for this rank already, and takes one that is silent for lost.
void Linker::SayAlive(Clock::time_point now) {
  if (now - std::max(said_alive_, link_began_) < kHeartbeatEvery) return;
  said_alive_ = now;
  HeaderBytes heartbeat = EncodeHeader({.type = FrameType::kHeartbeat});
  const iovec whole = {heartbeat.data(), heartbeat.size()};
  for (LinkedPeer& link : links_) {
    if (link.stream == nullptr) continue;
    const IoResult result = link.stream->Write(std::span(&whole, 1));
    // Half a frame would spoil what comes after it: the peer makes the link again.
    const bool half = result.kind == IoResult::Kind::kMoved && result.bytes != static_cast<int64_t>(whole.iov_len);
    if (half) link.stream->ShutdownWrite();
  }
}

void Linker::Turn(std::optional<Duration> wait) {
  const int notices = options_.rendezvous != nullptr ? options_.rendezvous->notices().fd() : -1;
  const int orders = relinker_ != nullptr ? relinker_->orders_descriptor() : -1;
  const int processes = relinker_ != nullptr ? processes_.descriptor() : -1;
  // Where no more files can be opened, what waits at the port would be seen again at once.
  const short accepts = Clock::now() < accept_at_ ? 0 : POLLIN;
  polled_.assign({{listener_->fd(), accepts, 0}, {notices, POLLIN, 0}, {orders, POLLIN, 0}, {processes, POLLIN, 0}});
  size_t at = polled_.size();
  for (const Connection& connection : connections_) {
    polled_.push_back(
        {connection.socket.get(), static_cast<short>(connection.writes() ? POLLOUT | POLLIN : POLLIN), 0});
  }
  const timespec bound = wait ? ToTimespec(*wait) : timespec{};
  ::ppoll(polled_.data(), polled_.size(), wait ? &bound : nullptr, nullptr);
  for (auto it = connections_.begin(); it != connections_.end(); ++at) {
    const bool over = polled_[at].revents != 0 && Drive(*it, polled_[at].revents);
    it = over ? connections_.erase(it) : std::next(it);
  }
  if (polled_[0].revents != 0) AcceptAll();
  CloseOverdue();
  NominateWaiting();
}

/// What ends the linking without a link.
arrow::Status Linker::CheckTrouble() {
  const Clock::time_point now = Clock::now();
  for (const PeerState& state : peers_) {
    if (!state.linked && !state.verdict.ok() && now - state.verdict_at >= kVerdictGrace) return state.verdict;
  }
  ARROW_RETURN_NOT_OK(CheckNote());
  ARROW_RETURN_NOT_OK(CheckGone());
  for (Rank peer = 0; peer < identity_.world_size; ++peer) ARROW_RETURN_NOT_OK(CheckRefused(peer));
  return options_.deadline.Passed() ? TimedOut() : arrow::Status::OK();
}

/// The peer that the server has seen leave first: others have left because of it.
arrow::Status Linker::CheckGone() const {
  const Clock::time_point now = Clock::now();
  const PeerState* first = nullptr;
  for (const PeerState& state : peers_) {
    if (state.linked || !state.gone_at || now < *state.gone_at) continue;
    if (first == nullptr || *state.gone_at < *first->gone_at) first = &state;
  }
  if (first == nullptr) return arrow::Status::OK();
  const auto peer = static_cast<Rank>(first - peers_.data());
  const char* phase = link_began_ == Clock::time_point() ? "rendezvous" : "connect";
  return MakeCommunicationError(Facts(CommunicationFailure::kPeerLost, phase, peer),
                                "rank " + std::to_string(peer) + " " + first->gone_why + "; look at its log");
}

/// A port that is closed at every address means that the peer is gone. Not so where the server can pair the two: a
/// private address leads to somebody else's host from here, and the server knows better who is there.
arrow::Status Linker::CheckRefused(Rank peer) const {
  const PeerState& state = peers_[static_cast<size_t>(peer)];
  const bool server_knows = state.paired && !(server_lost_ && Clock::now() - *server_lost_ > kServerBackWithin);
  if (state.linked || state.routes.empty() || server_knows) return arrow::Status::OK();
  const Clock::time_point since = Clock::now() - kGoneAfter;
  for (const Route& route : state.routes) {
    if (!route.refused_since || *route.refused_since > since) return arrow::Status::OK();
  }
  return MakeCommunicationError(Facts(CommunicationFailure::kPeerLost, "connect", peer),
                                "nobody listens any more at " + state.routes.front().endpoint.ToString() +
                                    ", where rank " + std::to_string(peer) +
                                    " was; look at its log, or for a firewall that rejects connections");
}

arrow::Status Linker::TimedOut() const {
  for (Rank peer = 0; peer < identity_.world_size; ++peer) {
    const PeerState& state = peers_[static_cast<size_t>(peer)];
    if (peer == identity_.rank || state.linked) continue;
    std::string text = "no link to rank " + std::to_string(peer);
    text += " after " + std::to_string(state.tries) + " tries, this rank listens at port " +
            std::to_string(listener_->port());
    if (!state.routes.empty()) text += ", that one at " + state.routes.front().endpoint.ToString();
    if (state.paired && !state.went) text += ", and it has not asked the rendezvous server for this rank";
    if (state.paired && server_lost_) text += ", and the connection to the rendezvous server is lost";
    if (!state.last_trouble.empty()) text += " (" + state.last_trouble + ")";
    if (!accept_trouble_.empty()) text += ", and what came in could not be taken: " + accept_trouble_;
    text += "; does a firewall close the port, or is another address to be given by WEFT_ADVERTISE?";
    return MakeCommunicationError(Facts(CommunicationFailure::kTimedOut, "connect", peer), text);
  }
  return arrow::Status::OK();
}

/// The note of a rank that has failed, so that the others do not wait for it. It comes from the store, which only the
/// job's own workers write; what strangers say to the port does not count.
arrow::Status Linker::CheckNote() {
  if (!watch_) return arrow::Status::OK();
  ARROW_RETURN_NOT_OK(watch_->superseded());
  const std::optional<std::string> note = watch_->note();
  if (!note) return arrow::Status::OK();
  ByteReader reader(*note);
  const auto from = reader.Get<Rank>();
  const auto failure = reader.Get<CommunicationFailure>();
  const auto peer = reader.Get<Rank>();
  const auto text = reader.GetString();
  if (!from.ok() || !failure.ok() || !peer.ok() || !text.ok() || *from == identity_.rank) return arrow::Status::OK();
  const bool keep = *failure == CommunicationFailure::kAuthenticationFailed ||
                    *failure == CommunicationFailure::kTimedOut || *failure == CommunicationFailure::kPeerLost;
  const Rank culprit = keep && *peer >= 0 && *peer != identity_.rank ? *peer : *from;
  return MakeCommunicationError(Facts(keep ? *failure : CommunicationFailure::kAborted, "handshake", culprit),
                                "rank " + std::to_string(*from) + " could not link up: " + std::string(*text));
}

void Linker::LeaveNote(const arrow::Status& status) {
  const CommunicationError* facts = GetCommunicationError(status);
  if (facts != nullptr && facts->failure == CommunicationFailure::kSuperseded) return;
  if (membership_->WaitFor(kNoteName, Deadline::After(milliseconds(1))).ok()) return;  // the first one tells the cause
  const std::string note = ByteWriter()
                               .Put(identity_.rank)
                               .Put(facts == nullptr ? CommunicationFailure::kOther : facts->failure)
                               .Put(facts == nullptr ? Rank{-1} : facts->peer)
                               .PutString(status.ToString().substr(0, 2048))
                               .Take();
  if (membership_->Publish(kNoteName, note).ok()) std::this_thread::sleep_for(kNoteLinger);
}

}  // namespace weft::tcp
