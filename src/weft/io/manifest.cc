#include "weft/io/manifest.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/filesystem/filesystem.h>
#include <arrow/io/interfaces.h>
#include <arrow/io/memory.h>
#include <arrow/json/api.h>
#include <arrow/table.h>
#include <arrow/util/io_util.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <mutex>
#include <utility>

#include "weft/io/hive.h"

namespace weft::io {
namespace {

using arrow::Result;
using arrow::Status;

/// Far above any real one: a part's name takes some 60 bytes.
constexpr int64_t kMaxManifestBytes = 64 << 20;

void AppendString(std::string_view text, std::string* out) {
  *out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      *out += '\\';
      *out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof(escaped), "\\u%04x", static_cast<unsigned>(c));
      *out += escaped;
    } else {
      *out += c;
    }
  }
  *out += '"';
}

/// A file's name, or one below directories that hold columns' values.
bool PlainName(std::string_view name) {
  if (name.empty() || name.front() == '/' || name.back() == '/') return false;
  size_t begin = 0;
  for (;;) {
    const size_t slash = name.find('/', begin);
    const std::string_view part = name.substr(begin, slash == std::string_view::npos ? slash : slash - begin);
    if (part.empty() || part == "." || part == "..") return false;
    if (slash == std::string_view::npos) return true;
    if (!IsHiveDirectory(part)) return false;
    begin = slash + 1;
  }
}

Result<std::string> ReadText(arrow::io::RandomAccessFile& file, const std::string& shown) {
  ARROW_ASSIGN_OR_RAISE(const int64_t size, file.GetSize());
  if (size > kMaxManifestBytes) return Status::IOError("manifest '", shown, "': ", size, " bytes are too many");
  ARROW_ASSIGN_OR_RAISE(const auto bytes, file.ReadAt(0, size));
  return bytes->ToString();
}

// Never freed: a commit may run while static objects go.
std::mutex& HookMutex() {
  static auto* const mutex = new std::mutex;
  return *mutex;
}

ConditionalPut& Hook() {
  static auto* const hook = new ConditionalPut;
  return *hook;
}

ConditionalPut CurrentHook() {
  const std::lock_guard lock(HookMutex());
  return Hook();
}

}  // namespace

std::string FormatManifest(const Manifest& manifest) {
  std::string text = "{\"version\":1,\"token\":";
  AppendString(manifest.token, &text);
  text += ",\"parts\":[";
  for (size_t i = 0; i < manifest.parts.size(); ++i) {
    if (i > 0) text += ',';
    AppendString(manifest.parts[i], &text);
  }
  text += "]}\n";
  return text;
}

Result<Manifest> ParseManifest(std::string_view text) {
  auto read = arrow::json::ReadOptions::Defaults();
  read.use_threads = false;
  // One block: an object may not cross two.
  read.block_size = static_cast<int32_t>(std::max<size_t>(text.size(), 1) + 1);
  auto parse = arrow::json::ParseOptions::Defaults();
  parse.newlines_in_values = true;
  parse.explicit_schema = arrow::schema({arrow::field("version", arrow::int64()), arrow::field("token", arrow::utf8()),
                                         arrow::field("parts", arrow::list(arrow::utf8()))});
  parse.unexpected_field_behavior = arrow::json::UnexpectedFieldBehavior::Ignore;
  const auto input = std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(std::string(text)));
  ARROW_ASSIGN_OR_RAISE(auto reader, arrow::json::TableReader::Make(arrow::default_memory_pool(), input, read, parse));
  ARROW_ASSIGN_OR_RAISE(const auto table, reader->Read());
  if (table->num_rows() != 1) return Status::Invalid("it must hold one JSON object");
  ARROW_ASSIGN_OR_RAISE(const auto batch, table->CombineChunksToBatch());
  const auto& version = static_cast<const arrow::Int64Array&>(*batch->column(0));
  const auto& token = static_cast<const arrow::StringArray&>(*batch->column(1));
  const auto& parts = static_cast<const arrow::ListArray&>(*batch->column(2));
  if (version.IsNull(0) || version.Value(0) != 1)
    return Status::Invalid("its version is not 1; a newer Weft wrote it?");
  if (parts.IsNull(0)) return Status::Invalid("it has no \"parts\"");
  Manifest manifest;
  if (token.IsValid(0)) manifest.token = token.GetString(0);
  const auto& names = static_cast<const arrow::StringArray&>(*parts.values());
  for (int64_t i = parts.value_offset(0); i < parts.value_offset(1); ++i) {
    if (names.IsNull(i) || !PlainName(names.GetView(i))) {
      return Status::Invalid("its part ", i, " is not the name of a file beside or below it");
    }
    manifest.parts.push_back(names.GetString(i));
  }
  return manifest;
}

Result<Manifest> ReadManifest(arrow::fs::FileSystem& file_system, const std::string& path, const std::string& shown) {
  ARROW_ASSIGN_OR_RAISE(const auto file, file_system.OpenInputFile(path));
  ARROW_ASSIGN_OR_RAISE(const auto text, ReadText(*file, shown));
  auto manifest = ParseManifest(text);
  if (!manifest.ok()) return FileError(manifest.status(), "manifest '" + shown + "'");
  return manifest;
}

Result<std::optional<std::string>> ReadManifestText(arrow::fs::FileSystem& file_system, const std::string& path,
                                                    const std::string& shown) {
  const auto file = file_system.OpenInputFile(path);
  if (file.ok()) return ReadText(**file, shown);
  ARROW_ASSIGN_OR_RAISE(const auto info, file_system.GetFileInfo(path));
  if (info.type() == arrow::fs::FileType::NotFound) return std::nullopt;
  return file.status();
}

void SetConditionalPut(ConditionalPut put) {
  const std::lock_guard lock(HookMutex());
  Hook() = std::move(put);
}

Result<bool> PutManifest(const Location& location, const std::string& path, const Manifest& manifest,
                         const std::optional<std::string>& expected) {
  arrow::fs::FileSystem& file_system = *location.file_system;
  const std::string text = FormatManifest(manifest);
  // Credentials in the address itself ("s3://key:secret@bucket") are Arrow's alone.
  if (file_system.type_name() == "s3" && location.prefix.find('@') == std::string::npos) {
    std::optional<bool> put;
    if (const ConditionalPut hook = CurrentHook()) {
      ARROW_ASSIGN_OR_RAISE(put, hook(path, location.suffix, text, expected));
    }
    if (put.has_value()) return *put;
  }
  ARROW_ASSIGN_OR_RAISE(const auto there, ReadManifestText(file_system, path, location.Show(path)));
  if (there != expected) return false;
  ARROW_ASSIGN_OR_RAISE(const auto stream, file_system.OpenOutputStream(path));
  const Status status = stream->Write(text);
  if (!status.ok()) {
    (void)stream->Abort();
    return status;
  }
  ARROW_RETURN_NOT_OK(stream->Close());
  return true;
}

}  // namespace weft::io
