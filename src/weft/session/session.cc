#include "weft/session/session.h"

#include <arrow/util/thread_pool.h>
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <random>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "weft/base/byte_codec.h"
#include "weft/base/capped_pool.h"
#include "weft/base/communication_error.h"
#include "weft/base/compression.h"
#include "weft/base/fault_point.h"
#include "weft/base/logging.h"
#include "weft/base/spill.h"
#include "weft/bootstrap/meeting.h"
#include "weft/communicator/backend.h"

namespace weft {
namespace {

/// More means that two workers drive each other out, each as the same rank.
constexpr int kRejoins = 3;
/// Memory that a rank shares with others, which lies outside of memory_limit, is at most this part of it.
constexpr int64_t kSharedPart = 64;

int CoresOfThisProcess() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

arrow::Result<std::string> SecretBytes(const std::string& hex) {
  if (hex.size() != 64) {
    return arrow::Status::Invalid(
        "secret must be 64 hex digits, has ", hex.size(),
        " characters; make one with: python -c 'import secrets; print(secrets.token_hex(32))'");
  }
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    unsigned value = 0;
    for (const char c : hex.substr(i, 2)) {
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) return arrow::Status::Invalid("secret must be 64 hex digits, has another character");
      value = value * 16 + static_cast<unsigned>(digit);
    }
    bytes.push_back(static_cast<char>(value));
  }
  return bytes;
}

arrow::Result<Duration> PositiveSeconds(double seconds, const char* name) {
  if (!(seconds > 0) || seconds > 1e9) {
    return arrow::Status::Invalid(name, " must be a number of seconds above 0, not ", seconds);
  }
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

bool HasWorld(const std::string& backend) {
  for (const BackendInfo& info : ListBackends()) {
    if (info.name == backend) return info.has_world;
  }
  return false;
}

/// A store that knows job, secret, rank and world.
bool IsMpiStore(const std::string& store) { return store.substr(0, store.find("://")) == "mpi"; }

/// True where rank and world size come from a library that its launcher has told.
bool KnowsItsWorld(const SessionOptions& options) { return HasWorld(options.backend) || IsMpiStore(options.store); }

arrow::Status CheckNumbers(const SessionOptions& options) {
  if (options.world_size == 0 || options.world_size < -1) {
    return arrow::Status::Invalid("world_size must be at least 1, not ", options.world_size);
  }
  if (options.rank < -1 || (options.world_size > 0 && options.rank >= options.world_size)) {
    return arrow::Status::Invalid("rank ", options.rank, " is outside a world of ", options.world_size, " ranks");
  }
  if (options.threads == 0 || options.threads < -1) {
    return arrow::Status::Invalid("threads must be at least 1, not ", options.threads);
  }
  if (options.memory_limit == 0 || options.memory_limit < -1) {
    return arrow::Status::Invalid("memory_limit must be a positive number of bytes, not ", options.memory_limit);
  }
  if (!options.spill_dir.empty() && options.memory_limit < 0) {
    return arrow::Status::Invalid("spill_dir is for what passes memory_limit, and that is not given");
  }
  return arrow::Status::OK();
}

/// A backend and a way of encryption that this build knows, before anything is opened for them.
arrow::Status CheckNames(const SessionOptions& options) {
  const std::string& encryption = options.encryption;
  if (encryption != "auto" && encryption != "on" && encryption != "off" && encryption != "off-even-relayed") {
    return arrow::Status::Invalid("unknown encryption '", encryption,
                                  "'; it is one of auto, on, off, off-even-relayed");
  }
  if (!options.shm && !options.backend.empty() && options.backend != "tcp" && options.backend != "local") {
    return arrow::Status::Invalid("shm=False is for backend 'tcp'; how the ranks of a host talk by backend '",
                                  options.backend, "' is its library's choice (docs/communicators.md)");
  }
  if (options.compression != "auto" && options.compression != "lz4" && options.compression != "off") {
    return arrow::Status::Invalid("unknown compression '", options.compression, "'; it is one of auto, lz4, off");
  }
  if (options.compression == "lz4" && !CanCompress()) {
    return arrow::Status::Invalid("compression='lz4': the Arrow library of this build has no LZ4; use 'auto' or 'off'");
  }
  if (options.native_communicator != 0 && !KnowsItsWorld(options)) {
    return arrow::Status::Invalid(
        "comm: an MPI communicator goes with backend 'mpi' or store 'mpi', not with backend '",
        options.backend.empty() ? "tcp" : options.backend, "' alone");
  }
  if (options.backend.empty()) return arrow::Status::OK();
  std::string names;
  for (const BackendInfo& backend : ListBackends()) {
    if (backend.name == options.backend) return arrow::Status::OK();
    if (!names.empty()) names += ", ";
    names += backend.name;
  }
  return arrow::Status::Invalid("unknown backend '", options.backend, "'; there are: ", names);
}

/// One of several ranks that is not told how many they are would do the whole work alone, as each of the others would.
arrow::Status CheckWorldSize(const SessionOptions& options) {
  if (options.world_size >= 0 || KnowsItsWorld(options) || options.backend == "local") return arrow::Status::OK();
  const char* given = !options.store.empty()        ? "store"
                      : !options.rendezvous.empty() ? "rendezvous"
                      : options.rank > 0            ? "rank"
                                                    : nullptr;
  if (given == nullptr) return arrow::Status::OK();
  return arrow::Status::Invalid(given,
                                " is given, and world_size is not: pass it to weft.init or set WEFT_WORLD_SIZE, the "
                                "same for all ranks");
}

/// What ranks that meet cannot do without; says which argument and which variable would give it.
arrow::Status CheckMeetingPlace(const SessionOptions& options) {
  const auto missing = [&options](const char* argument, const char* variable) {
    const std::string who = options.world_size == 1 ? "backend '" + options.backend + "'" : "a world of several ranks";
    return arrow::Status::Invalid(who, " needs ", argument, ": pass it to weft.init, set ", variable,
                                  ", or start the ranks with `weft run`",
                                  options.world_size == 1 ? "; a world of one needs no backend" : "");
  };
  if (options.store.empty() && options.rendezvous.empty()) return missing("rendezvous", "WEFT_RENDEZVOUS");
  if (IsMpiStore(options.store)) return arrow::Status::OK();  // it has the rest
  if (options.job.empty()) return missing("job", "WEFT_JOB");
  if (options.secret.empty()) return missing("secret", "WEFT_SECRET");
  return arrow::Status::OK();
}

std::string RandomHex() {
  std::random_device device;
  char text[20];
  std::snprintf(text, sizeof(text), "%08x%08x", device(), device());
  return text;
}

}  // namespace

/// What a session and those made from it by Dup and Split have in common.
struct Shared {
  SessionOptions options;
  std::string job;
  int64_t epoch = 0;
  std::string token;
  std::unique_ptr<Tracer> tracer;
  arrow::StopSource stop;
  Context context;
  /// Held as long as the session: others see by it that this rank is there.
  std::shared_ptr<RendezvousClient> rendezvous;
  std::unique_ptr<Membership> membership;
  double open_seconds = 0;
  pid_t pid = ::getpid();
};

struct Session::Impl {
  std::shared_ptr<Shared> shared;
  std::unique_ptr<Communicator> communicator;
  std::atomic<bool> closed{false};
  bool first = false;  // the one that was opened, not made by Dup or Split

  arrow::Result<std::unique_ptr<Session>> Derive(std::unique_ptr<Communicator> made) const {
    if (made == nullptr) return nullptr;
    auto impl = std::make_unique<Impl>();
    impl->shared = shared;
    impl->communicator = std::move(made);
    return std::unique_ptr<Session>(new Session(std::move(impl)));
  }

  arrow::Status WriteTrace();
};

namespace {

arrow::Status SetUpContext(Shared& shared) {
  const SessionOptions& options = shared.options;
  shared.tracer = std::make_unique<Tracer>(!options.trace_file.empty());
  Context& context = shared.context;
  context.tracer = shared.tracer.get();
  context.stop = shared.stop.token();
  context.threads = options.threads > 0 ? options.threads : CoresOfThisProcess();
  if (!options.spill_dir.empty()) {
    ARROW_ASSIGN_OR_RAISE(context.spill,
                          Spill::Make(arrow::default_memory_pool(), options.memory_limit, options.spill_dir));
    context.pool = context.spill->tables();
  } else if (options.memory_limit > 0) {
    context.pool = MakeCappedPool(arrow::default_memory_pool(), options.memory_limit);
  }
  context.compression = options.compression == "auto"  ? Compression::kAuto
                        : options.compression == "lz4" ? Compression::kLz4
                                                       : Compression::kOff;
  // Arrow's own kernels (CSV and Parquet decoding, Take) must keep to the same number of threads.
  return arrow::SetCpuThreadPoolCapacity(context.threads);
}

/// Options that are not given are those of the store's own job; others must not say otherwise.
arrow::Status TakeFrom(const StoreJob& known, SessionOptions& options) {
  if (options.job.empty()) options.job = known.job;
  if (options.secret.empty()) options.secret = known.secret;
  if (known.world_size < 0) return arrow::Status::OK();
  if (options.world_size >= 0 && options.world_size != known.world_size) {
    return arrow::Status::Invalid("store '", options.store, "' has a world of ", known.world_size,
                                  ", and world_size is ", options.world_size, ": leave world_size out");
  }
  if (options.rank >= 0 && options.rank != known.rank) {
    return arrow::Status::Invalid("this is rank ", known.rank, " of store '", options.store, "', and rank is ",
                                  options.rank, ": leave rank out");
  }
  options.world_size = known.world_size;
  options.rank = known.rank;
  return arrow::Status::OK();
}

arrow::Status JoinJob(Shared& shared, BackendContext& backend) {
  SessionOptions& options = shared.options;
  StoreOptions store_options;
  store_options.rendezvous_key = options.rendezvous_key;
  store_options.rendezvous_ca = options.rendezvous_ca;
  store_options.connect_timeout = backend.connect_timeout;
  store_options.check_interrupt = options.check_interrupt;
  store_options.native_communicator = options.native_communicator;
  ARROW_ASSIGN_OR_RAISE(Meeting meeting, OpenMeeting(options.store, options.rendezvous, store_options));
  ARROW_RETURN_NOT_OK(TakeFrom(meeting.store->job(), options));
  backend.listener = std::move(meeting.listener);
  backend.rendezvous = shared.rendezvous = std::move(meeting.rendezvous);
  JobIdentity identity;
  identity.job = options.job;
  identity.epoch = options.epoch;
  identity.world_size = options.world_size;
  identity.rank = options.rank;
  ARROW_ASSIGN_OR_RAISE(shared.membership, Membership::Join(std::move(meeting.store), identity));
  shared.job = options.job;
  shared.epoch = shared.membership->epoch();
  set_log_rank(shared.membership->rank());
  return arrow::Status::OK();
}

/// The job of ranks that have no store: rank 0 says what it is called, the same on all ranks.
arrow::Status AgreeOnJob(Shared& shared, Communicator& communicator) {
  struct Job {
    char name[129] = "";
    char suffix[20] = "";
    int64_t epoch = 0;
  } job;
  const SessionOptions& options = shared.options;
  if (communicator.rank() == 0) {
    const std::string name = options.job.empty() ? options.backend + "-" + RandomHex() : options.job;
    std::snprintf(job.name, sizeof(job.name), "%s", name.c_str());
    std::snprintf(job.suffix, sizeof(job.suffix), "%s", RandomHex().c_str());
    job.epoch = std::max<int64_t>(0, options.epoch);
  }
  ARROW_RETURN_NOT_OK(communicator.Broadcast(std::as_writable_bytes(std::span(&job, 1)), 0));
  shared.job = job.name;
  shared.epoch = job.epoch;
  // Without a store nobody counts attempts.
  shared.token = shared.job + "-" + std::to_string(shared.epoch) + "-" + job.suffix;
  set_log_rank(communicator.rank());
  if (!options.job.empty() && options.job != shared.job) {
    return arrow::Status::Invalid("rank ", communicator.rank(), " belongs to job '", options.job, "', rank 0 to '",
                                  shared.job, "'");
  }
  return arrow::Status::OK();
}

/// The trace is written when all is done: that its file cannot be is to be known before.
arrow::Status CheckTraceFile(const std::string& path) {
  const bool there = ::access(path.c_str(), F_OK) == 0;
  std::FILE* file = std::fopen(path.c_str(), "a");
  if (file == nullptr) {
    return arrow::Status::Invalid("the trace file '", path, "' cannot be written (",
                                  std::generic_category().message(errno),
                                  "): name another one as trace= or WEFT_TRACE");
  }
  std::fclose(file);
  if (!there) ::unlink(path.c_str());
  return arrow::Status::OK();
}

/// Joins and links up. Where epochs are counted, a worker that joined one in which an earlier attempt had died, half
/// joined, goes on to the next: with others that gave it up, or, where ranks are counted as well, as the first that
/// finds a peer of it lost. Who gives ranks knows which of them are lost.
arrow::Result<std::unique_ptr<Communicator>> Meet(Shared& shared, BackendContext& backend) {
  const auto deadline = Deadline::After(backend.connect_timeout);
  std::string gave_up;
  for (int rejoined = 0;; ++rejoined) {
    backend.connect_timeout = std::max<Duration>(deadline.Left(), std::chrono::milliseconds(1));
    ARROW_RETURN_NOT_OK(JoinJob(shared, backend));
    ARROW_ASSIGN_OR_RAISE(backend.secret, SecretBytes(shared.options.secret));
    backend.membership = shared.membership.get();
    auto made = MakeCommunicator(shared.options.backend, backend);
    if (made.ok()) {
      shared.membership->StartUpIsOver();
      return made;
    }
    const arrow::Status& status = made.status();
    const bool over = IsCommunicationError(status, CommunicationFailure::kSuperseded) ||
                      (IsCommunicationError(status, CommunicationFailure::kPeerLost) && shared.options.rank < 0);
    if (!over || shared.options.epoch >= 0 || rejoined == kRejoins || deadline.Passed()) {
      return gave_up.empty() ? std::move(made) : status.WithMessage(status.message(), "; ", gave_up);
    }
    gave_up = "this worker had left epoch " + std::to_string(shared.epoch) + " before: " + status.message();
    WEFT_LOG(kInfo, "joining again: " << status.message());
    backend.membership = nullptr;
    shared.membership.reset();
  }
}

}  // namespace

arrow::Result<std::unique_ptr<Session>> Session::Open(SessionOptions options) {
  const auto begin = Clock::now();
  ARROW_RETURN_NOT_OK(CheckNumbers(options));
  ARROW_RETURN_NOT_OK(CheckNames(options));
  ARROW_RETURN_NOT_OK(CheckWorldSize(options));
  BackendContext backend;
  ARROW_ASSIGN_OR_RAISE(backend.communicator.timeout, PositiveSeconds(options.timeout_seconds, "timeout"));
  ARROW_ASSIGN_OR_RAISE(backend.connect_timeout, PositiveSeconds(options.connect_timeout_seconds, "connect_timeout"));
  ARROW_ASSIGN_OR_RAISE(backend.relay_after, PositiveSeconds(options.relay_after_seconds, "relay_after"));
  const bool has_world = HasWorld(options.backend);
  if (options.world_size < 0 && !KnowsItsWorld(options)) options.world_size = 1;
  const bool alone = options.backend == "local" || (options.backend.empty() && options.world_size == 1);
  if (options.backend.empty()) options.backend = alone ? "local" : "tcp";
  if (alone && options.world_size > 1) {
    return arrow::Status::Invalid("backend 'local' is for a world of 1, and world_size is ", options.world_size,
                                  "; use backend 'tcp', or leave it out");
  }
  auto shared = std::make_shared<Shared>();
  shared->options = std::move(options);
  ARROW_RETURN_NOT_OK(SetUpContext(*shared));
  if (alone) {
    shared->job = shared->options.job.empty() ? "local-" + RandomHex() : shared->options.job;
    shared->epoch = std::max<int64_t>(0, shared->options.epoch);
  } else if (!has_world) {
    ARROW_RETURN_NOT_OK(CheckMeetingPlace(shared->options));
    if (!shared->options.secret.empty()) ARROW_RETURN_NOT_OK(SecretBytes(shared->options.secret).status());
  }
  backend.rank = shared->options.rank;
  backend.world_size = shared->options.world_size;
  backend.native_communicator = shared->options.native_communicator;
  backend.encryption = shared->options.encryption;
  backend.shm = shared->options.shm;
  if (shared->options.memory_limit > 0) {
    backend.shm_bytes = std::min(backend.shm_bytes, shared->options.memory_limit / kSharedPart);
  }
  backend.advertise = shared->options.advertise;
  backend.communicator.check_interrupt = shared->options.check_interrupt;
  backend.communicator.check_collectives = shared->options.check_collectives;

  auto impl = std::make_unique<Impl>();
  ARROW_ASSIGN_OR_RAISE(impl->communicator, alone || has_world ? MakeCommunicator(shared->options.backend, backend)
                                                               : Meet(*shared, backend));
  shared->token = shared->job + "-" + std::to_string(shared->epoch);
  impl->first = true;
  if (has_world) ARROW_RETURN_NOT_OK(AgreeOnJob(*shared, *impl->communicator));
  if (!shared->options.trace_file.empty() && impl->communicator->rank() == 0) {
    if (arrow::Status status = CheckTraceFile(shared->options.trace_file); !status.ok()) {
      impl->communicator->Abort(status);
      return status;
    }
  }
  shared->open_seconds = Seconds(Clock::now() - begin);
  shared->tracer->Add("init", begin, Clock::now(), 0, 0);
  WEFT_LOG(kInfo, "joined job '" << shared->job << "', epoch " << shared->epoch << ", as rank "
                                 << impl->communicator->rank() << " of " << impl->communicator->world_size() << " by "
                                 << shared->options.backend << " in " << shared->open_seconds << " s");
  impl->shared = std::move(shared);
  return std::unique_ptr<Session>(new Session(std::move(impl)));
}

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Session::~Session() {
  // No collective from a destructor: whoever wants a good order calls Close. A forked child must leave the parent's
  // sockets, threads and store keys alone: there the whole of it is let go of, not destroyed.
  if (::getpid() != impl_->shared->pid) impl_.release();  // NOLINT(bugprone-unused-return-value)
}

Rank Session::rank() const { return impl_->communicator->rank(); }
int Session::world_size() const { return impl_->communicator->world_size(); }
const std::string& Session::job() const { return impl_->shared->job; }
int64_t Session::epoch() const { return impl_->shared->epoch; }
const std::string& Session::token() const { return impl_->shared->token; }
const Context& Session::context() const { return impl_->shared->context; }
const SessionOptions& Session::options() const { return impl_->shared->options; }

arrow::Result<Communicator*> Session::communicator() {
  if (::getpid() != impl_->shared->pid) {
    return arrow::Status::Invalid(
        "this env was made before a fork and cannot be used in the child: call weft.init there");
  }
  if (impl_->closed) return arrow::Status::Invalid("this env is closed: call weft.init for another");
  return impl_->communicator.get();
}

arrow::Result<std::unique_ptr<Session>> Session::Dup() {
  ARROW_ASSIGN_OR_RAISE(Communicator * communicator, this->communicator());
  ARROW_ASSIGN_OR_RAISE(auto made, communicator->Dup());
  return impl_->Derive(std::move(made));
}

arrow::Result<std::unique_ptr<Session>> Session::Split(int color, int key) {
  ARROW_ASSIGN_OR_RAISE(Communicator * communicator, this->communicator());
  ARROW_ASSIGN_OR_RAISE(auto made, communicator->Split(color, key));
  return impl_->Derive(std::move(made));
}

Session::Statistics Session::statistics() const {
  Statistics statistics;
  statistics.phases = impl_->shared->tracer->totals();
  for (const LinkInfo& link : impl_->communicator->links()) {
    if (link.peer == rank()) continue;
    statistics.bytes_sent += link.bytes_sent;
    statistics.bytes_received += link.bytes_received;
  }
  if (Spill* const spill = impl_->shared->context.spill; spill != nullptr) {
    statistics.memory_bytes = spill->memory_bytes();
    statistics.memory_peak_bytes = spill->memory_peak_bytes();
    statistics.spilled_bytes = spill->space().bytes_spilled();
    statistics.disk_bytes = spill->disk_bytes();
  } else {
    const arrow::MemoryPool* pool = impl_->shared->context.pool;
    statistics.memory_bytes = pool->bytes_allocated();
    statistics.memory_peak_bytes = pool->max_memory();
  }
  statistics.open_seconds = impl_->shared->open_seconds;
  return statistics;
}

void Session::Abort(const arrow::Status& cause) {
  if (::getpid() == impl_->shared->pid && !impl_->closed) impl_->communicator->Abort(cause);
}

arrow::Status Session::Impl::WriteTrace() {
  const std::string events = shared->tracer->ChromeEvents(communicator->rank());
  const auto world = static_cast<size_t>(communicator->world_size());
  const int64_t length = static_cast<int64_t>(events.size());
  std::vector<int64_t> lengths(world);
  ARROW_RETURN_NOT_OK(
      communicator->Gather(std::as_bytes(std::span(&length, 1)), std::as_writable_bytes(std::span(lengths)), 0));
  const bool root = communicator->rank() == 0;
  int64_t total = 0;
  for (const int64_t n : lengths) total += n;
  std::string all(root ? static_cast<size_t>(total) : 0, '\0');
  ARROW_RETURN_NOT_OK(communicator->Gatherv(AsBytes(std::string_view(events)),
                                            std::as_writable_bytes(std::span(all.data(), all.size())), lengths, {}, 0));
  if (!root) return arrow::Status::OK();
  std::FILE* file = std::fopen(shared->options.trace_file.c_str(), "w");
  if (file == nullptr) {
    return arrow::Status::IOError("the trace file ", shared->options.trace_file, " cannot be written (",
                                  std::generic_category().message(errno), ")");
  }
  std::fputs("{\"traceEvents\":[\n", file);
  size_t offset = 0;
  bool any = false;
  for (const int64_t n : lengths) {
    if (n > 0 && any) std::fputs(",\n", file);
    any = any || n > 0;
    std::fwrite(all.data() + offset, 1, static_cast<size_t>(n), file);
    offset += static_cast<size_t>(n);
  }
  std::fputs("\n]}\n", file);
  if (std::fclose(file) != 0) {
    return arrow::Status::IOError("the trace file ", shared->options.trace_file, " could not be written whole");
  }
  return arrow::Status::OK();
}

arrow::Status Session::Close() {
  if (::getpid() != impl_->shared->pid || impl_->closed.exchange(true)) return arrow::Status::OK();
  FaultPoint(FaultPhase::kFinalise);
  arrow::Status status;
  const bool healthy = impl_->communicator->failure().ok();
  if (impl_->first && healthy && !impl_->shared->options.trace_file.empty()) status = impl_->WriteTrace();
  status &= impl_->communicator->Close();
  FaultPoint(FaultPhase::kFinalise);
  if (impl_->first && impl_->shared->membership != nullptr) {
    // After start-up nobody needs the store: one that is gone by now is no error of this job.
    const arrow::Status left = impl_->shared->membership->Leave();
    if (!left.ok()) WEFT_LOG(kInfo, "the store could not be tidied: " << left.ToString());
  }
  return status;
}

}  // namespace weft
