// The thread that makes broken links again, and what it and the transport have to say to each other.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "weft/backends/tcp/byte_stream.h"
#include "weft/backends/tcp/tcp_transport.h"

namespace weft::tcp {

class Linker;

/// News of the linker's for the transport.
struct Remade {
  enum class Kind : uint8_t {
    kLinked,  // `made` is the new link
    kLost,    // there will be none: `why`
    kWanted,  // the peer asks for one, so the present one may have broken without this rank's seeing it
  };
  Kind kind = Kind::kLost;
  Rank peer = -1;
  uint32_t links = 0;  // how many links there have been with the peer, this one included
  LinkedPeer made;
  std::string why;
};

/// Runs Linker::Serve in a thread of its own, which sleeps while all links are well and blocks all signals. The
/// transport calls it with its own mutex held; the thread never calls the transport. Thread-safe.
class Relinker {
 public:
  /// `linker` has linked all ranks.
  explicit Relinker(std::unique_ptr<Linker> linker);
  /// Stops.
  ~Relinker();
  arrow::Status Start();

  // For the transport.
  /// Readable while there are news.
  int descriptor() const { return news_ready_.get(); }
  std::vector<Remade> Take();
  /// The link to `peer`, the `links`-th one, has broken.
  void Break(Rank peer, uint32_t links);
  /// What has been tried since then, for people.
  std::string Tried(Rank peer) const;
  /// Ends the thread and closes the port; no link is made from now on.
  void Stop();
  /// In a forked child: nothing of it is this process'.
  static void Abandon(std::unique_ptr<Relinker> relinker);

  // For the linker.
  struct Orders {
    bool stop = false;
    std::vector<std::pair<Rank, uint32_t>> broken;
  };
  int orders_descriptor() const { return orders_ready_.get(); }
  Orders TakeOrders();
  void Tell(Remade news);
  void Note(Rank peer, int64_t tries, const std::string& trouble);

 private:
  struct Attempt {
    int64_t tries = 0;
    std::string trouble;
  };

  std::unique_ptr<Linker> linker_;
  Descriptor news_ready_;
  Descriptor orders_ready_;
  mutable std::mutex mutex_;  // over the next three
  std::vector<Remade> news_;
  Orders orders_;
  std::vector<Attempt> attempts_;  // by peer
  std::thread thread_;
};

}  // namespace weft::tcp
