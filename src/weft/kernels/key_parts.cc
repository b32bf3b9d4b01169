#include "weft/kernels/key_parts.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "weft/kernels/spilling.h"
#include "weft/table/tables.h"

namespace weft::kernels {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;
using Batches = std::vector<std::shared_ptr<arrow::RecordBatch>>;

/// Bytes that are cut at a time: for each part, so that its chunks are not small, and at most.
constexpr int64_t kBytesOfPart = 4 << 20;
constexpr int64_t kMostBytes = 64 << 20;

arrow::Result<Batches> Slices(const TablePtr& table, int parts) {
  const int64_t bytes = std::max<int64_t>(table::TableBytes(*table), 1);
  const double at_once = static_cast<double>(std::min(kMostBytes, kBytesOfPart * parts));
  const double rows = static_cast<double>(table->num_rows()) * at_once / static_cast<double>(bytes);
  arrow::TableBatchReader reader(*table);
  reader.set_chunksize(static_cast<int64_t>(std::clamp(rows, 1.0, static_cast<double>(int64_t{1} << 30))));
  return reader.ToRecordBatches();
}

/// The wanted parts of one batch.
arrow::Result<Batches> Cut(const arrow::RecordBatch& batch, const KeyParts& how, const std::vector<int>& wanted,
                           const Context& context) {
  ARROW_ASSIGN_OR_RAISE(auto all, CutBatchByKey(batch, how.keys, how.nan_is_null, kKeyPartsLevel, how.parts, context));
  Batches out;
  for (const int part : wanted) out.push_back(all[static_cast<size_t>(part)]);
  return out;
}

}  // namespace

arrow::Result<std::vector<TablePtr>> CutByKey(const TablePtr& table, const KeyParts& how,
                                              const std::vector<int>& wanted, const Context& context) {
  for (const int part : wanted) {
    if (part < 0 || part >= how.parts) return arrow::Status::Invalid("part ", part, " of ", how.parts);
  }
  ARROW_ASSIGN_OR_RAISE(const auto batches, Slices(table, how.parts));
  std::vector<Batches> cut(batches.size());
  ARROW_RETURN_NOT_OK(ParallelFor(context, static_cast<int64_t>(batches.size()), [&](int64_t i) {
    const auto at = static_cast<size_t>(i);
    return Cut(*batches[at], how, wanted, context).Value(&cut[at]);
  }));
  std::vector<TablePtr> out;
  for (size_t part = 0; part < wanted.size(); ++part) {
    Batches rows;
    for (auto& batch : cut) {
      if (batch[part]->num_rows() > 0) rows.push_back(std::move(batch[part]));
    }
    ARROW_ASSIGN_OR_RAISE(auto made, arrow::Table::FromRecordBatches(table->schema(), rows));
    out.push_back(std::move(made));
  }
  return out;
}

}  // namespace weft::kernels
