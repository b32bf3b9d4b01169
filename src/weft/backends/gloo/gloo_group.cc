#include "weft/backends/gloo/gloo_group.h"

#include <gloo/common/error.h>
#include <gloo/transport/pair.h>

#include <utility>

namespace weft::gloo {
namespace {

/// Waits are ended by an interrupt, not by their time: that would close all connections.
constexpr auto kLong = std::chrono::milliseconds(std::chrono::hours(1));

class GroupBuffer : public ::gloo::transport::UnboundBuffer {
 public:
  GroupBuffer(const Group& group, std::shared_ptr<GroupWaits> waits, void* memory, size_t bytes)
      : UnboundBuffer(memory, bytes),
        group_(group),
        waits_(std::move(waits)),
        inner_(group_.mesh->context->createUnboundBuffer(memory, bytes)) {
    waits_->Add(inner_.get());
  }
  ~GroupBuffer() override { waits_->Remove(inner_.get()); }

  bool waitRecv(int* rank, std::chrono::milliseconds) override {
    return Wait(rank, [this](int* from) { return inner_->waitRecv(from, kLong); });
  }
  bool waitSend(int* rank, std::chrono::milliseconds) override {
    return Wait(rank, [this](int* to) { return inner_->waitSend(to, kLong); });
  }
  void abortWaitRecv() override { inner_->abortWaitRecv(); }
  void abortWaitSend() override { inner_->abortWaitSend(); }

  void send(int to, uint64_t slot, size_t offset, size_t bytes) override {
    const Rank peer = group_.ranks.at(static_cast<size_t>(to));
    const size_t length = bytes == kUnspecifiedByteCount ? size - offset : bytes;
    waits_->Count(peer, 1);
    inner_->send(peer, SlotFor(slot, length), offset, length);
  }
  void recv(int from, uint64_t slot, size_t offset, size_t bytes) override {
    const Rank peer = group_.ranks.at(static_cast<size_t>(from));
    const size_t length = bytes == kUnspecifiedByteCount ? size - offset : bytes;
    waits_->Count(peer, 1);
    inner_->recv(peer, SlotFor(slot, length), offset, length);
  }
  void recv(std::vector<int>, uint64_t, size_t, size_t) override {
    GLOO_THROW_INVALID_OPERATION_EXCEPTION("receives from any rank are not used by the algorithms that weft runs");
  }

 private:
  uint64_t SlotFor(uint64_t slot, size_t length) const { return Mix(Mix(Mix(slot) ^ group_.id) ^ length); }

  template <typename Call>
  bool Wait(int* rank, Call&& call) {
    int peer = -1;
    for (;;) {
      if (waits_->interrupted()) throw ::gloo::IoException("interrupted");
      if (call(&peer)) break;
    }
    waits_->Count(peer, -1);
    if (rank == nullptr) return true;
    for (size_t i = 0; i < group_.ranks.size(); ++i) {
      if (group_.ranks[i] == peer) *rank = static_cast<int>(i);
    }
    return true;
  }

  const Group& group_;
  const std::shared_ptr<GroupWaits> waits_;
  const std::unique_ptr<UnboundBuffer> inner_;
};

class GroupTransport : public ::gloo::transport::Context {
 public:
  GroupTransport(const Group& group, std::shared_ptr<GroupWaits> waits)
      : Context(group.rank, static_cast<int>(group.ranks.size())), group_(group), waits_(std::move(waits)) {
    setTimeout(kLong);
  }

  std::unique_ptr<::gloo::transport::Pair>& getPair(int peer) override {
    return group_.mesh->context->getPair(group_.ranks.at(static_cast<size_t>(peer)));
  }
  std::unique_ptr<::gloo::transport::Pair>& createPair(int peer) override { return getPair(peer); }
  std::unique_ptr<::gloo::transport::UnboundBuffer> createUnboundBuffer(void* memory, size_t bytes) override {
    return std::make_unique<GroupBuffer>(group_, waits_, memory, bytes);
  }

 private:
  const Group group_;
  const std::shared_ptr<GroupWaits> waits_;
};

class GroupContext : public ::gloo::Context {
 public:
  explicit GroupContext(std::shared_ptr<::gloo::transport::Context> transport)
      : Context(transport->rank, transport->size) {
    transportContext_ = std::move(transport);
    timeout_ = kLong;
  }
};

}  // namespace

uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

void GroupWaits::Add(Buffer* buffer) {
  const std::lock_guard lock(mutex_);
  buffers_.insert(buffer);
}

void GroupWaits::Remove(Buffer* buffer) {
  const std::lock_guard lock(mutex_);
  buffers_.erase(buffer);
}

void GroupWaits::Interrupt() {
  const std::lock_guard lock(mutex_);
  interrupted_.store(true);
  for (Buffer* buffer : buffers_) {
    buffer->abortWaitRecv();
    buffer->abortWaitSend();
  }
}

void GroupWaits::Count(Rank peer, int change) {
  const std::lock_guard lock(mutex_);
  under_way_[peer] += change;
}

std::vector<Rank> GroupWaits::peers() const {
  const std::lock_guard lock(mutex_);
  std::vector<Rank> peers;
  for (const auto& [peer, count] : under_way_) {
    if (count > 0) peers.push_back(peer);
  }
  return peers;
}

std::shared_ptr<::gloo::Context> MakeGroupContext(const Group& group, std::shared_ptr<GroupWaits> waits) {
  return std::make_shared<GroupContext>(std::make_shared<GroupTransport>(group, std::move(waits)));
}

}  // namespace weft::gloo
