// Output on an object store: io::Output itself, in all interleavings of its requests. Each process is a whole attempt
// at the job, all its ranks one after another: what they agree on in between (distributed/write.cc) makes them one
// sequence, and that there is one of each rank in an epoch is what membership_model_test.cc shows. Nothing here asks a
// store whether an epoch is over: an attempt may sleep at any place for as long as it likes and then go on.
#include <arrow/buffer.h>
#include <arrow/filesystem/filesystem.h>
#include <arrow/io/memory.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "model/explorer.h"
#include "weft/base/logging.h"
#include "weft/io/manifest.h"
#include "weft/io/output.h"

namespace weft::model {
namespace {

using arrow::Result;
using arrow::Status;

constexpr const char* kTarget = "out";
constexpr const char* kManifest = "out/_weft_manifest.json";
/// The highest epoch that has begun to write.
constexpr const char* kBegun = "#begun";
constexpr const char* kFenced = "(fenced)";
constexpr const char* kBroken = "#broken";
constexpr std::string_view kNone = "(none)";

/// The last one was in the code until this model found it: who began a write removed what earlier attempts had written
/// and not yet committed, and who came late committed parts that were gone.
enum class Fault { kNone, kPutWithoutCondition, kLeftoversGoAtBegin };

thread_local Dialogue* current = nullptr;

Result<std::string> Ask(const std::string& question) {
  auto answer = current->Ask(question);
  if (!answer.has_value()) return Status::Cancelled("the dialogue ends here");
  return *std::move(answer);
}

/// An object is there when its stream is closed.
class PutStream : public arrow::io::OutputStream {
 public:
  explicit PutStream(std::string path) : path_(std::move(path)) {}
  Status Write(const void* data, int64_t size) override {
    bytes_.append(static_cast<const char*>(data), static_cast<size_t>(size));
    return Status::OK();
  }
  Result<int64_t> Tell() const override { return static_cast<int64_t>(bytes_.size()); }
  bool closed() const override { return closed_; }
  Status Close() override {
    if (std::exchange(closed_, true)) return Status::OK();
    // What is in a part does not matter, only that it is there.
    return Ask("put|" + path_ + "|" + (path_ == kManifest ? bytes_ : "part")).status();
  }
  Status Abort() override {
    closed_ = true;
    return Status::OK();
  }

 private:
  const std::string path_;
  std::string bytes_;
  bool closed_ = false;
};

/// Objects by name, of which the dialogue tells.
class DialogueFileSystem : public arrow::fs::FileSystem {
 public:
  std::string type_name() const override { return "s3"; }
  bool Equals(const FileSystem& other) const override { return this == &other; }
  Result<arrow::fs::FileInfo> GetFileInfo(const std::string& path) override {
    if (path == kTarget) return arrow::fs::FileInfo(path, arrow::fs::FileType::Directory);
    ARROW_ASSIGN_OR_RAISE(const auto answer, Ask("get|" + path));
    return arrow::fs::FileInfo(path, answer == kNone ? arrow::fs::FileType::NotFound : arrow::fs::FileType::File);
  }
  Result<arrow::fs::FileInfoVector> GetFileInfo(const arrow::fs::FileSelector& /*select*/) override {
    ARROW_ASSIGN_OR_RAISE(const auto answer, Ask("list"));
    arrow::fs::FileInfoVector found;
    for (size_t begin = 0; begin < answer.size();) {
      const size_t end = answer.find(' ', begin);
      found.emplace_back(answer.substr(begin, end - begin), arrow::fs::FileType::File);
      begin = end + 1;
    }
    return found;
  }
  Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenInputFile(const std::string& path) override {
    ARROW_ASSIGN_OR_RAISE(const auto answer, Ask("get|" + path));
    if (answer == kNone) return Status::IOError("no object '", path, "'");
    if (answer == kFenced) return Status::Cancelled(answer);
    return std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(answer));
  }
  Result<std::shared_ptr<arrow::io::OutputStream>> OpenOutputStream(
      const std::string& path, const std::shared_ptr<const arrow::KeyValueMetadata>& /*metadata*/) override {
    return std::make_shared<PutStream>(path);
  }
  Status DeleteFile(const std::string& path) override { return Ask("delete|" + path).status(); }

  Result<std::shared_ptr<arrow::io::InputStream>> OpenInputStream(const std::string& path) override {
    return OpenInputFile(path);
  }
  Status CreateDir(const std::string& path, bool /*recursive*/) override { return NotAsked(path); }
  Status DeleteDir(const std::string& path) override { return NotAsked(path); }
  Status DeleteDirContents(const std::string& path, bool /*missing_dir_ok*/) override { return NotAsked(path); }
  Status DeleteRootDirContents() override { return NotAsked("/"); }
  Status Move(const std::string& from, const std::string& /*to*/) override { return NotAsked(from); }
  Status CopyFile(const std::string& from, const std::string& /*to*/) override { return NotAsked(from); }
  Result<std::shared_ptr<arrow::io::OutputStream>> OpenAppendStream(
      const std::string& path, const std::shared_ptr<const arrow::KeyValueMetadata>& /*metadata*/) override {
    return NotAsked(path);
  }

 private:
  static Status NotAsked(const std::string& path) { return Status::NotImplemented(path); }
};

int64_t EpochOf(const std::string& token) { return token.starts_with("j-") ? std::stoll(token.substr(2)) : -1; }

/// Parsing is the dearest step here, of few texts.
const io::Manifest* Parsed(const std::string& text) {
  static std::map<std::string, Result<io::Manifest>> known;
  const auto entry = known.try_emplace(text, Status::Invalid(""));
  if (entry.second) entry.first->second = io::ParseManifest(text);
  return entry.first->second.ok() ? &*entry.first->second : nullptr;
}

/// What is visible now is whole: all that the manifest names is there. Of a later attempt nothing is replaced by an
/// earlier one, and without `overwrite` nothing at all.
void Look(World* world, bool overwrite, const std::string& before) {
  const auto there = world->find(kManifest);
  if (there == world->end()) {
    if (!before.empty()) (*world)[kBroken] = "what was visible is gone";
    return;
  }
  const io::Manifest* const manifest = Parsed(there->second);
  if (manifest == nullptr) {
    (*world)[kBroken] = "no manifest: " + there->second;
    return;
  }
  for (const std::string& part : manifest->parts) {
    if (!world->contains(std::string(kTarget) + "/" + part)) {
      (*world)[kBroken] = "visible is " + manifest->token + ", and its " + part + " is not there";
    }
    if (part.find(manifest->token) == std::string::npos) (*world)[kBroken] = manifest->token + " names " + part;
  }
  if (before.empty() || before == there->second) return;
  const std::string old = Parsed(before)->token;
  if (!overwrite || EpochOf(manifest->token) <= EpochOf(old)) {
    (*world)[kBroken] = manifest->token + " has taken the place of " + old;
  }
}

std::vector<Reply> Answer(const World& world, int epoch, const std::string& question, bool overwrite, Fault fault) {
  const size_t bar = question.find('|');
  const std::string call = question.substr(0, bar);
  const size_t next_bar = question.find('|', bar + 1);
  const std::string path = bar == std::string::npos ? "" : question.substr(bar + 1, next_bar - bar - 1);
  const std::string bytes = next_bar == std::string::npos ? "" : question.substr(next_bar + 1);
  World next = world;
  const auto at = world.find(path);
  const std::string manifest = world.contains(kManifest) ? world.at(kManifest) : "";
  if (call == "list") {
    std::string names;
    for (const auto& [name, value] : world) {
      const size_t token = name.find(".weft-");
      if (fault == Fault::kLeftoversGoAtBegin && token != std::string::npos && manifest.empty() &&
          EpochOf(name.substr(token + 6)) < epoch) {
        next.erase(name);
      }
      if (!name.starts_with("#")) names += name + " ";
    }
    return {{next, names}};
  }
  const std::string began = "#began by " + std::to_string(epoch);
  if (overwrite && call == "get" && !world.contains(began)) {
    // What is there when a write with `overwrite` begins is to be replaced, whoever wrote it: a job may be run again
    // under its name. So an attempt that begins one after a later one has done so is kept from it by the fence alone.
    if (std::stoi(world.at(kBegun)) > epoch) return {{next, kFenced}};
    next[began] = "";
    next[kBegun] = std::to_string(epoch);
  }
  if (call == "get") return {{next, at == world.end() ? std::string(kNone) : at->second}};
  if (call == "delete") {
    next.erase(path);
  } else if (call == "put") {
    next[path] = bytes;
  } else {
    // put_if|path|expected\nnew: one request with a condition.
    const size_t line = bytes.find('\n');
    const std::string expected = bytes.substr(0, line);
    const std::string there = at == world.end() ? std::string(kNone) : at->second.substr(0, at->second.find('\n'));
    if (fault != Fault::kPutWithoutCondition && there != expected) return {{next, "no"}};
    next[path] = bytes.substr(line + 1);
  }
  Look(&next, overwrite, manifest);
  return {{next, "yes"}};
}

Process Attempt(int epoch, bool overwrite) {
  const std::string token = "j-" + std::to_string(epoch) + ".0";
  return {"epoch " + std::to_string(epoch), [=](Dialogue& dialogue) -> std::string {
            static const auto table = arrow::Table::Make(arrow::schema({}), arrow::ArrayVector{}, 0);
            static const Context context;
            current = &dialogue;
            const io::Location location{std::make_shared<DialogueFileSystem>(), kTarget, false, "s3://", ""};
            const auto output = io::MakeObjectOutput(location, token, overwrite);
            io::WriteOptions options;
            options.format = io::FileFormat::kIpcStream;
            const auto write = [&]() -> Status {
              ARROW_RETURN_NOT_OK(output->Begin());
              ARROW_ASSIGN_OR_RAISE(const auto first, output->WritePart(0, *table, options, context));
              ARROW_ASSIGN_OR_RAISE(const auto second, output->WritePart(1, *table, options, context));
              return output->Commit({first, second});
            };
            const Status status = write();
            if (status.ok()) return "done";
            output->Abandon();
            return "refused";
          }};
}

Explored Explore(const std::vector<int>& epochs, bool overwrite, int crashes, int repeats, Fault fault = Fault::kNone) {
  set_log_level(LogLevel::kOff);
  io::SetConditionalPut([](const std::string& path, const std::string& /*suffix*/, const std::string& bytes,
                           const std::optional<std::string>& expected) -> Result<std::optional<bool>> {
    // Without the line end that a manifest has.
    const std::string old = expected.has_value() ? expected->substr(0, expected->find('\n')) : std::string(kNone);
    ARROW_ASSIGN_OR_RAISE(const auto answer, Ask("put_if|" + path + "|" + old + "\n" + bytes));
    return std::optional<bool>(answer == "yes");
  });
  Setting setting;
  for (const int epoch : epochs) setting.processes.push_back(Attempt(epoch, overwrite));
  if (overwrite) {
    // Of another job.
    setting.world[std::string(kTarget) + "/part-00000.weft-k-7.0.arrows"] = "part";
    setting.world[kManifest] = io::FormatManifest({"k-7.0", {"part-00000.weft-k-7.0.arrows"}});
  }
  setting.world[kBegun] = "-1";
  setting.answer = [=](const World& world, size_t process, const std::string& question) {
    return Answer(world, epochs[process], question, overwrite, fault);
  };
  setting.broken = [](const World& world, const View& /*before*/, const View& after) -> std::string {
    const auto broken = world.find(kBroken);
    if (broken != world.end()) return broken->second;
    for (const ProcessView& process : after) {
      if (process.result != nullptr && *process.result == "done" && !world.contains(kManifest))
        return "done, and nothing is visible";
    }
    return "";
  };
  setting.crashes = crashes;
  setting.repeats = repeats;
  const Explored explored = Explorer(std::move(setting)).Run();
  io::SetConditionalPut({});
  std::cout << explored.Text() << std::endl;
  return explored;
}

void Holds(const Explored& explored) {
  EXPECT_EQ(explored.broken, "") << explored.Text();
  EXPECT_TRUE(explored.complete);
}

bool Soak() { return std::getenv("WEFT_SOAK") != nullptr; }

TEST(OutputModel, OneOutputOfOneEpochWhole) {
  Holds(Explore({0, 1}, false, 2, 1));
  Holds(Explore({0, 1, 2}, false, 0, 0));
  if (Soak()) Holds(Explore({0, 1, 2}, false, 3, 1));
}

TEST(OutputModel, AnOldEpochNeverTakesTheNewOnesPlace) {
  Holds(Explore({0, 1}, true, 2, 1));
  Holds(Explore({0, 1, 2}, true, 0, 0));
  if (Soak()) Holds(Explore({0, 1, 2}, true, 3, 1));
}

TEST(OutputModel, BreaksWhereTheManifestIsPutWithoutCondition) {
  EXPECT_NE(Explore({0, 1}, false, 0, 0, Fault::kPutWithoutCondition).broken.find("has taken the place of"),
            std::string::npos);
  EXPECT_NE(Explore({0, 1}, true, 0, 0, Fault::kPutWithoutCondition).broken, "");
}

TEST(OutputModel, BreaksWhereLeftoversGoAtBegin) {
  EXPECT_NE(Explore({0, 1}, false, 0, 0, Fault::kLeftoversGoAtBegin).broken.find("is not there"), std::string::npos);
}

}  // namespace
}  // namespace weft::model
