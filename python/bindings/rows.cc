#include "operators.h"

#include "run.h"
#include "session.h"
#include "table.h"
#include "weft/distributed/slice.h"
#include "weft/exchange/exchange.h"

namespace weft::python {

namespace nb = nanobind;

namespace {

PyTable Gather(const PyTable& table, const PySession& session, Rank root) {
  return {RunOverRanks(session, [&](Communicator& communicator, const Context& context) {
    return exchange::Gather(communicator, table.table, root, context);
  })};
}

PyTable Allgather(const PyTable& table, const PySession& session) {
  return {RunOverRanks(session, [&](Communicator& communicator, const Context& context) {
    return exchange::Allgather(communicator, table.table, context);
  })};
}

int64_t TotalRows(const PyTable& table, const PySession& session) {
  return RunOverRanks(session, [&](Communicator& communicator, const Context&) {
    return distributed::TotalRows(communicator, *table.table);
  });
}

}  // namespace

void BindRows(nb::module_& module) {
  module.def("total_rows", &TotalRows);
  module.def("gather", &Gather);
  module.def("allgather", &Allgather);
}

}  // namespace weft::python
