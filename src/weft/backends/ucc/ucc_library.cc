#include "weft/backends/ucc/ucc_library.h"

#include <algorithm>
#include <cstdlib>
#include <future>
#include <string>
#include <thread>
#include <utility>

#include "weft/base/communication_error.h"

namespace weft::ucc {
namespace {

using namespace std::chrono_literals;

constexpr Duration kExchangeSlice = 200us;
/// The least time that UCC gets to end in good order; it takes milliseconds unless a peer has just died.
constexpr Duration kDestroyTime = 2s;

/// Loading and configuring UCC is not for several threads at once.
std::mutex& LoadMutex() {
  static std::mutex mutex;
  return mutex;
}

struct ExchangeRequest {
  RequestPtr request;
  OutOfBand* exchange;
};

ucc_status_t StartExchange(void* send, void* recv, size_t size, void* info, void** out) {
  auto* const exchange = static_cast<OutOfBand*>(info);
  if (exchange->closing) return UCC_ERR_NO_MESSAGE;
  Communicator& communicator = *exchange->communicator;
  auto started =
      communicator.Iallgather({static_cast<const std::byte*>(send), size},
                              {static_cast<std::byte*>(recv), size * static_cast<size_t>(communicator.world_size())});
  if (!started.ok()) return UCC_ERR_NO_MESSAGE;
  *out = new ExchangeRequest{*std::move(started), exchange};
  return UCC_OK;
}

ucc_status_t TestExchange(void* pointer) {
  const auto& it = *static_cast<ExchangeRequest*>(pointer);
  auto done = it.request->Test();
  if (done.ok() && !*done) {
    if (it.exchange->deadline.Passed()) return UCC_ERR_TIMED_OUT;
    (void)it.exchange->communicator->Progress(kExchangeSlice);  // an error shows in the next test
    done = it.request->Test();
  }
  if (!done.ok()) return UCC_ERR_NO_MESSAGE;
  return *done ? UCC_OK : UCC_INPROGRESS;
}

ucc_status_t EndExchange(void* pointer) {
  delete static_cast<ExchangeRequest*>(pointer);
  return UCC_OK;
}

/// Contexts that could not be freed.
void KeepForGood(std::shared_ptr<UccLibrary> library) {
  static std::mutex mutex;
  static auto* const kept = new std::vector<std::shared_ptr<UccLibrary>>();
  const std::lock_guard lock(mutex);
  kept->push_back(std::move(library));
}

}  // namespace

arrow::Status UccError(const char* what, ucc_status_t status) {
  return MakeCommunicationError(
      {.failure = status == UCC_ERR_TIMED_OUT ? CommunicationFailure::kTimedOut : CommunicationFailure::kOther},
      std::string("UCC: ") + what + ": " + ucc_status_string(status));
}

ucc_oob_coll_t MakeOutOfBand(OutOfBand* exchange) {
  ucc_oob_coll_t made = {};
  made.allgather = &StartExchange;
  made.req_test = &TestExchange;
  made.req_free = &EndExchange;
  made.coll_info = exchange;
  made.n_oob_eps = static_cast<uint32_t>(exchange->communicator->world_size());
  made.oob_ep = static_cast<uint32_t>(exchange->communicator->rank());
  return made;
}

arrow::Result<std::shared_ptr<UccLibrary>> UccLibrary::Open(std::unique_ptr<Communicator> control, Deadline deadline) {
  std::shared_ptr<UccLibrary> made(new UccLibrary());
  made->control_ = std::move(control);
  made->exchange_ = {made->control_.get(), deadline};
  {
    const std::lock_guard lock(LoadMutex());
    // UCC writes its warnings to standard output; its errors are returned, too.
    ::setenv("UCC_LOG_LEVEL", "fatal", 0);
    ucc_lib_config_h config = nullptr;
    ucc_status_t status = ucc_lib_config_read(nullptr, nullptr, &config);
    if (status != UCC_OK) return UccError("reading the UCC_ variables", status);
    ucc_lib_params_t params = {};
    params.mask = UCC_LIB_PARAM_FIELD_THREAD_MODE;
    // One thread at a time uses the context, but what UCC holds for the whole process is shared with other ranks'
    // threads.
    params.thread_mode = UCC_THREAD_MULTIPLE;
    status = ucc_init(&params, config, &made->library_);
    ucc_lib_config_release(config);
    if (status != UCC_OK) {
      made->library_ = nullptr;
      return UccError("ucc_init", status);
    }
  }
  ucc_lib_attr_t attributes = {};
  attributes.mask = UCC_LIB_ATTR_FIELD_COLL_TYPES;
  ucc_status_t status = ucc_lib_get_attr(made->library_, &attributes);
  if (status != UCC_OK) return UccError("ucc_lib_get_attr", status);
  made->collectives_ = attributes.coll_types;
  ucc_context_config_h config = nullptr;
  status = ucc_context_config_read(made->library_, nullptr, &config);
  if (status != UCC_OK) return UccError("reading the UCC_ variables", status);
  ucc_context_params_t params = {};
  params.mask = UCC_CONTEXT_PARAM_FIELD_TYPE | UCC_CONTEXT_PARAM_FIELD_OOB;
  params.type = UCC_CONTEXT_EXCLUSIVE;
  params.oob = MakeOutOfBand(&made->exchange_);
  status = ucc_context_create(made->library_, &params, config, &made->context_);
  ucc_context_config_release(config);
  if (status == UCC_OK) return made;
  made->context_ = nullptr;
  ARROW_RETURN_NOT_OK(made->control_->failure());
  return UccError("ucc_context_create", status);
}

UccLibrary::~UccLibrary() {
  if (context_ == nullptr && library_ != nullptr) ucc_finalize(library_);
}

void UccLibrary::Abandon(Owner memory) {
  const std::lock_guard lock(kept_mutex_);
  kept_.push_back(std::move(memory));
}

bool UccLibrary::healthy() const {
  const std::lock_guard lock(kept_mutex_);
  return kept_.empty();
}

/// UCC flushes its endpoints without a bound, so it does it in a thread that can be left behind.
bool UccLibrary::Destroy(Deadline deadline) {
  exchange_.closing = true;
  auto ended = std::make_shared<std::promise<void>>();
  std::future<void> end = ended->get_future();
  std::thread thread([context = context_, library = library_, ended] {
    ucc_context_destroy(context);
    {
      const std::lock_guard lock(LoadMutex());
      ucc_finalize(library);
    }
    ended->set_value();
  });
  const bool done = end.wait_for(deadline.LeftUpTo(1h)) == std::future_status::ready;
  done ? thread.join() : thread.detach();
  return done;
}

void UccLibrary::RemoveTeam(Deadline deadline, bool healthy) {
  if (--teams_ > 0) return;
  const bool usable = healthy && this->healthy() && context_ != nullptr && control_->failure().ok();
  const bool freed = usable && Destroy(Deadline::After(std::max<Duration>(deadline.Left(), kDestroyTime)));
  [[maybe_unused]] const arrow::Status status = control_->Close(deadline.LeftUpTo(1h));
  if (!freed) return KeepForGood(shared_from_this());
  control_.reset();
  context_ = nullptr;
  library_ = nullptr;
}

}  // namespace weft::ucc
