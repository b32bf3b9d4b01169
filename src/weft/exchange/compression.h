// Whether tables are compressed on their way: chosen by each sender for itself, block by block, from what its links
// carry. A block says in its front what it is, so that receivers need not agree.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>

#include "weft/base/compression.h"
#include "weft/base/context.h"
#include "weft/base/deadline.h"
#include "weft/base/types.h"
#include "weft/table/wire_compression.h"

namespace weft::exchange {

/// Smaller bodies are never compressed.
constexpr int64_t kLeastCompressedBytes = 32 << 10;

/// What a link carries, measured by what is under way on it: bytes that were completed while the sender always had
/// more, over the time that took. Messages that waited for a peer that is busy make it look slow, so that the best of
/// the last few counts.
class LinkRate {
 public:
  /// Something is sent while nothing is under way.
  void Begin() {
    since_ = Clock::now();
    bytes_ = 0;
  }
  /// So many bytes were seen to have gone.
  void Completed(int64_t bytes);

  int64_t measures() const { return measures_; }
  /// 0 where nothing was measured.
  double bytes_per_second() const;

 private:
  Clock::time_point since_ = Clock::now();
  int64_t bytes_ = 0;
  int64_t measures_ = 0;
  std::deque<double> recent_;
};

/// The choice of one exchange on this rank. Times are of the thread that makes the blocks and sends them; a link
/// carries one block while the next one is made. LZ4 pays on a link that is what an exchange waits for:
///   - sending what is left of a byte and compressing it takes less time than sending it, and
///   - making it and compressing it takes less time than sending it,
/// each by a sixth or more. The second keeps it from links that look slow because the ranks have other work to do.
class CompressionChoice {
 public:
  /// `operation` names it in statistics.
  CompressionChoice(const Context& context, std::string operation);

  Compression mode() const { return mode_; }

  void Waited(Duration time) { not_work_ += Seconds(time); }
  void Offered(int64_t bytes) { offered_bytes_ += bytes; }
  void Compressed(int64_t before, int64_t after, Duration time);

  /// Whether any data could be worth compressing on this link, of `shares` that are fed different data by the thread;
  /// true where nothing is known about it yet.
  bool CouldPay(const LinkRate& link, int shares) const;

  /// Whether blocks like this one are. Takes a sample of it where there is none that is recent.
  bool Pays(const LinkRate& link, int shares, std::span<const ConstBytes> body, int64_t body_bytes);

 private:
  bool Pays(double link_seconds, double ratio, double seconds_per_byte) const;
  void Note(bool pays, const LinkRate& link);

  const Context& context_;
  std::string operation_;
  Compression mode_;
  Clock::time_point begin_ = Clock::now();
  double not_work_ = 0;
  int64_t offered_bytes_ = 0;
  /// Of the last block that was compressed or looked at, and for how many blocks more it is taken to hold.
  table::CompressionSample sample_;
  int sample_holds_ = 0;
  bool noted_ = false;
  bool noted_declined_ = false;
};

}  // namespace weft::exchange
