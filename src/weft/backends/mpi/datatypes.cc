#include "weft/backends/mpi/datatypes.h"

#include <algorithm>
#include <limits>

#include "weft/bootstrap/mpi_process.h"

namespace weft::mpi {
namespace {

constexpr int64_t kMaxInt = std::numeric_limits<int>::max();
/// Length of a piece of what is too long for an int.
constexpr int64_t kPiece = int64_t{1} << 30;

/// Lengths and places of pieces.
class Pieces {
 public:
  void Add(MPI_Aint at, int64_t bytes) {
    for (int64_t done = 0; done < bytes; done += kPiece) {
      places_.push_back(at + done);
      lengths_.push_back(static_cast<int>(std::min(kPiece, bytes - done)));
    }
  }
  arrow::Result<Typed> Make(void* address) const {
    Typed typed{.address = address, .count = 1, .type = MPI_DATATYPE_NULL, .made = true};
    ARROW_RETURN_NOT_OK(Check(MPI_Type_create_hindexed(static_cast<int>(lengths_.size()), lengths_.data(),
                                                       places_.data(), MPI_BYTE, &typed.type),
                              "MPI_Type_create_hindexed"));
    ARROW_RETURN_NOT_OK(Check(MPI_Type_commit(&typed.type), "MPI_Type_commit"));
    return typed;
  }

 private:
  std::vector<int> lengths_;
  std::vector<MPI_Aint> places_;
};

}  // namespace

arrow::Result<Typed> DescribeBlock(const std::byte* data, int64_t bytes) {
  auto* const address = const_cast<std::byte*>(data);
  if (bytes <= kMaxInt) return Typed{.address = address, .count = static_cast<int>(bytes), .type = MPI_BYTE};
  Pieces pieces;
  pieces.Add(0, bytes);
  return pieces.Make(address);
}

arrow::Result<Typed> DescribeAt(int64_t at, int64_t bytes) {
  Pieces pieces;
  pieces.Add(at, bytes);
  return pieces.Make(nullptr);
}

arrow::Result<Typed> DescribeParts(std::span<const ConstBytes> parts) {
  if (parts.empty()) return Typed{};
  if (parts.size() == 1) return DescribeBlock(parts[0].data(), static_cast<int64_t>(parts[0].size()));
  Pieces pieces;
  for (const ConstBytes part : parts) {
    MPI_Aint address = 0;
    ARROW_RETURN_NOT_OK(Check(MPI_Get_address(part.data(), &address), "MPI_Get_address"));
    pieces.Add(address, static_cast<int64_t>(part.size()));
  }
  return pieces.Make(MPI_BOTTOM);
}

}  // namespace weft::mpi
