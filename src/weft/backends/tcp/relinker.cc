#include "weft/backends/tcp/relinker.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "weft/backends/tcp/linker.h"
#include "weft/base/open_files.h"
#include "weft/base/signals_blocked.h"

namespace weft::tcp {
namespace {

void Ring(const Descriptor& bell) {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(bell.get(), &one, sizeof(one));
}

void Silence(const Descriptor& bell) {
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(bell.get(), &count, sizeof(count));
}

}  // namespace

Relinker::Relinker(std::unique_ptr<Linker> linker) : linker_(std::move(linker)) {}

Relinker::~Relinker() { Stop(); }

arrow::Status Relinker::Start() {
  news_ready_ = Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  orders_ready_ = Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!news_ready_.valid() || !orders_ready_.valid()) {
    return arrow::Status::IOError("tcp: eventfd: ", ErrnoText(errno));
  }
  attempts_.resize(static_cast<size_t>(linker_->world_size()));
  const SignalsBlocked blocked;
  try {
    thread_ = std::thread([this] { linker_->Serve(*this); });
    ::pthread_setname_np(thread_.native_handle(), "weft-relink");
  } catch (const std::system_error& error) {
    return arrow::Status::IOError("tcp: no thread to make links again: ", error.what());
  }
  return arrow::Status::OK();
}

std::vector<Remade> Relinker::Take() {
  Silence(news_ready_);
  const std::lock_guard lock(mutex_);
  return std::exchange(news_, {});
}

void Relinker::Break(Rank peer, uint32_t links) {
  {
    const std::lock_guard lock(mutex_);
    orders_.broken.emplace_back(peer, links);
    attempts_[static_cast<size_t>(peer)] = {};
  }
  Ring(orders_ready_);
}

std::string Relinker::Tried(Rank peer) const {
  const std::lock_guard lock(mutex_);
  const Attempt& attempt = attempts_[static_cast<size_t>(peer)];
  std::string text = std::to_string(attempt.tries) + (attempt.tries == 1 ? " try" : " tries");
  if (!attempt.trouble.empty()) text += ", the last trouble: " + attempt.trouble;
  return text;
}

void Relinker::Stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    orders_.stop = true;
  }
  Ring(orders_ready_);
  thread_.join();
}

void Relinker::Abandon(std::unique_ptr<Relinker> relinker) {
  if (relinker == nullptr) return;
  if (relinker->thread_.joinable()) relinker->thread_.detach();
  (void)relinker.release();
}

Relinker::Orders Relinker::TakeOrders() {
  Silence(orders_ready_);
  const std::lock_guard lock(mutex_);
  return std::exchange(orders_, {});
}

void Relinker::Tell(Remade news) {
  {
    const std::lock_guard lock(mutex_);
    news_.push_back(std::move(news));
  }
  Ring(news_ready_);
}

void Relinker::Note(Rank peer, int64_t tries, const std::string& trouble) {
  const std::lock_guard lock(mutex_);
  attempts_[static_cast<size_t>(peer)] = {tries, trouble};
}

}  // namespace weft::tcp
