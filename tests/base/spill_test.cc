#include "weft/base/spill.h"

#include <arrow/buffer.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <numeric>
#include <thread>
#include <vector>

#include "base/spill_directory.h"

namespace weft {
namespace {

using test::SpillDirectory;

/// A number that says which allocation this is and where in it.
void Fill(uint8_t* at, int64_t size, uint64_t seed) {
  for (int64_t i = 0; i < size; ++i) at[i] = static_cast<uint8_t>((seed * 31 + static_cast<uint64_t>(i)) >> 3);
}

bool Holds(const uint8_t* at, int64_t size, uint64_t seed) {
  for (int64_t i = 0; i < size; ++i) {
    if (at[i] != static_cast<uint8_t>((seed * 31 + static_cast<uint64_t>(i)) >> 3)) return false;
  }
  return true;
}

int64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  int64_t all = 0;
  int64_t resident = 0;
  file >> all >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

TEST(Spill, WhatPassesTheShareLiesOnDiskAndComesBack) {
  const SpillDirectory directory;
  const auto made = Spill::Make(arrow::default_memory_pool(), int64_t{1} << 40, {4 << 20, 1 << 20}, directory.path());
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  arrow::MemoryPool* const pool = (*made)->tables();
  struct Piece {
    uint8_t* at = nullptr;
    int64_t size = 0;
  };
  std::vector<Piece> pieces;
  // Small ones, large ones, and what lies between.
  for (const int64_t size : {0, 1, 100, 4096, 200'000, 262'143, 262'144, 1'000'000, 3'000'000, 5'000'000}) {
    for (int i = 0; i < 12; ++i) {
      Piece piece{nullptr, size};
      ASSERT_TRUE(pool->Allocate(size, 64, &piece.at).ok());
      EXPECT_EQ(reinterpret_cast<uintptr_t>(piece.at) % 64, 0U);
      Fill(piece.at, size, pieces.size());
      pieces.push_back(piece);
    }
  }
  EXPECT_LE((*made)->memory_bytes(), 4 << 20);
  EXPECT_GT((*made)->disk_bytes(), 100 << 20);
  EXPECT_EQ(directory.names(), 0);
  // Grown and shrunk, in and out of each kind of memory.
  for (size_t i = 0; i < pieces.size(); ++i) {
    EXPECT_TRUE(Holds(pieces[i].at, pieces[i].size, i)) << i;
    const int64_t size = i % 3 == 0 ? pieces[i].size * 3 + 10 : i % 3 == 1 ? pieces[i].size / 3 : pieces[i].size;
    ASSERT_TRUE(pool->Reallocate(pieces[i].size, size, 64, &pieces[i].at).ok());
    EXPECT_TRUE(Holds(pieces[i].at, std::min(size, pieces[i].size), i)) << i;
    pieces[i].size = size;
    Fill(pieces[i].at, size, i);
  }
  for (size_t i = 0; i < pieces.size(); ++i) EXPECT_TRUE(Holds(pieces[i].at, pieces[i].size, i)) << i;
  for (const Piece& piece : pieces) pool->Free(piece.at, piece.size, 64);
  EXPECT_EQ((*made)->memory_bytes(), 0);
  EXPECT_EQ(pool->bytes_allocated(), 0);
  // The piece that small ones are cut from may stay.
  EXPECT_LE((*made)->disk_bytes(), 8 << 20);
}

TEST(Spill, ThreadsAllocateAtOnce) {
  const SpillDirectory directory;
  const auto made = Spill::Make(arrow::default_memory_pool(), int64_t{1} << 40, {1 << 20, 1 << 20}, directory.path());
  ASSERT_TRUE(made.ok());
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      arrow::MemoryPool* const pool = t % 2 == 0 ? (*made)->tables() : (*made)->work();
      for (int64_t i = 0; i < 400; ++i) {
        const int64_t size = (i * 7919) % 400'000;
        uint8_t* at = nullptr;
        ASSERT_TRUE(pool->Allocate(size, 64, &at).ok());
        Fill(at, size, t);
        ASSERT_TRUE(pool->Reallocate(size, size / 2, 64, &at).ok());
        EXPECT_TRUE(Holds(at, size / 2, t));
        pool->Free(at, size / 2, 64);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ((*made)->memory_bytes(), 0);
}

TEST(Spill, ThisProcessStaysWithinTheLimit) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer has memory of its own for each byte";
#endif
  const SpillDirectory directory;
  const int64_t before = ResidentBytes();
  const int64_t limit = before + (96 << 20);
  const auto made = Spill::Make(arrow::default_memory_pool(), limit, directory.path());
  ASSERT_TRUE(made.ok());
  std::vector<std::shared_ptr<arrow::Buffer>> kept;
  int64_t most = 0;
  for (int i = 0; i < 128; ++i) {
    auto buffer = arrow::AllocateBuffer(4 << 20, (*made)->tables());
    ASSERT_TRUE(buffer.ok()) << buffer.status().ToString();
    Fill((*buffer)->mutable_data(), (*buffer)->size(), static_cast<uint64_t>(i));
    kept.push_back(*std::move(buffer));
    most = std::max(most, ResidentBytes());
  }
  for (size_t i = 0; i < kept.size(); ++i) {
    EXPECT_TRUE(Holds(kept[i]->data(), kept[i]->size(), i));
    // As an operator does that reads them.
    ASSERT_TRUE(arrow::AllocateBuffer(1 << 20, (*made)->work()).ok());
    most = std::max(most, ResidentBytes());
  }
  EXPECT_LT(most, limit + limit / 10) << "before: " << before;
}

TEST(Spill, AFullDiskIsAnErrorThatNamesNeedDirectoryAndLimit) {
  const SpillDirectory directory(4 << 20);
  if (!directory.ok()) GTEST_SKIP() << "no file system can be mounted here";
  const auto made = Spill::Make(arrow::default_memory_pool(), int64_t{1} << 40, {0, 0}, directory.path());
  ASSERT_TRUE(made.ok());
  uint8_t* first = nullptr;
  ASSERT_TRUE((*made)->work()->Allocate(3 << 20, 64, &first).ok());
  uint8_t* second = nullptr;
  const auto refused = (*made)->work()->Allocate(2 << 20, 64, &second);
  EXPECT_TRUE(refused.IsOutOfMemory()) << refused.ToString();
  EXPECT_EQ(refused.message().rfind("MemoryLimitExceeded: 2097152 bytes", 0), 0U) << refused.message();
  EXPECT_NE(refused.message().find(directory.path()), std::string::npos) << refused.message();
  EXPECT_NE(refused.message().find(std::to_string(int64_t{1} << 40)), std::string::npos) << refused.message();
  // What is given back can be taken again.
  (*made)->work()->Free(first, 3 << 20, 64);
  ASSERT_TRUE((*made)->work()->Allocate(2 << 20, 64, &second).ok());
  (*made)->work()->Free(second, 2 << 20, 64);
}

TEST(Spill, AKilledProcessLeavesNothing) {
  const SpillDirectory directory(64 << 20);
  if (!directory.ok()) GTEST_SKIP() << "no file system can be mounted here";
  const int64_t free_before = directory.free_bytes();
  int pipes[2];
  ASSERT_EQ(::pipe(pipes), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto made = Spill::Make(arrow::default_memory_pool(), int64_t{1} << 40, {0, 0}, directory.path());
    uint8_t* at = nullptr;
    bool well = made.ok() && (*made)->tables()->Allocate(20 << 20, 64, &at).ok();
    if (well) Fill(at, 20 << 20, 1);
    auto file = (*made)->space().NewFile();
    well = well && file.ok() && (*made)->space().Write(*file, 0, at, 10 << 20).ok();
    [[maybe_unused]] const auto told = ::write(pipes[1], well ? "y" : "n", 1);
    for (;;) ::pause();
  }
  char answer = '?';
  ASSERT_EQ(::read(pipes[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  EXPECT_LE(directory.free_bytes(), free_before - (30 << 20));
  EXPECT_EQ(directory.names(), 0);
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_EQ(directory.names(), 0);
  EXPECT_EQ(directory.free_bytes(), free_before);
  ::close(pipes[0]);
  ::close(pipes[1]);
}

TEST(SpillSpace, SweepsWhatAKilledProcessCouldNotUnlink) {
  const SpillDirectory directory;
  std::ofstream(directory.path() + "/.weft-spill-abc123") << "left";
  std::ofstream(directory.path() + "/another") << "not ours";
  const auto space = SpillSpace::Open(directory.path(), 1);
  ASSERT_TRUE(space.ok()) << space.status().ToString();
  EXPECT_EQ(directory.names(), 1);
}

TEST(SpillSpace, ADirectoryThatCannotBeUsedIsNamed) {
  const auto missing = SpillSpace::Open("/nowhere/at/all", 1);
  EXPECT_TRUE(missing.status().IsInvalid()) << missing.status().ToString();
  EXPECT_NE(missing.status().message().find("/nowhere/at/all"), std::string::npos);
  const SpillDirectory directory;
  std::ofstream(directory.path() + "/file") << "x";
  const auto file = SpillSpace::Open(directory.path() + "/file", 1);
  EXPECT_TRUE(file.status().IsInvalid()) << file.status().ToString();
}

}  // namespace
}  // namespace weft
