#include "weft/communicator/process_watch.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <charconv>

#include "weft/base/host_identity.h"
#include "weft/base/process_state.h"

namespace weft {
namespace {

std::string Host() { return HostIdentity({"pid"}) + " "; }

}  // namespace

ProcessWatch::ProcessWatch() = default;

ProcessWatch::~ProcessWatch() {
  for (const int watched : watched_) {
    if (watched >= 0) ::close(watched);
  }
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::string ProcessWatch::Identity() {
  return Host() + std::to_string(::getpid()) + " " + std::to_string(ProcessStart(::getpid()));
}

void ProcessWatch::Add(Rank peer, const std::string& identity) {
  const std::string host = Host();
  pid_t process = 0;
  uint64_t start = 0;
  if (!identity.starts_with(host)) return;
  const char* const end = identity.data() + identity.size();
  const char* const space = std::from_chars(identity.data() + host.size(), end, process).ptr;
  if (space == end || std::from_chars(space + 1, end, start).ptr != end || process == ::getpid()) return;
  const int opened = OpenProcessEnd(process, start);
  if (opened < 0) return;
  if (descriptor_ < 0) descriptor_ = ::epoll_create1(EPOLL_CLOEXEC);
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.u32 = static_cast<uint32_t>(peer);
  if (descriptor_ < 0 || ::epoll_ctl(descriptor_, EPOLL_CTL_ADD, opened, &event) != 0) {
    ::close(opened);
    return;
  }
  if (watched_.size() <= static_cast<size_t>(peer)) watched_.resize(static_cast<size_t>(peer) + 1, -1);
  watched_[static_cast<size_t>(peer)] = opened;
  processes_.resize(watched_.size(), 0);
  processes_[static_cast<size_t>(peer)] = process;
}

std::vector<Rank> ProcessWatch::Ended() {
  std::vector<Rank> ended;
  if (descriptor_ < 0) return ended;
  epoll_event events[16];
  for (;;) {
    const int count = ::epoll_wait(descriptor_, events, 16, 0);
    if (count <= 0) return ended;
    for (int i = 0; i < count; ++i) {
      const auto peer = static_cast<Rank>(events[i].data.u32);
      int& watched = watched_[static_cast<size_t>(peer)];
      ::epoll_ctl(descriptor_, EPOLL_CTL_DEL, watched, nullptr);
      ::close(watched);
      watched = -1;
      ended.push_back(peer);
    }
  }
}

}  // namespace weft
