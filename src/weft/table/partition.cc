#include "weft/table/partition.h"

#include <arrow/array/array_base.h>
#include <arrow/array/array_run_end.h>
#include <arrow/array/builder_base.h>
#include <arrow/array/data.h>
#include <arrow/array/util.h>
#include <arrow/builder.h>
#include <arrow/compute/api_vector.h>
#include <arrow/compute/exec.h>
#include <arrow/extension_type.h>
#include <arrow/util/bit_util.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "weft/base/cpu_level.h"
#include "weft/table/runs.h"
#include "weft/table/scatter_fixed.h"

namespace weft::table {
namespace {

using arrow::ArrayData;
using ArrayDataPtr = std::shared_ptr<ArrayData>;

/// Copies `length` bytes. Both sides must have kCopySlack bytes after them that may be read (and, at `to`,
/// overwritten).
constexpr int64_t kCopySlack = 16;
inline void CopyWithSlack(uint8_t* to, const uint8_t* from, int64_t length) {
  if (length <= kCopySlack) {
    std::memcpy(to, from, kCopySlack);
  } else {
    std::memcpy(to, from, static_cast<size_t>(length));
  }
}

/// Where each row of one batch goes; columns are scattered one after the other.
class Scatter {
 public:
  Scatter(std::span<const uint32_t> targets, int parts, arrow::MemoryPool* pool)
      : targets_(targets), parts_(static_cast<size_t>(parts)), pool_(pool) {}

  arrow::Status Init() {
    ARROW_ASSIGN_OR_RAISE(counts_, CountTargets(targets_, static_cast<int>(parts_)));
    return arrow::Status::OK();
  }

  int64_t count(size_t part) const { return counts_[part]; }

  /// One array a part with the rows of `data`, which has as many rows as there are targets.
  arrow::Result<std::vector<ArrayDataPtr>> Column(const ArrayData& data);

 private:
  int64_t rows() const { return static_cast<int64_t>(targets_.size()); }

  /// Parts of a column without buffers: type, length, and a first buffer that is not there.
  std::vector<ArrayDataPtr> Empty(const ArrayData& data, size_t buffers) const;
  arrow::Status Validity(const ArrayData& data, std::vector<ArrayDataPtr>* out);
  arrow::Status Bits(const uint8_t* bits, int64_t offset, size_t buffer, std::vector<ArrayDataPtr>* out);
  arrow::Status FixedWidth(const ArrayData& data, int64_t width, std::vector<ArrayDataPtr>* out);
  template <typename Offset>
  arrow::Status Binary(const ArrayData& data, std::vector<ArrayDataPtr>* out);
  arrow::Result<std::vector<ArrayDataPtr>> Runs(const ArrayData& data);
  arrow::Result<std::vector<ArrayDataPtr>> Take(const ArrayData& data);
  arrow::Result<std::vector<ArrayDataPtr>> Build(const ArrayData& data);

  /// The row numbers grouped by part, in row order inside a part: made when a column first needs them.
  arrow::Status MakeOrder();
  std::span<const int64_t> order(size_t part) const {
    return std::span(reinterpret_cast<const int64_t*>(order_->data()) + begins_[part],
                     static_cast<size_t>(counts_[part]));
  }

  std::span<const uint32_t> targets_;
  size_t parts_;
  arrow::MemoryPool* pool_;
  std::vector<int64_t> counts_;
  std::vector<int64_t> begins_;
  std::shared_ptr<arrow::Buffer> order_;
};

arrow::Status Scatter::MakeOrder() {
  if (order_ != nullptr) return arrow::Status::OK();
  begins_.assign(parts_, 0);
  for (size_t p = 1; p < parts_; ++p) begins_[p] = begins_[p - 1] + counts_[p - 1];
  ARROW_ASSIGN_OR_RAISE(order_, arrow::AllocateBuffer(rows() * static_cast<int64_t>(sizeof(int64_t)), pool_));
  auto* order = reinterpret_cast<int64_t*>(order_->mutable_data());
  std::vector<int64_t> next = begins_;
  for (size_t i = 0; i < targets_.size(); ++i) order[next[targets_[i]]++] = static_cast<int64_t>(i);
  return arrow::Status::OK();
}

std::vector<ArrayDataPtr> Scatter::Empty(const ArrayData& data, size_t buffers) const {
  std::vector<ArrayDataPtr> out(parts_);
  for (size_t p = 0; p < parts_; ++p) {
    out[p] = ArrayData::Make(data.type, counts_[p], std::vector<std::shared_ptr<arrow::Buffer>>(buffers), 0);
    out[p]->dictionary = data.dictionary;
  }
  return out;
}

arrow::Status Scatter::Bits(const uint8_t* bits, int64_t offset, size_t buffer, std::vector<ArrayDataPtr>* out) {
  ARROW_RETURN_NOT_OK(MakeOrder());
  for (size_t p = 0; p < parts_; ++p) {
    ARROW_ASSIGN_OR_RAISE(auto made, arrow::AllocateBuffer(arrow::bit_util::BytesForBits(counts_[p]), pool_));
    uint8_t* to = made->mutable_data();
    uint32_t byte = 0;
    int filled = 0;
    for (const int64_t row : order(p)) {
      byte |= static_cast<uint32_t>(arrow::bit_util::GetBit(bits, offset + row)) << filled;
      if (++filled == 8) {
        *to++ = static_cast<uint8_t>(byte);
        byte = 0;
        filled = 0;
      }
    }
    if (filled > 0) *to = static_cast<uint8_t>(byte);
    (*out)[p]->buffers[buffer] = std::move(made);
  }
  return arrow::Status::OK();
}

arrow::Status Scatter::Validity(const ArrayData& data, std::vector<ArrayDataPtr>* out) {
  if (data.GetNullCount() == 0 || data.buffers[0] == nullptr) return arrow::Status::OK();
  ARROW_RETURN_NOT_OK(Bits(data.buffers[0]->data(), data.offset, 0, out));
  for (auto& part : *out) part->SetNullCount(arrow::kUnknownNullCount);
  return arrow::Status::OK();
}

arrow::Status Scatter::FixedWidth(const ArrayData& data, int64_t width, std::vector<ArrayDataPtr>* out) {
  std::vector<uint8_t*> starts(parts_);
  for (size_t p = 0; p < parts_; ++p) {
    ARROW_ASSIGN_OR_RAISE(auto made, arrow::AllocateResizableBuffer(counts_[p] * width + kScatterSlack, pool_));
    ARROW_RETURN_NOT_OK(made->Resize(counts_[p] * width, /*shrink_to_fit=*/false));
    starts[p] = made->mutable_data();
    (*out)[p]->buffers[1] = std::move(made);
  }
  if (rows() == 0 || width == 0) return arrow::Status::OK();
  ScatterFixed(width, data.buffers[1]->data() + data.offset * width, targets_, starts);
  return arrow::Status::OK();
}

template <typename Offset>
arrow::Status Scatter::Binary(const ArrayData& data, std::vector<ArrayDataPtr>* out) {
  ARROW_RETURN_NOT_OK(MakeOrder());
  // The offsets buffer of an array without rows may be empty.
  const Offset* offsets = rows() == 0 ? nullptr : data.GetValues<Offset>(1);
  std::vector<int64_t> bytes(parts_, 0);
  for (size_t i = 0; i < targets_.size(); ++i) bytes[targets_[i]] += offsets[i + 1] - offsets[i];
  const uint8_t* in = data.buffers[2] == nullptr ? nullptr : data.buffers[2]->data();
  // A short value is copied by a fixed number of bytes, which must not run over the end of the input.
  const int64_t readable = data.buffers[2] == nullptr ? 0 : data.buffers[2]->size() - kCopySlack;
  for (size_t p = 0; p < parts_; ++p) {
    ARROW_ASSIGN_OR_RAISE(auto made,
                          arrow::AllocateBuffer((counts_[p] + 1) * static_cast<int64_t>(sizeof(Offset)), pool_));
    ARROW_ASSIGN_OR_RAISE(auto values, arrow::AllocateResizableBuffer(bytes[p] + kCopySlack, pool_));
    auto* to_offset = reinterpret_cast<Offset*>(made->mutable_data());
    uint8_t* to = values->mutable_data();
    Offset end = 0;
    for (const int64_t row : order(p)) {
      const Offset begin = offsets[row];
      const Offset length = offsets[row + 1] - begin;
      *to_offset++ = end;
      if (begin <= readable) {
        CopyWithSlack(to + end, in + begin, length);
      } else if (length > 0) {
        std::memcpy(to + end, in + begin, static_cast<size_t>(length));
      }
      end += length;
    }
    *to_offset = end;
    ARROW_RETURN_NOT_OK(values->Resize(bytes[p], /*shrink_to_fit=*/false));
    (*out)[p]->buffers[1] = std::move(made);
    (*out)[p]->buffers[2] = std::move(values);
  }
  return arrow::Status::OK();
}

/// Rows of a run that come to a part are a run there. For columns of which HasRuns holds.
arrow::Result<std::vector<ArrayDataPtr>> Scatter::Runs(const ArrayData& data) {
  const arrow::RunEndEncodedArray array(std::make_shared<ArrayData>(data));
  ARROW_ASSIGN_OR_RAISE(const auto logical_ends, array.LogicalRunEnds(pool_));
  const auto values = array.LogicalValues();
  const auto* ends = logical_ends->data()->GetValues<int32_t>(1);
  const auto each_row = [&](const auto& visit) {
    int64_t row = 0;
    for (int64_t run = 0; row < rows(); ++run) {
      for (const int64_t end = std::min<int64_t>(ends[run], rows()); row < end; ++row) {
        visit(targets_[static_cast<size_t>(row)], run);
      }
    }
  };
  struct Part {
    int64_t last = -1;
    int64_t runs = 0;
    int32_t rows = 0;
    int32_t* ends = nullptr;
    int64_t* picks = nullptr;
  };
  std::vector<Part> parts(parts_);
  each_row([&](uint32_t target, int64_t run) {
    Part& part = parts[target];
    part.runs += part.last != run ? 1 : 0;
    part.last = run;
  });
  std::vector<std::shared_ptr<arrow::Buffer>> made_ends(parts_);
  std::vector<std::shared_ptr<arrow::Buffer>> made_picks(parts_);
  std::vector<int64_t> counts(parts_);
  for (size_t p = 0; p < parts_; ++p) {
    counts[p] = parts[p].runs;
    ARROW_ASSIGN_OR_RAISE(made_ends[p],
                          arrow::AllocateBuffer(counts[p] * static_cast<int64_t>(sizeof(int32_t)), pool_));
    ARROW_ASSIGN_OR_RAISE(made_picks[p],
                          arrow::AllocateBuffer(counts[p] * static_cast<int64_t>(sizeof(int64_t)), pool_));
    parts[p] = {-1, 0, 0, reinterpret_cast<int32_t*>(made_ends[p]->mutable_data()),
                reinterpret_cast<int64_t*>(made_picks[p]->mutable_data())};
  }
  each_row([&](uint32_t target, int64_t run) {
    Part& part = parts[target];
    if (part.last != run) part.picks[part.runs++] = run;
    part.last = run;
    part.ends[part.runs - 1] = ++part.rows;
  });
  arrow::compute::ExecContext exec(pool_);
  exec.set_use_threads(false);
  const auto& ends_type = static_cast<const arrow::RunEndEncodedType&>(*data.type).run_end_type();
  std::vector<ArrayDataPtr> out(parts_);
  for (size_t p = 0; p < parts_; ++p) {
    const auto picks = ArrayData::Make(arrow::int64(), counts[p], {nullptr, std::move(made_picks[p])}, 0);
    ARROW_ASSIGN_OR_RAISE(const auto taken, arrow::compute::Take(arrow::Datum(values), arrow::Datum(picks),
                                                                 arrow::compute::TakeOptions::NoBoundsCheck(), &exec));
    auto part_ends = ArrayData::Make(ends_type, counts[p], {nullptr, std::move(made_ends[p])}, 0);
    out[p] = ArrayData::Make(data.type, counts_[p], {nullptr}, {std::move(part_ends), taken.array()}, 0);
  }
  return out;
}

arrow::Result<std::vector<ArrayDataPtr>> Scatter::Take(const ArrayData& data) {
  ARROW_RETURN_NOT_OK(MakeOrder());
  arrow::compute::ExecContext exec(pool_);
  exec.set_use_threads(false);
  std::vector<ArrayDataPtr> out(parts_);
  for (size_t p = 0; p < parts_; ++p) {
    const auto indices =
        ArrayData::Make(arrow::int64(), counts_[p],
                        {nullptr, arrow::SliceBuffer(order_, begins_[p] * static_cast<int64_t>(sizeof(int64_t)),
                                                     counts_[p] * static_cast<int64_t>(sizeof(int64_t)))},
                        0);
    auto taken = arrow::compute::Take(arrow::Datum(data.Copy()), arrow::Datum(indices),
                                      arrow::compute::TakeOptions::NoBoundsCheck(), &exec);
    // Not every type has a kernel; a builder copes with all of them, row by row.
    if (taken.status().IsNotImplemented()) return Build(data);
    ARROW_RETURN_NOT_OK(taken.status());
    out[p] = taken->array();
  }
  return out;
}

arrow::Result<std::vector<ArrayDataPtr>> Scatter::Build(const ArrayData& data) {
  const arrow::ArraySpan span(data);
  std::vector<ArrayDataPtr> out(parts_);
  for (size_t p = 0; p < parts_; ++p) {
    std::unique_ptr<arrow::ArrayBuilder> builder;
    ARROW_RETURN_NOT_OK(arrow::MakeBuilderExactIndex(pool_, data.type, &builder));
    for (const int64_t row : order(p)) ARROW_RETURN_NOT_OK(builder->AppendArraySlice(span, row, 1));
    ARROW_RETURN_NOT_OK(builder->FinishInternal(&out[p]));
  }
  return out;
}

arrow::Result<std::vector<ArrayDataPtr>> Scatter::Column(const ArrayData& data) {
  const arrow::DataType& type = *data.type;
  switch (type.id()) {
    case arrow::Type::NA: {
      auto out = Empty(data, 1);
      for (auto& part : out) part->SetNullCount(part->length);
      return out;
    }
    case arrow::Type::BOOL: {
      auto out = Empty(data, 2);
      ARROW_RETURN_NOT_OK(Validity(data, &out));
      ARROW_RETURN_NOT_OK(Bits(rows() == 0 ? nullptr : data.buffers[1]->data(), data.offset, 1, &out));
      return out;
    }
    case arrow::Type::STRING:
    case arrow::Type::BINARY: {
      auto out = Empty(data, 3);
      ARROW_RETURN_NOT_OK(Validity(data, &out));
      ARROW_RETURN_NOT_OK(Binary<int32_t>(data, &out));
      return out;
    }
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY: {
      auto out = Empty(data, 3);
      ARROW_RETURN_NOT_OK(Validity(data, &out));
      ARROW_RETURN_NOT_OK(Binary<int64_t>(data, &out));
      return out;
    }
    case arrow::Type::STRUCT: {
      auto out = Empty(data, 1);
      ARROW_RETURN_NOT_OK(Validity(data, &out));
      for (const auto& child : data.child_data) {
        ARROW_ASSIGN_OR_RAISE(auto parts, Column(*child->Slice(data.offset, data.length)));
        for (size_t p = 0; p < parts_; ++p) out[p]->child_data.push_back(std::move(parts[p]));
      }
      return out;
    }
    case arrow::Type::RUN_END_ENCODED:
      return HasRuns(type) ? Runs(data) : Take(data);
    case arrow::Type::EXTENSION: {
      ArrayData storage = data;
      storage.type = static_cast<const arrow::ExtensionType&>(type).storage_type();
      ARROW_ASSIGN_OR_RAISE(auto out, Column(storage));
      for (auto& part : out) part->type = data.type;
      return out;
    }
    default:
      if (!arrow::is_fixed_width(type.id())) return Take(data);
      auto out = Empty(data, 2);
      ARROW_RETURN_NOT_OK(Validity(data, &out));
      ARROW_RETURN_NOT_OK(FixedWidth(data, type.byte_width(), &out));
      return out;
  }
}

/// The greatest of the targets, and their sum where none is above 1.
std::pair<uint32_t, int64_t> Look(std::span<const uint32_t> targets) {
  constexpr size_t kBlock = 16 * 1024;
  uint32_t most = 0;
  int64_t ones = 0;
  for (size_t begin = 0; begin < targets.size(); begin += kBlock) {
    const auto [block_most, block_ones] =
        ForCpu([from = targets.data() + begin, count = std::min(kBlock, targets.size() - begin)]() WEFT_FOR_CPU {
          uint32_t greatest = 0;
          uint32_t sum = 0;
          for (size_t i = 0; i < count; ++i) {
            greatest = std::max(greatest, from[i]);
            sum += from[i];
          }
          return std::pair(greatest, sum);
        });
    most = std::max(most, block_most);
    ones += block_ones;
  }
  return {most, ones};
}

}  // namespace

arrow::Result<std::vector<int64_t>> CountTargets(std::span<const uint32_t> targets, int parts) {
  const auto lanes = static_cast<size_t>(parts);
  std::vector<int64_t> counts(lanes);
  if (targets.empty()) return counts;
  const auto [most, ones] = Look(targets);
  if (most >= lanes) {
    return arrow::Status::Invalid("partition: a row's target is ", most, ", but there are ", parts, " parts");
  }
  if (lanes == 2) {
    counts[1] = ones;
    counts[0] = static_cast<int64_t>(targets.size()) - ones;
    return counts;
  }
  // Rows in turn in four lists: one count that rises twice in a row would wait for itself.
  std::vector<int64_t> lists(4 * lanes);
  for (size_t i = 0; i < targets.size(); ++i) ++lists[4 * size_t{targets[i]} + i % 4];
  for (size_t i = 0; i < lists.size(); ++i) counts[i / 4] += lists[i];
  return counts;
}

arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> PartitionBatch(const arrow::RecordBatch& batch,
                                                                               std::span<const uint32_t> targets,
                                                                               int parts, const Context& context) {
  if (parts < 1 || static_cast<int64_t>(targets.size()) != batch.num_rows()) {
    return arrow::Status::Invalid("partition: ", targets.size(), " targets and ", parts, " parts for ",
                                  batch.num_rows(), " rows");
  }
  Scatter scatter(targets, parts, context.pool);
  ARROW_RETURN_NOT_OK(scatter.Init());
  const auto count = static_cast<size_t>(parts);
  std::vector<std::vector<ArrayDataPtr>> columns(count);
  for (int c = 0; c < batch.num_columns(); ++c) {
    ARROW_RETURN_NOT_OK(context.stop.Poll());
    ARROW_ASSIGN_OR_RAISE(auto column, scatter.Column(*batch.column_data(c)));
    for (size_t p = 0; p < count; ++p) columns[p].push_back(std::move(column[p]));
  }
  std::vector<std::shared_ptr<arrow::RecordBatch>> out(count);
  for (size_t p = 0; p < count; ++p) {
    out[p] = arrow::RecordBatch::Make(batch.schema(), scatter.count(p), std::move(columns[p]));
  }
  return out;
}

}  // namespace weft::table
