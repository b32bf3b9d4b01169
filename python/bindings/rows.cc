#include "operators.h"

#include <nanobind/stl/vector.h>

#include <vector>

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

std::vector<int64_t> RowCounts(const PyTable& table, const PySession& session) {
  return RunOverRanks(session, [&](Communicator& communicator, const Context&) {
    return exchange::AllgatherCounts(communicator, table.table->num_rows());
  });
}

}  // namespace

void BindRows(nb::module_& module) {
  module.def("total_rows", &TotalRows);
  module.def("row_counts", &RowCounts);
  module.def("gather", &Gather);
  module.def("allgather", &Allgather);
}

}  // namespace weft::python
