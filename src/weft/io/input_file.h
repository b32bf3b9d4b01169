// Files opened for reading.
#pragma once

#include <arrow/io/interfaces.h>
#include <arrow/memory_pool.h>
#include <arrow/result.h>

#include <memory>

#include "weft/io/location.h"

namespace weft::io {

/// The file at `location`, which must exist. Its buffers come from `pool` (a file system's own come from Arrow's
/// default pool, which no memory limit bounds), and are never longer than what the file has left, whatever a damaged
/// length asks for. Reads at positions may come from several threads at once.
arrow::Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenInput(const Location& location,
                                                                      arrow::MemoryPool* pool);

}  // namespace weft::io
