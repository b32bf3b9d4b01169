#include "weft/kernels/comoments.h"

#include <arrow/record_batch.h>

#include <algorithm>
#include <limits>
#include <string_view>

#include "weft/kernels/dense_values.h"

namespace weft::kernels {
namespace {

constexpr int64_t kBatchRows = 1 << 16;

double Sum(const double* values, int64_t length) {
  double lanes[4] = {};
  int64_t i = 0;
  for (; i + 4 <= length; i += 4) {
    for (int lane = 0; lane < 4; ++lane) lanes[lane] += values[i + lane];
  }
  for (; i < length; ++i) lanes[0] += values[i];
  return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
}

/// Two passes over a block in the cache.
CoMoments OfBlock(const double* x, const double* y, int64_t length) {
  CoMoments made;
  made.count = length;
  if (length == 0) return made;
  const auto n = static_cast<double>(length);
  made.mean_x = Sum(x, length) / n;
  made.mean_y = Sum(y, length) / n;
  double rest_x = 0;
  double rest_y = 0;
  for (int64_t i = 0; i < length; ++i) {
    rest_x += x[i] - made.mean_x;
    rest_y += y[i] - made.mean_y;
  }
  // What rounding left of the means.
  made.mean_x_low = rest_x / n;
  made.mean_y_low = rest_y / n;
  for (int64_t i = 0; i < length; ++i) {
    const double dx = (x[i] - made.mean_x) - made.mean_x_low;
    const double dy = (y[i] - made.mean_y) - made.mean_y_low;
    made.m2_x += dx * dx;
    made.m2_y += dy * dy;
    made.co += dx * dy;
  }
  return made;
}

/// A block of all columns as doubles, NaN where missing.
class Block {
 public:
  explicit Block(size_t columns) : values_(columns * static_cast<size_t>(kDenseRows)), missing_(columns, false) {}

  void Read(const arrow::RecordBatch& batch, int64_t begin, int64_t length) {
    uint8_t flags[kDenseRows];
    for (size_t c = 0; c < missing_.size(); ++c) {
      double* out = column(c);
      const double* from = DenseValues<double>(*batch.column(static_cast<int>(c))).ReadAll(begin, length, out, flags);
      bool missing = false;
      for (int64_t i = 0; i < length; ++i) {
        missing |= flags[i] != 0;
        out[i] = flags[i] != 0 ? std::numeric_limits<double>::quiet_NaN() : from[i];
      }
      missing_[c] = missing;
    }
  }

  CoMoments Pair(size_t a, size_t b, int64_t length) {
    const double* x = column(a);
    const double* y = column(b);
    if (!missing_[a] && !missing_[b]) return OfBlock(x, y, length);
    double kept_x[kDenseRows];
    double kept_y[kDenseRows];
    int64_t count = 0;
    for (int64_t i = 0; i < length; ++i) {
      kept_x[count] = x[i];
      kept_y[count] = y[i];
      count += x[i] == x[i] && y[i] == y[i] ? 1 : 0;
    }
    return OfBlock(kept_x, kept_y, count);
  }

 private:
  double* column(size_t c) { return values_.data() + c * static_cast<size_t>(kDenseRows); }

  std::vector<double> values_;
  std::vector<bool> missing_;
};

}  // namespace

arrow::Status CheckNumbers(const arrow::Schema& schema, std::span<const int> columns, std::string_view operation) {
  for (const int column : columns) {
    const auto& field = *schema.field(column);
    const auto id = field.type()->id();
    if (id == arrow::Type::BOOL || id == arrow::Type::NA || arrow::is_integer(id) || arrow::is_floating(id) ||
        arrow::is_decimal(id)) {
      continue;
    }
    return arrow::Status::TypeError(operation, ": column '", field.name(), "' of type ", field.type()->ToString(),
                                    " is no number; numeric_only=True leaves such columns out");
  }
  return arrow::Status::OK();
}

arrow::Result<std::vector<CoMoments>> PairMoments(const arrow::Table& table, std::span<const int> columns,
                                                  const Context& context) {
  TraceSpan span(context.tracer, "comoments");
  span.AddRows(table.num_rows());
  const size_t count = columns.size();
  const size_t pairs = count * (count + 1) / 2;
  ARROW_ASSIGN_OR_RAISE(const auto chosen, table.SelectColumns({columns.begin(), columns.end()}));
  std::vector<std::shared_ptr<arrow::RecordBatch>> batches;
  arrow::TableBatchReader reader(*chosen);
  reader.set_chunksize(kBatchRows);
  ARROW_ASSIGN_OR_RAISE(batches, reader.ToRecordBatches());
  std::vector<std::vector<CoMoments>> parts(batches.size());
  ARROW_RETURN_NOT_OK(ParallelFor(context, static_cast<int64_t>(batches.size()), [&](int64_t b) {
    const auto& batch = *batches[static_cast<size_t>(b)];
    auto& part = parts[static_cast<size_t>(b)];
    part.resize(pairs);
    Block block(count);
    for (int64_t begin = 0; begin < batch.num_rows(); begin += kDenseRows) {
      const int64_t length = std::min(kDenseRows, batch.num_rows() - begin);
      block.Read(batch, begin, length);
      size_t pair = 0;
      for (size_t i = 0; i < count; ++i) {
        for (size_t j = i; j < count; ++j) part[pair++].Merge(block.Pair(i, j, length));
      }
    }
    return arrow::Status::OK();
  }));
  std::vector<CoMoments> whole(pairs);
  for (const auto& part : parts) {
    for (size_t p = 0; p < pairs; ++p) whole[p].Merge(part[p]);
  }
  return whole;
}

}  // namespace weft::kernels
