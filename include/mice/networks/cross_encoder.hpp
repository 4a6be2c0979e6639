// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <mice/networks/network.hpp>
#include <mice/nn/attention/mask.hpp>
#include <mice/nn/head.hpp>
#include <mice/text/truncation.hpp>

MICE_NAMESPACE_BEGIN
namespace nn {

/// A cross-encoder: [CLS] query [SEP] document [SEP] in one sequence, where groups of tokens may be
/// hidden from others (MICE paper, section 3). Both sides come as [CLS] .. [SEP]; the document's
/// [CLS] is left out, or becomes a second [SEP], the document's, if the family joins texts so
/// (pair_form). If the document sees only itself in the first layers, and its positions do not
/// depend on the query, then its rows behind these layers are its state and may be stored: one
/// state for every layer that reads it (the row of a [CLS] that is left out is zeros). Immutable.
class cross_encoder final : public network {
  public:
    cross_encoder(const weights& source, const model_config& config)
        : network(source, config),
          encoder_(source, tensor_names::layers, config.layers, config, tables()),
          head_(source, config), visible_(config), leading_(config.leading_markers()),
          first_layer_(config.states_per_token() > 0 ? config.separate_layers() : 0) {}

    [[nodiscard]] document_packing packing() const override {
        return {.width = config().state_width(), .as_rows = true};
    }
    inline void encode_documents(std::span<const token_ids> documents, float* out,
                                 workspace& space) const override;
    void key_values(const float*, std::size_t, float*, workspace&) const override {
        throw errors::not_supported("keys and values of a cross-encoder's documents");
    }
    [[nodiscard]] inline prepared_query prepare_query(token_ids ids,
                                                      workspace& space) const override;
    inline void score(const prepared_query& query, document_batch& documents, float* scores,
                      workspace& space, const layer_observer& observer) const override;
    [[nodiscard]] std::size_t unread(const prepared_query& query,
                                     std::size_t document_tokens) const override {
        return document_tokens - 1 + leading_ - kept(query, document_tokens).document;
    }
    [[nodiscard]] std::size_t bytes() const noexcept override {
        return shared_bytes() + encoder_.bytes() + head_.bytes();
    }

  private:
    /// Tokens of each side in a pair: of the query with both its markers, of the document with its
    /// [SEP] and what leads it.
    struct pair_lengths {
        std::size_t query, document;
    };
    /// A few documents' pairs, one after the other.
    struct run {
        std::size_t first, last; ///< documents
        std::size_t rows;
    };
    static constexpr std::size_t rows_at_once = 1024; // a run's at least, for full products

    /// Throws errc::invalid_argument for a side without both markers, and where a stored document
    /// would have to be cut: its states have seen all of it.
    [[nodiscard]] pair_lengths kept(const prepared_query& query, std::size_t tokens) const {
        const std::size_t inner = query.ids.size();
        if (inner < 2 || tokens < 2) {
            throw errors::bad_argument("a cross-encoder's query and document are [CLS] .. [SEP], "
                                       "at least two tokens each");
        }
        const auto cut =
            detail::truncate_pair(inner - 2, tokens - 2, config().max_pair_length - 3 - leading_,
                                  config().pair_truncation);
        if (stores() && cut.first + cut.second != inner + tokens - 4) {
            throw errors::bad_id_count(inner + tokens - 1 + leading_, 3 + leading_,
                                       config().max_pair_length);
        }
        return {cut.first + 2, cut.second + 1 + leading_};
    }
    [[nodiscard]] bool stores() const { return config().states_per_token() > 0; }
    /// Whether layer `index` reads a stored state instead of the document's rows of the layer
    /// before.
    [[nodiscard]] bool reads_stored(std::size_t index) const {
        return stores() && index < first_layer_ + config().states_per_token();
    }
    /// The rows of a pair that layer `index` computes; in the last layer only those that the head
    /// reads, unless a probe looks.
    [[nodiscard]] rows_wanted wanted(std::size_t index, const workspace& space) const {
        const bool is_last = index + 1 == config().layers;
        const bool first = is_last && !head_.reads_all_rows() && space.probe == nullptr;
        return {first ? std::size_t{1} : 0};
    }

    /// What the rows of the lists' pairs see in layer `index`; `made` owns it where it is built for
    /// this call.
    [[nodiscard]] const part_maker& parts_of(std::size_t index, const sequence_lists& lists,
                                             part_maker& made) const {
        if (visible_.hides_nothing()) {
            return encoder_.parts(index);
        }
        made = visible_.of_pairs(index, lists);
        return made;
    }

    /// Writes one pair's rows to the beginning of x, and their places into the lists. Returns how
    /// many.
    std::size_t add_pair(const prepared_query& query, document_batch& documents, std::size_t i,
                         matrix_span x, workspace& space) const;
    void run_layers(const run& pairs, document_batch& documents, std::size_t query_rows,
                    matrix_span x, workspace& space, const layer_observer& observer) const;
    /// Copies the stored states that layer `index` reads over the documents' rows.
    void place_states(const run& pairs, document_batch& documents, std::size_t index, matrix_span x,
                      workspace& space) const;

    encoder encoder_;
    head head_;
    visibility visible_;
    std::size_t leading_;     // markers that a document in a pair begins with
    std::size_t first_layer_; // through which query and document go together
};

inline void cross_encoder::encode_documents(std::span<const token_ids> documents, float* out,
                                            workspace& space) const {
    if (!stores()) {
        return;
    }
    const std::size_t hidden = config().hidden_size;
    const std::size_t width = config().state_width();
    const std::size_t left_out = 1 - leading_; // rows
    for (const token_ids ids : documents) {
        std::fill_n(out, left_out * width, 0.0F);
        const std::size_t rows = ids.size() - left_out;
        const matrix_span x = matrix_in(space.interaction, rows, hidden);
        if (rows > 0) {
            std::vector<std::int32_t>& own = space.lists.ids;
            own.assign(ids.end() - static_cast<std::ptrdiff_t>(rows), ids.end());
            own.front() = leading_ > 0 ? ids.back() : own.front();
            token_embeddings().apply({own, 0}, x, space);
        }
        for (std::size_t layer = 0; layer < first_layer_ + config().states_per_token(); ++layer) {
            for (std::size_t t = 0; layer >= first_layer_ && t < rows; ++t) {
                std::copy_n(x.row(t), hidden,
                            out + (t + left_out) * width + (layer - first_layer_) * hidden);
            }
            if (rows > 0 && layer + 1 < first_layer_ + config().states_per_token()) {
                encoder_.layers()[layer].apply(x, {&rows, 1, rows},
                                               visible_.of_document(layer, encoder_.parts(layer)),
                                               {}, space);
            }
        }
        out += ids.size() * width;
    }
}

inline prepared_query cross_encoder::prepare_query(token_ids ids, workspace& space) const {
    prepared_query query;
    query.ids.assign(ids.begin(), ids.end());
    query.rows = ids.size();
    if (config().pair_truncation == truncation::only_second &&
        ids.size() + 2 + leading_ > config().max_pair_length) {
        throw errors::bad_id_count(ids.size(), 2, config().max_pair_length - 2 - leading_);
    }
    if (!stores()) {
        return query;
    }
    query.states.resize(query.rows * config().hidden_size);
    const matrix_span x = matrix_at(query.states.data(), query.rows, config().hidden_size);
    token_embeddings().apply({ids}, x, space);
    space.lists.seconds.assign(1, query.rows);
    part_maker made;
    for (std::size_t layer = 0; layer < first_layer_; ++layer) {
        encoder_.layers()[layer].apply(x, {&query.rows, 1, query.rows},
                                       parts_of(layer, space.lists, made), {}, space);
    }
    return query;
}

inline std::size_t cross_encoder::add_pair(const prepared_query& query, document_batch& documents,
                                           std::size_t i, matrix_span x, workspace& space) const {
    const document_view& document = documents[i];
    const pair_lengths lengths = kept(query, document.tokens);
    const std::size_t rows = lengths.query + lengths.document;
    space.lists.lengths.push_back(rows);
    space.lists.seconds.push_back(lengths.query);
    if (stores()) { // every layer that reads the documents' rows gets them then
        copy_rows(matrix_at(query.states.data(), lengths.query, x.columns),
                  x.rows_from(0, lengths.query));
        return rows;
    }
    std::vector<std::int32_t>& ids = space.lists.ids;
    ids.assign(query.ids.begin(),
               query.ids.begin() + static_cast<std::ptrdiff_t>(lengths.query) - 1);
    ids.push_back(query.ids.back());
    ids.insert(ids.end(), leading_, query.ids.back());
    for (std::size_t at = 1; at < lengths.document - leading_; ++at) {
        ids.push_back(document.ids[at]);
    }
    ids.push_back(document.ids[document.tokens - 1]);
    token_embeddings().apply({ids, lengths.query, config().positions_restart}, x.rows_from(0, rows),
                             space);
    return rows;
}

inline void cross_encoder::place_states(const run& pairs, document_batch& documents,
                                        std::size_t index, matrix_span x, workspace& space) const {
    const std::size_t hidden = config().hidden_size;
    std::size_t row = 0;
    for (std::size_t i = pairs.first; i < pairs.last; ++i) {
        const std::size_t length = space.lists.lengths[i - pairs.first];
        const std::size_t second = space.lists.seconds[i - pairs.first];
        const matrix_view states =
            documents.states(i).columns_from((index - first_layer_) * hidden, hidden);
        copy_rows(states.rows_from(1 - leading_, length - second),
                  x.rows_from(row + second, length - second));
        row += length;
    }
}

inline void cross_encoder::run_layers(const run& pairs, document_batch& documents,
                                      std::size_t query_rows, matrix_span x, workspace& space,
                                      const layer_observer& observer) const {
    const std::size_t count = pairs.last - pairs.first;
    const bool restarts =
        config().positions_restart && config().family().positions == position_kind::rotary;
    const sequence_stack stack{space.lists.lengths.data(), count, pairs.rows,
                               restarts ? space.lists.seconds.data() : nullptr};
    part_maker made;
    for (std::size_t layer = first_layer_; layer < config().layers; ++layer) {
        if (reads_stored(layer)) {
            place_states(pairs, documents, layer, x, space);
        }
        rows_wanted rows = wanted(layer, space);
        if (rows.first == 0 && reads_stored(layer + 1) && layer + 1 < config().layers) {
            rows.first = query_rows; // the next layer finds the document's rows stored
        }
        encoder_.layers()[layer].apply(x, stack, parts_of(layer, space.lists, made), rows, space);
        if (observer) { // it sees the first pair
            observer(layer, x.rows_from(0, rows.of(stack.lengths[0])));
        }
    }
}

inline void cross_encoder::score(const prepared_query& query, document_batch& documents,
                                 float* scores, workspace& space,
                                 const layer_observer& observer) const {
    for (run pairs{0, 0, 0}; pairs.first < documents.size(); pairs = {pairs.last, pairs.last, 0}) {
        while (pairs.last < documents.size() && pairs.rows < rows_at_once) {
            const pair_lengths lengths = kept(query, documents[pairs.last].tokens);
            pairs.rows += lengths.query + lengths.document;
            ++pairs.last;
        }
        const matrix_span x = matrix_in(space.interaction, pairs.rows, config().hidden_size);
        space.lists.lengths.clear();
        space.lists.seconds.clear();
        std::size_t row = 0;
        for (std::size_t i = pairs.first; i < pairs.last; ++i) {
            row += add_pair(query, documents, i, x.rows_from(row, x.rows - row), space);
        }
        run_layers(pairs, documents, query.rows, x, space, observer);
        row = 0;
        for (std::size_t i = pairs.first; i < pairs.last; ++i) {
            const std::size_t length = space.lists.lengths[i - pairs.first];
            head_.apply(x.rows_from(row, length), length, scores + i, space);
            row += length;
        }
    }
}

} // namespace nn
MICE_NAMESPACE_END
