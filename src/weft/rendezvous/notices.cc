#include "weft/rendezvous/notices.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

namespace weft::rendezvous {
namespace {

/// No right server says as much before it is looked at.
constexpr size_t kMostKept = 1 << 16;

}  // namespace

Notices::Notices() : ready_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void Notices::Add(Notice notice) {
  const std::lock_guard lock(mutex_);
  if (list_.size() >= kMostKept) return;
  list_.push_back(std::move(notice));
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(ready_.fd(), &one, sizeof(one));
}

std::vector<Notice> Notices::Take() {
  const std::lock_guard lock(mutex_);
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(ready_.fd(), &count, sizeof(count));
  return std::exchange(list_, {});
}

bool Notices::AddFrame(MessageType type, std::string_view body) {
  Notice notice;
  notice.at = Clock::now();
  if (type == MessageType::kGo) {
    auto go = DecodeGo(body);
    if (!go.ok()) return false;
    notice.kind = Notice::Kind::kGo;
    notice.at += std::chrono::microseconds(go->wait_microseconds);
    notice.peer = go->peer;
    notice.go = *std::move(go);
  } else if (type == MessageType::kGone) {
    const auto gone = DecodeGone(body);
    if (!gone.ok()) return false;
    notice.kind = Notice::Kind::kGone;
    notice.peer = gone->peer;
    notice.reason = gone->reason;
  } else if (type == MessageType::kHere || type == MessageType::kWanted) {
    const auto peer = DecodeHere(body);
    if (!peer.ok()) return false;
    notice.kind = type == MessageType::kHere ? Notice::Kind::kHere : Notice::Kind::kWanted;
    notice.peer = *peer;
  } else {
    return false;
  }
  Add(std::move(notice));
  return true;
}

}  // namespace weft::rendezvous
