// Where a rank can be reached: its candidates, as they are published in the store.
#pragma once

#include <arrow/result.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft::tcp {

/// A socket address, IPv4 or IPv6.
struct Endpoint {
  sockaddr_storage storage = {};
  socklen_t size = 0;

  /// `host` is a numeric address or a name; the first address that a name has is taken.
  static arrow::Result<Endpoint> Resolve(const std::string& host, uint16_t port);
  const sockaddr* address() const { return reinterpret_cast<const sockaddr*>(&storage); }
  std::string ToString() const;
};

enum class CandidateKind : uint8_t {
  kLoopback = 1,  // reaches this rank only from the same network namespace of the same host
  kHost = 2,
};

struct Candidate {
  CandidateKind kind = CandidateKind::kHost;
  std::string host;  // numeric, or the name that was advertised
  uint16_t port = 0;
};

struct Candidates {
  /// Equal for two ranks where, and only where, loopback leads from one to the other.
  std::string host_identity;
  std::vector<Candidate> list;
  /// The room at the rendezvous server where this rank can be paired; empty where there is none.
  std::string room = {};
  /// By which peers on the same host see it end; see ProcessWatch.
  std::string process = {};

  std::string Encode() const;
  /// Kinds that this version does not know are left out. A value of another version is Status::Invalid and says so.
  static arrow::Result<Candidates> Decode(std::string_view bytes);
};

/// The candidates of a rank that listens on `port`. `advertise` is empty or ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT,
/// and then stands in place of this host's addresses (one that
/// is a loopback address: in place of the others of that kind too).
arrow::Result<Candidates> GatherCandidates(uint16_t port, const std::string& advertise);

/// 127.0.0.0/8 or ::1.
bool IsLoopback(const sockaddr* address);

/// Whether the other end of a connection has the address of this one.
bool OnThisHost(int descriptor);

/// Loopback leads from one to the other.
bool SameHost(const Candidates& a, const Candidates& b);

/// What is worth dialing: loopback alone on the same host, else all but loopback; all where that leaves nothing.
std::vector<Candidate> Dialable(const Candidates& own, const Candidates& peer);

}  // namespace weft::tcp
