#include "weft/bootstrap/membership.h"

#include <unistd.h>

#include <charconv>
#include <random>
#include <string_view>

#include "weft/base/byte_codec.h"
#include "weft/base/communication_error.h"
#include "weft/base/fault_point.h"

namespace weft {
namespace {

constexpr Duration kMarkTimeToLive = std::chrono::hours(24);
constexpr Duration kTimeToLive = std::chrono::hours(1);
/// How late a wait sees a higher epoch.
constexpr Duration kFenceInterval = std::chrono::seconds(1);
constexpr size_t kMaxJobBytes = 128;
constexpr size_t kMaxNameBytes = 256;
/// Bytes of all ranks' values that one key of ExchangeAll holds, below the store's cap for a value.
constexpr size_t kPartBytes = 60000;
/// More epochs than this in one Join mean that something takes every rank as soon as it is free.
constexpr int kMaxEpochsTried = 1000;

std::string FenceKey(const std::string& job) { return "weft:" + job + ":fence"; }

std::string KeyIn(const std::string& job, int64_t epoch, const std::string& name) {
  return "weft:" + job + ":" + std::to_string(epoch) + ":" + name;
}

arrow::Status CheckIdentity(const JobIdentity& identity) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  if (identity.job.empty() || identity.job.size() > kMaxJobBytes ||
      !std::all_of(identity.job.begin(), identity.job.end(), allowed)) {
    return arrow::Status::Invalid("the job name '", identity.job.substr(0, kMaxJobBytes),
                                  "' must be 1 to 128 of the characters A-Z a-z 0-9 . _ -");
  }
  if (identity.world_size < 1) {
    return arrow::Status::Invalid("the world size of job '", identity.job, "' is not known: give WEFT_WORLD_SIZE");
  }
  if (identity.rank >= identity.world_size) {
    return arrow::Status::Invalid("rank ", identity.rank, " is not below the world size ", identity.world_size);
  }
  return arrow::Status::OK();
}

arrow::Status Superseded(const std::string& job, int64_t epoch, int rank, const std::string& message) {
  return MakeCommunicationError({.failure = CommunicationFailure::kSuperseded,
                                 .operation = "init",
                                 .phase = "rendezvous",
                                 .rank = static_cast<Rank>(rank)},
                                "job '" + job + "', epoch " + std::to_string(epoch) + ": " + message);
}

arrow::Status SupersededBy(const std::string& job, int64_t epoch, int rank, int64_t higher) {
  return Superseded(job, epoch, rank,
                    "epoch " + std::to_string(higher) +
                        " of this job has begun and takes its place; this worker belongs to an attempt that is over");
}

arrow::Result<int64_t> ParseNumber(const std::string& key, std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0) {
    return arrow::Status::Invalid("the store's key '", key, "' holds no number: something else writes there");
  }
  return number;
}

/// The highest epoch, or nullopt where none was opened; `raw` becomes the value as it is in the store.
arrow::Result<std::optional<int64_t>> ReadFence(Store& store, const std::string& job, std::optional<std::string>* raw) {
  const std::string key = FenceKey(job);
  ARROW_ASSIGN_OR_RAISE(*raw, store.Get(key));
  if (!raw->has_value()) return std::nullopt;
  ARROW_ASSIGN_OR_RAISE(const int64_t epoch, ParseNumber(key, **raw));
  return epoch;
}

/// Raises the fence to `epoch` and renews its life; returns what it stands at, which may be higher.
arrow::Result<int64_t> RaiseFence(Store& store, const std::string& job, int64_t epoch) {
  for (;;) {
    std::optional<std::string> raw;
    ARROW_ASSIGN_OR_RAISE(const auto fence, ReadFence(store, job, &raw));
    if (fence.has_value() && *fence > epoch) return *fence;
    ARROW_ASSIGN_OR_RAISE(const bool raised,
                          store.CompareAndSet(FenceKey(job), raw, std::to_string(epoch), kMarkTimeToLive));
    if (raised) return epoch;
  }
}

/// Tells one worker's mark from another's, also where the answer to its CompareAndSet was lost.
std::string MakeToken() {
  std::random_device device;
  std::string token;
  for (int i = 0; i < 4; ++i) {
    char word[9];
    std::snprintf(word, sizeof(word), "%08x", device());
    token += word;
  }
  return token;
}

/// Writes `value` unless there is one already; returns what is there afterwards.
arrow::Result<std::string> WriteFirst(Store& store, const std::string& key, const std::string& value) {
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(const bool wrote, store.CompareAndSet(key, std::nullopt, value, kMarkTimeToLive));
    if (wrote) return value;
    ARROW_ASSIGN_OR_RAISE(const auto there, store.Get(key));
    if (there.has_value()) return *there;
  }
}

/// One attempt to join one epoch.
class EpochEntry {
 public:
  EpochEntry(Store& store, const JobIdentity& identity, int64_t epoch)
      : store_(store), identity_(identity), epoch_(epoch) {}

  /// Returns false where the epoch is full and has another world size or version, which then is no error.
  arrow::Result<bool> CheckWorld() {
    const std::string key = Key("world");
    const std::string mine = std::to_string(identity_.world_size) + " " + WEFT_VERSION;
    ARROW_ASSIGN_OR_RAISE(const std::string theirs, WriteFirst(store_, key, mine));
    if (theirs == mine) return true;
    const size_t space = theirs.find(' ');
    ARROW_ASSIGN_OR_RAISE(const int64_t world_size, ParseNumber(key, std::string_view(theirs).substr(0, space)));
    const std::string version = space == std::string::npos ? "" : theirs.substr(space + 1);
    if (identity_.epoch < 0) {
      ARROW_ASSIGN_OR_RAISE(const int64_t taken, store_.Add(Key("taken"), 0, kMarkTimeToLive));
      if (taken >= world_size) return false;
    }
    if (world_size != identity_.world_size) {
      return arrow::Status::Invalid("job '", identity_.job, "', epoch ", epoch_, ": this worker was given world size ",
                                    identity_.world_size, ", the epoch began with ", world_size,
                                    ": give all ranks one WEFT_WORLD_SIZE, or another attempt another WEFT_EPOCH");
    }
    return arrow::Status::Invalid("job '", identity_.job, "', epoch ", epoch_, ": this worker runs Weft ", WEFT_VERSION,
                                  ", the epoch began with Weft ", version, ": install one version for all ranks");
  }

  /// Returns the rank, or -1 where it, or all of them, are taken.
  arrow::Result<int> TakeRank() {
    if (identity_.rank >= 0) {
      ARROW_ASSIGN_OR_RAISE(const bool took, Mark(identity_.rank));
      return took ? identity_.rank : -1;
    }
    for (;;) {
      ARROW_ASSIGN_OR_RAISE(const int64_t arrivals, store_.Add(Key("arrivals"), 1, kMarkTimeToLive));
      if (arrivals > identity_.world_size) return -1;
      const int rank = static_cast<int>(arrivals - 1);
      ARROW_ASSIGN_OR_RAISE(const bool took, Mark(rank));
      if (took) return rank;
    }
  }

 private:
  std::string Key(const std::string& name) const { return KeyIn(identity_.job, epoch_, name); }

  arrow::Result<bool> Mark(int rank) {
    const std::string token = MakeToken();
    ARROW_ASSIGN_OR_RAISE(const std::string owner, WriteFirst(store_, Key("rank/" + std::to_string(rank)), token));
    if (owner != token) return false;
    ARROW_RETURN_NOT_OK(store_.Add(Key("taken"), 1, kMarkTimeToLive));
    return true;
  }

  Store& store_;
  const JobIdentity& identity_;
  const int64_t epoch_;
};

struct Place {
  int64_t epoch;
  int rank;
};

arrow::Result<Place> JoinGivenEpoch(Store& store, const JobIdentity& identity) {
  const auto check_fence = [&]() -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(const int64_t fence, RaiseFence(store, identity.job, identity.epoch));
    if (fence > identity.epoch) return SupersededBy(identity.job, identity.epoch, identity.rank, fence);
    return arrow::Status::OK();
  };
  ARROW_RETURN_NOT_OK(check_fence());
  EpochEntry entry(store, identity, identity.epoch);
  ARROW_RETURN_NOT_OK(entry.CheckWorld());
  ARROW_ASSIGN_OR_RAISE(const int rank, entry.TakeRank());
  if (rank < 0) {
    const std::string what = identity.rank >= 0 ? "rank " + std::to_string(identity.rank) + " is taken"
                                                : "all " + std::to_string(identity.world_size) + " ranks are taken";
    return Superseded(identity.job, identity.epoch, identity.rank,
                      what + " already: this worker is a duplicate; a new attempt needs a higher WEFT_EPOCH");
  }
  ARROW_RETURN_NOT_OK(check_fence());
  return Place{identity.epoch, rank};
}

arrow::Result<Place> JoinNextEpoch(Store& store, const JobIdentity& identity) {
  std::optional<std::string> raw;
  ARROW_ASSIGN_OR_RAISE(const auto begin, ReadFence(store, identity.job, &raw));
  int64_t epoch = begin.value_or(0);
  for (int tried = 0; tried < kMaxEpochsTried; ++tried) {
    ARROW_ASSIGN_OR_RAISE(epoch, RaiseFence(store, identity.job, epoch));
    EpochEntry entry(store, identity, epoch);
    ARROW_ASSIGN_OR_RAISE(const bool fits, entry.CheckWorld());
    if (fits) {
      ARROW_ASSIGN_OR_RAISE(const int rank, entry.TakeRank());
      if (rank >= 0) {
        ARROW_ASSIGN_OR_RAISE(const auto fence, ReadFence(store, identity.job, &raw));
        if (fence.value_or(epoch) <= epoch) return Place{epoch, rank};
        // Others went on to a higher epoch in the meantime: so does this worker.
        epoch = *fence;
        continue;
      }
    }
    ++epoch;
  }
  return arrow::Status::Invalid("job '", identity.job, "': no free rank in ", kMaxEpochsTried,
                                " epochs: too many workers use this job name at once");
}

}  // namespace

arrow::Result<std::unique_ptr<Membership>> Membership::Join(std::shared_ptr<Store> store, const JobIdentity& identity) {
  ARROW_RETURN_NOT_OK(CheckIdentity(identity));
  ARROW_ASSIGN_OR_RAISE(const Place place,
                        identity.epoch >= 0 ? JoinGivenEpoch(*store, identity) : JoinNextEpoch(*store, identity));
  return std::unique_ptr<Membership>(
      new Membership(std::move(store), identity.job, place.epoch, place.rank, identity.world_size));
}

Membership::Membership(std::shared_ptr<Store> store, std::string job, int64_t epoch, int rank, int world_size)
    : store_(std::move(store)),
      job_(std::move(job)),
      epoch_(epoch),
      rank_(rank),
      world_size_(world_size),
      process_(::getpid()) {}

Membership::~Membership() {
  if (process_ != ::getpid()) return;
  // What cannot be deleted now goes by its time to live.
  [[maybe_unused]] const arrow::Status status = Leave();
}

std::string Membership::Key(const std::string& name) const { return KeyIn(job_, epoch_, name); }

arrow::Status Membership::CheckUsable(const char* operation, const std::string& name) {
  if (name.empty() || name.size() > kMaxNameBytes) {
    return arrow::Status::Invalid(operation, ": the name '", name.substr(0, 64), "' must have 1 to ", kMaxNameBytes,
                                  " bytes");
  }
  const std::lock_guard lock(mutex_);
  if (left_) return arrow::Status::Invalid(operation, " '", name, "': rank ", rank_, " has left job '", job_, "'");
  return arrow::Status::OK();
}

arrow::Status Membership::Write(const std::string& key, const std::string& value) {
  {
    const std::lock_guard lock(mutex_);
    written_.push_back(key);
  }
  return store_->Set(key, value, kTimeToLive);
}

arrow::Status Membership::CheckFence() {
  std::optional<std::string> raw;
  ARROW_ASSIGN_OR_RAISE(const auto fence, ReadFence(*store_, job_, &raw));
  if (fence == epoch_) return arrow::Status::OK();
  // The fence has outlived its time, or the store was started anew: this epoch puts it back.
  ARROW_ASSIGN_OR_RAISE(const int64_t now, RaiseFence(*store_, job_, epoch_));
  return now > epoch_ ? SupersededBy(job_, epoch_, rank_, now) : arrow::Status::OK();
}

arrow::Status Membership::Publish(const std::string& name, const std::string& value) {
  ARROW_RETURN_NOT_OK(CheckUsable("Publish", name));
  ARROW_RETURN_NOT_OK(CheckFence());
  return Write(Key("name/" + name), value);
}

arrow::Result<std::optional<std::string>> Membership::TryWait(const std::string& key, Deadline deadline,
                                                              const std::function<arrow::Status()>& check_interrupt) {
  auto value = store_->Wait(key, Earlier(deadline, Deadline::After(kFenceInterval)), check_interrupt);
  if (!value.ok() && !IsCommunicationError(value.status(), CommunicationFailure::kTimedOut)) return value.status();
  // After the value, too: nothing of an epoch that is over shall look alive.
  ARROW_RETURN_NOT_OK(CheckFence());
  return value.ok() ? std::optional(*std::move(value)) : std::nullopt;
}

arrow::Result<std::string> Membership::WaitFor(const std::string& name, Deadline deadline,
                                               const std::function<arrow::Status()>& check_interrupt) {
  ARROW_RETURN_NOT_OK(CheckUsable("WaitFor", name));
  const auto begin = Clock::now();
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(auto value, TryWait(Key("name/" + name), deadline, check_interrupt));
    if (value.has_value()) return *std::move(value);
    if (deadline.Passed()) {
      return MakeCommunicationError(
          {.failure = CommunicationFailure::kTimedOut,
           .operation = "init",
           .phase = "rendezvous",
           .rank = static_cast<Rank>(rank_),
           .elapsed = Clock::now() - begin},
          "no rank of job '" + job_ + "', epoch " + std::to_string(epoch_) + ", published '" + name + "' in time");
    }
  }
}

arrow::Result<std::vector<std::string>> Membership::ExchangeAll(const std::string& name, const std::string& value,
                                                                Deadline deadline,
                                                                const std::function<arrow::Status()>& check_interrupt) {
  ARROW_RETURN_NOT_OK(CheckUsable("ExchangeAll", name));
  const auto begin = Clock::now();
  const std::string base = Key("all/" + name);
  {
    const std::lock_guard lock(mutex_);
    if (!exchanged_.insert(name).second) {
      return arrow::Status::Invalid("ExchangeAll '", name, "': this name has been exchanged already in job '", job_,
                                    "', epoch ", epoch_);
    }
    shared_.push_back(base + "/count");
  }
  ARROW_RETURN_NOT_OK(CheckFence());
  FaultPoint(FaultPhase::kRendezvous);
  ARROW_RETURN_NOT_OK(Write(base + "/" + std::to_string(rank_), value));
  FaultPoint(FaultPhase::kRendezvous);
  ARROW_ASSIGN_OR_RAISE(const int64_t came, store_->Add(base + "/count", 1, kTimeToLive));
  FaultPoint(FaultPhase::kRendezvous);
  bool complete = came >= world_size_;
  for (int waits = 1, next_look = 2;; ++waits) {
    if (complete) {
      ARROW_ASSIGN_OR_RAISE(auto values, Gather(name));
      FaultPoint(FaultPhase::kRendezvous);
      ARROW_RETURN_NOT_OK(WriteParts(name, values));
      ARROW_RETURN_NOT_OK(CheckFence());
      return values;
    }
    ARROW_ASSIGN_OR_RAISE(const auto first, TryWait(base + "/part/0", deadline, check_interrupt));
    if (first.has_value()) return ReadParts(name, *first);
    // The rank that counted last may have died before it wrote the parts: then any other does.
    ARROW_ASSIGN_OR_RAISE(const int64_t count, store_->Add(base + "/count", 0, kTimeToLive));
    complete = count >= world_size_;
    // A rank may have died between giving its value and being counted. Looked for more and more rarely.
    if (!complete && waits == next_look) {
      next_look *= 2;
      ARROW_ASSIGN_OR_RAISE(complete, AllGiven(name));
    }
    if (!complete && deadline.Passed()) return Missing(name, begin);
  }
}

arrow::Result<bool> Membership::AllGiven(const std::string& name) {
  for (int rank = 0; rank < world_size_; ++rank) {
    ARROW_ASSIGN_OR_RAISE(const auto value, store_->Get(Key("all/" + name + "/" + std::to_string(rank))));
    if (!value.has_value()) return false;
  }
  return true;
}

arrow::Result<std::vector<std::string>> Membership::Gather(const std::string& name) {
  std::vector<std::string> values;
  for (int rank = 0; rank < world_size_; ++rank) {
    const std::string key = Key("all/" + name + "/" + std::to_string(rank));
    ARROW_ASSIGN_OR_RAISE(auto value, store_->Get(key));
    if (!value.has_value()) {
      return MakeCommunicationError({.failure = CommunicationFailure::kPeerLost,
                                     .operation = "init",
                                     .phase = "rendezvous",
                                     .rank = static_cast<Rank>(rank_),
                                     .peer = static_cast<Rank>(rank)},
                                    "rank " + std::to_string(rank) + " of job '" + job_ + "' gave its '" + name +
                                        "' and left before the others had it");
    }
    values.push_back(*std::move(value));
  }
  return values;
}

arrow::Status Membership::WriteParts(const std::string& name, const std::vector<std::string>& values) {
  ByteWriter writer;
  for (const std::string& value : values) writer.PutString(value);
  const std::string& bytes = writer.bytes();
  const size_t parts = (bytes.size() + kPartBytes - 1) / kPartBytes;
  const std::string base = Key("all/" + name) + "/part/";
  // Part 0 is what the others wait for, so it comes last.
  for (size_t i = parts; i-- > 0;) {
    ByteWriter part;
    if (i == 0) part.Put(static_cast<uint32_t>(parts));
    part.PutRaw(std::string_view(bytes).substr(i * kPartBytes, kPartBytes));
    const std::string key = base + std::to_string(i);
    {
      const std::lock_guard lock(mutex_);
      shared_.push_back(key);
    }
    ARROW_RETURN_NOT_OK(store_->Set(key, part.bytes(), kTimeToLive));
  }
  return arrow::Status::OK();
}

arrow::Result<std::vector<std::string>> Membership::ReadParts(const std::string& name, const std::string& first) {
  const std::string base = Key("all/" + name) + "/part/";
  ByteReader head(first);
  ARROW_ASSIGN_OR_RAISE(const auto parts, head.Get<uint32_t>());
  std::string bytes(first.substr(sizeof(uint32_t)));
  for (uint32_t i = 0; i < parts; ++i) {
    const std::string key = base + std::to_string(i);
    {
      const std::lock_guard lock(mutex_);
      shared_.push_back(key);
    }
    if (i == 0) continue;
    ARROW_ASSIGN_OR_RAISE(const auto part, store_->Get(key));
    if (!part.has_value()) return arrow::Status::Invalid("the store's key '", key, "' is gone too early");
    bytes += *part;
  }
  ByteReader reader(bytes);
  std::vector<std::string> values;
  for (int rank = 0; rank < world_size_; ++rank) {
    ARROW_ASSIGN_OR_RAISE(const auto value, reader.GetString());
    values.emplace_back(value);
  }
  ARROW_RETURN_NOT_OK(reader.Finish());
  return values;
}

arrow::Status Membership::Missing(const std::string& name, Clock::time_point begin) {
  for (int rank = 0; rank < world_size_; ++rank) {
    ARROW_ASSIGN_OR_RAISE(const auto value, store_->Get(Key("all/" + name + "/" + std::to_string(rank))));
    if (value.has_value()) continue;
    ARROW_ASSIGN_OR_RAISE(const auto mark, store_->Get(Key("rank/" + std::to_string(rank))));
    const std::string cause = mark.has_value()
                                  ? " joined but did not come to '" + name + "' in time: look at its log"
                                  : " did not join in time: was it started, and does it reach the same store?";
    return MakeCommunicationError({.failure = CommunicationFailure::kTimedOut,
                                   .operation = "init",
                                   .phase = "rendezvous",
                                   .rank = static_cast<Rank>(rank_),
                                   .peer = static_cast<Rank>(rank),
                                   .elapsed = Clock::now() - begin},
                                  "rank " + std::to_string(rank) + " of " + std::to_string(world_size_) + " of job '" +
                                      job_ + "', epoch " + std::to_string(epoch_) + "," + cause);
  }
  return MakeCommunicationError({.failure = CommunicationFailure::kTimedOut,
                                 .operation = "init",
                                 .phase = "rendezvous",
                                 .rank = static_cast<Rank>(rank_),
                                 .elapsed = Clock::now() - begin},
                                "the last rank of job '" + job_ + "' came to '" + name + "' at the deadline");
}

arrow::Status Membership::Leave() {
  std::vector<std::string> written;
  std::vector<std::string> shared;
  {
    const std::lock_guard lock(mutex_);
    if (left_) return arrow::Status::OK();
    left_ = true;
    written.swap(written_);
    shared.swap(shared_);
  }
  for (const std::string& key : written) ARROW_RETURN_NOT_OK(store_->Delete(key));
  ARROW_ASSIGN_OR_RAISE(const int64_t left, store_->Add(Key("left"), 1, kTimeToLive));
  if (left < world_size_) return arrow::Status::OK();
  for (const std::string& key : shared) ARROW_RETURN_NOT_OK(store_->Delete(key));
  return store_->Delete(Key("left"));
}

}  // namespace weft
