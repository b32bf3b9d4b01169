#include "weft/rendezvous/limit_options.h"

#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstring>

namespace weft::rendezvous {
namespace {

constexpr int64_t kMilliseconds = 1;
constexpr int64_t kSeconds = 1000 * kMilliseconds;
constexpr int64_t kHours = 3600 * kSeconds;
constexpr int64_t kDays = 24 * kHours;
constexpr int64_t kKiB = 1 << 10;
constexpr int64_t kMiB = kKiB << 10;
constexpr int64_t kGiB = kMiB << 10;
constexpr int64_t kMost = int64_t{1} << 60;

Duration ToDuration(int64_t milliseconds) { return std::chrono::milliseconds(milliseconds); }
int64_t FromDuration(Duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

#define WEFT_NUMBER(field)                                                \
  [](const RendezvousLimits& limits) -> int64_t { return limits.field; }, \
      [](RendezvousLimits* limits, int64_t value) { limits->field = static_cast<decltype(limits->field)>(value); }
#define WEFT_TIME(field)                                                                \
  [](const RendezvousLimits& limits) -> int64_t { return FromDuration(limits.field); }, \
      [](RendezvousLimits* limits, int64_t value) { limits->field = ToDuration(value); }

constexpr std::array kOptions = {
    LimitOption{"max-connections", "N", "connections in all", 1, 1'000'000, WEFT_NUMBER(connections)},
    LimitOption{"max-connections-per-address", "N", "connections of one IPv4 address or IPv6 /64", 1, 1'000'000,
                WEFT_NUMBER(connections_per_address)},
    LimitOption{"authenticate-timeout", "TIME", "from connecting to being admitted", 100, kHours,
                WEFT_TIME(authenticate)},
    LimitOption{"frame-timeout", "TIME", "from a message's first byte to its last", 100, kHours, WEFT_TIME(frame)},
    LimitOption{"idle-timeout", "TIME", "of a connection without a request under way", 100, 365 * kDays,
                WEFT_TIME(idle)},
    LimitOption{"write-timeout", "TIME", "for a client to take 256 KiB of replies", 100, kHours, WEFT_TIME(write)},
    LimitOption{"max-output", "BYTES", "of replies that a client has not taken", kMiB, kGiB, WEFT_NUMBER(output_bytes)},
    LimitOption{"max-waits-per-connection", "N", "waits for keys that are under way", 1, 1'000'000,
                WEFT_NUMBER(waits_per_connection)},
    LimitOption{"max-jobs", "N", "jobs that have keys in the store", 1, kMost, WEFT_NUMBER(table.jobs)},
    LimitOption{"max-keys-per-job", "N", "keys of one job", 1, kMost, WEFT_NUMBER(table.keys_per_job)},
    LimitOption{"max-bytes-per-job", "BYTES", "keys and values of one job", kKiB, kMost,
                WEFT_NUMBER(table.bytes_per_job)},
    LimitOption{"max-store", "BYTES", "keys and values of all jobs", kKiB, kMost, WEFT_NUMBER(table.bytes)},
    LimitOption{"max-time-to-live", "TIME", "of a key; longer ones are cut", kSeconds, 7 * kDays,
                WEFT_TIME(table.time_to_live)},
    LimitOption{"max-rooms", "N", "epochs of jobs that have ranks here", 1, 1'000'000, WEFT_NUMBER(rooms)},
    LimitOption{"max-rooms-per-address", "N", "of them opened by one IPv4 address or IPv6 /64", 1, 1'000'000,
                WEFT_NUMBER(rooms_per_address)},
    LimitOption{"max-world-size", "N", "ranks of one job", 1, 1'000'000, WEFT_NUMBER(world)},
    LimitOption{"relay-pairs", "N", "pairs of ranks that are relayed; 0: none", 0, 1'000'000, WEFT_NUMBER(relay.pairs)},
    LimitOption{"relay-pairs-per-job", "N", "of them of one epoch of a job", 0, 1'000'000,
                WEFT_NUMBER(relay.pairs_per_room)},
    LimitOption{"relay-quota-per-job", "BYTES", "relayed for one epoch of a job, both ways", 1, kMost,
                WEFT_NUMBER(relay.bytes_per_room)},
    LimitOption{"relay-rate-per-job", "BYTES", "relayed a second, both ways; 0: as fast as it goes", 0, kMost,
                WEFT_NUMBER(relay.bytes_per_second_per_room)},
    LimitOption{"relay-buffer", "BYTES", "read ahead of a slow reader, each way of a pair", kKiB, 64 * kMiB,
                WEFT_NUMBER(relay.buffer_bytes)},
    LimitOption{"relay-wait", "TIME", "for the other rank of a pair to come", 100, kHours, WEFT_TIME(relay.wait)},
    LimitOption{"relay-idle", "TIME", "of a relayed pair without a byte", kSeconds, 365 * kDays, WEFT_TIME(relay.idle)},
};

#undef WEFT_NUMBER
#undef WEFT_TIME

struct Unit {
  std::string_view name;
  double scale;
};
constexpr std::array<Unit, 10> kSizes = {{{"", 1.0},
                                          {"B", 1.0},
                                          {"KB", 1e3},
                                          {"MB", 1e6},
                                          {"GB", 1e9},
                                          {"TB", 1e12},
                                          {"KIB", 1024.0},
                                          {"MIB", 1048576.0},
                                          {"GIB", 1073741824.0},
                                          {"TIB", 1099511627776.0}}};
constexpr std::array<Unit, 6> kTimes = {{{"", 1e3}, {"MS", 1.0}, {"S", 1e3}, {"M", 6e4}, {"MIN", 6e4}, {"H", 3.6e6}}};

bool Is(const LimitOption& option, const char* unit) { return std::strcmp(option.unit, unit) == 0; }

/// A number and one of the units; false where it is none.
bool Read(std::string_view text, std::span<const Unit> units, double* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  if (error != std::errc() || !std::isfinite(*value)) return false;
  std::string unit;
  for (const char c : text.substr(static_cast<size_t>(end - text.data()))) {
    if (c != ' ') unit += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  for (const auto& [name, scale] : units) {
    if (unit != name) continue;
    *value *= scale;
    return true;
  }
  return false;
}

}  // namespace

std::span<const LimitOption> LimitOptions() { return kOptions; }

const LimitOption* FindLimitOption(std::string_view name) {
  for (const LimitOption& option : kOptions) {
    if (option.name == name) return &option;
  }
  return nullptr;
}

std::optional<Duration> ReadTime(const std::string& text) {
  double milliseconds = 0;
  const bool read = Read(text, kTimes, &milliseconds) && milliseconds >= 0 && milliseconds < 1e15;
  return read ? std::optional(ToDuration(static_cast<int64_t>(milliseconds))) : std::nullopt;
}

std::string LimitText(const LimitOption& option, int64_t value) {
  if (Is(option, "TIME")) {
    if (value % kHours == 0) return std::to_string(value / kHours) + "h";
    if (value % (60 * kSeconds) == 0) return std::to_string(value / (60 * kSeconds)) + "min";
    return value % kSeconds == 0 ? std::to_string(value / kSeconds) + "s" : std::to_string(value) + "ms";
  }
  if (Is(option, "BYTES") && value > 0) {
    if (value % kGiB == 0) return std::to_string(value / kGiB) + "GiB";
    if (value % kMiB == 0) return std::to_string(value / kMiB) + "MiB";
    if (value % kKiB == 0) return std::to_string(value / kKiB) + "KiB";
  }
  return std::to_string(value);
}

arrow::Status SetLimit(const LimitOption& option, const std::string& text, RendezvousLimits* limits) {
  double value = 0;
  bool read = false;
  const char* form = "is no whole number";
  if (Is(option, "TIME")) {
    form = "is no time: write 90, 1.5s, 500ms, 10min or 2h";
    read = Read(text, kTimes, &value);
  } else if (Is(option, "BYTES")) {
    form = "is no size: write 4096, 64MiB or 2GB";
    read = Read(text, kSizes, &value);
  } else {
    read = Read(text, std::span(kSizes).first(1), &value) && value == std::floor(value);
  }
  if (!read) return arrow::Status::Invalid("--", option.name, ": '", text, "' ", form);
  if (value < static_cast<double>(option.least)) {
    return arrow::Status::Invalid("--", option.name, ": ", text, " is below ", LimitText(option, option.least));
  }
  if (value > static_cast<double>(option.most)) {
    return arrow::Status::Invalid("--", option.name, ": ", text, " is above ", LimitText(option, option.most));
  }
  option.set(limits, static_cast<int64_t>(value));
  return arrow::Status::OK();
}

}  // namespace weft::rendezvous
