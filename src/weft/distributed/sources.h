// Which files, and which part of them, is each rank's.
#pragma once

#include <arrow/result.h>

#include <string>
#include <string_view>
#include <vector>

#include "weft/communicator/communicator.h"
#include "weft/distributed/read.h"

namespace weft::distributed {

struct FileList {
  std::vector<io::DataFile> files;
  /// In bytes; 0 where they were not asked for.
  std::vector<int64_t> sizes;
};

/// Collective. Rank 0 looks, so that all ranks share out the very same files; with sources.own each rank has its own.
/// Then a world without any file is Status::Invalid.
arrow::Result<FileList> AgreeOnFiles(Communicator& communicator, const Sources& sources, const std::string& extension,
                                     io::Hive hive, bool with_sizes, std::string_view operation);

/// Collective. The error of the lowest rank that has one; else this rank's table, or, where it is nullptr because the
/// rank has nothing to read, an empty one of the others' schema, on which all must agree (Status::TypeError).
arrow::Result<std::shared_ptr<arrow::Table>> AgreeOnTable(Communicator& communicator,
                                                          arrow::Result<std::shared_ptr<arrow::Table>> table,
                                                          std::string_view operation, const Context& context);

}  // namespace weft::distributed
