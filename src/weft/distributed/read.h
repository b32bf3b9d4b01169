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

/// What to read. `own`: each rank has paths of its own and reads those alone, which may be none; else all ranks name
/// the same (rank 0's count) and share them out.
struct Sources {
  std::vector<std::string> paths;
  bool own = false;
};

/// Collective. Each rank's share as io::ReadParquet has it (options.rank and world_size are set here), with one schema
/// on all ranks; a file that one rank cannot read is an error on every rank.
arrow::Result<std::shared_ptr<arrow::Table>> ReadParquet(Communicator& communicator, const Sources& sources,
                                                         const io::ReadOptions& options, io::Hive hive,
                                                         const Context& context);

/// Collective. Each rank's share as io::ReadIpc has it, with one schema on all ranks.
arrow::Result<std::shared_ptr<arrow::Table>> ReadIpc(Communicator& communicator, const Sources& sources,
                                                     const io::ReadOptions& options, const Context& context);

/// Collective. As io::ReadJson, with types that fit all ranks' values. Files of json.split_bytes and more are cut at
/// lines into ranges of about the same number of bytes; rank order is file order.
arrow::Result<std::shared_ptr<arrow::Table>> ReadJson(Communicator& communicator, const Sources& sources,
                                                      const io::JsonOptions& json, const Context& context);

/// Collective. As io::ReadCsv, with types that fit all ranks' values. Files of csv.split_bytes and more are cut at
/// records into ranges of about the same number of bytes; rank order is file order. With csv.max_rows rank 0 reads all
/// of them.
arrow::Result<std::shared_ptr<arrow::Table>> ReadCsv(Communicator& communicator, const Sources& sources,
                                                     const io::CsvOptions& csv, const io::ReadOptions& options,
                                                     const Context& context);

}  // namespace weft::distributed
