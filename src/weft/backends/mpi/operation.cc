#include "weft/backends/mpi/operation.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace weft::mpi {

std::byte* Operation::Temporary(int64_t size) {
  // Never the same place twice: Open MPI takes equal addresses for "in place".
  const auto wanted = std::max<size_t>(1, static_cast<size_t>(size));
  if (wanted <= sizeof(inline_) - inline_used_) {
    std::byte* const found = inline_ + inline_used_;
    inline_used_ = std::min(sizeof(inline_), (inline_used_ + wanted + 15) / 16 * 16);
    return found;
  }
  std::unique_ptr<std::byte[]> block(new (std::nothrow) std::byte[wanted]);
  if (block == nullptr) {
    out_of_memory_ = true;
    return nullptr;
  }
  memory_.push_back(std::move(block));
  return memory_.back().get();
}

const std::byte* Operation::Copy(ConstBytes data) {
  std::byte* const copy = Temporary(static_cast<int64_t>(data.size()));
  if (copy != nullptr && !data.empty()) std::memcpy(copy, data.data(), data.size());
  return copy;
}

const std::byte* Operation::In(ConstBytes data) { return owner != nullptr || data.empty() ? data.data() : Copy(data); }

std::byte* Operation::Out(MutableBytes data) {
  if (owner != nullptr || data.empty()) return data.data();
  std::byte* const copy = Temporary(static_cast<int64_t>(data.size()));
  if (copy != nullptr) copies_back_.push_back({copy, data});
  return copy;
}

const std::byte* Operation::In(const std::byte* base, Blocks* blocks) {
  if (owner != nullptr) return base;
  std::byte* const copy = Temporary(blocks->total());
  if (copy == nullptr) return nullptr;
  const Blocks packed(std::vector<int64_t>(blocks->counts().begin(), blocks->counts().end()), {});
  for (size_t i = 0; i < packed.counts().size(); ++i) {
    const auto rank = static_cast<Rank>(i);
    const ConstBytes block = blocks->of(base, rank);
    if (!block.empty()) std::memcpy(copy + packed.at(rank), block.data(), block.size());
  }
  *blocks = packed;
  return copy;
}

std::byte* Operation::OutPacked(std::byte* base, Blocks* blocks) {
  std::byte* const copy = Temporary(blocks->total());
  if (copy == nullptr) return nullptr;
  const Blocks packed(std::vector<int64_t>(blocks->counts().begin(), blocks->counts().end()), {});
  for (size_t i = 0; i < packed.counts().size(); ++i) {
    const auto rank = static_cast<Rank>(i);
    const MutableBytes block = blocks->of(base, rank);
    if (!block.empty()) copies_back_.push_back({copy + packed.at(rank), block});
  }
  *blocks = packed;
  return copy;
}

std::byte* Operation::OutParts(const std::vector<MutableBytes>& parts, int64_t total) {
  std::byte* const whole = Temporary(total);
  if (whole == nullptr) return nullptr;
  const std::byte* next = whole;
  for (const MutableBytes part : parts) {
    copies_back_.push_back({next, part});
    next += part.size();
  }
  return whole;
}

const Typed& Operation::Keep(const Typed& typed) {
  if (typed.made) types_.push_back(typed);
  return typed;
}

void Operation::Deliver() {
  int64_t left = receive ? received : INT64_MAX;
  for (const CopyBack& copy : copies_back_) {
    const auto size = std::min<int64_t>(left, static_cast<int64_t>(copy.to.size()));
    if (size > 0) std::memcpy(copy.to.data(), copy.from, static_cast<size_t>(size));
    left -= size;
  }
}

void Operation::Release() {
  for (Typed& typed : types_) MPI_Type_free(&typed.type);
  types_.clear();
  mpi::Release(reduction);
  launch = nullptr;
  copies_back_.clear();
  kept_.clear();
  memory_.clear();
  owner.reset();
}

}  // namespace weft::mpi
