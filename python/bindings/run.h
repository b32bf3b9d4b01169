// Running operators without the GIL, over the ranks of a session or on this process' rows alone.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>
#include <nanobind/nanobind.h>

#include <memory>
#include <utility>

#include "errors.h"
#include "session.h"
#include "table.h"
#include "weft/base/context.h"
#include "weft/communicator/communicator.h"

namespace weft::python {

using TablePtr = std::shared_ptr<arrow::Table>;
using TableResult = arrow::Result<TablePtr>;

/// `over_ranks(communicator, context)`, an arrow::Result, over the ranks of a session; its value, or its error raised.
template <typename OverRanks>
auto RunOverRanks(const PySession& session, OverRanks&& over_ranks) {
  using Result = decltype(over_ranks(std::declval<Communicator&>(), std::declval<const Context&>()));
  const Context context = session.session->context();
  Result made = [&]() -> Result {
    const nanobind::gil_scoped_release release;
    ARROW_ASSIGN_OR_RAISE(auto* communicator, session.session->communicator());
    return over_ranks(*communicator, context);
  }();
  return Check(std::move(made), session.rank_to_name());
}

/// The same where there is a session, else `local(context)`.
template <typename OverRanks, typename Local>
auto Run(const PySession* session, OverRanks&& over_ranks, Local&& local) {
  if (session != nullptr) return RunOverRanks(*session, std::forward<OverRanks>(over_ranks));
  const Context context = LocalContext();
  auto made = [&] {
    const nanobind::gil_scoped_release release;
    return local(context);
  }();
  return Check(std::move(made), -1);
}

/// The same for what no rank needs another's rows for.
template <typename Local>
auto RunEach(const PySession* session, Local&& local) {
  return Run(session, [&](Communicator&, const Context& context) { return local(context); }, local);
}

}  // namespace weft::python
