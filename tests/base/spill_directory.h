// Directories to spill to, for tests: one that lives as long as the test, and one that is full at once.
#pragma once

#include <dirent.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "weft/base/context.h"
#include "weft/base/spill.h"

namespace weft::test {

class SpillDirectory {
 public:
  /// With `full_at`, a file system of that many bytes; where none can be mounted, `ok` is false.
  explicit SpillDirectory(int64_t full_at = 0) {
    std::string name = ::testing::TempDir() + "weft_spill_XXXXXX";
    path_ = ::mkdtemp(name.data());
    if (full_at == 0) return;
    const std::string size = "size=" + std::to_string(full_at);
    mounted_ = ::mount("weft", path_.c_str(), "tmpfs", 0, size.c_str()) == 0;
    ok_ = mounted_;
  }
  ~SpillDirectory() {
    // Memory of the test may still be mapped.
    if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
    std::filesystem::remove_all(path_);
  }
  SpillDirectory(const SpillDirectory&) = delete;
  SpillDirectory& operator=(const SpillDirectory&) = delete;

  bool ok() const { return ok_; }
  const std::string& path() const { return path_; }
  /// Names in it.
  int64_t names() const {
    const auto all = std::filesystem::directory_iterator(path_);
    return std::distance(begin(all), end(all));
  }
  /// Bytes of the file system that are free.
  int64_t free_bytes() const { return static_cast<int64_t>(std::filesystem::space(path_).free); }

 private:
  std::string path_;
  bool mounted_ = false;
  bool ok_ = true;
};

/// A context that spills to `directory` what passes `work` bytes of an operator or `tables` bytes of tables.
inline Context SpillingContext(const SpillDirectory& directory, int64_t tables, int64_t work, int threads = 1) {
  auto made = Spill::Make(arrow::default_memory_pool(), int64_t{1} << 40, {tables, work}, directory.path());
  EXPECT_TRUE(made.ok()) << made.status().ToString();
  Context context;
  context.spill = *made;
  context.pool = (*made)->tables();
  context.threads = threads;
  return context;
}

}  // namespace weft::test
