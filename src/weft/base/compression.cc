#include "weft/base/compression.h"

#include <arrow/util/compression.h>

namespace weft {

bool CanCompress() { return arrow::util::Codec::IsAvailable(arrow::Compression::LZ4); }

}  // namespace weft
