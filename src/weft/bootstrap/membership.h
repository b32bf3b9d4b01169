// How a worker becomes a rank: job, epoch, rank, and the fence between epochs.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "weft/bootstrap/store.h"

namespace weft {

/// What a worker knows before it has talked to anyone. Negative numbers are not known yet.
struct JobIdentity {
  std::string job;      // [A-Za-z0-9._-]{1,128}
  int64_t epoch = -1;   // given by the launcher, or counted by arrivals
  int world_size = -1;  // must be known
  int rank = -1;        // given by the launcher, or taken from an atomic counter
};

/// The membership of one worker in one (job, epoch): its rank, and the store's keys under "weft:{job}:{epoch}:".
///
/// A rank is taken once per epoch, by an atomic counter or by its number, and is then leased: for as long as its mark
/// lives nobody else can be this rank in this epoch, whether its worker is alive or not. What frees a rank whose worker
/// died is the next epoch, never another worker in its place: that one could meet what the dead one has written.
/// Of two workers that ask for one rank in a given epoch the second gets kSuperseded.
/// Where no epoch is given, a worker that finds its rank (or all ranks) taken opens the next epoch. Opening an epoch
/// fences the lower ones: their store calls return kSuperseded. A worker whose world size differs from the one the
/// epoch began with, or whose Weft is of another version, is refused by name (Status::Invalid), unless no epoch is
/// given and that one is full: then it opens the next. Thread-safe. A forked child must not use its parent's.
///
/// Keys of one epoch in the store, all under "weft:{job}:{epoch}:" but the first, which is "weft:{job}:fence":
///   fence                  the highest epoch that was opened
///   world                  "{world size} {version}", written by the first rank to come
///   arrivals, taken        ranks given out by counting; ranks taken
///   rank/{r}               a token of the one worker that is rank r
///   name/{name}            what Publish wrote
///   all/{name}/{r}         what rank r gave to ExchangeAll; all/{name}/count counts them, and who counts the last one
///                          writes them all into all/{name}/part/{i}, so that P ranks cost O(P) messages
///   left                   ranks that have left in good order; the last one deletes what ExchangeAll wrote
/// The marks (fence, world, arrivals, taken, rank) live 24 h, the others 1 h.
class Membership {
 public:
  /// Not collective; does not wait for other ranks. Ranks are either all given or all counted, in one epoch.
  static arrow::Result<std::unique_ptr<Membership>> Join(std::shared_ptr<Store> store, const JobIdentity& identity);

  const std::string& job() const { return job_; }
  int64_t epoch() const { return epoch_; }
  int rank() const { return rank_; }
  int world_size() const { return world_size_; }

  /// Names below are within the (job, epoch), at most 256 bytes; their keys are deleted by Leave or by the store's time
  /// to live. All calls are kSuperseded where a higher epoch exists.
  arrow::Status Publish(const std::string& name, const std::string& value);

  /// Waits for one name. kTimedOut after `deadline`, kSuperseded as soon as a higher epoch is seen (polled each
  /// second).
  arrow::Result<std::string> WaitFor(const std::string& name, Deadline deadline,
                                     const std::function<arrow::Status()>& check_interrupt = {});

  /// Collective over the epoch: gives this rank's value and returns every rank's, by rank. A name is good for one
  /// exchange (Status::Invalid for the second). A rank that does not come makes kTimedOut, which names the first such
  /// rank. Names of ExchangeAll and of Publish do not meet.
  arrow::Result<std::vector<std::string>> ExchangeAll(const std::string& name, const std::string& value,
                                                      Deadline deadline,
                                                      const std::function<arrow::Status()>& check_interrupt = {});

  /// kSuperseded where a higher epoch exists, else OK.
  arrow::Status CheckFence();

  /// All ranks have met: see Store::StartUpIsOver.
  void StartUpIsOver() { store_->StartUpIsOver(); }

  /// Deletes the keys that this rank wrote in this epoch but the marks that keep a rank from being taken twice. Called
  /// by the destructor too. Other calls are Status::Invalid from then on.
  arrow::Status Leave();

  ~Membership();

 private:
  Membership(std::shared_ptr<Store> store, std::string job, int64_t epoch, int rank, int world_size);
  std::string Key(const std::string& name) const;
  arrow::Status CheckUsable(const char* operation, const std::string& name);
  arrow::Status Write(const std::string& key, const std::string& value);
  arrow::Result<std::optional<std::string>> TryWait(const std::string& key, Deadline deadline,
                                                    const std::function<arrow::Status()>& check_interrupt);
  arrow::Result<bool> AllGiven(const std::string& name);
  arrow::Result<std::vector<std::string>> Gather(const std::string& name);
  arrow::Status WriteParts(const std::string& name, const std::vector<std::string>& values);
  arrow::Result<std::vector<std::string>> ReadParts(const std::string& name, const std::string& first);
  arrow::Status Missing(const std::string& name, Clock::time_point begin);

  std::shared_ptr<Store> store_;
  std::string job_;
  int64_t epoch_;
  int rank_;
  int world_size_;
  int64_t process_;  // that joined
  std::mutex mutex_;
  bool left_ = false;
  std::set<std::string> exchanged_;   // names that ExchangeAll has been called with
  std::vector<std::string> written_;  // keys that are this rank's to delete
  std::vector<std::string> shared_;   // keys that the last rank to leave deletes
};

}  // namespace weft
