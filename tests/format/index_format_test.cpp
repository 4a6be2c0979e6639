// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/forged_index.hpp"

#include <functional>

#include <nlohmann/json.hpp>

namespace {

using namespace std::string_literals;
using fixtures::catch_error;
using fixtures::changed_manifest;
using fixtures::files_in;
using fixtures::hit_bits;
using fixtures::id_of;
using fixtures::model_in_memory;
using fixtures::put_passages;
using fixtures::write_file;

using fixtures::question;

/// An index of two segments, deletions, and two commits.
struct small_index {
    small_index() : path(folder.path() / "index") {
        mice::index index = mice::index::create(path, model.ranker);
        put_passages(index, 0, 40);
        index.commit();
        put_passages(index, 40, 60);
        index.erase("doc-3");
        index.commit();
        expected = hit_bits(index.rank(question));
        files = files_in(path);
    }

    /// Puts all files back as they were.
    void restore() const {
        for (const auto& each : std::filesystem::directory_iterator(path)) {
            std::filesystem::remove(each.path());
        }
        for (const auto& [name, bytes] : files) {
            write_file(path / name, bytes);
        }
    }
    [[nodiscard]] std::string newest() const {
        std::string name;
        for (const auto& [each, bytes] : files) {
            name = each.starts_with("manifest-") ? each : name;
        }
        return name;
    }
    /// Whether everything in the index can be read. An exception of any other kind reaches the test
    /// runner.
    [[nodiscard]] bool reads() const {
        return !catch_error([&] {
                    const mice::index index = mice::index::open(path, model.ranker);
                    (void)index.rank(question);
                    (void)index.candidates(question, 10);
                    for (const mice::stored_document& each : index.documents()) {
                        (void)index.states(each.id);
                    }
                }).thrown;
    }

    model_in_memory model;
    temporary_folder folder;
    std::filesystem::path path;
    std::map<std::string, std::string> files;
    std::vector<std::pair<std::string, std::uint32_t>> expected;
};

} // namespace

TEST_CASE("the newest manifest is cut short and the commit before is opened and said") {
    small_index made;
    const std::string newest = made.newest();
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, made.files[newest].size() / 2,
                                   made.files[newest].size() - 1}) {
        made.restore();
        write_file(made.path / newest, made.files[newest].substr(0, size));
        mice::index index = mice::index::open(made.path, made.model.ranker);
        REQUIRE(index.size() == 40);
        REQUIRE_FALSE(index.stats().recovered.empty());
        REQUIRE(index.verify().size() == 1);
        REQUIRE(index.verify()[0].file == newest);
        // A writer does not go on from there unless it is told to, and then with a commit that is
        // newer than the damaged one.
        const auto refused = catch_error([&] { put_passages(index, 40, 60); });
        REQUIRE(refused.code == mice::errc::format);
        REQUIRE(refused.says("mice index repair"));
        REQUIRE(files_in(made.path).at("segment-2") == made.files["segment-2"]);
        REQUIRE(mice::index::repair(made.path, made.model.ranker).committed == 4);
        REQUIRE(index.refresh());
        put_passages(index, 40, 60);
        index.erase("doc-3");
        const mice::index_commit commit = index.commit();
        REQUIRE(commit.generation == 5);
        REQUIRE(index.stats().recovered.empty());
        REQUIRE(hit_bits(index.rank(question)) == made.expected);
        REQUIRE(index.verify().empty());
    }
    // A file that the last commit needs is gone, or of another size.
    for (const auto& [name, bytes] : made.files) {
        const bool of_last = name == "segment-2" || name == "deleted-3";
        if (!of_last) {
            continue;
        }
        for (const bool gone : {true, false}) {
            CAPTURE(name, gone);
            made.restore();
            if (gone) {
                std::filesystem::remove(made.path / name);
            } else {
                write_file(made.path / name, bytes.substr(0, bytes.size() - 1));
            }
            const auto refused =
                catch_error([&] { (void)mice::index::open(made.path, made.model.ranker); });
            REQUIRE(refused.code == mice::errc::format);
            REQUIRE(refused.says(name));
            REQUIRE(refused.says("mice index repair"));
            REQUIRE(mice::index::verify_folder(made.path).size() == 1);
            REQUIRE(mice::index::verify_folder(made.path)[0].file == name);
        }
    }
}

TEST_CASE("an index of which neither commit can be read is refused with both reasons") {
    small_index made;
    std::filesystem::remove(made.path / "segment-1"); // both commits need it
    write_file(made.path / made.newest(), "");
    for (const bool repair : {false, true}) {
        const auto refused = catch_error([&] {
            if (repair) {
                (void)mice::index::repair(made.path, made.model.ranker);
            } else {
                (void)mice::index::open(made.path, made.model.ranker);
            }
        });
        REQUIRE(refused.code == mice::errc::format);
        REQUIRE(refused.says("segment-1"));
        REQUIRE(refused.says(made.newest()));
    }
}

TEST_CASE("hostile manifests with a right checksum are refused") {
    small_index made;
    const std::string name = made.newest();
    using json = nlohmann::json;
    const std::vector<std::pair<std::string, std::function<void(json&)>>> changes{
        {"format", [](json& all) { all["format"] = "other"; }},
        {"no segments", [](json& all) { all.erase("segments"); }},
        {"segments of another type", [](json& all) { all["segments"] = "none"; }},
        {"unknown key", [](json& all) { all["path"] = "../x"; }},
        {"file leaves the folder", [](json& all) { all["segments"][0]["file"] = "../../etc"; }},
        {"file 0", [](json& all) { all["segments"][0]["file"] = 0; }},
        {"negative", [](json& all) { all["segments"][0]["bytes"] = -1; }},
        {"fraction", [](json& all) { all["segments"][0]["bytes"] = 1.5; }},
        {"overflow", [](json& all) { all["segments"][0]["bytes"] = 18446744073709551615U; }},
        {"bytes", [](json& all) { all["segments"][0]["bytes"] = 4611686018427387903U; }},
        {"documents", [](json& all) { all["segments"][0]["documents"] = 4294967294U; }},
        {"no documents", [](json& all) { all["segments"][0]["documents"] = 0; }},
        {"twice", [](json& all) { all["segments"].push_back(all["segments"][0]); }},
        {"next_file", [](json& all) { all["next_file"] = 1; }},
        {"generation", [](json& all) { all["generation"] = 77; }},
        {"checksum", [](json& all) { all["segments"][0]["checksum"] = "0123456789abcdef"; }},
        {"not hexadecimal", [](json& all) { all["segments"][0]["checksum"] = "0x23456789abcdef"; }},
        {"deletions", [](json& all) { all["segments"][0]["deletions"]["documents"] = 39; }},
        {"deleted tokens", [](json& all) { all["segments"][0]["deletions"]["tokens"] = 1 << 30; }},
        {"more deleted", [](json& all) { all["segments"][0]["deletions"]["documents"] = 41; }},
        {"drop", [](json& all) { all["codec"]["drop"] = "everything"; }},
        {"parameters", [](json& all) {
             all["codec"]["parameters"] = {{"file", 1}, {"bytes", 9}, {"checksum", "00"}};
         }}};
    for (const auto& [what, change] : changes) {
        CAPTURE(what);
        made.restore();
        write_file(made.path / name, changed_manifest(made.files[name], change));
        REQUIRE(catch_error([&] { (void)mice::index::open(made.path, made.model.ranker); }).code ==
                mice::errc::format);
    }
    const auto error_of = [&](const std::function<void(json&)>& change) {
        made.restore();
        write_file(made.path / name, changed_manifest(made.files[name], change));
        return catch_error([&] { (void)mice::index::open(made.path, made.model.ranker); });
    };
    // These are not damage: an older commit would only hide them.
    const auto newer = error_of([](json& all) {
        all = {{"format", "mice-index"}, {"version", 4}};
    });
    REQUIRE(newer.code == mice::errc::unsupported);
    REQUIRE(newer.says("version 4"));
    REQUIRE(error_of([](json& all) { all["codec"]["name"] = "int2"; }).code ==
            mice::errc::invalid_argument);
    REQUIRE(error_of([](json& all) { all["model"]["document_fingerprint"] = "x"; }).code ==
            mice::errc::mismatch);
    made.restore();
    write_file(made.path / name, std::string((16 << 20) + 1, '{'));
    REQUIRE(catch_error([&] { (void)mice::index::open(made.path, made.model.ranker); }).code ==
            mice::errc::format);
}

TEST_CASE("truncated files of an index are refused at every length") {
    small_index made;
    for (const auto& [name, bytes] : made.files) {
        if (name == "lock" || name.starts_with("manifest-")) {
            continue;
        }
        const std::size_t step = std::max<std::size_t>(1, bytes.size() / 61);
        for (std::size_t size = 0; size < bytes.size(); size += step) {
            CAPTURE(name, size);
            made.restore();
            write_file(made.path / name, bytes.substr(0, size));
            const auto refused =
                catch_error([&] { (void)mice::index::open(made.path, made.model.ranker); });
            REQUIRE(refused.thrown);
            REQUIRE(refused.code == mice::errc::format);
        }
    }
}

TEST_CASE("verify finds every one of 1000 flipped bits and nothing reads past them") {
    small_index made;
    fixtures::random_numbers random(99);
    std::vector<std::string> names;
    for (const auto& [name, bytes] : made.files) {
        if (!bytes.empty()) {
            names.push_back(name);
        }
    }
    REQUIRE(names.size() == 5); // two manifests, two segments, one file of deletions
    const mice::index open = mice::index::open(made.path, made.model.ranker);
    REQUIRE(open.verify().empty());
    int found = 0;
    for (int i = 0; i < 1000; ++i) {
        const std::string& name = names[random.below(names.size())];
        std::string bytes = made.files[name];
        const std::size_t at = random.below(bytes.size());
        const std::size_t bit = random.below(8);
        bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ (1U << bit));
        CAPTURE(name, at, bit);
        // A new file, so that the mapping of the open index stays as it is.
        std::filesystem::remove(made.path / name);
        write_file(made.path / name, bytes);
        const std::vector<mice::index_finding> findings = open.verify();
        found += findings.empty() ? 0 : 1;
        REQUIRE(findings.size() == 1);
        REQUIRE(findings[0].file == name);
        (void)made.reads(); // refused or not, but never a crash
        write_file(made.path / name, made.files[name]);
    }
    REQUIRE(found == 1000);
    REQUIRE(open.verify().empty());
}

TEST_CASE("segments that contradict themselves under right checksums are refused") {
    small_index made;
    const std::string& bytes = made.files["segment-1"];
    fixtures::random_numbers random(7);
    const mice::store::segment_footer footer = fixtures::footer_of(bytes);
    const auto sealed = [](std::string file, const mice::store::segment_footer& last) {
        const std::uint64_t sum = fixtures::seal_segment(file, last);
        return std::pair(std::move(file), sum);
    };
    const auto open_with = [&](const std::string& file, std::uint64_t checksum) {
        for (const auto& [name, text] : made.files) {
            if (name.starts_with("manifest-") && text.find("\"segments\":[]") == text.npos) {
                write_file(made.path / name, changed_manifest(text, [&](nlohmann::json& all) {
                               all["segments"][0]["checksum"] = mice::io::hex_digits(checksum);
                           }));
            }
        }
        std::filesystem::remove(made.path / "segment-1");
        write_file(made.path / "segment-1", file);
        return made.reads();
    };
    const auto [same, same_sum] = sealed(bytes, footer);
    REQUIRE(open_with(same, same_sum));
    // Every number of the footer that says where something is.
    for (std::size_t field = 8; field < offsetof(mice::store::segment_footer, zeros); field += 4) {
        for (const std::uint32_t value : {0U, 1U, 64U, 0x7fffffffU, 0xffffffffU}) {
            mice::store::segment_footer wrong = footer;
            std::memcpy(reinterpret_cast<char*>(&wrong) + field, &value, sizeof value);
            if (wrong.data_bytes != footer.data_bytes) {
                continue; // the checksums would lie elsewhere: truncation tests that
            }
            CAPTURE(field, value);
            const auto [file, sum] = sealed(bytes, wrong);
            (void)open_with(file, sum);
        }
    }
    // Random damage in the tables and the words, with right checksums: only the reader's own checks
    // are left.
    int refused = 0;
    const std::size_t tables = static_cast<std::size_t>(footer.places[1].offset);
    for (int i = 0; i < 500; ++i) {
        std::string file = bytes;
        for (std::size_t n = 1 + random.below(4); n > 0; --n) {
            const std::size_t at =
                tables + random.below(static_cast<std::size_t>(footer.data_bytes) - tables);
            file[at] = static_cast<char>(random.below(2) != 0 ? 0xff : random.below(256));
        }
        const auto [changed_file, sum] = sealed(file, footer);
        refused += open_with(changed_file, sum) ? 0 : 1;
    }
    REQUIRE(refused > 30);
}
