// weft-rendezvous: the rendezvous server as a program of its own, for a public address.
#include <signal.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "weft/rendezvous/endpoint.h"
#include "weft/rendezvous/event_log.h"
#include "weft/rendezvous/limit_options.h"
#include "weft/rendezvous/server.h"

namespace {

using weft::rendezvous::Event;

constexpr int kUsageError = 2;
constexpr size_t kMaxKeyBytes = 4096;

constexpr const char* kKeyVariable = "WEFT_RENDEZVOUS_KEY";
constexpr double kLongestDrain = 24 * 3600;

constexpr const char* kUsage = R"(usage: weft-rendezvous --listen ADDRESS:PORT [--key-file FILE] [--open] [option ...]

The server through which the ranks of Weft jobs find each other. It prints the address it is bound to on one line of
standard output (and with --http-listen that address on a second one), and serves until SIGINT or SIGTERM. SIGHUP reads
keys and certificate again, for connections that come from then on.

  --listen ADDRESS:PORT       where to listen: 0.0.0.0:7070 or [::]:7070 are all addresses, port 0 is any free port
  --key-file FILE             file with the admission key; white space around it is left out. Given again: another key
                              that admits as well, while keys are being changed
  --open                      admit anyone: without a key, only loopback addresses are listened on unless this is given
  --tls-certificate FILE      PEM file with a certificate and its chain: speak TLS 1.3, and nothing else
  --tls-key FILE              PEM file with its private key
  --http-listen ADDRESS:PORT  answer GET /metrics (Prometheus), /healthz and /readyz there; default: nowhere
  --drain TIME                at the end, let what is relayed go on for so long; default: 0
  --version                   print the version
  --help                      print this

Limits (N is a whole number, BYTES 4096, 64MiB or 2GB, TIME 90, 1.5s, 500ms, 10min or 2h):
)";

constexpr const char* kUsageEnd = R"(
WEFT_RENDEZVOUS_KEY is the admission key, or WEFT_RENDEZVOUS_KEY_FILE names its file, where no --key-file is given.
WEFT_LOG=debug|info|warning|error|off chooses what is logged to standard error, as key=value pairs.
)";

struct Arguments {
  std::string listen;
  std::vector<std::string> key_files;
  std::string tls_certificate;
  std::string tls_key;
  std::string http_listen;
  std::string drain;
  weft::RendezvousLimits limits;
  bool open = false;
  bool help = false;
  bool version = false;
};

void PrintUsage() {
  std::fputs(kUsage, stdout);
  const weft::RendezvousLimits limits;
  for (const auto& option : weft::rendezvous::LimitOptions()) {
    const std::string name = std::string("--") + option.name + " " + option.unit;
    const std::string standard = weft::rendezvous::LimitText(option, option.get(limits));
    std::printf("  %-37s %s (%s)\n", name.c_str(), option.help, standard.c_str());
  }
  std::fputs(kUsageEnd, stdout);
}

int Fail(int code, const std::string& text) {
  std::fprintf(stderr, "weft-rendezvous: %s\n", text.c_str());
  if (code == kUsageError) std::fprintf(stderr, "Try 'weft-rendezvous --help'.\n");
  return code;
}

/// Takes an option that has a value. False where there is none of that name; `wrong` is what is wrong with the value.
bool TakeValue(const std::string& name, const std::string& value, Arguments* arguments, std::string* wrong) {
  std::string* const single = name == "--listen"            ? &arguments->listen
                              : name == "--tls-certificate" ? &arguments->tls_certificate
                              : name == "--tls-key"         ? &arguments->tls_key
                              : name == "--http-listen"     ? &arguments->http_listen
                              : name == "--drain"           ? &arguments->drain
                                                            : nullptr;
  const auto* limit = name.starts_with("--") ? weft::rendezvous::FindLimitOption(name.substr(2)) : nullptr;
  if (single == nullptr && limit == nullptr && name != "--key-file") return false;
  if (value.empty()) {
    *wrong = name + " needs a value";
  } else if (single != nullptr) {
    *single = value;
  } else if (limit != nullptr) {
    const auto status = weft::rendezvous::SetLimit(*limit, value, &arguments->limits);
    if (!status.ok()) *wrong = status.message();
  } else {
    arguments->key_files.push_back(value);
  }
  return true;
}

bool TakeFlag(const std::string& name, Arguments* arguments) {
  bool* const flag = name == "--open"                   ? &arguments->open
                     : name == "--help" || name == "-h" ? &arguments->help
                     : name == "--version"              ? &arguments->version
                                                        : nullptr;
  if (flag != nullptr) *flag = true;
  return flag != nullptr;
}

/// Empty, or what is wrong.
std::string Parse(int argc, char** argv, Arguments* arguments) {
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (TakeFlag(argument, arguments)) continue;
    const size_t equals = argument.find('=');
    const bool has_value = equals != std::string::npos;
    const std::string name = argument.substr(0, equals);
    const std::string value = has_value ? argument.substr(equals + 1) : i + 1 < argc ? argv[i + 1] : "";
    std::string wrong;
    if (!TakeValue(name, value, arguments, &wrong)) return "unknown argument '" + argument + "'";
    if (!wrong.empty()) return wrong;
    if (!has_value) ++i;
  }
  if (arguments->help || arguments->version) return "";
  if (arguments->listen.empty()) return "--listen ADDRESS:PORT is missing";
  if (arguments->open && !arguments->key_files.empty()) return "--open and --key-file exclude each other";
  return "";
}

/// Empty, or what is wrong.
std::string ReadKey(const std::string& path, std::string* key) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return "the key file '" + path + "' cannot be read: " + std::strerror(errno);
  key->assign(std::istreambuf_iterator<char>(file), {});
  if (file.bad()) return "the key file '" + path + "' cannot be read";
  constexpr const char* kSpace = " \t\r\n";
  key->erase(0, std::min(key->find_first_not_of(kSpace), key->size()));
  key->erase(key->find_last_not_of(kSpace) + 1);
  if (key->empty()) return "the key file '" + path + "' holds no key";
  if (key->size() > kMaxKeyBytes) return "the key file '" + path + "' holds more than 4096 bytes";
  return "";
}

/// Thousands of clients need as many file descriptors.
void RaiseFileLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// Empty, or what is wrong. Of the files, or where none is given of the environment.
std::string ReadKeys(const Arguments& arguments, weft::RendezvousServerOptions* options) {
  std::vector<std::string> files = arguments.key_files;
  if (files.empty() && !arguments.open) {
    if (const char* key = std::getenv(kKeyVariable); key != nullptr && *key != '\0') {
      options->key = key;
      return "";
    }
    const char* file = std::getenv((std::string(kKeyVariable) + "_FILE").c_str());
    if (file != nullptr && *file != '\0') files.emplace_back(file);
  }
  for (const std::string& file : files) {
    std::string key;
    const std::string wrong = ReadKey(file, &key);
    if (!wrong.empty()) return wrong;
    if (options->key.empty()) {
      options->key = key;
    } else {
      options->more_keys.push_back(key);
    }
  }
  return "";
}

/// Until a signal that ends the server; SIGHUP renews what can be renewed.
int ServeUntilSignal(const Arguments& arguments, weft::RendezvousServer* server, const sigset_t& signals) {
  for (;;) {
    int signal = 0;
    ::sigwait(&signals, &signal);
    if (signal != SIGHUP) return signal;
    weft::RendezvousServerOptions options;
    options.tls_certificate = arguments.tls_certificate;
    options.tls_key = arguments.tls_key;
    std::string wrong = ReadKeys(arguments, &options);
    if (wrong.empty()) {
      const auto status = server->Renew(options);
      if (!status.ok()) wrong = status.message();
    }
    if (wrong.empty()) {
      Event(weft::LogLevel::kInfo, "renewed").With("keys", options.more_keys.size() + (options.key.empty() ? 0 : 1));
    } else {
      Event(weft::LogLevel::kError, "not-renewed").With("cause", wrong);
    }
  }
}

int Serve(const Arguments& arguments) {
  weft::RendezvousServerOptions options;
  const auto endpoint = weft::ParseEndpoint(arguments.listen);
  if (!endpoint.ok()) return Fail(kUsageError, endpoint.status().message());
  options.host = endpoint->host;
  options.port = endpoint->port;
  options.open = arguments.open;
  options.limits = arguments.limits;
  options.tls_certificate = arguments.tls_certificate;
  options.tls_key = arguments.tls_key;
  if (!arguments.http_listen.empty()) {
    const auto http = weft::ParseEndpoint(arguments.http_listen);
    if (!http.ok()) return Fail(kUsageError, "--http-listen: " + http.status().message());
    options.http = *http;
  }
  const auto drain = weft::rendezvous::ReadTime(arguments.drain.empty() ? "0" : arguments.drain);
  if (!drain.has_value() || weft::Seconds(*drain) > kLongestDrain) {
    return Fail(kUsageError, "--drain: '" + arguments.drain + "' is no time of at most a day: write 90, 1.5s or 10min");
  }
  const std::string wrong = ReadKeys(arguments, &options);
  if (!wrong.empty()) return Fail(1, wrong);
  RaiseFileLimit();
  // Before any thread is started, so that no thread but this one can be given them.
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&signals, signal);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  auto server = weft::RendezvousServer::Start(options);
  if (!server.ok()) return Fail(1, server.status().message());
  std::printf("%s\n", (*server)->address().c_str());
  if (options.http.has_value()) std::printf("%s\n", (*server)->http_address().c_str());
  std::fflush(stdout);
  Event(weft::LogLevel::kInfo, "started")
      .With("version", WEFT_VERSION)
      .With("address", (*server)->address())
      .With("http", (*server)->http_address())
      .With("tls", options.tls_key.empty() ? "off" : "on")
      .With("keys", options.more_keys.size() + (options.key.empty() ? 0 : 1));
  const int signal = ServeUntilSignal(arguments, server->get(), signals);
  Event(weft::LogLevel::kInfo, "stopping").With("signal", signal);
  (*server)->Stop(*drain);
  Event(weft::LogLevel::kInfo, "stopped");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  const std::string wrong = Parse(argc, argv, &arguments);
  if (!wrong.empty()) return Fail(kUsageError, wrong);
  if (arguments.help) {
    PrintUsage();
    return 0;
  }
  if (arguments.version) {
    std::printf("weft-rendezvous %s\n", WEFT_VERSION);
    return 0;
  }
  return Serve(arguments);
}
