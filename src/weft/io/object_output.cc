#include <arrow/filesystem/filesystem.h>
#include <arrow/io/interfaces.h>
#include <arrow/util/io_util.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "weft/base/logging.h"
#include "weft/io/encode.h"
#include "weft/io/hive.h"
#include "weft/io/manifest.h"
#include "weft/io/output.h"

namespace weft::io {
namespace {

using arrow::Result;
using arrow::Status;
using arrow::fs::FileInfo;
using arrow::fs::FileSelector;
using arrow::fs::FileType;

/// Others may put the manifest in between, but not for ever.
constexpr int kMostPuts = 100;

/// The token in the name of a part, empty where it is no such name.
std::string_view TokenOf(std::string_view name) {
  const size_t mark = name.find(kUncommittedMark);
  if (!name.starts_with("part-") || mark == std::string_view::npos) return {};
  name.remove_prefix(mark + kUncommittedMark.size());
  std::string_view token;
  return HasDataExtension(name, &token) ? token : std::string_view();
}

/// Whether `token` is that of the same write ("JOB-EPOCH.N") of an earlier attempt at the job.
bool IsEarlierWrite(std::string_view token, std::string_view mine) {
  const auto number = [](std::string_view text) { return text.substr(std::min(text.size(), text.rfind('.'))); };
  return IsEarlierAttempt(token, mine) && number(token) == number(mine);
}

class ObjectOutput : public Output {
 public:
  ObjectOutput(Location location, std::string token, bool overwrite)
      : location_(std::move(location)), token_(std::move(token)), overwrite_(overwrite) {}

  Status Begin() override {
    ARROW_ASSIGN_OR_RAISE(const auto entries, List());
    const std::string shown = location_.Show(location_.path);
    Manifest manifest;
    bool committed = false;
    for (const FileInfo& entry : entries) {
      if (entry.base_name() != kManifestName) continue;
      committed = true;
      ARROW_ASSIGN_OR_RAISE(seen_,
                            ReadManifestText(*location_.file_system, entry.path(), location_.Show(entry.path())));
      // A broken manifest names nothing that is to be removed.
      if (seen_.has_value()) manifest = ParseManifest(*seen_).ValueOr(Manifest());
      if (!overwrite_ && !IsEarlierWrite(manifest.token, token_)) return TargetExists(shown);
    }
    for (const FileInfo& entry : entries) {
      const std::string name = entry.base_name();
      const std::string_view token = TokenOf(name);
      if (name == kManifestName || (entry.type() == FileType::Directory && IsHiveDirectory(name))) continue;
      if (!token.empty()) {
        const bool named = Names(manifest.parts, entry.path());
        if (named) old_.push_back(entry.path());
        if (!named && token == token_) Remove(entry.path());
        // Who wrote these may be about to commit them. They go when that can not be any more.
        if (!named && IsEarlierAttempt(token, token_)) old_.push_back(entry.path());
        continue;
      }
      if (!overwrite_ && !committed) return TargetExists(shown);
      if (entry.type() != FileType::File || !MayBeReplaced(name)) return NotReplaced(shown, name);
      old_.push_back(entry.path());
    }
    // An object store needs no directories.
    if (location_.file_system->type_name() != "s3") {
      ARROW_RETURN_NOT_OK(location_.file_system->CreateDir(location_.path, true));
    }
    began_ = true;
    return Status::OK();
  }

  Result<std::string> WritePartIn(const std::string& directory, int rank, const arrow::Table& table,
                                  const WriteOptions& options, const Context& context, std::string* metadata) override {
    const std::string name = (directory.empty() ? "" : directory + "/") + PartName(rank) +
                             std::string(kUncommittedMark) + token_ + FileExtension(options);
    const std::string path = location_.path + "/" + name;
    if (!directory.empty() && location_.file_system->type_name() != "s3") {
      ARROW_RETURN_NOT_OK(location_.file_system->CreateDir(location_.path + "/" + directory, true));
    }
    ARROW_RETURN_NOT_OK(
        WriteObject(*location_.file_system, path, location_.Show(path), table, options, context, metadata));
    written_.push_back(path);
    return name;
  }

  Status WriteMetadata(const std::vector<std::string>& metadata, const arrow::Schema& schema) override {
    (void)metadata;
    (void)schema;
    return Status::NotImplemented("write: '", location_.Show(location_.path),
                                  "': metadata_file is for file systems; here the manifest names the parts");
  }

  Status Commit(const std::vector<std::string>& parts) override {
    const std::string path = location_.path + "/" + std::string(kManifestName);
    const Status status = Put(path, {token_, parts});
    if (!status.ok() && !Committed(path)) {
      if (!overwrite_ && CommittedEarlier(path)) {
        WEFT_LOG(kWarning, "'" << location_.Show(path)
                               << "' was committed by an earlier attempt at this job; that output counts");
        Abandon();
        return Status::OK();
      }
      return status.WithMessage("write: '", location_.Show(path), "': ", status.message());
    }
    began_ = false;
    written_.clear();
    for (const std::string& old : old_) {
      if (!Names(parts, old)) Remove(old);
    }
    return Status::OK();
  }

  void Abandon() override {
    for (const std::string& part : written_) Remove(part);
    written_.clear();
    if (!began_) return;
    began_ = false;
    const auto entries = List();
    if (!entries.ok()) return;
    for (const FileInfo& entry : *entries) {
      if (TokenOf(entry.base_name()) == token_) Remove(entry.path());
    }
  }

 private:
  /// Whether one of `parts` (names below the target) is `path`.
  bool Names(const std::vector<std::string>& parts, const std::string& path) const {
    return std::any_of(parts.begin(), parts.end(),
                       [&](const std::string& part) { return location_.path + "/" + part == path; });
  }

  Result<std::vector<FileInfo>> List() {
    ARROW_ASSIGN_OR_RAISE(const auto info, location_.file_system->GetFileInfo(location_.path));
    if (info.type() == FileType::File) {
      return Status::IOError("write: '", location_.Show(location_.path), "' is an object, not a prefix for parts");
    }
    FileSelector selector;
    selector.base_dir = location_.path;
    selector.allow_not_found = true;
    ARROW_ASSIGN_OR_RAISE(auto entries, location_.file_system->GetFileInfo(selector));
    // And what lies below directories of columns' values, at any depth.
    for (size_t i = 0; i < entries.size(); ++i) {
      if (entries[i].type() != FileType::Directory || !IsHiveDirectory(entries[i].base_name())) continue;
      selector.base_dir = entries[i].path();
      ARROW_ASSIGN_OR_RAISE(auto inner, location_.file_system->GetFileInfo(selector));
      entries.insert(entries.end(), inner.begin(), inner.end());
    }
    return entries;
  }

  /// The error of an attempt that comes too late.
  Status LaterAttempt(const std::string& path, const std::string& token) const {
    return arrow::internal::IOErrorFromErrno(EEXIST, "write: '", location_.Show(path), "' is of '", token,
                                             "', a later attempt at this job than this one, '", token_,
                                             "': it has taken over, and its output counts");
  }

  /// Puts the manifest where there is none, or with `overwrite` in the place of the one that Begin saw (whatever that
  /// is: a job may be run again under its name), or of another that was put since and is not a later attempt's.
  Status Put(const std::string& path, const Manifest& manifest) {
    for (int tries = 0; tries < kMostPuts; ++tries) {
      ARROW_ASSIGN_OR_RAISE(const bool put, PutManifest(location_, path, manifest, overwrite_ ? seen_ : std::nullopt));
      if (put) return Status::OK();
      ARROW_ASSIGN_OR_RAISE(seen_, ReadManifestText(*location_.file_system, path, location_.Show(path)));
      if (!seen_.has_value()) continue;
      const Manifest other = ParseManifest(*seen_).ValueOr(Manifest());
      // The answer to the first request may have been lost.
      if (other.token == token_) return Status::OK();
      if (IsEarlierAttempt(token_, other.token)) return LaterAttempt(path, other.token);
      if (!overwrite_) break;
      for (const std::string& part : other.parts) old_.push_back(location_.path + "/" + part);
    }
    return arrow::internal::IOErrorFromErrno(EEXIST, "'", path, "' was committed by another attempt");
  }

  /// After a put that failed: it may have arrived all the same. Where that cannot be found out, the parts are left to
  /// lie, so that a manifest that names them is not left without them.
  bool Committed(const std::string& path) {
    const auto info = location_.file_system->GetFileInfo(path);
    if (info.ok() && info->type() == FileType::NotFound) return false;
    const auto manifest = ReadManifest(*location_.file_system, path, location_.Show(path));
    if (manifest.ok()) return manifest->token == token_;
    began_ = false;
    written_.clear();
    return false;
  }

  /// Whether an earlier attempt at this job has committed this very write: then that one counts, and all is done.
  bool CommittedEarlier(const std::string& path) {
    const auto manifest = ReadManifest(*location_.file_system, path, location_.Show(path));
    return manifest.ok() && IsEarlierWrite(manifest->token, token_);
  }

  void Remove(const std::string& path) {
    const Status status = location_.file_system->DeleteFile(path);
    if (!status.ok()) WEFT_LOG(kWarning, "cannot remove '" << location_.Show(path) << "': " << status.message());
  }

  const Location location_;
  const std::string token_;
  const bool overwrite_;
  bool began_ = false;
  /// The manifest's text.
  std::optional<std::string> seen_;
  /// Objects that the commit makes obsolete, among them what earlier attempts have left.
  std::vector<std::string> old_;
  std::vector<std::string> written_;
};

}  // namespace

std::unique_ptr<Output> MakeObjectOutput(Location location, const std::string& token, bool overwrite) {
  return std::make_unique<ObjectOutput>(std::move(location), token, overwrite);
}

Status WriteObject(arrow::fs::FileSystem& file_system, const std::string& path, const std::string& shown,
                   const arrow::Table& table, const WriteOptions& options, const Context& context,
                   std::string* metadata) {
  ARROW_RETURN_NOT_OK(CheckEncodable(*table.schema(), options));
  TraceSpan span(context.tracer, "write.part");
  const auto write = [&]() -> Status {
    ARROW_ASSIGN_OR_RAISE(const auto stream, file_system.OpenOutputStream(path));
    const Status status = Encode(table, options, context, stream, metadata);
    if (!status.ok()) {
      // What was sent so far never becomes an object.
      (void)stream->Abort();
      return status;
    }
    span.AddBytes(stream->Tell().ValueOr(0));
    return stream->Close();
  };
  const Status status = write();
  if (!status.ok()) return status.WithMessage("write: '", shown, "': ", status.message());
  span.AddRows(table.num_rows());
  return Status::OK();
}

}  // namespace weft::io
