// What the rendezvous server does with the requests of its admitted clients: the store and the waits on it. No sockets.
#pragma once

#include <arrow/status.h>

#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>

#include "weft/rendezvous/key_table.h"
#include "weft/rendezvous/protocol.h"

namespace weft::rendezvous {

class StoreService;

/// One admitted client. It must be removed from the service before it dies.
class StoreClient {
 public:
  virtual ~StoreClient() = default;
  /// Queues a frame. It may end the client's connection, but not the client's life.
  virtual void Send(std::string frame) = 0;

  bool waiting() const { return !waits_.empty(); }

 private:
  friend class StoreService;
  struct Parked {
    StoreClient* client;
    uint64_t id;
  };
  struct Wait {
    std::string key;
    std::list<Parked>::iterator by_key;
    std::multimap<KeyTable::Time, Parked>::iterator by_deadline;
  };
  std::unordered_map<uint64_t, Wait> waits_;
};

struct StoreServiceLimits {
  KeyTableLimits table;
  size_t waits_per_client = 1024;
  /// Longer waits are answered "timed out" then; the client asks again.
  Duration wait = std::chrono::hours(1);
};

/// Not thread-safe.
class StoreService {
 public:
  explicit StoreService(const StoreServiceLimits& limits) : limits_(limits), table_(limits.table) {}

  /// Does one request and sends what there is to answer, to this client and to those that waited. An error means that
  /// the bytes are no request, and the connection is to be closed.
  arrow::Status Handle(StoreClient* client, MessageType type, std::string_view body, KeyTable::Time now);

  /// Ends waits that are past their deadline and forgets keys that have outlived their time.
  void Tick(KeyTable::Time now);

  /// Forgets the waits of a client.
  void Remove(StoreClient* client);

  const KeyTable& table() const { return table_; }
  int64_t waits() const { return static_cast<int64_t>(by_deadline_.size()); }

 private:
  using Parked = StoreClient::Parked;

  arrow::Status HandleWait(StoreClient* client, uint64_t id, std::string_view body, KeyTable::Time now);
  void Wake(const std::string& key, KeyTable::Time now);
  void Forget(StoreClient* client, uint64_t id);

  const StoreServiceLimits limits_;
  KeyTable table_;
  std::unordered_map<std::string, std::list<Parked>> by_key_;
  std::multimap<KeyTable::Time, Parked> by_deadline_;
};

}  // namespace weft::rendezvous
