#include "weft/rendezvous/metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string_view>
#include <vector>

namespace weft::rendezvous {
namespace {

constexpr std::array<const char*, 6> kStates = {"hello", "proof", "serving", "parked", "relaying", "leaving"};

struct RequestName {
  MessageType type;
  const char* name;
};
constexpr std::array<RequestName, 12> kRequests = {{{MessageType::kSet, "set"},
                                                    {MessageType::kCompareAndSet, "compare_and_set"},
                                                    {MessageType::kGet, "get"},
                                                    {MessageType::kAdd, "add"},
                                                    {MessageType::kWait, "wait"},
                                                    {MessageType::kDelete, "delete"},
                                                    {MessageType::kCancel, "cancel"},
                                                    {MessageType::kEnter, "enter"},
                                                    {MessageType::kAsk, "ask"},
                                                    {MessageType::kRest, "rest"},
                                                    {MessageType::kRelay, "relay"},
                                                    {MessageType::kPong, "pong"}}};

class Text {
 public:
  void Family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    text_.append("# HELP ").append(name).append(" ").append(help).append("\n# TYPE ");
    text_.append(name).append(" ").append(type).append("\n");
  }
  void Sample(std::string_view labels, const std::string& value) {
    text_.append(name_);
    if (!labels.empty()) text_.append("{").append(labels).append("}");
    text_.append(" ").append(value).append("\n");
  }
  void Labelled(std::string_view label, std::string_view of, int64_t value) {
    std::string labels(label);
    labels.append("=\"").append(of).append("\"");
    Sample(labels, std::to_string(value));
  }
  void One(std::string_view name, std::string_view type, std::string_view help, int64_t value) {
    Family(name, type, help);
    Sample("", std::to_string(value));
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string name_;
  std::string text_;
};

void Connections(const ServerMetrics& metrics, Text* text) {
  const ServerCounters& counters = metrics.counters;
  text->Family("weft_rendezvous_connections", "gauge", "Connections by state.");
  for (size_t state = 0; state < kStates.size(); ++state) {
    text->Labelled("state", kStates[state], metrics.connections[state]);
  }
  text->One("weft_rendezvous_max_connections", "gauge", "The limit on connections.", metrics.max_connections);
  text->One("weft_rendezvous_accepted_total", "counter", "Connections that came in.", counters.accepted);
  text->One("weft_rendezvous_admitted_total", "counter", "Clients that were admitted.", counters.admitted);
  text->Family("weft_rendezvous_refused_total", "counter", "Clients that were told why they are refused, by reason.");
  for (size_t code = 1; code < counters.refused.size(); ++code) {
    text->Labelled("reason", RefusalName(static_cast<RefusalCode>(code)), counters.refused[code]);
  }
  text->Family("weft_rendezvous_dropped_total", "counter", "Connections that were closed without a word, by reason.");
  text->Labelled("reason", "backlog", counters.dropped_backlog);
  text->Labelled("reason", "slow-reader", counters.dropped_slow);
  text->Labelled("reason", "evicted", counters.evicted);
  text->Family("weft_rendezvous_requests_total", "counter", "Requests of admitted clients, by type.");
  for (const auto& [type, name] : kRequests) {
    text->Labelled("type", name, counters.requests[static_cast<size_t>(type)]);
  }
  text->One("weft_rendezvous_output_backlog_bytes", "gauge", "Replies that clients have not taken.",
            metrics.backlog_bytes);
  text->One("weft_rendezvous_tls_handshakes_total", "counter", "TLS handshakes that were completed.",
            counters.tls.handshakes);
  text->One("weft_rendezvous_tls_failures_total", "counter", "TLS handshakes that failed.", counters.tls.failures);
}

void Services(const ServerMetrics& metrics, Text* text) {
  text->One("weft_rendezvous_store_jobs", "gauge", "Jobs that have keys in the store.", metrics.jobs);
  text->One("weft_rendezvous_store_keys", "gauge", "Keys in the store.", metrics.keys);
  text->One("weft_rendezvous_store_bytes", "gauge", "Bytes of the store.", metrics.bytes);
  text->One("weft_rendezvous_waits", "gauge", "Waits for keys that are under way.", metrics.waits);
  text->One("weft_rendezvous_rooms", "gauge", "Rooms: one for each epoch of a job that has ranks here.", metrics.rooms);
  text->One("weft_rendezvous_members", "gauge", "Ranks in rooms.", metrics.members);
  text->One("weft_rendezvous_asks_total", "counter", "Peers that ranks asked to be paired with.", metrics.asks);
  text->One("weft_rendezvous_gos_total", "counter", "Pairs that were told to open their links.", metrics.gos);
  text->Family("weft_rendezvous_members_gone_total", "counter", "Ranks that left their room, by reason.");
  text->Labelled("reason", "ended", metrics.members_ended);
  text->Labelled("reason", "silent", metrics.members_silent);
  text->One("weft_rendezvous_relay_parked", "gauge", "Connections that wait for their peer's to be relayed.",
            metrics.relay_parked);
  text->One("weft_rendezvous_relay_pairs", "gauge", "Pairs that are relayed.", metrics.relay_pairs);
  text->One("weft_rendezvous_relay_pairs_total", "counter", "Pairs that were relayed.", metrics.relay_pairs_in_all);
  text->One("weft_rendezvous_relay_bytes_total", "counter", "Bytes that were relayed, both ways.", metrics.relay_bytes);
  text->One("weft_rendezvous_http_requests_total", "counter", "Requests to this port.", metrics.http_requests);
  text->One("weft_rendezvous_http_dropped_total", "counter", "Connections to this port that were closed unanswered.",
            metrics.http_dropped);
}

std::string Decimal(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.6f", value);
  return text;
}

int64_t OpenFiles() {
  DIR* folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) return -1;
  int64_t count = -3;  // two that every folder has, and the one that is being read
  while (::readdir(folder) != nullptr) ++count;
  ::closedir(folder);
  return count;
}

/// Under the names that Prometheus' own clients use.
void Process(Text* text) {
  static const double began =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  text->Family("process_start_time_seconds", "gauge", "When the server began, in seconds since 1970.");
  text->Sample("", Decimal(began));
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) == 0) {
    const auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
    };
    text->Family("process_cpu_seconds_total", "counter", "Time on processors.");
    text->Sample("", Decimal(seconds(usage.ru_utime) + seconds(usage.ru_stime)));
  }
  int64_t pages = 0, resident = 0;
  if (std::ifstream("/proc/self/statm") >> pages >> resident) {
    text->One("process_resident_memory_bytes", "gauge", "Memory in use.", resident * ::sysconf(_SC_PAGESIZE));
  }
  if (const int64_t open = OpenFiles(); open >= 0) {
    text->One("process_open_fds", "gauge", "Open file descriptors.", open);
  }
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    text->One("process_max_fds", "gauge", "The limit on open file descriptors.", static_cast<int64_t>(limit.rlim_cur));
  }
}

}  // namespace

std::string RenderMetrics(const ServerMetrics& metrics) {
  Text text;
  text.Family("weft_rendezvous_build_info", "gauge", "The version of this server.");
  text.Sample("version=\"" WEFT_VERSION "\",protocol=\"" + std::to_string(kVersion) + "\"", "1");
  Connections(metrics, &text);
  Services(metrics, &text);
  Process(&text);
  return text.Take();
}

}  // namespace weft::rendezvous
