// Where the ranks of a job meet: the store, and the rendezvous server where there is one.
#pragma once

#include <arrow/result.h>

#include <memory>
#include <string>

#include "weft/bootstrap/store.h"

namespace weft {

class Listener;
class RendezvousClient;

struct Meeting {
  std::shared_ptr<Store> store;
  /// nullptr where no rendezvous server was named. The same connection as the store's where the store is the server's.
  std::shared_ptr<RendezvousClient> rendezvous;
  /// The local port from which `rendezvous` was dialed; nullptr without one.
  std::shared_ptr<Listener> listener;
};

/// Listens first, where `rendezvous` (see ParseRendezvous) is given, and then connects from that port. `store` is a
/// URL; empty: the rendezvous server's store. Fails as OpenStore does.
arrow::Result<Meeting> OpenMeeting(const std::string& store, const std::string& rendezvous,
                                   const StoreOptions& options);

}  // namespace weft
