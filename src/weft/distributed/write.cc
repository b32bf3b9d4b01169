#include "weft/distributed/write.h"

#include <arrow/util/io_util.h>

#include <atomic>
#include <cerrno>
#include <utility>

#include "weft/base/byte_codec.h"
#include "weft/base/fault_point.h"
#include "weft/exchange/exchange.h"

namespace weft::distributed {
namespace {

using arrow::Result;
using arrow::Status;

/// The token of this one write: a session's token is the same for all its writes, and the parts of one must not have
/// the names of another's. Rank 0 counts. Ranks that were given different paths would write outputs that nobody has
/// asked for: Status::Invalid on all.
Result<std::string> AgreeOnToken(Communicator& communicator, const std::string& path, const std::string& token) {
  static std::atomic<int64_t> writes{0};
  const std::string mine = ByteWriter().Put(writes.fetch_add(1)).PutRaw(path).Take();
  ARROW_ASSIGN_OR_RAISE(const auto all, exchange::AllgatherBytes(communicator, mine));
  int64_t number = 0;
  std::string first;
  for (size_t rank = 0; rank < all.size(); ++rank) {
    ByteReader reader(all[rank]);
    ARROW_ASSIGN_OR_RAISE(const auto count, reader.Get<int64_t>());
    ARROW_ASSIGN_OR_RAISE(const auto other, reader.GetRaw(reader.left()));
    if (rank == 0) {
      number = count;
      first = other;
    }
    if (other == first) continue;
    return Status::Invalid("write: rank 0 writes '", first, "', rank ", rank, " writes '", other,
                           "'; the path must be the same on all ranks");
  }
  return token + "." + std::to_string(number);
}

/// Rank 0 makes all parts visible.
Status CommitParts(Communicator& communicator, io::Output& output, const io::WrittenParts& parts,
                   const arrow::Schema& schema, const io::WriteOptions& options) {
  FaultPoint(FaultPhase::kFinalise);
  ByteWriter writer;
  for (size_t i = 0; i < parts.names.size(); ++i) {
    writer.PutString(parts.names[i]).PutString(options.metadata_file ? parts.metadata[i] : std::string());
  }
  ARROW_ASSIGN_OR_RAISE(const auto all, exchange::AllgatherBytes(communicator, writer.bytes()));
  const auto commit = [&]() -> Status {
    std::vector<std::string> names;
    std::vector<std::string> metadata;
    for (const std::string& bytes : all) {
      ByteReader reader(bytes);
      while (reader.left() > 0) {
        ARROW_ASSIGN_OR_RAISE(const auto name, reader.GetString());
        ARROW_ASSIGN_OR_RAISE(const auto own, reader.GetString());
        names.emplace_back(name);
        metadata.emplace_back(own);
      }
    }
    if (options.metadata_file) {
      ARROW_RETURN_NOT_OK(output.WriteMetadata(metadata, *io::FileSchema(schema, options)));
    }
    return output.Commit(names);
  };
  Status committed;
  FaultPoint(FaultPhase::kFinalise);
  if (communicator.rank() == 0) committed = commit();
  return exchange::Agree(communicator, committed, "write");
}

}  // namespace

Status Write(Communicator& communicator, const std::string& path, const std::shared_ptr<arrow::Table>& table,
             const io::WriteOptions& options, const std::string& token, bool overwrite, const Context& context) {
  ARROW_RETURN_NOT_OK(exchange::AgreeSchema(communicator, table->schema(), "write"));
  ARROW_ASSIGN_OR_RAISE(const auto own_token, AgreeOnToken(communicator, path, token));
  auto made = io::Output::Make(path, own_token, overwrite);
  Status begun = made.status();
  if (begun.ok() && communicator.rank() == 0) begun = (*made)->Begin();
  Status status = exchange::Agree(communicator, begun, "write");
  Result<io::WrittenParts> parts = io::WrittenParts();
  if (status.ok()) {
    parts = (*made)->WriteParts(communicator.rank(), *table, options, context);
    status = exchange::Agree(communicator, parts.status(), "write");
  }
  const bool written = status.ok();
  if (written) status = CommitParts(communicator, **made, *parts, *table->schema(), options);
  if (status.ok() || !made.ok()) return status;
  if (const arrow::Status failure = communicator.failure(); !failure.ok()) {
    // Rank 0 may be the one that is gone.
    (*made)->Discard();
    // A part that is missing by now was discarded by another rank.
    if (arrow::internal::ErrnoFromStatus(status) == ENOENT) status = failure;
  }
  // Rank 0 commits only after a collective in which all ranks take part, and this rank will not: the part may go. Later
  // another rank cannot tell whether a commit that it did not hear of has been made, and leaves its part alone.
  if (!written || communicator.rank() == 0) (*made)->Abandon();
  return status;
}

}  // namespace weft::distributed
