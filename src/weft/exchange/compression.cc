#include "weft/exchange/compression.h"

#include <algorithm>

#include "weft/base/choice.h"
#include "weft/base/logging.h"

namespace weft::exchange {
namespace {

/// Fewer bytes tell about the time a message takes, not about what the link carries.
constexpr int64_t kLeastMeasured = 32 << 10;
constexpr size_t kRecent = 4;
/// Of the time without compression.
constexpr double kMostOfTime = 0.85;
/// Nothing is compressed faster, or to less.
constexpr table::CompressionSample kBest = {.ratio = 0.05, .seconds_per_byte = 1.0 / 2e9};
/// Blocks for which a sample holds.
constexpr int kSampleHolds = 16;

}  // namespace

void LinkRate::Completed(int64_t bytes) {
  bytes_ += bytes;
  if (bytes_ < kLeastMeasured) return;
  const auto now = Clock::now();
  recent_.push_back(static_cast<double>(bytes_) / std::max(Seconds(now - since_), 1e-9));
  if (recent_.size() > kRecent) recent_.pop_front();
  ++measures_;
  since_ = now;
  bytes_ = 0;
}

double LinkRate::bytes_per_second() const {
  return recent_.empty() ? 0 : *std::max_element(recent_.begin(), recent_.end());
}

CompressionChoice::CompressionChoice(const Context& context, std::string operation)
    : context_(context),
      operation_(std::move(operation)),
      mode_(CanCompress() ? context.compression : Compression::kOff) {}

void CompressionChoice::Compressed(int64_t before, int64_t after, Duration time) {
  const auto bytes = static_cast<double>(before);
  sample_ = {static_cast<double>(after) / bytes, Seconds(time) / bytes};
  sample_holds_ = kSampleHolds;
  not_work_ += Seconds(time);
  if (context_.tracer == nullptr) return;
  const auto now = Clock::now();
  context_.tracer->Add(operation_ + ".lz4", now - time, now, 0, before);
  context_.tracer->Add(operation_ + ".lz4_made", now, now, 0, after);
}

bool CompressionChoice::Pays(double link_seconds, double ratio, double seconds_per_byte) const {
  const double work = std::max(0.0, Seconds(Clock::now() - begin_) - not_work_) /
                      static_cast<double>(std::max<int64_t>(offered_bytes_, 1));
  const double most = kMostOfTime * link_seconds;
  return ratio * link_seconds + seconds_per_byte < most && work + seconds_per_byte < most;
}

bool CompressionChoice::CouldPay(const LinkRate& link, int shares) const {
  if (link.measures() == 0) return true;
  return Pays(1 / (link.bytes_per_second() * shares), kBest.ratio, kBest.seconds_per_byte);
}

bool CompressionChoice::Pays(const LinkRate& link, int shares, std::span<const ConstBytes> body, int64_t body_bytes) {
  if (link.measures() < 2 || !CouldPay(link, shares)) return false;
  if (sample_holds_-- <= 0) {
    const auto begin = Clock::now();
    const auto sample = table::SampleCompression(body, body_bytes, context_.pool);
    not_work_ += Seconds(Clock::now() - begin);
    // Without memory for it there is none for compressing.
    if (!sample.ok()) return false;
    sample_ = *sample;
    sample_holds_ = kSampleHolds;
  }
  const bool pays = Pays(1 / (link.bytes_per_second() * shares), sample_.ratio, sample_.seconds_per_byte);
  Note(pays, link);
  return pays;
}

void CompressionChoice::Note(bool pays, const LinkRate& link) {
  bool& noted = pays ? noted_ : noted_declined_;
  if (noted || noted_) return;
  noted = true;
  NoteChoice(context_, operation_ + (pays ? ".lz4" : ".lz4_declined"));
  WEFT_LOG(kInfo, operation_ << (pays ? " by lz4" : " without lz4") << ": the link carries "
                             << link.bytes_per_second() / 1e6 << " MB/s, a byte becomes " << sample_.ratio << " at "
                             << 1e-6 / sample_.seconds_per_byte << " MB/s");
}

}  // namespace weft::exchange
