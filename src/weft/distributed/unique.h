// Distinct rows over all ranks.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"
#include "weft/distributed/placement.h"
#include "weft/kernels/unique.h"

namespace weft::distributed {

/// Collective. Of each set of duplicates the first, the last or none by (rank, row). The row that stays lies on the
/// rank its key hashes to (combine, shuffle, reduce); with options.maintain_order, and for kNone, it stays where it
/// was. `lies`: where the rows of the table lie, then those of the result; where duplicates lie on one rank, nothing
/// travels.
arrow::Result<std::shared_ptr<arrow::Table>> Unique(Communicator& communicator, std::shared_ptr<arrow::Table> table,
                                                    const kernels::UniqueOptions& options, const Context& context,
                                                    Placement* lies = nullptr);

/// Collective. This rank's rows that Unique keeps of the whole, ascending. Of each set of a rank's duplicates one key
/// travels, and one bit comes back.
arrow::Result<kernels::PoolArray<int64_t>> KeptRows(Communicator& communicator,
                                                    const std::shared_ptr<arrow::Table>& table,
                                                    const kernels::UniqueOptions& options, const Context& context);

/// Collective. For each of `columns`, how many different values all ranks have in it together: the same on every rank.
/// Missing values (null, NaN) are one value, or with `drop_missing` none.
arrow::Result<std::vector<int64_t>> CountDistinct(Communicator& communicator,
                                                  const std::shared_ptr<arrow::Table>& table,
                                                  const std::vector<int>& columns, bool drop_missing,
                                                  const Context& context);

}  // namespace weft::distributed
