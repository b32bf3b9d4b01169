// One collective of UCC's under way.
#pragma once

#include <ucc/api/ucc.h>

#include <memory>
#include <vector>

#include "weft/backends/ucc/ucc_library.h"
#include "weft/communicator/native_collectives.h"

namespace weft::ucc {

/// Counts and displacements as UCC takes them: 64 bits each.
struct BlockTable {
  BlockTable() = default;
  BlockTable(const Blocks& blocks, int size);
  ucc_count_t* counts_data() { return counts.data(); }
  ucc_aint_t* displacements_data() { return displacements.data(); }

  std::vector<ucc_count_t> counts;
  std::vector<ucc_aint_t> displacements;
};

class UccCollective : public NativeCollective {
 public:
  UccCollective(std::shared_ptr<UccLibrary> library, const ucc_coll_args_t& arguments)
      : arguments(arguments), library_(std::move(library)) {}
  ~UccCollective() override;

  /// Takes the next place in the team's order, with the lock held. What UCC says where it does not do it.
  ucc_status_t Init(ucc_team_h team);
  arrow::Result<bool> Test() override;
  void Abandon(Owner memory) override;

  /// Elements of `size` bytes at an address that is no multiple of it: UCC sees an aligned copy. So it does where
  /// `copy`.
  const std::byte* Aligned(const std::byte* send, int64_t bytes, int64_t size, bool copy = false);
  std::byte* Aligned(std::byte* recv, int64_t bytes, int64_t size, bool holds_input);

  ucc_coll_args_t arguments;
  BlockTable source;
  BlockTable destination;

 private:
  enum class State { kNone, kReady, kPosted, kDone };

  const std::shared_ptr<UccLibrary> library_;
  ucc_coll_req_h request_ = nullptr;
  State state_ = State::kNone;
  std::vector<std::byte> aligned_send_;
  std::vector<std::byte> aligned_recv_;
  std::byte* recv_ = nullptr;  // where aligned_recv_ goes in the end
};

}  // namespace weft::ucc
