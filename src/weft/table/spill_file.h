// Rows on disk in parts that grow side by side, to be read once: Arrow IPC streams compressed by LZ4.
#pragma once

#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "weft/base/context.h"
#include "weft/base/spill.h"

namespace weft::table {

/// One nameless file of the context's spill directory; gone when this is. Each part is a list of segments, and a
/// segment an IPC stream of its own, so that rows of any part can be written as they come. Dictionaries of columns stay
/// in memory, shared by all segments that refer to them: only indices are written. Not thread-safe.
class SpillFile {
 public:
  /// `context.spill` must be there; memory comes from its work pool. `segment_bytes` (uncompressed) is about what a
  /// part holds in memory before it is written; all parts together hold at most as many bytes as `held_bytes`.
  static arrow::Result<std::unique_ptr<SpillFile>> Make(std::shared_ptr<arrow::Schema> schema, int parts,
                                                        int64_t segment_bytes, int64_t held_bytes,
                                                        const Context& context);
  ~SpillFile();
  SpillFile(const SpillFile&) = delete;
  SpillFile& operator=(const SpillFile&) = delete;

  /// Rows at the end of a part. Errors as SpillSpace::Write.
  arrow::Status Append(int part, std::shared_ptr<arrow::RecordBatch> batch);
  /// Writes what a part still holds in memory, as a segment of its own.
  arrow::Status Flush(int part);
  arrow::Status FlushAll();

  int parts() const { return static_cast<int>(parts_.size()); }
  const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }
  int64_t rows(int part) const { return parts_[static_cast<size_t>(part)].rows; }
  /// About what the part takes in memory.
  int64_t bytes(int part) const { return parts_[static_cast<size_t>(part)].bytes; }
  size_t segments(int part) const { return parts_[static_cast<size_t>(part)].segments.size(); }

  /// The rows of one segment; its room on disk is then given back. After FlushAll.
  arrow::Result<std::shared_ptr<arrow::Table>> Take(int part, size_t segment);
  /// The rows of all segments in [begin, end), in the order in which they came.
  arrow::Result<std::shared_ptr<arrow::Table>> Take(int part, size_t begin, size_t end);

 private:
  struct Segment {
    int64_t offset = 0;
    int64_t bytes = 0;
    /// By column; nullptr where it has none.
    arrow::ArrayVector dictionaries;
  };
  struct Part {
    /// As they are written: of stored_schema_.
    std::vector<std::shared_ptr<arrow::RecordBatch>> held;
    arrow::ArrayVector dictionaries;
    int64_t held_bytes = 0;
    std::vector<Segment> segments;
    int64_t rows = 0;
    int64_t bytes = 0;
  };

  SpillFile(std::shared_ptr<arrow::Schema> schema, int parts, int64_t segment_bytes, int64_t held_bytes,
            const Context& context, int file);

  arrow::Result<std::shared_ptr<arrow::Table>> Restore(const arrow::Table& stored, const Segment& segment) const;

  std::shared_ptr<arrow::Schema> schema_;
  /// With indices in the place of dictionary columns.
  std::shared_ptr<arrow::Schema> stored_schema_;
  const int64_t segment_bytes_;
  const int64_t most_held_bytes_;
  const Context context_;
  const int file_;
  int64_t end_ = 0;
  int64_t held_bytes_ = 0;
  std::vector<Part> parts_;
};

}  // namespace weft::table
