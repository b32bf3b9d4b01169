// Dictionaries that chunks have in common.
#pragma once

#include <arrow/array/data.h>
#include <arrow/chunked_array.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>

namespace weft::table {

/// Equal for dictionaries that are the same memory read the same way. Good while the dictionaries live.
using DictionaryIdentity = std::array<uint64_t, 6>;
DictionaryIdentity IdentityOf(const arrow::ArrayData& dictionary);

/// What is made of dictionaries, once for all that are the same memory. They outlive it.
template <typename Made>
class PerDictionary {
 public:
  /// What `make()`, an arrow::Result<Made>, gives or once gave for this dictionary. It stays where it is.
  template <typename Make>
  arrow::Result<const Made*> Get(const arrow::ArrayData& dictionary, const Make& make) {
    const DictionaryIdentity identity = IdentityOf(dictionary);
    auto found = made_.find(identity);
    if (found == made_.end()) {
      ARROW_ASSIGN_OR_RAISE(auto made, make());
      found = made_.emplace(identity, std::move(made)).first;
    }
    return &found->second;
  }

 private:
  std::map<DictionaryIdentity, Made> made_;
};

/// Whether the chunks of a column of dictionaries have one dictionary, by memory or by its values, in which 0.0 is not
/// -0.0 and NaN no NaN.
bool HaveOneDictionary(const arrow::ChunkedArray& column);

/// A column of dictionaries with one dictionary for all chunks: the column itself where that is so already. Errors are
/// those of arrow::DictionaryUnifier.
arrow::Result<std::shared_ptr<arrow::ChunkedArray>> UnifyDictionaries(
    const std::shared_ptr<arrow::ChunkedArray>& column, arrow::MemoryPool* pool);

}  // namespace weft::table
