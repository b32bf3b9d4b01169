#include "weft/rendezvous/endpoint.h"

#include <charconv>
#include <string_view>

namespace weft {
namespace {

constexpr std::string_view kPlain = "rendezvous://";
constexpr std::string_view kTls = "rendezvous+tls://";

}  // namespace

std::string Endpoint::ToString() const {
  const bool bracket = host.find(':') != std::string::npos;
  return (bracket ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

arrow::Result<Endpoint> ParseEndpoint(const std::string& text) {
  const auto invalid = [&text](const char* what) {
    return arrow::Status::Invalid("the address '", text, "' ", what, ": write HOST:PORT or [IPv6]:PORT");
  };
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return invalid("has no port");
  Endpoint endpoint;
  endpoint.host = text.substr(0, colon);
  if (endpoint.host.size() >= 2 && endpoint.host.front() == '[' && endpoint.host.back() == ']') {
    endpoint.host = endpoint.host.substr(1, endpoint.host.size() - 2);
  } else if (endpoint.host.find(':') != std::string::npos) {
    return invalid("has an IPv6 address without brackets");
  }
  if (endpoint.host.empty()) return invalid("has no host");
  if (endpoint.host.find_first_of("[]/ \t\n") != std::string::npos) return invalid("has a host that is none");
  const char* begin = text.data() + colon + 1;
  const char* end = text.data() + text.size();
  const auto [parsed, error] = std::from_chars(begin, end, endpoint.port);
  if (begin == end || error != std::errc() || parsed != end) return invalid("has a port that is not 0 to 65535");
  return endpoint;
}

bool IsRendezvousUrl(const std::string& url) { return url.starts_with(kPlain) || url.starts_with(kTls); }

arrow::Result<RendezvousAddress> ParseRendezvous(const std::string& text) {
  RendezvousAddress address;
  address.tls = text.starts_with(kTls);
  const size_t scheme = address.tls ? kTls.size() : text.starts_with(kPlain) ? kPlain.size() : 0;
  if (scheme == 0 && text.find("://") != std::string::npos) {
    return arrow::Status::Invalid("the rendezvous address '", text,
                                  "' has another scheme: write HOST:PORT, rendezvous://HOST:PORT or, where the server "
                                  "has a certificate, rendezvous+tls://HOST:PORT");
  }
  ARROW_ASSIGN_OR_RAISE(address.endpoint, ParseEndpoint(text.substr(scheme)));
  if (address.endpoint.port == 0) return arrow::Status::Invalid("the rendezvous address '", text, "' has port 0");
  return address;
}

}  // namespace weft
