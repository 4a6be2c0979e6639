// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"

#include "faulty_files.hpp"
#include "index_fixture.hpp"

#include <cerrno>
#include <cstring>
#include <functional>
#include <set>

#if !defined(_WIN32)

#include <sys/wait.h>
#include <unistd.h>

#include <mice/index/files/manifest.hpp>
#include <mice/io/file_system.hpp>

// After a system call failed or a file was damaged, nothing that a commit() acknowledged may be
// gone, whatever is called next.
namespace {

using fixtures::catch_error;
using fixtures::failing_files;
using fixtures::files_in;
using fixtures::id_of;
using fixtures::refusing_files;
using fixtures::write_file;
using file_table = std::map<std::string, std::string>;

/// An index of two commits with a learned codec, deletions and joined files, another one to merge,
/// and what they hold.
class kept_index {
  public:
    kept_index() : path_(folder_.path() / "index"), other_(folder_.path() / "other") {
        mice::index index = mice::index::create(path_, ranker(), options(), access());
        fixtures::put_passages(index, 0, 12);
        index.commit();
        fixtures::put_passages(index, 12, 20);
        index.erase(id_of(1));
        index.commit();
        documents_ = held(index);
        mice::index more = mice::index::create_like(other_, ranker(), path_, access());
        fixtures::put_passages(more, 30, 33);
        more.commit();
        files_ = files_in(path_);
    }

    [[nodiscard]] const mice::reranker& ranker() const { return model_.ranker; }
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    [[nodiscard]] const file_table& files() const { return files_; }
    [[nodiscard]] std::string newest() const { return mice::store::manifest_name(3); }
    [[nodiscard]] static mice::index_options options() {
        mice::index_options made;
        made.codec.name = "pq8";
        return made;
    }
    [[nodiscard]] static mice::index_access access(mice::io::file_system* files = nullptr) {
        mice::index_access made;
        made.threads = 1;
        made.files = files;
        return made;
    }

    void restore() const {
        std::filesystem::remove_all(path_);
        std::filesystem::create_directory(path_);
        for (const auto& [name, bytes] : files_) {
            write_file(path_ / name, bytes);
        }
    }
    [[nodiscard]] mice::index open(mice::io::file_system* files = nullptr) const {
        return mice::index::open(path_, ranker(), access(files));
    }

    /// Calls that write, by name.
    using change = std::function<void(mice::io::file_system*)>;
    [[nodiscard]] std::vector<std::pair<std::string, change>> changes() const {
        return {{"put", [this](auto* files) { put(open(files)); }},
                {"open_or_create",
                 [this](auto* files) {
                     put(mice::index::open_or_create(path_, ranker(), options(), access(files)));
                 }},
                {"erase",
                 [this](auto* files) {
                     mice::index index = open(files);
                     index.erase(id_of(2));
                     index.commit();
                 }},
                {"erase what is not there",
                 [this](auto* files) {
                     mice::index index = open(files);
                     index.erase("nosuchid");
                     index.commit();
                 }},
                {"compact", [this](auto* files) { open(files).compact(); }},
                {"merge", [this](auto* files) {
                     const std::filesystem::path others[] = {other_};
                     open(files).merge(others);
                 }}};
    }

    /// Empty if the index opens and holds all its documents, but perhaps the one that a change
    /// erases; else what is wrong.
    [[nodiscard]] std::string lost() const {
        try {
            const mice::index index = open();
            if (!index.recovered().empty()) {
                return index.recovered();
            }
            const auto now = held(index);
            for (const auto& [id, content] : documents_) {
                const auto found = now.find(id);
                if (id != id_of(2) && (found == now.end() || found->second != content)) {
                    return id + " is gone";
                }
            }
            if (now.contains(id_of(1))) {
                return "an erased document is back";
            }
            return index.verify().empty() ? "" : index.verify()[0].what;
        } catch (const std::exception& e) {
            return e.what();
        }
    }

  private:
    static std::map<std::string, std::string> held(const mice::index& index) {
        std::map<std::string, std::string> all;
        for (const mice::stored_document& each : index.documents()) {
            all[each.id] = each.content_hash + std::to_string(index.states(each.id)->rows);
        }
        return all;
    }
    static void put(mice::index index) {
        index.put("new", "the old stone bridge");
        index.commit();
    }

    fixtures::model_in_memory model_;
    temporary_folder folder_;
    std::filesystem::path path_, other_;
    std::map<std::string, std::string> documents_;
    file_table files_;
};

/// Whether all of those files are there with those bytes.
bool all_there(const file_table& files, const std::filesystem::path& folder) {
    return std::all_of(files.begin(), files.end(), [&folder](const auto& each) {
        const std::filesystem::path file = folder / each.first;
        std::ifstream in(file, std::ios::binary);
        return std::filesystem::is_regular_file(file) &&
               std::string(std::istreambuf_iterator<char>(in), {}) == each.second;
    });
}

/// A way to damage a file.
struct damage {
    std::string name;
    std::function<void(const std::filesystem::path&, const std::string&)> inflict;
};
std::vector<damage> damages() {
    using path = std::filesystem::path;
    using text = std::string;
    const auto flip = [](text bytes, std::size_t at) {
        bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ 4U);
        return bytes;
    };
    std::vector<damage> all{
        {"cut by one byte",
         [](const path& file, const text& bytes) {
             write_file(file, bytes.substr(0, bytes.size() - 1));
         }},
        {"cut in half",
         [](const path& file, const text& bytes) {
             write_file(file, bytes.substr(0, bytes.size() / 2));
         }},
        {"emptied", [](const path& file, const text&) { write_file(file, ""); }},
        {"zeros",
         [](const path& file, const text& bytes) { write_file(file, text(bytes.size(), '\0')); }},
        {"flipped at its start",
         [=](const path& file, const text& bytes) { write_file(file, flip(bytes, 9)); }},
        {"flipped in the middle",
         [=](const path& file, const text& bytes) {
             write_file(file, flip(bytes, bytes.size() / 2));
         }},
        {"flipped at its end",
         [=](const path& file, const text& bytes) {
             write_file(file, flip(bytes, bytes.size() - 2));
         }},
        {"longer", [](const path& file, const text& bytes) { write_file(file, bytes + "x"); }},
        {"removed", [](const path& file, const text&) { std::filesystem::remove(file); }},
        {"a folder", [](const path& file, const text&) {
             std::filesystem::remove(file);
             std::filesystem::create_directory(file);
         }}};
    if (::geteuid() != 0) { // root may read everything
        all.push_back({"without permissions", [](const path& file, const text&) {
                           std::filesystem::permissions(file, std::filesystem::perms::none);
                       }});
    }
    return all;
}

} // namespace

TEST_CASE("fault 28: a writer whose opening calls fail in turn loses nothing") {
    const kept_index at;
    std::size_t failures = 0;
    for (const int code : {ENOMEM, EACCES, EIO, EMFILE, 0}) {
        const std::string reason = code == 0 ? "" : std::strerror(code);
        for (const auto& [name, change] : at.changes()) {
            for (std::size_t call = 1;; ++call) {
                CAPTURE(reason, name, call);
                at.restore();
                refusing_files files(call, reason);
                bool thrown = false;
                try {
                    change(&files);
                } catch (const mice::error& e) {
                    thrown = true;
                    REQUIRE(e.code() == mice::errc::io);
                    REQUIRE(std::string(e.what()).find(reason) != std::string::npos);
                } catch (const std::bad_alloc&) {
                    thrown = true;
                    REQUIRE(code == 0);
                }
                REQUIRE(at.lost() == "");
                if (!files.refused()) {
                    REQUIRE_FALSE(thrown);
                    REQUIRE(call > 8);
                    break;
                }
                failures += thrown ? 1 : 0;
            }
        }
    }
    REQUIRE(failures > 300);
}

TEST_CASE("fault 28: readers refuse what cannot be opened now instead of showing an older commit") {
    const kept_index at;
    for (std::size_t call = 1;; ++call) {
        CAPTURE(call);
        refusing_files files(call, "Cannot allocate memory");
        const auto refused = catch_error([&] { (void)at.open(&files); });
        if (!files.refused()) {
            REQUIRE(call > 5);
            break;
        }
        REQUIRE(refused.thrown);
        REQUIRE(refused.code == mice::errc::io);
        REQUIRE(refused.says("Cannot allocate memory"));
        const mice::index index = at.open();
        refusing_files verifying(call, "Input/output error");
        const auto verified = catch_error(
            [&] { (void)mice::index::verify_folder(at.path(), {}, at.access(&verifying)); });
        REQUIRE((!verifying.refused() || (verified.thrown && verified.code == mice::errc::io)));
    }
}

TEST_CASE("fault 28: no writing call destroys a commit of which a file is damaged") {
    const kept_index at;
    std::size_t refused = 0;
    std::size_t done = 0;
    for (const auto& [file, bytes] : at.files()) {
        if (file == mice::store::lock_name) {
            continue;
        }
        for (const damage& kind : damages()) {
            for (const auto& [name, change] : at.changes()) {
                CAPTURE(file, kind.name, name);
                at.restore();
                kind.inflict(at.path() / file, bytes);
                file_table others = at.files();
                others.erase(file);
                failing_files unflushed(failing_files::fault::none, 0);
                bool thrown = false;
                try {
                    change(&unflushed);
                } catch (const mice::error& e) {
                    thrown = true;
                    REQUIRE((e.code() == mice::errc::format || e.code() == mice::errc::io));
                }
                (thrown ? refused : done) += 1;
                if (thrown) { // nothing at all was written over or removed
                    REQUIRE(all_there(others, at.path()));
                }
                std::filesystem::remove_all(at.path() / file);
                write_file(at.path() / file, bytes);
                REQUIRE(at.lost() == "");
            }
        }
    }
    REQUIRE(refused > 200);
    REQUIRE(done > 20); // damage that the last commit does not need to be written on
}

TEST_CASE("fault 28: a manifest that this user may not read is no damage") {
    const kept_index at;
    namespace fs = std::filesystem;
    fs::permissions(at.path().parent_path(), fs::perms::all);
    fs::permissions(at.path(), fs::perms::all);
    fs::permissions(at.path() / "lock", fs::perms::all);
    fs::permissions(at.path() / at.newest(), fs::perms::none);
    const bool root = ::geteuid() == 0;
    for (const auto& [name, change] : at.changes()) {
        CAPTURE(name);
        const pid_t child = ::fork();
        if (child == 0) { // who owns no file of the folder, and may write to it
            constexpr uid_t nobody = 65534;
            int result = root && ::setuid(nobody) != 0 ? 3 : 0;
            try {
                if (result == 0) {
                    change(nullptr);
                    result = 1;
                }
            } catch (const mice::error& e) {
                result = e.code() == mice::errc::io ? 0 : 2;
            } catch (const std::exception&) {
                result = 2;
            }
            ::_exit(result);
        }
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        REQUIRE(WIFEXITED(status));
        REQUIRE(WEXITSTATUS(status) == 0);
    }
    fs::permissions(at.path() / at.newest(), fs::perms::owner_read);
    REQUIRE(all_there(at.files(), at.path()));
    REQUIRE(at.lost() == "");
}

TEST_CASE("fault 28: a cut manifest is passed over by readers alone and said") {
    const kept_index at;
    const std::string& bytes = at.files().at(at.newest());
    for (std::size_t size = 0; size < bytes.size(); size += size < 40 ? 1 : 7) {
        CAPTURE(size);
        for (const std::size_t zeros : {std::size_t{0}, std::size_t{300}}) {
            at.restore();
            write_file(at.path() / at.newest(), bytes.substr(0, size) + std::string(zeros, '\0'));
            mice::index index = at.open();
            REQUIRE(index.stats().generation == 2);
            REQUIRE(index.recovered().find(at.newest()) != std::string::npos);
            REQUIRE(index.stats().recovered == index.recovered());
            const auto refused = catch_error([&] { index.put("a", "the river"); });
            REQUIRE(refused.code == mice::errc::format);
            REQUIRE(refused.says("repair"));
            REQUIRE(catch_error([&] {
                        const std::filesystem::path others[] = {at.path()};
                        mice::index::create_like(at.path().parent_path() / "copy", at.ranker(),
                                                 at.path())
                            .merge(others);
                    }).code == mice::errc::format);
        }
    }
    // Other bytes of the same length, or no beginning of a manifest, are damage.
    for (const std::string& other :
         {std::string("hello"), std::string("\n"), bytes + bytes, std::string(100, 'x'),
          bytes.substr(0, bytes.size() - 34) + "x" + bytes.substr(bytes.size() - 33)}) {
        at.restore();
        write_file(at.path() / at.newest(), other);
        REQUIRE(catch_error([&] { (void)at.open(); }).code == mice::errc::format);
    }
}

TEST_CASE("fault 28: repair says what would be lost and moves it aside") {
    const kept_index at;
    for (const std::string& damaged : {at.newest(), std::string("segment-3")}) {
        for (const std::size_t left : {std::size_t{0}, std::size_t{50}}) {
            CAPTURE(damaged, left);
            at.restore();
            write_file(at.path() / damaged, at.files().at(damaged).substr(0, left));
            const file_table before = files_in(at.path());
            const mice::index_repair plan =
                mice::index::plan_repair(at.path(), at.ranker(), at.access());
            REQUIRE(files_in(at.path()) == before);
            REQUIRE(plan.goes_back());
            REQUIRE(plan.newest == 3);
            REQUIRE(plan.generation == 2);
            REQUIRE(plan.documents == 12);
            REQUIRE(plan.damage.size() == 1);
            REQUIRE(plan.newest_documents.has_value() == (damaged != at.newest()));
            REQUIRE(plan.newest_documents.value_or(19) == 19);
            const mice::index_repair done =
                mice::index::repair(at.path(), at.ranker(), at.access());
            REQUIRE(done.committed == 4);
            REQUIRE(done.moves.size() == plan.moves.size());
            const file_table after = files_in(at.path());
            for (const mice::index_move& each : done.moves) {
                REQUIRE(after.at(each.name) == before.at(each.file));
                REQUIRE(each.bytes == before.at(each.file).size());
                REQUIRE_FALSE(after.contains(each.file));
            }
            for (const auto& [name, bytes] : before) {
                REQUIRE(
                    std::count_if(after.begin(), after.end(), [&bytes = bytes](const auto& each) {
                        return each.second == bytes;
                    }) > 0);
            }
            mice::index index = at.open();
            REQUIRE(index.recovered().empty());
            REQUIRE(index.size() == 12);
            REQUIRE(index.verify().empty());
            // A reader of the lost commit notices, and no number is given again.
            index.put("new", "the old stone bridge");
            REQUIRE(index.commit().generation == 5);
            for (const auto& [name, bytes] : files_in(at.path())) {
                REQUIRE(
                    (!at.files().contains(name) || name == "lock" || bytes == at.files().at(name)));
            }
            REQUIRE(mice::index::plan_repair(at.path(), at.ranker()).damage.empty());
        }
    }
}

TEST_CASE("fault 28: a repair that fails at any call is run again and loses no file") {
    const kept_index at;
    for (std::size_t call = 1;; ++call) {
        CAPTURE(call);
        at.restore();
        write_file(at.path() / "segment-3", "");
        failing_files files(failing_files::fault::error_once, call, "Input/output error");
        const auto failed = catch_error(
            [&] { (void)mice::index::repair(at.path(), at.ranker(), at.access(&files)); });
        if (!files.failed()) {
            REQUIRE(call > 8);
            break;
        }
        REQUIRE(failed.code == mice::errc::io);
        mice::index_access access = at.access();
        files.heal();
        access.files = &files;
        (void)mice::index::repair(at.path(), at.ranker(), access);
        const mice::index index = at.open();
        REQUIRE(index.size() == 12);
        REQUIRE(index.verify().empty());
        std::set<std::string> contents;
        for (const auto& [name, bytes] : files_in(at.path())) {
            contents.insert(bytes);
        }
        for (const auto& [name, bytes] : at.files()) {
            REQUIRE((name == "segment-3" || contents.contains(bytes)));
        }
    }
}

TEST_CASE("fault 28: repair goes nowhere where no commit is whole or a file is refused") {
    const kept_index at;
    std::filesystem::remove(at.path() / "codec-1"); // both commits need it
    const file_table before = files_in(at.path());
    const auto refused =
        catch_error([&] { (void)mice::index::repair(at.path(), at.ranker(), at.access()); });
    REQUIRE(refused.code == mice::errc::format);
    REQUIRE(refused.says("codec-1"));
    at.restore();
    for (std::size_t call = 1;; ++call) {
        refusing_files files(call, "Too many open files");
        const auto now = catch_error(
            [&] { (void)mice::index::repair(at.path(), at.ranker(), at.access(&files)); });
        if (!files.refused()) {
            REQUIRE(call > 5);
            break;
        }
        REQUIRE(now.code == mice::errc::io);
        REQUIRE(all_there(at.files(), at.path()));
    }
}

TEST_CASE("fault 28: a damaged manifest of an older commit keeps the files that it may name") {
    const kept_index at;
    const std::string older = mice::store::manifest_name(2);
    write_file(at.path() / older, "damaged");
    mice::index index = at.open();
    REQUIRE(index.recovered().empty()); // the last commit is whole
    for (int i = 0; i < 4; ++i) {
        index.put("new", "the river " + std::to_string(i));
        index.compact();
    }
    file_table others = at.files();
    others.erase(older);
    others.erase(at.newest());
    REQUIRE(all_there(others, at.path()));
    REQUIRE(files_in(at.path()).at(older) == "damaged");
    REQUIRE(index.verify().size() == 1);
    index.release();
    const mice::index_repair done = mice::index::repair(at.path(), at.ranker(), at.access());
    REQUIRE_FALSE(done.goes_back());
    REQUIRE(done.committed == 0);
    REQUIRE(index.verify().empty());
    REQUIRE(at.open().size() == 20);
}

TEST_CASE("fault 28: a manifest that is gone is missed and its files stay") {
    const kept_index at;
    for (const std::string& gone : {at.newest(), mice::store::manifest_name(2)}) {
        CAPTURE(gone);
        at.restore();
        std::filesystem::remove(at.path() / gone);
        const file_table before = files_in(at.path());
        mice::index index = at.open();
        REQUIRE(index.recovered().find("missing") != std::string::npos);
        REQUIRE(index.verify().size() == 1);
        const auto refused = catch_error([&] { index.put("a", "the river"); });
        REQUIRE(refused.code == mice::errc::format);
        REQUIRE(refused.says("mice index repair"));
        REQUIRE(files_in(at.path()) == before);
        const mice::index_repair done = mice::index::repair(at.path(), at.ranker(), at.access());
        REQUIRE_FALSE(done.goes_back());
        REQUIRE(done.committed == done.generation + 2);
        REQUIRE(done.moves.size() == (gone == at.newest() ? 2 : 0));
        const file_table after = files_in(at.path());
        for (const mice::index_move& each : done.moves) {
            REQUIRE(after.at(each.name) == before.at(each.file));
        }
        index = at.open();
        REQUIRE(index.recovered().empty());
        REQUIRE(index.verify().empty());
        REQUIRE(index.size() == (gone == at.newest() ? 12 : 19));
        index.put("new", "the river");
        REQUIRE(index.commit().generation == done.committed + 1);
    }
}

TEST_CASE("fault 28: opening a writer that changes nothing removes nothing") {
    const kept_index at;
    write_file(at.path() / "segment-900", "left by a killed writer");
    const std::string draft = mice::store::manifest_name(4) + ".tmp";
    write_file(at.path() / draft, "left, too");
    const file_table before = files_in(at.path());
    mice::index index = at.open();
    REQUIRE_FALSE(index.erase("nosuchid"));
    index.commit();
    REQUIRE(files_in(at.path()) == before);
    index.put("new", "the old stone bridge");
    index.commit();
    const file_table after = files_in(at.path());
    REQUIRE_FALSE(after.contains("segment-900"));
    REQUIRE_FALSE(after.contains(draft));
    REQUIRE(after.contains("segment-901")); // its number is not given again
}

#endif
