// A Reduction as MPI knows it.
#pragma once

#include <arrow/result.h>
#include <mpi.h>

#include <atomic>
#include <memory>
#include <mutex>

#include "weft/communicator/reduction.h"

namespace weft::mpi {

/// What a user-defined operation of MPI calls for elements of one datatype. MPI calls it in whatever thread is in MPI.
class Combiner {
 public:
  explicit Combiner(Reducer reducer) : reducer_(std::move(reducer)) {}
  /// Does nothing after an error or Abandon.
  void Run(std::byte* lower, std::byte* higher, int64_t count);
  /// Of the function that combines; the first one.
  arrow::Status error() const;
  /// The function must not be called any more: whoever gave it has stopped waiting.
  void Abandon() { abandoned_ = true; }

 private:
  const Reducer reducer_;
  std::atomic<bool> abandoned_{false};
  mutable std::mutex mutex_;
  arrow::Status error_;
};

struct Operator {
  MPI_Datatype type = MPI_DATATYPE_NULL;
  MPI_Op op = MPI_OP_NULL;
  int64_t element_size = 0;
  /// Of a reduction by a function, whose type is to be given back by Release; else nullptr.
  std::shared_ptr<Combiner> function;
};

/// MPI's own operation where it does what ours does, on all values; else one that calls `reducer`: for half floats, for
/// what MPI has no operation on floats for, for the least and greatest float (a NaN and the sign of zero count), and
/// for functions. Sums and products of signed integers go as unsigned ones, which wrap. Under the process lock.
arrow::Result<Operator> Translate(const Reduction& reduction, const Reducer& reducer);

/// Frees the type of a reduction by a function, when MPI is done with it. Under the process lock.
void Release(Operator& made);

}  // namespace weft::mpi
