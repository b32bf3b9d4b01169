// Reading files by all ranks together.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>
#include <string>
#include <vector>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"
#include "weft/io/read.h"

namespace weft::distributed {

/// Collective. Each rank's share as io::ReadParquet has it (options.rank and world_size are set here), with one schema
/// on all ranks; a file that one rank cannot read is an error on every rank.
arrow::Result<std::shared_ptr<arrow::Table>> ReadParquet(Communicator& communicator,
                                                         const std::vector<std::string>& paths, io::ReadOptions options,
                                                         const Context& context);

/// Collective. As io::ReadCsv; column types inferred by different ranks are made to agree (integers widen to double,
/// anything else that differs is text).
arrow::Result<std::shared_ptr<arrow::Table>> ReadCsv(Communicator& communicator, const std::vector<std::string>& paths,
                                                     const io::CsvOptions& csv, io::ReadOptions options,
                                                     const Context& context);

}  // namespace weft::distributed
