// Bytes as MPI describes them, where their lengths and places do not fit in an int.
#pragma once

#include <arrow/result.h>
#include <mpi.h>

#include <cstdint>
#include <span>
#include <vector>

#include "weft/base/types.h"

namespace weft::mpi {

/// `count` of `type` from `address` on. Where `made`, the type is to be freed when nothing uses it any more.
struct Typed {
  void* address = nullptr;
  int count = 0;
  MPI_Datatype type = MPI_BYTE;
  bool made = false;
};

/// One block; of more than 2^31 - 1 bytes as one element of a type made for it. Under the process lock, as the next.
arrow::Result<Typed> DescribeBlock(const std::byte* data, int64_t bytes);

/// One block `at` bytes behind the start of a buffer that is named elsewhere; `address` is not set.
arrow::Result<Typed> DescribeAt(int64_t at, int64_t bytes);

/// Several blocks of memory as one, by their addresses.
arrow::Result<Typed> DescribeParts(std::span<const ConstBytes> parts);

}  // namespace weft::mpi
