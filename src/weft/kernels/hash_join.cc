#include "weft/kernels/hash_join.h"

#include <arrow/array/data.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "weft/kernels/join_output.h"
#include "weft/kernels/join_partition.h"
#include "weft/kernels/join_plan.h"
#include "weft/kernels/join_table.h"
#include "weft/kernels/join_verify.h"
#include "weft/kernels/radix_partition.h"

namespace weft::kernels {
namespace {

/// Build rows a partition: its table and the rows of both sides stay in a core's second-level cache.
constexpr int64_t kPartitionRows = 8192;
/// A build side up to this size is not partitioned.
constexpr int64_t kUnpartitionedRows = 2 * kPartitionRows;
/// Probing rows a task where nothing is partitioned.
constexpr int64_t kProbeRows = int64_t{1} << 16;

Side Other(Side side) { return side == Side::kLeft ? Side::kRight : Side::kLeft; }

/// Which rows of a side have found a match.
class Marks {
 public:
  explicit Marks(arrow::MemoryPool* pool) : bytes_(pool) {}
  arrow::Status Reset(int64_t rows) {
    ARROW_ASSIGN_OR_RAISE(uint8_t* bytes, bytes_.Reserve(rows));
    std::memset(bytes, 0, static_cast<size_t>(rows));
    return arrow::Status::OK();
  }
  /// Several threads may mark the same row.
  void Set(const uint32_t* rows, uint32_t n) {
    for (uint32_t i = 0; i < n; ++i) {
      std::atomic_ref<uint8_t>(bytes_.data()[rows[i]]).store(1, std::memory_order_relaxed);
    }
  }
  bool Get(uint32_t row) const { return bytes_.data()[row] != 0; }

 private:
  Scratch<uint8_t> bytes_;
};

/// What one thread works with; kept from task to task.
struct Worker {
  Worker(arrow::MemoryPool* pool, uint32_t chunk_rows)
      : table(pool), left_marks(pool), right_marks(pool), pairs(pool, chunk_rows), scratch(pool) {}
  Marks& marks(Side side) { return side == Side::kLeft ? left_marks : right_marks; }

  JoinTable table;
  Marks left_marks;
  Marks right_marks;
  PairBuffer pairs;
  Scratch<uint8_t> scratch;
};

class HashJoiner {
 public:
  HashJoiner(JoinPlan plan, const JoinOptions& options, const HashJoinTuning& tuning, const Context& context)
      : plan_(std::move(plan)), options_(options), tuning_(tuning), context_(context) {}

  arrow::Result<std::shared_ptr<arrow::Table>> Run(const std::shared_ptr<arrow::Table>& left,
                                                   const std::shared_ptr<arrow::Table>& right);

 private:
  JoinSide* side(Side s) { return &*sides_[static_cast<size_t>(s)]; }
  bool Keeps(Side s) const {
    return s == Side::kLeft ? KeepsUnmatchedLeft(options_.type) : KeepsUnmatchedRight(options_.type);
  }
  arrow::Status Prepare(const std::shared_ptr<arrow::Table>& left, const std::shared_ptr<arrow::Table>& right);
  int ChoosePartitionBits();
  arrow::Status JoinPartitioned(int bits);
  arrow::Status JoinPartition(const JoinPartitions& partitions, int64_t p, int bits, Worker* worker);
  arrow::Status JoinWhole();
  arrow::Status ProbeAll(const JoinTable& table, Side build, const ViewPair& views, Marks* build_marks,
                         Marks* probe_marks, Worker* worker, ChunkList* out);
  arrow::Status AddUnmatched(Side kept, const Marks& marks, uint32_t begin, uint32_t end, const ViewPair& views,
                             Worker* worker, ChunkList* out);
  arrow::Status Emit(const ViewPair& views, Worker* worker, ChunkList* out) {
    return EmitPairs(plan_, *sides_[0], *sides_[1], views, &worker->pairs, context_.pool, out);
  }
  arrow::Status WithWorker(const std::function<arrow::Status(Worker*)>& use);

  const JoinPlan plan_;
  const JoinOptions& options_;
  const HashJoinTuning& tuning_;
  const Context& context_;
  std::optional<JoinSide> sides_[2];
  bool exact_ = false;
  std::vector<ChunkList> chunks_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Worker>> idle_;
};

arrow::Status HashJoiner::WithWorker(const std::function<arrow::Status(Worker*)>& use) {
  std::unique_ptr<Worker> worker;
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      worker = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (worker == nullptr) worker = std::make_unique<Worker>(context_.pool, tuning_.chunk_rows);
  ARROW_RETURN_NOT_OK(use(worker.get()));
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(worker));
  return arrow::Status::OK();
}

arrow::Status HashJoiner::Prepare(const std::shared_ptr<arrow::Table>& left,
                                  const std::shared_ptr<arrow::Table>& right) {
  const TraceSpan span(context_.tracer, "join.prepare");
  ARROW_ASSIGN_OR_RAISE(auto sides, MakeSides(plan_, options_, left, right, context_));
  sides_[0] = std::move(sides.first);
  sides_[1] = std::move(sides.second);
  exact_ = tuning_.exact_words && sides_[0]->CanBeExact() && sides_[1]->CanBeExact();
  for (auto& side : sides_) {
    if (exact_) {
      side->MakeExactWords();
    } else {
      const uint64_t salt = &side == &sides_[0] ? 0 : 0x5851f42d4c957f2dULL;
      ARROW_RETURN_NOT_OK(side->MakeHashWords(options_, tuning_.hash_mask, salt, context_));
      for (size_t k = 0; k < side->num_keys(); ++k) side->Need(side->key_column(k));
    }
  }
  return NeedOutput(plan_, &*sides_[0], &*sides_[1], context_.pool);
}

int HashJoiner::ChoosePartitionBits() {
  if (tuning_.partition_bits >= 0) return std::min(tuning_.partition_bits, kMaxPartitionBits);
  const int64_t build_rows = std::min(sides_[0]->rows(), sides_[1]->rows());
  if (build_rows <= kUnpartitionedRows) return 0;
  const auto partitions = static_cast<uint64_t>((build_rows + kPartitionRows - 1) / kPartitionRows);
  return std::min(static_cast<int>(std::bit_width(partitions - 1)), kMaxPartitionBits);
}

arrow::Status HashJoiner::ProbeAll(const JoinTable& table, Side build, const ViewPair& views, Marks* build_marks,
                                   Marks* probe_marks, Worker* worker, ChunkList* out) {
  const Side probe = Other(build);
  PairBuffer& pairs = worker->pairs;
  std::vector<KeyPair> keys;
  if (!exact_) {
    for (size_t k = 0; k < sides_[0]->num_keys(); ++k) {
      keys.push_back(
          {ColumnView(views.left, sides_[0]->key_column(k)), ColumnView(views.right, sides_[1]->key_column(k))});
    }
  }
  const SideView& probing = views.side(probe);
  const auto n = static_cast<uint32_t>(probing.rows);
  ProbeCursor cursor;
  while (cursor.row < n) {
    if (pairs.room() < PairBuffer::kLeastRoom) ARROW_RETURN_NOT_OK(Emit(views, worker, out));
    ARROW_RETURN_NOT_OK(pairs.Open());
    uint32_t* const built_rows = pairs.open(build);
    uint32_t* const probing_rows = pairs.open(probe);
    uint32_t found = table.Probe(probing.words(), n, &cursor, built_rows, probing_rows, pairs.room());
    if (!exact_) {
      ARROW_ASSIGN_OR_RAISE(uint8_t* scratch, worker->scratch.Reserve(found));
      found = KeepEqualPairs(keys, options_, pairs.open(Side::kLeft), pairs.open(Side::kRight), found, scratch);
    }
    if (build_marks != nullptr) build_marks->Set(built_rows, found);
    if (probe_marks != nullptr) probe_marks->Set(probing_rows, found);
    pairs.Add(found);
  }
  return arrow::Status::OK();
}

arrow::Status HashJoiner::AddUnmatched(Side kept, const Marks& marks, uint32_t begin, uint32_t end,
                                       const ViewPair& views, Worker* worker, ChunkList* out) {
  PairBuffer& pairs = worker->pairs;
  for (uint32_t row = begin; row < end;) {
    if (pairs.room() < PairBuffer::kLeastRoom) ARROW_RETURN_NOT_OK(Emit(views, worker, out));
    ARROW_RETURN_NOT_OK(pairs.Open());
    uint32_t* const rows = pairs.open(kept);
    uint32_t* const none = pairs.open(Other(kept));
    uint32_t n = 0;
    for (const uint32_t stop = end - row > pairs.room() ? row + pairs.room() : end; row < stop; ++row) {
      rows[n] = row;
      none[n] = kNoRow;
      n += !marks.Get(row);
    }
    if (n > 0) pairs.SetPadded(Other(kept));
    pairs.Add(n);
  }
  return arrow::Status::OK();
}

arrow::Status HashJoiner::JoinPartition(const JoinPartitions& partitions, int64_t p, int bits, Worker* worker) {
  const ViewPair views{partitions.View(Side::kLeft, p), partitions.View(Side::kRight, p)};
  ChunkList* out = &chunks_[static_cast<size_t>(p)];
  const Side build = views.left.rows <= views.right.rows ? Side::kLeft : Side::kRight;
  for (const Side s : {Side::kLeft, Side::kRight}) {
    if (Keeps(s)) ARROW_RETURN_NOT_OK(worker->marks(s).Reset(views.side(s).rows));
  }
  const auto marks = [&](Side s) { return Keeps(s) ? &worker->marks(s) : nullptr; };
  if (views.side(build).rows > 0) {
    ARROW_RETURN_NOT_OK(
        worker->table.Build(views.side(build).words(), static_cast<uint32_t>(views.side(build).rows), bits));
    ARROW_RETURN_NOT_OK(ProbeAll(worker->table, build, views, marks(build), marks(Other(build)), worker, out));
  }
  for (const Side s : {Side::kLeft, Side::kRight}) {
    if (!Keeps(s)) continue;
    const auto rows = static_cast<uint32_t>(views.side(s).rows);
    ARROW_RETURN_NOT_OK(AddUnmatched(s, worker->marks(s), 0, rows, views, worker, out));
  }
  return Emit(views, worker, out);
}

arrow::Status HashJoiner::JoinPartitioned(int bits) {
  TraceSpan partition_span(context_.tracer, "join.partition");
  partition_span.AddRows(sides_[0]->rows() + sides_[1]->rows());
  ARROW_ASSIGN_OR_RAISE(auto partitions, JoinPartitions::Make(&*sides_[0], &*sides_[1], bits, context_));
  for (auto& side : sides_) side->FreeWords();
  partition_span.End();
  const TraceSpan span(context_.tracer, "join.match");
  chunks_.resize(static_cast<size_t>(partitions.count()));
  return ParallelFor(context_, partitions.count(), [&](int64_t p) {
    return WithWorker([&](Worker* worker) {
      ARROW_RETURN_NOT_OK(JoinPartition(partitions, p, bits, worker));
      partitions.Free(p);
      return arrow::Status::OK();
    });
  });
}

arrow::Status HashJoiner::JoinWhole() {
  const TraceSpan span(context_.tracer, "join.match");
  const Side build = sides_[0]->rows() <= sides_[1]->rows() ? Side::kLeft : Side::kRight;
  const Side probe = Other(build);
  ARROW_ASSIGN_OR_RAISE(const RangeView built, ViewRange(side(build), 0, side(build)->rows(), context_.pool));
  JoinTable table(context_.pool);
  ARROW_RETURN_NOT_OK(table.Build(built.view.words(), static_cast<uint32_t>(built.view.rows), 0));
  Marks build_marks(context_.pool);
  if (Keeps(build)) ARROW_RETURN_NOT_OK(build_marks.Reset(built.view.rows));
  const auto views = [&](const SideView& probing) {
    return build == Side::kLeft ? ViewPair{built.view, probing} : ViewPair{probing, built.view};
  };
  const int64_t rows = side(probe)->rows();
  const int64_t tasks = (rows + kProbeRows - 1) / kProbeRows;
  chunks_.resize(static_cast<size_t>(tasks) + 1);
  ARROW_RETURN_NOT_OK(ParallelFor(context_, tasks, [&](int64_t task) {
    return WithWorker([&](Worker* worker) {
      const int64_t begin = task * kProbeRows;
      ARROW_ASSIGN_OR_RAISE(const RangeView probing,
                            ViewRange(side(probe), begin, std::min(rows, begin + kProbeRows), context_.pool));
      const ViewPair pair = views(probing.view);
      ChunkList* out = &chunks_[static_cast<size_t>(task)];
      if (Keeps(probe)) ARROW_RETURN_NOT_OK(worker->marks(probe).Reset(probing.view.rows));
      ARROW_RETURN_NOT_OK(ProbeAll(table, build, pair, Keeps(build) ? &build_marks : nullptr,
                                   Keeps(probe) ? &worker->marks(probe) : nullptr, worker, out));
      if (Keeps(probe)) {
        ARROW_RETURN_NOT_OK(
            AddUnmatched(probe, worker->marks(probe), 0, static_cast<uint32_t>(probing.view.rows), pair, worker, out));
      }
      return Emit(pair, worker, out);
    });
  }));
  if (!Keeps(build)) return arrow::Status::OK();
  return WithWorker([&](Worker* worker) {
    ARROW_ASSIGN_OR_RAISE(const RangeView none, ViewRange(side(probe), 0, 0, context_.pool));
    const ViewPair pair = views(none.view);
    ARROW_RETURN_NOT_OK(
        AddUnmatched(build, build_marks, 0, static_cast<uint32_t>(built.view.rows), pair, worker, &chunks_.back()));
    return Emit(pair, worker, &chunks_.back());
  });
}

arrow::Result<std::shared_ptr<arrow::Table>> HashJoiner::Run(const std::shared_ptr<arrow::Table>& left,
                                                             const std::shared_ptr<arrow::Table>& right) {
  ARROW_RETURN_NOT_OK(Prepare(left, right));
  const int bits = ChoosePartitionBits();
  ARROW_RETURN_NOT_OK(bits == 0 ? JoinWhole() : JoinPartitioned(bits));
  idle_.clear();
  const TraceSpan span(context_.tracer, "join.finish");
  return FinishTable(plan_.schema, std::move(chunks_), tuning_.least_chunk_rows, context_);
}

}  // namespace

arrow::Result<std::shared_ptr<arrow::Table>> HashJoin(const std::shared_ptr<arrow::Table>& left,
                                                      const std::shared_ptr<arrow::Table>& right,
                                                      const JoinOptions& options, const HashJoinTuning& tuning,
                                                      const Context& context) {
  ARROW_ASSIGN_OR_RAISE(auto plan, PlanJoin(*left->schema(), *right->schema(), options));
  return HashJoiner(std::move(plan), options, tuning, context).Run(left, right);
}

}  // namespace weft::kernels
