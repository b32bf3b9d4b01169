#include "weft/base/compression.h"

#include <arrow/util/compression.h>

#include <atomic>

namespace weft {
namespace {

std::atomic<Compression> of_process{Compression::kAuto};

}  // namespace

void SetCompression(Compression compression) { of_process = compression; }
Compression CompressionOfProcess() { return of_process; }
bool CanCompress() { return arrow::util::Codec::IsAvailable(arrow::Compression::LZ4); }

}  // namespace weft
