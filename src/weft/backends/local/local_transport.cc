#include "weft/backends/local/local_transport.h"

#include <thread>

#include "weft/backends/local/local_backend.h"

namespace weft::local {
namespace {

using namespace std::chrono_literals;

constexpr Duration kHeartbeat = 1s;
/// Waking a sleeping thread takes about this long, so it pays to look for as long before one sleeps.
constexpr Duration kSpin = 20us;

template <typename Parts>
int64_t Length(const Parts& parts) {
  int64_t length = 0;
  for (const auto& part : parts) length += static_cast<int64_t>(part.size());
  return length;
}

}  // namespace

LocalTransport::LocalTransport(std::shared_ptr<Hub> hub, Rank rank)
    : hub_(std::move(hub)),
      rank_(rank),
      spin_(hub_->world_size() > 1 && hub_->world_size() <= static_cast<int>(std::thread::hardware_concurrency())),
      last_heartbeat_(Clock::now()) {}

LocalTransport::~LocalTransport() { hub_->Close(rank_); }

arrow::Status LocalTransport::CheckUsable(Rank peer) const {
  if (peer < 0 || peer >= world_size()) {
    return arrow::Status::Invalid("rank ", peer, " is not in the world of ", world_size());
  }
  const std::lock_guard lock(hub_->box(rank_).mutex);
  if (hub_->box(rank_).closed) return arrow::Status::Invalid("the transport of rank ", rank_, " is closed");
  return hub_->box(rank_).failure;
}

arrow::Result<OperationPtr> LocalTransport::Send(Rank to, Tag tag, std::vector<ConstBytes> parts, Owner owner) {
  ARROW_RETURN_NOT_OK(CheckUsable(to));
  auto operation = std::make_shared<LocalOperation>(rank_, to, tag, std::move(owner));
  operation->length = Length(parts);
  operation->source = std::move(parts);
  hub_->Send(operation);
  return operation;
}

arrow::Result<OperationPtr> LocalTransport::Recv(Rank from, Tag tag, std::vector<MutableBytes> parts, Owner owner) {
  ARROW_RETURN_NOT_OK(CheckUsable(from));
  auto operation = std::make_shared<LocalOperation>(from, rank_, tag, std::move(owner));
  operation->receive = true;
  operation->length = Length(parts);
  operation->sink = std::move(parts);
  hub_->Recv(operation);
  return operation;
}

bool LocalTransport::SpinUntilCompleted() const {
  const auto& completed = hub_->box(rank_).completed;
  const auto end = Clock::now() + kSpin;
  do {
    for (int i = 0; i < 64; ++i) {
      if (completed.load(std::memory_order_acquire) != seen_) return true;
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
    }
  } while (Clock::now() < end);
  return false;
}

arrow::Status LocalTransport::Progress(Duration max_wait) {
  Mailbox& mine = hub_->box(rank_);
  if (mine.completed.load(std::memory_order_acquire) == seen_) {
    const bool done = spin_ && max_wait > kSpin && SpinUntilCompleted();
    const Deadline deadline = Deadline::After(max_wait);
    while (!done) {
      if (Clock::now() - last_heartbeat_ >= kHeartbeat) {
        last_heartbeat_ = Clock::now();
        hub_->SendHeartbeats(rank_);
      }
      std::unique_lock lock(mine.mutex);
      if (mine.completed.load(std::memory_order_relaxed) != seen_ || !mine.failure.ok() || deadline.Passed()) break;
      mine.waiting = true;
      mine.changed.wait_until(lock, std::min(deadline.when(), last_heartbeat_ + kHeartbeat));
      mine.waiting = false;
    }
  }
  seen_ = mine.completed.load(std::memory_order_acquire);
  return failure();
}

void LocalTransport::Cancel(const OperationPtr& operation) {
  hub_->Cancel(std::static_pointer_cast<LocalOperation>(operation));
}

void LocalTransport::Abort(const arrow::Status& cause) { hub_->Abort(rank_, cause); }

arrow::Status LocalTransport::failure() const {
  const std::lock_guard lock(hub_->box(rank_).mutex);
  return hub_->box(rank_).failure;
}

void LocalTransport::SetHeartbeat(std::function<std::string()> make,
                                  std::function<arrow::Status(Rank, std::string_view)> check) {
  const std::lock_guard lock(hub_->box(rank_).mutex);
  hub_->box(rank_).make_heartbeat = std::move(make);
  hub_->box(rank_).check_heartbeat = std::move(check);
}

// Nothing to wait for: what was sent is with the peers already.
arrow::Status LocalTransport::Close(Deadline) {
  hub_->Close(rank_);
  return arrow::Status::OK();
}

std::vector<LinkInfo> LocalTransport::links() const {
  std::vector<LinkInfo> links;
  for (Rank peer = 0; peer < world_size(); ++peer) {
    const Traffic& traffic = hub_->box(rank_).traffic[static_cast<size_t>(peer)];
    LinkInfo& link = links.emplace_back();
    link.peer = peer;
    link.path = peer == rank_ ? "self" : "local";
    link.bytes_sent = traffic.bytes_sent;
    link.bytes_received = traffic.bytes_received;
    link.messages_sent = traffic.messages_sent;
    link.messages_received = traffic.messages_received;
    link.left = hub_->box(peer).closed;
  }
  return links;
}

arrow::Result<std::vector<std::unique_ptr<Transport>>> MakeTransports(int world_size) {
  if (world_size < 1) return arrow::Status::Invalid("a world has at least one rank, not ", world_size);
  const auto hub = std::make_shared<Hub>(world_size);
  std::vector<std::unique_ptr<Transport>> transports;
  for (Rank rank = 0; rank < world_size; ++rank) transports.push_back(std::make_unique<LocalTransport>(hub, rank));
  return transports;
}

}  // namespace weft::local
