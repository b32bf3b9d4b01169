#include <arrow/filesystem/filesystem.h>
#include <arrow/io/file.h>
#include <arrow/util/io_util.h>
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <utility>

#include "weft/base/fault_point.h"
#include "weft/base/logging.h"
#include "weft/io/encode.h"
#include "weft/io/hive.h"
#include "weft/io/output.h"
#include "weft/io/swept_directory.h"

namespace weft::io {
namespace {

namespace files = std::filesystem;
using arrow::Result;
using arrow::Status;
using arrow::internal::IOErrorFromErrno;

/// Behind an attempt's number, so that what is left of it is an earlier attempt's to the next.
constexpr std::string_view kRemoved = ".removed";

bool Exists(const std::string& path) {
  std::error_code error;
  // A link counts itself, wherever it leads.
  return files::exists(files::symlink_status(path, error));
}

Status RemoveAll(const std::string& path) {
  std::error_code error;
  files::remove_all(path, error);
  if (error) return IOErrorFromErrno(error.value(), "cannot remove '", path, "'");
  return Status::OK();
}

/// Makes renames in a directory last over a power cut. Not all file systems can; then nothing is lost but that.
void SyncDirectory(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  (void)::fsync(fd);
  (void)::close(fd);
}

Status Rename(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) == 0) return Status::OK();
  return IOErrorFromErrno(errno, "cannot rename '", from, "' to '", to, "'");
}

/// `from` becomes `to`, which must not be there.
Status RenameNew(const std::string& from, const std::string& to) {
#ifdef RENAME_NOREPLACE
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return Status::OK();
  if (errno == EEXIST) return TargetExists(to);
  if (errno != EINVAL && errno != ENOSYS) return IOErrorFromErrno(errno, "cannot rename '", from, "' to '", to, "'");
#endif
  if (Exists(to)) return TargetExists(to);
  return Rename(from, to);
}

/// `from` becomes `to`, and what `to` was is removed. There is no moment without a `to` where the system can exchange
/// two names.
Status Replace(const std::string& from, const std::string& to) {
  std::string old = from;
  bool exchanged = false;
#ifdef RENAME_EXCHANGE
  exchanged = ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) == 0;
  if (!exchanged && errno != EINVAL && errno != ENOSYS) {
    return IOErrorFromErrno(errno, "cannot exchange '", from, "' and '", to, "'");
  }
#endif
  if (!exchanged) {
    old = from + ".old";
    ARROW_RETURN_NOT_OK(Rename(to, old));
    const Status status = Rename(from, to);
    if (!status.ok()) {
      (void)Rename(old, to);
      return status;
    }
  }
  const Status removed = RemoveAll(old);
  if (!removed.ok()) WEFT_LOG(kWarning, "the output '" << to << "' is replaced, but " << removed.message());
  return Status::OK();
}

class LocalOutput : public Output {
 public:
  LocalOutput(const std::string& path, std::string token, bool overwrite)
      : token_(std::move(token)), overwrite_(overwrite), name_(BaseName(path)), directory_(DirectoryName(path)) {
    if (directory_.empty()) directory_ = ".";
    const std::string lead = directory_ == "/" ? directory_ : directory_ + "/";
    target_ = lead + name_;
    hidden_ = "." + name_ + ".weft-";
    temporary_ = lead + hidden_ + token_;
    swept_.emplace(temporary_);
  }

  Status Begin() override {
    std::error_code error;
    if (!files::is_directory(directory_, error)) {
      return NotFound("write", target_, "there is no directory '" + directory_ + "'");
    }
    if (Exists(target_)) {
      if (!overwrite_) return TargetExists(target_);
      ARROW_RETURN_NOT_OK(CheckReplaced());
    }
    RemoveLeftovers();
    if (!files::create_directory(temporary_, error)) {
      return IOErrorFromErrno(error ? error.value() : EEXIST, "write: cannot make the directory '", temporary_, "'");
    }
    began_ = true;
    FaultPoint(FaultPhase::kWrite);
    return Status::OK();
  }

  Result<std::string> WritePartIn(const std::string& directory, int rank, const arrow::Table& table,
                                  const WriteOptions& options, const Context& context, std::string* metadata) override {
    const std::string name = (directory.empty() ? "" : directory + "/") + PartName(rank) + FileExtension(options);
    std::error_code error;
    if (!files::is_directory(temporary_, error)) {
      return NotFound("write", temporary_,
                      "rank 0 made this directory, but this rank does not see it; all ranks must see one file system");
    }
    if (!directory.empty()) {
      files::create_directories(temporary_ + "/" + directory, error);
      if (error) return IOErrorFromErrno(error.value(), "write: cannot make '", temporary_, "/", directory, "'");
    }
    ARROW_RETURN_NOT_OK(WriteLocalFile(temporary_ + "/" + name, table, options, context, metadata));
    written_.push_back(name);
    if (metadata != nullptr) {
      ARROW_ASSIGN_OR_RAISE(*metadata, NameMetadata(*metadata, name));
    }
    return name;
  }

  Status WriteMetadata(const std::vector<std::string>& metadata, const arrow::Schema& schema) override {
    ARROW_ASSIGN_OR_RAISE(const auto all, arrow::io::FileOutputStream::Open(temporary_ + "/_metadata"));
    ARROW_ASSIGN_OR_RAISE(const auto common, arrow::io::FileOutputStream::Open(temporary_ + "/_common_metadata"));
    ARROW_RETURN_NOT_OK(EncodeMetadata(metadata, schema, all, common));
    ARROW_RETURN_NOT_OK(all->Close());
    return common->Close();
  }

  Status Commit(const std::vector<std::string>& parts) override {
    for (const std::string& part : parts) {
      if (!Exists(temporary_ + "/" + part)) {
        return NotFound("write", temporary_ + "/" + part,
                        "another rank wrote this, but rank 0 does not see it; all ranks must see one file system");
      }
    }
    SyncDirectory(temporary_);
    // Where two names cannot be exchanged, there is a moment in which this is all that there is.
    if (overwrite_) swept_.reset();
    FaultPoint(FaultPhase::kFinalise);
    ARROW_RETURN_NOT_OK(overwrite_ && Exists(target_) ? Replace(temporary_, target_) : RenameNew(temporary_, target_));
    FaultPoint(FaultPhase::kFinalise);
    SyncDirectory(directory_);
    began_ = false;
    written_.clear();
    return Status::OK();
  }

  void Discard() override {
    // By another name nobody can commit it any more; what Commit has renamed is not found.
    const std::string gone = temporary_ + ".gone";
    if (Rename(temporary_, gone).ok()) (void)RemoveAll(gone);
    written_.clear();
    began_ = false;
  }

  void Abandon() override {
    std::error_code error;
    for (const std::string& part : written_) {
      files::remove(temporary_ + "/" + part, error);
      for (std::string_view inner = DirectoryName(part); !inner.empty(); inner = DirectoryName(inner)) {
        (void)::rmdir((temporary_ + "/" + std::string(inner)).c_str());
      }
    }
    written_.clear();
    if (began_) {
      files::remove_all(temporary_, error);
    } else {
      // Where rank 0 is gone, the last rank to leave takes the directory along.
      (void)::rmdir(temporary_.c_str());
    }
    began_ = false;
  }

 private:
  Status CheckReplaced() {
    std::error_code error;
    if (!files::is_directory(files::symlink_status(target_, error))) return Status::OK();
    return CheckReplacedIn(target_);
  }

  Status CheckReplacedIn(const std::string& directory) {
    std::error_code error;
    for (const auto& entry : files::directory_iterator(directory, error)) {
      const std::string name = entry.path().filename().string();
      const bool inner = files::is_directory(entry.symlink_status(error));
      if (inner && IsHiveDirectory(name)) {
        ARROW_RETURN_NOT_OK(CheckReplacedIn(entry.path().string()));
      } else if (inner || !MayBeReplaced(name)) {
        return NotReplaced(target_, name);
      }
    }
    if (error) return IOErrorFromErrno(error.value(), "write: cannot read the directory '", directory, "'");
    return Status::OK();
  }

  /// Of this attempt (whose Abandon could not be) and of earlier ones of the same job, which are fenced.
  void RemoveLeftovers() {
    std::error_code error;
    for (const auto& entry : files::directory_iterator(directory_, error)) {
      const std::string name = entry.path().filename().string();
      if (!name.starts_with(hidden_)) continue;
      const std::string_view token = std::string_view(name).substr(hidden_.size());
      if (token != token_ && !IsEarlierAttempt(token, token_)) continue;
      const Status removed = RemoveWhole(entry.path().string());
      if (!removed.ok()) WEFT_LOG(kWarning, "leftovers of an earlier attempt: " << removed.message());
    }
  }

  /// Under another name first: who is about to rename it to the target finds it whole or not at all.
  static Status RemoveWhole(const std::string& path) {
    if (path.ends_with(kRemoved)) return RemoveAll(path);
    const std::string away = path + std::string(kRemoved);
    ARROW_RETURN_NOT_OK(RemoveAll(away));
    ARROW_RETURN_NOT_OK(Rename(path, away));
    return RemoveAll(away);
  }

  const std::string token_;
  const bool overwrite_;
  const std::string name_;
  std::string directory_;
  std::string target_;
  std::string hidden_;
  std::string temporary_;
  bool began_ = false;
  std::vector<std::string> written_;
  std::optional<SweptDirectory> swept_;
};

}  // namespace

std::unique_ptr<Output> MakeLocalOutput(const std::string& path, const std::string& token, bool overwrite) {
  return std::make_unique<LocalOutput>(path, token, overwrite);
}

Status WriteLocalFile(const std::string& path, const arrow::Table& table, const WriteOptions& options,
                      const Context& context, std::string* metadata) {
  ARROW_RETURN_NOT_OK(CheckEncodable(*table.schema(), options));
  TraceSpan span(context.tracer, "write.part");
  const auto write = [&]() -> Status {
    ARROW_ASSIGN_OR_RAISE(const auto file, arrow::io::FileOutputStream::Open(path));
    FaultPoint(FaultPhase::kWrite);
    Status status = Encode(table, options, context, file, metadata);
    FaultPoint(FaultPhase::kWrite);
    if (status.ok() && ::fsync(file->file_descriptor()) != 0 && errno != EINVAL && errno != ENOTSUP) {
      status = IOErrorFromErrno(errno, "cannot bring it to disk");
    }
    if (status.ok()) span.AddBytes(file->Tell().ValueOr(0));
    const Status closed = file->Close();
    return status.ok() ? closed : status;
  };
  const Status status = write();
  if (!status.ok()) {
    (void)::unlink(path.c_str());
    return status.WithMessage("write: '", path, "': ", status.message());
  }
  span.AddRows(table.num_rows());
  FaultPoint(FaultPhase::kWrite);
  return Status::OK();
}

Status WriteFile(const std::string& path, const arrow::Table& table, const WriteOptions& options,
                 const Context& context, bool overwrite) {
  ARROW_ASSIGN_OR_RAISE(const Location location, Locate(path));
  if (!location.local) {
    if (!overwrite) {
      ARROW_ASSIGN_OR_RAISE(const auto info, location.file_system->GetFileInfo(location.path));
      if (info.type() != arrow::fs::FileType::NotFound) return TargetExists(path);
    }
    return WriteObject(*location.file_system, location.path, path, table, options, context);
  }
  std::error_code error;
  if (location.path.ends_with('/') || files::is_directory(location.path, error)) {
    return IOErrorFromErrno(EISDIR, "write: '", path, "' is a directory, not a file");
  }
  std::string directory(DirectoryName(location.path));
  if (directory.empty()) directory = ".";
  if (!files::is_directory(directory, error)) {
    return NotFound("write", path, "there is no directory '" + directory + "'");
  }
  if (!overwrite && Exists(location.path)) return TargetExists(path);
  static std::atomic<int> count{0};
  const std::string temporary = directory + "/." + std::string(BaseName(location.path)) + ".weft-file-" +
                                std::to_string(::getpid()) + "-" + std::to_string(count.fetch_add(1));
  ARROW_RETURN_NOT_OK(WriteLocalFile(temporary, table, options, context));
  const Status status = overwrite ? Rename(temporary, location.path) : RenameNew(temporary, location.path);
  if (!status.ok()) (void)::unlink(temporary.c_str());
  return status;
}

}  // namespace weft::io
