#include <arrow/filesystem/filesystem.h>
#include <arrow/io/interfaces.h>
#include <arrow/util/io_util.h>

#include <cerrno>

#include "io/files.h"
#include "weft/io/location.h"
#include "weft/io/manifest.h"
#include "weft/io/read.h"

namespace weft::io {
namespace {

using test::TemporaryDirectory;
using Names = std::vector<std::string>;

class ExpandPathsTest : public ::testing::Test {
 protected:
  /// The expanded paths, without the directory before them.
  Names Expand(const Names& paths, const std::string& extension = ".parquet") {
    Names full;
    for (const auto& path : paths) full.push_back(directory_ / path);
    auto found = ExpandPaths(full, extension);
    EXPECT_TRUE(found.ok()) << found.status();
    Names names;
    for (const auto& path : found.ValueOr(Names{})) {
      EXPECT_TRUE(path.starts_with(directory_.path() + "/")) << path;
      names.push_back(path.substr(directory_.path().size() + 1));
    }
    return names;
  }
  void Touch(const Names& names) {
    for (const auto& name : names) directory_.Write(name, "x");
  }

  TemporaryDirectory directory_;
};

TEST_F(ExpandPathsTest, FilesKeepTheListsOrder) {
  Touch({"b.parquet", "a.parquet", "odd name"});
  EXPECT_EQ(Expand({"b.parquet", "odd name", "a.parquet", "a.parquet"}),
            (Names{"b.parquet", "odd name", "a.parquet", "a.parquet"}));
}

TEST_F(ExpandPathsTest, DirectoriesAreSortedAndLeaveOutHiddenFiles) {
  Touch({"d/b.parquet", "d/a.parquet", "d/_SUCCESS", "d/_x.parquet", "d/.x.parquet", "d/notes.txt", "d/deep/c.parquet",
         "d/.t/x.parquet", "d/_t/x.parquet"});
  EXPECT_EQ(Expand({"d"}), (Names{"d/a.parquet", "d/b.parquet", "d/deep/c.parquet"}));
  EXPECT_EQ(Expand({"d/"}).size(), 3u);
}

TEST_F(ExpandPathsTest, CsvFilesMayBeCompressed) {
  Touch({"d/a.csv", "d/b.csv.gz", "d/c.parquet", "d/d.gz"});
  EXPECT_EQ(Expand({"d"}, ".csv"), (Names{"d/a.csv", "d/b.csv.gz"}));
}

TEST_F(ExpandPathsTest, Globs) {
  Touch({"x/10.parquet", "x/2.parquet", "x/a.csv", "y/1.parquet", "y/z/3.parquet", "x/.h.parquet", "w.parquet"});
  EXPECT_EQ(Expand({"x/*.parquet"}), (Names{"x/10.parquet", "x/2.parquet"}));
  EXPECT_EQ(Expand({"[xy]/?.parquet"}), (Names{"x/2.parquet", "y/1.parquet"}));
  EXPECT_EQ(Expand({"**/*.parquet"}),
            (Names{"w.parquet", "x/10.parquet", "x/2.parquet", "y/1.parquet", "y/z/3.parquet"}));
  EXPECT_EQ(Expand({"y/**"}), (Names{"y/1.parquet", "y/z/3.parquet"}));
}

TEST_F(ExpandPathsTest, AGlobMayMatchDirectoriesOfParts) {
  Touch({"a.parquet/part-00001.parquet", "a.parquet/part-00000.parquet", "b.parquet"});
  EXPECT_EQ(Expand({"*.parquet"}),
            (Names{"a.parquet/part-00000.parquet", "a.parquet/part-00001.parquet", "b.parquet"}));
}

TEST_F(ExpandPathsTest, ANameWithGlobCharactersThatIsThereIsThatFile) {
  Touch({"a[1].parquet", "a1.parquet"});
  EXPECT_EQ(Expand({"a[1].parquet"}), (Names{"a[1].parquet"}));
}

TEST_F(ExpandPathsTest, RelativePaths) {
  Touch({"d/a.parquet"});
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(directory_.path());
  const auto glob = ExpandPaths({"*/a.parquet"}, ".parquet");
  const auto plain = ExpandPaths({"d"}, ".parquet");
  std::filesystem::current_path(before);
  EXPECT_EQ(glob.ValueOrDie(), (Names{"d/a.parquet"}));
  EXPECT_EQ(plain.ValueOrDie(), (Names{"d/a.parquet"}));
}

TEST_F(ExpandPathsTest, FileUris) {
  Touch({"a.parquet"});
  EXPECT_EQ(ExpandPaths({"file://" + directory_.path()}, ".parquet").ValueOrDie(), (Names{directory_ / "a.parquet"}));
  EXPECT_STATUS_HAS(ExpandPaths({"file://a"}, ".parquet").status(), IsInvalid, "absolute");
}

TEST_F(ExpandPathsTest, WhatFindsNothingIsNamed) {
  Touch({"d/a.csv"});
  for (const char* name : {"missing.parquet", "d", "d/*.parquet", "nowhere/*.parquet", "nowhere/**"}) {
    const auto found = ExpandPaths({directory_ / name}, ".parquet");
    EXPECT_STATUS_HAS(found.status(), IsIOError, directory_ / name);
    EXPECT_EQ(arrow::internal::ErrnoFromStatus(found.status()), ENOENT) << found.status();
  }
  EXPECT_TRUE(ExpandPaths({}, ".parquet").status().IsInvalid());
  EXPECT_TRUE(ExpandPaths({""}, ".parquet").status().IsInvalid());
}

TEST_F(ExpandPathsTest, DirectoriesThatHoldValuesAreRefused) {
  Touch({"d/year=2013/a.parquet"});
  EXPECT_STATUS_HAS(ExpandPaths({directory_ / "d"}, ".parquet").status(), IsNotImplemented, "year=2013");
}

TEST_F(ExpandPathsTest, AManifestNamesItsParts) {
  Touch({"d/part-00000.weft-j-1.parquet", "d/part-00001.weft-j-1.parquet", "d/part-00000.weft-j-0.parquet",
         "d/other.parquet"});
  // None yet: the parts are those of attempts under way or dead.
  EXPECT_EQ(Expand({"d"}), (Names{"d/other.parquet"}));
  EXPECT_EQ(Expand({"d/*.parquet"}), (Names{"d/other.parquet"}));
  directory_.Write("d/_weft_manifest.json",
                   FormatManifest({"j-1", {"part-00001.weft-j-1.parquet", "part-00000.weft-j-1.parquet"}}));
  EXPECT_EQ(Expand({"d"}), (Names{"d/part-00001.weft-j-1.parquet", "d/part-00000.weft-j-1.parquet"}));
  EXPECT_EQ(Expand({"d/part-*.parquet"}), (Names{"d/part-00001.weft-j-1.parquet", "d/part-00000.weft-j-1.parquet"}));
}

TEST_F(ExpandPathsTest, ABrokenManifestIsAnErrorWithItsName) {
  Touch({"d/a.parquet"});
  directory_.Write("d/_weft_manifest.json", "{\"version\":1,");
  EXPECT_STATUS_HAS(ExpandPaths({directory_ / "d"}, ".parquet").status(), IsIOError, "_weft_manifest.json");
}

TEST_F(ExpandPathsTest, UnknownSchemes) {
  EXPECT_STATUS_HAS(ExpandPaths({"nowhere://bucket/key"}, ".parquet").status(), IsInvalid, "nowhere");
}

TEST(Locate, FileSystemsByUriKeepTheirKeysAsTheyStand) {
  const auto first = Locate("mock://weft-locate/a b/c%20d").ValueOrDie();
  const auto second = Locate("mock://weft-locate/").ValueOrDie();
  EXPECT_FALSE(first.local);
  EXPECT_EQ(first.file_system.get(), second.file_system.get());
  EXPECT_EQ(first.Show(first.path), "mock://weft-locate/a b/c%20d");
  EXPECT_TRUE(first.path.ends_with("a b/c%20d")) << first.path;
}

TEST(Locate, S3IsLoadedWhenItIsAskedFor) {
  const auto located = Locate("s3://bucket/a key?endpoint_override=127.0.0.1:9&scheme=http&region=us-east-1");
  if (!located.ok()) {
    // An Arrow without it: the error says what is missing.
    EXPECT_STATUS_HAS(located.status(), IsIOError, "libarrow_s3");
    return;
  }
  EXPECT_EQ(located->file_system->type_name(), "s3");
  EXPECT_EQ(located->path, "bucket/a key");
  EXPECT_EQ(located->Show("bucket/b"), "s3://bucket/b?endpoint_override=127.0.0.1:9&scheme=http&region=us-east-1");
}

TEST(Locate, NamesAndDirectories) {
  EXPECT_EQ(BaseName("a/b/"), "b");
  EXPECT_EQ(BaseName("/"), "");
  EXPECT_EQ(DirectoryName("a/b/"), "a");
  EXPECT_EQ(DirectoryName("/a"), "/");
  EXPECT_EQ(DirectoryName("a"), "");
}

TEST(Manifest, RoundTripAndRefusals) {
  const Manifest written{"job \"x\"\n-1", {"a.parquet", "b\\c.parquet", "ä.parquet"}};
  const Manifest read = ParseManifest(FormatManifest(written)).ValueOrDie();
  EXPECT_EQ(read.token, written.token);
  EXPECT_EQ(read.parts, written.parts);
  EXPECT_TRUE(ParseManifest(FormatManifest({"t", {}})).ValueOrDie().parts.empty());
  for (const char* text :
       {"", "{}", "[]", "{\"version\":2,\"parts\":[]}", "{\"version\":1}", "{\"version\":1,\"parts\":[1]}",
        "{\"version\":1,\"parts\":[\"../x\"]}", "{\"version\":1,\"parts\":[\"\"]}", "{\"version\":1,\"parts\":[null]}",
        "{\"version\":1,\"parts\":[]}{\"version\":1,\"parts\":[]}"}) {
    EXPECT_FALSE(ParseManifest(text).ok()) << text;
  }
}

}  // namespace
}  // namespace weft::io
