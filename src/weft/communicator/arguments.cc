#include "weft/communicator/arguments.h"

#include <functional>
#include <limits>
#include <string>

namespace weft {

arrow::Status CheckRank(const char* operation, const char* what, Rank rank, int world_size) {
  if (rank >= 0 && rank < world_size) return arrow::Status::OK();
  return arrow::Status::Invalid(operation, ": ", what, " ", rank, " is not in the world of ", world_size, " ranks");
}

arrow::Status CheckBlocks(const char* operation, const char* what, const std::vector<int64_t>& counts,
                          const std::vector<int64_t>& displacements, size_t bytes, int world_size) {
  const auto size = static_cast<size_t>(world_size);
  if (counts.size() != size) {
    return arrow::Status::Invalid(operation, ": ", what, " counts have ", counts.size(), " entries for ", world_size,
                                  " ranks");
  }
  if (!displacements.empty() && displacements.size() != size) {
    return arrow::Status::Invalid(operation, ": ", what, " displacements have ", displacements.size(), " entries for ",
                                  world_size, " ranks");
  }
  const auto limit = static_cast<int64_t>(bytes);
  int64_t next = 0;
  for (size_t rank = 0; rank < size; ++rank) {
    const int64_t begin = displacements.empty() ? next : displacements[rank];
    if (counts[rank] < 0 || begin < 0) {
      return arrow::Status::Invalid(operation, ": ", what, " block of rank ", rank, " is negative: count ",
                                    counts[rank], ", displacement ", begin);
    }
    if (begin > limit || counts[rank] > limit - begin) {
      return arrow::Status::Invalid(operation, ": ", what, " block of rank ", rank, " (", counts[rank], " at ", begin,
                                    ") does not fit in the buffer of ", limit);
    }
    next = begin + counts[rank];
  }
  return arrow::Status::OK();
}

arrow::Status CheckElements(const char* operation, const char* what, int64_t count, int64_t element_size,
                            size_t bytes) {
  if (count < 0) return arrow::Status::Invalid(operation, ": count ", count, " is negative");
  if (count > std::numeric_limits<int64_t>::max() / element_size ||
      count * element_size > static_cast<int64_t>(bytes)) {
    return arrow::Status::Invalid(operation, ": ", count, " elements of ", element_size, " bytes do not fit in the ",
                                  what, " buffer of ", bytes, " bytes");
  }
  return arrow::Status::OK();
}

arrow::Status CheckOverlap(const char* operation, ConstBytes send, MutableBytes recv) {
  if (send.empty() || recv.empty() || send.data() == recv.data()) return arrow::Status::OK();
  const std::less<const std::byte*> before;
  const bool apart = !before(send.data(), recv.data() + recv.size()) || !before(recv.data(), send.data() + send.size());
  if (apart) return arrow::Status::OK();
  return arrow::Status::Invalid(operation,
                                ": the send and receive buffers overlap; give the same buffer twice to work ",
                                "in place, or two that are apart");
}

arrow::Status CheckOverlapAt(const char* operation, ConstBytes send, MutableBytes recv) {
  if (!send.empty() && !recv.empty() && send.data() == recv.data()) {
    return arrow::Status::Invalid(operation, ": the send and receive buffers overlap");
  }
  return CheckOverlap(operation, send, recv);
}

arrow::Status CheckInPlace(const char* operation, ConstBytes send, MutableBytes recv) {
  if (send.data() == recv.data() && send.size() == recv.size()) return arrow::Status::OK();
  return CheckOverlapAt(operation, send, recv);
}

arrow::Status CheckOwnBlock(const char* operation, ConstBytes send, MutableBytes recv, const Blocks& blocks,
                            Rank rank) {
  if (blocks.size(rank) != static_cast<int64_t>(send.size())) {
    return arrow::Status::Invalid(operation, ": rank ", rank, " sends ", send.size(), " bytes and its own count is ",
                                  blocks.size(rank));
  }
  if (send.data() == recv.data() + blocks.at(rank)) return arrow::Status::OK();
  return CheckOverlapAt(operation, send, recv);
}

arrow::Result<Reducer> CheckReduction(const char* operation, ConstBytes send, MutableBytes recv, int64_t count,
                                      const Reduction& reduction, bool receives) {
  auto made = Reducer::Make(reduction);
  if (!made.ok()) return made.status().WithMessage(operation, ": ", made.status().message());
  const int64_t element_size = made->element_size();
  ARROW_RETURN_NOT_OK(CheckElements(operation, "send", count, element_size, send.size()));
  if (receives) {
    ARROW_RETURN_NOT_OK(CheckElements(operation, "receive", count, element_size, recv.size()));
    const auto bytes = static_cast<size_t>(count * element_size);
    ARROW_RETURN_NOT_OK(CheckOverlap(operation, send.first(bytes), recv.first(bytes)));
  }
  return made;
}

}  // namespace weft
