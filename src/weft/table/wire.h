// The wire form of tables: blocks of rows, each an Arrow IPC message whose body is sent from where it lies.
#pragma once

#include <arrow/buffer.h>
#include <arrow/ipc/options.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>
#include <string>
#include <vector>

#include "weft/base/context.h"
#include "weft/base/types.h"

namespace weft::table {

/// A header is never longer; a receiver refuses what claims to be before it takes memory.
constexpr int64_t kMaxWireHeaderBytes = int64_t{256} << 20;

/// One block ready to be sent: a small header of its own memory, and a body that refers to the columns' buffers (with
/// padding between them), so that nothing is copied. `body_owner` keeps the buffers alive.
struct WireBlock {
  std::shared_ptr<arrow::Buffer> header;
  std::vector<ConstBytes> body;
  int64_t body_bytes = 0;
  Owner body_owner;
};

/// Writes the blocks of one stream of rows to one receiver: the first block carries the schema, a dictionary goes along
/// whenever it is new. Not thread-safe.
class WireWriter {
 public:
  static arrow::Result<std::unique_ptr<WireWriter>> Make(std::shared_ptr<arrow::Schema> schema, const Context& context);
  virtual ~WireWriter() = default;

  /// A block with the rows of `batch` (any number, also of zero columns), sliced or not.
  virtual arrow::Result<WireBlock> Write(const std::shared_ptr<arrow::RecordBatch>& batch) = 0;

  /// The block that ends the stream, in good order or with the error that the receiver is to return. It carries the
  /// schema where no block did.
  virtual arrow::Result<WireBlock> Finish(const arrow::Status& status) = 0;
};

/// What a block's header says before its body is there.
struct WireHeader {
  bool last = false;
  /// Of the last block: the sender's error, its code kept and its text led by "rank <sender>: ".
  arrow::Status status;
  /// Memory that the body needs, by buffer to be allocated: one per record batch or dictionary of the block.
  std::vector<int64_t> body_sizes;
};

/// Reads the blocks of one stream, in order, from a sender who is not trusted: sizes are checked against
/// `max_body_bytes` and the data against the schema (offsets, lengths, null counts, dictionary indices, UTF-8 not)
/// before it is returned; what does not hold is Status::Invalid naming the sender. Not thread-safe.
class WireReader {
 public:
  static arrow::Result<std::unique_ptr<WireReader>> Make(Rank sender, int64_t max_body_bytes, const Context& context);
  virtual ~WireReader() = default;

  /// Parses a header. Then the body must be received into buffers of `body_sizes` and given to Read.
  virtual arrow::Result<WireHeader> ReadHeader(std::shared_ptr<arrow::Buffer> header) = 0;

  /// The rows of the block whose header was read last; they refer to the buffers given. nullptr for a last block.
  virtual arrow::Result<std::shared_ptr<arrow::RecordBatch>> Read(
      std::vector<std::shared_ptr<arrow::Buffer>> bodies) = 0;

  /// The stream's schema; nullptr before the first block.
  virtual std::shared_ptr<arrow::Schema> schema() const = 0;
};

}  // namespace weft::table
