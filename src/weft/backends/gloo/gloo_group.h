// What Gloo's algorithms see: a context over some ranks of a mesh, whose waits can be ended.
#pragma once

#include <gloo/context.h>
#include <gloo/transport/context.h>
#include <gloo/transport/unbound_buffer.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "weft/backends/gloo/gloo_mesh.h"
#include "weft/base/types.h"

namespace weft::gloo {

/// The waits of one run of an algorithm. Thread-safe.
class GroupWaits {
 public:
  using Buffer = ::gloo::transport::UnboundBuffer;

  void Add(Buffer* buffer);
  void Remove(Buffer* buffer);
  /// Ends all waits, and those that begin later.
  void Interrupt();
  bool interrupted() const { return interrupted_.load(); }

  /// One message to or from `peer`, a rank of the mesh, is under way, or has ended.
  void Count(Rank peer, int change);
  std::vector<Rank> peers() const;

 private:
  mutable std::mutex mutex_;
  std::atomic<bool> interrupted_{false};
  std::set<Buffer*> buffers_;
  std::map<Rank, int> under_way_;
};

/// A hash: SplitMix64 (Steele, Lea, Flood 2014).
uint64_t Mix(uint64_t x);

/// Ranks of a mesh, in the order of their communicator.
struct Group {
  std::shared_ptr<Mesh> mesh;
  uint64_t id = 0;  // alike on its ranks, and of no other group with one of them
  Rank rank = 0;
  std::vector<Rank> ranks;
};

/// A context for one run. Gloo ends the process where a message is longer than its receive; here the length is part of
/// what messages are matched by, so such a pair never meets, and heartbeats find what differs.
std::shared_ptr<::gloo::Context> MakeGroupContext(const Group& group, std::shared_ptr<GroupWaits> waits);

}  // namespace weft::gloo
