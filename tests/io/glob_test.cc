#include "weft/io/glob.h"

#include <gtest/gtest.h>

namespace weft::io {
namespace {

TEST(MatchName, Wildcards) {
  EXPECT_TRUE(MatchName("*", "a.csv"));
  EXPECT_TRUE(MatchName("*.csv", "a.csv"));
  EXPECT_FALSE(MatchName("*.csv", "a.csv.gz"));
  EXPECT_TRUE(MatchName("a?c", "abc"));
  EXPECT_FALSE(MatchName("a?c", "ac"));
  EXPECT_TRUE(MatchName("*a*b*", "xxaxxbxx"));
  EXPECT_FALSE(MatchName("*a*b*", "xxbxxaxx"));
  EXPECT_TRUE(MatchName("", ""));
  EXPECT_FALSE(MatchName("", "a"));
  EXPECT_TRUE(MatchName("a**b", "ab"));
}

TEST(MatchName, Sets) {
  EXPECT_TRUE(MatchName("part-[0-9].csv", "part-7.csv"));
  EXPECT_FALSE(MatchName("part-[0-9].csv", "part-a.csv"));
  EXPECT_TRUE(MatchName("[!a]x", "bx"));
  EXPECT_FALSE(MatchName("[!a]x", "ax"));
  EXPECT_TRUE(MatchName("[]a]", "]"));
  EXPECT_TRUE(MatchName("[a-]", "-"));
  EXPECT_TRUE(MatchName("a[b", "a[b"));  // no end: itself
  EXPECT_FALSE(MatchName("a[b", "ab"));
}

TEST(MatchName, HiddenNamesAreAskedForByName) {
  EXPECT_FALSE(MatchName("*", ".a"));
  EXPECT_FALSE(MatchName("*", "_SUCCESS"));
  EXPECT_TRUE(MatchName(".*", ".a"));
  EXPECT_TRUE(MatchName("_*", "_SUCCESS"));
  EXPECT_FALSE(MatchName("[._]a", ".a"));
}

TEST(MatchName, ManyStarsEndSoon) {
  const std::string pattern = "*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b";
  EXPECT_FALSE(MatchName(pattern, std::string(20000, 'a')));
}

TEST(MatchPath, AnyDepth) {
  const auto match = [](std::string_view pattern, std::string_view path) {
    return MatchPath(SplitPath(pattern), SplitPath(path));
  };
  EXPECT_TRUE(match("**/*.csv", "a.csv"));
  EXPECT_TRUE(match("**/*.csv", "x/y/a.csv"));
  EXPECT_FALSE(match("**/*.csv", "x/.hidden/a.csv"));
  EXPECT_TRUE(match("x/**", "x/y/z"));
  EXPECT_TRUE(match("x/**/b/*.csv", "x/b/1.csv"));
  EXPECT_TRUE(match("x/**/b/*.csv", "x/a/b/a/b/1.csv"));
  EXPECT_FALSE(match("x/**/b/*.csv", "x/a/1.csv"));
  EXPECT_TRUE(match("a?/*/c", "ab/x/c"));
  EXPECT_FALSE(match("a/*", "a/b/c"));
  EXPECT_FALSE(match("a/*/c", "a/c"));
}

TEST(SplitPath, LeavesOutWhatMeansNothing) {
  EXPECT_EQ(SplitPath("./a//b/"), (std::vector<std::string_view>{"a", "b"}));
  EXPECT_TRUE(SplitPath("").empty());
}

}  // namespace
}  // namespace weft::io
