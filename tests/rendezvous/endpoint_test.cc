#include "weft/rendezvous/endpoint.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(Endpoint, Reads) {
  for (const char* text : {"localhost:1", "10.0.0.1:65535", "[::1]:7070", "a-b.example.org:0"}) {
    const auto endpoint = ParseEndpoint(text);
    ASSERT_TRUE(endpoint.ok()) << text;
    EXPECT_EQ(endpoint->ToString(), text);
  }
  EXPECT_EQ(ParseEndpoint("[::1]:7070")->host, "::1");
}

TEST(Endpoint, RefusesWhatIsNone) {
  for (const char* text : {"", "host", ":1", "host:", "host:x", "host:1x", "host:65536", "host:-1", "::1:80", "[::1]",
                           "[]:1", "[::1:80", "a b:1", "http://host:1", "host:1/"}) {
    const auto status = ParseEndpoint(text).status();
    EXPECT_TRUE(status.IsInvalid()) << text;
    EXPECT_NE(status.message().find("HOST:PORT"), std::string::npos) << status.ToString();
  }
}

}  // namespace
}  // namespace weft
