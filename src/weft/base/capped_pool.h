// A memory pool with a limit.
#pragma once

#include <arrow/memory_pool.h>
#include <arrow/result.h>
#include <arrow/status.h>

#include <cstdint>
#include <string_view>
#include <utility>

namespace weft {

/// A pool over `parent` (which must outlive it) that never holds more than `limit` bytes at once, whatever the threads:
/// an allocation that would is Status::OutOfMemory, its text beginning "MemoryLimitExceeded" and naming need, use and
/// limit. Unlike arrow::CappedMemoryPool it counts only what was allocated through itself, and threads cannot race past
/// the limit.
///
/// The pool is never freed: tables made from it may outlive the session that made it. There is one a session with a
/// limit.
arrow::MemoryPool* MakeCappedPool(arrow::MemoryPool* parent, int64_t limit);

/// A status that says MemoryLimitExceeded with the operator's name put in, once; any other as it is.
arrow::Status NameOperator(std::string_view operation, arrow::Status status);

template <typename T>
arrow::Result<T> NameOperator(std::string_view operation, arrow::Result<T> result) {
  if (result.ok()) return result;
  return NameOperator(operation, result.status());
}

}  // namespace weft
