#include "weft/distributed/read.h"

#include <string>
#include <utility>

#include "weft/distributed/sources.h"

namespace weft::distributed {
namespace {

using arrow::Result;
using TablePtr = std::shared_ptr<arrow::Table>;

/// A reader of one rank's share, as io has them: of all files, or, where they are its own, of those alone.
template <typename Read>
Result<TablePtr> ReadShares(Communicator& communicator, const Sources& sources, io::ReadOptions options,
                            const std::string& extension, io::Hive hive, std::string_view operation, const Read& read,
                            const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const FileList list, AgreeOnFiles(communicator, sources, extension, hive, false, operation));
  options.rank = sources.own ? 0 : communicator.rank();
  options.world_size = sources.own ? 1 : communicator.world_size();
  Result<TablePtr> table = TablePtr();
  if (!list.files.empty()) table = read(list.files, options);
  return AgreeOnTable(communicator, std::move(table), operation, context);
}

}  // namespace

Result<TablePtr> ReadParquet(Communicator& communicator, const Sources& sources, const io::ReadOptions& options,
                             io::Hive hive, const Context& context) {
  const auto read = [&](const std::vector<io::DataFile>& files, const io::ReadOptions& own) {
    return io::ReadParquet(files, own, context);
  };
  return ReadShares(communicator, sources, options, ".parquet", hive, "read_parquet", read, context);
}

Result<TablePtr> ReadIpc(Communicator& communicator, const Sources& sources, const io::ReadOptions& options,
                         const Context& context) {
  const auto read = [&](const std::vector<io::DataFile>& files, const io::ReadOptions& own) {
    return io::ReadIpc(files, own, context);
  };
  return ReadShares(communicator, sources, options, ".feather", io::Hive::kRefused, "read_ipc", read, context);
}

}  // namespace weft::distributed
