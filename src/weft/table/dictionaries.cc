#include "weft/table/dictionaries.h"

#include <arrow/array.h>
#include <arrow/array/array_dict.h>
#include <arrow/compare.h>

namespace weft::table {

DictionaryIdentity IdentityOf(const arrow::ArrayData& dictionary) {
  const auto address = [](const void* at) { return static_cast<uint64_t>(reinterpret_cast<uintptr_t>(at)); };
  if (dictionary.buffers.size() > 3 || !dictionary.child_data.empty() || dictionary.dictionary != nullptr) {
    return {address(&dictionary)};
  }
  const auto width = static_cast<uint64_t>(dictionary.type->byte_width());
  DictionaryIdentity identity{static_cast<uint64_t>(dictionary.length), static_cast<uint64_t>(dictionary.offset),
                              static_cast<uint64_t>(dictionary.type->id()) << 32 | (width & 0xffffffff)};
  for (size_t i = 0; i < dictionary.buffers.size(); ++i) {
    if (dictionary.buffers[i] != nullptr) identity[3 + i] = address(dictionary.buffers[i]->data());
  }
  return identity;
}

bool HaveOneDictionary(const arrow::ChunkedArray& column) {
  const auto dictionary_of = [&](int chunk) { return column.chunk(chunk)->data()->dictionary; };
  if (column.num_chunks() < 2) return true;
  const auto first = dictionary_of(0);
  const DictionaryIdentity identity = IdentityOf(*first);
  const auto options = arrow::EqualOptions::Defaults().signed_zeros_equal(false);
  for (int c = 1; c < column.num_chunks(); ++c) {
    const auto other = dictionary_of(c);
    if (other == first || IdentityOf(*other) == identity) continue;
    if (!arrow::MakeArray(other)->Equals(arrow::MakeArray(first), options)) return false;
  }
  return true;
}

arrow::Result<std::shared_ptr<arrow::ChunkedArray>> UnifyDictionaries(
    const std::shared_ptr<arrow::ChunkedArray>& column, arrow::MemoryPool* pool) {
  if (HaveOneDictionary(*column)) return column;
  return arrow::DictionaryUnifier::UnifyChunkedArray(column, pool);
}

}  // namespace weft::table
