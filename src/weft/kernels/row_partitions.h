// Rows brought into partitions, column by column: what belongs together is read together.
#pragma once

#include <arrow/array.h>
#include <arrow/chunked_array.h>
#include <arrow/result.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "weft/base/context.h"
#include "weft/kernels/key_texts.h"
#include "weft/kernels/pool_array.h"
#include "weft/kernels/radix_partition.h"

namespace weft::kernels {

/// Which partition each row belongs to, and where its values go: by partition, rows ascending within one. The same for
/// any number of threads.
class RowPartitions {
 public:
  /// Rows that `partition_of` is asked for at a time, at most.
  static constexpr int64_t kRowsAtOnce = 1024;
  /// Writes the partition of rows begin ... begin + length - 1; `parts` for rows that belong to none.
  using PartitionOf = std::function<void(int64_t begin, int64_t length, uint16_t* out)>;

  static arrow::Result<RowPartitions> Make(int64_t rows, int parts, const PartitionOf& partition_of,
                                           const Context& context);

  /// Rows that belong to a partition: the entries.
  int64_t entries() const { return starts_.back(); }
  /// By row: its partition; `parts` for rows that belong to none.
  std::span<const uint16_t> partitions() const { return partitions_.span(); }
  /// By partition its first entry; then entries().
  const std::vector<int64_t>& starts() const { return starts_; }
  /// The most entries that a partition has.
  int64_t LargestPartition() const;

  /// Columns of values of `width` bytes, at most PartitionWriter::kMostColumns, in the order of entries.
  /// `read(begin, length, append)` calls append(values, n), which has values[c] for column c, for the rows of a block
  /// in their order, n in all `length`.
  template <size_t columns, typename Read>
  arrow::Result<std::array<std::shared_ptr<arrow::Buffer>, columns>> MoveTogether(int width, const Read& read,
                                                                                  const Context& context) const {
    static_assert(columns <= PartitionWriter::kMostColumns);
    std::array<std::shared_ptr<arrow::Buffer>, columns> moved;
    std::array<uint8_t*, columns> out;
    for (size_t c = 0; c < columns; ++c) {
      ARROW_ASSIGN_OR_RAISE(moved[c], arrow::AllocateBuffer(rows_ * width, context.pool));
      out[c] = moved[c]->mutable_data();
    }
    ARROW_RETURN_NOT_OK(ParallelFor(context, blocks_, [&](int64_t block) -> arrow::Status {
      ARROW_ASSIGN_OR_RAISE(auto writer, Writer(block, width, out, context));
      const int64_t begin = block * block_rows_;
      const uint16_t* partitions = partitions_.data() + begin;
      read(begin, std::min(rows_, begin + block_rows_) - begin, [&](const uint8_t* const* values, int64_t n) {
        writer.Append(partitions, values, n);
        partitions += n;
      });
      writer.Finish();
      return arrow::Status::OK();
    }));
    return moved;
  }

  /// The same of one column, append having its values.
  template <typename Read>
  arrow::Result<std::shared_ptr<arrow::Buffer>> Move(int width, const Read& read, const Context& context) const {
    const auto read_one = [&](int64_t begin, int64_t length, const auto& append) {
      read(begin, length, [&](const uint8_t* values, int64_t n) { append(&values, n); });
    };
    ARROW_ASSIGN_OR_RAISE(auto moved, MoveTogether<1>(width, read_one, context));
    return std::move(moved[0]);
  }

  /// Where the texts of all rows are read.
  struct TextSource {
    /// Calls `visit` for the texts of at most kRowsAtOnce rows, one run after the other.
    std::function<void(int64_t begin, int64_t length, const std::function<void(const TextRun&)>& visit)> read;
    /// Sets out[i] to 1 where row begin + i is null, else 0; empty where none is.
    std::function<void(int64_t begin, int64_t length, uint8_t* out)> nulls;
  };
  /// Texts in the order of entries: text e is bytes[begins[e]] up to where the next begins, and kNullText is set in
  /// those of null, whose bytes mean nothing. Behind the entries come the rows that belong to none, and the end of the
  /// last. Nothing where they have more than kMostMovedTextBytes bytes on average.
  struct Texts {
    std::shared_ptr<arrow::Buffer> begins;
    std::shared_ptr<arrow::Buffer> bytes;
  };
  static constexpr uint64_t kNullText = uint64_t{1} << 63;
  arrow::Result<std::optional<Texts>> MoveTexts(const TextSource& source, const Context& context) const;

  /// Whether MoveColumn takes a column: of values of a fixed number of bytes, without nulls.
  static bool CanMove(const arrow::ChunkedArray& column);
  /// A column's values in the order of entries; nullptr where it is none that CanMove.
  arrow::Result<std::shared_ptr<arrow::Array>> MoveColumn(const arrow::ChunkedArray& column,
                                                          const Context& context) const;

 private:
  arrow::Result<PartitionWriter> Writer(int64_t block, int width, std::span<uint8_t* const> out,
                                        const Context& context) const;

  int64_t rows_ = 0;
  int64_t block_rows_ = 0;
  int64_t blocks_ = 0;
  /// By row. What belongs to none goes behind the entries.
  PoolArray<uint16_t> partitions_;
  /// By block and partition: where the block's first value goes.
  std::vector<int64_t> places_;
  std::vector<int64_t> starts_;
};

}  // namespace weft::kernels
