#include "weft/distributed/comoments.h"

#include <cstring>
#include <string_view>

#include "weft/exchange/exchange.h"

namespace weft::distributed {

arrow::Result<std::vector<kernels::CoMoments>> PairMoments(Communicator& communicator, const arrow::Table& table,
                                                           std::span<const int> columns, const Context& context) {
  using kernels::CoMoments;
  ARROW_RETURN_NOT_OK(exchange::AgreeSchema(communicator, table.schema(), "comoments"));
  const auto mine = kernels::PairMoments(table, columns, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, mine.status(), "comoments"));
  const std::string_view bytes(reinterpret_cast<const char*>(mine->data()), mine->size() * sizeof(CoMoments));
  ARROW_ASSIGN_OR_RAISE(const auto all, exchange::AllgatherBytes(communicator, bytes));
  std::vector<CoMoments> whole(mine->size());
  for (const std::string& part : all) {
    if (part.size() != bytes.size()) return arrow::Status::Invalid("comoments: ranks have different columns");
    for (size_t i = 0; i < whole.size(); ++i) {
      CoMoments one;
      std::memcpy(&one, part.data() + i * sizeof(CoMoments), sizeof(CoMoments));
      whole[i].Merge(one);
    }
  }
  return whole;
}

}  // namespace weft::distributed
