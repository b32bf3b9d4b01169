#include "weft/distributed/membership.h"

#include <numeric>
#include <utility>

#include "weft/distributed/join.h"
#include "weft/distributed/rows_home.h"
#include "weft/exchange/exchange.h"
#include "weft/kernels/membership.h"

namespace weft::distributed {

arrow::Result<std::shared_ptr<arrow::Table>> IsMember(Communicator& communicator,
                                                      const std::shared_ptr<arrow::Table>& left,
                                                      const std::shared_ptr<arrow::Table>& right,
                                                      const std::vector<int>& left_keys,
                                                      const std::vector<int>& right_keys, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const RowsHome home, RowsHome::Make(communicator, left->num_rows()));
  auto plan = kernels::PlanMembership(left, right, left_keys, right_keys, home.first(), context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, plan.status(), "isin"));
  ARROW_ASSIGN_OR_RAISE(auto members, Join(communicator, plan->left, plan->right, plan->options, context));
  // The numbers twice: one copy finds the way and is gone then.
  ARROW_ASSIGN_OR_RAISE(members, members->AddColumn(1, members->field(0), members->column(0)));
  ARROW_ASSIGN_OR_RAISE(members, home.BringBack(communicator, std::move(members), 1, context));
  auto marks = kernels::MarkMembers(*members, home.first(), left->num_rows(), context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, marks.status(), "isin"));
  return marks;
}

}  // namespace weft::distributed
