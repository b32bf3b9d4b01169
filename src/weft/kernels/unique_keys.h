// Whether keys are there but once.
#pragma once

#include <arrow/status.h>
#include <arrow/table.h>

#include <span>
#include <string_view>

#include "weft/base/context.h"

namespace weft::kernels {

/// Status::Invalid where two rows agree in `columns` (missing values agree, NaN is missing), with an example of such a
/// key; `what` begins the message, as in "merge: the keys of the left". Status::TypeError for a type that is no key.
arrow::Status CheckUniqueKeys(const arrow::Table& table, std::span<const int> columns, std::string_view what,
                              const Context& context);

}  // namespace weft::kernels
