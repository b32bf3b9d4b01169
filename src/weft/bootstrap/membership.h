// How a worker becomes a rank: job, epoch, rank, and the fence between epochs.
#pragma once

#include <memory>
#include <mutex>
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
/// A rank is taken once per epoch: of two workers that ask for one rank in a given epoch the second gets kSuperseded.
/// Where no epoch is given, a worker that finds its rank (or all ranks) taken opens the next epoch. Opening an epoch
/// fences the lower ones: their store calls return kSuperseded. A worker whose world size differs from the one the
/// epoch began with is refused by name (Status::Invalid). Thread-safe.
class Membership {
 public:
  /// Not collective; does not wait for other ranks.
  static arrow::Result<std::unique_ptr<Membership>> Join(std::shared_ptr<Store> store, const JobIdentity& identity);

  const std::string& job() const { return job_; }
  int64_t epoch() const { return epoch_; }
  int rank() const { return rank_; }
  int world_size() const { return world_size_; }

  /// Keys below are names within the (job, epoch); they are deleted by Leave or by the store's time to live.
  arrow::Status Publish(const std::string& name, const std::string& value);

  /// Waits for one name. kTimedOut after `deadline`, kSuperseded as soon as a higher epoch is seen (polled each
  /// second).
  arrow::Result<std::string> WaitFor(const std::string& name, Deadline deadline,
                                     const std::function<arrow::Status()>& check_interrupt = {});

  /// Collective over the epoch: publishes this rank's value under `name` and returns every rank's, by rank. A rank that
  /// does not come makes kTimedOut, which names the first such rank.
  arrow::Result<std::vector<std::string>> ExchangeAll(const std::string& name, const std::string& value,
                                                      Deadline deadline,
                                                      const std::function<arrow::Status()>& check_interrupt = {});

  /// kSuperseded where a higher epoch exists, else OK.
  arrow::Status CheckFence();

  /// Deletes the keys that this rank wrote in this epoch but the marks that keep a rank from being taken twice. Called
  /// by the destructor too.
  arrow::Status Leave();

  ~Membership();

 private:
  Membership(std::shared_ptr<Store> store, std::string job, int64_t epoch, int rank, int world_size);
  std::string Key(const std::string& name) const;

  std::shared_ptr<Store> store_;
  std::string job_;
  int64_t epoch_;
  int rank_;
  int world_size_;
  std::vector<std::string> written_;
  std::mutex mutex_;
};

}  // namespace weft
