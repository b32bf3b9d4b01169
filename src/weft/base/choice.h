// What operators choose by statistics, counted.
#pragma once

#include <string>
#include <string_view>

#include "weft/base/context.h"

namespace weft {

/// The names that NoteChoice gives its spans begin with this.
constexpr std::string_view kChoicePrefix = "choice.";

/// Adds one to the session's count of `choice` ("<operator>.<way>", as env.stats()["choices"] shows it).
inline void NoteChoice(const Context& context, std::string_view choice) {
  const TraceSpan span(context.tracer, std::string(kChoicePrefix).append(choice));
}

}  // namespace weft
