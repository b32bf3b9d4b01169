#include <arrow/type.h>

#include <algorithm>

#include "weft/base/choice.h"
#include "weft/base/spill.h"
#include "weft/exchange/block_stream.h"
#include "weft/exchange/blocks.h"
#include "weft/exchange/exchange.h"
#include "weft/table/partition.h"
#include "weft/table/runs.h"

namespace weft::exchange {
namespace {

using BatchPtr = std::shared_ptr<arrow::RecordBatch>;
using TablePtr = std::shared_ptr<arrow::Table>;

Context ForTravelling(const Context& context) {
  Context made = context;
  made.pool = context.spill->work();
  return made;
}

/// One rank's side of a shuffle.
class ShuffleRun {
 public:
  ShuffleRun(Communicator& communicator, TablePtr table, const Partitioner& partitioner, const Context& context,
             const ShuffleOptions& options)
      : communicator_(communicator),
        partitioner_(partitioner),
        context_(context),
        travelling_(context.spill == nullptr ? context : ForTravelling(context)),
        options_(options),
        source_(Prepare(std::move(table), communicator.world_size()), options.batch_bytes),
        streams_(communicator, context, "shuffle", {.collective = Collective::kShuffleRows}),
        world_(communicator.world_size()),
        me_(communicator.rank()) {}

  arrow::Result<ShuffleResult> Run() {
    ARROW_RETURN_NOT_OK(Open());
    // From here to the end of Drain only errors of communication are returned: others go into the last blocks.
    arrow::Status status;
    ARROW_RETURN_NOT_OK(SendAll(&status));
    ARROW_RETURN_NOT_OK(Close(status));
    {
      TraceSpan span(context_.tracer, "shuffle.wait");
      ARROW_RETURN_NOT_OK(streams_.Drain());
      for (const auto& receiver : streams_.receivers()) {
        span.AddRows(receiver->rows());
        span.AddBytes(receiver->bytes());
      }
    }
    if (status.ok()) status = streams_.error();
    if (status.ok()) status = Level();
    // What went wrong while receiving is known on this rank alone.
    ARROW_RETURN_NOT_OK(Agree(communicator_, status, "shuffle"));
    return Assemble();
  }

 private:
  /// The rows as they are sent; where they cannot be made so, all ranks are told in SendAll.
  TablePtr Prepare(TablePtr table, int world) {
    if (!table::HasRuns(*table->schema())) return table;
    auto made = table::WithRunsThatPay(table, world, context_);
    prepared_ = made.status();
    if (!made.ok()) return table;
    NoteChoice(context_, table::HasRuns(*(*made)->schema()) ? "shuffle.runs" : "shuffle.runs_declined");
    return *std::move(made);
  }

  arrow::Status Open() {
    for (Rank rank = 0; rank < world_; ++rank) {
      if (rank != me_) ARROW_RETURN_NOT_OK(streams_.AddReceiver(rank).status());
    }
    senders_.resize(static_cast<size_t>(world_));
    writers_.resize(static_cast<size_t>(world_));
    for (Rank rank = 0; rank < world_; ++rank) {
      if (rank == me_) continue;
      senders_[static_cast<size_t>(rank)] = streams_.AddSender(rank, options_.max_in_flight_bytes);
    }
    return arrow::Status::OK();
  }

  /// Gives the local error, if any, in `local`; fails for communication.
  arrow::Status SendAll(arrow::Status* local) {
    *local = prepared_;
    if (!local->ok()) return arrow::Status::OK();
    for (Rank rank = 0; rank < world_; ++rank) {
      if (rank == me_) continue;
      auto writer = table::WireWriter::Make(source_.schema(), context_);
      *local = writer.status();
      if (!local->ok()) return arrow::Status::OK();
      writers_[static_cast<size_t>(rank)] = *std::move(writer);
    }
    for (;;) {
      // Where another rank has failed, all of this is for nothing.
      if (!streams_.error().ok()) return arrow::Status::OK();
      *local = context_.stop.Poll();
      if (!local->ok()) return arrow::Status::OK();
      if (context_.spill != nullptr) context_.spill->KeepWithin();
      const int64_t first_row = source_.position();
      BatchPtr batch = source_.Next(streams_.NextParts());
      if (batch == nullptr) return arrow::Status::OK();
      auto parts = Partition(std::move(batch), first_row);
      *local = parts.status();
      if (!local->ok()) return arrow::Status::OK();
      BatchPtr& own = (*parts)[static_cast<size_t>(me_)];
      if (own->num_rows() > 0) {
        auto kept = Keep(std::move(own));
        *local = kept.status();
        if (!local->ok()) return arrow::Status::OK();
        own_.push_back(*std::move(kept));
      }
      ARROW_RETURN_NOT_OK(streams_.Poll());
      // Every rank begins with the next one, so that not all send to the same.
      for (int step = 1; step < world_; ++step) {
        const Rank to = (me_ + step) % world_;
        ARROW_RETURN_NOT_OK(Send(to, std::move((*parts)[static_cast<size_t>(to)]), local));
        if (!local->ok()) return arrow::Status::OK();
      }
    }
  }

  /// Rows that stay: tables have other memory than what travels, where there is a spill directory.
  arrow::Result<BatchPtr> Keep(BatchPtr own) {
    if (context_.spill == nullptr) return own;
    return CopyBatch(*own, context_.pool);
  }

  arrow::Result<std::vector<BatchPtr>> Partition(BatchPtr batch, int64_t first_row) {
    TraceSpan span(context_.tracer, "shuffle.partition");
    span.AddRows(batch->num_rows());
    targets_.resize(static_cast<size_t>(batch->num_rows()));
    ARROW_RETURN_NOT_OK(partitioner_(*batch, first_row, context_, targets_));
    if (!std::is_sorted(targets_.begin(), targets_.end())) {
      return table::PartitionBatch(*batch, targets_, world_, travelling_);
    }
    // The rows of each rank lie together: nothing is copied to send them.
    ARROW_ASSIGN_OR_RAISE(const auto counts, table::CountTargets(targets_, world_));
    std::vector<BatchPtr> parts;
    int64_t at = 0;
    for (Rank rank = 0; rank < world_; ++rank) {
      const int64_t count = counts[static_cast<size_t>(rank)];
      parts.push_back(batch->Slice(at, count));
      at += count;
      // A small part that stays would hold all of the batch.
      if (rank == me_ && count > 0 && count * 2 < batch->num_rows()) {
        ARROW_ASSIGN_OR_RAISE(parts.back(), CopyBatch(*parts.back(), context_.pool));
      }
    }
    return parts;
  }

  arrow::Status Send(Rank to, BatchPtr part, arrow::Status* local) {
    if (part->num_rows() == 0) return arrow::Status::OK();
    auto block = writers_[static_cast<size_t>(to)]->Write(part);
    *local = block.status();
    if (!local->ok()) return arrow::Status::OK();
    const int64_t rows = part->num_rows();
    part = nullptr;
    return SendBlock(to, MakeOutgoing(*std::move(block), /*last=*/false), rows);
  }

  arrow::Status SendBlock(Rank to, OutgoingBlock block, int64_t rows) {
    BlockSender* sender = senders_[static_cast<size_t>(to)];
    streams_.Offered(block);
    ARROW_ASSIGN_OR_RAISE(const bool compress, streams_.ShouldCompress(sender, block, world_ - 1));
    if (compress) block = streams_.Compress(std::move(block));
    if (!sender->HasRoom(block.sent_bytes)) {
      const TraceSpan span(context_.tracer, "shuffle.wait");
      ARROW_RETURN_NOT_OK(streams_.WaitUntil([&] { return sender->HasRoom(block.sent_bytes); }));
    }
    TraceSpan span(context_.tracer, "shuffle.send");
    span.AddRows(rows);
    span.AddBytes(block.header->size() + block.sent_bytes);
    return sender->Send(block);
  }

  /// The last block to every rank.
  arrow::Status Close(const arrow::Status& status) {
    for (int step = 1; step < world_; ++step) {
      const Rank to = (me_ + step) % world_;
      ARROW_ASSIGN_OR_RAISE(auto block,
                            EndOfStream(streams_.operation(), writers_[static_cast<size_t>(to)].get(), status));
      ARROW_RETURN_NOT_OK(SendBlock(to, std::move(block), 0));
    }
    return arrow::Status::OK();
  }

  /// Rows that stayed get the columns that all have.
  arrow::Status Level() {
    ARROW_ASSIGN_OR_RAISE(schema_, streams_.CommonSchema(source_.schema()));
    if (schema_ == source_.schema()) return arrow::Status::OK();
    for (auto& batch : own_) {
      ARROW_ASSIGN_OR_RAISE(batch, table::WithoutRuns(batch, context_.pool));
    }
    return arrow::Status::OK();
  }

  arrow::Result<ShuffleResult> Assemble() {
    ShuffleResult result;
    result.rows_from.resize(static_cast<size_t>(world_));
    std::vector<BatchPtr> all;
    size_t receiver = 0;
    for (Rank rank = 0; rank < world_; ++rank) {
      auto batches = std::move(rank == me_ ? own_ : streams_.receivers()[receiver++]->batches());
      for (auto& batch : CombineSmall(std::move(batches), context_.pool)) {
        result.rows_from[static_cast<size_t>(rank)] += batch->num_rows();
        all.push_back(std::move(batch));
      }
    }
    result.table = TableOf(schema_, all);
    return result;
  }

  Communicator& communicator_;
  const Partitioner& partitioner_;
  const Context& context_;
  /// For rows on their way.
  const Context travelling_;
  const ShuffleOptions& options_;
  arrow::Status prepared_;
  BatchSource source_;
  Streams streams_;
  int world_;
  Rank me_;
  // By rank; the own place is empty.
  std::vector<BlockSender*> senders_;
  std::vector<std::unique_ptr<table::WireWriter>> writers_;
  std::vector<BatchPtr> own_;
  /// Of the result.
  std::shared_ptr<arrow::Schema> schema_;
  std::vector<uint32_t> targets_;
};

}  // namespace

arrow::Result<ShuffleResult> Shuffle(Communicator& communicator, std::shared_ptr<arrow::Table> table,
                                     const Partitioner& partitioner, const Context& context,
                                     const ShuffleOptions& options) {
  if (communicator.world_size() == 1) {
    ShuffleResult result;
    result.rows_from = {table->num_rows()};
    result.table = std::move(table);
    return result;
  }
  return ShuffleRun(communicator, std::move(table), partitioner, context, options).Run();
}

}  // namespace weft::exchange
