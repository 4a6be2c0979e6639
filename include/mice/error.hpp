// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include <mice/config.hpp>

MICE_NAMESPACE_BEGIN

/// The kind of failure; the text of the exception says the rest.
enum class errc {
    io,               ///< the operating system refused: open, read, map, write
    format,           ///< a file's bytes contradict its format
    config,           ///< a model's configuration is missing something or contradicts itself
    tensor,           ///< a tensor is missing, unknown, or has the wrong type, shape or values
    tokenizer,        ///< a vocabulary or tokenizer setting is unusable
    unsupported,      ///< valid, but not supported by this version
    invalid_argument, ///< the caller's argument
    encoding,         ///< text is not valid UTF-8 and the caller asked to refuse it
    stopped,          ///< a deadline passed or the caller cancelled, and there is no partial result
    mismatch ///< two things that do not belong together, such as a document of another model
};

/// The one exception type of the library. Thread-safe to copy and read.
class error : public std::runtime_error {
  public:
    error(errc code, const std::string& message) : std::runtime_error(message), code_(code) {}
    /// The kind of failure, for programs; what() is for people.
    [[nodiscard]] errc code() const noexcept { return code_; }

  private:
    errc code_;
};

/// The messages of the library: what, where, expected, got, next step.
namespace detail::errors {

/// Quotes a name from a hostile file: control bytes become '?', and long names are shortened.
[[nodiscard]] inline std::string quoted(std::string_view name) {
    constexpr std::size_t longest = 80;
    std::string text = "'";
    for (const char c : name.substr(0, longest)) {
        const auto byte = static_cast<unsigned char>(c);
        text += byte < 0x20 || byte == 0x7f ? '?' : c;
    }
    return text + (name.size() > longest ? "...'" : "'");
}

// ---- io and safetensors ----

[[nodiscard]] inline error cannot_open(std::string_view path, std::string_view reason) {
    return {errc::io, "cannot open " + quoted(path) + ": " + std::string(reason)};
}

[[nodiscard]] inline error cannot_write(std::string_view path, std::string_view reason) {
    return {errc::io, "cannot write " + quoted(path) + ": " + std::string(reason)};
}

[[nodiscard]] inline error bad_file(std::string_view what) {
    return {errc::format, "not a usable safetensors file: " + std::string(what)};
}

[[nodiscard]] inline error bad_tensor_entry(std::string_view name, std::string_view what) {
    return {errc::format, "tensor " + quoted(name) + " in the file's header: " + std::string(what)};
}

// ---- json ----

[[nodiscard]] inline error bad_json(std::string_view what, std::string_view reason) {
    return {errc::format, std::string(what) + " is not usable JSON: " + std::string(reason)};
}

[[nodiscard]] inline error bad_document(std::string_view what) {
    return {errc::format,
            "not a usable stored document: " + std::string(what) + "; encode it again"};
}

[[nodiscard]] inline error bad_words(std::string_view what) {
    return {errc::format, "the words of an index are damaged: " + std::string(what) +
                              "; 'mice index verify' names the file, and adding the documents to a "
                              "new index repairs it"};
}

// ---- configuration and tensors ----

[[nodiscard]] inline error bad_config(std::string_view what) {
    return {errc::config, "model configuration: " + std::string(what)};
}

[[nodiscard]] inline error bad_option(std::string_view key, std::string_view expected,
                                      std::string_view got) {
    return {errc::config, "model configuration: " + quoted(key) + " must be " +
                              std::string(expected) + ", got " + std::string(got)};
}

/// A mistake in the engine itself, found where MICE_CHECK_SHAPES is 1.
[[nodiscard]] inline error wrong_shape(std::string_view where) {
    return {errc::invalid_argument, "the engine's matrices do not fit each other in " +
                                        std::string(where) + "; please report this"};
}

[[nodiscard]] inline error not_supported(std::string_view feature) {
    return {errc::unsupported, std::string(feature) + " is not supported yet by mice " +
                                   MICE_VERSION_STRING + "; see docs/format.md for what is"};
}

[[nodiscard]] inline error not_a_model() {
    return {errc::format, "this safetensors file is not a mice model: it has no 'mice.config'; "
                          "convert the checkpoint with mice-convert first"};
}

[[nodiscard]] inline error missing_metadata(std::string_view key) {
    return {errc::format,
            "the model file lacks the metadata " + quoted(key) + "; convert the checkpoint again"};
}

[[nodiscard]] inline error missing_tensor(std::string_view name) {
    return {errc::tensor, "tensor " + quoted(name) + " is missing; convert the checkpoint again"};
}

[[nodiscard]] inline error unknown_tensor(std::string_view name) {
    return {errc::tensor, "tensor " + quoted(name) + " does not belong to this model"};
}

[[nodiscard]] inline error too_many_layers(std::size_t layers, std::size_t tensors) {
    return {errc::tensor, "the configuration asks for " + std::to_string(layers) +
                              " layers, many more than the file's " + std::to_string(tensors) +
                              " tensors can be; convert the checkpoint again"};
}

[[nodiscard]] inline error bad_tensor(std::string_view name, std::string_view expected,
                                      std::string_view got) {
    return {errc::tensor, "tensor " + quoted(name) + ": expected " + std::string(expected) +
                              ", got " + std::string(got)};
}

// ---- text ----

[[nodiscard]] inline error bad_vocabulary(std::string_view what) {
    return {errc::tokenizer, "tokenizer: " + std::string(what)};
}

[[nodiscard]] inline error bad_sentencepiece(std::string_view what) {
    return {errc::tokenizer,
            "tokenizer: the sentencepiece model cannot be used: " + std::string(what)};
}

[[nodiscard]] inline error no_sentencepiece() {
    return {
        errc::unsupported,
        "this is a sentencepiece tokenizer, and this program was built without the sentencepiece "
        "library; build it with the CMake target mice::sentencepiece (or with "
        "-DMICE_USE_SENTENCEPIECE=1 in every file and -lsentencepiece)"};
}

[[nodiscard]] inline error invalid_utf8(std::string_view what, std::size_t byte) {
    return {errc::encoding, std::string(what) + " is not valid UTF-8 at byte " +
                                std::to_string(byte) +
                                "; repair it, or let invalid bytes be replaced by U+FFFD"};
}

/// The name of a text of a list in errors: its place as a program counts it, from 0.
[[nodiscard]] inline std::string place_of(std::string_view what, std::size_t index) {
    return std::string(what) + " " + std::to_string(index) + " (the first is 0)";
}

[[nodiscard]] inline error null_text(std::string_view what) {
    return {errc::invalid_argument,
            std::string(what) + " is a null pointer; leave it out, or give an empty text"};
}

// ---- arguments ----

[[nodiscard]] inline error bad_argument(std::string_view what) {
    return {errc::invalid_argument, std::string(what)};
}

[[nodiscard]] inline error stopped(std::string_view what) {
    return {errc::stopped, std::string(what) + " stopped: its deadline passed or it was cancelled"};
}

[[nodiscard]] inline error no_tokenizer() {
    return {errc::invalid_argument,
            "this model was converted without a tokenizer: it scores token "
            "ids only; convert it again with its tokenizer.json or vocab.txt"};
}

[[nodiscard]] inline error id_out_of_range(std::int64_t id, std::size_t vocabulary) {
    return {errc::invalid_argument, "token id " + std::to_string(id) +
                                        " is outside the model's vocabulary of " +
                                        std::to_string(vocabulary)};
}

[[nodiscard]] inline error bad_id_count(std::size_t count, std::size_t least, std::size_t limit) {
    return {errc::invalid_argument, "a text of " + std::to_string(count) +
                                        " token ids: the model takes from " +
                                        std::to_string(least) + " to " + std::to_string(limit)};
}

[[nodiscard]] inline error not_finite(std::string_view what) {
    return {errc::tensor,
            std::string(what) + " is not finite: the model's weights are damaged or overflow"};
}

[[nodiscard]] inline error other_text() {
    return {errc::mismatch, "the text is not the one that the document was encoded from"};
}

[[nodiscard]] inline error other_text_of(std::string_view id) {
    return {errc::mismatch, "the text given for document " + quoted(id) +
                                " is not the one that it was encoded from, or special tokens in it "
                                "are treated in another way"};
}

[[nodiscard]] inline error no_texts(std::size_t texts, std::size_t documents) {
    return {errc::invalid_argument,
            "highlights are places in a text, and a document's states hold none: give " +
                std::to_string(documents) + " texts in highlight_options::texts, not " +
                std::to_string(texts)};
}

[[nodiscard]] inline error no_text_of() {
    return {errc::invalid_argument,
            "highlights are places in a text, and an index keeps none: keep it in the metadata or "
            "elsewhere, and give highlight_options::text_of"};
}

[[nodiscard]] inline error foreign_query() {
    return {errc::mismatch, "the query was encoded by another reranker's model; encode it again"};
}

[[nodiscard]] inline error foreign_document(std::string_view document, std::string_view model) {
    return {errc::mismatch, "the document was encoded by another model (" + std::string(document) +
                                "), this model is " + std::string(model) + "; encode it again"};
}

[[nodiscard]] inline error false_fingerprint(std::string_view said, std::string_view computed) {
    return {errc::mismatch,
            "the model file says that its fingerprint is " + quoted(said) +
                ", but its weights, configuration and tokenizer have " + quoted(computed) +
                ": it was damaged or changed after its conversion, and stored documents may be of "
                "another model; copy the file again, or convert the checkpoint again"};
}

// ---- codecs of an index ----

[[nodiscard]] inline error bad_codec(std::string_view codec, std::string_view what) {
    return {errc::invalid_argument, "codec " + quoted(codec) + ": " + std::string(what)};
}

[[nodiscard]] inline error bad_codec_parameters(std::string_view codec, std::string_view what) {
    return {errc::format, "the parameters of codec " + quoted(codec) +
                              " are not usable: " + std::string(what) + "; build the index again"};
}

[[nodiscard]] inline error bad_codes(std::string_view codec, std::string_view what) {
    return {errc::format, "stored codes of codec " + quoted(codec) +
                              " are not usable: " + std::string(what) + "; verify the index"};
}

[[nodiscard]] inline error state_beyond_codec(std::string_view codec, std::string_view range) {
    return {errc::unsupported, "codec " + quoted(codec) +
                                   " cannot hold this model's states: a value is beyond " +
                                   std::string(range) + "; choose f32"};
}

// ---- indexes ----

[[nodiscard]] inline error no_index(std::string_view folder) {
    return {errc::io, "there is no index in " + quoted(folder) +
                          ": no file 'manifest-...' is there; check the path, or create the index"};
}

[[nodiscard]] inline error folder_not_empty(std::string_view folder, std::string_view name) {
    return {errc::invalid_argument, "an index is made in a folder that is new or empty, but " +
                                        quoted(folder) + " holds " + quoted(name) +
                                        "; choose another folder, or open the index that is there"};
}

[[nodiscard]] inline error bad_index_file(std::string_view file, std::string_view what) {
    return {errc::format, "file " + quoted(file) +
                              " of the index is not usable: " + std::string(what) +
                              "; verify the index, and restore it or build it again"};
}

[[nodiscard]] inline error newer_index(std::string_view file, std::string_view version) {
    return {errc::unsupported, "file " + quoted(file) + " of the index has format version " +
                                   std::string(version) +
                                   ", mice " MICE_VERSION_STRING
                                   " reads versions 1 and 2; use the mice that wrote it, or a "
                                   "newer one"};
}

[[nodiscard]] inline error unreadable_index(std::string_view folder, std::string_view newest,
                                            std::string_view before) {
    return {errc::format, "the index in " + quoted(folder) +
                              " cannot be opened. Its last commit: " + std::string(newest) +
                              ". The commit before: " + std::string(before)};
}

[[nodiscard]] inline error index_mismatch(std::string_view what, std::string_view index,
                                          std::string_view here, std::string_view advice) {
    return {errc::mismatch, "the index was made with another " + std::string(what) + ": it has " +
                                quoted(index) + ", expected " + quoted(here) + "; " +
                                std::string(advice)};
}

[[nodiscard]] inline error index_locked(std::string_view folder) {
    return {errc::mismatch, "another program is writing to the index in " + quoted(folder) +
                                "; wait until it has finished (readers are not affected)"};
}

[[nodiscard]] inline error bad_document_id(std::string_view id, std::string_view what) {
    return {errc::invalid_argument,
            "the document id " + quoted(id) + " " + std::string(what) +
                "; an id is 1 to 1024 bytes of UTF-8 without control characters"};
}

[[nodiscard]] inline error document_too_large(std::string_view id, std::string_view what,
                                              std::size_t bytes, std::size_t limit) {
    return {errc::invalid_argument, std::string(what) + " of document " + quoted(id) + " has " +
                                        std::to_string(bytes) + " bytes, at most " +
                                        std::to_string(limit) + " are taken"};
}

[[nodiscard]] inline error unknown_document(std::string_view id) {
    return {errc::invalid_argument, "the index holds no document " + quoted(id) +
                                        "; leave it out, or ask for unknown ids to be reported"};
}

[[nodiscard]] inline error index_without_words() {
    return {errc::invalid_argument,
            "this index keeps no words, so it cannot search for candidates; rank all documents, "
            "give the ids to rank, or make an index that keeps words"};
}

[[nodiscard]] inline error index_needs_rollback(std::string_view reason) {
    return {errc::io, "an earlier change to the index failed (" + std::string(reason) +
                          "): call rollback() and repeat what was not committed"};
}

[[nodiscard]] inline error index_too_large(std::string_view what) {
    return {errc::unsupported, "the index is too large: " + std::string(what)};
}

[[nodiscard]] inline error merge_conflict(std::string_view id, std::string_view folder) {
    return {errc::mismatch, "document " + quoted(id) + " of " + quoted(folder) +
                                " is in another of the indexes with different content; choose "
                                "which to keep (merge_conflict, --on-conflict), or remove one of "
                                "the two"};
}

} // namespace detail::errors

// Where the library's rooms find them.
namespace io {
namespace errors = ::mice::detail::errors;
}
namespace kernels {
namespace errors = ::mice::detail::errors;
}
namespace nn {
namespace errors = ::mice::detail::errors;
}
namespace store {
namespace errors = ::mice::detail::errors;
}
namespace text {
namespace errors = ::mice::detail::errors;
}

MICE_NAMESPACE_END
