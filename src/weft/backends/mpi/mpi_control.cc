// What ranks tell each other beside their data: aborts, heartbeats, goodbyes.
#include <algorithm>
#include <cstring>
#include <thread>

#include "weft/backends/mpi/mpi_world.h"
#include "weft/base/byte_codec.h"
#include "weft/base/communication_error.h"
#include "weft/bootstrap/mpi_process.h"

namespace weft::mpi {
namespace {

using namespace std::chrono_literals;

constexpr int kAbortTag = 1;
constexpr int kHeartbeatTag = 2;
/// Longer reasons are cut.
constexpr size_t kMaxReason = 4000;

}  // namespace

arrow::Status MpiWorld::failure() const {
  if (!failed_.load(std::memory_order_acquire)) return arrow::Status::OK();
  const std::lock_guard lock(mutex_);
  return failure_;
}

void MpiWorld::Set(const arrow::Status& failure) {
  const std::lock_guard lock(mutex_);
  if (!failure_.ok()) return;
  failure_ = failure;
  failed_.store(true, std::memory_order_release);
  ExpectNoGoodEnd();
}

void MpiWorld::Abort(const arrow::Status& cause) {
  {
    const std::lock_guard lock(mutex_);
    if (!failure_.ok()) return;
  }
  Set(cause);
  if (!IsUsable()) return;
  if (ProcessLock().held_by_this_thread()) return Tell(cause);  // from inside a reduce function
  const std::lock_guard lock(ProcessLock());
  Tell(cause);
}

void MpiWorld::Tell(const arrow::Status& cause) {
  auto text = std::make_shared<std::string>(cause.message());
  if (cause.detail() != nullptr) *text += " (" + cause.detail()->ToString() + ")";
  if (text->size() > kMaxReason) text->resize(kMaxReason);
  const size_t before = sent_.size();
  for (Rank peer = 0; peer < size_; ++peer) {
    MPI_Request request = MPI_REQUEST_NULL;
    if (peer == rank_ || MPI_Isend(text->data(), static_cast<int>(text->size()), MPI_BYTE, peer, kAbortTag, control_,
                                   &request) != MPI_SUCCESS) {
      continue;
    }
    sent_.push_back({request, text});
  }
  // MPI sends while it is called, and this rank may not call it again: what can leave at once is let out.
  const Deadline deadline = Deadline::After(20ms);
  for (size_t i = before; i < sent_.size() && !deadline.Passed();) {
    int done = 0;
    MPI_Test(&sent_[i].request, &done, MPI_STATUS_IGNORE);
    i += done != 0 ? 1 : 0;
  }
}

void MpiWorld::TakeControl() {
  for (;;) {
    int found = 0;
    MPI_Status status;
    if (MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, control_, &found, &status) != MPI_SUCCESS || found == 0) return;
    int bytes = 0;
    MPI_Get_count(&status, MPI_BYTE, &bytes);
    std::string text(static_cast<size_t>(bytes), '\0');
    const Rank peer = status.MPI_SOURCE;
    if (MPI_Recv(text.data(), bytes, MPI_BYTE, peer, status.MPI_TAG, control_, MPI_STATUS_IGNORE) != MPI_SUCCESS) {
      return;
    }
    if (status.MPI_TAG == kAbortTag) {
      Set(MakeCommunicationError({.failure = CommunicationFailure::kAborted, .rank = rank_, .peer = peer},
                                 "rank " + std::to_string(peer) + " aborted: " + text));
    } else if (const arrow::Status checked = histories_.CheckHeartbeat(peer, text); !checked.ok() && failure().ok()) {
      Set(checked);
      Tell(checked);
    }
  }
}

void MpiWorld::LookAround(Clock::time_point now) {
  looked_at_ = now;
  TidyRemains();
  std::erase_if(sent_, [](Sent& sent) {
    int done = 0;
    return MPI_Test(&sent.request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS || done != 0;
  });
  if (control_ != MPI_COMM_NULL) TakeControl();
  for (const auto& context : contexts_) TakeGoodbyes(*context);
  for (const auto& context : leaving_) TakeGoodbyes(*context);
  FreeLeaving();
}

void MpiWorld::SendHeartbeats(Clock::time_point now) {
  if (now - beaten_at_ < 1s) return;
  beaten_at_ = now;
  auto text = std::make_shared<std::string>(histories_.MakeHeartbeat());
  if (text->empty()) return;
  for (Rank peer = 0; peer < size_; ++peer) {
    Beat& beat = beats_[static_cast<size_t>(peer)];
    int taken = 1;
    if (peer == rank_) continue;
    // A peer that computes takes none: there is never more than one on the way to it.
    if (beat.request != MPI_REQUEST_NULL) MPI_Test(&beat.request, &taken, MPI_STATUS_IGNORE);
    if (taken == 0) continue;
    beat.text = text;
    if (MPI_Issend(text->data(), static_cast<int>(text->size()), MPI_BYTE, peer, kHeartbeatTag, control_,
                   &beat.request) != MPI_SUCCESS) {
      beat.request = MPI_REQUEST_NULL;
    }
  }
}

void MpiWorld::SayGoodbye(MpiContext& context) {
  for (Rank peer = 0; peer < static_cast<Rank>(context.ranks.size()); ++peer) {
    if (peer == context.rank) continue;
    ByteWriter writer;
    writer.Put(context.next_number).Put(context.peers[static_cast<size_t>(peer)].messages_sent);
    auto text = std::make_shared<std::string>(writer.Take());
    MPI_Request request = MPI_REQUEST_NULL;
    if (MPI_Isend(text->data(), static_cast<int>(text->size()), MPI_BYTE, peer, GoodbyeTag(), context.comm, &request) ==
        MPI_SUCCESS) {
      sent_.push_back({request, text});
    }
  }
}

void MpiWorld::TakeGoodbyes(MpiContext& context) {
  for (;;) {
    int found = 0;
    MPI_Status status;
    if (MPI_Iprobe(MPI_ANY_SOURCE, GoodbyeTag(), context.comm, &found, &status) != MPI_SUCCESS || found == 0) return;
    char text[sizeof(uint32_t) + sizeof(int64_t)];
    if (MPI_Recv(text, sizeof(text), MPI_BYTE, status.MPI_SOURCE, GoodbyeTag(), context.comm, MPI_STATUS_IGNORE) !=
        MPI_SUCCESS) {
      return;
    }
    PeerState& peer = context.peers[static_cast<size_t>(status.MPI_SOURCE)];
    std::memcpy(&peer.calls, text, sizeof(uint32_t));
    std::memcpy(&peer.messages, text + sizeof(uint32_t), sizeof(int64_t));
    peer.left = true;
    peer.left_at = Clock::now();
  }
}

bool MpiWorld::AllLeft(const MpiContext& context) {
  for (size_t i = 0; i < context.peers.size(); ++i) {
    if (static_cast<Rank>(i) != context.rank && !context.peers[i].left) return false;
  }
  return true;
}

void MpiWorld::FreeLeaving() {
  std::erase_if(leaving_, [](const std::shared_ptr<MpiContext>& context) {
    if (!AllLeft(*context)) return false;
    if (!context->dirty) MPI_Comm_free(&context->comm);
    return true;
  });
}

void MpiWorld::CloseControl(Deadline deadline) {
  MPI_Request all_here = MPI_REQUEST_NULL;
  bool entered = false;
  for (;;) {
    {
      const std::lock_guard lock(ProcessLock());
      if (control_ == MPI_COMM_NULL) return;
      LookAround(Clock::now());
      bool taken = sent_.empty();
      for (Beat& beat : beats_) {
        int done = 1;
        if (beat.request != MPI_REQUEST_NULL) MPI_Test(&beat.request, &done, MPI_STATUS_IGNORE);
        taken = taken && done != 0;
      }
      if (taken && !entered) entered = MPI_Ibarrier(control_, &all_here) == MPI_SUCCESS;
      int done = 0;
      if (entered && (MPI_Test(&all_here, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS || done != 0)) {
        // Every rank's heartbeats were taken before it came here: nothing is on its way.
        MPI_Comm_free(&control_);
        return;
      }
    }
    if (deadline.Passed() || !failure().ok()) return;
    std::this_thread::sleep_for(50us);
  }
}

}  // namespace weft::mpi
