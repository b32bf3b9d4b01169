#include "weft/distributed/sample.h"

#include "weft/distributed/places.h"
#include "weft/distributed/slice.h"
#include "weft/exchange/exchange.h"
#include "weft/kernels/gather.h"
#include "weft/kernels/permutation.h"
#include "weft/kernels/pool_array.h"

namespace weft::distributed {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;

/// Which of `total` rows stand at the places [begin, end) of the sample.
arrow::Result<kernels::PoolArray<int64_t>> Choose(const SampleOptions& options, int64_t total, int64_t begin,
                                                  int64_t end, const Context& context) {
  if (options.rows < 0) return arrow::Status::Invalid("sample: ", options.rows, " rows are asked for");
  if (options.rows > 0 && total == 0) return arrow::Status::Invalid("sample: the frame has no rows to choose from");
  if (!options.replace && options.rows > total) {
    return arrow::Status::Invalid("sample: ", options.rows, " rows are asked for where there are ", total,
                                  "; replace=True chooses rows again");
  }
  ARROW_ASSIGN_OR_RAISE(auto chosen, kernels::PoolArray<int64_t>::Make(end - begin, context.pool));
  const kernels::Permutation permutation(total, options.seed);
  for (int64_t place = begin; place < end; ++place) {
    int64_t& row = chosen[place - begin];
    if (options.replace) {
      // Lemire's multiplication, "Fast random integer generation in an interval", TOMACS 2019; its bias is below 2^-64
      // total.
      const auto bits = kernels::RandomBits(options.seed, static_cast<uint64_t>(place));
      row = static_cast<int64_t>((static_cast<unsigned __int128>(bits) * static_cast<uint64_t>(total)) >> 64);
    } else {
      row = permutation(place);
    }
  }
  return chosen;
}

}  // namespace

arrow::Result<TablePtr> Sample(Communicator& communicator, const TablePtr& table, const SampleOptions& options,
                               const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const int64_t total, TotalRows(communicator, *table));
  const auto ends = EvenEnds(options.rows, communicator.world_size());
  const auto rank = static_cast<size_t>(communicator.rank());
  const auto chosen = Choose(options, total, rank == 0 ? 0 : ends[rank - 1], ends[rank], context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, chosen.status(), "sample"));
  return TakeRows(communicator, table, chosen->span(), context);
}

arrow::Result<TablePtr> Sample(const TablePtr& table, const SampleOptions& options, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto chosen, Choose(options, table->num_rows(), 0, options.rows, context));
  return kernels::GatherRows(table, chosen.span(), context);
}

}  // namespace weft::distributed
