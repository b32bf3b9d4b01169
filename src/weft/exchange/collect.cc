#include <algorithm>
#include <optional>

#include "weft/base/spill.h"
#include "weft/exchange/block_stream.h"
#include "weft/exchange/blocks.h"
#include "weft/exchange/exchange.h"
#include "weft/table/runs.h"
#include "weft/table/tables.h"

namespace weft::exchange {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;

constexpr int64_t kBatchBytes = 4 << 20;
constexpr int64_t kMaxInFlightBytes = 16 << 20;

/// Sends all of a table to each of the streams' senders: every block is made once. Gives the local error, if any, in
/// `local`; fails for communication.
arrow::Status SendTable(Streams& streams, std::shared_ptr<arrow::Table> table, const Context& context,
                        arrow::Status* local) {
  if (streams.senders().empty()) return arrow::Status::OK();
  const auto send = [&](const OutgoingBlock& block) -> arrow::Status {
    streams.Offered(block);
    // Made once for all whose links are slow.
    std::optional<OutgoingBlock> compressed;
    for (const auto& sender : streams.senders()) {
      ARROW_ASSIGN_OR_RAISE(const bool compress, streams.ShouldCompress(sender.get(), block, /*shares=*/1));
      if (compress && !compressed.has_value()) compressed = streams.Compress(block);
      const OutgoingBlock& chosen = compress ? *compressed : block;
      ARROW_RETURN_NOT_OK(streams.WaitUntil([&] { return sender->HasRoom(chosen.sent_bytes); }));
      ARROW_RETURN_NOT_OK(sender->Send(chosen));
    }
    return arrow::Status::OK();
  };
  BatchSource source(std::move(table), kBatchBytes);
  auto writer = table::WireWriter::Make(source.schema(), context);
  arrow::Status status = writer.status();
  while (status.ok() && streams.error().ok()) {
    status = context.stop.Poll();
    if (!status.ok()) break;
    if (context.spill != nullptr) context.spill->KeepWithin();
    const BatchPtr batch = source.Next(streams.NextParts());
    if (batch == nullptr) break;
    auto block = (*writer)->Write(batch);
    status = block.status();
    if (status.ok()) ARROW_RETURN_NOT_OK(send(MakeOutgoing(*std::move(block), /*last=*/false)));
  }
  ARROW_ASSIGN_OR_RAISE(const auto end,
                        EndOfStream(streams.operation(), writer.ok() ? writer->get() : nullptr, status));
  *local = status;
  return send(end);
}

/// Drives the streams to their end and agrees with the other ranks on how it went. `own`: this rank's rows, or nullptr;
/// then with the columns that all rows have.
arrow::Status Finish(Communicator& communicator, Streams& streams, arrow::Status local,
                     std::shared_ptr<arrow::Table>* own, const Context& context, std::string_view operation) {
  ARROW_RETURN_NOT_OK(streams.Drain());
  if (local.ok()) local = streams.error();
  const auto level = [&]() -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(const auto common, streams.CommonSchema((*own)->schema()));
    return common == (*own)->schema() ? arrow::Status::OK() : table::WithoutRuns(*own, context).Value(own);
  };
  if (local.ok() && own != nullptr) local = level();
  return Agree(communicator, local, operation);
}

/// All ranks' rows on the ranks that receive, by rank.
arrow::Result<std::shared_ptr<arrow::Table>> Collect(Communicator& communicator, std::shared_ptr<arrow::Table> table,
                                                     bool to_all, Rank root, const Context& context,
                                                     std::string_view operation) {
  const Rank me = communicator.rank();
  const int world = communicator.world_size();
  const bool receives = to_all || me == root;
  TraceSpan span(context.tracer, operation);
  const CollectiveCall call = to_all ? CollectiveCall{.collective = Collective::kAllgatherRows}
                                     : CollectiveCall{.collective = Collective::kGatherRows, .root = root};
  Streams streams(communicator, context, std::string(operation), call);
  for (Rank rank = 0; rank < world; ++rank) {
    if (rank != me && receives) ARROW_RETURN_NOT_OK(streams.AddReceiver(rank).status());
  }
  for (int step = 1; step < world; ++step) {
    const Rank to = (me + step) % world;
    if (to_all || to == root) streams.AddSender(to, kMaxInFlightBytes);
  }
  arrow::Status sent;
  ARROW_RETURN_NOT_OK(SendTable(streams, table, context, &sent));
  ARROW_RETURN_NOT_OK(Finish(communicator, streams, sent, &table, context, operation));
  const auto schema = table->schema();
  if (!receives) return TableOf(schema, {});
  std::vector<std::shared_ptr<arrow::Table>> parts;
  size_t receiver = 0;
  for (Rank rank = 0; rank < world; ++rank) {
    if (rank == me) {
      parts.push_back(table);
      continue;
    }
    auto& from = *streams.receivers()[receiver++];
    span.AddRows(from.rows());
    span.AddBytes(from.bytes());
    parts.push_back(TableOf(schema, CombineSmall(std::move(from.batches()), context.pool)));
  }
  return table::StackTables(schema, parts);
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::Table>> Gather(Communicator& communicator, std::shared_ptr<arrow::Table> table,
                                                    Rank root, const Context& context) {
  if (root < 0 || root >= communicator.world_size()) {
    return arrow::Status::Invalid("gather: root ", root, " in a world of ", communicator.world_size());
  }
  if (communicator.world_size() == 1) return table;
  return Collect(communicator, std::move(table), /*to_all=*/false, root, context, "gather");
}

arrow::Result<std::shared_ptr<arrow::Table>> Allgather(Communicator& communicator, std::shared_ptr<arrow::Table> table,
                                                       const Context& context) {
  if (communicator.world_size() == 1) return table;
  return Collect(communicator, std::move(table), /*to_all=*/true, 0, context, "allgather");
}

/// Blocks go down a binomial tree, each passed on as it comes.
arrow::Result<std::shared_ptr<arrow::Table>> Broadcast(Communicator& communicator, std::shared_ptr<arrow::Table> table,
                                                       Rank root, const Context& context) {
  const int world = communicator.world_size();
  if (root < 0 || root >= world) {
    return arrow::Status::Invalid("broadcast: root ", root, " in a world of ", world);
  }
  if (world == 1) return table;
  const TraceSpan span(context.tracer, "broadcast");
  Streams streams(communicator, context, "broadcast", {.collective = Collective::kBroadcastRows, .root = root});
  // Ranks counted from the root: the parent lacks the lowest bit, the children have one more below it.
  const int me = (communicator.rank() - root + world) % world;
  const auto rank_of = [&](int relative) { return (relative + root) % world; };
  const int lowest = me == 0 ? world : me & -me;
  std::vector<BlockSender*> children;
  int top = 1;
  while (top * 2 < std::min(lowest, world)) top *= 2;
  for (int bit = top; bit > 0; bit /= 2) {
    if (bit < lowest && me + bit < world) children.push_back(streams.AddSender(rank_of(me + bit), kMaxInFlightBytes));
  }
  if (me == 0) {
    arrow::Status sent;
    ARROW_RETURN_NOT_OK(SendTable(streams, table, context, &sent));
    ARROW_RETURN_NOT_OK(Finish(communicator, streams, sent, nullptr, context, "broadcast"));
    return table;
  }
  ARROW_ASSIGN_OR_RAISE(auto* receiver, streams.AddReceiver(rank_of(me & (me - 1)), children));
  ARROW_RETURN_NOT_OK(Finish(communicator, streams, arrow::Status::OK(), nullptr, context, "broadcast"));
  return TableOf(receiver->schema(), CombineSmall(std::move(receiver->batches()), context.pool));
}

}  // namespace weft::exchange
