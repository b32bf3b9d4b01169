// Runs a test over every store that this build has.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>

#include "weft/bootstrap/store.h"
#if WEFT_HAVE_RENDEZVOUS
#include "weft/rendezvous/server.h"
#endif

namespace weft {

/// GetParam() is the scheme. Each test has a store of its own; Open gives another handle on it.
class StoreTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    static std::atomic<int> count{0};
    const std::string scheme = GetParam();
    url_ = "inprocess://test" + std::to_string(++count);
#if WEFT_HAVE_RENDEZVOUS
    if (scheme == "rendezvous") {
      auto server = RendezvousServer::Start({});
      ASSERT_TRUE(server.ok()) << server.status().ToString();
      server_ = *std::move(server);
      url_ = "rendezvous://" + server_->address();
    }
#endif
  }

  std::shared_ptr<Store> Open() {
    StoreOptions options;
    options.connect_timeout = std::chrono::seconds(20);
    auto store = OpenStore(url_, options);
    EXPECT_TRUE(store.ok()) << store.status().ToString();
    return store.ok() ? *store : nullptr;
  }

  std::string url_;
#if WEFT_HAVE_RENDEZVOUS
  std::unique_ptr<RendezvousServer> server_;
#endif
};

#if WEFT_HAVE_RENDEZVOUS
#define WEFT_EVERY_STORE ::testing::Values("inprocess", "rendezvous")
#else
#define WEFT_EVERY_STORE ::testing::Values("inprocess")
#endif

}  // namespace weft
