#include "weft/kernels/row_order.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>
#include <numeric>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "weft/kernels/row_runs.h"

namespace weft::kernels {
namespace {

constexpr int kDigitBits = 8;
constexpr int kBuckets = 1 << kDigitBits;
/// Runs up to this length are sorted by insertion.
constexpr int64_t kInsertion = 24;
/// Runs shorter than this are sorted by one thread.
constexpr int64_t kParallelRows = 1 << 16;
/// After so many stages, runs are sorted by comparing: bounds the depth of the recursion.
constexpr int kMaxSteps = 48;

/// A key and the row it belongs to.
struct WideEntry {
  uint64_t code;
  int64_t row;
};

/// What is sorted next: a level of the layout and, for a binary level, bytes that are known to be equal.
struct Stage {
  int level = 0;
  int64_t depth = 0;
  int step = 0;
};

/// Both in one word: the key above the row number. Half the memory to move.
struct PackedEntry {
  uint64_t value;
};

/// Sorts entries and writes their rows. Entry is one of the two above; packed ones have no level but the first.
template <typename Entry>
class RadixSorter {
  static constexpr bool kPacked = std::is_same_v<Entry, PackedEntry>;

 public:
  using FirstWords = std::function<void(int64_t begin, int64_t length, uint64_t* out)>;

  RadixSorter(const KeyLayout* layout, int levels, int row_bits, const Context& context)
      : layout_(layout), levels_(levels), row_bits_(row_bits), context_(context) {}

  /// `runs` as FindRuns gives them: none for rows that are to be sorted.
  arrow::Result<PoolArray<int64_t>> Sort(int64_t rows, int bits, const FirstWords& words,
                                         const std::vector<int64_t>& runs) {
    ARROW_ASSIGN_OR_RAISE(auto out, PoolArray<int64_t>::Make(rows, context_.pool));
    if (levels_ == 0 || runs.size() == 1) {
      std::iota(out.begin(), out.end(), int64_t{0});
      return out;
    }
    ARROW_RETURN_NOT_OK(LaterWords(rows));
    // Packed entries are as wide as the rows they end as. A run's entries, its scratch and its part of the result have
    // the same places in their arrays, so the result may take the place of the entries.
    PoolArray<Entry> own;
    if (!kPacked) {
      ARROW_ASSIGN_OR_RAISE(own, PoolArray<Entry>::Make(rows, context_.pool));
    }
    Entry* source = kPacked ? reinterpret_cast<Entry*>(out.data()) : own.data();
    ARROW_ASSIGN_OR_RAISE(auto scratch, PoolArray<Entry>::Make(rows, context_.pool));
    Run first{source, scratch.data(), rows, bits, {}, out.data()};
    if (layout_ != nullptr && layout_->binary(0) != nullptr) {
      ARROW_RETURN_NOT_OK(Blocks(rows, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) SetRow(&source[i], i);
      }));
      ARROW_RETURN_NOT_OK(BeginStage(&first));
    } else {
      ARROW_RETURN_NOT_OK(Blocks(rows, [&](int64_t begin, int64_t end) {
        uint64_t codes[KeyLayout::kBlock];
        for (int64_t at = begin; at < end; at += KeyLayout::kBlock) {
          const int64_t length = std::min(KeyLayout::kBlock, end - at);
          words(at, length, codes);
          for (int64_t i = 0; i < length; ++i) source[at + i] = MakeEntry(codes[i], at + i);
        }
      }));
    }
    ARROW_RETURN_NOT_OK(runs.empty() ? SortAll(first) : Merge(first, runs));
    return out;
  }

 private:
  /// Entries equal in all stages before `stage` and in all its bits but the lower `bits`; their sorted rows go to
  /// `out`. `scratch` has room for as many.
  struct Run {
    Entry* entries;
    Entry* scratch;
    int64_t length;
    int bits;
    Stage stage;
    int64_t* out;
  };

  static uint64_t Code(const Entry& entry) {
    if constexpr (kPacked) {
      return entry.value;
    } else {
      return entry.code;
    }
  }
  int64_t Row(const Entry& entry) const {
    if constexpr (kPacked) {
      return static_cast<int64_t>(entry.value & ((uint64_t{1} << row_bits_) - 1));
    } else {
      return entry.row;
    }
  }
  Entry MakeEntry(uint64_t code, int64_t row) const {
    if constexpr (kPacked) {
      return {(code << row_bits_) | static_cast<uint64_t>(row)};
    } else {
      return {code, row};
    }
  }
  static void SetRow(Entry* entry, int64_t row) {
    if constexpr (!kPacked) *entry = {0, row};
  }

  arrow::Status Blocks(int64_t rows, const std::function<void(int64_t, int64_t)>& work) {
    const int64_t blocks = (rows + kParallelRows - 1) / kParallelRows;
    return ParallelFor(context_, blocks, [&](int64_t b) {
      work(b * kParallelRows, std::min(rows, (b + 1) * kParallelRows));
      return arrow::Status::OK();
    });
  }

  /// The words of all levels but the first, which ties ask for row by row.
  arrow::Status LaterWords(int64_t rows) {
    words_.resize(static_cast<size_t>(levels_));
    for (int level = 1; level < levels_; ++level) {
      if (layout_->binary(level) != nullptr) continue;
      auto& words = words_[static_cast<size_t>(level)];
      ARROW_ASSIGN_OR_RAISE(words, PoolArray<uint64_t>::Make(rows, context_.pool));
      ARROW_RETURN_NOT_OK(Blocks(rows, [&](int64_t begin, int64_t end) {
        for (int64_t at = begin; at < end; at += KeyLayout::kBlock) {
          layout_->Words(level, at, std::min(KeyLayout::kBlock, end - at), words.data() + at);
        }
      }));
    }
    return arrow::Status::OK();
  }

  /// All entries, which are ascending from each of `begins` to the next.
  arrow::Status Merge(const Run& all, const std::vector<int64_t>& begins) {
    const auto merge = [&](const auto& before) -> arrow::Status {
      ARROW_ASSIGN_OR_RAISE(Entry * merged,
                            MergeAdjacentRuns(all.entries, all.scratch, all.length, begins, before, context_));
      Run sorted = all;
      sorted.entries = merged;
      return Blocks(all.length, [&](int64_t begin, int64_t end) { Emit(sorted, begin, end); });
    };
    const auto by_code = [](const Entry& a, const Entry& b) { return Code(a) < Code(b); };
    if constexpr (!kPacked) {
      if (HasNextStage(all.stage)) {
        return merge([&](const Entry& a, const Entry& b) {
          return a.code != b.code ? a.code < b.code : Compare(a.row, b.row, all.stage) < 0;
        });
      }
    }
    return merge(by_code);
  }

  /// Splits long runs by all threads, one digit at a time, until each can be left to one thread; then sorts those.
  arrow::Status SortAll(const Run& first) {
    const int64_t enough = std::max(kParallelRows, first.length / 64);
    std::vector<Run> open{first};
    std::vector<Run> leaves;
    while (!open.empty()) {
      Run run = open.back();
      open.pop_back();
      if (run.length <= enough || context_.threads == 1) {
        if (run.length > 0) leaves.push_back(run);
        continue;
      }
      if (run.bits == 0) {
        if (!NextStage(&run)) {
          ARROW_RETURN_NOT_OK(Blocks(run.length, [&](int64_t begin, int64_t end) { Emit(run, begin, end); }));
          continue;
        }
        ARROW_RETURN_NOT_OK(BeginStage(&run));
      }
      ARROW_RETURN_NOT_OK(SplitParallel(run, &open));
    }
    if (context_.threads == 1) {
      for (const Run& run : leaves) ARROW_RETURN_NOT_OK(SortLeaf(run));
      return arrow::Status::OK();
    }
    // Longest first, so that none is left alone at the end.
    std::sort(leaves.begin(), leaves.end(), [](const Run& a, const Run& b) { return a.length > b.length; });
    return ParallelFor(context_, static_cast<int64_t>(leaves.size()),
                       [&](int64_t i) { return SortLeaf(leaves[static_cast<size_t>(i)]); });
  }

  /// A run that one thread sorts. Long ones are cut by one digit first, so that a stop request is seen in between.
  arrow::Status SortLeaf(const Run& run) {
    if (run.length <= kParallelRows || run.bits == 0) {
      SortRun(run);
      return arrow::Status::OK();
    }
    Run split = run;
    int64_t counts[kBuckets];
    if (!Scatter(&split, counts)) {
      SortRun(split);
      return arrow::Status::OK();
    }
    int64_t begin = 0;
    for (const int64_t count : counts) {
      if (count == 0) continue;
      ARROW_RETURN_NOT_OK(context_.stop.Poll());
      SortRun({split.entries + begin, split.scratch + begin, count, split.bits, split.stage, split.out + begin});
      begin += count;
    }
    return arrow::Status::OK();
  }

  arrow::Status SplitParallel(const Run& run, std::vector<Run>* open) {
    const int digit = std::min(run.bits, kDigitBits);
    const int shift = run.bits - digit + row_bits_;
    const uint64_t mask = (uint64_t{1} << digit) - 1;
    const int64_t blocks = std::min<int64_t>((run.length + kParallelRows - 1) / kParallelRows, 64);
    const int64_t block_rows = (run.length + blocks - 1) / blocks;
    std::vector<int64_t> places(static_cast<size_t>(blocks * kBuckets));
    ARROW_RETURN_NOT_OK(ParallelFor(context_, blocks, [&](int64_t b) {
      int64_t* counts = places.data() + b * kBuckets;
      const int64_t end = std::min(run.length, (b + 1) * block_rows);
      for (int64_t i = b * block_rows; i < end; ++i) ++counts[(Code(run.entries[i]) >> shift) & mask];
      return arrow::Status::OK();
    }));
    if (OneBucket(places, blocks)) {
      open->push_back(run);
      open->back().bits -= digit;
      return arrow::Status::OK();
    }
    int64_t sum = 0;
    for (int bucket = 0; bucket < kBuckets; ++bucket) {
      const int64_t begin = sum;
      for (int64_t b = 0; b < blocks; ++b) {
        sum += std::exchange(places[static_cast<size_t>(b * kBuckets + bucket)], sum);
      }
      if (sum == begin) continue;
      open->push_back(
          {run.scratch + begin, run.entries + begin, sum - begin, run.bits - digit, run.stage, run.out + begin});
    }
    return ParallelFor(context_, blocks, [&](int64_t b) {
      int64_t* next = places.data() + b * kBuckets;
      const int64_t end = std::min(run.length, (b + 1) * block_rows);
      for (int64_t i = b * block_rows; i < end; ++i) {
        run.scratch[next[(Code(run.entries[i]) >> shift) & mask]++] = run.entries[i];
      }
      return arrow::Status::OK();
    });
  }

  /// Whether all entries counted, by block and bucket, are in one bucket: then there is nothing to move.
  static bool OneBucket(const std::vector<int64_t>& counts, int64_t blocks) {
    int used = 0;
    for (int bucket = 0; bucket < kBuckets; ++bucket) {
      for (int64_t b = 0; b < blocks; ++b) {
        if (counts[static_cast<size_t>(b * kBuckets + bucket)] == 0) continue;
        ++used;
        break;
      }
    }
    return used == 1;
  }

  /// Splits a run by the next digit that tells any two entries apart, and makes `run` the result. False where no bits
  /// are left.
  bool Scatter(Run* run, int64_t* counts) const {
    while (run->bits > 0) {
      const int wanted = static_cast<int>(std::bit_width(static_cast<uint64_t>(run->length))) - 2;
      const int digit = std::min({run->bits, kDigitBits, std::max(wanted, 4)});
      const int shift = run->bits - digit + row_bits_;
      const uint64_t mask = (uint64_t{1} << digit) - 1;
      std::fill(counts, counts + kBuckets, 0);
      for (int64_t i = 0; i < run->length; ++i) ++counts[(Code(run->entries[i]) >> shift) & mask];
      run->bits -= digit;
      if (counts[(Code(run->entries[0]) >> shift) & mask] == run->length) continue;
      int64_t next[kBuckets];
      int64_t sum = 0;
      for (int bucket = 0; bucket < kBuckets; ++bucket) {
        next[bucket] = sum;
        sum += counts[bucket];
      }
      for (int64_t i = 0; i < run->length; ++i) {
        run->scratch[next[(Code(run->entries[i]) >> shift) & mask]++] = run->entries[i];
      }
      std::swap(run->entries, run->scratch);
      return true;
    }
    return false;
  }

  void SortRun(Run run) const {
    if (run.length <= kInsertion) return SortSmall(run);
    int64_t counts[kBuckets];
    if (!Scatter(&run, counts)) return SortEqual(run);
    int64_t begin = 0;
    for (const int64_t count : counts) {
      if (count == 1) {
        run.out[begin] = Row(run.entries[begin]);
      } else if (count > 1) {
        SortRun({run.entries + begin, run.scratch + begin, count, run.bits, run.stage, run.out + begin});
      }
      begin += count;
    }
  }

  /// By insertion on the code; then runs of one code by the later levels.
  void SortSmall(const Run& run) const {
    Entry* entries = run.entries;
    for (int64_t i = 1; i < run.length; ++i) {
      const Entry entry = entries[i];
      int64_t place = i;
      while (place > 0 && Code(entry) < Code(entries[place - 1])) {
        entries[place] = entries[place - 1];
        --place;
      }
      entries[place] = entry;
    }
    if (kPacked || !HasNextStage(run.stage)) return Emit(run, 0, run.length);
    for (int64_t begin = 0; begin < run.length;) {
      int64_t end = begin + 1;
      while (end < run.length && Code(entries[end]) == Code(entries[begin])) ++end;
      if (end - begin > 1) SortByComparing(entries + begin, end - begin, run.stage);
      begin = end;
    }
    Emit(run, 0, run.length);
  }

  /// Entries with one code.
  void SortEqual(Run run) const {
    if (kPacked || !NextStage(&run)) return Emit(run, 0, run.length);
    if (run.length <= kInsertion || run.stage.step > kMaxSteps) {
      SortByComparing(run.entries, run.length, run.stage);
      return Emit(run, 0, run.length);
    }
    ReadStage(&run, 0, run.length);
    SortRun(run);
  }

  void Emit(const Run& run, int64_t begin, int64_t end) const {
    for (int64_t i = begin; i < end; ++i) run.out[i] = Row(run.entries[i]);
  }

  bool HasNextStage(const Stage& stage) const {
    return layout_ != nullptr && (stage.level + 1 < levels_ || layout_->binary(stage.level) != nullptr);
  }

  /// Moves a run of entries with one code to its next stage; false where it was the last.
  bool NextStage(Run* run) const {
    if (layout_ == nullptr) return false;
    Stage& stage = run->stage;
    const KeyColumn* binary = layout_->binary(stage.level);
    if (binary != nullptr) {
      const std::string_view view = binary->View(Row(run->entries[0]));
      if (view.data() != nullptr && static_cast<int64_t>(view.size()) > stage.depth + 7) {
        stage.depth += 7;
        ++stage.step;
        run->bits = 64;
        return true;
      }
    }
    if (stage.level + 1 >= levels_) return false;
    stage = {stage.level + 1, 0, stage.step + 1};
    run->bits = layout_->binary(stage.level) != nullptr ? 64 : layout_->bits(stage.level);
    return true;
  }

  /// Skips the bytes that all views of [begin, end) have in common, beyond `depth`.
  static int64_t CommonDepth(const KeyColumn& column, const Entry* entries, int64_t length, int64_t depth,
                             std::string_view* model) {
    for (int64_t i = 0; i < length; ++i) {
      if constexpr (!kPacked) {
        const std::string_view view = column.View(entries[i].row);
        if (view.data() == nullptr) continue;
        if (model->data() == nullptr) *model = view;
        const auto limit = static_cast<int64_t>(std::min(view.size(), model->size()));
        int64_t same = std::min<int64_t>(depth, limit);
        while (same < limit && view[static_cast<size_t>(same)] == (*model)[static_cast<size_t>(same)]) ++same;
        *model = model->substr(0, static_cast<size_t>(same));
        if (same <= depth) return depth;
      }
    }
    return std::max(depth, static_cast<int64_t>(model->size()));
  }

  /// Reads the codes of a run's stage into its entries (one thread).
  void ReadStage(Run* run, int64_t begin, int64_t end) const {
    if (layout_->binary(run->stage.level) != nullptr) {
      std::string_view model;
      run->stage.depth =
          CommonDepth(*layout_->binary(run->stage.level), run->entries, run->length, run->stage.depth, &model);
    }
    ReadCodes(*run, begin, end);
  }

  void ReadCodes(const Run& run, int64_t begin, int64_t end) const {
    if constexpr (!kPacked) {
      const KeyColumn* binary = layout_->binary(run.stage.level);
      if (binary == nullptr) {
        const uint64_t* words = words_[static_cast<size_t>(run.stage.level)].data();
        for (int64_t i = begin; i < end; ++i) run.entries[i].code = words[run.entries[i].row];
        return;
      }
      const KeyDirection& direction = layout_->direction(run.stage.level);
      for (int64_t i = begin; i < end; ++i) {
        run.entries[i].code = TextCode(binary->View(run.entries[i].row), run.stage.depth, direction);
      }
    }
  }

  /// The same by all threads.
  arrow::Status BeginStage(Run* run) {
    if constexpr (!kPacked) {
      run->bits = layout_->binary(run->stage.level) != nullptr ? 64 : layout_->bits(run->stage.level);
      if (const KeyColumn* binary = layout_->binary(run->stage.level)) {
        std::string_view model;
        run->stage.depth = CommonDepth(*binary, run->entries, run->length, run->stage.depth, &model);
      }
      return Blocks(run->length, [&](int64_t begin, int64_t end) { ReadCodes(*run, begin, end); });
    }
    return arrow::Status::OK();
  }

  /// Rows that are equal before `stage`, by comparing their later levels.
  void SortByComparing(Entry* entries, int64_t length, const Stage& stage) const {
    if constexpr (!kPacked) {
      const auto before = [&](const WideEntry& a, const WideEntry& b) {
        const int order = Compare(a.row, b.row, stage);
        return order != 0 ? order < 0 : a.row < b.row;
      };
      std::sort(entries, entries + length, before);
    }
  }

  int Compare(int64_t a, int64_t b, const Stage& stage) const {
    for (int level = stage.level; level < levels_; ++level) {
      if (const KeyColumn* binary = layout_->binary(level)) {
        const int order = CompareKeys(*binary, a, *binary, b, layout_->direction(level));
        if (order != 0) return order;
      } else if (level > 0) {
        const auto& words = words_[static_cast<size_t>(level)];
        if (words[a] != words[b]) return words[a] < words[b] ? -1 : 1;
      }
    }
    return 0;
  }

  const KeyLayout* layout_;
  const int levels_;
  const int row_bits_;
  const Context& context_;
  /// By level; empty for the first and for binary ones.
  std::vector<PoolArray<uint64_t>> words_;
};

arrow::Result<PoolArray<int64_t>> OrderWords(const KeyLayout* layout, int levels, int bits, int64_t rows,
                                             const std::function<void(int64_t, int64_t, uint64_t*)>& words,
                                             const std::vector<int64_t>& runs, const Context& context) {
  const auto row_bits = static_cast<int>(std::bit_width(static_cast<uint64_t>(std::max<int64_t>(rows - 1, 0))));
  const bool packed = levels <= 1 && bits > 0 && bits + row_bits <= 64;
  if (packed) return RadixSorter<PackedEntry>(nullptr, levels, row_bits, context).Sort(rows, bits, words, runs);
  return RadixSorter<WideEntry>(layout, levels, 0, context).Sort(rows, bits, words, runs);
}

}  // namespace

arrow::Result<PoolArray<int64_t>> OrderRows(const KeyLayout& layout, int64_t rows, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto runs, FindRuns(layout, rows, kMostMergedRuns, context));
  return OrderRows(layout, rows, runs, context);
}

arrow::Result<PoolArray<int64_t>> OrderRows(const KeyLayout& layout, int64_t rows, const std::vector<int64_t>& runs,
                                            const Context& context) {
  const int bits = layout.levels() == 0 || layout.binary(0) != nullptr ? 0 : layout.bits(0);
  return OrderWords(
      &layout, layout.levels(), bits, rows,
      [&](int64_t begin, int64_t length, uint64_t* out) { layout.Words(0, begin, length, out); }, runs, context);
}

arrow::Result<PoolArray<int64_t>> OrderNumbers(std::span<const int64_t> numbers, int bits, const Context& context) {
  return OrderWords(
      nullptr, bits == 0 ? 0 : 1, bits, static_cast<int64_t>(numbers.size()),
      [&](int64_t begin, int64_t length, uint64_t* out) {
        std::memcpy(out, numbers.data() + begin, static_cast<size_t>(length) * sizeof(uint64_t));
      },
      {}, context);
}

}  // namespace weft::kernels
