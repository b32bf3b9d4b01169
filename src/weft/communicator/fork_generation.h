// Whether this is still the process that made something.
#pragma once

namespace weft {

/// How many forks lie between the first process and this one. Thread-safe.
int ForkGeneration();

}  // namespace weft
