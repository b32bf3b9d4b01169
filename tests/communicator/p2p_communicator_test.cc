#include <gtest/gtest.h>

#include <numeric>

#include "conformance/world.h"
#include "weft/backends/local/local_backend.h"

namespace weft {
namespace {

const testing::WorldFactory kLocal{"local", &local::MakeCommunicators};

TEST(P2PCommunicator, Smoke) {
  for (const int size : {1, 2, 3, 4, 5, 8}) {
    testing::World world(kLocal, size);
    world.Run([&](testing::RankContext& c) {
      const int rank = c->rank();
      ASSERT_TRUE(c->Barrier().ok());
      for (const int64_t n : {0, 1, 7, 5000, 100000}) {
        std::vector<int64_t> in(static_cast<size_t>(n));
        std::iota(in.begin(), in.end(), rank);
        std::vector<int64_t> out(in.size(), -1);
        auto status = c->Allreduce(std::as_bytes(std::span(in)), std::as_writable_bytes(std::span(out)), n,
                                   {.type = arrow::Type::INT64});
        ASSERT_TRUE(status.ok()) << status.ToString();
        for (int64_t i = 0; i < n; ++i) {
          ASSERT_EQ(out[static_cast<size_t>(i)], i * size + size * (size - 1) / 2) << size << " " << rank;
        }
      }
      ASSERT_TRUE(c->Close().ok());
    });
  }
}

}  // namespace
}  // namespace weft
