#include "weft/communicator/agreement.h"

#include <arrow/type.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <vector>

#include "weft/base/communication_error.h"
#include "weft/communicator/collectives/collectives.h"

namespace weft {
namespace {

arrow::Status CheckGathered(const Schedule& schedule, ConstBytes data) {
  std::vector<CollectiveCall> calls(static_cast<size_t>(schedule.size()));
  std::memcpy(calls.data(), data.data(), data.size());
  return CheckAlike(schedule.rank(), calls);
}

}  // namespace

arrow::Status CheckAlike(Rank rank, std::span<const CollectiveCall> calls) {
  if (std::all_of(calls.begin(), calls.end(), [&](const CollectiveCall& call) { return call == calls[0]; })) {
    return arrow::Status::OK();
  }
  std::map<std::string, std::vector<size_t>> callers;
  for (size_t i = 0; i < calls.size(); ++i) callers[calls[i].Describe()].push_back(i);
  std::string text = kDifferentCollectives;
  const char* separator = ": ";
  for (const auto& [call, ranks] : callers) {
    text += separator;
    text += ranks.size() == 1 ? "rank" : "ranks";
    for (size_t i = 0; i < ranks.size() && i < 8; ++i) text += (i == 0 ? " " : ", ") + std::to_string(ranks[i]);
    if (ranks.size() > 8) text += " and " + std::to_string(ranks.size() - 8) + " more";
    text += (ranks.size() == 1 ? " calls " : " call ") + call;
    separator = "; ";
  }
  return MakeCommunicationError({.failure = CommunicationFailure::kMismatch, .phase = "agreement", .rank = rank}, text);
}

const char* CollectiveName(Collective collective) {
  switch (collective) {
    case Collective::kNone:
      return "nothing";
    case Collective::kBarrier:
      return "barrier";
    case Collective::kBroadcast:
      return "broadcast";
    case Collective::kGather:
      return "gather";
    case Collective::kAllgather:
      return "allgather";
    case Collective::kScatter:
      return "scatter";
    case Collective::kAlltoall:
      return "alltoall";
    case Collective::kReduce:
      return "reduce";
    case Collective::kAllreduce:
      return "allreduce";
    case Collective::kReduceScatter:
      return "reduce_scatter";
    case Collective::kScan:
      return "scan";
    case Collective::kSplit:
      return "split";
    case Collective::kShuffleRows:
      return "shuffle of rows";
    case Collective::kGatherRows:
      return "gather of rows";
    case Collective::kAllgatherRows:
      return "allgather of rows";
    case Collective::kBroadcastRows:
      return "broadcast of rows";
  }
  return "unknown";
}

void CollectiveCall::SetReduction(const Reduction& reduction, int64_t size) {
  element_size = size;
  if (reduction.function) return;
  type = static_cast<uint16_t>(static_cast<unsigned>(reduction.type) + 1U);
  op = static_cast<uint8_t>(reduction.op);
}

void CollectiveCall::SetCounts(std::span<const int64_t> counts) {
  // FNV-1a (Fowler, Noll, Vo) over the counts as words.
  counts_hash = 0xcbf29ce484222325ULL;
  for (const int64_t value : counts) counts_hash = (counts_hash ^ static_cast<uint64_t>(value)) * 0x100000001b3ULL;
}

std::string CollectiveCall::Describe() const {
  std::string text = CollectiveName(collective);
  if (element_size > 0) {
    if (count >= 0) text += " of " + std::to_string(count);
    text += type == 0 ? " elements of " + std::to_string(element_size) + " bytes by a function"
                      : " " + arrow::internal::ToTypeName(static_cast<arrow::Type::type>(type - 1)) + " by " +
                            std::string(ReduceOpName(static_cast<ReduceOp>(op)));
  } else if (count >= 0) {
    text += " of " + std::to_string(count) + " bytes";
  }
  if (counts_hash != 0) {
    char number[32];
    std::snprintf(number, sizeof(number), "%08x", static_cast<unsigned>(counts_hash ^ (counts_hash >> 32)));
    text += std::string(" with counts #") + number;
  }
  if (root >= 0) text += " with root " + std::to_string(root);
  return text;
}

void AddAgreement(Schedule& schedule, const CollectiveCall& call) {
  constexpr auto kSize = static_cast<int64_t>(sizeof(CollectiveCall));
  const MutableBytes all = schedule.Temporary(kSize * schedule.size());
  const MutableBytes own = schedule.Temporary(kSize);
  if (all.empty() || own.empty()) return;
  std::memcpy(own.data(), &call, sizeof(call));
  const std::vector<int64_t> counts(static_cast<size_t>(schedule.size()), kSize);
  AddBruckAllgather(schedule, own, all.data(), Blocks(counts, {}));
  schedule.AddCheck(&CheckGathered, all);
}

}  // namespace weft
