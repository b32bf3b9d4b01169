// Dictionaries that chunks have in common.
#pragma once

#include <arrow/array/data.h>
#include <arrow/chunked_array.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include <array>
#include <cstdint>
#include <memory>

namespace weft::table {

/// Equal for dictionaries that are the same memory read the same way. Good while the dictionaries live.
using DictionaryIdentity = std::array<uint64_t, 6>;
DictionaryIdentity IdentityOf(const arrow::ArrayData& dictionary);

/// Whether the chunks of a column of dictionaries have one dictionary, by memory or by its values, in which 0.0 is not
/// -0.0 and NaN no NaN.
bool HaveOneDictionary(const arrow::ChunkedArray& column);

/// A column of dictionaries with one dictionary for all chunks: the column itself where that is so already. Errors are
/// those of arrow::DictionaryUnifier.
arrow::Result<std::shared_ptr<arrow::ChunkedArray>> UnifyDictionaries(
    const std::shared_ptr<arrow::ChunkedArray>& column, arrow::MemoryPool* pool);

}  // namespace weft::table
