#include "weft/backends/mpi/reductions.h"

#include <map>
#include <optional>
#include <utility>

#include "weft/bootstrap/mpi_process.h"

namespace weft::mpi {
namespace {

/// Combiners by the datatype of their elements: all that MPI tells an operation about where it is called from.
class Combiners {
 public:
  void Set(MPI_Datatype type, std::shared_ptr<Combiner> combiner) {
    const std::lock_guard lock(mutex_);
    by_type_[type] = std::move(combiner);
  }
  void Remove(MPI_Datatype type) {
    const std::lock_guard lock(mutex_);
    by_type_.erase(type);
  }
  std::shared_ptr<Combiner> Find(MPI_Datatype type) {
    const std::lock_guard lock(mutex_);
    const auto found = by_type_.find(type);
    return found == by_type_.end() ? nullptr : found->second;
  }

 private:
  std::mutex mutex_;
  std::map<MPI_Datatype, std::shared_ptr<Combiner>> by_type_;
};

Combiners& AllCombiners() {
  static auto* const all = new Combiners;
  return *all;
}

/// MPI's form: inout = in op inout, `in` from lower ranks.
void CallCombiner(void* in, void* inout, int* count, MPI_Datatype* type) {
  const auto combiner = AllCombiners().Find(*type);
  if (combiner != nullptr) combiner->Run(static_cast<std::byte*>(in), static_cast<std::byte*>(inout), *count);
}

arrow::Result<MPI_Op> CallingOp(bool commutes) {
  static MPI_Op ops[2] = {MPI_OP_NULL, MPI_OP_NULL};
  MPI_Op& op = ops[commutes ? 1 : 0];
  if (op == MPI_OP_NULL) {
    ARROW_RETURN_NOT_OK(Check(MPI_Op_create(&CallCombiner, commutes ? 1 : 0, &op), "MPI_Op_create"));
  }
  return op;
}

arrow::Result<MPI_Datatype> MakeElement(const Reducer& reducer, std::shared_ptr<Combiner> combiner) {
  MPI_Datatype type = MPI_DATATYPE_NULL;
  ARROW_RETURN_NOT_OK(
      Check(MPI_Type_contiguous(static_cast<int>(reducer.element_size()), MPI_BYTE, &type), "MPI_Type_contiguous"));
  ARROW_RETURN_NOT_OK(Check(MPI_Type_commit(&type), "MPI_Type_commit"));
  AllCombiners().Set(type, std::move(combiner));
  return type;
}

MPI_Datatype SignedType(arrow::Type::type type) {
  switch (type) {
    case arrow::Type::INT8:
      return MPI_INT8_T;
    case arrow::Type::INT16:
      return MPI_INT16_T;
    case arrow::Type::INT32:
      return MPI_INT32_T;
    case arrow::Type::INT64:
      return MPI_INT64_T;
    default:
      return MPI_DATATYPE_NULL;
  }
}

MPI_Datatype UnsignedType(int64_t bytes) {
  return bytes == 1 ? MPI_UINT8_T : bytes == 2 ? MPI_UINT16_T : bytes == 4 ? MPI_UINT32_T : MPI_UINT64_T;
}

using Native = std::optional<std::pair<MPI_Datatype, MPI_Op>>;

Native ForFloats(MPI_Datatype type, ReduceOp op) {
  if (op == ReduceOp::kSum) return {{type, MPI_SUM}};
  if (op == ReduceOp::kProd) return {{type, MPI_PROD}};
  return std::nullopt;
}

/// One byte an element: a sum is "or", a product is "and", and so are the greatest and the least.
Native ForBool(ReduceOp op) {
  const bool both =
      op == ReduceOp::kProd || op == ReduceOp::kMin || op == ReduceOp::kLogicalAnd || op == ReduceOp::kBitAnd;
  return {{MPI_UINT8_T, both ? MPI_LAND : MPI_LOR}};
}

Native ForIntegers(arrow::Type::type type, int64_t bytes, ReduceOp op) {
  const MPI_Datatype word = UnsignedType(bytes);
  const MPI_Datatype number = SignedType(type) == MPI_DATATYPE_NULL ? word : SignedType(type);
  // Open MPI 4.1 adds short integers with saturation where the processor has instructions for it.
  if (bytes < 4 && (op == ReduceOp::kSum || op == ReduceOp::kProd)) return std::nullopt;
  switch (op) {
    case ReduceOp::kSum:
      return {{word, MPI_SUM}};
    case ReduceOp::kProd:
      return {{word, MPI_PROD}};
    case ReduceOp::kMin:
      return {{number, MPI_MIN}};
    case ReduceOp::kMax:
      return {{number, MPI_MAX}};
    case ReduceOp::kLogicalAnd:
      return {{word, MPI_LAND}};
    case ReduceOp::kLogicalOr:
      return {{word, MPI_LOR}};
    case ReduceOp::kBitAnd:
      return {{word, MPI_BAND}};
    case ReduceOp::kBitOr:
      return {{word, MPI_BOR}};
  }
  return std::nullopt;
}

Native ForType(const Reduction& reduction, int64_t bytes) {
  switch (reduction.type) {
    case arrow::Type::BOOL:
      return ForBool(reduction.op);
    case arrow::Type::HALF_FLOAT:
      return std::nullopt;
    case arrow::Type::FLOAT:
      return ForFloats(MPI_FLOAT, reduction.op);
    case arrow::Type::DOUBLE:
      return ForFloats(MPI_DOUBLE, reduction.op);
    default:
      return ForIntegers(reduction.type, bytes, reduction.op);
  }
}

}  // namespace

void Combiner::Run(std::byte* lower, std::byte* higher, int64_t count) {
  if (abandoned_ || !error().ok()) return;
  const arrow::Status status = reducer_.Combine(lower, higher, higher, count);
  if (status.ok()) return;
  const std::lock_guard lock(mutex_);
  if (error_.ok()) error_ = status;
}

arrow::Status Combiner::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

arrow::Result<Operator> Translate(const Reduction& reduction, const Reducer& reducer) {
  Operator made{.element_size = reducer.element_size(), .function = nullptr};
  if (reduction.function) {
    made.function = std::make_shared<Combiner>(reducer);
    ARROW_ASSIGN_OR_RAISE(made.type, MakeElement(reducer, made.function));
    ARROW_ASSIGN_OR_RAISE(made.op, CallingOp(false));
    return made;
  }
  if (const Native native = ForType(reduction, reducer.element_size())) {
    made.type = native->first;
    made.op = native->second;
    return made;
  }
  // Made once and kept: there are few.
  static auto* const kept = new std::map<std::pair<arrow::Type::type, ReduceOp>, MPI_Datatype>;
  MPI_Datatype& type = kept->try_emplace({reduction.type, reduction.op}, MPI_DATATYPE_NULL).first->second;
  if (type == MPI_DATATYPE_NULL) {
    ARROW_ASSIGN_OR_RAISE(type, MakeElement(reducer, std::make_shared<Combiner>(reducer)));
  }
  made.type = type;
  const bool ordered = reduction.op == ReduceOp::kMin || reduction.op == ReduceOp::kMax;
  ARROW_ASSIGN_OR_RAISE(made.op, CallingOp(!ordered));
  return made;
}

void Release(Operator& made) {
  if (made.function == nullptr) return;
  AllCombiners().Remove(made.type);
  MPI_Type_free(&made.type);
  made.function.reset();
}

}  // namespace weft::mpi
