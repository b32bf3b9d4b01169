// What is the file store's own: names, killed holders of its lock, damaged files, and what is left in the directory.
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "weft/base/communication_error.h"
#include "weft/bootstrap/membership.h"
#include "weft/bootstrap/store.h"

namespace weft {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
namespace fs = std::filesystem;

constexpr Duration kLong = std::chrono::hours(1);

class FileStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/weft-file-store-XXXXXX";
    folder_ = ::mkdtemp(folder);
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::shared_ptr<Store> Open(Duration call_timeout = seconds(10)) const {
    StoreOptions options;
    options.call_timeout = call_timeout;
    return OpenStore("file://" + folder_, options).ValueOrDie();
  }
  /// Files and folders below the store's directory, those of locks included.
  std::vector<std::string> Left() const {
    std::vector<std::string> left;
    for (const auto& entry : fs::recursive_directory_iterator(folder_)) left.push_back(entry.path());
    return left;
  }
  std::string folder_;
};

TEST_F(FileStoreTest, RefusesBadUrlsByName) {
  const std::pair<std::string, const char*> cases[] = {
      {"file://", "absolute path"},
      {"file://host/dir", "absolute path"},
      {"file://relative", "absolute path"},
      {"file:///a?b=c", "takes no options"},
      {"file:///a%2", "has a %"},
      {"file://" + folder_ + "/no/such", "No such file"},
      {"file:///proc/version", "Not a directory"},
  };
  for (const auto& [url, words] : cases) {
    const auto status = OpenStore(url, {}).status();
    EXPECT_FALSE(status.ok()) << url;
    EXPECT_NE(status.ToString().find(words), std::string::npos) << url << ": " << status.ToString();
  }
  EXPECT_TRUE(OpenStore("file://" + folder_ + "/made/", {}).ok());
  EXPECT_TRUE(fs::is_directory(folder_ + "/made"));
}

TEST_F(FileStoreTest, KeysThatArePathsStayInside) {
  const auto store = Open();
  std::vector<std::string> keys = {
      "..",      "/etc/passwd", "a/../../b", ".",    "weft:..:0:x",  "weft:.:..:..", "a.v", "0.d", "weft:j:0:",
      "weft:j:", "weft::0:x",   ".lock",     ".new", "weft:j:.lock", "\xc3\xa4",     "A",   "a"};
  const std::string beside = fs::path(folder_).filename().string() + "-beside";
  keys.push_back("../" + beside);
  keys.push_back(std::string(512, '/'));
  keys.push_back("weft:" + std::string(500, 'j') + ":0:x");
  keys.push_back("weft:j:0:" + std::string(500, '.'));
  keys.push_back("weft:j:0:" + std::string(199, 'n'));
  keys.push_back("weft:j:0:" + std::string(200, 'n'));
  keys.push_back("weft:j:0:" + std::string(201, 'n'));
  for (const std::string& key : keys) ASSERT_TRUE(store->Set(key, "is " + key, kLong).ok()) << key;
  for (const std::string& key : keys) EXPECT_EQ(store->Get(key).ValueOrDie(), "is " + key);
  const auto parent = fs::path(folder_).parent_path();
  EXPECT_FALSE(fs::exists(parent / beside));
  for (const std::string& key : keys) ASSERT_TRUE(store->Delete(key).ok()) << key;
  EXPECT_EQ(Left(), std::vector<std::string>());
}

TEST_F(FileStoreTest, AKilledHolderLetsGo) {
  const auto store = Open();
  ASSERT_TRUE(store->Set("weft:j:0:n", "0", kLong).ok());
  // Children that add without end are killed at any point; the sum never goes back, and the store goes on.
  int64_t last = 0;
  for (int round = 0; round < 20; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      const auto mine = Open();
      for (;;) static_cast<void>(mine->Add("weft:j:0:n", 1, kLong));
    }
    std::this_thread::sleep_for(milliseconds(5 + round));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    const auto sum = store->Add("weft:j:0:n", 1, kLong);
    ASSERT_TRUE(sum.ok()) << sum.status().ToString();
    EXPECT_GT(*sum, last);
    last = *sum;
  }
  EXPECT_GT(last, 20);
  ASSERT_TRUE(store->Delete("weft:j:0:n").ok());
  EXPECT_EQ(Left(), std::vector<std::string>());
}

TEST_F(FileStoreTest, AStoppedHolderIsAnErrorInTime) {
  const auto store = Open(milliseconds(300));
  ASSERT_TRUE(store->Set("weft:j:0:n", "0", kLong).ok());
  arrow::Status status;
  // A child that adds is stopped until it happens to hold the lock.
  const pid_t child = ::fork();
  if (child == 0) {
    const auto mine = Open();
    for (;;) static_cast<void>(mine->Add("weft:j:0:n", 1, kLong));
  }
  for (int round = 0; round < 400 && status.ok(); ++round) {
    ::kill(child, SIGCONT);
    std::this_thread::sleep_for(milliseconds(round % 5));
    ::kill(child, SIGSTOP);
    status = store->Add("weft:j:0:n", 1, kLong).status();
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(IsCommunicationError(status, CommunicationFailure::kTimedOut)) << status.ToString();
  EXPECT_NE(status.ToString().find(".lock"), std::string::npos) << status.ToString();
  EXPECT_TRUE(store->Add("weft:j:0:n", 1, kLong).ok());
}

TEST_F(FileStoreTest, ReadersSeeWholeValues) {
  const auto writer = Open();
  const std::string values[] = {std::string(1, 'a'), std::string(65536, 'b')};
  ASSERT_TRUE(writer->Set("k", values[0], kLong).ok());
  std::atomic<bool> end{false};
  std::vector<std::thread> readers;
  std::atomic<int64_t> reads{0};
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      const auto store = Open();
      while (!end) {
        const auto value = store->Get("k");
        ASSERT_TRUE(value.ok()) << value.status().ToString();
        ASSERT_TRUE(*value == values[0] || *value == values[1]) << (*value ? (*value)->size() : 0);
        ++reads;
      }
    });
  }
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(writer->Set("k", values[i % 2], kLong).ok());
  end = true;
  for (auto& reader : readers) reader.join();
  EXPECT_GT(reads.load(), 0);
}

TEST_F(FileStoreTest, DamagedFilesAreNamed) {
  const auto store = Open();
  ASSERT_TRUE(store->Set("k", "value", kLong).ok());
  const std::string path = folder_ + "/keys/k.v";
  ASSERT_TRUE(fs::exists(path));
  for (const char* text : {"", "weft1", "weft1 x 5\nvalue", "weft1 99999999999999 6\nvalue",
                           "weft1 99999999999999\nvalue", "weft1 99999999999999 5\nvalue and more"}) {
    std::ofstream(path) << text;
    const auto status = store->Get("k").status();
    EXPECT_TRUE(status.IsInvalid()) << text;
    EXPECT_NE(status.ToString().find(path), std::string::npos) << status.ToString();
  }
  ASSERT_TRUE(store->Set("k", "mended", kLong).ok());
  EXPECT_EQ(store->Get("k").ValueOrDie(), "mended");
}

TEST_F(FileStoreTest, WhoComesNextSweepsWhatIsExpired) {
  {
    const auto store = Open();
    ASSERT_TRUE(store->Set("weft:old:0:rank/0", "x", milliseconds(1)).ok());
    ASSERT_TRUE(store->Set("weft:old:fence", "0", milliseconds(1)).ok());
    ASSERT_TRUE(store->Set("weft:half:0:a", "x", milliseconds(1)).ok());
    ASSERT_TRUE(store->Set("weft:half:0:b", "x", kLong).ok());
    ASSERT_TRUE(store->Set(std::string(500, 'k'), "x", milliseconds(1)).ok());
  }
  // What a worker leaves that was killed between two steps.
  fs::create_directories(folder_ + "/job-dead/0.d");
  std::ofstream(folder_ + "/job-dead/.new") << "weft1 1";
  std::ofstream(folder_ + "/mine") << "not a key";
  std::this_thread::sleep_for(milliseconds(10));
  const auto store = Open();
  ASSERT_TRUE(store->Set("weft:new:0:a", "x", kLong).ok());
  ASSERT_TRUE(store->Delete("weft:new:0:a").ok());
  std::vector<std::string> files;
  for (const std::string& path : Left()) {
    if (!fs::is_directory(path) && !path.ends_with(".lock")) files.push_back(path.substr(folder_.size()));
  }
  std::sort(files.begin(), files.end());
  EXPECT_EQ(files, (std::vector<std::string>{"/job-half/0.d/b.v", "/mine"}));
  EXPECT_FALSE(fs::exists(folder_ + "/job-old"));
  EXPECT_FALSE(fs::exists(folder_ + "/job-dead"));
  EXPECT_FALSE(fs::exists(folder_ + "/keys"));
  EXPECT_FALSE(fs::exists(folder_ + "/job-new"));
  EXPECT_EQ(store->Get("weft:half:0:b").ValueOrDie(), "x");
}

TEST_F(FileStoreTest, FoldersComeAndGoUnderManyHands) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&, i] {
      const auto store = Open();
      for (int j = 0; j < 60; ++j) {
        const std::string key = "weft:j:" + std::to_string(j % 2) + ":k" + std::to_string(i);
        const auto set = store->Set(key, "v", kLong);
        ASSERT_TRUE(set.ok()) << set.ToString();
        ASSERT_EQ(store->Get(key).ValueOrDie(), "v");
        const auto deleted = store->Delete(key);
        ASSERT_TRUE(deleted.ok()) << deleted.ToString();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(Left(), std::vector<std::string>());
}

TEST_F(FileStoreTest, AJobLeavesItsMarksAlone) {
  std::vector<std::thread> ranks;
  for (int rank = 0; rank < 3; ++rank) {
    ranks.emplace_back([&] {
      auto member = Membership::Join(Open(), {.job = "a-job", .world_size = 3}).ValueOrDie();
      ASSERT_TRUE(member->Publish("mine/" + std::to_string(member->rank()), "x").ok());
      ASSERT_TRUE(member->ExchangeAll("all", std::string(30000, 'x'), Deadline::After(seconds(60))).ok());
      ASSERT_TRUE(member->Leave().ok());
    });
  }
  for (auto& rank : ranks) rank.join();
  std::vector<std::string> files;
  for (const std::string& path : Left()) {
    if (!fs::is_directory(path)) files.push_back(path.substr(folder_.size() + 1));
  }
  std::sort(files.begin(), files.end());
  const std::string job = "job-a-job/";
  EXPECT_EQ(files, (std::vector<std::string>{job + ".lock", job + "0.d/arrivals.v", job + "0.d/rank%2F0.v",
                                             job + "0.d/rank%2F1.v", job + "0.d/rank%2F2.v", job + "0.d/taken.v",
                                             job + "0.d/world.v", job + "fence.v"}));
}

}  // namespace
}  // namespace weft
