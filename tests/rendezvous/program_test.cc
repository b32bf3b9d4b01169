// The program weft-rendezvous, from outside.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "rendezvous/raw_client.h"
#include "weft/bootstrap/store.h"
#include "weft/rendezvous/endpoint.h"

extern char** environ;

namespace weft {
namespace {

/// Starts the program; its output comes through pipes.
class Program {
 public:
  explicit Program(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), WEFT_RENDEZVOUS_PROGRAM);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    int out[2], err[2];
    EXPECT_EQ(::pipe2(out, O_CLOEXEC), 0);
    EXPECT_EQ(::pipe2(err, O_CLOEXEC), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(out[1], STDOUT_FILENO);
      ::dup2(err[1], STDERR_FILENO);
      ::execve(argv[0], argv.data(), environ);
      ::_exit(127);
    }
    ::close(out[1]);
    ::close(err[1]);
    out_ = ::fdopen(out[0], "r");
    err_ = ::fdopen(err[0], "r");
  }
  ~Program() {
    if (!ended_) {
      ::kill(pid_, SIGKILL);
      Wait();
    }
    std::fclose(out_);
    std::fclose(err_);
  }
  std::string Line() {
    char buffer[512];
    if (std::fgets(buffer, sizeof(buffer), out_) == nullptr) return "";
    std::string line(buffer);
    while (!line.empty() && line.back() == '\n') line.pop_back();
    return line;
  }
  std::string Rest(bool errors) {
    std::string text;
    for (int c = 0; (c = std::fgetc(errors ? err_ : out_)) != EOF;) text += static_cast<char>(c);
    return text;
  }
  void Kill(int signal) { ::kill(pid_, signal); }
  /// The exit status, or -1 where a signal ended it.
  int Wait() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    ended_ = true;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_ = -1;
  bool ended_ = false;
  FILE* out_ = nullptr;
  FILE* err_ = nullptr;
};

TEST(Program, ServesUntilASignal) {
  for (const int signal : {SIGINT, SIGTERM}) {
    Program program({"--listen", "127.0.0.1:0"});
    const std::string address = program.Line();
    ASSERT_TRUE(ParseEndpoint(address).ok()) << address;
    const auto store = OpenStore("rendezvous://" + address, {});
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    EXPECT_TRUE((*store)->Set("k", "v", std::chrono::seconds(60)).ok());
    program.Kill(signal);
    EXPECT_EQ(program.Wait(), 0);
    EXPECT_EQ(program.Rest(false), "");
  }
}

TEST(Program, TakesAKeyFromAFile) {
  const std::string path = ::testing::TempDir() + "weft-rendezvous-key-" + std::to_string(::getpid());
  std::ofstream(path) << " admission \n";
  Program program({"--listen=0.0.0.0:0", "--key-file=" + path});
  const auto endpoint = ParseEndpoint(program.Line());
  ASSERT_TRUE(endpoint.ok());
  StoreOptions options;
  options.rendezvous_key = "admission";
  const std::string url = "rendezvous://127.0.0.1:" + std::to_string(endpoint->port);
  EXPECT_TRUE(OpenStore(url, options).ok());
  options.rendezvous_key = "other";
  EXPECT_FALSE(OpenStore(url, options).ok());
  ::unlink(path.c_str());
}

TEST(Program, ExplainsItself) {
  Program help({"--help"});
  EXPECT_NE(help.Rest(false).find("--key-file"), std::string::npos);
  EXPECT_EQ(help.Wait(), 0);
  Program version({"--version"});
  EXPECT_EQ(version.Line().rfind("weft-rendezvous ", 0), 0u);
  EXPECT_EQ(version.Wait(), 0);
}

TEST(Program, RefusesWhatItCannotDo) {
  struct Case {
    std::vector<std::string> arguments;
    int exit;
    std::string says;
  };
  for (const auto& [arguments, exit, says] :
       std::vector<Case>{{{}, 2, "--listen ADDRESS:PORT is missing"},
                         {{"--listen"}, 2, "needs a value"},
                         {{"--listen", "nowhere"}, 2, "HOST:PORT"},
                         {{"--listen", "127.0.0.1:0", "extra"}, 2, "unknown argument 'extra'"},
                         {{"--listen", "127.0.0.1:0", "--open=1"}, 2, "unknown argument"},
                         {{"--listen", "127.0.0.1:0", "--open", "--key-file", "f"}, 2, "exclude"},
                         {{"--listen", "0.0.0.0:0"}, 1, "--open"},
                         {{"--listen", "127.0.0.1:0", "--key-file", "/nonexistent/key"}, 1, "/nonexistent/key"},
                         {{"--listen", "127.0.0.1:0", "--key-file", "/dev/null"}, 1, "holds no key"},
                         {{"--listen", "192.0.2.1:0", "--open"}, 1, "cannot listen on 192.0.2.1:0"}}) {
    Program program(arguments);
    EXPECT_NE(program.Rest(true).find(says), std::string::npos) << says;
    EXPECT_EQ(program.Wait(), exit) << says;
  }
}

}  // namespace
}  // namespace weft
