// Waiting for a key of a store that tells nobody of writes.
#pragma once

#include <functional>
#include <string>

#include "weft/bootstrap/store.h"

namespace weft {

/// Between 3/4 and 5/4 of `pause`, so that those who wait for one thing do not come at one time.
Duration Jittered(Duration pause);

/// What Store::Wait promises, by Get at growing intervals: an eighth of the time waited so far, from 1 to 200 ms.
/// `name` is the store's, for the error.
arrow::Result<std::string> PollFor(Store& store, const std::string& name, const std::string& key, Deadline deadline,
                                   const std::function<arrow::Status()>& check_interrupt);

}  // namespace weft
