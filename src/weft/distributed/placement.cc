#include "weft/distributed/placement.h"

#include <algorithm>
#include <string>

namespace weft::distributed {
namespace {

/// Not 0 for an order; FNV-1a (Fowler, Noll, Vo).
uint64_t Fingerprint(const std::vector<int>& order) {
  if (order.empty()) return 0;
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (const int key : order) hash = (hash ^ static_cast<uint64_t>(key)) * 0x100000001b3ULL;
  return std::max<uint64_t>(hash, 1);
}

/// Which columns of `to` are any of `columns` of `from`.
std::vector<int> Carried(const std::vector<int>& columns, const arrow::Table& from, const arrow::Table& to) {
  std::vector<int> found;
  for (int c = 0; c < to.num_columns(); ++c) {
    const auto same = [&](int column) { return from.column(column) == to.column(c); };
    if (std::any_of(columns.begin(), columns.end(), same)) found.push_back(c);
  }
  return found;
}

}  // namespace

RowOrder::RowOrder(const Communicator& communicator, const kernels::SortOptions& options, uint64_t sort)
    : world_size_(communicator.world_size()),
      rank_(communicator.rank()),
      sort_(sort),
      nulls_first_(options.nulls_first),
      nan_is_null_(options.nan_is_null) {
  for (const auto& key : options.keys) keys_.push_back({{key.column}, key.ascending});
}

std::vector<int> RowOrder::Claim(const Communicator& communicator, const kernels::SortOptions& options) const {
  if (!Over(communicator) || options.nulls_first != nulls_first_ || options.nan_is_null != nan_is_null_) return {};
  if (options.keys.empty() || options.keys.size() > keys_.size()) return {};
  std::vector<int> claim = {static_cast<int>(sort_ & 0x7fffffff), static_cast<int>((sort_ >> 31) & 0x7fffffff)};
  for (size_t k = 0; k < options.keys.size(); ++k) {
    const auto& columns = keys_[k].columns;
    const auto& key = options.keys[k];
    if (key.ascending != keys_[k].ascending) return {};
    if (std::find(columns.begin(), columns.end(), key.column) == columns.end()) return {};
    claim.push_back(key.column);
  }
  return claim;
}

kernels::SortOptions RowOrder::Leading(const Communicator& communicator, const std::vector<int>& keys,
                                       bool nan_is_null) const {
  kernels::SortOptions leading{{}, nulls_first_, nan_is_null_};
  if (!Over(communicator) || nan_is_null != nan_is_null_) return leading;
  for (const Key& key : keys_) {
    const auto found = std::find_first_of(key.columns.begin(), key.columns.end(), keys.begin(), keys.end());
    if (found == key.columns.end()) break;
    leading.keys.push_back({*found, key.ascending});
  }
  return leading;
}

RowOrder RowOrder::CarriedTo(const arrow::Table& from, const arrow::Table& to) const {
  RowOrder carried = *this;
  carried.keys_.clear();
  for (const Key& key : keys_) {
    auto columns = Carried(key.columns, from, to);
    if (columns.empty()) break;
    carried.keys_.push_back({std::move(columns), key.ascending});
  }
  // Nothing known is one value.
  return carried.known() ? carried : RowOrder();
}

Placement::Placement(const Communicator& communicator, const std::vector<int>& keys, bool nan_is_null)
    : world_size_(communicator.world_size()), rank_(communicator.rank()), nan_is_null_(nan_is_null) {
  for (const int key : keys) columns_.push_back({key});
}

Placement::Placement(const Placement& like, std::vector<std::vector<int>> columns) : Placement(like) {
  order_ = RowOrder();
  columns_ = std::move(columns);
  const bool lost = std::any_of(columns_.begin(), columns_.end(), [](const auto& place) { return place.empty(); });
  if (lost || like.columns_.empty()) columns_.clear();
}

std::vector<int> Placement::KeyOrder(const Communicator& communicator, const std::vector<int>& keys,
                                     bool nan_is_null) const {
  if (communicator.world_size() != world_size_ || communicator.rank() != rank_ || nan_is_null != nan_is_null_) {
    return {};
  }
  std::vector<int> order;
  for (const auto& place : columns_) {
    const auto key = std::find_first_of(keys.begin(), keys.end(), place.begin(), place.end());
    if (key == keys.end()) return {};
    order.push_back(static_cast<int>(key - keys.begin()));
  }
  return order;
}

Placement Placement::CarriedTo(const arrow::Table& from, const arrow::Table& to) const {
  std::vector<std::vector<int>> carried;
  for (const auto& place : columns_) carried.push_back(Carried(place, from, to));
  Placement made(*this, std::move(carried));
  made.order_ = order_.CarriedTo(from, to);
  return made;
}

arrow::Result<std::vector<bool>> AgreeOrders(Communicator& communicator, const std::vector<std::vector<int>>& orders) {
  // The least print and the least complement: alike only if all are.
  std::vector<uint64_t> prints;
  for (const auto& order : orders) {
    prints.push_back(Fingerprint(order));
    prints.push_back(~Fingerprint(order));
  }
  const std::span<uint64_t> all(prints);
  const Reduction least{.type = arrow::Type::UINT64, .op = ReduceOp::kMin};
  ARROW_RETURN_NOT_OK(
      communicator.Allreduce(std::as_bytes(all), std::as_writable_bytes(all), static_cast<int64_t>(all.size()), least));
  std::vector<bool> agreed;
  for (size_t i = 0; i < orders.size(); ++i)
    agreed.push_back(prints[2 * i] != 0 && prints[2 * i] == ~prints[2 * i + 1]);
  return agreed;
}

arrow::Result<bool> Together(Communicator& communicator, const Placement* lies, const std::vector<int>& keys,
                             bool nan_is_null) {
  const auto order = lies == nullptr ? std::vector<int>{} : lies->KeyOrder(communicator, keys, nan_is_null);
  ARROW_ASSIGN_OR_RAISE(const auto agreed, AgreeOrders(communicator, {order}));
  return agreed[0];
}

std::vector<int> InOrder(const std::vector<int>& keys, const std::vector<int>& order) {
  std::vector<int> chosen;
  for (const int key : order) chosen.push_back(keys[static_cast<size_t>(key)]);
  return chosen;
}

}  // namespace weft::distributed
