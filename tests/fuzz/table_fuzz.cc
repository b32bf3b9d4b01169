// The wire form of tables, from a sender who is not trusted: what is returned must hold, and the memory that is asked
// for must stay below the cap. A block is the length of its header (with kCompressed where its body is), the header,
// and its body; of a compressed one the length comes first.
#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "fuzz/input.h"
#include "weft/base/context.h"
#include "weft/table/wire.h"
#include "weft/table/wire_compression.h"

namespace weft::table {
namespace {

using fuzz::Input;
using fuzz::Require;

constexpr int64_t kMostBodyBytes = 1 << 20;
constexpr uint32_t kCompressed = uint32_t{1} << 31;

std::shared_ptr<arrow::Buffer> Buffer(std::string_view bytes, int64_t size) {
  std::shared_ptr<arrow::Buffer> buffer = *arrow::AllocateBuffer(size);
  std::memset(buffer->mutable_data(), 0, static_cast<size_t>(size));
  std::memcpy(buffer->mutable_data(), bytes.data(), bytes.size());
  return buffer;
}

/// As the receiver of an exchange does it; false where that refuses the bytes.
bool FillFromCompressed(Input* input, int64_t total, const std::vector<std::shared_ptr<arrow::Buffer>>& bodies) {
  const std::string_view bytes = input->Take(input->Number<uint32_t>() % (1 << 20));
  const auto size = static_cast<int64_t>(bytes.size());
  if (!CheckCompressedBytes(size, total).ok()) return false;
  return DecompressBody(*Buffer(bytes, size), bodies, arrow::default_memory_pool()).ok();
}

/// False when the stream is over.
bool ReadBlock(WireReader* reader, Input* input) {
  const auto word = input->Number<uint32_t>();
  const bool compressed = (word & kCompressed) != 0;
  const std::string_view bytes = input->Take(word % (1 << 20));
  const auto header = reader->ReadHeader(Buffer(bytes, static_cast<int64_t>(bytes.size())));
  if (!header.ok()) return false;
  int64_t total = 0;
  std::vector<std::shared_ptr<arrow::Buffer>> bodies;
  for (const int64_t size : header->body_sizes) {
    Require(size >= 0 && (total += size) <= kMostBodyBytes);
    bodies.push_back(Buffer(compressed ? "" : input->Take(static_cast<size_t>(size)), size));
  }
  if (compressed && !FillFromCompressed(input, total, bodies)) return false;
  const auto batch = reader->Read(std::move(bodies));
  if (!batch.ok()) return false;
  if (*batch != nullptr) {
    Require((*batch)->schema()->Equals(*reader->schema()));
    // Whoever works on it must not meet what does not hold. Text that is no UTF-8 is the one thing that is let through.
    Require((*batch)->Validate().ok());
    for (int64_t row = 0; row < std::min<int64_t>((*batch)->num_rows(), 4); ++row) {
      for (const auto& column : (*batch)->columns()) (void)column->GetScalar(row);
    }
  }
  return !header->last;
}

}  // namespace
}  // namespace weft::table

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  weft::fuzz::Input input(data, size);
  const weft::Context context;
  auto reader = *weft::table::WireReader::Make(3, weft::table::kMostBodyBytes, context);
  while (!input.empty() && weft::table::ReadBlock(reader.get(), &input)) {
  }
  return 0;
}
