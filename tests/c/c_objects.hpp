// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../support/catch.hpp"

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <mice/mice.h>

// What the tests of the C interface share: its objects, freed at the end of a scope.
namespace c_interface {

struct freeing {
    void operator()(mice_error* made) const { mice_error_free(made); }
    void operator()(mice_options* made) const { mice_options_free(made); }
    void operator()(mice_reranker* made) const { mice_reranker_free(made); }
    void operator()(mice_query* made) const { mice_query_free(made); }
    void operator()(mice_document* made) const { mice_document_free(made); }
    void operator()(mice_ranking* made) const { mice_ranking_free(made); }
    void operator()(mice_highlights* made) const { mice_highlights_free(made); }
    void operator()(mice_passages* made) const { mice_passages_free(made); }
    void operator()(mice_bytes* made) const { mice_bytes_free(made); }
    void operator()(mice_index* made) const { mice_index_free(made); }
    void operator()(mice_findings* made) const { mice_findings_free(made); }
};

/// An object, and where a function puts it: out(object).
template <class Object> using owned = std::unique_ptr<Object, freeing>;

template <class Object> class out_of {
  public:
    explicit out_of(owned<Object>& to) : to_(to) {}
    out_of(const out_of&) = delete;
    out_of& operator=(const out_of&) = delete;
    ~out_of() { to_.reset(made_); }
    operator Object**() { return &made_; } // as an argument

  private:
    owned<Object>& to_;
    Object* made_ = nullptr;
};
template <class Object> out_of<Object> out(owned<Object>& to) {
    return out_of<Object>(to);
}

/// The call says MICE_OK; `call` gets where an error goes.
template <class Call> void must(const Call& call) {
    owned<mice_error> error;
    const mice_status status = call(out(error));
    INFO(mice_error_message(error.get()));
    REQUIRE(status == MICE_OK);
    REQUIRE(error == nullptr);
}

/// Texts as the interface takes them.
struct text_list {
    explicit text_list(const std::vector<std::string>& texts) {
        for (const std::string& text : texts) {
            pointers.push_back(text.data());
            sizes.push_back(text.size());
        }
    }
    std::vector<const char*> pointers;
    std::vector<std::size_t> sizes;
};

inline std::string model_path() {
    return (std::filesystem::path(MICE_TEST_MODELS) / "mice-minilm-l2x2-int8.safetensors").string();
}

inline owned<mice_options> new_options() {
    owned<mice_options> made;
    must([&](mice_error** error) { return mice_options_create(out(made), error); });
    return made;
}

inline owned<mice_reranker> load(int32_t precision = MICE_PRECISION_AUTOMATIC) {
    const owned<mice_options> options = new_options();
    must([&](mice_error** error) {
        return mice_options_set_precision(options.get(), precision, error);
    });
    const std::string path = model_path();
    owned<mice_reranker> made;
    must([&](mice_error** error) {
        return mice_reranker_load(path.data(), path.size(), options.get(), out(made), error);
    });
    return made;
}

/// Texts of three to fifteen words, all different.
inline std::vector<std::string> made_texts(std::size_t count) {
    static const std::vector<std::string> words{
        "bread", "dough", "yeast", "rises", "the",  "rainbow", "light", "of",   "a",
        "knife", "stone", "river", "mill",  "with", "water",   "flour", "bake", "warm"};
    std::vector<std::string> made;
    std::size_t state = 1;
    for (std::size_t i = 0; i < count; ++i) {
        std::string text = "Text " + std::to_string(i);
        const std::size_t length = 1 + i % 13;
        for (std::size_t w = 0; w < length; ++w) {
            state = (state * 1103515245 + 12345) % 2147483648;
            text += " " + words[state / 65536 % words.size()];
        }
        made.push_back(text + ".");
    }
    return made;
}

} // namespace c_interface
