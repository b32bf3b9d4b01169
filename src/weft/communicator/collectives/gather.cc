#include "weft/communicator/collectives/collectives.h"

namespace weft {

// Linear: the other ranks do not know the counts, and every block goes over the root's link once in any case.
void AddGather(Schedule& schedule, ConstBytes send, std::byte* recv, const Blocks& blocks, Rank root) {
  if (schedule.rank() != root) {
    schedule.Send(root, send);
    schedule.EndRound();
    return;
  }
  for (int i = 1; i < schedule.size(); ++i) {
    const Rank from = (root + i) % schedule.size();
    schedule.Recv(from, blocks.of(recv, from));
  }
  schedule.Copy(send, recv + blocks.at(root));
  schedule.EndRound();
}

void AddScatter(Schedule& schedule, const std::byte* send, const Blocks& blocks, MutableBytes recv, Rank root) {
  if (schedule.rank() != root) {
    schedule.Recv(root, recv);
    schedule.EndRound();
    return;
  }
  for (int i = 1; i < schedule.size(); ++i) {
    const Rank to = (root + i) % schedule.size();
    schedule.Send(to, blocks.of(send, to));
  }
  schedule.Copy(blocks.of(send, root), recv.data());
  schedule.EndRound();
}

}  // namespace weft
