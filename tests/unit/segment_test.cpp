// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/index_fixture.hpp"

#include <mice/index/files/deletions.hpp>
#include <mice/index/files/segment.hpp>
#include <mice/index/write/segment_builder.hpp>
#include <mice/io/file_system.hpp>

namespace {

using fixtures::catch_error;
using fixtures::id_of;
using mice::store::segment;
using mice::store::segment_builder;
using mice::store::segment_record;

constexpr std::size_t row_bytes = 48;

std::vector<std::byte> codes_of(std::uint64_t document) {
    fixtures::random_numbers random(document);
    std::vector<std::byte> codes(row_bytes * (1 + document % 5));
    for (std::byte& each : codes) {
        each = static_cast<std::byte>(random.below(256));
    }
    return codes;
}

segment_record write_segment(const std::filesystem::path& folder, std::uint64_t documents,
                             mice::index_words words = mice::index_words::keep) {
    segment_builder builder(mice::io::system_files(), folder, 3, words);
    for (std::uint64_t i = 0; i < documents; ++i) {
        const std::string id = id_of(i);
        const std::string metadata(i % 7, 'm');
        const std::string text = fixtures::passage(i);
        const std::vector<std::byte> codes = codes_of(i);
        const std::vector<std::int32_t> ids(i % 2 == 0 ? codes.size() / row_bytes : 0, 7);
        builder.add({id,
                     metadata,
                     text,
                     {i, 2 * i},
                     codes.size() / row_bytes,
                     codes.size() / row_bytes,
                     i,
                     1,
                     ids,
                     codes});
        REQUIRE(builder.find(id, mice::store::hash_of_id(id), [](std::uint32_t) { return true; }) ==
                static_cast<std::uint32_t>(i));
    }
    return builder.finish();
}

} // namespace

TEST_CASE("a segment gives back every document") {
    for (const std::uint64_t documents : {1U, 2U, 8U, 1000U}) {
        CAPTURE(documents);
        const temporary_folder folder;
        const segment_record record = write_segment(folder.path(), documents);
        REQUIRE(record.documents == documents);
        REQUIRE(std::filesystem::file_size(folder.path() / "segment-3") == record.bytes);
        const segment file(folder.path(), record);
        REQUIRE(file.documents() == documents);
        const auto any = [](std::uint32_t) { return true; };
        for (std::uint32_t i = 0; i < documents; ++i) {
            const std::string id = id_of(i);
            REQUIRE(file.find(id, mice::store::hash_of_id(id), any) == i);
            REQUIRE_FALSE(file.find(id, mice::store::hash_of_id(id),
                                    [i](std::uint32_t n) { return n != i; }));
            const mice::store::document_entry entry = file.entry(i);
            REQUIRE(file.id(entry) == id);
            REQUIRE(file.metadata(entry) == std::string(i % 7, 'm'));
            REQUIRE(entry.content == mice::io::hash128{i, 2 * std::uint64_t{i}});
            REQUIRE(entry.tokens_cut == i);
            const std::vector<std::byte> codes = codes_of(i);
            const auto stored = file.codes(i, entry, codes.size());
            REQUIRE(std::equal(stored.begin(), stored.end(), codes.begin(), codes.end()));
            REQUIRE(reinterpret_cast<std::uintptr_t>(stored.data()) % 64 == 0);
            REQUIRE(file.token_ids(entry).size() == (i % 2 == 0 ? entry.rows : 0));
            for (const std::int32_t token : file.token_ids(entry)) {
                REQUIRE(token == 7);
            }
        }
        for (const char* id : {"doc", "", "doc-1000", "doc-01"}) {
            REQUIRE_FALSE(file.find(id, mice::store::hash_of_id(id), any));
        }
        REQUIRE(catch_error([&] {
                    (void)file.entry(static_cast<std::uint32_t>(documents));
                }).code == mice::errc::format);
        REQUIRE(mice::store::words_view(file.words()).documents() == documents);
    }
}

TEST_CASE("a damaged block is refused when it is touched and no other is") {
    const temporary_folder folder;
    const segment_record record = write_segment(folder.path(), 3000);
    std::string bytes = fixtures::files_in(folder.path()).at("segment-3");
    REQUIRE(bytes.size() > 8 * mice::store::block_bytes);
    const segment intact(folder.path(), record);
    const std::uint64_t at = 64 + intact.entry(1500).codes + 5;
    bytes[static_cast<std::size_t>(at)] ^= 4;
    std::filesystem::remove(folder.path() / "segment-3");
    fixtures::write_file(folder.path() / "segment-3", bytes);
    const segment file(folder.path(), record); // opening touches no codes
    REQUIRE_NOTHROW(file.codes(0, file.entry(0), codes_of(0).size()));
    for (int twice = 0; twice < 2; ++twice) {
        const auto refused =
            catch_error([&] { (void)file.codes(1500, file.entry(1500), codes_of(1500).size()); });
        REQUIRE(refused.code == mice::errc::format);
        REQUIRE(refused.says("segment-3"));
    }
    REQUIRE_NOTHROW(file.codes(2999, file.entry(2999), codes_of(2999).size()));
    std::vector<std::string> found;
    std::uint64_t read = 0;
    file.verify([&](std::string what) { found.push_back(std::move(what)); },
                [&](std::uint64_t step) { read += step; });
    REQUIRE(found.size() == 1);
    REQUIRE(read > bytes.size() * 9 / 10);
}

TEST_CASE("a segment that was not finished leaves no file") {
    const temporary_folder folder;
    {
        segment_builder builder(mice::io::system_files(), folder.path(), 1,
                                mice::index_words::none);
        const std::vector<std::byte> codes(row_bytes);
        builder.add({"a", "", "", {}, 1, 1, 0, 0, {}, codes});
        REQUIRE(fixtures::files_in(folder.path()).size() == 1);
    }
    REQUIRE(fixtures::files_in(folder.path()).empty());
    const segment_record record = write_segment(folder.path(), 2, mice::index_words::none);
    REQUIRE(segment(folder.path(), record).words().size == 0);
    segment_record other = record;
    other.checksum ^= 1;
    REQUIRE(catch_error([&] { const segment file(folder.path(), other); }).code ==
            mice::errc::format);
    other = record;
    other.documents = 3;
    REQUIRE(catch_error([&] { const segment file(folder.path(), other); }).code ==
            mice::errc::format);
}

TEST_CASE("deletions are read as they were written") {
    const temporary_folder folder;
    segment_record record = write_segment(folder.path(), 130);
    const segment file(folder.path(), record);
    mice::store::deletion_set set(record, nullptr);
    for (const std::uint32_t document : {0U, 63U, 64U, 129U}) {
        REQUIRE_FALSE(set.contains(document));
        set.add(document, file.entry(document));
        REQUIRE(set.contains(document));
    }
    record.deletions = set.write(mice::io::system_files(), folder.path(), 4);
    const mice::store::deletions read(folder.path(), record);
    std::uint64_t rows = 0;
    for (std::uint32_t document = 0; document < 130; ++document) {
        const bool deleted = document == 0 || document == 63 || document == 64 || document == 129;
        REQUIRE(read.contains(document) == deleted);
        rows += deleted ? file.entry(document).rows : 0;
    }
    REQUIRE(read.contains(130));
    REQUIRE(record.deletions.documents == 4);
    REQUIRE(record.deletions.rows == rows);
    REQUIRE(mice::store::deletion_set(record, &read).documents() == 4);
    for (const std::uint64_t documents : {128U, 129U, 192U, 193U}) {
        segment_record wrong = record;
        wrong.documents = documents;
        REQUIRE(catch_error([&] {
                    const mice::store::deletions other(folder.path(), wrong);
                }).thrown == (documents != 192));
    }
}
