// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/index_fixture.hpp"

#include <set>

#include <mice/io/file_system.hpp>

namespace {

using fixtures::bytes_of;
using fixtures::catch_error;
using fixtures::files_in;

} // namespace

TEST_CASE("files are written, renamed, listed and removed") {
    mice::io::file_system& files = mice::io::system_files();
    const temporary_folder folder;
    const auto made = folder.path() / "a" / "b";
    files.make_folder(made);
    files.make_folder(made); // is there already
    {
        const auto out = files.create(made / "one");
        out->append(bytes_of("first "));
        out->append({});
        out->append(bytes_of("second"));
        out->sync();
        out->close();
    }
    REQUIRE(files_in(made).at("one") == "first second");
    const auto there = catch_error([&] { (void)files.create(made / "one"); });
    REQUIRE(there.code == mice::errc::io);
    REQUIRE(there.says("one"));
    const std::string large(3'000'000, 'x');
    files.create(made / "two")->append(bytes_of(large));
    files.rename(made / "two", made / "one");
    REQUIRE(files_in(made).size() == 1);
    REQUIRE(files_in(made).at("one") == large);
    files.sync_folder(made);
    REQUIRE(files.list(made) == std::vector<std::string>{"one"});
    files.remove(made / "one");
    REQUIRE(files.list(made).empty());
    files.remove(made / "one"); // is gone already
    for (const auto& call : std::vector<std::function<void()>>{
             [&] { (void)files.create(made / "none" / "x"); },
             [&] { (void)files.list(made / "none"); }, [&] { files.sync_folder(made / "none"); },
             [&] { files.rename(made / "none", made / "other"); },
             [&] { files.remove(folder.path() / "a"); }, // is not empty
             [&] { (void)files.lock(made / "none" / "lock"); }}) {
        REQUIRE(catch_error(call).code == mice::errc::io);
        REQUIRE(catch_error(call).thrown);
    }
}

TEST_CASE("a lock has one holder until it is let go") {
    mice::io::file_system& files = mice::io::system_files();
    const temporary_folder folder;
    auto first = files.lock(folder.path() / "lock");
    REQUIRE(first != nullptr);
    REQUIRE(files.lock(folder.path() / "lock") == nullptr);
    first.reset();
    REQUIRE(files.lock(folder.path() / "lock") != nullptr);
}
