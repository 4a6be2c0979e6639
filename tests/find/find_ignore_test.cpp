// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"

#include <string>

#include "find/ignore_rules.hpp"

using namespace mice::find;

TEST_CASE("find: patterns of names") {
    CHECK(matches_glob("*.md", "a.md"));
    CHECK_FALSE(matches_glob("*.md", "a/b.md"));
    CHECK(matches_glob("**/b.md", "b.md"));
    CHECK(matches_glob("**/b.md", "x/y/b.md"));
    CHECK(matches_glob("a/**/b", "a/b"));
    CHECK(matches_glob("a/**/b", "a/x/y/b"));
    CHECK_FALSE(matches_glob("a/**", "a"));
    CHECK(matches_glob("a/**", "a/x"));
    CHECK(matches_glob("[a-c]?.t", "bz.t"));
    CHECK_FALSE(matches_glob("[!a-c]", "b"));
    CHECK(matches_glob("[]]", "]"));
    CHECK(matches_glob("[a\\]]", "]"));
    CHECK_FALSE(matches_glob("[ab", "a"));
    CHECK(matches_glob("\\*", "*"));
    CHECK_FALSE(matches_glob("\\*", "x"));
    CHECK(matches_glob("x\xff*", "x\xff\xfe"));
    CHECK_FALSE(matches_glob("a[/]b", "a/b"));
    CHECK(matches_mask("*.md", "x/y.md"));
    CHECK_FALSE(matches_mask("x/*.md", "z/y.md"));
}

TEST_CASE("find: a hostile pattern takes no more than pattern times path") {
    std::string pattern, path(5000, 'a');
    for (int i = 0; i < 2000; ++i) {
        pattern += "*a";
    }
    CHECK_FALSE(matches_glob(pattern + "b", path));
    std::string folders, places = "z";
    for (int i = 0; i < 1000; ++i) {
        folders += "**/a/";
        places += "/a";
    }
    CHECK_FALSE(matches_glob(folders + "b", places));
}

TEST_CASE("find: rules of a file") {
    const ignore_file rules(
        "# note\n*.log\n!keep.log\n/build/\nsub/*.tmp\nend\\ \nspace  \r\n\\#a\n");
    CHECK(rules.of("a.log", false) == verdict::ignored);
    CHECK(rules.of("x/a.log", false) == verdict::ignored);
    CHECK(rules.of("keep.log", false) == verdict::kept);
    CHECK(rules.of("build", true) == verdict::ignored);
    CHECK(rules.of("build", false) == verdict::none);
    CHECK(rules.of("x/build", true) == verdict::none);
    CHECK(rules.of("sub/a.tmp", false) == verdict::ignored);
    CHECK(rules.of("x/sub/a.tmp", false) == verdict::none);
    CHECK(rules.of("end ", false) == verdict::ignored);
    CHECK(rules.of("space", false) == verdict::ignored);
    CHECK(rules.of("#a", false) == verdict::ignored);
    CHECK(rules.of("note", false) == verdict::none);
}

TEST_CASE("find: inner rules go before outer ones") {
    const ignore_rules outer = ignore_rules().inside("", "*.log\n", "");
    const ignore_rules inner = outer.inside("sub", "!*.log\n/only\n", "only2\n");
    CHECK(outer.ignores("sub/a.log", false));
    CHECK_FALSE(inner.ignores("sub/a.log", false));
    CHECK(inner.ignores("sub/only", false));
    CHECK_FALSE(inner.ignores("sub/x/only", false));
    CHECK(inner.ignores("sub/x/only2", false));
    CHECK_FALSE(ignore_rules().ignores("a", false));
}
