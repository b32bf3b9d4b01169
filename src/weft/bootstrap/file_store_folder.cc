#include "weft/bootstrap/file_store_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <thread>
#include <utility>

#include "weft/base/communication_error.h"
#include "weft/base/open_files.h"
#include "weft/bootstrap/polling.h"
#include "weft/rendezvous/key_table.h"

namespace weft::file_store {
namespace {

constexpr std::string_view kMagic = "weft1 ";
/// A part of an encoded key that is one file's or folder's name; file systems allow 255.
constexpr size_t kPieceBytes = 200;
/// Keys that are no job's.
constexpr const char* kOtherKeys = "keys";
constexpr const char* kLockName = "/.lock";
constexpr const char* kNewName = "/.new";
/// An NFS client that holds a file which another one replaced is told to look again.
constexpr int kStaleTries = 10;

int64_t WallMilliseconds(Duration ahead = Duration::zero()) {
  const auto now = std::chrono::system_clock::now().time_since_epoch() + ahead;
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

std::string Encode(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    if (plain) {
      encoded += c;
    } else {
      char hex[4];
      std::snprintf(hex, sizeof(hex), "%%%02X", static_cast<unsigned>(static_cast<unsigned char>(c)));
      encoded += hex;
    }
  }
  return encoded;
}

class FileHandle {
 public:
  explicit FileHandle(int descriptor) : descriptor_(descriptor) {}
  FileHandle(const FileHandle&) = delete;
  FileHandle& operator=(const FileHandle&) = delete;
  ~FileHandle() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  int get() const { return descriptor_; }
  int Release() { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_;
};

/// The file's bytes, or nullopt with errno set.
std::optional<std::string> ReadBytes(const std::string& path) {
  // An NFS client asks the server anew what is in a directory when it opens it; without that it may go on believing
  // for a minute that a file is not there.
  const FileHandle folder(::open(path.substr(0, path.rfind('/')).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0) return std::nullopt;
  const FileHandle file(::openat(folder.get(), path.c_str() + path.rfind('/') + 1, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (file.get() < 0) return std::nullopt;
  std::string bytes;
  char block[4096];
  for (;;) {
    const ssize_t n = ::read(file.get(), block, sizeof(block));
    if (n == 0) return bytes;
    if (n > 0) {
      bytes.append(block, static_cast<size_t>(n));
    } else if (errno != EINTR) {
      return std::nullopt;
    }
  }
}

struct Entry {
  int64_t expiry;
  std::string value;
};

arrow::Result<std::optional<Entry>> ReadEntry(const char* operation, const std::string& path) {
  for (int tries = 0;; ++tries) {
    const auto bytes = ReadBytes(path);
    if (!bytes.has_value()) {
      if (errno == ENOENT) return std::nullopt;
      if (errno == ESTALE && tries < kStaleTries) continue;
      return FileError(operation, path, errno);
    }
    Entry entry{};
    size_t size = 0;
    const size_t end = bytes->find('\n');
    const char* const last = bytes->data() + std::min(end, bytes->size());
    if (end != std::string::npos && bytes->starts_with(kMagic)) {
      const auto expiry = std::from_chars(bytes->data() + kMagic.size(), last, entry.expiry);
      const auto length = std::from_chars(std::min(expiry.ptr + 1, last), last, size);
      if (expiry.ec == std::errc() && length.ec == std::errc() && bytes->size() - end - 1 == size) {
        entry.value = bytes->substr(end + 1);
        return entry;
      }
    }
    return arrow::Status::Invalid("the file store's '", path,
                                  "' is not as Weft wrote it: something else writes there, or the disk is full");
  }
}

void RemoveExpiredIn(const std::string& folder, Deadline deadline) {
  for (const std::string& name : NamesIn(folder)) {
    if (deadline.Passed()) return;
    const std::string path = folder + "/" + name;
    if (name.ends_with(".d")) {
      RemoveExpiredIn(path, deadline);
      ::rmdir(path.c_str());
    } else if (name.ends_with(".v")) {
      const auto entry = ReadEntry("sweep", path);
      if (entry.ok() && entry->has_value() && (*entry)->expiry <= WallMilliseconds()) ::unlink(path.c_str());
    }
  }
}

}  // namespace

arrow::Status FileError(const char* operation, const std::string& path, int error, const std::string& advice) {
  return MakeCommunicationError({.operation = operation, .phase = "rendezvous"},
                                "the file store's '" + path + "': " + ErrnoText(error) + advice);
}

KeyPath PathOf(std::string_view key) {
  KeyPath path;
  const std::string_view job = KeyTable::JobOf(key);
  std::string_view rest = key;
  if (const std::string name = Encode(job); !name.empty() && name.size() <= kPieceBytes) {
    path.job = "job-" + name;
    rest = key.substr(std::string_view("weft:").size() + job.size() + 1);
  } else {
    path.job = kOtherKeys;
  }
  std::string at = path.job;
  const auto descend = [&](const std::string& piece) {
    at += "/" + piece + ".d";
    path.folders.push_back(at);
  };
  if (const size_t colon = rest.find(':'); colon != std::string_view::npos && colon > 0 && colon <= 20) {
    descend(Encode(rest.substr(0, colon)));
    rest = rest.substr(colon + 1);
  }
  std::string name = Encode(rest);
  for (; name.size() > kPieceBytes; name = name.substr(kPieceBytes)) descend(name.substr(0, kPieceBytes));
  path.file = at + "/" + name + ".v";
  return path;
}

bool IsJobFolder(const std::string& name) { return name.starts_with("job-") || name == kOtherKeys; }

std::vector<std::string> NamesIn(const std::string& folder) {
  std::vector<std::string> names;
  DIR* const open = ::opendir(folder.c_str());
  if (open == nullptr) return names;
  while (const dirent* entry = ::readdir(open)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  ::closedir(open);
  return names;
}

arrow::Result<std::optional<std::string>> ReadValue(const char* operation, const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(auto entry, ReadEntry(operation, path));
  if (!entry.has_value() || entry->expiry <= WallMilliseconds()) return std::nullopt;
  return std::move(entry->value);
}

arrow::Status JobLock::Acquire(Deadline deadline) {
  const auto begin = Clock::now();
  Duration pause = std::chrono::microseconds(200);
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(const bool held, Try());
    if (held || absent_) return arrow::Status::OK();
    if (deadline.Passed()) {
      return MakeCommunicationError({.failure = CommunicationFailure::kTimedOut,
                                     .operation = "lock",
                                     .phase = "rendezvous",
                                     .elapsed = Clock::now() - begin},
                                    "the file store's '" + folder_ + kLockName +
                                        "' stayed locked: a worker that holds it is stopped, or the file "
                                        "system does not let go of locks; end that worker, or use another store");
    }
    std::this_thread::sleep_for(std::min(Jittered(pause), deadline.Left()));
    pause = std::min<Duration>(pause * 3 / 2, std::chrono::milliseconds(10));
  }
}

arrow::Status JobLock::Write(const KeyPath& key, const std::string& value, Duration time_to_live) {
  const std::string fresh = folder_ + kNewName;
  FileHandle file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (file.get() < 0) return FileError("write", fresh, errno);
  std::string bytes(kMagic);
  bytes += std::to_string(WallMilliseconds(std::min(time_to_live, kStoreMaxTimeToLive))) + " " +
           std::to_string(value.size()) + "\n" + value;
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t n = ::write(file.get(), bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno != EINTR) return FileError("write", fresh, errno);
    done += n > 0 ? static_cast<size_t>(n) : 0;
  }
  // On NFS this is what brings the bytes to the server, and a full disk to light.
  if (::close(file.Release()) != 0) return FileError("write", fresh, errno);
  for (const std::string& folder : key.folders) {
    if (::mkdir((root_ + "/" + folder).c_str(), 0700) == 0) {
      made_folder_ = true;
    } else if (errno != EEXIST) {
      return FileError("write", root_ + "/" + folder, errno);
    }
  }
  if (::rename(fresh.c_str(), (root_ + "/" + key.file).c_str()) != 0) {
    return FileError("write", root_ + "/" + key.file, errno);
  }
  return arrow::Status::OK();
}

arrow::Status JobLock::Remove(const KeyPath& key) {
  if (::unlink((root_ + "/" + key.file).c_str()) != 0 && errno != ENOENT) {
    return FileError("delete", root_ + "/" + key.file, errno);
  }
  for (size_t i = key.folders.size(); i-- > 0;) {
    // Fails, and shall, where other keys are there.
    if (::rmdir((root_ + "/" + key.folders[i]).c_str()) != 0 && errno != ENOENT) return arrow::Status::OK();
  }
  tidy_ = true;
  return arrow::Status::OK();
}

void JobLock::RemoveExpired(Deadline deadline) {
  tidy_ = true;
  RemoveExpiredIn(folder_, deadline);
}

arrow::Result<bool> JobLock::Try() {
  const std::string path = folder_ + kLockName;
  if (descriptor_ < 0) {
    if (make_ && ::mkdir(folder_.c_str(), 0700) == 0) {
      made_folder_ = true;
    } else if (make_ && errno != EEXIST) {
      return FileError("lock", folder_, errno);
    }
    descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (descriptor_ < 0) {
      absent_ = !make_ && errno == ENOENT;
      // Who removed the folder has done so between the two calls.
      if (errno == ENOENT || errno == ESTALE) return false;
      return FileError("lock", path, errno);
    }
  }
  struct flock request = {};
  request.l_type = F_WRLCK;
  request.l_whence = SEEK_SET;
  if (::fcntl(descriptor_, F_OFD_SETLK, &request) != 0) {
    if (errno == EAGAIN || errno == EACCES || errno == EINTR) return false;
    if (errno == ESTALE) return Forget();
    return FileError("lock", path, errno,
                     ": the file system must support locks (on NFS: mount it with locking), or use another store");
  }
  // Whoever held it may have removed the folder; the lock is on a file that is not there any more.
  struct stat mine = {};
  struct stat there = {};
  if (::fstat(descriptor_, &mine) != 0 || ::stat(path.c_str(), &there) != 0 || mine.st_ino != there.st_ino ||
      mine.st_dev != there.st_dev) {
    return Forget();
  }
  held_ = true;
  return true;
}

bool JobLock::Forget() {
  ::close(std::exchange(descriptor_, -1));
  return false;
}

void JobLock::Release() {
  if (descriptor_ < 0) return;
  bool gone = false;
  if (held_ && tidy_) {
    const auto names = NamesIn(folder_);
    gone = std::all_of(names.begin(), names.end(), [](const auto& n) { return n == ".lock" || n == ".new"; });
    if (gone) {
      ::unlink((folder_ + kNewName).c_str());
      ::unlink((folder_ + kLockName).c_str());
    }
  }
  // By name and not by closing alone: a child that was forked in the meantime has the same description open.
  struct flock request = {};
  request.l_type = F_UNLCK;
  request.l_whence = SEEK_SET;
  if (held_) ::fcntl(descriptor_, F_OFD_SETLK, &request);
  ::close(descriptor_);
  // After the lock file is closed, because NFS keeps what is open under another name. Fails where someone has come.
  if (gone) ::rmdir(folder_.c_str());
}

}  // namespace weft::file_store
