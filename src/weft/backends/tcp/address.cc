#include "weft/backends/tcp/address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <climits>
#include <cstring>
#include <fstream>
#include <memory>

#include "weft/backends/tcp/handshake.h"
#include "weft/base/byte_codec.h"

namespace weft::tcp {
namespace {

constexpr size_t kMaxCandidates = 64;

std::string HostIdentity() {
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  char link[PATH_MAX];
  const ssize_t size = ::readlink("/proc/self/ns/net", link, sizeof(link));
  if (boot.empty() || size <= 0) return {};  // not known: loopback is not used
  return boot + " " + std::string(link, static_cast<size_t>(size));
}

std::string Numeric(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = {};
  const void* raw = address->sa_family == AF_INET
                        ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in*>(address)->sin_addr)
                        : static_cast<const void*>(&reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr);
  ::inet_ntop(address->sa_family, raw, text, sizeof(text));
  return text;
}

/// Addresses of this host's interfaces that others could reach: up, no loopback, no link-local IPv6 (those need a
/// zone).
std::vector<std::string> InterfaceAddresses() {
  std::vector<std::string> found;
  ifaddrs* raw = nullptr;
  if (::getifaddrs(&raw) != 0) return found;
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> list(raw, &::freeifaddrs);
  for (const ifaddrs* at = list.get(); at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr == nullptr || (at->ifa_flags & IFF_UP) == 0) continue;
    const int family = at->ifa_addr->sa_family;
    if ((family != AF_INET && family != AF_INET6) || IsLoopback(at->ifa_addr)) continue;
    if (family == AF_INET6) {
      const auto* v6 = reinterpret_cast<const sockaddr_in6*>(at->ifa_addr);
      if (IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr) != 0) continue;
    }
    found.push_back(Numeric(at->ifa_addr));
  }
  return found;
}

arrow::Result<Candidate> ParseAdvertised(const std::string& text, uint16_t port) {
  Candidate candidate{CandidateKind::kHost, text, port};
  size_t colon = std::string::npos;
  if (text.front() == '[') {
    const size_t end = text.find(']');
    if (end == std::string::npos) return arrow::Status::Invalid("advertise=\"", text, "\" has no closing bracket");
    candidate.host = text.substr(1, end - 1);
    if (end + 1 < text.size()) colon = end + 1;
  } else if (std::count(text.begin(), text.end(), ':') == 1) {
    colon = text.find(':');
    candidate.host = text.substr(0, colon);
  }
  if (colon != std::string::npos) {
    const char* begin = text.data() + colon + 1;
    const char* end = text.data() + text.size();
    const auto [at, error] = std::from_chars(begin, end, candidate.port);
    if (text[colon] != ':' || error != std::errc() || at != end || candidate.port == 0) {
      return arrow::Status::Invalid("advertise=\"", text, "\" is no ADDRESS or ADDRESS:PORT");
    }
  }
  ARROW_ASSIGN_OR_RAISE(const Endpoint endpoint, Endpoint::Resolve(candidate.host, candidate.port));
  if (IsLoopback(endpoint.address())) candidate.kind = CandidateKind::kLoopback;
  return candidate;
}

}  // namespace

bool IsLoopback(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
    return (ntohl(v4->sin_addr.s_addr) >> 24) == 127;
  }
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
  return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) != 0;
}

arrow::Result<Endpoint> Endpoint::Resolve(const std::string& host, uint16_t port) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* raw = nullptr;
  const int failed = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &raw);
  if (failed != 0) return arrow::Status::Invalid("address \"", host, "\": ", ::gai_strerror(failed));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(raw, &::freeaddrinfo);
  Endpoint endpoint;
  std::memcpy(&endpoint.storage, list->ai_addr, list->ai_addrlen);
  endpoint.size = list->ai_addrlen;
  return endpoint;
}

std::string Endpoint::ToString() const {
  if (size == 0) return "unknown";
  const uint16_t port =
      ntohs(storage.ss_family == AF_INET ? reinterpret_cast<const sockaddr_in*>(&storage)->sin_port
                                         : reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port);
  const std::string host = Numeric(address());
  return (storage.ss_family == AF_INET ? host : "[" + host + "]") + ":" + std::to_string(port);
}

std::string Candidates::Encode() const {
  ByteWriter writer;
  writer.Put(kLinkVersion)
      .PutString(host_identity)
      .PutString(room)
      .PutString(process)
      .Put(static_cast<uint32_t>(list.size()));
  for (const Candidate& candidate : list) writer.Put(candidate.kind).Put(candidate.port).PutString(candidate.host);
  return writer.Take();
}

arrow::Result<Candidates> Candidates::Decode(std::string_view bytes) {
  ByteReader reader(bytes);
  ARROW_ASSIGN_OR_RAISE(const auto version, reader.Get<uint8_t>());
  if (version != kLinkVersion) {
    return arrow::Status::Invalid("speaks version ", int{version}, " of the link protocol and this rank version ",
                                  int{kLinkVersion}, "; run the same version of weft on all ranks");
  }
  Candidates candidates;
  ARROW_ASSIGN_OR_RAISE(const auto identity, reader.GetString());
  candidates.host_identity = identity;
  ARROW_ASSIGN_OR_RAISE(const auto room, reader.GetString());
  candidates.room = room;
  ARROW_ASSIGN_OR_RAISE(const auto process, reader.GetString());
  candidates.process = process;
  ARROW_ASSIGN_OR_RAISE(const auto count, reader.Get<uint32_t>());
  if (count > kMaxCandidates) return arrow::Status::Invalid("has too many addresses: ", count);
  for (uint32_t i = 0; i < count; ++i) {
    Candidate candidate;
    ARROW_ASSIGN_OR_RAISE(candidate.kind, reader.Get<CandidateKind>());
    ARROW_ASSIGN_OR_RAISE(candidate.port, reader.Get<uint16_t>());
    ARROW_ASSIGN_OR_RAISE(const auto host, reader.GetString());
    candidate.host = host;
    if (candidate.kind == CandidateKind::kLoopback || candidate.kind == CandidateKind::kHost) {
      candidates.list.push_back(std::move(candidate));
    }
  }
  ARROW_RETURN_NOT_OK(reader.Finish());
  return candidates;
}

arrow::Result<Candidates> GatherCandidates(uint16_t port, const std::string& advertise) {
  Candidates candidates;
  candidates.host_identity = HostIdentity();
  if (!advertise.empty()) {
    ARROW_ASSIGN_OR_RAISE(Candidate named, ParseAdvertised(advertise, port));
    const bool loopback = named.kind == CandidateKind::kLoopback;
    candidates.list.push_back(std::move(named));
    if (loopback) return candidates;
  } else {
    for (std::string& host : InterfaceAddresses()) {
      if (candidates.list.size() + 1 < kMaxCandidates) candidates.list.push_back({CandidateKind::kHost, host, port});
    }
  }
  candidates.list.push_back({CandidateKind::kLoopback, "127.0.0.1", port});
  return candidates;
}

bool SameHost(const Candidates& a, const Candidates& b) {
  return !a.host_identity.empty() && a.host_identity == b.host_identity;
}

std::vector<Candidate> Dialable(const Candidates& own, const Candidates& peer) {
  const bool same_host = SameHost(own, peer);
  std::vector<Candidate> chosen;
  for (const Candidate& candidate : peer.list) {
    if ((candidate.kind == CandidateKind::kLoopback) == same_host) chosen.push_back(candidate);
  }
  return chosen.empty() ? peer.list : chosen;
}

bool OnThisHost(int descriptor) {
  sockaddr_storage here = {};
  sockaddr_storage there = {};
  socklen_t here_size = sizeof(here);
  socklen_t there_size = sizeof(there);
  if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&here), &here_size) != 0 ||
      ::getpeername(descriptor, reinterpret_cast<sockaddr*>(&there), &there_size) != 0 ||
      here.ss_family != there.ss_family) {
    return false;
  }
  if (here.ss_family == AF_INET6) {
    const auto& a = reinterpret_cast<const sockaddr_in6&>(here).sin6_addr;
    const auto& b = reinterpret_cast<const sockaddr_in6&>(there).sin6_addr;
    return std::memcmp(&a, &b, sizeof(a)) == 0;
  }
  return here.ss_family == AF_INET && reinterpret_cast<const sockaddr_in&>(here).sin_addr.s_addr ==
                                          reinterpret_cast<const sockaddr_in&>(there).sin_addr.s_addr;
}

}  // namespace weft::tcp
