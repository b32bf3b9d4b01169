#include "weft/bootstrap/rendezvous_store.h"

#include <utility>

namespace weft {

arrow::Result<std::shared_ptr<Store>> RendezvousStore::Open(const std::string& address, const StoreOptions& options) {
  ARROW_ASSIGN_OR_RAISE(auto client, Dial(address, options, 0));
  return std::make_shared<RendezvousStore>(std::move(client));
}

arrow::Result<std::shared_ptr<Store>> RendezvousStore::OpenTls(const std::string& address,
                                                               const StoreOptions& options) {
  return Open("rendezvous+tls://" + address, options);
}

arrow::Result<std::shared_ptr<RendezvousClient>> RendezvousStore::Dial(const std::string& address,
                                                                       const StoreOptions& options,
                                                                       uint16_t local_port) {
  ARROW_ASSIGN_OR_RAISE(const RendezvousAddress server, ParseRendezvous(address));
  RendezvousClientOptions client_options;
  client_options.key = options.rendezvous_key;
  client_options.tls = server.tls;
  client_options.ca = options.rendezvous_ca;
  client_options.connect_timeout = options.connect_timeout;
  client_options.call_timeout = options.call_timeout;
  client_options.check_interrupt = options.check_interrupt;
  client_options.local_port = local_port;
  return RendezvousClient::Connect(server.endpoint, client_options);
}

arrow::Status RendezvousStore::Set(const std::string& key, const std::string& value, Duration time_to_live) {
  return client_->Set(key, value, time_to_live);
}

arrow::Result<bool> RendezvousStore::CompareAndSet(const std::string& key, const std::optional<std::string>& expected,
                                                   const std::string& desired, Duration time_to_live) {
  return client_->CompareAndSet(key, expected, desired, time_to_live);
}

arrow::Result<std::optional<std::string>> RendezvousStore::Get(const std::string& key) { return client_->Get(key); }

arrow::Result<int64_t> RendezvousStore::Add(const std::string& key, int64_t delta, Duration time_to_live) {
  return client_->Add(key, delta, time_to_live);
}

arrow::Result<std::string> RendezvousStore::Wait(const std::string& key, Deadline deadline,
                                                 const std::function<arrow::Status()>& check_interrupt) {
  return client_->Wait(key, deadline, check_interrupt);
}

arrow::Status RendezvousStore::Delete(const std::string& key) { return client_->Delete(key); }

}  // namespace weft
