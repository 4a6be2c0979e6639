// SPDX-License-Identifier: Apache-2.0
#include "late_interaction.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <mice/model/config_json.hpp>
#include <mice/model/config_limits.hpp>
#include <mice/text/tokenizer.hpp>

#include "checkpoint_config.hpp"
#include "common/nearest_name.hpp"
#include "common/tokenizer_files.hpp"
#include "families.hpp"
#include "messages.hpp"
#include "select_tensors.hpp"

namespace mice::tools {
namespace {

/// The keys that `colbert` may have; any other could be a misspelling of these.
constexpr std::array<std::string_view, 14> known_keys{"query_maxlen",
                                                      "doc_maxlen",
                                                      "dim",
                                                      "similarity",
                                                      "query_marker_id",
                                                      "document_marker_id",
                                                      "query_token_id",
                                                      "doc_token_id",
                                                      "cls_token_id",
                                                      "sep_token_id",
                                                      "mask_token_id",
                                                      "mask_punctuation",
                                                      "punctuation_token_ids",
                                                      "attend_to_mask_tokens"};

/// Python's string.punctuation, whose tokens ColBERT gives no vector.
constexpr std::string_view punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

bool names_architecture(const json& config) {
    const auto found = config.find("architectures");
    return found != config.end() && found->is_array() &&
           std::any_of(found->begin(), found->end(), [](const json& name) {
               return name.is_string() &&
                      name.get_ref<const std::string&>().find("ColBERT") != std::string::npos;
           });
}

/// The settings of late interaction and where they come from.
class colbert_settings {
  public:
    colbert_settings(const std::filesystem::path& directory, const module_list* modules) {
        if (modules != nullptr) {
            origin_ = "config_sentence_transformers.json";
            values_ = colbert_settings_of(*modules);
            return;
        }
        const json config = read_object(directory, "config.json").value_or(nullptr);
        if (const auto own = config.find("colbert"); own != config.end()) {
            if (!own->is_object()) {
                throw detail::errors::bad_option("colbert", "an object", own->type_name());
            }
            values_ = *own;
            check_spelling();
            return;
        }
        origin_ = "artifact.metadata";
        values_ = read_object(directory, origin_).value_or(nullptr);
        if (values_.is_null()) {
            values_ = json::object();
        }
    }

    [[nodiscard]] bool are_pylate() const { return origin_.starts_with("config_"); }
    /// "colbert" or the name of a file.
    [[nodiscard]] const std::string& origin() const { return origin_; }
    /// The key as errors name it.
    [[nodiscard]] std::string name(std::string_view key) const {
        return origin_ + ": " + std::string(key);
    }
    [[nodiscard]] const json* find(const char* key) const {
        const auto found = values_.find(key);
        return found == values_.end() || found->is_null() ? nullptr : &*found;
    }
    /// A switch, or ColBERT's own default with a note.
    [[nodiscard]] bool flag(const char* key, bool otherwise,
                            std::vector<std::string>& notes) const {
        const json* value = find(key);
        if (value == nullptr) {
            notes.push_back(std::string(key) + " = " + (otherwise ? "true" : "false") +
                            ": ColBERT's default, no configuration says otherwise");
            return otherwise;
        }
        if (!value->is_boolean()) {
            throw detail::errors::bad_option(name(key), "true or false", to_text(*value));
        }
        return value->get<bool>();
    }

  private:
    void check_spelling() const {
        for (const auto& [key, value] : values_.items()) {
            if (std::find(known_keys.begin(), known_keys.end(), key) == known_keys.end()) {
                const std::vector<std::string> names(known_keys.begin(), known_keys.end());
                throw messages::unknown_setting("colbert", key, nearest_name(key, names));
            }
        }
    }

    std::string origin_ = "colbert";
    json values_;
};

/// Builds the configuration of the model file.
class late_interaction_config {
  public:
    late_interaction_config(const convert_options& options, const checkpoint_config& backbone,
                            const colbert_settings& settings, const checkpoint& weights,
                            std::vector<std::string>& notes)
        : options_(options), backbone_(backbone.values), settings_(settings), weights_(weights),
          notes_(notes) {}

    [[nodiscard]] model_config finish() {
        check_meaning();
        add_backbone();
        add_vectors();
        add_ids();
        for (const char* limit : {"max_query_length", "max_document_length"}) {
            result_[limit] = backbone_.at(limit);
        }
        return config_from_json(to_text(result_));
    }

  private:
    /// Settings of which only one value is supported.
    void check_meaning() const {
        const std::array<std::pair<const char*, const char*>, 2> only{
            {{"similarity", "cosine"}, {"interaction", "colbert"}}};
        for (const auto& [key, value] : only) {
            const json* given = settings_.find(key);
            if (given != nullptr && *given != value) {
                throw messages::not_yet(settings_.name(key) + " = " + to_text(*given),
                                        "only '" + std::string(value) + "' is");
            }
        }
        if (!family().stored->late_interaction) {
            throw messages::not_yet(
                "late interaction with a " + std::string(family().stored->title) + " backbone",
                "convert a ColBERT checkpoint of the " + family_titles(true) + " family");
        }
    }

    [[nodiscard]] const checkpoint_family& family() const {
        return checkpoint_family_of(backbone_.at("model_type").get_ref<const std::string&>());
    }

    void take(const char* key, const json& otherwise = nullptr) {
        const auto found = backbone_.find(key);
        if (found != backbone_.end() && !found->is_null()) {
            result_[key] = *found;
        } else if (!otherwise.is_null()) {
            result_[key] = otherwise;
        } else {
            throw messages::missing_key(key);
        }
    }

    void add_backbone() {
        for (const char* key : {"model_type", "hidden_size", "num_attention_heads", "vocab_size",
                                "intermediate_size", "max_position_embeddings"}) {
            take(key);
        }
        take("hidden_act", "gelu");
        take("type_vocab_size", 2U);
        take("layer_norm_eps", family().epsilon);
        const auto table = weights_.tensors.find("embeddings.word_embeddings.weight");
        const bool shown = family().stored == &electra_family && table != weights_.tensors.end() &&
                           table->second.shape.rank() == 2;
        take("embedding_size", shown ? json(table->second.shape[1]) : result_["hidden_size"]);
        result_["kind"] = name_of(model_kind::late_interaction);
        const auto layers = backbone_.find("num_hidden_layers");
        if (layers == backbone_.end() || layers->is_null()) {
            throw messages::missing_key("num_hidden_layers");
        }
        result_["layers"] = *layers;
    }

    void add_vectors() {
        const json* dim = settings_.find("dim");
        const auto found = weights_.tensors.find("linear.weight");
        const bool readable = found != weights_.tensors.end() && found->second.shape.rank() == 2;
        if (readable && dim != nullptr && *dim != found->second.shape[0]) {
            throw messages::config_conflict("dim", to_text(*dim) + " in " + settings_.origin(),
                                            "linear.weight has " +
                                                std::to_string(found->second.shape[0]) + " rows");
        }
        if (!readable && dim == nullptr) {
            throw messages::missing_tensor("linear.weight", 0, std::nullopt);
        }
        result_["vector_size"] = dim != nullptr ? *dim : json(found->second.shape[0]);
    }

    void add_ids() {
        result_["query_marker"] = marker("query_marker_id", "query_token_id", "[unused0]", 1);
        result_["document_marker"] = marker("document_marker_id", "doc_token_id", "[unused1]", 2);
        result_["filler"] = filler();
        result_["attend_to_filler"] = settings_.flag("attend_to_mask_tokens", false, notes_);
        std::vector<std::int32_t> skipped;
        if (settings_.are_pylate()) {
            skipped = skiplist_ids();
        } else if (settings_.flag("mask_punctuation", true, notes_)) {
            skipped = punctuation_ids();
        }
        for (const auto& [key, place] :
             {std::pair("cls_token_id", std::size_t{0}), {"sep_token_id", 1}}) {
            check_frame(key, place, skipped);
        }
        result_["skipped"] = skipped;
    }

    /// The rows of the embedding table, if the configuration can be read.
    [[nodiscard]] std::size_t rows() const {
        const json& size = result_.at("vocab_size");
        return size.is_number_unsigned() ? size.get<std::size_t>() : 0;
    }

    /// The checkpoint's tokenizer, or the one given, whether or not it will be stored.
    [[nodiscard]] const tokenizer* words() {
        if (!looked_) {
            looked_ = true;
            const auto path = options_.tokenizer.empty()
                                  ? find_tokenizer(options_.directory)
                                  : std::optional<std::filesystem::path>(options_.tokenizer);
            if (path) {
                const tokenizer_spec spec =
                    read_tokenizer(*path, {.rows = rows(), .chosen = !options_.tokenizer.empty()});
                std::visit(
                    [this](const auto& kind) {
                        unknown_token_ = kind.unk_token;
                        mask_token_ = kind.mask_token;
                    },
                    spec);
                words_ = make_tokenizer(spec);
            }
        }
        return words_.get();
    }
    [[nodiscard]] std::optional<std::int32_t> id_of(std::string_view token) {
        return words() == nullptr ? std::nullopt : words()->id(token);
    }

    /// An id of the settings, inside the vocabulary.
    [[nodiscard]] std::int32_t checked_id(const char* key, const json& value) const {
        const json& rows = result_.at("vocab_size");
        const std::uint64_t limit =
            rows.is_number_unsigned()
                ? std::min<std::uint64_t>(rows.get<std::uint64_t>(), mice::detail::largest_table)
                : 0;
        if (!value.is_number_unsigned() || value.get<std::uint64_t>() >= limit) {
            throw detail::errors::bad_option(
                settings_.name(key),
                "an id below " + to_text(rows) + ", the size of the vocabulary", to_text(value));
        }
        return value.get<std::int32_t>();
    }

    [[nodiscard]] std::int32_t marker(const char* id_key, const char* token_key,
                                      const char* usual_token, std::int32_t usual_id) {
        if (const json* id = settings_.find(id_key)) {
            return checked_id(id_key, *id);
        }
        const json* given = settings_.find(token_key);
        if (given != nullptr && !given->is_string()) {
            throw detail::errors::bad_option(settings_.name(token_key), "the text of a token",
                                             to_text(*given));
        }
        const std::string token = given != nullptr ? given->get<std::string>() : usual_token;
        if (const auto id = id_of(token)) {
            return checked_id(id_key, json(static_cast<std::uint64_t>(*id)));
        }
        if (settings_.are_pylate()) {
            throw messages::no_prefix(std::string_view(token_key).starts_with("query")
                                          ? "query_prefix"
                                          : "document_prefix",
                                      token);
        }
        if (words() != nullptr || token != usual_token || !family().has_unused_tokens) {
            throw messages::no_such_token(settings_.origin(), id_key, token, words() != nullptr);
        }
        notes_.push_back(std::string(id_key) + " = " + std::to_string(usual_id) + ": where " +
                         token + " stands in BERT's vocabularies; there is no tokenizer to tell");
        return usual_id;
    }

    [[nodiscard]] std::int32_t filler() {
        if (const json* id = settings_.find("mask_token_id")) {
            return checked_id("mask_token_id", *id);
        }
        const bool named = words() != nullptr && !mask_token_.empty();
        const std::string token = named ? mask_token_ : "[MASK]";
        const auto id = id_of(token);
        if (!id) {
            throw messages::no_such_token(settings_.origin(), "mask_token_id", token,
                                          words() != nullptr);
        }
        return *id;
    }

    /// PyLate looks up every word as one token. A word that is no token is the unknown token there,
    /// and so here.
    [[nodiscard]] std::vector<std::int32_t> skiplist_ids() {
        json skiplist = json::array();
        if (const json* given = settings_.find("skiplist_words")) {
            skiplist = *given;
        } else {
            for (const char& mark : punctuation) {
                skiplist.push_back(std::string(1, mark));
            }
        }
        if (!skiplist.is_array() || skiplist.size() > most_skipped) {
            throw detail::errors::bad_option(
                "skiplist_words", "a list of at most " + std::to_string(most_skipped) + " words",
                skiplist.type_name());
        }
        std::vector<std::int32_t> ids;
        std::size_t unknown = 0;
        for (const json& word : skiplist) {
            if (!word.is_string()) {
                throw detail::errors::bad_option("skiplist_words", "words", to_text(word));
            }
            const auto id = id_of(word.get_ref<const std::string&>());
            unknown += id ? 0 : 1;
            const auto found = id ? id : id_of(unknown_token_);
            if (found) {
                ids.push_back(*found);
            }
        }
        if (unknown > 0) {
            notes_.push_back("skiplist_words: " + std::to_string(unknown) +
                             " are no tokens, so documents have no vector for unknown ones");
        }
        std::sort(ids.begin(), ids.end());
        ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
        return ids;
    }

    [[nodiscard]] std::vector<std::int32_t> punctuation_ids() {
        std::vector<std::int32_t> ids;
        if (const json* given = settings_.find("punctuation_token_ids")) {
            if (!given->is_array()) {
                throw detail::errors::bad_option(settings_.name("punctuation_token_ids"), "a list",
                                                 given->type_name());
            }
            for (const json& each : *given) {
                ids.push_back(checked_id("punctuation_token_ids", each));
            }
        } else if (words() == nullptr) {
            throw messages::no_such_token(settings_.origin(), "punctuation_token_ids",
                                          "each mark of punctuation", false);
        } else {
            for (const char& mark : punctuation) { // as a text begins with it
                const std::vector<std::int32_t> found = words()->encode({&mark, 1}).ids;
                if (found.size() > 2 && found[1] != id_of(unknown_token_)) {
                    ids.push_back(found[1]);
                }
            }
            notes_.push_back("mask_punctuation: the vectors of " + std::to_string(ids.size()) +
                             " tokens are left out of documents");
        }
        std::sort(ids.begin(), ids.end());
        ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
        return ids;
    }

    /// [CLS] and [SEP] come from the tokenizer; settings that name other ids belong to another
    /// tokenizer.
    void check_frame(const char* key, std::size_t place, const std::vector<std::int32_t>& skipped) {
        std::optional<std::int32_t> id;
        if (words() != nullptr) {
            id = words()->encode("").ids.at(place);
        }
        if (const json* given = settings_.find(key)) {
            const std::int32_t told = checked_id(key, *given);
            if (id && told != *id) {
                throw messages::config_conflict(key,
                                                std::to_string(told) + " in " + settings_.origin(),
                                                std::to_string(*id) + " in the tokenizer");
            }
            id = told;
        }
        if (id && std::binary_search(skipped.begin(), skipped.end(), *id)) {
            throw messages::config_conflict(key, std::to_string(*id),
                                            "one of punctuation_token_ids");
        }
    }

    static constexpr std::size_t most_skipped = 65536;

    const convert_options& options_;
    const json& backbone_;
    const colbert_settings& settings_;
    const checkpoint& weights_;
    std::vector<std::string>& notes_;
    json result_ = json::object();
    std::shared_ptr<const tokenizer> words_;
    std::string unknown_token_, mask_token_;
    bool looked_ = false;
};

/// The limits, which flags may set too, under the names of a model file.
void add_limits(checkpoint_config& config, const colbert_settings& settings,
                const convert_options& options) {
    for (const auto& [key, value] : options.config_flags.items()) {
        if (key != "max_query_length" && key != "max_document_length") {
            throw messages::mice_flag(key);
        }
    }
    constexpr unsigned usual_document = 220; // ColBERT's default
    const json* query = settings.find("query_maxlen");
    const json* document = settings.find("doc_maxlen");
    if (query != nullptr) {
        config.values["max_query_length"] = *query;
    }
    if (document != nullptr) {
        config.values["max_document_length"] = *document;
    }
    apply_flags(config, options.config_flags, options.override_config);
    if (!config.values.contains("max_query_length")) { // fillers up to it are part of the score
        throw messages::missing_option("query_maxlen", "--max-query-length N",
                                       "ColBERT's default is 32");
    }
    if (!config.values.contains("max_document_length")) {
        config.values["max_document_length"] = usual_document;
        config.notes.push_back("doc_maxlen = " + std::to_string(usual_document) +
                               ": ColBERT's default, no configuration says otherwise");
    }
}

} // namespace

bool is_late_interaction(const std::filesystem::path& directory) {
    const json config = read_object(directory, "config.json").value_or(nullptr);
    return config.is_object() && (config.contains("colbert") || names_architecture(config));
}

model_config prepare_late_interaction(const convert_options& options, const module_list* modules,
                                      checkpoint& weights, conversion_report& report) {
    if (!options.derive.empty()) {
        throw messages::not_yet("--derive from a ColBERT checkpoint", "derive from its backbone");
    }
    checkpoint_config config = read_config(options.directory);
    const colbert_settings settings(options.directory, modules);
    add_limits(config, settings, options);
    weights = read_checkpoint(options.directory);
    normalise_names(weights);
    drop_unwanted(weights, options.drop_tensors);
    adapt_to_family(weights, config);
    if (modules != nullptr) {
        join_projection(*modules, weights);
    }
    if (const std::size_t dropped = drop_prefix(weights, "pooler."); dropped > 0) {
        weights.notes.emplace_back("dropped the pooler, which late interaction does not read");
    }
    report.warnings = std::move(config.warnings);
    model_config result =
        late_interaction_config(options, config, settings, weights, config.notes).finish();
    check_tensors(weights, required_tensors(result));
    report.notes = std::move(config.notes);
    report.notes.insert(report.notes.end(), weights.notes.begin(), weights.notes.end());
    return result;
}

} // namespace mice::tools
