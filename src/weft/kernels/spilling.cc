#include "weft/kernels/spilling.h"

#include <algorithm>
#include <utility>

#include "weft/base/spill.h"
#include "weft/table/hash.h"
#include "weft/table/partition.h"
#include "weft/table/tables.h"

namespace weft::kernels {
namespace {

constexpr int64_t kBatchBytes = 4 << 20;
/// What a part writes at once, where there is room to hold as much.
constexpr int64_t kSegmentBytes = 1 << 20;
constexpr int64_t kLeastSegmentBytes = 64 << 10;
constexpr int64_t kMostParts = 256;

/// Bits that rows of one rank, or of one part of another level, do not share (the finaliser of Steele, Lea, Flood,
/// "Fast splittable pseudorandom number generators", OOPSLA 2014).
uint64_t Mix(uint64_t hash, int level) {
  hash += 0x9e3779b97f4a7c15ULL * static_cast<uint64_t>(level + 1);
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9ULL;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebULL;
  return hash ^ (hash >> 31);
}

}  // namespace

arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> CutBatchByKey(const arrow::RecordBatch& batch,
                                                                              const std::vector<int>& keys,
                                                                              bool nan_is_null, int level, int parts,
                                                                              const Context& context) {
  std::vector<uint64_t> hashes(static_cast<size_t>(batch.num_rows()));
  ARROW_RETURN_NOT_OK(table::HashRows(batch, keys, {.nan_is_null = nan_is_null}, context, hashes.data()));
  std::vector<uint32_t> targets(hashes.size());
  for (size_t i = 0; i < hashes.size(); ++i) {
    targets[i] = table::RankOfHash(Mix(hashes[i], level), static_cast<uint32_t>(parts));
  }
  return table::PartitionBatch(batch, targets, parts, context);
}

bool MustSpill(const Context& context, int64_t bytes) {
  return context.spill != nullptr && bytes > context.spill->work_bytes() / 2;
}

int64_t WorkPiece(const Context& context) { return std::max<int64_t>(context.spill->work_bytes() / 4, 1); }

Context ForPiece(const Context& context) {
  Context made = context;
  made.pool = context.spill->work();
  made.spill = nullptr;
  return made;
}

arrow::Result<std::shared_ptr<arrow::Table>> Keep(const arrow::Result<std::shared_ptr<arrow::Table>>& result,
                                                  const Context& context) {
  ARROW_RETURN_NOT_OK(result.status());
  return table::CopyTable(**result, context.spill->tables());
}

NextBatch BatchesOf(std::shared_ptr<arrow::Table> table) {
  const int64_t bytes = std::max<int64_t>(table::TableBytes(*table), 1);
  const double rows =
      static_cast<double>(table->num_rows()) * static_cast<double>(kBatchBytes) / static_cast<double>(bytes);
  auto reader = std::make_shared<arrow::TableBatchReader>(std::move(table));
  reader->set_chunksize(static_cast<int64_t>(std::clamp(rows, 1.0, static_cast<double>(int64_t{1} << 24))));
  return [reader]() -> arrow::Result<std::shared_ptr<arrow::RecordBatch>> {
    std::shared_ptr<arrow::RecordBatch> batch;
    ARROW_RETURN_NOT_OK(reader->ReadNext(&batch));
    return batch;
  };
}

NextBatch BatchesOf(table::SpillFile* file, int part) {
  struct State {
    size_t segment = 0;
    std::unique_ptr<arrow::TableBatchReader> reader;
  };
  return [file, part, state = std::make_shared<State>()]() -> arrow::Result<std::shared_ptr<arrow::RecordBatch>> {
    for (;;) {
      std::shared_ptr<arrow::RecordBatch> batch;
      if (state->reader != nullptr) ARROW_RETURN_NOT_OK(state->reader->ReadNext(&batch));
      if (batch != nullptr) return batch;
      if (state->segment == file->segments(part)) return nullptr;
      ARROW_ASSIGN_OR_RAISE(auto table, file->Take(part, state->segment++));
      state->reader = std::make_unique<arrow::TableBatchReader>(std::move(table));
    }
  };
}

int PartsFor(int64_t bytes, const Context& context) {
  const int64_t wanted = bytes / WorkPiece(context) + 2;
  const int64_t most = std::clamp<int64_t>(context.spill->work_bytes() / 8 / kLeastSegmentBytes, 8, kMostParts);
  return static_cast<int>(std::min(wanted, most));
}

arrow::Result<std::unique_ptr<table::SpillFile>> SpillByKey(const std::shared_ptr<arrow::Schema>& schema,
                                                            const NextBatch& next, const std::vector<int>& keys,
                                                            bool nan_is_null, int parts, int level,
                                                            const Context& context) {
  const Context piece = ForPiece(context);
  ARROW_ASSIGN_OR_RAISE(auto file,
                        table::SpillFile::Make(schema, parts, kSegmentBytes, context.spill->work_bytes() / 8, context));
  for (;;) {
    ARROW_RETURN_NOT_OK(context.stop.Poll());
    ARROW_ASSIGN_OR_RAISE(const auto batch, next());
    if (batch == nullptr) break;
    ARROW_ASSIGN_OR_RAISE(auto cut, CutBatchByKey(*batch, keys, nan_is_null, level, parts, piece));
    for (int part = 0; part < parts; ++part) {
      ARROW_RETURN_NOT_OK(file->Append(part, std::move(cut[static_cast<size_t>(part)])));
    }
  }
  ARROW_RETURN_NOT_OK(file->FlushAll());
  return file;
}

}  // namespace weft::kernels
