#include <arrow/type.h>
#include <arrow/util/io_util.h>

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

#include "weft/base/byte_codec.h"
#include "weft/base/capped_pool.h"
#include "weft/base/open_files.h"
#include "weft/exchange/exchange.h"
#include "weft/table/runs.h"

namespace weft::exchange {
namespace {

/// The longest error text that is told to other ranks.
constexpr size_t kMaxText = 16 << 10;
/// No errno of Linux is as large.
constexpr uint64_t kMaxErrno = 4096;

/// The least of each number over all ranks.
template <size_t N>
arrow::Status AllreduceMin(Communicator& communicator, std::array<uint64_t, N>* values) {
  Reduction reduction;
  reduction.type = arrow::Type::UINT64;
  reduction.op = ReduceOp::kMin;
  std::array<uint64_t, N> result{};
  ARROW_RETURN_NOT_OK(communicator.Allreduce(AsBytes(std::span<const uint64_t>(*values)),
                                             std::as_writable_bytes(std::span<uint64_t>(result)),
                                             static_cast<int64_t>(N), reduction));
  *values = result;
  return arrow::Status::OK();
}

/// What this rank says of itself: its number where it fails, else the world size.
uint64_t Ballot(const Communicator& communicator, const arrow::Status& local) {
  return static_cast<uint64_t>(local.ok() ? communicator.world_size() : communicator.rank());
}

/// Collective: the error of rank `failed` on all ranks (its code, its errno where it has one, its text), on those that
/// have one their own.
arrow::Status FetchError(Communicator& communicator, Rank failed, const arrow::Status& local) {
  const std::string said = MessageWithErrno(local);
  std::array<uint64_t, 3> front = {static_cast<uint64_t>(local.code()), std::min<uint64_t>(said.size(), kMaxText),
                                   static_cast<uint64_t>(arrow::internal::ErrnoFromStatus(local))};
  ARROW_RETURN_NOT_OK(communicator.Broadcast(std::as_writable_bytes(std::span<uint64_t>(front)), failed));
  if (front[1] > kMaxText) return arrow::Status::Invalid("rank ", failed, " sent an error text that is too long");
  std::string text(front[1], '\0');
  if (communicator.rank() == failed) text = said.substr(0, front[1]);
  ARROW_RETURN_NOT_OK(communicator.Broadcast(std::as_writable_bytes(std::span<char>(text)), failed));
  // A rank that goes on to fail its communicator for this error must not overtake it: nobody leaves before all have it.
  // The barrier's own outcome says nothing more.
  [[maybe_unused]] const arrow::Status all_know = communicator.Barrier();
  if (!local.ok()) return local;
  const bool known = front[0] > 0 && front[0] <= static_cast<uint64_t>(arrow::StatusCode::AlreadyExists);
  const auto code = known ? static_cast<arrow::StatusCode>(front[0]) : arrow::StatusCode::UnknownError;
  auto detail = front[2] > 0 && front[2] < kMaxErrno
                    ? arrow::internal::StatusDetailFromErrno(static_cast<int>(front[2]))
                    : nullptr;
  return {code, "rank " + std::to_string(failed) + ": " + text, std::move(detail)};
}

/// Names and types without runs, as text.
std::string DescribeSchema(const arrow::Schema& schema) {
  ByteWriter out;
  out.Put(static_cast<uint32_t>(schema.num_fields()));
  for (const auto& field : schema.fields()) {
    out.PutString(field->name());
    out.PutString(table::WithoutRuns(field->type())->ToString());
  }
  return out.Take();
}

/// FNV-1a (Fowler, Noll, Vo): enough to tell schemas apart that nobody made to collide.
uint64_t Fingerprint(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

using NamesAndTypes = std::vector<std::pair<std::string, std::string>>;

arrow::Result<NamesAndTypes> ParseSchema(std::string_view bytes) {
  ByteReader in(bytes);
  ARROW_ASSIGN_OR_RAISE(const auto count, in.Get<uint32_t>());
  NamesAndTypes out;
  for (uint32_t i = 0; i < count; ++i) {
    ARROW_ASSIGN_OR_RAISE(const auto name, in.GetString());
    ARROW_ASSIGN_OR_RAISE(const auto type, in.GetString());
    out.emplace_back(name, type);
  }
  ARROW_RETURN_NOT_OK(in.Finish());
  return out;
}

/// Collective, when schemas differ: the first column in which a rank differs from rank 0.
arrow::Status DescribeDifference(Communicator& communicator, const std::string& mine, std::string_view operation) {
  ARROW_ASSIGN_OR_RAISE(const auto all, AllgatherBytes(communicator, mine));
  for (size_t rank = 1; rank < all.size(); ++rank) {
    if (all[rank] == all[0]) continue;
    ARROW_ASSIGN_OR_RAISE(const auto first, ParseSchema(all[0]));
    ARROW_ASSIGN_OR_RAISE(const auto other, ParseSchema(all[rank]));
    const auto column = [](const NamesAndTypes& schema, size_t i) {
      return i < schema.size() ? "'" + schema[i].first + "' of type " + schema[i].second : "missing";
    };
    size_t i = 0;
    while (i < std::min(first.size(), other.size()) && first[i] == other[i]) ++i;
    return arrow::Status::TypeError(operation, ": column ", i, " is ", column(first, i), " on rank 0 and ",
                                    column(other, i), " on rank ", rank,
                                    "; all ranks must have the same columns, cast or select them first");
  }
  return arrow::Status::UnknownError(operation, ": schemas differ but their descriptions do not");
}

}  // namespace

arrow::Status Agree(Communicator& communicator, const arrow::Status& outcome, std::string_view operation) {
  const arrow::Status local = NameOperator(operation, outcome);
  std::array<uint64_t, 1> ballot = {Ballot(communicator, local)};
  const arrow::Status reduced = AllreduceMin(communicator, &ballot);
  // Where this rank's error is that of the communicator itself, it says more than what follows from it.
  if (!reduced.ok()) return local.ok() ? reduced : local;
  if (ballot[0] >= static_cast<uint64_t>(communicator.world_size())) return local;
  return FetchError(communicator, static_cast<Rank>(ballot[0]), local);
}

arrow::Status AgreeSchema(Communicator& communicator, const arrow::Result<std::shared_ptr<arrow::Schema>>& local,
                          std::string_view operation) {
  const arrow::Status outcome = NameOperator(operation, local.status());
  const std::string mine = local.ok() ? DescribeSchema(**local) : std::string();
  const uint64_t print = Fingerprint(mine);
  // The least print and the least complement: alike only if all are.
  std::array<uint64_t, 3> ballot = {Ballot(communicator, outcome), print, ~print};
  const arrow::Status reduced = AllreduceMin(communicator, &ballot);
  if (!reduced.ok()) return outcome.ok() ? reduced : outcome;
  if (ballot[0] < static_cast<uint64_t>(communicator.world_size())) {
    return FetchError(communicator, static_cast<Rank>(ballot[0]), outcome);
  }
  if (ballot[1] == ~ballot[2]) return arrow::Status::OK();
  return DescribeDifference(communicator, mine, operation);
}

arrow::Result<std::vector<int64_t>> AllgatherCounts(Communicator& communicator, int64_t rows) {
  std::vector<int64_t> counts(static_cast<size_t>(communicator.world_size()));
  ARROW_RETURN_NOT_OK(communicator.Allgather(AsBytes(std::span<const int64_t>(&rows, 1)),
                                             std::as_writable_bytes(std::span<int64_t>(counts))));
  return counts;
}

arrow::Result<std::vector<std::string>> AllgatherBytes(Communicator& communicator, std::string_view bytes) {
  ARROW_ASSIGN_OR_RAISE(const auto counts, AllgatherCounts(communicator, static_cast<int64_t>(bytes.size())));
  int64_t total = 0;
  for (const int64_t count : counts) {
    if (count < 0 || __builtin_add_overflow(total, count, &total) || total > std::numeric_limits<int32_t>::max()) {
      return arrow::Status::Invalid("allgather of strings of more than 2 GiB in all");
    }
  }
  std::string all(static_cast<size_t>(total), '\0');
  ARROW_RETURN_NOT_OK(
      communicator.Allgatherv(AsBytes(bytes), std::as_writable_bytes(std::span<char>(all)), counts, {}));
  std::vector<std::string> out;
  size_t at = 0;
  for (const int64_t count : counts) {
    out.push_back(all.substr(at, static_cast<size_t>(count)));
    at += static_cast<size_t>(count);
  }
  return out;
}

}  // namespace weft::exchange
