// An Ethernet switch in user space whose lines have a delay and a rate: this is what stands in for the netem that not
// every kernel has.
//
//   netlab_switch NETNS,INTERFACE,DELAY_US,BYTES_PER_SECOND ...
//
// Makes a TAP interface in each of the named network namespaces, prints "ready", and passes frames among them until it
// is ended. A frame takes the delay of the line it comes in by and that of the line it goes out by. A rate of 0 is
// none; a line with a rate drops what would wait for longer than 200 ms. Frames between two lines keep their order.
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <queue>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Mac = std::array<unsigned char, 6>;

constexpr size_t kMaxFrame = 2048;
constexpr int kFramesAtOnce = 64;
constexpr auto kMaxQueue = std::chrono::milliseconds(200);

struct Line {
  int fd = -1;
  Clock::duration delay{};
  double rate = 0;
  Clock::time_point free_at;  // of what has a rate
};

struct Frame {
  Clock::time_point due;
  uint64_t order = 0;
  size_t to = 0;
  std::string bytes;
  bool operator<(const Frame& other) const { return due != other.due ? due > other.due : order > other.order; }
};

int Fail(const std::string& what) {
  std::fprintf(stderr, "netlab_switch: %s: %s\n", what.c_str(), std::strerror(errno));
  return -1;
}

/// A TAP interface in the namespace, as a file descriptor; -1 where it cannot be had.
int OpenTap(const std::string& netns, const std::string& interface) {
  const std::string path = "/var/run/netns/" + netns;
  const int space = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (space < 0 || ::setns(space, CLONE_NEWNET) != 0) return Fail(path);
  ::close(space);
  const int fd = ::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return Fail("/dev/net/tun");
  ifreq request{};
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  std::snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface.c_str());
  if (::ioctl(fd, TUNSETIFF, &request) != 0) return Fail("TUNSETIFF " + interface);
  return fd;
}

bool ParseLine(const std::string& text, Line* line) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == ',') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  if (parts.size() != 4) return false;
  line->delay = std::chrono::microseconds(std::atoll(parts[2].c_str()));
  line->rate = std::atof(parts[3].c_str());
  line->fd = OpenTap(parts[0], parts[1]);
  return line->fd >= 0;
}

class Switch {
 public:
  explicit Switch(std::vector<Line> lines) : lines_(std::move(lines)) {}

  void Run() {
    std::vector<pollfd> polled;
    for (const Line& line : lines_) polled.push_back({line.fd, POLLIN, 0});
    for (;;) {
      timespec wait{3600, 0};
      if (!queue_.empty()) {
        const auto left = std::max(queue_.top().due - Clock::now(), Clock::duration::zero());
        const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(left).count();
        wait = {ns / 1'000'000'000, ns % 1'000'000'000};
      }
      ::ppoll(polled.data(), polled.size(), &wait, nullptr);
      for (size_t i = 0; i < lines_.size(); ++i) {
        if (polled[i].revents != 0) Read(i);
      }
      WriteDue();
    }
  }

 private:
  void Read(size_t from) {
    for (int count = 0; count < kFramesAtOnce; ++count) {
      char buffer[kMaxFrame];
      const ssize_t got = ::read(lines_[from].fd, buffer, sizeof(buffer));
      if (got < 14) return;
      const auto now = Clock::now();
      Mac target, source;
      std::memcpy(target.data(), buffer, 6);
      std::memcpy(source.data(), buffer + 6, 6);
      learned_[source] = from;
      const std::string bytes(buffer, static_cast<size_t>(got));
      const auto found = learned_.find(target);
      for (size_t to = 0; to < lines_.size(); ++to) {
        if (to != from && (found == learned_.end() || found->second == to)) Queue(from, to, bytes, now);
      }
    }
  }

  void Queue(size_t from, size_t to, const std::string& bytes, Clock::time_point now) {
    Clock::time_point at = now;
    if (!Occupy(lines_[from], bytes.size(), &at) || !Occupy(lines_[to], bytes.size(), &at)) return;
    queue_.push({at + lines_[from].delay + lines_[to].delay, ++order_, to, bytes});
  }

  /// Moves `at` to when the line has taken the frame; false where its queue is full.
  static bool Occupy(Line& line, size_t bytes, Clock::time_point* at) {
    if (line.rate <= 0) return true;
    const auto begin = std::max(*at, line.free_at);
    if (begin - *at > kMaxQueue) return false;
    const std::chrono::duration<double> length(static_cast<double>(bytes) / line.rate);
    line.free_at = begin + std::chrono::duration_cast<Clock::duration>(length);
    *at = line.free_at;
    return true;
  }

  void WriteDue() {
    const auto now = Clock::now();
    while (!queue_.empty() && queue_.top().due <= now) {
      const Frame& frame = queue_.top();
      // An interface that is down, or full, loses the frame.
      [[maybe_unused]] const ssize_t written = ::write(lines_[frame.to].fd, frame.bytes.data(), frame.bytes.size());
      queue_.pop();
    }
  }

  std::vector<Line> lines_;
  std::map<Mac, size_t> learned_;
  std::priority_queue<Frame> queue_;
  uint64_t order_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // Timers as exact as the kernel can.
  ::prctl(PR_SET_TIMERSLACK, 1);
  std::vector<Line> lines;
  for (int i = 1; i < argc; ++i) {
    Line line;
    if (!ParseLine(argv[i], &line)) return 1;
    lines.push_back(line);
  }
  std::printf("ready\n");
  std::fflush(stdout);
  Switch(std::move(lines)).Run();
  return 0;
}
