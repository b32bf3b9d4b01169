// What the rendezvous server counts, and how Prometheus reads it.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "weft/rendezvous/protocol.h"

namespace weft::rendezvous {

struct TlsCounts {
  int64_t handshakes = 0;
  int64_t failures = 0;
};

/// Since the server began. Of the server's thread alone.
struct ServerCounters {
  int64_t accepted = 0;
  int64_t admitted = 0;
  int64_t evicted = 0;  // closed in the greeting, to make room
  int64_t dropped_backlog = 0;
  int64_t dropped_slow = 0;
  std::array<int64_t, 8> refused{};    // by RefusalCode
  std::array<int64_t, 32> requests{};  // by MessageType
  TlsCounts tls;

  void CountRequest(MessageType type) {
    if (static_cast<size_t>(type) < requests.size()) ++requests[static_cast<size_t>(type)];
  }
};

/// The server at one moment.
struct ServerMetrics {
  ServerCounters counters;
  /// By ServerSession::State, without the last one (closed).
  std::array<int64_t, 6> connections{};
  int64_t max_connections = 0;
  int64_t backlog_bytes = 0;
  int64_t jobs = 0;
  int64_t keys = 0;
  int64_t bytes = 0;
  int64_t waits = 0;
  int64_t rooms = 0;
  int64_t members = 0;
  int64_t asks = 0;
  int64_t gos = 0;
  int64_t members_ended = 0;
  int64_t members_silent = 0;
  int64_t relay_parked = 0;
  int64_t relay_pairs = 0;
  int64_t relay_pairs_in_all = 0;
  int64_t relay_bytes = 0;
  int64_t http_requests = 0;
  int64_t http_dropped = 0;
};

/// Prometheus' text format, version 0.0.4; also the process's own figures as far as /proc has them.
std::string RenderMetrics(const ServerMetrics& metrics);

}  // namespace weft::rendezvous
