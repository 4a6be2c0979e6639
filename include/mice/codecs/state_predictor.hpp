// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <mice/kernels/active.hpp>
#include <mice/kernels/buffer.hpp>
#include <mice/model/weights.hpp>
#include <mice/nn/packed_matrix.hpp>

MICE_NAMESPACE_BEGIN
namespace store {

/// What a token's embedding tells of its state: the normalised embedding, and a one.
class token_features {
  public:
    explicit token_features(const nn::weight_view& words)
        : words_(words), ones_(words.columns(), 1.0F), zeros_(words.columns(), 0.0F) {}

    [[nodiscard]] std::size_t tokens() const noexcept { return words_.rows(); }
    [[nodiscard]] std::size_t width() const noexcept { return ones_.size() + 1; }
    /// out [width()] of an id inside the vocabulary.
    void read(std::size_t id, float* out) const {
        constexpr float epsilon = 1e-12F;
        words_.read_row(id, out);
        kernels::active().f32.layer_norm(out, ones_.size(), ones_.data(), zeros_.data(), epsilon);
        out[ones_.size()] = 1;
    }

  private:
    nn::weight_view words_; // [vocabulary, embedding]
    std::vector<float> ones_, zeros_;
};

/// A linear guess of a token's state, without the text around it. A guess is computed when it is
/// first needed: a query's candidates have a tenth of a vocabulary. Safe from many threads.
class state_predictor {
  public:
    /// matrix [features, width]; the model's file must outlive this.
    state_predictor(const nn::weight_view& words, const std::vector<float>& matrix,
                    std::size_t width)
        : features_(words), width_(width),
          packed_(kernels::product_kind::f32,
                  nn::matrix_at(matrix.data(), features_.width(), width)),
          table_(features_.tokens() * width),
          known_(std::make_unique<std::atomic<bool>[]>(features_.tokens())) {}

    [[nodiscard]] std::size_t tokens() const noexcept { return features_.tokens(); }
    /// Makes the guesses of id_of(0) ... id_of(count - 1) known, all inside the vocabulary.
    template <class IdOf> void prepare(std::size_t count, const IdOf& id_of) const {
        std::vector<std::size_t> missing;
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t id = id_of(i);
            if (!known_[id].load(std::memory_order_acquire)) {
                missing.push_back(id);
            }
        }
        if (!missing.empty()) {
            compute(missing);
        }
    }
    /// [width], of an id that is known.
    [[nodiscard]] const float* operator[](std::size_t id) const {
        return std::as_const(table_).data() + id * width_;
    }

  private:
    void compute(std::vector<std::size_t>& ids) const {
        constexpr std::size_t most = 64; // at once
        std::sort(ids.begin(), ids.end());
        ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
        kernels::buffer features, guesses, scratch;
        for (std::size_t first = 0; first < ids.size(); first += most) {
            const std::size_t count = std::min(most, ids.size() - first);
            const nn::matrix_span rows = nn::matrix_in(features, count, features_.width());
            const nn::matrix_span made = nn::matrix_in(guesses, count, width_);
            for (std::size_t i = 0; i < count; ++i) {
                features_.read(ids[first + i], rows.row(i));
            }
            packed_.multiply(rows, made, scratch);
            const std::lock_guard lock(writing_);
            for (std::size_t i = 0; i < count; ++i) {
                std::atomic<bool>& known = known_[ids[first + i]];
                if (!known.load(std::memory_order_relaxed)) { // else another thread was first
                    std::copy_n(made.row(i), width_, table_.data() + ids[first + i] * width_);
                    known.store(true, std::memory_order_release);
                }
            }
        }
    }

    token_features features_;
    std::size_t width_;
    nn::packed_matrix packed_;      // [features, width]
    mutable kernels::buffer table_; // [vocabulary, width]; a row is written once
    std::unique_ptr<std::atomic<bool>[]> known_;
    mutable std::mutex writing_;
};

} // namespace store
MICE_NAMESPACE_END
