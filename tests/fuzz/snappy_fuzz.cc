// Snappy's raw form, from a file that is not trusted: nothing is read or written beyond the slack, and what comes out
// is what Arrow's codec makes of it, or both refuse. The first two bytes are the size that is asked for.
#include <arrow/util/compression.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "fuzz/input.h"
#include "weft/io/snappy.h"

namespace weft::io {
namespace {

using fuzz::Require;

constexpr uint8_t kUntouched = 0xa5;

void Run(const uint8_t* data, size_t size) {
  if (size < 2) return;
  uint16_t wanted = 0;
  std::memcpy(&wanted, data, sizeof(wanted));
  const std::vector<uint8_t> bytes(data + 2, data + size);
  // The slack ends where the memory does, so that AddressSanitizer sees what goes beyond.
  std::vector<uint8_t> in(bytes);
  in.resize(bytes.size() + kSnappySlack);
  std::vector<uint8_t> out(size_t{wanted} + kSnappySlack, kUntouched);
  const bool ours = UncompressSnappy({in.data(), bytes.size()}, out.data(), wanted);
  static const std::unique_ptr<arrow::util::Codec> codec = *arrow::util::Codec::Create(arrow::Compression::SNAPPY);
  std::vector<uint8_t> expected(size_t{wanted} + 1);
  const auto length = codec->Decompress(static_cast<int64_t>(bytes.size()), bytes.data(), wanted, expected.data());
  const bool theirs = length.ok() && *length == wanted;
  Require(!ours || theirs);
  Require(ours || !theirs);
  if (ours) Require(std::memcmp(out.data(), expected.data(), wanted) == 0);
}

}  // namespace
}  // namespace weft::io

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  weft::io::Run(data, size);
  return 0;
}
