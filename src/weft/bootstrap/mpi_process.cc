#include "weft/bootstrap/mpi_process.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>
#include <type_traits>

#include "weft/base/communication_error.h"
#include "weft/base/fault_point.h"
#include "weft/base/logging.h"

namespace weft::mpi {
namespace {

using namespace std::chrono_literals;

/// How long a process that failed waits at its exit for the others to come, so that they can say what they have to say
/// before the launcher ends them.
constexpr Duration kLastWait = 5s;

std::atomic<bool> failed{false};
std::atomic<int> thread_level{MPI_THREAD_SINGLE};
pid_t initialised_by = 0;

/// MPI libraries have pointers or integers as handles.
template <typename Handle>
Handle AsHandle(uint64_t native) {
  if constexpr (std::is_pointer_v<Handle>) {
    return reinterpret_cast<Handle>(native);
  } else {
    return static_cast<Handle>(native);
  }
}

bool Flag(int (*ask)(int*)) {
  int flag = 0;
  ask(&flag);
  return flag != 0;
}

/// Runs at exit, with the exit code. A process that failed does not wait for ever for ranks that may never come.
void FinalizeAtExit(int code, void* /*unused*/) {
  if (::getpid() != initialised_by || !IsUsable()) return;
  if (!failed && code == 0) {
    MPI_Finalize();
    return;
  }
  // On the heap: the thread may outlive this frame.
  struct End {
    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;
  };
  auto* const end = new End;
  std::thread([end] {
    MPI_Finalize();
    const std::lock_guard lock(end->mutex);
    end->done = true;
    end->changed.notify_all();
  }).detach();
  std::unique_lock lock(end->mutex);
  if (end->changed.wait_for(lock, kLastWait, [end] { return end->done; })) return;
  // The thread is still inside: nothing of the library may be taken down under it.
  std::fflush(nullptr);
  ::_exit(code);
}

/// Open MPI's plugins name no library that they need: they find the symbols of libmpi only where it was loaded for all.
/// A module that needs libmpi loads it for itself alone.
void ShareSymbols() {
  Dl_info info;
  if (::dladdr(reinterpret_cast<const void*>(&MPI_Init_thread), &info) == 0 || info.dli_fname == nullptr) return;
  if (::dlopen(info.dli_fname, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD) == nullptr) {
    WEFT_LOG(kInfo, "the symbols of " << info.dli_fname << " cannot be shared: " << ::dlerror());
  }
}

arrow::Status Initialize() {
  ShareSymbols();
  FaultPoint(FaultPhase::kRendezvous);
  int level = MPI_THREAD_SINGLE;
  ARROW_RETURN_NOT_OK(Check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &level), "MPI_Init_thread"));
  FaultPoint(FaultPhase::kRendezvous);
  initialised_by = ::getpid();
  if (::on_exit(&FinalizeAtExit, nullptr) != 0) return arrow::Status::IOError("on_exit takes no more functions");
  // Errors that belong to no communicator of ours come to these two.
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
  return arrow::Status::OK();
}

}  // namespace

TurnLock& ProcessLock() {
  static auto* const lock = new TurnLock;
  return *lock;
}

bool ThreadsMayCallAtOnce() { return thread_level == MPI_THREAD_MULTIPLE; }

bool IsUsable() { return Flag(&MPI_Initialized) && !Flag(&MPI_Finalized); }

arrow::Status EnsureInitialized() {
  const std::lock_guard lock(ProcessLock());
  if (Flag(&MPI_Finalized)) {
    return arrow::Status::Invalid("MPI was finalised in this process and cannot be initialised again");
  }
  if (!Flag(&MPI_Initialized)) ARROW_RETURN_NOT_OK(Initialize());
  int level = MPI_THREAD_SINGLE;
  ARROW_RETURN_NOT_OK(Check(MPI_Query_thread(&level), "MPI_Query_thread"));
  thread_level = level;
  failed = false;
  if (level < MPI_THREAD_SERIALIZED && !Flag(&MPI_Is_thread_main)) {
    return arrow::Status::Invalid(
        "MPI was initialised for its main thread alone, and this is another: initialise it with MPI_THREAD_SERIALIZED "
        "or MPI_THREAD_MULTIPLE");
  }
  return arrow::Status::OK();
}

std::string LibraryVersion() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int length = 0;
  if (MPI_Get_library_version(text, &length) != MPI_SUCCESS) return "unknown";
  const std::string whole(text, static_cast<size_t>(length));
  return whole.substr(0, whole.find_first_of(",\n"));
}

arrow::Status Check(int code, const char* call) {
  if (code == MPI_SUCCESS) return arrow::Status::OK();
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  if (MPI_Error_string(code, text, &length) != MPI_SUCCESS) length = 0;
  return arrow::Status::IOError(call, " failed: ", std::string(text, static_cast<size_t>(length)));
}

arrow::Result<MPI_Comm> FromNative(uint64_t native) {
  if (native == 0) return MPI_COMM_WORLD;
  const auto comm = AsHandle<MPI_Comm>(native);
  const std::lock_guard lock(ProcessLock());
  if (comm == MPI_COMM_NULL) return arrow::Status::Invalid("comm: it is MPI_COMM_NULL");
  int between_groups = 0;
  ARROW_RETURN_NOT_OK(Check(MPI_Comm_test_inter(comm, &between_groups), "MPI_Comm_test_inter"));
  if (between_groups != 0) {
    return arrow::Status::Invalid("comm: it is an inter-communicator; MPI_Intercomm_merge makes one group of it");
  }
  return comm;
}

arrow::Status WaitFor(MPI_Request* request, Deadline deadline, const std::function<arrow::Status()>& check_interrupt,
                      const char* operation, const std::string& what) {
  const auto begin = Clock::now();
  auto next_check = begin + 50ms;
  for (;;) {
    {
      const std::lock_guard lock(ProcessLock());
      int done = 0;
      ARROW_RETURN_NOT_OK(Check(MPI_Test(request, &done, MPI_STATUS_IGNORE), operation));
      if (done != 0) return arrow::Status::OK();
    }
    const auto now = Clock::now();
    if (deadline.Passed()) {
      return MakeCommunicationError({.failure = CommunicationFailure::kTimedOut,
                                     .operation = operation,
                                     .phase = "rendezvous",
                                     .elapsed = now - begin},
                                    what);
    }
    if (now >= next_check && check_interrupt) {
      next_check = now + 50ms;
      ARROW_RETURN_NOT_OK(check_interrupt());
    }
    std::this_thread::sleep_for(now - begin < 1ms ? 0us : 200us);
  }
}

void ExpectNoGoodEnd() { failed = true; }

}  // namespace weft::mpi
