// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
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

/// A linear guess of a token's state, without the text around it. Guesses are computed when they
/// are first needed, 64 neighbouring ids at a time, because vocabularies put frequent tokens
/// together. Safe from many threads.
class state_predictor {
  public:
    /// matrix [features, width]; the model's file must outlive this.
    state_predictor(const nn::weight_view& words, const std::vector<float>& matrix,
                    std::size_t width)
        : features_(words), width_(width),
          packed_(kernels::product_kind::f32,
                  nn::matrix_at(matrix.data(), features_.width(), width)),
          table_(features_.tokens() * width),
          done_(std::make_unique<std::once_flag[]>(features_.tokens() / block + 1)) {}

    [[nodiscard]] std::size_t tokens() const noexcept { return features_.tokens(); }
    /// [width], of an id inside the vocabulary.
    [[nodiscard]] const float* operator[](std::size_t id) const {
        std::call_once(done_[id / block], [this, id] { fill(id / block * block); });
        return std::as_const(table_).data() + id * width_;
    }

  private:
    static constexpr std::size_t block = 64;

    void fill(std::size_t first) const {
        const std::size_t count = std::min(block, features_.tokens() - first);
        const std::size_t n = features_.width();
        kernels::buffer memory;
        kernels::buffer scratch;
        const nn::matrix_span rows = nn::matrix_in(memory, count, n);
        for (std::size_t i = 0; i < count; ++i) {
            features_.read(first + i, rows.row(i));
        }
        packed_.multiply(rows, nn::matrix_at(table_.data() + first * width_, count, width_),
                         scratch);
    }

    token_features features_;
    std::size_t width_;
    nn::packed_matrix packed_;      // [features, width]
    mutable kernels::buffer table_; // [vocabulary, width], written once a block
    std::unique_ptr<std::once_flag[]> done_;
};

} // namespace store
MICE_NAMESPACE_END
