// A redis-server of the test's own, on a free port of loopback.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

namespace weft {

/// Asks for the password that it is given, by the user `weft` and by no user. Ended with its files by the destructor,
/// and by the kernel where the test itself is killed.
class RedisServer {
 public:
  static constexpr const char* kPassword = "p@ss:/w%rd";
  static constexpr const char* kEncoded = "p%40ss%3A%2Fw%25rd";

  static bool Found() { return std::system("command -v redis-server >/dev/null 2>&1") == 0; }

  explicit RedisServer(bool tls = false) : tls_(tls), port_(FreePort()) {
    char folder[] = "/tmp/weft-redis-XXXXXX";
    folder_ = ::mkdtemp(folder);
    std::ofstream config(folder_ + "/redis.conf");
    config << (tls ? "port 0\ntls-port " : "port ") << port_ << "\nbind 127.0.0.1\ndatabases 2000\nsave \"\"\n"
           << "requirepass \"" << kPassword << "\"\nuser weft on \">" << kPassword << "\" ~* &* +@all\n"
           << "dir " << folder_ << "\nlogfile log\n";
    if (tls) {
      MakeCertificates();
      config << "tls-cert-file server.crt\ntls-key-file server.key\ntls-ca-cert-file ca.crt\ntls-auth-clients no\n";
    }
  }
  ~RedisServer() {
    Stop();
    std::filesystem::remove_all(folder_);
  }
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  /// On the same port each time, with nothing in it.
  void Start() {
    process_ = ::fork();
    if (process_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::execlp("redis-server", "redis-server", (folder_ + "/redis.conf").c_str(), nullptr);
    ::_exit(127);
  }
  RedisServer& Started() {
    if (process_ < 0) Start();
    return *this;
  }
  void Stop() {
    if (process_ <= 0) return;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
    process_ = -1;
  }

  void Pause() const { ::kill(process_, SIGSTOP); }
  void Resume() const { ::kill(process_, SIGCONT); }

  /// What the server's log says, for a test that failed.
  std::string Log() const {
    std::ifstream file(folder_ + "/log");
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::string Url(int database = 0, const std::string& host = "127.0.0.1") const {
    return std::string(tls_ ? "rediss" : "redis") + "://weft:" + kEncoded + "@" + host + ":" + std::to_string(port_) +
           "/" + std::to_string(database) + (tls_ ? "?ca=" + ca_file() : "");
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  int port() const { return port_; }
  std::string ca_file() const { return folder_ + "/ca.crt"; }

  /// What redis-cli prints, line by line.
  std::string Command(const std::string& words, int database = 0) const {
    const std::string command = "REDISCLI_AUTH='" + std::string(kPassword) + "' redis-cli -h 127.0.0.1 -p " +
                                std::to_string(port_) + " -n " + std::to_string(database) + " " + words;
    FILE* const pipe = ::popen(command.c_str(), "r");
    std::string text;
    for (int c = 0; (c = std::fgetc(pipe)) != EOF;) text += static_cast<char>(c);
    EXPECT_EQ(::pclose(pipe), 0) << command << "\n" << text;
    return text;
  }

  static int FreePort() {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    socklen_t length = sizeof(address);
    ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length);
    ::close(listener);
    return ntohs(address.sin_port);
  }

 private:
  void MakeCertificates() const {
    // One authority, and a certificate of it for this host.
    const std::string key = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 ";
    const std::string quiet = " >/dev/null 2>&1";
    const std::string at = "cd " + folder_ + " && ";
    ASSERT_EQ(std::system((at + key + "-keyout ca.key -out ca.crt -subj /CN=weft-test-ca" + quiet).c_str()), 0);
    ASSERT_EQ(
        std::system((at + key + "-CA ca.crt -CAkey ca.key -keyout server.key -out server.crt -subj /CN=localhost " +
                     "-addext subjectAltName=DNS:localhost,IP:127.0.0.1" + quiet)
                        .c_str()),
        0);
  }

  const bool tls_;
  const int port_;
  std::string folder_;
  pid_t process_ = -1;
};

}  // namespace weft
