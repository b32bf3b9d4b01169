#include "weft/kernels/join_output.h"

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/builder.h>
#include <arrow/extension_type.h>

#include <utility>

namespace weft::kernels {
namespace {

/// Where a small chunk stops growing.
constexpr int64_t kMergedRows = int64_t{1} << 16;

struct SourceColumn {
  Side side;
  int column;
  /// The right side's column of a coalesced key, else -1.
  int other = -1;
};

const arrow::DataType& StorageType(const arrow::DataType& type) {
  return type.id() == arrow::Type::EXTENSION ? *static_cast<const arrow::ExtensionType&>(type).storage_type() : type;
}

/// The columns that result column `c` is made from: of keys that differ in encoding the decoded ones.
SourceColumn SourceOf(const JoinPlan& plan, size_t c, const JoinSide& left, const JoinSide& right) {
  const OutputColumn& column = plan.columns[c];
  const JoinSide& side = column.side == Side::kLeft ? left : right;
  SourceColumn origin{column.side, column.column};
  if (column.key < 0) return origin;
  const auto key = static_cast<size_t>(column.key);
  const auto& type = StorageType(*plan.schema->field(static_cast<int>(c))->type());
  const bool decoded =
      type.id() != arrow::Type::DICTIONARY && side.column(column.column).type->id() == arrow::Type::DICTIONARY;
  if (decoded) origin.column = side.key_column(key);
  if (column.coalesced) {
    origin.other = type.id() == arrow::Type::DICTIONARY ? plan.right_keys[key] : right.key_column(key);
  }
  return origin;
}

arrow::Result<std::shared_ptr<arrow::ArrayData>> MakeIndicator(const PairBuffer& pairs, uint32_t begin, int64_t n,
                                                               arrow::MemoryPool* pool) {
  arrow::StringBuilder names(pool);
  ARROW_RETURN_NOT_OK(names.AppendValues(std::vector<std::string>{"left_only", "right_only", "both"}));
  ARROW_ASSIGN_OR_RAISE(const auto dictionary, names.Finish());
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::Buffer> values, arrow::AllocateBuffer(n, pool));
  auto* codes = reinterpret_cast<int8_t*>(values->mutable_data());
  const uint32_t* const left = pairs.rows(Side::kLeft) + begin;
  const uint32_t* const right = pairs.rows(Side::kRight) + begin;
  for (int64_t i = 0; i < n; ++i) {
    const Origin origin =
        left[i] == kNoRow ? Origin::kRightOnly : (right[i] == kNoRow ? Origin::kLeftOnly : Origin::kBoth);
    codes[i] = static_cast<int8_t>(origin);
  }
  auto out = arrow::ArrayData::Make(IndicatorType(), n, {nullptr, std::move(values)}, 0);
  out->dictionary = dictionary->data();
  return out;
}

/// The column of a view that is taken whole: `n` rows from `begin` on as they lie, or nullptr where they cannot be had
/// so.
std::shared_ptr<arrow::ArrayData> AsItLies(const ColumnView& view, uint32_t begin, int64_t n,
                                           const std::shared_ptr<arrow::DataType>& type) {
  if (view.row_ids != nullptr || view.side->pieces().empty()) return nullptr;
  const auto& data = view.side->pieces()[view.piece].columns[static_cast<size_t>(view.column)];
  if (!data->type->Equals(StorageType(*type))) return nullptr;
  auto out = data->Slice(view.piece_row + begin, n);
  out->type = type;
  return out;
}

arrow::Status EmitRange(const JoinPlan& plan, const std::vector<GatherSource>& sources, const PairBuffer& pairs,
                        uint32_t begin, uint32_t end, arrow::MemoryPool* pool, ChunkList* out) {
  Chunk chunk{end - begin, {}};
  for (size_t c = 0, next = 0; c < plan.columns.size(); ++c) {
    if (plan.columns[c].indicator) {
      ARROW_ASSIGN_OR_RAISE(auto indicator, MakeIndicator(pairs, begin, chunk.rows, pool));
      chunk.columns.push_back(std::move(indicator));
      continue;
    }
    GatherSource source = sources[next++];
    source.first_rows += begin;
    if (source.second_rows != nullptr) source.second_rows += begin;
    if (source.whole) {
      if (auto column = AsItLies(source.first, begin, chunk.rows, plan.schema->field(static_cast<int>(c))->type())) {
        chunk.columns.push_back(std::move(column));
        continue;
      }
    }
    auto column = GatherColumn(plan.schema->field(static_cast<int>(c))->type(), source, chunk.rows, pool);
    if (column.status().IsCapacityError() && chunk.rows > 1) {
      const uint32_t middle = begin + (end - begin) / 2;
      ARROW_RETURN_NOT_OK(EmitRange(plan, sources, pairs, begin, middle, pool, out));
      return EmitRange(plan, sources, pairs, middle, end, pool, out);
    }
    ARROW_RETURN_NOT_OK(column.status());
    chunk.columns.push_back(*std::move(column));
  }
  out->push_back(std::move(chunk));
  return arrow::Status::OK();
}

/// Puts neighbouring chunks together.
arrow::Result<ChunkList> MergeChunks(const ChunkList& chunks, const Context& context) {
  std::vector<std::pair<size_t, size_t>> groups;
  for (size_t i = 0; i < chunks.size();) {
    const size_t begin = i;
    int64_t rows = 0;
    while (i < chunks.size() && (i == begin || rows + chunks[i].rows <= kMergedRows)) rows += chunks[i++].rows;
    groups.emplace_back(begin, i);
  }
  ChunkList merged(groups.size());
  ARROW_RETURN_NOT_OK(ParallelFor(context, static_cast<int64_t>(groups.size()), [&](int64_t task) {
    const auto [begin, end] = groups[static_cast<size_t>(task)];
    Chunk& chunk = merged[static_cast<size_t>(task)];
    if (end - begin == 1) {
      chunk = chunks[begin];
      return arrow::Status::OK();
    }
    for (size_t c = 0; c < chunks[begin].columns.size(); ++c) {
      arrow::ArrayVector parts;
      for (size_t i = begin; i < end; ++i) parts.push_back(arrow::MakeArray(chunks[i].columns[c]));
      ARROW_ASSIGN_OR_RAISE(auto whole, arrow::Concatenate(parts, context.pool));
      chunk.columns.push_back(whole->data());
      chunk.rows = whole->length();
    }
    return arrow::Status::OK();
  }));
  return merged;
}

}  // namespace

arrow::Status NeedOutput(const JoinPlan& plan, JoinSide* left, JoinSide* right, arrow::MemoryPool* pool) {
  const auto need = [&](JoinSide* side, int column) {
    side->Need(column);
    if (side->column(column).layout != Layout::kOther) return arrow::Status::OK();
    return side->Whole(column, pool).status();
  };
  for (size_t c = 0; c < plan.columns.size(); ++c) {
    if (plan.columns[c].indicator) continue;
    const SourceColumn origin = SourceOf(plan, c, *left, *right);
    ARROW_RETURN_NOT_OK(need(origin.side == Side::kLeft ? left : right, origin.column));
    if (origin.other >= 0) ARROW_RETURN_NOT_OK(need(right, origin.other));
  }
  return arrow::Status::OK();
}

arrow::Status EmitPairs(const JoinPlan& plan, const JoinSide& left, const JoinSide& right, const ViewPair& views,
                        PairBuffer* pairs, arrow::MemoryPool* pool, ChunkList* out) {
  if (pairs->size() == 0) return arrow::Status::OK();
  std::vector<ColumnView> others;
  others.reserve(plan.columns.size());
  std::vector<GatherSource> sources;
  for (size_t c = 0; c < plan.columns.size(); ++c) {
    if (plan.columns[c].indicator) continue;
    const SourceColumn origin = SourceOf(plan, c, left, right);
    GatherSource source{ColumnView(views.side(origin.side), origin.column), pairs->rows(origin.side)};
    source.padded = pairs->padded(origin.side);
    source.whole = pairs->all(origin.side) && views.side(origin.side).piece >= 0;
    if (origin.other >= 0 && source.padded) {
      source.second = &others.emplace_back(views.right, origin.other);
      source.second_rows = pairs->rows(Side::kRight);
    }
    sources.push_back(source);
  }
  ARROW_RETURN_NOT_OK(EmitRange(plan, sources, *pairs, 0, pairs->size(), pool, out));
  pairs->Clear();
  return arrow::Status::OK();
}

arrow::Result<std::shared_ptr<arrow::Table>> FinishTable(const std::shared_ptr<arrow::Schema>& schema,
                                                         std::vector<ChunkList> lists, int64_t least_rows,
                                                         const Context& context) {
  ChunkList chunks;
  int64_t rows = 0;
  for (auto& list : lists) {
    for (auto& chunk : list) {
      rows += chunk.rows;
      chunks.push_back(std::move(chunk));
    }
    list.clear();
  }
  if (schema->num_fields() > 0 && chunks.size() > 1 && rows / static_cast<int64_t>(chunks.size()) < least_rows) {
    auto merged = MergeChunks(chunks, context);
    // Strings of small chunks may be too many bytes for one array: then they stay as they are.
    if (merged.ok()) {
      chunks = *std::move(merged);
    } else if (!merged.status().IsInvalid() && !merged.status().IsCapacityError() &&
               !merged.status().IsNotImplemented()) {
      return merged.status();
    }
  }
  std::vector<std::shared_ptr<arrow::ChunkedArray>> columns;
  for (int c = 0; c < schema->num_fields(); ++c) {
    arrow::ArrayVector arrays;
    arrays.reserve(chunks.size());
    for (const Chunk& chunk : chunks) arrays.push_back(arrow::MakeArray(chunk.columns[static_cast<size_t>(c)]));
    columns.push_back(std::make_shared<arrow::ChunkedArray>(std::move(arrays), schema->field(c)->type()));
  }
  return arrow::Table::Make(schema, std::move(columns), rows);
}

}  // namespace weft::kernels
