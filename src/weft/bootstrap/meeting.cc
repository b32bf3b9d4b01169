#include "weft/bootstrap/meeting.h"

#include <utility>

#if WEFT_HAVE_RENDEZVOUS
#include "weft/bootstrap/rendezvous_store.h"
#include "weft/rendezvous/listener.h"
#endif

namespace weft {

#if WEFT_HAVE_RENDEZVOUS
namespace {

/// Of connections that come before this rank is ready for them.
constexpr int kBacklog = 4096;

}  // namespace

arrow::Result<Meeting> OpenMeeting(const std::string& store, const std::string& rendezvous,
                                   const StoreOptions& options) {
  Meeting meeting;
  const std::string address = rendezvous.empty() && IsRendezvousUrl(store) ? store : rendezvous;
  if (!address.empty()) {
    ARROW_ASSIGN_OR_RAISE(meeting.listener, Listener::Open(kBacklog));
    ARROW_ASSIGN_OR_RAISE(meeting.rendezvous, RendezvousStore::Dial(address, options, meeting.listener->port()));
  }
  if (store.empty() || store == address || store == "rendezvous://" + address) {
    meeting.store = std::make_shared<RendezvousStore>(meeting.rendezvous);
  } else {
    ARROW_ASSIGN_OR_RAISE(meeting.store, OpenStore(store, options));
  }
  return meeting;
}
#else
arrow::Result<Meeting> OpenMeeting(const std::string& store, const std::string& rendezvous,
                                   const StoreOptions& options) {
  Meeting meeting;
  ARROW_ASSIGN_OR_RAISE(meeting.store, OpenStore(store.empty() ? "rendezvous://" + rendezvous : store, options));
  return meeting;
}
#endif

}  // namespace weft
