#include "weft/backends/gloo/gloo_wire.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "weft/base/signals_blocked.h"

namespace weft::gloo {
namespace {

using namespace std::chrono_literals;

constexpr size_t kNoteBytes = 8 << 10;
constexpr int64_t kPieceBytes = 16 << 20;
/// Slots of Gloo's own collectives have their kind, a small number, in the highest byte.
constexpr uint64_t kNoteSlot = uint64_t{0x80} << 56;
constexpr uint64_t kSentinelSlot = uint64_t{0x81} << 56;
constexpr uint64_t kPieceSlot = uint64_t{0x82} << 56;
constexpr uint64_t kKeyMask = (uint64_t{1} << 56) - 1;

/// Before a note: its number, from 1, and its length; behind it its number again.
struct Head {
  uint32_t number;
  uint32_t length;
};
constexpr size_t kTail = sizeof(uint32_t);

/// For waits that something else is known to end, or has ended.
constexpr auto kLong = std::chrono::milliseconds(1h);
constexpr auto kSoon = std::chrono::milliseconds(10s);

/// How late the end of a wait may be.
constexpr Duration kTick = 25ms;
/// A note that shows is there as soon as this, unless its sender has stopped in the midst of it.
constexpr Duration kHalfNote = 50ms;
constexpr int kMostIdle = 1000;
constexpr int kYields = 50;
constexpr Duration kShortestNap = 20us;
constexpr Duration kLongestNap = 1ms;
constexpr int64_t kNoSleep = 0;

uint32_t NotesFor(int world_size) {
  constexpr size_t kInAll = 64 << 20;
  const size_t share = kInAll / kNoteBytes / static_cast<size_t>(world_size);
  return static_cast<uint32_t>(std::clamp<size_t>(share, 16, 64));
}

uint32_t NumberAt(const std::byte* place) {
  return __atomic_load_n(reinterpret_cast<const uint32_t*>(place), __ATOMIC_ACQUIRE);
}

}  // namespace

arrow::Result<std::unique_ptr<Wire>> GlooWire::Make(Mesh mesh) {
  std::unique_ptr<GlooWire> wire(new GlooWire(std::move(mesh)));
  ARROW_RETURN_NOT_OK(wire->Start());
  return wire;
}

GlooWire::GlooWire(Mesh mesh) : mesh_(std::move(mesh)), peers_(mesh_.addresses.size()) {
  limits_.note = kNoteBytes;
  limits_.notes = NotesFor(mesh_.context->size);
  limits_.piece = kPieceBytes;
  limits_.spans = 1;
  limits_.silent_pieces = true;
  place_bytes_ = (sizeof(Head) + kNoteBytes + kTail + 63) / 64 * 64;
}

arrow::Status GlooWire::Start() {
  const size_t bytes = peers_.size() * limits_.notes * place_bytes_;
  inbox_bytes_ = std::make_unique<std::byte[]>(bytes);
  outbox_bytes_ = std::make_unique_for_overwrite<std::byte[]>(bytes);
  ARROW_RETURN_NOT_OK(Guard("posting receives", [&] {
    mesh_.context->setTimeout(kLong);
    inbox_ = mesh_.context->createUnboundBuffer(inbox_bytes_.get(), bytes);
    outbox_ = mesh_.context->createUnboundBuffer(outbox_bytes_.get(), bytes);
    for (size_t i = 0; i < peers_.size(); ++i) {
      const auto peer = static_cast<Rank>(i);
      if (peer == mesh_.context->rank) continue;
      peers_[i].sentinel = mesh_.context->createUnboundBuffer(&peers_[i].sentinel_byte, 1);
      peers_[i].sentinel->recv(peer, kSentinelSlot, 0, 1);
      for (uint32_t number = 0; number < limits_.notes; ++number) PostNote(peer, number);
    }
  }));
  const SignalsBlocked blocked;
  return Guard("no thread", [&] { ticker_ = std::thread([this] { RunTicker(); }); });
}

size_t GlooWire::Offset(Rank peer, uint64_t number) const {
  return (static_cast<size_t>(peer) * limits_.notes + number % limits_.notes) * place_bytes_;
}

std::byte* GlooWire::Place(std::byte* arena, Rank peer, uint64_t number) const { return arena + Offset(peer, number); }

void GlooWire::PostNote(Rank peer, uint64_t number) {
  inbox_->recv(peer, kNoteSlot, Offset(peer, number), place_bytes_);
}

arrow::Result<bool> GlooWire::SendNote(Rank to, std::span<const iovec> spans) {
  Peer& peer = peers_[static_cast<size_t>(to)];
  std::byte* const place = Place(outbox_bytes_.get(), to, peer.sent);
  size_t length = 0;
  for (const iovec& span : spans) {
    if (span.iov_len > 0) std::memcpy(place + sizeof(Head) + length, span.iov_base, span.iov_len);
    length += span.iov_len;
  }
  const Head head = {static_cast<uint32_t>(peer.sent + 1), static_cast<uint32_t>(length)};
  std::memcpy(place, &head, sizeof(head));
  std::memcpy(place + sizeof(head) + length, &head.number, kTail);
  ARROW_RETURN_NOT_OK(Guard("sending", [&] {
    // What was in this place has been taken by the peer: this only counts it.
    if (peer.sent >= limits_.notes) outbox_->waitSend(kSoon);
    outbox_->send(to, kNoteSlot, Offset(to, peer.sent), sizeof(head) + length + kTail);
  }));
  ++peer.sent;
  return true;
}

arrow::Result<bool> GlooWire::SendPiece(Rank to, uint64_t key, std::span<const iovec> spans, uint64_t cookie) {
  ARROW_RETURN_NOT_OK(Guard("sending", [&] {
    Piece piece = {mesh_.context->createUnboundBuffer(spans[0].iov_base, spans[0].iov_len), false};
    piece.buffer->send(to, kPieceSlot | (key & kKeyMask), 0, spans[0].iov_len);
    pieces_.emplace(cookie, std::move(piece));
  }));
  return true;
}

arrow::Result<bool> GlooWire::ReceivePiece(Rank from, uint64_t key, std::span<const iovec> spans, uint64_t cookie) {
  ARROW_RETURN_NOT_OK(Guard("receiving", [&] {
    Piece piece = {mesh_.context->createUnboundBuffer(spans[0].iov_base, spans[0].iov_len), true};
    piece.buffer->recv(from, kPieceSlot | (key & kKeyMask), 0, spans[0].iov_len);
    pieces_.emplace(cookie, std::move(piece));
  }));
  return true;
}

arrow::Status GlooWire::EndPiece(uint64_t cookie) {
  const auto piece = pieces_.extract(cookie);
  if (piece.empty()) return arrow::Status::UnknownError("gloo: no such piece");
  return Guard("ending a piece", [&] {
    Piece& ended = piece.mapped();
    ended.receive ? ended.buffer->waitRecv(kSoon) : ended.buffer->waitSend(kSoon);
  });
}

/// Whether the peer's note has begun to come; of one that is gone, whether it came whole.
bool GlooWire::Shows(Rank peer, uint64_t number) const {
  const std::byte* const place = Place(inbox_bytes_.get(), peer, number);
  const auto expected = static_cast<uint32_t>(number + 1);
  if (NumberAt(place) != expected) return false;
  if (!peers_[static_cast<size_t>(peer)].gone) return true;
  Head head;
  std::memcpy(&head, place, sizeof(head));
  uint32_t tail = 0;
  if (head.length > kNoteBytes) return false;
  std::memcpy(&tail, place + sizeof(head) + head.length, kTail);
  return tail == expected;
}

/// Looks which notes of each peer show; returns how many in all.
size_t GlooWire::LookAtPlaces() {
  size_t all = 0;
  for (size_t i = 0; i < peers_.size(); ++i) {
    Peer& peer = peers_[i];
    peer.shown = 0;
    if (peer.sentinel == nullptr) continue;
    while (peer.shown < limits_.notes && Shows(static_cast<Rank>(i), peer.taken + peer.shown)) ++peer.shown;
    all += peer.shown;
  }
  return all;
}

/// Waits for one note more than `counted`. False where none came soon, or a connection has ended.
bool GlooWire::CountOne(size_t counted) {
  const auto lock = EnterInbox();
  if (counted_.load() != counted) return true;  // another thread was first
  return WaitForNote(kHalfNote);
}

/// The inbox has one waiter at a time: sends another one away.
std::unique_lock<std::mutex> GlooWire::EnterInbox() {
  std::unique_lock lock(sleeping_, std::try_to_lock);
  if (lock.owns_lock()) return lock;
  inbox_->abortWaitRecv();
  lock.lock();
  return lock;
}

bool GlooWire::WaitForNote(Duration wait) {
  sleep_end_.store((Clock::now() + wait).time_since_epoch().count());
  bool counted = false;
  const arrow::Status status = Guard("waiting", [&] { counted = inbox_->waitRecv(nullptr, kLong); });
  sleep_end_.store(kNoSleep);
  if (counted) counted_.fetch_add(1);
  if (!status.ok()) broken_.store(true);
  return counted;
}

bool GlooWire::Gone(Peer& peer) {
  // With an abort pending the wait comes back at once; it throws first where the connection has ended.
  return !Guard("looking", [&] {
            peer.sentinel->abortWaitRecv();
            peer.sentinel->waitRecv(nullptr, kLong);
          }).ok();
}

/// True where one more connection has ended.
bool GlooWire::LookForEnds() {
  bool found = false;
  for (Peer& peer : peers_) {
    if (peer.sentinel == nullptr || peer.gone || !Gone(peer)) continue;
    peer.gone = true;
    found = true;
  }
  if (found) broken_.store(true);
  return found;
}

void GlooWire::Poll(WireSink& sink) {
  if (broken_.load() || napped_.exchange(false)) LookForEnds();
  for (;;) {
    // What has been counted shows. So where as many show as were counted before, none of them is half there.
    const size_t counted = counted_.load();
    const size_t shown = LookAtPlaces();
    if (shown == 0) break;
    if (counted >= shown) {
      TakeNotes(sink);
    } else if (!CountOne(counted) && !(broken_.load() && LookForEnds())) {
      break;
    }
  }
  if (!broken_.load()) return;
  for (size_t i = 0; i < peers_.size(); ++i) {
    Peer& peer = peers_[i];
    if (!peer.gone || std::exchange(peer.told, true)) continue;
    sink.OnLost(static_cast<Rank>(i), "its connection was closed");
  }
}

void GlooWire::TakeNotes(WireSink& sink) {
  idle_.store(0, std::memory_order_relaxed);
  for (size_t i = 0; i < peers_.size(); ++i) {
    const auto rank = static_cast<Rank>(i);
    Peer& peer = peers_[i];
    for (; peer.shown > 0; --peer.shown) {
      const std::byte* const place = Place(inbox_bytes_.get(), rank, peer.taken);
      Head head;
      std::memcpy(&head, place, sizeof(head));
      counted_.fetch_sub(1);
      sink.OnNote(rank, {place + sizeof(head), std::min<size_t>(head.length, kNoteBytes)});
      if (!peer.gone && !Guard("receiving", [&] { PostNote(rank, peer.taken); }).ok()) broken_.store(true);
      ++peer.taken;
    }
  }
}

void GlooWire::Wait(Duration wait) {
  if (wait <= Duration::zero() || woken_.exchange(false) || counted_.load() > 0) return;
  if (broken_.load() || wait < kTick) return Nap(wait);
  const auto lock = EnterInbox();
  if (woken_.exchange(false) || counted_.load() > 0) return;
  WaitForNote(wait);
}

/// Where waiting is not possible, or its end would come late.
void GlooWire::Nap(Duration wait) {
  const int idle = idle_.load(std::memory_order_relaxed);
  idle_.store(std::min(idle + 1, kMostIdle), std::memory_order_relaxed);
  if (idle < kYields) {
    std::this_thread::yield();
    return;
  }
  // Only Gloo's own waits throw where a connection has ended: between naps Poll has to look for that.
  napped_.store(true);
  std::this_thread::sleep_for(std::min({wait, kLongestNap, kShortestNap * (1 + (idle - kYields) / 10)}));
}

void GlooWire::Wake() {
  woken_.store(true);
  inbox_->abortWaitRecv();
}

void GlooWire::RunTicker() {
  std::unique_lock lock(ticker_mutex_);
  while (!stop_) {
    ticker_changed_.wait_for(lock, kTick);
    const int64_t end = sleep_end_.load();
    if (end != kNoSleep && Clock::now().time_since_epoch().count() >= end) inbox_->abortWaitRecv();
  }
}

void GlooWire::Close() {
  if (mesh_.context == nullptr) return;
  {
    const std::lock_guard lock(ticker_mutex_);
    stop_ = true;
  }
  ticker_changed_.notify_all();
  if (ticker_.joinable()) ticker_.join();
  [[maybe_unused]] const arrow::Status status = Guard("closing", [&] {
    pieces_.clear();
    for (Peer& peer : peers_) peer.sentinel = nullptr;
    inbox_ = nullptr;
    outbox_ = nullptr;
    mesh_.context = nullptr;
    mesh_.device = nullptr;
  });
}

}  // namespace weft::gloo
