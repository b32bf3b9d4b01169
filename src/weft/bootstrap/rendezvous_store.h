// The store that a rendezvous server keeps: "rendezvous://host:port", "rendezvous+tls://host:port".
#pragma once

#include <memory>
#include <string>

#include "weft/bootstrap/store.h"
#include "weft/rendezvous/client.h"

namespace weft {

/// See RendezvousClient for what its errors are and what a forked child may do.
class RendezvousStore : public Store {
 public:
  /// `address` is "host:port".
  static arrow::Result<std::shared_ptr<Store>> Open(const std::string& address, const StoreOptions& options);
  static arrow::Result<std::shared_ptr<Store>> OpenTls(const std::string& address, const StoreOptions& options);

  /// The connection alone; `address` as ParseRendezvous reads it, `local_port` is that of a Listener, or 0.
  static arrow::Result<std::shared_ptr<RendezvousClient>> Dial(const std::string& address, const StoreOptions& options,
                                                               uint16_t local_port);

  explicit RendezvousStore(std::shared_ptr<RendezvousClient> client) : client_(std::move(client)) {}

  arrow::Status Set(const std::string& key, const std::string& value, Duration time_to_live) override;
  arrow::Result<bool> CompareAndSet(const std::string& key, const std::optional<std::string>& expected,
                                    const std::string& desired, Duration time_to_live) override;
  arrow::Result<std::optional<std::string>> Get(const std::string& key) override;
  arrow::Result<int64_t> Add(const std::string& key, int64_t delta, Duration time_to_live) override;
  arrow::Result<std::string> Wait(const std::string& key, Deadline deadline,
                                  const std::function<arrow::Status()>& check_interrupt = {}) override;
  arrow::Status Delete(const std::string& key) override;

  RendezvousClient& client() { return *client_; }

 private:
  std::shared_ptr<RendezvousClient> client_;
};

}  // namespace weft
