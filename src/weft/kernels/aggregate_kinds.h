// The kinds of states, by the file that makes them. For MakeGroupStates alone.
#pragma once

#include <memory>

#include "weft/kernels/aggregate.h"

namespace weft::kernels {

/// kMin, kMax, kFirst, kLast, kIndexOfMin, kIndexOfMax: a row is kept for each group.
arrow::Result<std::unique_ptr<GroupStates>> MakeRowStates(const StateSpec& spec, const StateInput& input,
                                                          const Context& context);
/// kMoments and kProduct.
arrow::Result<std::unique_ptr<GroupStates>> MakePowerStates(const StateSpec& spec, const StateInput& input,
                                                            const Context& context);
/// kDistinct and kQuantile.
arrow::Result<std::unique_ptr<GroupStates>> MakeWholeStates(const StateSpec& spec, const StateInput& input,
                                                            const Context& context);

}  // namespace weft::kernels
