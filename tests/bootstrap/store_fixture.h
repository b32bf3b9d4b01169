// Runs a test over every store that this build has.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "bootstrap/redis_server.h"
#include "weft/bootstrap/store.h"
#if WEFT_HAVE_RENDEZVOUS
#include "weft/rendezvous/server.h"
#endif

namespace weft {

/// A server that this process starts once, with a database for each test.
inline RedisServer& SharedRedis(bool tls) {
  if (tls) {
    static RedisServer secure(true);
    return secure.Started();
  }
  static RedisServer plain(false);
  return plain.Started();
}

/// GetParam() is the scheme. Each test has a store of its own; Open gives another handle on it.
class StoreTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    static std::atomic<int> count{0};
    const std::string scheme = GetParam();
    const int number = ++count;
    url_ = "inprocess://test" + std::to_string(number);
    if (scheme == "file") {
      char folder[] = "/tmp/weft file%XXXXXX";
      folder_ = ::mkdtemp(folder);
      url_ = "file:///tmp/weft%20file%25" + folder_.substr(folder_.rfind('%') + 1);
    }
    if (scheme.starts_with("redis")) {
      if (!RedisServer::Found()) GTEST_SKIP() << "redis-server is not installed";
      url_ = SharedRedis(scheme == "rediss").Url(number);
    }
#if WEFT_HAVE_RENDEZVOUS
    if (scheme == "rendezvous") {
      auto server = RendezvousServer::Start({});
      ASSERT_TRUE(server.ok()) << server.status().ToString();
      server_ = *std::move(server);
      url_ = "rendezvous://" + server_->address();
    }
#endif
  }
  void TearDown() override {
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }

  std::shared_ptr<Store> Open() {
    StoreOptions options;
    options.connect_timeout = std::chrono::seconds(20);
    auto store = OpenStore(url_, options);
    EXPECT_TRUE(store.ok()) << store.status().ToString();
    return store.ok() ? *store : nullptr;
  }

  std::string url_;
  std::string folder_;
#if WEFT_HAVE_RENDEZVOUS
  std::unique_ptr<RendezvousServer> server_;
#endif
};

inline std::vector<const char*> EveryStore() {
  std::vector<const char*> all = {"inprocess", "file"};
#if WEFT_HAVE_RENDEZVOUS
  all.push_back("rendezvous");
#endif
#if WEFT_HAVE_REDIS
  all.push_back("redis");
#endif
#if WEFT_HAVE_REDIS_TLS
  all.push_back("rediss");
#endif
  return all;
}

inline std::string StoreName(const ::testing::TestParamInfo<const char*>& info) { return info.param; }

#define WEFT_EVERY_STORE ::testing::ValuesIn(::weft::EveryStore()), ::weft::StoreName

}  // namespace weft
