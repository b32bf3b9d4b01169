#include "weft/distributed/write.h"

#include <utility>

#include "weft/exchange/exchange.h"

namespace weft::distributed {
namespace {

using arrow::Result;
using arrow::Status;

/// Ranks that were given different paths would write outputs that nobody has asked for.
Status SamePath(const std::vector<std::string>& paths) {
  for (size_t rank = 0; rank < paths.size(); ++rank) {
    if (paths[rank] == paths[0]) continue;
    return Status::Invalid("write: rank 0 writes '", paths[0], "', rank ", rank, " writes '", paths[rank],
                           "'; the path must be the same on all ranks");
  }
  return Status::OK();
}

/// Rank 0 makes all parts visible.
Status CommitParts(Communicator& communicator, io::Output& output, const std::string& part) {
  ARROW_ASSIGN_OR_RAISE(const auto parts, exchange::AllgatherBytes(communicator, part));
  Status committed;
  if (communicator.rank() == 0) committed = output.Commit(parts);
  return exchange::Agree(communicator, committed, "write");
}

}  // namespace

Status Write(Communicator& communicator, const std::string& path, const std::shared_ptr<arrow::Table>& table,
             const io::WriteOptions& options, const std::string& token, bool overwrite, const Context& context) {
  ARROW_RETURN_NOT_OK(exchange::AgreeSchema(communicator, table->schema(), "write"));
  ARROW_ASSIGN_OR_RAISE(const auto paths, exchange::AllgatherBytes(communicator, path));
  ARROW_RETURN_NOT_OK(SamePath(paths));
  auto made = io::Output::Make(path, token, overwrite);
  Status begun = made.status();
  if (begun.ok() && communicator.rank() == 0) begun = (*made)->Begin();
  Status status = exchange::Agree(communicator, begun, "write");
  Result<std::string> part = std::string();
  if (status.ok()) {
    part = (*made)->WritePart(communicator.rank(), *table, options, context);
    status = exchange::Agree(communicator, part.status(), "write");
  }
  if (!status.ok()) {
    // Rank 0 commits only after a collective in which all ranks take part, and this rank will not: the part may go.
    if (made.ok()) (*made)->Abandon();
    return status;
  }
  status = CommitParts(communicator, **made, *part);
  // Another rank cannot tell whether a commit that it did not hear of has been made, and leaves its part alone.
  if (!status.ok() && communicator.rank() == 0) (*made)->Abandon();
  return status;
}

}  // namespace weft::distributed
