#include <arrow/filesystem/filesystem.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "weft/io/glob.h"
#include "weft/io/hive.h"
#include "weft/io/location.h"
#include "weft/io/manifest.h"
#include "weft/io/read.h"

namespace weft::io {
namespace {

using arrow::Result;
using arrow::Status;
using arrow::fs::FileInfo;
using arrow::fs::FileSelector;
using arrow::fs::FileType;

constexpr std::string_view kOperation = "expand paths";

/// `path` relative to `base`, both as the file system writes them.
std::string_view Relative(std::string_view path, std::string_view base) {
  if (!base.empty() && path.starts_with(base)) path.remove_prefix(base.size());
  while (!path.empty() && path.front() == '/') path.remove_prefix(1);
  return path;
}

bool HasExtension(std::string_view name, const std::string& extension) {
  if (extension == ".feather") {
    return name.ends_with(extension) || name.ends_with(".arrow") || name.ends_with(".arrows") || name.ends_with(".ipc");
  }
  if (extension == ".csv" || extension == ".jsonl") {
    for (const std::string_view packed : {".gz", ".bz2", ".zst", ".lz4"}) {
      if (!name.ends_with(packed)) continue;
      name.remove_suffix(packed.size());
      break;
    }
    if (extension == ".jsonl" && (name.ends_with(".json") || name.ends_with(".ndjson"))) return true;
  }
  return name.ends_with(extension);
}

bool Uncommitted(std::string_view name) {
  return name.starts_with("part-") && name.find(kUncommittedMark) != std::string_view::npos;
}

/// One file system's files, in sorted order, less those that no manifest names though one should.
class Lister {
 public:
  Lister(const Location& location, const std::string& extension, Hive hive)
      : location_(location), extension_(extension), hive_(hive) {}

  /// Files of the format below the directory.
  Result<std::vector<std::string>> Directory(const std::string& base) {
    FileSelector selector;
    selector.base_dir = base;
    selector.recursive = true;
    ARROW_ASSIGN_OR_RAISE(const auto infos, location_.file_system->GetFileInfo(selector));
    std::vector<std::string> files;
    std::set<std::string> manifests;
    for (const FileInfo& info : infos) {
      if (info.type() != FileType::File) continue;
      const auto parts = SplitPath(Relative(info.path(), base));
      const bool hidden =
          std::any_of(parts.begin(), parts.end(), [](auto part) { return part[0] == '.' || part[0] == '_'; });
      if (!parts.empty() && parts.back() == kManifestName) manifests.insert(std::string(DirectoryName(info.path())));
      if (hidden || parts.empty() || !HasExtension(parts.back(), extension_)) continue;
      for (size_t i = 0; i + 1 < parts.size() && hive_ == Hive::kRefused; ++i) {
        if (IsHiveDirectory(parts[i])) {
          return Status::NotImplemented(kOperation, ": '", location_.Show(base),
                                        "': directories that hold a column's value ('", parts[i],
                                        "') are not read; name the files");
        }
      }
      files.push_back(info.path());
    }
    ARROW_ASSIGN_OR_RAISE(const Groups groups, Committed(files, manifests));
    files = Flatten(groups);
    if (files.empty()) {
      return NotFound(kOperation, location_.Show(base), "no *" + extension_ + " file is in this directory");
    }
    return files;
  }

  Result<std::vector<std::string>> Glob(const std::string& pattern) {
    // What is before the first component with a pattern is a plain directory.
    const size_t slash = pattern.rfind('/', pattern.find_first_of("*?["));
    const std::string base = slash == std::string::npos ? "" : pattern.substr(0, std::max<size_t>(slash, 1));
    const auto wanted = SplitPath(std::string_view(pattern).substr(slash == std::string::npos ? 0 : slash));
    const bool deep = std::find(wanted.begin(), wanted.end(), "**") != wanted.end();
    FileSelector selector;
    selector.base_dir = base.empty() && location_.local ? "." : base;
    selector.allow_not_found = true;
    selector.recursive = deep || wanted.size() > 1;
    if (!deep) selector.max_recursion = static_cast<int32_t>(wanted.size()) - 1;
    ARROW_ASSIGN_OR_RAISE(const auto infos, location_.file_system->GetFileInfo(selector));
    std::vector<std::string> files;
    std::vector<std::string> directories;
    for (const FileInfo& info : infos) {
      std::string path = info.path();
      if (base.empty() && path.starts_with("./")) path.erase(0, 2);
      if (!MatchPath(wanted, SplitPath(Relative(path, base)))) continue;
      // Below "**" a directory's files are matched on their own.
      if (info.type() == FileType::File) files.push_back(path);
      if (info.type() == FileType::Directory && !deep) directories.push_back(path);
    }
    std::set<std::string> manifests;
    for (const std::string& file : files) {
      if (!Uncommitted(BaseName(file))) continue;
      for (std::string directory(DirectoryName(file));; directory = DirectoryName(directory)) {
        ARROW_ASSIGN_OR_RAISE(const auto info, location_.file_system->GetFileInfo(ManifestPath(directory)));
        if (info.type() == FileType::File) manifests.insert(directory);
        // Parts of hive partitions are named by the manifest above these.
        if (info.type() == FileType::File || !IsHiveDirectory(BaseName(directory))) break;
      }
    }
    ARROW_ASSIGN_OR_RAISE(Groups groups, Committed(files, manifests));
    for (const std::string& directory : directories) {
      ARROW_ASSIGN_OR_RAISE(groups[directory], Directory(directory));
    }
    files = Flatten(groups);
    if (files.empty()) return NotFound(kOperation, location_.Show(pattern), "no file fits this pattern");
    return files;
  }

 private:
  static std::string ManifestPath(const std::string& directory) {
    return (directory.empty() ? "" : directory + "/") + std::string(kManifestName);
  }

  /// Files that stay together, by the name at which they stand among the others.
  using Groups = std::map<std::string, std::vector<std::string>>;

  static std::vector<std::string> Flatten(const Groups& groups) {
    std::vector<std::string> files;
    for (const auto& [name, group] : groups) files.insert(files.end(), group.begin(), group.end());
    return files;
  }

  /// Each file by itself; of a directory with a manifest, exactly the parts it names, in its order.
  Result<Groups> Committed(const std::vector<std::string>& files, const std::set<std::string>& manifests) {
    Groups groups;
    for (const std::string& directory : manifests) {
      const std::string path = ManifestPath(directory);
      ARROW_ASSIGN_OR_RAISE(const auto manifest, ReadManifest(*location_.file_system, path, location_.Show(path)));
      std::vector<std::string> parts;
      for (const std::string& part : manifest.parts) {
        if (HasExtension(part, extension_)) parts.push_back((directory.empty() ? "" : directory + "/") + part);
      }
      if (!parts.empty()) groups[parts.front()] = parts;
    }
    for (const std::string& file : files) {
      if (!Uncommitted(BaseName(file)) && !BesideManifest(file, manifests)) groups[file] = {file};
    }
    return groups;
  }

  /// Whether a manifest says which files of this one's directory count.
  static bool BesideManifest(const std::string& file, const std::set<std::string>& manifests) {
    for (std::string directory(DirectoryName(file));; directory = DirectoryName(directory)) {
      if (manifests.contains(directory)) return true;
      if (!IsHiveDirectory(BaseName(directory))) return false;
    }
  }

  const Location& location_;
  const std::string& extension_;
  const Hive hive_;
};

}  // namespace

Result<std::vector<DataFile>> ExpandFiles(const std::vector<std::string>& paths, const std::string& extension,
                                          Hive hive) {
  if (paths.empty()) return Status::Invalid(kOperation, ": no path is given");
  std::vector<DataFile> all;
  for (const std::string& path : paths) {
    ARROW_ASSIGN_OR_RAISE(const Location location, Locate(path));
    ARROW_ASSIGN_OR_RAISE(const FileInfo info, location.file_system->GetFileInfo(location.path));
    Lister lister(location, extension, hive);
    std::vector<std::string> found;
    // What of a found path is the user's own, and says nothing of columns.
    std::string base;
    if (info.type() == FileType::Directory) {
      ARROW_ASSIGN_OR_RAISE(found, lister.Directory(location.path));
      base = location.path;
    } else if (info.type() == FileType::NotFound && HasGlob(location.path)) {
      ARROW_ASSIGN_OR_RAISE(found, lister.Glob(location.path));
      base = location.path.substr(0, location.path.find_first_of("*?["));
      base = base.substr(0, base.rfind('/') + 1);
    } else if (info.type() == FileType::NotFound) {
      return NotFound(kOperation, path, "No such file or directory");
    } else {
      // Whatever it is (a pipe, say), its name was given.
      found.push_back(location.path);
      base = DirectoryName(location.path);
    }
    for (const std::string& file : found) {
      all.push_back(
          {location.Show(file), hive == Hive::kColumns ? ParseHive(Relative(file, base)) : std::vector<HiveKey>()});
    }
  }
  return all;
}

Result<std::vector<std::string>> ExpandPaths(const std::vector<std::string>& paths, const std::string& extension) {
  ARROW_ASSIGN_OR_RAISE(auto files, ExpandFiles(paths, extension, Hive::kRefused));
  std::vector<std::string> names;
  for (DataFile& file : files) names.push_back(std::move(file.name));
  return names;
}

}  // namespace weft::io
