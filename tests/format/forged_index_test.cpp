// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/forged_index.hpp"

#include <limits>

#include <mice/index/files/segment.hpp>
#include <mice/index/files/stored_entry.hpp>

// Whoever can write an index's files can also forge every checksum, so no number in them is
// trusted.
namespace {

using fixtures::catch_error;
using fixtures::forged_index;
using fixtures::put_at;
using fixtures::value_at;
using mice::store::document_entry;

/// The error that using the index gives; there must be one.
fixtures::caught_error refusal_of(const forged_index& index) {
    auto found = catch_error([&] { index.use(); });
    REQUIRE(found.thrown);
    REQUIRE(found.code == mice::errc::format);
    return found;
}

constexpr std::int32_t foreign_ids[] = {-1, 128, 1 << 24, std::numeric_limits<std::int32_t>::max(),
                                        std::numeric_limits<std::int32_t>::min()};

} // namespace

TEST_CASE("fault 29: token ids of a forged index are compared with the vocabulary in every kind") {
    std::size_t kinds = 0;
    for (const auto& [name, config] : fixtures::every_reader()) {
        if (!mice::store::needs_token_ids(config)) {
            continue;
        }
        CAPTURE(name);
        ++kinds;
        forged_index index(config, {.name = "int8"});
        REQUIRE_FALSE(catch_error([&] { index.use(); }).thrown);
        REQUIRE(index.findings().empty());
        for (const std::int32_t id : foreign_ids) {
            CAPTURE(id);
            std::string file = index.files[index.segment];
            put_at(file, index.ids_at(5) + 4, id);
            index.put_segment(file);
            const auto found = refusal_of(index);
            REQUIRE(found.says(index.segment));
            REQUIRE(found.says(std::to_string(id)));
            REQUIRE(found.says("vocabulary of 128"));
            REQUIRE(index.findings().size() == 1);
            REQUIRE(index.findings()[0].file == index.segment);
        }
    }
    REQUIRE(kinds >= 6);
}

TEST_CASE("fault 29: token ids of a stored document are compared with the vocabulary") {
    for (const auto& [name, config] : fixtures::every_reader()) {
        CAPTURE(name);
        const fixtures::model_in_memory model(config);
        const mice::query query = model.ranker.encode_query("old mill");
        const mice::document made = model.ranker.encode("the old river mill");
        const auto scores = [&](const mice::document& given) {
            return catch_error([&] { (void)model.ranker.score(query, std::span(&given, 1)); });
        };
        const mice::document again = mice::document::deserialize(made.serialize());
        REQUIRE_FALSE(scores(again).thrown);
        for (const std::int32_t id : foreign_ids) {
            CAPTURE(id);
            std::vector<std::int32_t> ids(made.ids().begin(), made.ids().end());
            ids[1] = id;
            const mice::document forged({made.states().begin(), made.states().end()}, ids,
                                        std::string(made.fingerprint()), made.origin());
            const auto found = scores(mice::document::deserialize(forged.serialize()));
            REQUIRE(found.code == mice::errc::invalid_argument);
            REQUIRE(found.says(std::to_string(id)));
        }
        // more tokens than the model has positions, with or without a state
        const std::size_t many = config.max_position_embeddings + 1;
        const mice::document longer(std::vector<float>(many * made.hidden()),
                                    std::vector<std::int32_t>(many, 7),
                                    std::string(made.fingerprint()));
        REQUIRE(scores(longer).says(std::to_string(many) + " token ids"));
        for (const std::size_t skipped : {many, std::numeric_limits<std::size_t>::max()}) {
            const mice::document hollow({made.states().begin(), made.states().end()},
                                        {made.ids().begin(), made.ids().end()},
                                        std::string(made.fingerprint()), {.skipped = skipped});
            REQUIRE(scores(hollow).code == mice::errc::invalid_argument);
        }
    }
}

TEST_CASE("fault 29: what an index takes it can rank") {
    const std::vector<std::int32_t> one{2};
    for (const auto& [name, config] : fixtures::every_reader()) {
        CAPTURE(name);
        const fixtures::model_in_memory model(config);
        const temporary_folder folder;
        mice::index index = mice::index::create(folder.path() / "index", model.ranker);
        fixtures::put_passages(index, 0, 3);
        // the longest and the shortest document that it takes
        std::size_t length = config.max_position_embeddings;
        while (catch_error([&] {
                   index.put_ids("long", std::vector<std::int32_t>(length, 7));
               }).code == mice::errc::invalid_argument &&
               length > 2) {
            --length;
        }
        REQUIRE(length > 8);
        const auto least = catch_error([&] { index.put_ids("short", one); });
        REQUIRE(least.thrown == (config.kind == mice::model_kind::cross_encoder));
        const mice::document made = model.ranker.encode("the old river mill");
        const mice::document hollow({made.states().begin(), made.states().end()},
                                    {made.ids().begin(), made.ids().end()},
                                    std::string(made.fingerprint()), {.skipped = 1000});
        REQUIRE(catch_error([&] { index.put_encoded("hollow", hollow); }).code ==
                mice::errc::invalid_argument);
        index.commit();
        REQUIRE(index.rank(std::string_view(std::string(300, 'a') + " old mill")).complete);
    }
}

TEST_CASE("fault 29: a query of all positions and a learned row stays inside the tables") {
    mice::model_config config = fixtures::small_config();
    config.global_cls_token = true;
    config.max_query_length = config.max_position_embeddings;
    fixtures::make_modernbert(config);
    const fixtures::model_in_memory model(config);
    const std::vector<std::int32_t> ids(config.max_position_embeddings, 7);
    const mice::document made = model.ranker.encode_ids(ids);
    const mice::query query = model.ranker.encode_query_ids(ids);
    REQUIRE(std::isfinite(model.ranker.score(query, std::span(&made, 1))[0].score));
}

TEST_CASE("fault 30: rows of a forged index are bounded by its tokens and the model's limit") {
    for (const auto& [name, config] : fixtures::every_reader()) {
        const fixtures::model_in_memory model(config);
        for (const mice::index_codec& codec : fixtures::every_codec(model.ranker)) {
            CAPTURE(name, codec.name, codec.pool);
            forged_index index(config, codec);
            const std::string& whole = index.files[index.segment];
            const auto forge = [&](std::uint32_t document, const auto& change) {
                std::string file = whole;
                auto entry = value_at<document_entry>(file, index.entry_at(document));
                change(entry);
                put_at(file, index.entry_at(document), entry);
                index.put_segment(file);
                REQUIRE(index.findings().size() == 1);
                return refusal_of(index);
            };
            for (const std::uint32_t rows : {1000U, 500000U, 0x7fffffffU, 0xffffffffU}) {
                forge(5, [&](document_entry& e) { e.rows = rows; });
                forge(5, [&](document_entry& e) { e.rows = e.tokens_seen = rows; });
                forge(5, [&](document_entry& e) { e.tokens_seen = rows; });
                forge(5,
                      [&](document_entry& e) { e.rows = e.tokens_seen = e.token_id_count = rows; });
            }
            forge(5, [](document_entry& e) { e.tokens_seen = 0; });
            forge(5, [](document_entry& e) { e.rows = 0; });
            forge(5, [](document_entry& e) { e.texts = ~std::uint64_t{3}; });
            forge(5, [](document_entry& e) { e.codes = ~std::uint64_t{63}; });
            forge(5, [](document_entry& e) { e.metadata_bytes = 1 << 20; });
            // documents that share their bytes with the next ones
            forge(5, [](document_entry& e) { e.metadata_bytes += 4; });
            forge(6, [](document_entry& e) { e.texts = 0; });
            if (value_at<document_entry>(whole, index.entry_at(6)).codes != 0) {
                forge(6, [](document_entry& e) { e.codes = 0; });
            }
        }
    }
}

TEST_CASE("a manifest that names another codec than its segments have is refused") {
    const std::pair<const char*, const char*> forgeries[] = {
        {"int8", "int4"}, {"int16", "int8"}, {"f32", "int16"},        {"f32", "int4"},
        {"int4", "int8"}, {"int8", "f32"},   {"kv-int16", "kv-int8"},
    };
    for (const auto& [written, named] : forgeries) {
        CAPTURE(written, named);
        forged_index forged(fixtures::small_config(), {.name = written});
        mice::index before = mice::index::open(forged.path, forged.ranker);
        REQUIRE(before.verify().empty());
        const std::string manifest = fixtures::changed_manifest(
            forged.files.at(forged.manifest),
            [name = named](nlohmann::json& all) { all["codec"]["name"] = name; });
        fixtures::write_file(forged.path / forged.manifest, manifest);
        const auto found = refusal_of(forged);
        REQUIRE(found.says(forged.segment));
        REQUIRE(found.says(named));
        REQUIRE(before.verify().size() == 1);
        REQUIRE(before.verify()[0].file == forged.manifest);
        REQUIRE(before.verify()[0].what.find(forged.segment) != std::string::npos);
        REQUIRE(mice::index::plan_repair(forged.path, forged.ranker).damage.size() == 1);
        const auto compacting = catch_error([&] { before.compact(); });
        REQUIRE(compacting.code == mice::errc::format);
        before.release();
        REQUIRE(fixtures::files_in(forged.path).at(forged.segment) ==
                forged.files.at(forged.segment));
    }
}

TEST_CASE("codes that do not fill their place are refused where they are read and copied") {
    forged_index forged(fixtures::small_config(), {.name = "int8"});
    std::string file = forged.files[forged.segment];
    // three rows fewer than were written, in the footer as well: the rest of the codes is a gap
    auto entry = value_at<document_entry>(file, forged.entry_at(5));
    REQUIRE(entry.rows > 3);
    entry.rows -= 3;
    put_at(file, forged.entry_at(5), entry);
    auto footer = fixtures::footer_of(file);
    footer.rows -= 3;
    forged.put_segment(file, footer);
    REQUIRE(refusal_of(forged).says("document 5 are shorter"));
    REQUIRE(forged.findings().size() == 1);
    REQUIRE(catch_error([&] { forged.rewrite(); }).code == mice::errc::format);
}

TEST_CASE("fault 29: a forged index is not merged into another") {
    forged_index from(fixtures::small_cross_encoder(), {.name = "f32"});
    const temporary_folder folder;
    mice::index into =
        mice::index::create(folder.path() / "into", from.ranker, {.codec = {.name = "f32"}});
    const std::vector<std::filesystem::path> others{from.path};
    std::string file = from.files[from.segment];
    put_at(file, from.ids_at(5), std::int32_t{4096});
    from.put_segment(file);
    const auto found = catch_error([&] { (void)into.merge(others); });
    REQUIRE(found.code == mice::errc::format);
    REQUIRE(found.says("token id 4096"));
    into.rollback();
    REQUIRE(into.size() == 0);
    from.restore();
    (void)into.merge(others);
    REQUIRE(into.size() == 11);
    REQUIRE(into.verify().empty());
}
