// Sessions as Python holds them.
#pragma once

#include <nanobind/nanobind.h>

#include <memory>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"
#include "weft/session/session.h"

namespace weft::python {

struct PySession {
  std::unique_ptr<Session> session;
  int rank = 0;
  int world_size = 1;

  /// The rank to name in an error's text; -1 in a world of one.
  int rank_to_name() const { return world_size > 1 ? rank : -1; }
};

/// Memory and threads for work on this process' rows alone: those of the session that was opened last, if it is still
/// there, so that memory_limit and threads hold for all frames of the process.
Context LocalContext();

void BindSession(nanobind::module_& module);

}  // namespace weft::python
