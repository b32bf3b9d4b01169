#include "weft/kernels/dense_values.h"

#include <arrow/compute/api_vector.h>
#include <arrow/compute/exec.h>

#include <algorithm>
#include <utility>

namespace weft::kernels {
namespace {

/// Rows of one parallel task.
constexpr int64_t kPieceRows = 1 << 16;

}  // namespace

arrow::Result<std::shared_ptr<arrow::ChunkedArray>> DecodeDictionary(const std::shared_ptr<arrow::ChunkedArray>& column,
                                                                     const Context& context) {
  if (column == nullptr || column->type()->id() != arrow::Type::DICTIONARY) return column;
  arrow::ArrayVector chunks;
  arrow::compute::ExecContext exec(context.pool);
  exec.set_use_threads(false);
  for (const auto& chunk : column->chunks()) {
    const auto& encoded = static_cast<const arrow::DictionaryArray&>(*chunk);
    ARROW_ASSIGN_OR_RAISE(const arrow::Datum values,
                          arrow::compute::Take(encoded.dictionary(), encoded.indices(),
                                               arrow::compute::TakeOptions::NoBoundsCheck(), &exec));
    chunks.push_back(values.make_array());
  }
  return std::make_shared<arrow::ChunkedArray>(std::move(chunks),
                                               static_cast<const arrow::DictionaryType&>(*column->type()).value_type());
}

bool IsNumberLike(const arrow::DataType& type) {
  const auto id = type.id();
  return id == arrow::Type::BOOL || id == arrow::Type::NA || arrow::is_integer(id) || arrow::is_floating(id) ||
         arrow::is_decimal(id) || id == arrow::Type::DURATION || id == arrow::Type::TIMESTAMP || arrow::is_date(id) ||
         arrow::is_time(id);
}

std::vector<ColumnPiece> CutColumn(const arrow::ChunkedArray& column) {
  std::vector<ColumnPiece> pieces;
  int64_t row = 0;
  for (const auto& chunk : column.chunks()) {
    for (int64_t begin = 0; begin < chunk->length(); begin += kPieceRows) {
      const int64_t end = std::min(begin + kPieceRows, chunk->length());
      pieces.push_back({chunk.get(), begin, end, row + begin});
    }
    row += chunk->length();
  }
  return pieces;
}

}  // namespace weft::kernels
