// Moments as text.
#pragma once

#include <arrow/compute/registry.h>

namespace weft::kernels {

/// Adds weft_strftime(x), of timestamps, with arrow::compute::StrftimeOptions: the directives of C's strftime that need
/// no zone and no numbers of weeks (%Y %y %m %d %e %H %I %M %S %j %p %a %A %b %B %h %D %F %T %R %n %t %%), in English,
/// and %f, six digits of microseconds. Seconds are whole. What the clock shows is that of the timestamps without a
/// zone. Status::Invalid for other directives.
arrow::Status AddStrftime(arrow::compute::FunctionRegistry* registry);

}  // namespace weft::kernels
