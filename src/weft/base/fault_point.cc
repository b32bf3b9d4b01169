#include "weft/base/fault_point.h"

namespace weft {

std::atomic<FaultHook> fault_hook{nullptr};

}  // namespace weft
