#include "weft/kernels/hash_join.h"

#include <arrow/array/data.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <mutex>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "weft/base/fault_point.h"
#include "weft/kernels/join_codes.h"
#include "weft/kernels/join_output.h"
#include "weft/kernels/join_partition.h"
#include "weft/kernels/join_plan.h"
#include "weft/kernels/join_table.h"
#include "weft/kernels/join_verify.h"
#include "weft/kernels/radix_partition.h"
#include "weft/kernels/word_range.h"
#include "weft/kernels/word_set.h"

namespace weft::kernels {
namespace {

/// Build rows a partition, as long as there are not many partitions: its table and the rows of both sides stay in a
/// core's second-level cache.
constexpr int64_t kPartitionRows = 8192;
/// Where there would be more than 2^kManyPartitionBits, the lines in which their rows are gathered leave the
/// first-level cache, and partitions grow up to this size first. A table of places is smaller and read once a row.
constexpr int kManyPartitionBits = 8;
constexpr int64_t kLargestPartitionRows = 2 * kPartitionRows;
constexpr int64_t kLargestPlacedPartitionRows = 4 * kPartitionRows;
/// A build side up to this size is not partitioned.
constexpr int64_t kUnpartitionedRows = 2 * kPartitionRows;
/// Nor is a larger one, up to this size, where so many times as many rows probe: to move those costs more than reading
/// a table that is in a farther cache.
constexpr int64_t kMostUnpartitionedRows = int64_t{1} << 18;
constexpr int64_t kManyProbes = 16;
/// Nor is a side whose words lie this close together, where so many times as many rows probe: its table is its words'
/// places.
constexpr uint64_t kMostUnpartitionedPlaces = uint64_t{1} << 20;
constexpr int64_t kManyPlacedProbes = 4;
/// Probing rows a task where nothing is partitioned.
constexpr int64_t kProbeRows = int64_t{1} << 16;
/// A partition with more probing rows than this, and than a share of all, has a key (or few) with very many rows; its
/// probing is cut into slices, so that all threads take part.
constexpr int64_t kLargePartitionRows = int64_t{1} << 18;
constexpr int64_t kLargePartitionShare = 8;
constexpr int64_t kSliceRows = int64_t{1} << 14;

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

static_assert(JoinTable::kNone == kNoRow);

/// What one thread works with; kept from task to task.
struct Worker {
  Worker(arrow::MemoryPool* pool, uint32_t chunk_rows)
      : table(pool), left_marks(pool), right_marks(pool), pairs(pool, chunk_rows), scratch(pool), words(pool) {}
  Marks& marks(Side side) { return side == Side::kLeft ? left_marks : right_marks; }

  JoinTable table;
  Marks left_marks;
  Marks right_marks;
  PairBuffer pairs;
  Scratch<uint8_t> scratch;
  Scratch<uint64_t> words;
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
  arrow::Status MakeWords();
  bool BuildStaysWhole();
  int BitsFor(int64_t build_rows, int64_t largest_partition) const;
  /// Sets cut_; of no bits where nothing is partitioned.
  arrow::Status ChooseCut();
  bool Marked(Side s) const { return s == Side::kLeft ? Keeps(s) || ChoosesLeftRows(options_.type) : Keeps(s); }
  /// The side whose rows are put into the table, given how many rows there are.
  Side BuildSide(int64_t left_rows, int64_t right_rows) const {
    if (ChoosesLeftRows(options_.type)) return Side::kRight;
    return left_rows <= right_rows ? Side::kLeft : Side::kRight;
  }
  /// Where rows of the left are chosen: the right side's words as a set, if it can be.
  arrow::Status MakeChoice();
  arrow::Status JoinPartitioned();
  /// Places are those of one side's words; else it may be another side in each partition.
  Side PartitionBuildSide(const ViewPair& views) const {
    if (cut_.places > 0) return BuildSide(sides_[0]->rows(), sides_[1]->rows());
    return BuildSide(views.left.rows, views.right.rows);
  }
  arrow::Status JoinPartition(const ViewPair& views, Worker* worker, ChunkList* out);
  arrow::Status JoinLargePartition(const ViewPair& views, ChunkList* out);
  arrow::Status JoinWhole();
  using SliceOf = std::function<arrow::Result<RangeView>(int64_t begin, int64_t end)>;
  /// Probes a table with `rows` rows that `slice` gives, cut every `slice_rows`, on all threads.
  arrow::Status ProbeInSlices(const JoinTable& table, Side build, const SideView& built, int64_t rows,
                              int64_t slice_rows, const SliceOf& slice, ChunkList* out);
  /// All that comes of the probing side's rows in `views`: pairs, and what it keeps without.
  arrow::Status ProbeRows(const JoinTable& table, Side build, const ViewPair& views, Marks* build_marks, Worker* worker,
                          ChunkList* out);
  arrow::Status ProbeAll(const JoinTable& table, Side build, const ViewPair& views, Marks* build_marks,
                         Marks* probe_marks, Worker* worker, ChunkList* out);
  /// ProbeRows for a table whose words all differ, if all rows in `views` fit one chunk: left or right joins that keep
  /// the probing side, and inner joins.
  bool CanLookUp(const JoinTable& table, Side build, const ViewPair& views, const Worker& worker) const;
  arrow::Status LookUp(const JoinTable& table, Side build, const ViewPair& views, Worker* worker, ChunkList* out);
  /// The same for joins that choose rows of the left.
  arrow::Status ChooseByLookUp(const JoinTable& table, const ViewPair& views, Worker* worker);
  /// The same by the set.
  arrow::Status Choose(const ViewPair& views, Worker* worker);
  /// Marks the left rows that have a match in the table of right rows.
  arrow::Status MarkMatched(const JoinTable& table, const ViewPair& views, Marks* marks, Worker* worker);
  std::vector<KeyPair> KeysToCompare(const ViewPair& views) const;
  /// Adds the rows of a side whose mark is `marked`, with no row of the other.
  arrow::Status AddAlone(Side kept, const Marks& marks, bool marked, const ViewPair& views, Worker* worker,
                         ChunkList* out);
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
  WordCut cut_;
  /// Of the build side's words, where it saves looking them up.
  std::optional<WordSet> set_;
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
  if (ChoosesLeftRows(options_.type)) ARROW_RETURN_NOT_OK(MakeChoice());
  ARROW_RETURN_NOT_OK(MakeWords());
  ARROW_RETURN_NOT_OK(ChooseCut());
  if (cut_.bits > 0) {
    for (auto& side : sides_) ARROW_RETURN_NOT_OK(side->MeasureTexts(context_));
  }
  for (auto& side : sides_) {
    for (size_t k = 0; !exact_ && k < side->num_keys(); ++k) side->Need(side->key_column(k));
  }
  return NeedOutput(plan_, &*sides_[0], &*sides_[1], context_.pool);
}

arrow::Status HashJoiner::MakeWords() {
  exact_ = tuning_.exact_words && sides_[0]->CanBeExact() && sides_[1]->CanBeExact();
  if (exact_) {
    for (auto& side : sides_) side->MakeExactWords();
    return arrow::Status::OK();
  }
  if (tuning_.exact_words && tuning_.hash_mask == ~uint64_t{0}) {
    ARROW_ASSIGN_OR_RAISE(exact_, MakeCodes(&*sides_[0], &*sides_[1], options_, context_));
  }
  if (exact_) return arrow::Status::OK();
  for (auto& side : sides_) {
    const uint64_t salt = &side == &sides_[0] ? 0 : 0x5851f42d4c957f2dULL;
    ARROW_RETURN_NOT_OK(side->MakeHashWords(options_, tuning_.hash_mask, salt, context_));
  }
  return arrow::Status::OK();
}

arrow::Status HashJoiner::MakeChoice() {
  if (!tuning_.exact_words || tuning_.partition_bits >= 0 || sides_[1]->rows() == 0) return arrow::Status::OK();
  if (!sides_[0]->CanBeExact() || !sides_[1]->CanBeExact()) return arrow::Status::OK();
  sides_[1]->MakeExactWords();
  ARROW_ASSIGN_OR_RAISE(set_, WordSet::Make(*sides_[1], sides_[0]->rows(), context_));
  return arrow::Status::OK();
}

bool HashJoiner::BuildStaysWhole() {
  if (set_.has_value()) return true;
  if (tuning_.partition_bits >= 0) return tuning_.partition_bits == 0;
  const Side build = BuildSide(sides_[0]->rows(), sides_[1]->rows());
  const int64_t rows = side(build)->rows();
  return rows <= kUnpartitionedRows ||
         (rows <= kMostUnpartitionedRows && side(Other(build))->rows() / rows >= kManyProbes);
}

int HashJoiner::BitsFor(int64_t build_rows, int64_t largest_partition) const {
  if (tuning_.partition_bits >= 0) return std::min(tuning_.partition_bits, kMaxPartitionBits);
  return std::max(std::min(PartitionBits(build_rows, kPartitionRows), kManyPartitionBits),
                  PartitionBits(build_rows, largest_partition));
}

arrow::Status HashJoiner::ChooseCut() {
  if (BuildStaysWhole()) return arrow::Status::OK();
  const Side build = BuildSide(sides_[0]->rows(), sides_[1]->rows());
  const int64_t rows = side(build)->rows();
  cut_ = {.bits = BitsFor(rows, kLargestPartitionRows)};
  if (!exact_ || tuning_.places_per_row == 0) return arrow::Status::OK();
  ARROW_ASSIGN_OR_RAISE(const auto range,
                        RangeOfWords(*side(build), static_cast<uint64_t>(rows * tuning_.places_per_row), context_));
  if (!range.has_value()) return arrow::Status::OK();
  const bool whole = tuning_.partition_bits < 0 && range->extent <= kMostUnpartitionedPlaces &&
                     side(Other(build))->rows() / rows >= kManyPlacedProbes;
  const int bits = BitsFor(rows, kLargestPlacedPartitionRows);
  cut_ = whole ? WordCut{} : WordCut::ByPlace(bits, range->least, range->extent);
  return arrow::Status::OK();
}

std::vector<KeyPair> HashJoiner::KeysToCompare(const ViewPair& views) const {
  std::vector<KeyPair> keys;
  if (exact_) return keys;
  for (size_t k = 0; k < sides_[0]->num_keys(); ++k) {
    keys.push_back(
        {ColumnView(views.left, sides_[0]->key_column(k)), ColumnView(views.right, sides_[1]->key_column(k))});
  }
  return keys;
}

arrow::Status HashJoiner::ProbeAll(const JoinTable& table, Side build, const ViewPair& views, Marks* build_marks,
                                   Marks* probe_marks, Worker* worker, ChunkList* out) {
  const Side probe = Other(build);
  PairBuffer& pairs = worker->pairs;
  const std::vector<KeyPair> keys = KeysToCompare(views);
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

arrow::Status HashJoiner::MarkMatched(const JoinTable& table, const ViewPair& views, Marks* marks, Worker* worker) {
  PairBuffer& pairs = worker->pairs;
  const std::vector<KeyPair> keys = KeysToCompare(views);
  const uint64_t* const words = views.left.words();
  const auto n = static_cast<uint32_t>(views.left.rows);
  ARROW_RETURN_NOT_OK(pairs.Open());
  uint32_t* const left = pairs.open(Side::kLeft);
  uint32_t* const right = pairs.open(Side::kRight);
  ARROW_ASSIGN_OR_RAISE(uint8_t* const scratch, worker->scratch.Reserve(pairs.room()));
  for (uint32_t row = 0; row < n;) {
    ProbeCursor cursor{row, 0};
    const uint32_t found = table.ProbeFirst(words, n, &row, right, left, pairs.room());
    const uint32_t equal = exact_ ? found : KeepEqualPairs(keys, options_, left, right, found, scratch);
    marks->Set(left, equal);
    if (equal == found) continue;
    // Different keys have the same hash: here all rows of a hash are looked at.
    while (cursor.row < row) {
      const uint32_t all = table.Probe(words, row, &cursor, right, left, pairs.room());
      marks->Set(left, KeepEqualPairs(keys, options_, left, right, all, scratch));
    }
  }
  return arrow::Status::OK();
}

arrow::Status HashJoiner::AddAlone(Side kept, const Marks& marks, bool marked, const ViewPair& views, Worker* worker,
                                   ChunkList* out) {
  PairBuffer& pairs = worker->pairs;
  const auto end = static_cast<uint32_t>(views.side(kept).rows);
  for (uint32_t row = 0; row < end;) {
    if (pairs.room() < PairBuffer::kLeastRoom) ARROW_RETURN_NOT_OK(Emit(views, worker, out));
    ARROW_RETURN_NOT_OK(pairs.Open());
    uint32_t* const rows = pairs.open(kept);
    uint32_t* const none = pairs.open(Other(kept));
    uint32_t n = 0;
    for (const uint32_t stop = end - row > pairs.room() ? row + pairs.room() : end; row < stop; ++row) {
      rows[n] = row;
      none[n] = kNoRow;
      n += marks.Get(row) == marked;
    }
    if (n > 0) pairs.SetPadded(Other(kept));
    pairs.Add(n);
  }
  return arrow::Status::OK();
}

bool HashJoiner::CanLookUp(const JoinTable& table, Side build, const ViewPair& views, const Worker& worker) const {
  return exact_ && table.unique() && !Keeps(build) && views.side(Other(build)).rows <= worker.pairs.room();
}

arrow::Status HashJoiner::ChooseByLookUp(const JoinTable& table, const ViewPair& views, Worker* worker) {
  PairBuffer& pairs = worker->pairs;
  ARROW_RETURN_NOT_OK(pairs.Open());
  uint32_t* const rows = pairs.open(Side::kLeft);
  uint32_t* const found = pairs.open(Side::kRight);
  const auto n = static_cast<uint32_t>(views.left.rows);
  table.Find(views.left.words(), n, found);
  const bool wanted = options_.type == JoinType::kLeftSemi;
  uint32_t kept = 0;
  for (uint32_t i = 0; i < n; ++i) {
    rows[kept] = i;
    kept += static_cast<uint32_t>((found[i] != JoinTable::kNone) == wanted);
  }
  std::fill_n(found, kept, kNoRow);
  if (kept > 0) pairs.SetPadded(Side::kRight);
  pairs.Add(kept);
  return arrow::Status::OK();
}

arrow::Status HashJoiner::Choose(const ViewPair& views, Worker* worker) {
  PairBuffer& pairs = worker->pairs;
  ARROW_RETURN_NOT_OK(pairs.Open());
  const bool wanted = options_.type == JoinType::kLeftSemi;
  const auto n = static_cast<uint32_t>(views.left.rows);
  const uint32_t kept = set_->Select(views.left.words(), n, wanted, pairs.open(Side::kLeft));
  std::fill_n(pairs.open(Side::kRight), kept, kNoRow);
  if (kept > 0) pairs.SetPadded(Side::kRight);
  pairs.Add(kept);
  return arrow::Status::OK();
}

arrow::Status HashJoiner::LookUp(const JoinTable& table, Side build, const ViewPair& views, Worker* worker,
                                 ChunkList* out) {
  const Side probe = Other(build);
  const SideView& probing = views.side(probe);
  const auto n = static_cast<uint32_t>(probing.rows);
  PairBuffer& pairs = worker->pairs;
  ARROW_RETURN_NOT_OK(pairs.Open());
  uint32_t* const built_rows = pairs.open(build);
  uint32_t* const probing_rows = pairs.open(probe);
  if (set_.has_value() && !Keeps(probe)) {
    // Words that are not among the build side's are left out before the others are looked up.
    const uint32_t count = set_->Select(probing.words(), n, true, probing_rows);
    if (count < n) {
      ARROW_ASSIGN_OR_RAISE(uint64_t* const words, worker->words.Reserve(count));
      for (uint32_t i = 0; i < count; ++i) words[i] = probing.words()[probing_rows[i]];
      table.Find(words, count, built_rows);
      pairs.Add(count);
      return arrow::Status::OK();
    }
  }
  const uint32_t found = table.Find(probing.words(), n, built_rows);
  if (found == n || Keeps(probe)) {
    std::iota(probing_rows, probing_rows + n, uint32_t{0});
    if (found < n) pairs.SetPadded(build);
    if (pairs.size() == 0) pairs.SetAll(probe);
    pairs.Add(n);
    return Emit(views, worker, out);
  }
  uint32_t kept = 0;
  for (uint32_t i = 0; i < n; ++i) {
    const uint32_t row = built_rows[i];
    built_rows[kept] = row;
    probing_rows[kept] = i;
    kept += static_cast<uint32_t>(row != JoinTable::kNone);
  }
  pairs.Add(kept);
  return arrow::Status::OK();
}

arrow::Status HashJoiner::ProbeRows(const JoinTable& table, Side build, const ViewPair& views, Marks* build_marks,
                                    Worker* worker, ChunkList* out) {
  const Side probe = Other(build);
  if (ChoosesLeftRows(options_.type) && set_.has_value()) return Choose(views, worker);
  const bool has_built = views.side(build).rows > 0;
  if (has_built && CanLookUp(table, build, views, *worker)) {
    return ChoosesLeftRows(options_.type) ? ChooseByLookUp(table, views, worker)
                                          : LookUp(table, build, views, worker, out);
  }
  Marks* const marks = Marked(probe) ? &worker->marks(probe) : nullptr;
  if (marks != nullptr) ARROW_RETURN_NOT_OK(marks->Reset(views.side(probe).rows));
  if (ChoosesLeftRows(options_.type)) {
    if (has_built) ARROW_RETURN_NOT_OK(MarkMatched(table, views, marks, worker));
    return AddAlone(probe, *marks, options_.type == JoinType::kLeftSemi, views, worker, out);
  }
  if (has_built) ARROW_RETURN_NOT_OK(ProbeAll(table, build, views, build_marks, marks, worker, out));
  return marks == nullptr ? arrow::Status::OK() : AddAlone(probe, *marks, /*marked=*/false, views, worker, out);
}

arrow::Status HashJoiner::JoinPartition(const ViewPair& views, Worker* worker, ChunkList* out) {
  const Side build = PartitionBuildSide(views);
  const SideView& built = views.side(build);
  Marks* const marks = Keeps(build) ? &worker->marks(build) : nullptr;
  if (marks != nullptr) ARROW_RETURN_NOT_OK(marks->Reset(built.rows));
  if (built.rows > 0) {
    ARROW_RETURN_NOT_OK(worker->table.Build(built.words(), static_cast<uint32_t>(built.rows), cut_));
  }
  ARROW_RETURN_NOT_OK(ProbeRows(worker->table, build, views, marks, worker, out));
  if (marks != nullptr) ARROW_RETURN_NOT_OK(AddAlone(build, *marks, /*marked=*/false, views, worker, out));
  return Emit(views, worker, out);
}

arrow::Status HashJoiner::ProbeInSlices(const JoinTable& table, Side build, const SideView& built, int64_t rows,
                                        int64_t slice_rows, const SliceOf& slice, ChunkList* out) {
  Marks build_marks(context_.pool);
  Marks* const marks = Keeps(build) ? &build_marks : nullptr;
  if (marks != nullptr) ARROW_RETURN_NOT_OK(marks->Reset(built.rows));
  const auto views = [&](const SideView& probing) {
    return build == Side::kLeft ? ViewPair{built, probing} : ViewPair{probing, built};
  };
  const int64_t tasks = (rows + slice_rows - 1) / slice_rows;
  std::vector<ChunkList> lists(static_cast<size_t>(tasks) + 1);
  ARROW_RETURN_NOT_OK(ParallelFor(context_, tasks, [&](int64_t task) {
    return WithWorker([&](Worker* worker) {
      const int64_t begin = task * slice_rows;
      ARROW_ASSIGN_OR_RAISE(const RangeView probing, slice(begin, std::min(rows, begin + slice_rows)));
      const ViewPair pair = views(probing.view);
      ChunkList* const list = &lists[static_cast<size_t>(task)];
      ARROW_RETURN_NOT_OK(ProbeRows(table, build, pair, marks, worker, list));
      return Emit(pair, worker, list);
    });
  }));
  if (marks != nullptr) {
    ARROW_RETURN_NOT_OK(WithWorker([&](Worker* worker) {
      ARROW_ASSIGN_OR_RAISE(const RangeView none, slice(0, 0));
      const ViewPair pair = views(none.view);
      ARROW_RETURN_NOT_OK(AddAlone(build, *marks, /*marked=*/false, pair, worker, &lists.back()));
      return Emit(pair, worker, &lists.back());
    }));
  }
  for (ChunkList& list : lists) {
    out->insert(out->end(), std::make_move_iterator(list.begin()), std::make_move_iterator(list.end()));
  }
  return arrow::Status::OK();
}

arrow::Status HashJoiner::JoinLargePartition(const ViewPair& views, ChunkList* out) {
  const Side build = PartitionBuildSide(views);
  const SideView& built = views.side(build);
  const SideView& probing = views.side(Other(build));
  JoinTable table(context_.pool);
  ARROW_RETURN_NOT_OK(table.Build(built.words(), static_cast<uint32_t>(built.rows), cut_));
  const auto slice = [&](int64_t begin, int64_t end) -> arrow::Result<RangeView> {
    RangeView range{probing, {}};
    range.view.rows = end - begin;
    for (size_t s = 0; s < range.view.slots.size(); ++s) range.view.slots[s] += begin * probing.side->slots()[s].width;
    return range;
  };
  return ProbeInSlices(table, build, built, probing.rows, kSliceRows, slice, out);
}

arrow::Status HashJoiner::JoinPartitioned() {
  TraceSpan partition_span(context_.tracer, "join.partition");
  partition_span.AddRows(sides_[0]->rows() + sides_[1]->rows());
  ARROW_ASSIGN_OR_RAISE(auto partitions, JoinPartitions::Make(&*sides_[0], &*sides_[1], cut_, context_));
  for (auto& side : sides_) side->FreeWords();
  partition_span.End();
  const TraceSpan span(context_.tracer, "join.match");
  chunks_.resize(static_cast<size_t>(partitions.count()));
  const auto views = [&](int64_t p) {
    return ViewPair{partitions.View(Side::kLeft, p), partitions.View(Side::kRight, p)};
  };
  const int64_t large_rows =
      std::max(kLargePartitionRows, (sides_[0]->rows() + sides_[1]->rows()) / kLargePartitionShare);
  const auto is_large = [&](const ViewPair& pair) {
    return pair.side(Other(PartitionBuildSide(pair))).rows > large_rows;
  };
  std::vector<uint8_t> large(chunks_.size(), 0);
  ARROW_RETURN_NOT_OK(ParallelFor(context_, partitions.count(), [&](int64_t p) {
    const ViewPair pair = views(p);
    if (is_large(pair)) {
      large[static_cast<size_t>(p)] = 1;
      return arrow::Status::OK();
    }
    return WithWorker([&](Worker* worker) {
      ARROW_RETURN_NOT_OK(JoinPartition(pair, worker, &chunks_[static_cast<size_t>(p)]));
      partitions.Free(p);
      return arrow::Status::OK();
    });
  }));
  for (size_t p = 0; p < large.size(); ++p) {
    if (large[p] == 0) continue;
    ARROW_RETURN_NOT_OK(JoinLargePartition(views(static_cast<int64_t>(p)), &chunks_[p]));
    partitions.Free(static_cast<int64_t>(p));
  }
  return arrow::Status::OK();
}

arrow::Status HashJoiner::JoinWhole() {
  const TraceSpan span(context_.tracer, "join.match");
  const Side build = BuildSide(sides_[0]->rows(), sides_[1]->rows());
  const Side probe = Other(build);
  const auto slice = [&](int64_t begin, int64_t end) { return ViewRange(side(probe), begin, end, context_.pool); };
  chunks_.resize(1);
  if (set_.has_value()) {
    ARROW_ASSIGN_OR_RAISE(const RangeView nothing, ViewRange(side(build), 0, 0, context_.pool));
    const JoinTable none(context_.pool);
    return ProbeInSlices(none, build, nothing.view, side(probe)->rows(),
                         std::min<int64_t>(kProbeRows, tuning_.chunk_rows), slice, &chunks_[0]);
  }
  ARROW_ASSIGN_OR_RAISE(const RangeView built, ViewRange(side(build), 0, side(build)->rows(), context_.pool));
  JoinTable table(context_.pool);
  if (built.view.rows > 0 && built.view.words() != nullptr) {
    ARROW_RETURN_NOT_OK(
        table.BuildWhole(built.view.words(), static_cast<uint32_t>(built.view.rows), side(probe)->rows()));
  } else {
    ARROW_RETURN_NOT_OK(table.Build(built.view.words(), static_cast<uint32_t>(built.view.rows), {}));
  }
  if (exact_ && table.unique() && !table.placed() && side(probe)->rows() / kManyProbes >= built.view.rows) {
    ARROW_ASSIGN_OR_RAISE(set_, WordSet::Make(*side(build), side(probe)->rows(), context_));
  }
  return ProbeInSlices(table, build, built.view, side(probe)->rows(), kProbeRows, slice, &chunks_[0]);
}

arrow::Result<std::shared_ptr<arrow::Table>> HashJoiner::Run(const std::shared_ptr<arrow::Table>& left,
                                                             const std::shared_ptr<arrow::Table>& right) {
  ARROW_RETURN_NOT_OK(Prepare(left, right));
  FaultPoint(FaultPhase::kLocalOperator);
  ARROW_RETURN_NOT_OK(cut_.bits == 0 ? JoinWhole() : JoinPartitioned());
  idle_.clear();
  FaultPoint(FaultPhase::kLocalOperator);
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
