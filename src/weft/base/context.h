// What every kernel and operator is run with: memory, threads, cancellation, tracing.
#pragma once

#include <arrow/memory_pool.h>
#include <arrow/status.h>
#include <arrow/util/cancel.h>

#include <functional>

#include "weft/base/compression.h"
#include "weft/base/trace.h"

namespace weft {

class Spill;

/// Passed down by const reference; owns nothing. The session makes it; tests use the defaults.
struct Context {
  /// All memory that grows with the data comes from here, so that `memory_limit` holds.
  arrow::MemoryPool* pool = arrow::default_memory_pool();
  /// Threads that one operator may use, this one included; at least 1.
  int threads = 1;
  /// Polled between blocks of work.
  arrow::StopToken stop = arrow::StopToken::Unstoppable();
  /// May be nullptr.
  Tracer* tracer = nullptr;
  /// Where there is a spill_dir: `pool` is then its tables(), and operators whose inputs do not fit go by way of disk.
  Spill* spill = nullptr;
  /// Whether exchanges make tables smaller on their way.
  Compression compression = Compression::kAuto;
};

/// Runs task(0) ... task(tasks - 1) on up to `context.threads` threads (Arrow's CPU pool and the calling one) and
/// returns the first error by task number; after an error or a stop request tasks not yet begun are left out.
/// Tasks must not call ParallelFor themselves. Safe to call from several threads.
arrow::Status ParallelFor(const Context& context, int64_t tasks, const std::function<arrow::Status(int64_t)>& task);

}  // namespace weft
