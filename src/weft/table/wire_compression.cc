#include "weft/table/wire_compression.h"

#include <arrow/util/compression.h>

#include <algorithm>
#include <cstring>

#include "weft/base/deadline.h"

namespace weft::table {
namespace {

using arrow::Status;

constexpr uint32_t kStored = uint32_t{1} << 31;
constexpr int64_t kLengthBytes = sizeof(uint32_t);
/// A byte of LZ4 stands for fewer than 256.
constexpr int64_t kMostRatio = 256;
constexpr int64_t kSampledParts = 8;
constexpr int64_t kSampledBytes = 32 << 10;

arrow::Result<std::unique_ptr<arrow::util::Codec>> MakeCodec() {
  return arrow::util::Codec::Create(arrow::Compression::LZ4);
}

/// A place in memory that lies in several parts.
template <typename Part>
class Cursor {
 public:
  explicit Cursor(std::span<const Part> parts) : parts_(parts) {}

  /// The next `bytes` where they lie in one part, and goes on behind them; else nullptr, and stays.
  auto* Take(size_t bytes) {
    while (part_ < parts_.size() && at_ == parts_[part_].size()) Next();
    if (part_ == parts_.size() || parts_[part_].size() - at_ < bytes) return decltype(parts_[0].data()){nullptr};
    auto* found = parts_[part_].data() + at_;
    at_ += bytes;
    return found;
  }

  /// Calls `each(memory, size)` for the parts of the next `bytes`.
  template <typename Each>
  void Walk(size_t bytes, Each&& each) {
    while (bytes > 0 && part_ < parts_.size()) {
      const size_t size = std::min(bytes, parts_[part_].size() - at_);
      if (size > 0) each(parts_[part_].data() + at_, size);
      at_ += size;
      bytes -= size;
      if (at_ == parts_[part_].size()) Next();
    }
  }

 private:
  void Next() {
    ++part_;
    at_ = 0;
  }

  std::span<const Part> parts_;
  size_t part_ = 0;
  size_t at_ = 0;
};

/// Compresses pieces of a body.
class Pieces {
 public:
  static arrow::Result<Pieces> Make(std::span<const ConstBytes> body, arrow::MemoryPool* pool) {
    ARROW_ASSIGN_OR_RAISE(auto codec, MakeCodec());
    ARROW_ASSIGN_OR_RAISE(auto gathered, arrow::AllocateBuffer(kWirePieceBytes, pool));
    ARROW_ASSIGN_OR_RAISE(auto out, arrow::AllocateBuffer(codec->MaxCompressedLen(kWirePieceBytes, nullptr), pool));
    return Pieces(body, std::move(codec), std::move(gathered), std::move(out));
  }

  void Skip(int64_t bytes) {
    cursor_.Walk(static_cast<size_t>(bytes), [](const std::byte*, size_t) {});
  }

  /// Of the next `bytes`, at most a piece: what they are sent as, and its length word.
  arrow::Result<std::pair<uint32_t, std::span<const uint8_t>>> Next(int64_t bytes) {
    const auto* piece = reinterpret_cast<const uint8_t*>(cursor_.Take(static_cast<size_t>(bytes)));
    if (piece == nullptr) {
      uint8_t* to = gathered_->mutable_data();
      cursor_.Walk(static_cast<size_t>(bytes), [&](const std::byte* from, size_t size) {
        std::memcpy(to, from, size);
        to += size;
      });
      piece = gathered_->data();
    }
    ARROW_ASSIGN_OR_RAISE(const int64_t size, codec_->Compress(bytes, piece, out_->size(), out_->mutable_data()));
    if (size < bytes) return std::pair(static_cast<uint32_t>(size), std::span(out_->data(), static_cast<size_t>(size)));
    return std::pair(static_cast<uint32_t>(bytes) | kStored, std::span(piece, static_cast<size_t>(bytes)));
  }

 private:
  Pieces(std::span<const ConstBytes> body, std::unique_ptr<arrow::util::Codec> codec,
         std::unique_ptr<arrow::Buffer> gathered, std::unique_ptr<arrow::Buffer> out)
      : cursor_(body), codec_(std::move(codec)), gathered_(std::move(gathered)), out_(std::move(out)) {}

  Cursor<ConstBytes> cursor_;
  std::unique_ptr<arrow::util::Codec> codec_;
  std::unique_ptr<arrow::Buffer> gathered_;
  std::unique_ptr<arrow::Buffer> out_;
};

}  // namespace

arrow::Result<std::shared_ptr<arrow::Buffer>> CompressBody(std::span<const ConstBytes> body, int64_t body_bytes,
                                                           arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(auto pieces, Pieces::Make(body, pool));
  ARROW_ASSIGN_OR_RAISE(auto out, arrow::AllocateResizableBuffer(body_bytes - body_bytes / 16, pool));
  int64_t at = 0;
  for (int64_t left = body_bytes; left > 0;) {
    const int64_t bytes = std::min(left, kWirePieceBytes);
    ARROW_ASSIGN_OR_RAISE(const auto piece, pieces.Next(bytes));
    const auto size = static_cast<int64_t>(piece.second.size());
    if (kLengthBytes + size > out->size() - at) return std::shared_ptr<arrow::Buffer>();
    std::memcpy(out->mutable_data() + at, &piece.first, sizeof(piece.first));
    std::memcpy(out->mutable_data() + at + kLengthBytes, piece.second.data(), piece.second.size());
    at += kLengthBytes + size;
    left -= bytes;
  }
  ARROW_RETURN_NOT_OK(out->Resize(at, /*shrink_to_fit=*/true));
  return std::shared_ptr<arrow::Buffer>(std::move(out));
}

arrow::Result<CompressionSample> SampleCompression(std::span<const ConstBytes> body, int64_t body_bytes,
                                                   arrow::MemoryPool* pool) {
  if (body_bytes <= 0) return CompressionSample{};
  ARROW_ASSIGN_OR_RAISE(auto pieces, Pieces::Make(body, pool));
  const int64_t stride = std::max<int64_t>(body_bytes / kSampledParts, 1);
  const int64_t part = std::min(stride, kSampledBytes);
  int64_t before = 0;
  int64_t after = 0;
  const auto begin = Clock::now();
  for (int64_t at = 0; at + part <= body_bytes && before < kSampledParts * kSampledBytes; at += stride) {
    ARROW_ASSIGN_OR_RAISE(const auto piece, pieces.Next(part));
    pieces.Skip(stride - part);
    before += part;
    after += kLengthBytes + static_cast<int64_t>(piece.second.size());
  }
  const double bytes = static_cast<double>(before);
  return CompressionSample{static_cast<double>(after) / bytes, Seconds(Clock::now() - begin) / bytes};
}

Status CheckCompressedBytes(int64_t compressed_bytes, int64_t body_bytes) {
  if (compressed_bytes > 0 && compressed_bytes < body_bytes && body_bytes / kMostRatio <= compressed_bytes) {
    return Status::OK();
  }
  return Status::Invalid("a body of ", body_bytes, " bytes in ", compressed_bytes, " compressed ones");
}

Status DecompressBody(const arrow::Buffer& compressed, std::span<const std::shared_ptr<arrow::Buffer>> bodies,
                      arrow::MemoryPool* pool) {
  std::vector<MutableBytes> parts;
  int64_t left = 0;
  for (const auto& body : bodies) {
    parts.emplace_back(reinterpret_cast<std::byte*>(body->mutable_data()), static_cast<size_t>(body->size()));
    left += body->size();
  }
  ARROW_RETURN_NOT_OK(CheckCompressedBytes(compressed.size(), left));
  ARROW_ASSIGN_OR_RAISE(const auto codec, MakeCodec());
  ARROW_ASSIGN_OR_RAISE(const auto gathered, arrow::AllocateBuffer(std::min(left, kWirePieceBytes), pool));
  Cursor<MutableBytes> cursor(parts);
  const uint8_t* from = compressed.data();
  int64_t given = compressed.size();
  while (left > 0) {
    const int64_t bytes = std::min(left, kWirePieceBytes);
    uint32_t word = 0;
    if (given < kLengthBytes) return Status::Invalid("compressed bytes end too early");
    std::memcpy(&word, from, sizeof(word));
    from += kLengthBytes;
    given -= kLengthBytes;
    const int64_t size = word & ~kStored;
    const bool stored = (word & kStored) != 0;
    if (size > given || (stored ? size != bytes : size >= bytes)) {
      return Status::Invalid("a compressed piece of ", size, " bytes for ", bytes);
    }
    auto* in_place = reinterpret_cast<uint8_t*>(cursor.Take(static_cast<size_t>(bytes)));
    uint8_t* to = in_place != nullptr ? in_place : gathered->mutable_data();
    if (stored) {
      std::memcpy(to, from, static_cast<size_t>(bytes));
    } else {
      const auto made = codec->Decompress(size, from, bytes, to);
      if (!made.ok() || *made != bytes) return Status::Invalid("a compressed piece that is not of LZ4");
    }
    if (in_place == nullptr) {
      cursor.Walk(static_cast<size_t>(bytes), [&](std::byte* body, size_t part) {
        std::memcpy(body, to, part);
        to += part;
      });
    }
    from += size;
    given -= size;
    left -= bytes;
  }
  return given == 0 ? Status::OK() : Status::Invalid("compressed bytes that are left over");
}

}  // namespace weft::table
