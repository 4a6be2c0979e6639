// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/index_fixture.hpp"
#include "../support/offset_checks.hpp"
#include "../support/random_model.hpp"
#include "../support/temporary_folder.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <mice/index.hpp>
#include <mice/model.hpp>
#include <mice/nn/matching_head.hpp>
#include <mice/reranker.hpp>
#include <mice/scoring/text_map.hpp>
#include <mice/texts.hpp>

namespace {

using namespace std::string_literals;
using fixtures::catch_error;
using fixtures::caught_error;
using fixtures::model_in_memory;

constexpr std::string_view asked = "the old river mill";
const std::string story = "The old mill is under the bridge. Light is new and small.\n"
                          "Is the water of the river old? It is not day.";

mice::rank_options all_sentences() {
    mice::rank_options options;
    options.highlights = mice::highlight_options{.sentences = 0, .words = 2};
    return options;
}

mice::model_config with_head() {
    mice::model_config config = fixtures::small_config();
    config.highlight_width = 8;
    return config;
}

std::vector<fixtures::named_config> every_model() {
    std::vector<fixtures::named_config> models = fixtures::every_kind();
    models.push_back({"with a matching head", with_head()});
    return models;
}

/// Everything about highlights, so that equal texts are equal bits.
std::string told(const mice::highlights& found) {
    std::string text = std::to_string(static_cast<int>(found.method)) + found.note;
    const auto number = [](float value) {
        char digits[40];
        std::snprintf(digits, sizeof digits, " %a", static_cast<double>(value));
        return std::string(digits);
    };
    for (const mice::highlight& each : found.sentences) {
        text += "\n" + std::to_string(each.begin) + "-" + std::to_string(each.end) + " line " +
                std::to_string(each.line) + number(each.score);
        for (const mice::highlighted_word& word : each.words) {
            text += " " + std::to_string(word.begin) + "-" + std::to_string(word.end) +
                    number(word.score);
        }
    }
    return text;
}

/// Spans are inside the text, hold something, split no character; words are in their sentence.
void check_spans(std::string_view text, const mice::highlights& found) {
    const std::vector<bool> borders = fixtures::borders_of(text);
    const auto is_span = [&](std::size_t begin, std::size_t end) {
        return begin < end && end <= text.size() && borders[begin] && borders[end];
    };
    float last = std::numeric_limits<float>::infinity();
    for (const mice::highlight& each : found.sentences) {
        REQUIRE(is_span(each.begin, each.end));
        REQUIRE(std::isfinite(each.score));
        REQUIRE(each.score <= last);
        last = each.score;
        const auto before = text.substr(0, each.begin);
        REQUIRE(each.line <= 1 + static_cast<std::size_t>(
                                     std::count_if(before.begin(), before.end(),
                                                   [](char c) { return c == '\n' || c == '\r'; })));
        for (const mice::highlighted_word& word : each.words) {
            REQUIRE(is_span(word.begin, word.end));
            REQUIRE(word.begin >= each.begin);
            REQUIRE(word.end <= each.end);
        }
    }
}

std::string_view part(const mice::highlight& of, std::string_view text) {
    return text.substr(of.begin, of.end - of.begin);
}

} // namespace

TEST_CASE("highlights are the same bits from a text, a document, a ranking and any thread") {
    for (const auto& [name, config] : every_model()) {
        INFO(name);
        const model_in_memory model(config);
        const mice::reranker& ranker = model.ranker;
        const mice::highlights found = ranker.highlight(asked, story, all_sentences());
        check_spans(story, found);
        REQUIRE(found.sentences.size() >= 2);
        const mice::document encoded = ranker.encode(story);
        CHECK(told(ranker.highlight(asked, encoded, story, all_sentences())) == told(found));
        const std::vector<std::string> passages{"river", story, "Bridge of stone. New light.", ""};
        const std::vector<std::string_view> views(passages.begin(), passages.end());
        const std::vector<mice::document> documents = ranker.encode_all(passages);
        std::vector<std::string> first;
        for (const std::size_t threads : {1, 2, 3}) {
            mice::rank_options options = all_sentences();
            options.threads = threads;
            const mice::ranking ranked = ranker.rank(asked, passages, options);
            REQUIRE(ranked.highlights.size() == ranked.hits.size());
            options.highlights->texts = views;
            const mice::ranking stored =
                ranker.rank(asked, std::span<const mice::document>(documents), options);
            REQUIRE(stored.highlights.size() == ranked.hits.size());
            for (std::size_t i = 0; i < ranked.size(); ++i) {
                CHECK(told(ranked.highlights[i]) == told(stored.highlights[i]));
                check_spans(passages[ranked[i].index], ranked.highlights[i]);
                if (ranked[i].index == 1) {
                    CHECK(told(ranked.highlights[i]) == told(found));
                }
                if (ranked[i].index == 3) {
                    CHECK(ranked.highlights[i].sentences.empty());
                    CHECK(ranked.highlights[i].method == mice::highlight_method::none);
                }
            }
        }
        CHECK(ranker.rank(asked, passages).highlights.empty());
    }
}

TEST_CASE("without a head a sentence's score is the model's own of its rows, or of its text") {
    for (const auto& [name, config] : fixtures::every_kind()) {
        INFO(name);
        const model_in_memory model(config);
        const mice::reranker& ranker = model.ranker;
        const mice::highlights found = ranker.highlight(asked, story, all_sentences());
        const mice::document encoded = ranker.encode(story);
        const mice::detail::text_map map(*ranker.shared_model(), story, {});
        REQUIRE(found.sentences.size() == map.sentences().size());
        for (const mice::highlight& each : found.sentences) {
            float expected = 0;
            if (config.kind == mice::model_kind::cross_encoder) {
                CHECK(found.method == mice::highlight_method::scored_again);
                expected = ranker.score(asked, {part(each, story)})[0].score;
            } else {
                CHECK(found.method == mice::highlight_method::own_score);
                const auto rows =
                    std::find_if(map.sentences().begin(), map.sentences().end(),
                                 [&](const auto& some) { return some.where.begin == each.begin; });
                REQUIRE(rows != map.sentences().end());
                const std::size_t width = encoded.hidden();
                const auto states = encoded.states().subspan(rows->first * width,
                                                             (rows->last - rows->first) * width);
                const auto ids = encoded.ids().subspan(rows->first, rows->last - rows->first);
                const mice::document slice({states.begin(), states.end()}, {ids.begin(), ids.end()},
                                           std::string(ranker.fingerprint()));
                expected = ranker.score(asked, std::span(&slice, 1))[0].score;
            }
            CHECK(each.score == expected);
        }
    }
}

TEST_CASE("the matching head computes its equations") {
    const model_in_memory model(with_head());
    const mice::reranker& ranker = model.ranker;
    const mice::highlights found = ranker.highlight(asked, story, all_sentences());
    CHECK(found.method == mice::highlight_method::matching);
    // In double precision, from the tensors of the file and the states of the engine.
    const auto tensor = [&ranker](const char* name) {
        const mice::io::tensor_view* view = ranker.file().find(name);
        REQUIRE(view != nullptr);
        std::vector<float> values(view->bytes.size() / sizeof(float));
        std::memcpy(values.data(), view->bytes.data(), view->bytes.size());
        return std::vector<double>(values.begin(), values.end());
    };
    const std::vector<double> projection = tensor("highlight.projection.weight");
    const std::vector<double> importance = tensor("highlight.importance");
    const std::vector<double> mixture = tensor("highlight.mixture");
    const std::size_t hidden = with_head().hidden_size, width = with_head().highlight_width;
    const auto vector_of = [&](std::span<const float> state) {
        std::vector<double> made(width);
        double squares = 0;
        for (std::size_t i = 0; i < width; ++i) {
            for (std::size_t j = 0; j < hidden; ++j) {
                made[i] += projection[i * hidden + j] * static_cast<double>(state[j]);
            }
            squares += made[i] * made[i];
        }
        for (double& each : made) {
            each /= std::sqrt(squares);
        }
        return made;
    };
    const mice::document text = ranker.encode(story);
    const mice::document query = ranker.encode(asked); // the model has one encoder for both
    std::vector<double> counts;
    double sum = 0;
    for (std::size_t t = 1; t + 1 < query.rows(); ++t) {
        double x = importance[hidden];
        for (std::size_t j = 0; j < hidden; ++j) {
            x += importance[j] * static_cast<double>(query.states()[t * hidden + j]);
        }
        counts.push_back(std::log1p(std::exp(x)));
        sum += counts.back();
    }
    const mice::detail::text_map map(*ranker.shared_model(), story, {});
    const auto best_of = [&](std::size_t t, const mice::detail::sentence_rows& rows) {
        double best = -1;
        const std::vector<double> asks = vector_of(query.states().subspan(t * hidden, hidden));
        for (std::size_t row = rows.first; row < rows.last; ++row) {
            const std::vector<double> says = vector_of(text.states().subspan(row * hidden, hidden));
            double product = 0;
            for (std::size_t i = 0; i < width; ++i) {
                product += asks[i] * says[i];
            }
            best = std::max(best, product);
        }
        return best;
    };
    REQUIRE(map.sentences().size() == 4);
    for (std::size_t s = 0; s < map.sentences().size(); ++s) {
        const mice::detail::sentence_rows& here = map.sentences()[s];
        const mice::detail::sentence_rows& before = map.sentences()[s > 0 ? s - 1 : 0];
        double match = 0, both = 0;
        for (std::size_t t = 0; t < counts.size(); ++t) {
            const double best = best_of(t + 1, here);
            match += counts[t] / sum * best;
            both += counts[t] / sum * std::max(best, best_of(t + 1, before));
        }
        const auto states =
            text.states().subspan(before.first * hidden, (here.last - before.first) * hidden);
        const auto ids = text.ids().subspan(before.first, here.last - before.first);
        const mice::document slice({states.begin(), states.end()}, {ids.begin(), ids.end()},
                                   std::string(ranker.fingerprint()));
        const double own = static_cast<double>(ranker.score(asked, std::span(&slice, 1))[0].score);
        const double expected = mixture[0] * match + mixture[1] * both + mixture[2] * own;
        const auto shown = std::find_if(
            found.sentences.begin(), found.sentences.end(),
            [&](const mice::highlight& each) { return each.begin == here.where.begin; });
        REQUIRE(shown != found.sentences.end());
        CHECK_THAT(static_cast<double>(shown->score),
                   Catch::Matchers::WithinAbs(expected, 1e-4 * (1 + std::abs(expected))));
    }
}

TEST_CASE("a head of another shape, or with a value that is no number, is refused") {
    mice::model_config config = with_head();
    fixtures::model_file_parts parts = fixtures::make_model(config);
    const auto load = [](const fixtures::model_file_parts& from) {
        const std::vector<std::byte> bytes = from.file();
        return catch_error([&] { mice::reranker ranker{std::span<const std::byte>(bytes)}; });
    };
    CHECK_FALSE(load(parts).thrown);
    parts.config.highlight_width = 7; // the tensors are of 8
    CHECK(load(parts).code == mice::errc::tensor);
    parts.config.highlight_width = 0; // nothing reads the tensors then
    CHECK(load(parts).says("highlight."));
    parts.config.highlight_width = 33; // wider than a state
    CHECK(load(parts).says("highlight_width"));
}

TEST_CASE(
    "a head whose numbers overflow, or that lets nothing count, gives no score that is none") {
    for (const float mixture : {3e38F, 0.0F}) {
        for (const float offset : {-3e38F, 0.0F}) {
            fixtures::model_file_parts parts = fixtures::make_model(with_head());
            for (fixtures::stored_tensor& tensor : parts.tensors) {
                const bool mixes = tensor.name == "highlight.mixture";
                if (mixes || tensor.name == "highlight.importance") {
                    std::vector<float> values(tensor.bytes.size() / sizeof(float),
                                              mixes ? mixture : 0.0F);
                    values.back() = mixes ? -mixture : offset;
                    tensor.bytes = fixtures::bytes_of(values);
                }
            }
            const std::vector<std::byte> bytes = parts.file();
            const mice::reranker ranker{std::span<const std::byte>(bytes), mice::precision::f32};
            mice::highlights found;
            const caught_error problem =
                catch_error([&] { found = ranker.highlight(asked, story, all_sentences()); });
            CHECK((!problem.thrown || problem.code == mice::errc::tensor));
            check_spans(story, found);
            for (const mice::highlight& each : found.sentences) {
                for (const mice::highlighted_word& word : each.words) {
                    CHECK(word.score > -1);
                }
            }
        }
    }
}

TEST_CASE("options say how many sentences and words, and lines are counted") {
    const model_in_memory model(with_head());
    const std::string text = "The old mill.\r\nThe river is old.\rNew light!\n\nWater is under it.";
    mice::rank_options options;
    for (const std::size_t sentences : {1, 2, 3, 9}) {
        for (const std::size_t words : {0, 1, 2, 9}) {
            options.highlights = mice::highlight_options{.sentences = sentences, .words = words};
            const mice::highlights found = model.ranker.highlight(asked, text, options);
            check_spans(text, found);
            REQUIRE(found.sentences.size() == std::min<std::size_t>(sentences, 4));
            for (const mice::highlight& each : found.sentences) {
                CHECK(each.words.size() <= words);
                CHECK((words == 0) == each.words.empty());
            }
        }
    }
    CHECK(model.ranker.highlight(asked, text).sentences.size() == 1); // the defaults
    std::map<std::string_view, std::size_t> lines;
    for (const mice::highlight& each :
         model.ranker.highlight(asked, text, all_sentences()).sentences) {
        lines[part(each, text)] = each.line;
    }
    CHECK(lines == std::map<std::string_view, std::size_t>{{"The old mill.", 1},
                                                           {"The river is old.", 2},
                                                           {"New light!", 3},
                                                           {"Water is under it.", 5}});
}

TEST_CASE("any bytes are a text with highlights, whose spans are in the caller's bytes") {
    const std::vector<std::string> texts{
        "",
        "\n\n\n\r\n\r",
        " \t ",
        "\0"s,
        "The old\0river. New light."s,
        "The old mill.\xff\xfe The river \xe2\x82 is old. \xf0\x9f",
        "\x80\x80\x80. \xc0\xaf! The mill",
        "e\xcc\x81\xcc\x80\xcc\x82 old. the rive\xcc\x81r",
        "\xd7\x90\xd7\x91\xd7\x92. \xd7\x94 old mill? \xe2\x80\x8f river",
        "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7 old. river "
        "\xf0\x9f\x91\xa9",
        "\xe4\xb8\xad\xe4\xb8\xad\xe3\x80\x82\xe4\xb8\xad\xe4\xb8\xad\xef\xbc\x81",
        "\xe2\x80\x8b\n\n" + std::string(1000, 'r') + " mill. The river. " + std::string(1000, '7'),
        "\x01\n\n\x02. " + std::string(60, '.') + std::string(500, 'x') + "\n\n\x03",
        std::string(4000, 'a'),
        std::string(4000, '\n') + "river",
        std::string(1000, ' ') + "river. " + std::string(1000, '\x85') + " mill."};
    std::vector<fixtures::named_config> models = every_model();
    for (const auto& [name, config] : models) {
        INFO(name);
        for (const bool byte_bpe : {false, true}) {
            mice::model_config wide = config;
            wide.vocab_size = std::max<std::size_t>(wide.vocab_size, 300);
            const model_in_memory model(wide, {.byte_bpe = byte_bpe});
            for (const std::string& text : texts) {
                const mice::highlights found = model.ranker.highlight(asked, text, all_sentences());
                check_spans(text, found);
                CHECK((found.method == mice::highlight_method::none) == found.sentences.empty());
                check_spans(text, model.ranker.highlight("", text, all_sentences()));
            }
        }
    }
}

TEST_CASE("a long text is highlighted to its end, a document as far as the model read it") {
    for (const auto& [name, config] : every_model()) {
        INFO(name);
        const model_in_memory model(config);
        std::string text;
        for (int i = 0; i < 50; ++i) {
            text += "The old river mill is old" + std::string(i % 7 == 0 ? 90 : 0, '7') + ".\n";
        }
        const mice::highlights found = model.ranker.highlight(asked, text, all_sentences());
        check_spans(text, found);
        std::vector<bool> shown(text.size());
        std::size_t twice = 0, never = 0; // bytes
        for (const mice::highlight& each : found.sentences) {
            for (std::size_t at = each.begin; at < each.end; ++at) {
                twice += shown[at] ? 1U : 0U;
                shown[at] = true;
            }
            const auto before = std::string_view(text).substr(0, each.begin);
            CHECK(each.line ==
                  1 + static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n')));
        }
        for (std::size_t at = 0; at < text.size(); ++at) {
            never += shown[at] || text[at] == '\n' ? 0U : 1U;
        }
        CHECK(twice == 0);
        CHECK(never == 0);
        mice::rank_options best = all_sentences();
        best.highlights->sentences = 3;
        const mice::highlights few = model.ranker.highlight(asked, text, best);
        REQUIRE(few.sentences.size() == 3);
        CHECK(few.sentences[2].score == found.sentences[2].score);
        const mice::highlights stored =
            model.ranker.highlight(asked, model.ranker.encode(text), text, all_sentences());
        check_spans(text, stored);
        CHECK(stored.note.find("reads no further than byte") != std::string::npos);
        CHECK(stored.sentences.size() < found.sentences.size());
    }
}

TEST_CASE("highlights of an index come from stored states, or say that they do not") {
    temporary_folder folder;
    for (const auto& [name, config] : every_model()) {
        for (const char* codec : {"f32", "int8", "int4", "kv-int16", "kv-int8", "pool", "drop"}) {
            INFO(name << ", " << codec);
            const bool pools = codec == "pool"s, drops = codec == "drop"s;
            const model_in_memory model(config);
            mice::index_options options;
            options.codec.name = pools || drops ? "f32" : codec;
            options.codec.pool = pools ? 2 : 1;
            options.codec.drop =
                drops ? mice::dropped_tokens::stop_words : mice::dropped_tokens::none;
            const std::filesystem::path place = folder.path() / (name + "-" + codec);
            std::optional<mice::index> index;
            if (catch_error([&] {
                    index.emplace(mice::index::create(place, model.ranker, options));
                }).thrown) {
                continue; // a codec that this model does not have
            }
            index->put("story", story, story);
            index->put("other", "New light.", "New light.");
            index->commit();
            const mice::highlights found = index->highlight(asked, "story", story, all_sentences());
            const mice::highlights fresh = model.ranker.highlight(asked, story, all_sentences());
            check_spans(story, found);
            const bool stores_rows = codec == "f32"s || codec == "int8"s || codec == "int4"s;
            const bool has_words = config.kind != mice::model_kind::cross_encoder;
            CHECK(found.note.empty() == (stores_rows && has_words));
            if (codec == "f32"s) {
                CHECK(told(found) == told(fresh));
            }
            REQUIRE(found.sentences.size() == fresh.sentences.size());
            if (!stores_rows) {
                CHECK(found.note.find("encoded again") != std::string::npos);
                CHECK(found.sentences[0].score == fresh.sentences[0].score);
            }
            // and the same as of a ranking's hit
            mice::rank_options with = all_sentences();
            with.highlights->text_of = [](std::string_view, std::string_view metadata) {
                return std::string(metadata);
            };
            const mice::index_ranking ranked = index->rank(asked, with);
            REQUIRE(ranked.highlights.size() == 2);
            const std::size_t at = ranked[0].id == "story" ? 0 : 1;
            CHECK(told(ranked.highlights[at]) == told(found));
            const mice::index_ranking named = index->rank(asked, {"other", "story"}, with);
            REQUIRE(named.highlights.size() == 2);
            CHECK(told(named.highlights[named[0].id == "story" ? 0 : 1]) == told(found));
        }
    }
}

TEST_CASE("a long text of an index is highlighted in its best passage, or in all of them") {
    temporary_folder folder;
    const model_in_memory model(with_head());
    std::string text = "  \n";
    for (int i = 0; i < 40; ++i) {
        text += "The stone bridge is new and the water is " + std::to_string(i) + ".\n";
        text += i == 31 ? "Under the old river mill.\n" : "";
    }
    mice::index index = mice::index::create(folder.path() / "index", model.ranker);
    index.put_text("long", text, text);
    index.put_text("short", story, story);
    index.commit();
    mice::rank_options options = all_sentences();
    options.highlights->text_of = [](std::string_view, std::string_view metadata) {
        return std::string(metadata);
    };
    const mice::index_ranking ranked = index.rank(asked, options);
    REQUIRE(ranked.highlights.size() == 2);
    const std::size_t at = ranked[0].id == "long" ? 0 : 1;
    const mice::index_hit& hit = ranked[at];
    REQUIRE(hit.passages > 3);
    check_spans(text, ranked.highlights[at]);
    REQUIRE_FALSE(ranked.highlights[at].sentences.empty());
    for (const mice::highlight& each : ranked.highlights[at].sentences) {
        CHECK(each.begin >= hit.best.begin);
        CHECK(each.end <= hit.best.end);
        const auto before = std::string_view(text).substr(0, each.begin);
        CHECK(each.line ==
              1 + static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n')));
    }
    CHECK(told(index.rank(asked, {"long"}, options).highlights[0]) == told(ranked.highlights[at]));
    const mice::highlights whole = index.highlight(asked, "long", text, all_sentences());
    check_spans(text, whole);
    std::vector<std::size_t> begins;
    for (const mice::highlight& each : whole.sentences) {
        begins.push_back(each.begin);
    }
    std::sort(begins.begin(), begins.end());
    CHECK(std::adjacent_find(begins.begin(), begins.end()) == begins.end()); // each once
    CHECK(begins.size() >= 41);
    CHECK(whole.sentences[0].score >= ranked.highlights[at].sentences[0].score);
    for (const std::string& other : {text.substr(0, 99), text + "More.", "More." + text}) {
        CHECK(catch_error([&] { (void)index.highlight(asked, "long", other); }).code ==
              mice::errc::mismatch);
    }
}

TEST_CASE("rank_texts highlights the best passage of each text, at its place in the text") {
    const model_in_memory model(with_head());
    std::string text = " \r\n";
    for (int i = 0; i < 40; ++i) {
        text += "The stone bridge is new and the water is " + std::to_string(i) + ".\r\n";
        text += i == 31 ? "Under the old river mill.\n" : "";
    }
    const std::vector<std::string> texts{text, "\n\n" + story, ""};
    const mice::text_ranking ranked = mice::rank_texts(model.ranker, asked, texts, all_sentences());
    REQUIRE(ranked.highlights.size() == ranked.hits.size());
    for (std::size_t i = 0; i < ranked.size(); ++i) {
        const std::string& of = texts[ranked[i].index];
        check_spans(of, ranked.highlights[i]);
        CHECK(ranked.highlights[i].sentences.empty() == of.empty());
        for (const mice::highlight& each : ranked.highlights[i].sentences) {
            CHECK(each.begin >= ranked[i].best.begin);
            CHECK(each.end <= ranked[i].best.end);
            CHECK(each.line == 1 + mice::detail::line_ends(of, 0, each.begin));
        }
    }
    CHECK(mice::rank_texts(model.ranker, asked, texts).highlights.empty());
}

TEST_CASE("an index says which hits have no text to highlight") {
    temporary_folder folder;
    const model_in_memory model(with_head());
    mice::index index = mice::index::create(folder.path() / "index", model.ranker);
    index.put("kept", story, story);
    index.put("lost", story);
    index.commit();
    mice::rank_options options = all_sentences();
    options.highlights->text_of = [](std::string_view,
                                     std::string_view metadata) -> std::optional<std::string> {
        return metadata.empty() ? std::nullopt : std::optional(std::string(metadata));
    };
    const mice::index_ranking ranked = index.rank(asked, options);
    REQUIRE(ranked.highlights.size() == 2);
    for (std::size_t i = 0; i < 2; ++i) {
        const bool kept = ranked[i].id == "kept";
        CHECK(ranked.highlights[i].sentences.empty() != kept);
        CHECK(ranked.highlights[i].note == (kept ? "" : "the text is not kept"));
    }
}

TEST_CASE("highlights without the right text are refused, with what to do") {
    temporary_folder folder;
    const model_in_memory model(with_head()), other;
    const mice::reranker& ranker = model.ranker;
    mice::index index = mice::index::create(folder.path() / "index", ranker);
    index.put("story", story);
    index.commit();
    const mice::document encoded = ranker.encode(story);
    const std::string another = "The old mill is under it.";
    const caught_error wrong_text =
        catch_error([&] { (void)ranker.highlight(asked, encoded, another); });
    CHECK(wrong_text.code == mice::errc::mismatch);
    CHECK(wrong_text.says("not the one that the document was encoded from"));
    CHECK(catch_error([&] { (void)index.highlight(asked, "story", another); }).code ==
          mice::errc::mismatch);
    CHECK(catch_error([&] { (void)index.highlight(asked, "nobody", story); }).code ==
          mice::errc::invalid_argument);
    const caught_error no_text = catch_error([&] { (void)index.rank(asked, all_sentences()); });
    CHECK(no_text.code == mice::errc::invalid_argument);
    CHECK(no_text.says("text_of"));
    const caught_error no_texts = catch_error([&] {
        (void)ranker.rank(asked, std::span<const mice::document>(&encoded, 1), all_sentences());
    });
    CHECK(no_texts.code == mice::errc::invalid_argument);
    CHECK(no_texts.says("highlight_options::texts"));
    const mice::query foreign = other.ranker.encode_query(asked);
    CHECK(catch_error([&] { (void)ranker.highlight(foreign, story); }).code ==
          mice::errc::mismatch);
    CHECK(catch_error([&] { (void)index.highlight(foreign, "story", story); }).code ==
          mice::errc::mismatch);
    CHECK(catch_error([&] { (void)other.ranker.highlight(asked, encoded, story); }).code ==
          mice::errc::mismatch);
    mice::rank_options strict;
    strict.on_invalid = mice::invalid_utf8::refuse;
    CHECK(catch_error([&] { (void)ranker.highlight(asked, "old \xff mill", strict); }).code ==
          mice::errc::encoding);
}

TEST_CASE("a call that is stopped says which hits have no highlights") {
    const model_in_memory model(with_head());
    mice::rank_options options = all_sentences();
    options.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1);
    const std::vector<std::string> passages(20, story);
    const mice::ranking late = model.ranker.rank(asked, passages, options);
    CHECK(late.highlights.size() == late.hits.size());
    options.deadline.reset();
    mice::cancellation stop;
    options.cancel = &stop;
    options.threads = 1;
    options.progress = [&stop](std::size_t done, std::size_t all) {
        if (done == all) {
            stop.request();
        }
    };
    const mice::ranking cancelled = model.ranker.rank(asked, passages, options);
    REQUIRE(cancelled.highlights.size() == passages.size());
    for (const mice::highlights& each : cancelled.highlights) {
        CHECK(each.sentences.empty());
        CHECK(each.note == "the call was stopped before this");
    }
}
