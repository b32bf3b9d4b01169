#include "weft/kernels/join_plan.h"

#include <arrow/type.h>

#include <set>
#include <string>
#include <unordered_set>

#include "weft/table/columns.h"

namespace weft::kernels {
namespace {

arrow::Status CheckKeyRange(const arrow::Schema& schema, const std::vector<int>& keys, const char* side) {
  for (const int key : keys) {
    if (key < 0 || key >= schema.num_fields()) {
      return arrow::Status::KeyError("join: the ", side, " table has no column number ", key, "; it has ",
                                     schema.num_fields(), " columns");
    }
  }
  return arrow::Status::OK();
}

arrow::Status CheckKeys(const arrow::Schema& left, const arrow::Schema& right, const JoinOptions& options) {
  if (options.type == JoinType::kCross) {
    if (options.left_keys.empty() && options.right_keys.empty()) return arrow::Status::OK();
    return arrow::Status::Invalid("join: a cross join has no key columns");
  }
  if (options.left_keys.empty() || options.left_keys.size() != options.right_keys.size()) {
    return arrow::Status::Invalid("join: ", options.left_keys.size(), " key columns on the left and ",
                                  options.right_keys.size(),
                                  " on the right; there must be at least one, and as many on each side");
  }
  ARROW_RETURN_NOT_OK(CheckKeyRange(left, options.left_keys, "left"));
  ARROW_RETURN_NOT_OK(CheckKeyRange(right, options.right_keys, "right"));
  ARROW_RETURN_NOT_OK(table::CheckKeyTypes(left, options.left_keys, "join"));
  ARROW_RETURN_NOT_OK(table::CheckKeyTypes(right, options.right_keys, "join"));
  for (size_t k = 0; k < options.left_keys.size(); ++k) {
    const auto& l = left.field(options.left_keys[k]);
    const auto& r = right.field(options.right_keys[k]);
    if (!table::SameKeyType(*l->type(), *r->type())) {
      return arrow::Status::TypeError("join: the key '", l->name(), "' is ", l->type()->ToString(),
                                      " on the left, and '", r->name(), "' is ", r->type()->ToString(),
                                      " on the right; cast one of them to the type of the other");
    }
  }
  return arrow::Status::OK();
}

/// For each column of the left and of the right the pair of keys of one name that it is part of, or -1.
struct CommonKeys {
  std::vector<int> left;
  std::vector<int> right;
};

CommonKeys FindCommonKeys(const arrow::Schema& left, const arrow::Schema& right, const JoinOptions& options) {
  CommonKeys out{std::vector<int>(static_cast<size_t>(left.num_fields()), -1),
                 std::vector<int>(static_cast<size_t>(right.num_fields()), -1)};
  for (size_t k = 0; k < options.left_keys.size(); ++k) {
    const auto l = static_cast<size_t>(options.left_keys[k]);
    const auto r = static_cast<size_t>(options.right_keys[k]);
    if (left.field(options.left_keys[k])->name() != right.field(options.right_keys[k])->name()) continue;
    // A column may be named as a key more than once; only its first pair makes a column.
    if (out.left[l] >= 0 || out.right[r] >= 0) continue;
    out.left[l] = static_cast<int>(k);
    out.right[r] = static_cast<int>(k);
  }
  return out;
}

/// The columns of all of the left and the right.
void PlanBothSides(const arrow::Schema& left, const arrow::Schema& right, const JoinOptions& options,
                   arrow::FieldVector* made, JoinPlan* out) {
  JoinPlan& plan = *out;
  arrow::FieldVector& fields = *made;
  const CommonKeys common = FindCommonKeys(left, right, options);
  std::unordered_set<std::string> left_names;
  std::unordered_set<std::string> right_names;
  for (int c = 0; c < left.num_fields(); ++c) {
    if (common.left[static_cast<size_t>(c)] < 0) left_names.insert(left.field(c)->name());
  }
  for (int c = 0; c < right.num_fields(); ++c) {
    if (common.right[static_cast<size_t>(c)] < 0) right_names.insert(right.field(c)->name());
  }
  const bool left_padded = KeepsUnmatchedRight(options.type);
  const bool right_padded = KeepsUnmatchedLeft(options.type);

  for (int c = 0; c < left.num_fields(); ++c) {
    auto field = left.field(c);
    const int key = common.left[static_cast<size_t>(c)];
    if (key < 0) {
      if (right_names.contains(field->name())) field = field->WithName(field->name() + options.left_suffix);
      fields.push_back(left_padded ? field->WithNullable(true) : field);
      plan.columns.push_back({Side::kLeft, c});
      continue;
    }
    const int other = options.right_keys[static_cast<size_t>(key)];
    const bool nullable = field->nullable() || right.field(other)->nullable();
    if (left_padded && !field->type()->Equals(right.field(other)->type())) {
      field = field->WithType(table::LogicalKeyType(field->type()));
    }
    fields.push_back(left_padded ? field->WithNullable(nullable) : field);
    if (options.type == JoinType::kRight) {
      plan.columns.push_back({Side::kRight, other, key});
    } else {
      plan.columns.push_back({Side::kLeft, c, key, options.type == JoinType::kOuter});
    }
  }
  for (int c = 0; c < right.num_fields(); ++c) {
    if (common.right[static_cast<size_t>(c)] >= 0) continue;
    auto field = right.field(c);
    if (left_names.contains(field->name())) field = field->WithName(field->name() + options.right_suffix);
    fields.push_back(right_padded ? field->WithNullable(true) : field);
    plan.columns.push_back({Side::kRight, c});
  }
}

/// Leaves the columns that were asked for.
arrow::Status ChooseColumns(const std::vector<int>& chosen, JoinPlan* plan) {
  JoinPlan out;
  arrow::FieldVector fields;
  for (const int c : chosen) {
    if (c < 0 || c >= plan->schema->num_fields()) {
      return arrow::Status::KeyError("join: the result has no column number ", c, "; it has ",
                                     plan->schema->num_fields(), " columns");
    }
    fields.push_back(plan->schema->field(c));
    out.columns.push_back(plan->columns[static_cast<size_t>(c)]);
  }
  plan->schema = arrow::schema(std::move(fields));
  plan->columns = std::move(out.columns);
  return arrow::Status::OK();
}

}  // namespace

std::shared_ptr<arrow::DataType> IndicatorType() { return arrow::dictionary(arrow::int8(), arrow::utf8()); }

arrow::Result<JoinPlan> PlanJoin(const arrow::Schema& left, const arrow::Schema& right, const JoinOptions& options) {
  ARROW_RETURN_NOT_OK(CheckKeys(left, right, options));
  JoinPlan plan;
  plan.right_keys = options.right_keys;
  arrow::FieldVector fields;
  if (ChoosesLeftRows(options.type)) {
    fields = left.fields();
    for (int c = 0; c < left.num_fields(); ++c) plan.columns.push_back({Side::kLeft, c});
  } else {
    PlanBothSides(left, right, options, &fields, &plan);
  }
  if (!options.indicator.empty()) {
    if (ChoosesLeftRows(options.type)) {
      return arrow::Status::Invalid("join: rows of a semi or anti join are all from the left, there is no indicator");
    }
    fields.push_back(arrow::field(options.indicator, IndicatorType(), /*nullable=*/false));
    plan.columns.push_back({.indicator = true});
  }
  std::set<std::string> names;
  for (const auto& field : fields) {
    if (!names.insert(field->name()).second) {
      return arrow::Status::Invalid("join: the result would have two columns '", field->name(), "' (suffixes '",
                                    options.left_suffix, "' and '", options.right_suffix,
                                    "'); rename a column or choose other suffixes");
    }
  }
  plan.schema = arrow::schema(std::move(fields));
  if (options.columns.has_value()) ARROW_RETURN_NOT_OK(ChooseColumns(*options.columns, &plan));
  return plan;
}

arrow::Result<std::shared_ptr<arrow::Schema>> JoinSchema(const arrow::Schema& left, const arrow::Schema& right,
                                                         const JoinOptions& options) {
  ARROW_ASSIGN_OR_RAISE(auto plan, PlanJoin(left, right, options));
  return plan.schema;
}

}  // namespace weft::kernels
