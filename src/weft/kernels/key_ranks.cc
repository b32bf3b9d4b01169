#include "weft/kernels/key_ranks.h"

#include <arrow/array.h>
#include <arrow/chunked_array.h>
#include <arrow/util/bit_util.h>

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "weft/kernels/key_encoding.h"
#include "weft/kernels/pool_array.h"
#include "weft/table/dictionaries.h"

namespace weft::kernels {
namespace {

using arrow::Type;

/// Values are ordered where there are so many rows for each.
constexpr int64_t kRowsAValue = 32;
constexpr int32_t kNoRank = -1;

/// By value: its rank, or kNoRank for null.
arrow::Result<PoolArray<int32_t>> RankValues(const std::shared_ptr<arrow::ChunkedArray>& values, bool nan_is_null,
                                             const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto keys, KeyColumn::Make({values}, nan_is_null, context));
  ARROW_ASSIGN_OR_RAISE(auto order, PoolArray<int64_t>::Make(keys.rows(), context.pool));
  std::iota(order.begin(), order.end(), int64_t{0});
  const auto below = [&](int64_t a, int64_t b) { return CompareKeys(keys, a, keys, b, {}) < 0; };
  // Categories are often in order already.
  if (!std::is_sorted(order.begin(), order.end(), below)) std::sort(order.begin(), order.end(), below);
  ARROW_ASSIGN_OR_RAISE(auto ranks, PoolArray<int32_t>::Make(keys.rows(), context.pool));
  int32_t rank = 0;
  for (int64_t i = 0; i < keys.rows(); ++i) {
    if (i > 0 && CompareKeys(keys, order[i - 1], keys, order[i], {}) != 0) ++rank;
    ranks[order[i]] = keys.IsNull(order[i]) ? kNoRank : rank;
  }
  return ranks;
}

/// Writes the ranks of `length` rows, and clears the bits of those that have none; returns how many have one.
template <typename Index>
int64_t WriteRanks(const arrow::Array& indices, std::span<const int32_t> ranks, int32_t* out, uint8_t* valid) {
  const auto* values = indices.data()->GetValues<Index>(1);
  int64_t there = 0;
  for (int64_t i = 0; i < indices.length(); ++i) {
    // What lies under a null is no index.
    const int32_t rank = indices.IsNull(i) ? kNoRank : ranks[static_cast<size_t>(values[i])];
    out[i] = rank;
    there += rank != kNoRank ? 1 : 0;
    if (rank == kNoRank) arrow::bit_util::ClearBit(valid, i);
  }
  return there;
}

int64_t WriteRanksOf(const arrow::Array& indices, std::span<const int32_t> ranks, int32_t* out, uint8_t* valid) {
  switch (indices.type_id()) {
    case Type::INT8:
      return WriteRanks<int8_t>(indices, ranks, out, valid);
    case Type::UINT8:
      return WriteRanks<uint8_t>(indices, ranks, out, valid);
    case Type::INT16:
      return WriteRanks<int16_t>(indices, ranks, out, valid);
    case Type::UINT16:
      return WriteRanks<uint16_t>(indices, ranks, out, valid);
    case Type::INT32:
      return WriteRanks<int32_t>(indices, ranks, out, valid);
    case Type::UINT32:
      return WriteRanks<uint32_t>(indices, ranks, out, valid);
    case Type::INT64:
      return WriteRanks<int64_t>(indices, ranks, out, valid);
    default:
      return WriteRanks<uint64_t>(indices, ranks, out, valid);
  }
}

}  // namespace

arrow::Result<arrow::ArrayVector> RankDictionaries(const arrow::ArrayVector& chunks, bool nan_is_null,
                                                   const Context& context) {
  // Each dictionary once, one behind the other.
  std::map<table::DictionaryIdentity, int64_t> starts;
  arrow::ArrayVector dictionaries;
  std::vector<int64_t> start_of;
  int64_t rows = 0;
  int64_t values = 0;
  for (const auto& chunk : chunks) {
    const auto& dictionary = static_cast<const arrow::DictionaryArray&>(*chunk).dictionary();
    const auto [at, is_new] = starts.emplace(table::IdentityOf(*dictionary->data()), values);
    start_of.push_back(at->second);
    rows += chunk->length();
    if (!is_new) continue;
    dictionaries.push_back(dictionary);
    values += dictionary->length();
  }
  if (values > rows / kRowsAValue || values > std::numeric_limits<int32_t>::max()) return arrow::ArrayVector();
  const auto& type = static_cast<const arrow::DictionaryType&>(*chunks.front()->type()).value_type();
  ARROW_ASSIGN_OR_RAISE(
      const auto ranks,
      RankValues(std::make_shared<arrow::ChunkedArray>(std::move(dictionaries), type), nan_is_null, context));

  arrow::ArrayVector made(chunks.size());
  ARROW_RETURN_NOT_OK(ParallelFor(context, static_cast<int64_t>(chunks.size()), [&](int64_t c) -> arrow::Status {
    const auto& chunk = static_cast<const arrow::DictionaryArray&>(*chunks[static_cast<size_t>(c)]);
    const auto& indices = *chunk.indices();
    const int64_t length = indices.length();
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> out,
                          arrow::AllocateBuffer(length * static_cast<int64_t>(sizeof(int32_t)), context.pool));
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> valid, arrow::AllocateEmptyBitmap(length, context.pool));
    arrow::bit_util::SetBitsTo(valid->mutable_data(), 0, length, true);
    const auto own = ranks.span().subspan(static_cast<size_t>(start_of[static_cast<size_t>(c)]),
                                          static_cast<size_t>(chunk.dictionary()->length()));
    const int64_t there =
        WriteRanksOf(indices, own, reinterpret_cast<int32_t*>(out->mutable_data()), valid->mutable_data());
    if (there == length) valid = nullptr;
    made[static_cast<size_t>(c)] =
        std::make_shared<arrow::Int32Array>(length, std::move(out), std::move(valid), length - there);
    return arrow::Status::OK();
  }));
  return made;
}

}  // namespace weft::kernels
