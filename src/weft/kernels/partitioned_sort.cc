#include "weft/kernels/partitioned_sort.h"

#include <arrow/array.h>
#include <arrow/type_traits.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include "weft/base/cpu_level.h"
#include "weft/kernels/chunk_finder.h"
#include "weft/kernels/group_fold.h"
#include "weft/kernels/key_texts.h"
#include "weft/kernels/radix_partition.h"
#include "weft/kernels/row_partitions.h"

namespace weft::kernels {
namespace {

/// Fewer rows are ordered as they lie.
constexpr int64_t kLeastRows = int64_t{1} << 18;
/// Rows of a partition, about, and keys looked at for each to choose where partitions end.
constexpr int64_t kPartitionRows = int64_t{1} << 15;
constexpr int64_t kSamples = 16;
/// As many as one pass makes.
constexpr int64_t kMostPartitions = int64_t{1} << kMaxPartitionBits;
/// Texts looked at for what they have in common.
constexpr int64_t kPrefixSample = 1024;
/// One in so many may come before those that have it, and as many after.
constexpr size_t kOutside = 16;
/// No partition may have more than this share of all rows, unless that is few times what it should have.
constexpr int64_t kMostShare = 8;

using TablePtr = std::shared_ptr<arrow::Table>;

bool IsText(arrow::Type::type id) { return arrow::is_base_binary_like(id); }

/// Whether rows can take all columns along, and whether that pays: texts are reached for at random otherwise, while
/// fixed-width columns alone are gathered as fast as they are moved.
bool ShouldMove(const arrow::Table& table) {
  const auto& columns = table.columns();
  const auto is_text = [](const auto& column) { return IsText(column->type()->id()); };
  const auto can_move = [&](const auto& column) {
    return is_text(column) ? column->null_count() == 0 : RowPartitions::CanMove(*column);
  };
  return std::any_of(columns.begin(), columns.end(), is_text) && std::all_of(columns.begin(), columns.end(), can_move);
}

/// What rows are partitioned by: the first word of their keys, or bytes of texts from where most of a sample begin to
/// differ. Codes ascend with the rows' order.
class FirstCodes {
 public:
  FirstCodes(const KeyLayout& layout, int64_t rows) : layout_(layout), texts_(layout.binary(0)) {
    if (texts_ == nullptr) return;
    std::vector<std::string_view> sample;
    const int64_t step = std::max<int64_t>(1, rows / kPrefixSample);
    for (int64_t row = 0; row < rows; row += step) sample.push_back(texts_->View(row));
    std::sort(sample.begin(), sample.end());
    // What lies between two texts begins as both do.
    const std::string_view low = sample[sample.size() / kOutside];
    const std::string_view high = sample[sample.size() - 1 - sample.size() / kOutside];
    const auto differ = std::mismatch(low.begin(), low.end(), high.begin(), high.end()).first;
    prefix_ = low.substr(0, static_cast<size_t>(differ - low.begin()));
  }
  void operator()(int64_t begin, int64_t length, uint64_t* out) const {
    if (texts_ == nullptr) return layout_.Words(0, begin, length, out);
    for (int64_t i = 0; i < length; ++i) out[i] = Code(texts_->View(begin + i));
  }

 private:
  uint64_t Code(std::string_view text) const {
    const KeyDirection& direction = layout_.direction(0);
    // Texts that begin otherwise come before or after all that begin so.
    const int order = text.substr(0, prefix_.size()).compare(prefix_);
    if (order == 0) return TextCode(text, static_cast<int64_t>(prefix_.size()), direction);
    return (order > 0) == direction.ascending ? std::numeric_limits<uint64_t>::max() : 0;
  }

  const KeyLayout& layout_;
  const KeyColumn* const texts_;
  std::string_view prefix_;
};

/// The first code of each partition but the first, ascending; none where a few keys have most of the rows.
std::vector<uint64_t> ChooseSplitters(const FirstCodes& codes, int64_t rows) {
  const int64_t parts = std::min(rows / kPartitionRows, kMostPartitions);
  std::vector<uint64_t> sample(static_cast<size_t>(parts * kSamples));
  const int64_t step = rows / static_cast<int64_t>(sample.size());
  for (size_t i = 0; i < sample.size(); ++i) codes(static_cast<int64_t>(i) * step, 1, &sample[i]);
  std::sort(sample.begin(), sample.end());
  std::vector<uint64_t> splitters;
  for (size_t i = kSamples; i < sample.size(); i += kSamples) {
    if (splitters.empty() || splitters.back() != sample[i]) splitters.push_back(sample[i]);
  }
  if (static_cast<int64_t>(splitters.size()) < parts / 2) splitters.clear();
  return splitters;
}

arrow::Result<RowPartitions> PartitionRows(const FirstCodes& codes, const std::vector<uint64_t>& splitters,
                                           int64_t rows, const Context& context) {
  // Filled up, so that each search takes the same steps.
  const size_t width = std::bit_ceil(splitters.size() + 1);
  std::vector<uint64_t> ends(width, std::numeric_limits<uint64_t>::max());
  std::copy(splitters.begin(), splitters.end(), ends.begin());
  const auto last = static_cast<uint32_t>(splitters.size());
  const auto partition_of = [&](int64_t begin, int64_t length, uint16_t* out) {
    uint64_t words[RowPartitions::kRowsAtOnce];
    codes(begin, length, words);
    ForCpu([=, first = ends.data(), words = &words[0]]() WEFT_FOR_CPU {
      for (int64_t i = 0; i < length; ++i) {
        uint32_t at = 0;
        for (auto step = static_cast<uint32_t>(width / 2); step > 0; step /= 2) {
          at += first[at + step - 1] <= words[i] ? step : 0;
        }
        out[i] = static_cast<uint16_t>(at < last ? at : last);
      }
    });
  };
  return RowPartitions::Make(rows, static_cast<int>(splitters.size()) + 1, partition_of, context);
}

/// A column of texts, cut at partitions.
template <typename Offset>
arrow::Result<arrow::ArrayVector> TextsByPartition(const arrow::ChunkedArray& column, const RowPartitions& partitions,
                                                   const Context& context) {
  const ChunkFinder finder(column.chunks());
  RowPartitions::TextSource source;
  source.read = [&](int64_t begin, int64_t length, const auto& visit) {
    finder.VisitChunks(begin, length, [&](size_t c, int64_t first, int64_t rows, int64_t) {
      uint64_t lengths[RowPartitions::kRowsAtOnce];
      visit(ReadTexts(*column.chunk(static_cast<int>(c))->data(), first, rows, lengths));
    });
  };
  ARROW_ASSIGN_OR_RAISE(const auto texts, partitions.MoveTexts(source, context));
  if (!texts.has_value()) return arrow::ArrayVector{};
  const auto* const begins = reinterpret_cast<const uint64_t*>(texts->begins->data());
  const auto& starts = partitions.starts();
  arrow::ArrayVector out(starts.size() - 1);
  ARROW_RETURN_NOT_OK(ParallelFor(context, static_cast<int64_t>(out.size()), [&](int64_t p) -> arrow::Status {
    const int64_t begin = starts[static_cast<size_t>(p)];
    const int64_t rows = starts[static_cast<size_t>(p) + 1] - begin;
    const auto bytes = static_cast<int64_t>(begins[begin + rows] - begins[begin]);
    if (bytes > std::numeric_limits<Offset>::max()) return arrow::Status::CapacityError("sort: a partition's texts");
    ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> offsets,
                          arrow::AllocateBuffer((rows + 1) * static_cast<int64_t>(sizeof(Offset)), context.pool));
    auto* const to = reinterpret_cast<Offset*>(offsets->mutable_data());
    for (int64_t i = 0; i <= rows; ++i) to[i] = static_cast<Offset>(begins[begin + i] - begins[begin]);
    auto values = arrow::SliceBuffer(texts->bytes, static_cast<int64_t>(begins[begin]), bytes);
    out[static_cast<size_t>(p)] = arrow::MakeArray(
        arrow::ArrayData::Make(column.type(), rows, {nullptr, std::move(offsets), std::move(values)}, 0));
    return arrow::Status::OK();
  }));
  return out;
}

/// A column cut at partitions; empty where it cannot be moved.
arrow::Result<arrow::ArrayVector> ByPartition(const arrow::ChunkedArray& column, const RowPartitions& partitions,
                                              const Context& context) {
  const auto id = column.type()->id();
  if (IsText(id)) {
    return arrow::is_large_binary_like(id) ? TextsByPartition<int64_t>(column, partitions, context)
                                           : TextsByPartition<int32_t>(column, partitions, context);
  }
  ARROW_ASSIGN_OR_RAISE(const auto moved, partitions.MoveColumn(column, context));
  arrow::ArrayVector out;
  if (moved == nullptr) return out;
  const auto& starts = partitions.starts();
  for (size_t p = 0; p + 1 < starts.size(); ++p) out.push_back(moved->Slice(starts[p], starts[p + 1] - starts[p]));
  return out;
}

arrow::Result<TablePtr> SortMoved(const arrow::Table& table, const SortOptions& options, const FirstCodes& codes,
                                  const std::vector<uint64_t>& splitters, const Context& context) {
  const int64_t rows = table.num_rows();
  std::vector<TablePtr> parts;
  {
    TraceSpan span(context.tracer, "sort.partition");
    span.AddRows(rows);
    ARROW_ASSIGN_OR_RAISE(const auto partitions, PartitionRows(codes, splitters, rows, context));
    const auto& starts = partitions.starts();
    if (partitions.LargestPartition() > std::max(rows / kMostShare, 4 * kPartitionRows)) return nullptr;
    std::vector<arrow::ArrayVector> columns;
    for (const auto& column : table.columns()) {
      ARROW_RETURN_NOT_OK(context.stop.Poll());
      ARROW_ASSIGN_OR_RAISE(auto moved, ByPartition(*column, partitions, context));
      if (moved.empty()) return nullptr;
      columns.push_back(std::move(moved));
    }
    for (size_t p = 0; p + 1 < starts.size(); ++p) {
      arrow::ArrayVector arrays;
      for (auto& column : columns) arrays.push_back(std::move(column[p]));
      parts.push_back(arrow::Table::Make(table.schema(), std::move(arrays), starts[p + 1] - starts[p]));
    }
  }
  TraceSpan span(context.tracer, "sort.parts");
  span.AddRows(rows);
  Context alone = context;
  alone.threads = 1;
  alone.spill = nullptr;
  ARROW_RETURN_NOT_OK(ParallelFor(context, static_cast<int64_t>(parts.size()), [&](int64_t p) {
    TablePtr& part = parts[static_cast<size_t>(p)];
    return Sort(part, options, alone).Value(&part);
  }));
  return arrow::ConcatenateTables(parts, {}, context.pool);
}

}  // namespace

arrow::Result<TablePtr> SortByPartitions(const TablePtr& table, const SortOptions& options, const KeyLayout& layout,
                                         const Context& context) {
  const int64_t rows = table->num_rows();
  if (rows < kLeastRows || layout.levels() == 0 || !ShouldMove(*table)) return nullptr;
  const FirstCodes codes(layout, rows);
  const auto splitters = ChooseSplitters(codes, rows);
  if (splitters.empty()) return nullptr;
  auto sorted = SortMoved(*table, options, codes, splitters, context);
  if (sorted.status().IsOutOfMemory() || sorted.status().IsCapacityError()) return nullptr;
  return sorted;
}

}  // namespace weft::kernels
