// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/index_fixture.hpp"

#include <functional>

#include <mice/index/files/manifest.hpp>
#include <mice/index/files/open_commit.hpp>
#include <mice/io/file_system.hpp>

// Names and numbers in an index's folder that no writer would give.
namespace {

using fixtures::catch_error;
using fixtures::files_in;
using fixtures::put_passages;
using fixtures::write_file;
namespace fs = std::filesystem;

constexpr const char* absurd_manifests[] = {
    "manifest-09223372036854775807", "manifest-18446744073709551615",
    "manifest-04611686018427387904", "manifest-99999999999999999999",
    "manifest-00000000000000000000", "manifest-00000281474976710656",
    "manifest-00000999999999999999"};

/// An index of one commit with documents.
struct numbered_index {
    numbered_index() : path(folder.path() / "index") {
        mice::index index = mice::index::create(path, model.ranker);
        put_passages(index, 0, 20);
        index.commit();
        newest = mice::store::manifest_name(2);
    }
    /// Changes the newest manifest under a right checksum; it has the name of its generation.
    void forge(const std::function<void(mice::store::manifest&)>& change) const {
        mice::store::manifest made = mice::store::read_manifest(mice::io::system_files(), path, 2);
        change(made);
        write_file(path / mice::store::manifest_name(made.generation), mice::store::to_text(made));
    }
    [[nodiscard]] mice::index open() const { return mice::index::open(path, model.ranker); }

    fixtures::model_in_memory model;
    temporary_folder folder;
    fs::path path;
    std::string newest;
};

} // namespace

TEST_CASE("fault 31: a file with the number of no commit hides none and is named by writers") {
    for (const char* name : absurd_manifests) {
        for (const bool copy : {false, true}) {
            CAPTURE(name, copy);
            const numbered_index at;
            write_file(at.path / name, copy ? files_in(at.path).at(at.newest) : "stray");
            const auto before = files_in(at.path);
            mice::index index = at.open();
            CHECK(index.size() == 20);
            CHECK(index.recovered().find(name) != std::string::npos);
            CHECK(index.verify().size() == 1);
            const std::vector<std::function<void()>> writes{
                [&] { put_passages(index, 20, 21); }, [&] { index.erase("doc-1"); },
                [&] { index.compact(); }, [&] { index.commit(); }};
            for (const auto& write : writes) {
                const auto refused = catch_error(write);
                CHECK(refused.thrown);
                CHECK(refused.says(name));
            }
            CHECK(files_in(at.path) == before);
            const mice::index_repair done = mice::index::repair(at.path, at.model.ranker);
            CHECK_FALSE(done.goes_back());
            CHECK(files_in(at.path).at(done.moves.at(0).name) == before.at(name));
            put_passages(index, 20, 21);
            CHECK(index.commit().generation == 3);
            CHECK(at.open().size() == 21);
        }
    }
}

TEST_CASE("fault 31: a stray manifest of a possible number is refused by name") {
    for (const std::uint64_t number :
         {std::uint64_t{3}, std::uint64_t{999}, std::uint64_t{1} << 40}) {
        const numbered_index at;
        const std::string name = mice::store::manifest_name(number);
        CAPTURE(name);
        write_file(at.path / name, files_in(at.path).at(at.newest));
        const auto before = files_in(at.path);
        const auto refused = catch_error([&] { (void)at.open(); });
        CHECK(refused.code == mice::errc::format);
        CHECK(refused.says(name));
        CHECK(files_in(at.path) == before);
        const mice::index_repair done = mice::index::repair(at.path, at.model.ranker);
        CHECK(done.documents == 20);
        mice::index index = at.open();
        put_passages(index, 20, 21);
        index.commit();
        CHECK(at.open().size() == 21);
    }
}

TEST_CASE("fault 31: forged numbers near their end are refused before anything is written") {
    const std::uint64_t last = (std::uint64_t{1} << 62) - 1;
    for (const std::uint64_t number : {last, last - 1, std::uint64_t{1} << 48}) {
        for (const bool generation : {false, true}) {
            CAPTURE(number, generation);
            const numbered_index at;
            at.forge([&](mice::store::manifest& made) {
                (generation ? made.generation : made.next_file) = number;
            });
            const auto before = files_in(at.path);
            mice::index index = at.open();
            CHECK(index.size() == 20);
            const std::string name = generation ? mice::store::manifest_name(number) : at.newest;
            for (const auto& write : std::vector<std::function<void()>>{
                     [&] { put_passages(index, 20, 21); }, [&] { index.erase("doc-1"); },
                     [&] { index.compact(); }}) {
                const auto refused = catch_error(write);
                // No commit has such a generation: to readers the file is a stray one.
                CHECK(refused.code == (generation ? mice::errc::format : mice::errc::unsupported));
                CHECK(refused.says(name));
            }
            CHECK(files_in(at.path) == before);
            // The way out that the message names.
            if (generation) {
                CHECK(mice::index::repair(at.path, at.model.ranker).documents == 20);
                CHECK(at.open().recovered().empty());
                continue;
            }
            mice::index other = mice::index::create(at.folder.path() / "new", at.model.ranker);
            const fs::path parts[] = {at.path};
            CHECK(other.merge(parts).added == 20);
        }
    }
}

TEST_CASE("fault 31: a manifest that comes in while a writer works is not overwritten") {
    const numbered_index at;
    for (const std::string& name : {mice::store::manifest_name(3), mice::store::manifest_name(40),
                                    std::string(absurd_manifests[0])}) {
        CAPTURE(name);
        mice::index index = at.open();
        put_passages(index, 20, 22);
        write_file(at.path / name, "from elsewhere");
        const auto refused = catch_error([&] { index.commit(); });
        CHECK(refused.code == mice::errc::mismatch);
        CHECK(refused.says(name));
        CHECK(files_in(at.path).at(name) == "from elsewhere");
        fs::remove(at.path / name);
        index.rollback();
        CHECK(index.size() == 20);
    }
}

TEST_CASE("fault 31: only files that this version writes are removed") {
    const numbered_index at;
    const std::vector<std::string> kept{"segment-007",    "segment-0",
                                        "deleted-01",     "codec-+7",
                                        "manifest-1",     "manifest-00000000000000000001.tmp.tmp",
                                        "manifest-1.tmp", "segment-300000000000000",
                                        "segment-1.bak",  "notes"};
    for (const std::string& name : kept) {
        write_file(at.path / name, "mine");
    }
    fs::create_directory(at.path / "segment-77");
    fs::create_directory(at.path / "manifest-00000000000000000001.tmp");
    fs::create_symlink("nowhere", at.path / "segment-78");
    write_file(at.path / "segment-79", "left by a killed writer");
    mice::index index = at.open();
    for (int i = 0; i < 3; ++i) {
        put_passages(index, 20 + static_cast<std::uint64_t>(i), 22);
        index.erase("doc-" + std::to_string(i));
        index.compact();
    }
    for (const std::string& name : kept) {
        CAPTURE(name);
        CHECK(fs::exists(at.path / name));
    }
    CHECK(fs::is_directory(at.path / "segment-77"));
    CHECK(fs::is_directory(at.path / "manifest-00000000000000000001.tmp"));
    CHECK(fs::is_symlink(fs::symlink_status(at.path / "segment-78")));
    CHECK_FALSE(fs::exists(at.path / "segment-79"));
    CHECK(index.stats().documents == 19);
}
