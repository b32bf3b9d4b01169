#include "weft/io/location.h"

#include <arrow/config.h>
#include <arrow/filesystem/filesystem.h>
#include <arrow/filesystem/localfs.h>
#include <arrow/util/io_util.h>
#include <dlfcn.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <utility>

namespace weft::io {
namespace {

using arrow::Result;
using arrow::Status;

/// libarrow_s3 of the same version beside the libarrow in use; pyarrow's wheel has it there.
Status LoadS3() {
  Dl_info info;
  if (dladdr(reinterpret_cast<const void*>(&arrow::GetBuildInfo), &info) == 0 || info.dli_fname == nullptr) {
    return Status::IOError("s3://: cannot find out where libarrow lies, and so not libarrow_s3 either");
  }
  std::error_code error;
  const auto arrow_library = std::filesystem::canonical(info.dli_fname, error);
  if (error) return Status::IOError("s3://: cannot follow ", info.dli_fname, ": ", error.message());
  const auto library = arrow_library.parent_path() / ("libarrow_s3.so." + arrow::GetBuildInfo().so_version);
  const Status status = arrow::fs::LoadFileSystemFactories(library.c_str());
  if (!status.ok()) {
    return Status::IOError("s3:// needs ", library.string(), ", which could not be loaded (", status.message(),
                           "); install a pyarrow that has S3");
  }
  return Status::OK();
}

struct Root {
  std::shared_ptr<arrow::fs::FileSystem> file_system;
  std::string path;
};

Result<Root> MakeRoot(const std::string& scheme, const std::string& uri) {
  Root root;
  auto made = arrow::fs::FileSystemFromUri(uri, &root.path);
  static bool loaded = false;
  if (!made.ok() && scheme == "s3" && !loaded) {
    ARROW_RETURN_NOT_OK(LoadS3());
    loaded = true;
    made = arrow::fs::FileSystemFromUri(uri, &root.path);
    // The AWS library must end before its static objects do, so this is registered after they are made.
    std::atexit([] { arrow::fs::EnsureFinalized(); });
  }
  if (!made.ok()) return made.status().WithMessage("cannot open ", scheme, "://: ", made.status().message());
  root.file_system = *std::move(made);
  return root;
}

Result<Root> GetRoot(const std::string& scheme, const std::string& uri) {
  // Never freed: threads of the file systems may outlive static objects.
  static auto* const mutex = new std::mutex;
  static auto* const roots = new std::map<std::string, Root>;
  const std::lock_guard lock(*mutex);
  const auto found = roots->find(uri);
  if (found != roots->end()) return found->second;
  ARROW_ASSIGN_OR_RAISE(Root root, MakeRoot(scheme, uri));
  roots->emplace(uri, root);
  return root;
}

bool IsScheme(std::string_view text) {
  if (text.empty()) return false;
  for (const char c : text) {
    if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '+' && c != '-' && c != '.') return false;
  }
  return true;
}

}  // namespace

Result<Location> Locate(const std::string& path) {
  if (path.empty()) return Status::Invalid("a path is empty");
  Location location;
  const size_t colon = path.find("://");
  if (colon == std::string::npos || !IsScheme(std::string_view(path).substr(0, colon))) {
    location.file_system = std::make_shared<arrow::fs::LocalFileSystem>();
    location.path = path;
    return location;
  }
  const std::string scheme = path.substr(0, colon);
  if (scheme == "file") {
    location.file_system = std::make_shared<arrow::fs::LocalFileSystem>();
    location.path = path.substr(colon + 3);
    if (location.path.empty() || location.path[0] != '/') {
      return Status::Invalid("'", path, "': a file:// path must be absolute (file:///directory/name)");
    }
    return location;
  }
  location.local = false;
  const size_t query = path.find('?', colon);
  if (query != std::string::npos) location.suffix = path.substr(query);
  const std::string_view rest =
      std::string_view(path).substr(colon + 3, query == std::string::npos ? query : query - colon - 3);
  const size_t slash = rest.find('/');
  const std::string_view authority = rest.substr(0, slash);
  std::string_view key = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  while (!key.empty() && key.back() == '/') key.remove_suffix(1);
  // Only bucket and options are a URI to Arrow, so that a key may hold any character.
  const std::string base = scheme + "://" + std::string(authority);
  ARROW_ASSIGN_OR_RAISE(const Root root, GetRoot(scheme, base + (authority.empty() ? "/" : "") + location.suffix));
  location.file_system = root.file_system;
  location.path = root.path;
  if (!key.empty()) {
    if (!location.path.empty() && location.path.back() != '/') location.path += '/';
    location.path += key;
  }
  if (root.path == "/") {
    location.prefix = base;
  } else if (!root.path.empty() && base.ends_with(root.path)) {
    location.prefix = base.substr(0, base.size() - root.path.size());
  } else {
    location.prefix = base + "/";
  }
  return location;
}

Status NotFound(std::string_view operation, const std::string& path, std::string_view what) {
  return arrow::internal::IOErrorFromErrno(ENOENT, operation, ": '", path, "': ", what);
}

std::string_view BaseName(std::string_view path) {
  while (!path.empty() && path.back() == '/') path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string_view DirectoryName(std::string_view path) {
  while (!path.empty() && path.back() == '/') path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return {};
  return slash == 0 ? path.substr(0, 1) : path.substr(0, slash);
}

Status FileError(const Status& status, const std::string& where) {
  const Status led = status.WithMessage(where, ": ", status.message());
  switch (status.code()) {
    case arrow::StatusCode::Invalid:
    case arrow::StatusCode::SerializationError:
    case arrow::StatusCode::UnknownError:
    case arrow::StatusCode::IndexError:
    case arrow::StatusCode::CapacityError:
      return Status::IOError(led.message());
    default:
      return led;
  }
}

}  // namespace weft::io
