// weft-rendezvous: the rendezvous server as a program of its own, for a public address.
#include <signal.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

#include "weft/base/logging.h"
#include "weft/rendezvous/endpoint.h"
#include "weft/rendezvous/server.h"

namespace {

constexpr int kUsageError = 2;
constexpr size_t kMaxKeyBytes = 4096;

constexpr const char* kUsage =
    "usage: weft-rendezvous --listen ADDRESS:PORT [--key-file FILE] [--open]\n"
    "\n"
    "The server through which the ranks of Weft jobs find each other. It prints the address it is bound to on one "
    "line\n"
    "of standard output and serves until SIGINT or SIGTERM.\n"
    "\n"
    "  --listen ADDRESS:PORT  where to listen: 0.0.0.0:7070 or [::]:7070 are all addresses, port 0 is any free port\n"
    "  --key-file FILE        file with the admission key; white space around it is left out\n"
    "  --open                 admit anyone: without a key, only loopback addresses are listened on unless this is "
    "given\n"
    "  --version              print the version\n"
    "  --help                 print this\n"
    "\n"
    "WEFT_LOG=debug|info|warning|error|off chooses what is logged to standard error.\n";

struct Arguments {
  std::string listen;
  std::string key_file;
  bool open = false;
  bool help = false;
  bool version = false;
};

int Fail(int code, const std::string& text) {
  std::fprintf(stderr, "weft-rendezvous: %s\n", text.c_str());
  if (code == kUsageError) std::fprintf(stderr, "Try 'weft-rendezvous --help'.\n");
  return code;
}

/// Empty, or what is wrong.
std::string Parse(int argc, char** argv, Arguments* arguments) {
  for (int i = 1; i < argc; ++i) {
    std::string name = argv[i];
    std::string* value = nullptr;
    std::string given;
    bool has_given = false;
    if (const size_t equals = name.find('='); equals != std::string::npos) {
      given = name.substr(equals + 1);
      name.resize(equals);
      has_given = true;
    }
    if (name == "--listen") value = &arguments->listen;
    if (name == "--key-file") value = &arguments->key_file;
    if (value != nullptr) {
      if (!has_given && i + 1 >= argc) return name + " needs a value";
      *value = has_given ? given : argv[++i];
      if (value->empty()) return name + " needs a value";
      continue;
    }
    if (name == "--open" && !has_given) {
      arguments->open = true;
    } else if ((name == "--help" || name == "-h") && !has_given) {
      arguments->help = true;
    } else if (name == "--version" && !has_given) {
      arguments->version = true;
    } else {
      return "unknown argument '" + std::string(argv[i]) + "'";
    }
  }
  if (arguments->help || arguments->version) return "";
  if (arguments->listen.empty()) return "--listen ADDRESS:PORT is missing";
  if (arguments->open && !arguments->key_file.empty()) return "--open and --key-file exclude each other";
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

int Serve(const Arguments& arguments) {
  weft::RendezvousServerOptions options;
  const auto endpoint = weft::ParseEndpoint(arguments.listen);
  if (!endpoint.ok()) return Fail(kUsageError, endpoint.status().message());
  options.host = endpoint->host;
  options.port = endpoint->port;
  options.open = arguments.open;
  if (!arguments.key_file.empty()) {
    const std::string wrong = ReadKey(arguments.key_file, &options.key);
    if (!wrong.empty()) return Fail(1, wrong);
  }
  RaiseFileLimit();
  // Before any thread is started, so that no thread but this one can be given them.
  sigset_t ends;
  ::sigemptyset(&ends);
  ::sigaddset(&ends, SIGINT);
  ::sigaddset(&ends, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  auto server = weft::RendezvousServer::Start(options);
  if (!server.ok()) return Fail(1, server.status().message());
  std::printf("%s\n", (*server)->address().c_str());
  std::fflush(stdout);
  int signal = 0;
  ::sigwait(&ends, &signal);
  WEFT_LOG(kInfo, "rendezvous: stopping on signal " << signal);
  (*server)->Stop();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  const std::string wrong = Parse(argc, argv, &arguments);
  if (!wrong.empty()) return Fail(kUsageError, wrong);
  if (arguments.help) {
    std::fputs(kUsage, stdout);
    return 0;
  }
  if (arguments.version) {
    std::printf("weft-rendezvous %s\n", WEFT_VERSION);
    return 0;
  }
  return Serve(arguments);
}
