// Host and port, as a user writes them.
#pragma once

#include <arrow/result.h>

#include <cstdint>
#include <string>

namespace weft {

struct Endpoint {
  std::string host;  // name or address, IPv6 without brackets
  uint16_t port = 0;

  /// "host:port", IPv6 addresses in brackets.
  std::string ToString() const;
};

/// Reads "host:port", "1.2.3.4:port" or "[v6]:port". Anything else is Status::Invalid, which shows the form.
arrow::Result<Endpoint> ParseEndpoint(const std::string& text);

/// Where a rendezvous server is and how it is spoken to.
struct RendezvousAddress {
  Endpoint endpoint;
  bool tls = false;
};

/// Reads "host:port", "rendezvous://host:port" or "rendezvous+tls://host:port". Port 0 and anything else is
/// Status::Invalid, which shows the forms.
arrow::Result<RendezvousAddress> ParseRendezvous(const std::string& text);

/// Whether a store's URL names the store of a rendezvous server.
bool IsRendezvousUrl(const std::string& url);

}  // namespace weft
