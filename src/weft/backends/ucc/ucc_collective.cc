#include "weft/backends/ucc/ucc_collective.h"

#include <cstring>
#include <utility>

namespace weft::ucc {
namespace {

bool IsAligned(const std::byte* address, int64_t size) {
  return reinterpret_cast<uintptr_t>(address) % static_cast<uintptr_t>(size) == 0;
}

}  // namespace

BlockTable::BlockTable(const Blocks& blocks, int size) {
  for (Rank rank = 0; rank < size; ++rank) {
    counts.push_back(static_cast<ucc_count_t>(blocks.size(rank)));
    displacements.push_back(static_cast<ucc_aint_t>(blocks.at(rank)));
  }
}

UccCollective::~UccCollective() {
  if (state_ != State::kReady) return;
  // Never started. Where UCC is in use by another thread its small record of it stays.
  const std::unique_lock lock(library_->mutex(), std::try_to_lock);
  if (lock.owns_lock()) ucc_collective_finalize(request_);
}

ucc_status_t UccCollective::Init(ucc_team_h team) {
  const ucc_status_t status = ucc_collective_init(&arguments, &request_, team);
  if (status == UCC_OK) state_ = State::kReady;
  return status;
}

const std::byte* UccCollective::Aligned(const std::byte* send, int64_t bytes, int64_t size, bool copy) {
  if (bytes == 0 || (IsAligned(send, size) && !copy)) return send;
  aligned_send_.assign(send, send + bytes);
  return aligned_send_.data();
}

std::byte* UccCollective::Aligned(std::byte* recv, int64_t bytes, int64_t size, bool holds_input) {
  if (bytes == 0 || IsAligned(recv, size)) return recv;
  aligned_recv_.resize(static_cast<size_t>(bytes));
  if (holds_input) std::memcpy(aligned_recv_.data(), recv, static_cast<size_t>(bytes));
  recv_ = recv;
  return aligned_recv_.data();
}

arrow::Result<bool> UccCollective::Test() {
  const std::unique_lock lock(library_->mutex(), std::try_to_lock);
  if (!lock.owns_lock()) return false;
  if (state_ == State::kReady) {
    const ucc_status_t posted = ucc_collective_post(request_);
    if (posted < 0) return UccError("starting a collective", posted);
    state_ = State::kPosted;
  }
  ucc_context_progress(library_->context());
  const ucc_status_t status = ucc_collective_test(request_);
  if (status == UCC_INPROGRESS) return false;
  if (status < 0) return UccError("a collective; do all ranks give agreeing lengths?", status);
  state_ = State::kDone;
  ucc_collective_finalize(request_);
  if (recv_ != nullptr) std::memcpy(recv_, aligned_recv_.data(), aligned_recv_.size());
  return true;
}

void UccCollective::Abandon(Owner memory) {
  if (state_ != State::kPosted) return;
  state_ = State::kDone;
  // What UCC reads and writes: the caller's memory, the tables of counts, the aligned copies.
  struct Kept {
    Owner memory;
    BlockTable source;
    BlockTable destination;
    std::vector<std::byte> send;
    std::vector<std::byte> recv;
  };
  library_->Abandon(std::make_shared<Kept>(Kept{std::move(memory), std::move(source), std::move(destination),
                                                std::move(aligned_send_), std::move(aligned_recv_)}));
}

}  // namespace weft::ucc
