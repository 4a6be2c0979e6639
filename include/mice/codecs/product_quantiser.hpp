// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/codecs/row_codec.hpp>
#include <mice/codecs/state_predictor.hpp>
#include <mice/model.hpp>
#include <mice/networks/network.hpp>

// Product quantisation (Jegou et al., 2011) of the difference between a state and a guess from its
// token's embedding, as ColBERTv2 (arXiv 2112.01488) stores residuals to a centroid.
MICE_NAMESPACE_BEGIN
namespace store {

inline constexpr std::size_t centroids_of_part = kernels::compared_columns;

/// The bytes a token of the codec of that name ("pq62": 62); nothing for other names.
[[nodiscard]] inline std::optional<std::size_t> quantised_bytes(std::string_view name) {
    if (!name.starts_with("pq") || name.size() < 3 || name.size() > 5 || name[2] == '0') {
        return std::nullopt;
    }
    std::size_t bytes = 0;
    for (const char digit : name.substr(2)) {
        if (digit < '0' || digit > '9') {
            return std::nullopt;
        }
        bytes = 10 * bytes + static_cast<std::size_t>(digit - '0');
    }
    return bytes;
}

/// The bytes of a token's id in the codes.
[[nodiscard]] constexpr std::size_t token_id_bytes(std::size_t vocabulary) {
    return vocabulary <= 65536 ? 2 : 4;
}

/// Throws errc::invalid_argument unless a product quantiser of that name fits the model.
inline void check_quantiser(const std::string& name, const model_config& config) {
    if (config.state_width() == 0) {
        throw errors::bad_codec(name, "this model stores no states to quantise");
    }
    const std::size_t bytes = *quantised_bytes(name);
    const std::size_t most =
        std::min<std::size_t>(256, config.state_width() + token_id_bytes(config.vocab_size));
    constexpr std::size_t least = 8;
    if (bytes < least || bytes > most) {
        throw errors::bad_codec(name, "with this model a token takes 8 to " + std::to_string(most) +
                                          " bytes: pq8 to pq" + std::to_string(most));
    }
}

/// What a product quantiser learned.
struct quantiser_parameters {
    std::size_t width = 0;           ///< of a state
    std::size_t features = 0;        ///< of a token: its embedding's width + 1
    std::vector<std::uint32_t> cuts; ///< [parts + 1]: the first of each part's dimensions; ends
    std::vector<float> guess;        ///< [features, width]
    std::vector<float> project;      ///< [width, dimensions], of a residual
    std::vector<float> restore;      ///< [dimensions, width], back
    std::vector<float> centroids;    ///< of each part [256, dimensions of the part]

    [[nodiscard]] std::size_t parts() const noexcept { return cuts.size() - 1; }
    [[nodiscard]] std::size_t dimensions() const noexcept { return cuts.back(); }

    [[nodiscard]] std::vector<std::byte> serialize() const {
        std::vector<std::byte> bytes(
            (4 + cuts.size()) * sizeof(std::uint32_t) +
            (guess.size() + project.size() + restore.size() + centroids.size()) * sizeof(float));
        std::byte* next = bytes.data();
        const auto append = [&next](const auto& values) {
            const auto part = std::as_bytes(std::span(values));
            std::memcpy(next, part.data(), part.size());
            next += part.size();
        };
        const std::uint32_t head[] = {1, static_cast<std::uint32_t>(width),
                                      static_cast<std::uint32_t>(features),
                                      static_cast<std::uint32_t>(parts())};
        append(head);
        append(cuts);
        append(guess);
        append(project);
        append(restore);
        append(centroids);
        return bytes;
    }

    /// Reads what serialize() wrote for that width, features and parts, trusting nothing. Throws
    /// errc::format.
    static quantiser_parameters deserialize(std::string_view codec,
                                            std::span<const std::byte> bytes, std::size_t width,
                                            std::size_t features, std::size_t parts) {
        const auto wrong = [&](const std::string& what) {
            return errors::bad_codec_parameters(codec, what);
        };
        std::uint32_t head[4] = {};
        const std::size_t first = sizeof head + (parts + 1) * sizeof(std::uint32_t);
        if (bytes.size() < first) {
            throw wrong("they have " + std::to_string(bytes.size()) + " bytes, at least " +
                        std::to_string(first) + " are due");
        }
        std::memcpy(head, bytes.data(), sizeof head);
        if (head[0] != 1 || head[1] != width || head[2] != features || head[3] != parts) {
            throw wrong("they were learned for another version, model or size");
        }
        quantiser_parameters made;
        made.width = width;
        made.features = features;
        made.cuts.resize(parts + 1);
        std::memcpy(made.cuts.data(), bytes.data() + sizeof head, first - sizeof head);
        bool rising = made.cuts[0] == 0 && made.cuts[parts] <= width;
        for (std::size_t i = 0; i < parts; ++i) {
            rising = rising && made.cuts[i] < made.cuts[i + 1];
        }
        if (!rising) {
            throw wrong("the parts of a row do not follow one another");
        }
        const std::size_t dimensions = made.dimensions();
        const std::size_t floats =
            width * (features + 2 * dimensions) + centroids_of_part * dimensions;
        if (bytes.size() != first + floats * sizeof(float)) {
            throw wrong("they have " + std::to_string(bytes.size()) + " bytes, " +
                        std::to_string(first + floats * sizeof(float)) + " are due");
        }
        const std::byte* next = bytes.data() + first;
        const auto take = [&](std::vector<float>& values, std::size_t count) {
            values.resize(count);
            std::memcpy(values.data(), next, count * sizeof(float));
            next += count * sizeof(float);
            if (!kernels::all_finite(values.data(), count)) {
                throw wrong("a value is NaN or infinite");
            }
        };
        take(made.guess, features * width);
        take(made.project, width * dimensions);
        take(made.restore, dimensions * width);
        take(made.centroids, centroids_of_part * dimensions);
        return made;
    }
};

/// The codec "pqN": a token takes N bytes, its id and one byte for each part of its projected
/// residual.
class product_quantiser final : public row_codec {
  public:
    /// `engine` must outlive this. Throws errc::format for parameters that do not fit.
    product_quantiser(const std::string& name, const model& engine,
                      std::span<const std::byte> parameters)
        : row_codec(name, engine.config().state_width()),
          id_bytes_(token_id_bytes(engine.config().vocab_size)),
          learned_(quantiser_parameters::deserialize(
              name, parameters, width(), engine.network().word_embeddings().columns() + 1,
              *quantised_bytes(name) - id_bytes_)),
          guess_(engine.network().word_embeddings(), learned_.guess, width()),
          project_(kernels::product_kind::f32,
                   nn::matrix_at(learned_.project.data(), width(), learned_.dimensions())),
          restore_(restored_in(engine.computed_in()),
                   nn::matrix_at(learned_.restore.data(), learned_.dimensions(), width())),
          columns_(learned_.centroids.size()) {
        for (std::size_t part = 0; part < learned_.parts(); ++part) {
            const std::size_t count = learned_.cuts[part + 1] - learned_.cuts[part];
            const std::size_t first = centroids_of_part * learned_.cuts[part];
            for (std::size_t i = 0; i < centroids_of_part * count; ++i) {
                columns_[first + i % count * centroids_of_part + i / count] =
                    learned_.centroids[first + i];
            }
        }
    }

    [[nodiscard]] std::size_t row_bytes() const noexcept override {
        return id_bytes_ + learned_.parts();
    }

    void encode(const float* rows, const std::int32_t* ids, std::size_t count,
                std::byte* out) const override {
        const std::size_t dimensions = learned_.dimensions();
        std::vector<float> residuals(rows, rows + count * width());
        std::vector<float> projected(count * dimensions);
        guess_.prepare(count,
                       [ids](std::size_t row) { return static_cast<std::size_t>(ids[row]); });
        for (std::size_t row = 0; row < count; ++row) {
            const float* guess = guess_[static_cast<std::size_t>(ids[row])];
            for (std::size_t i = 0; i < width(); ++i) {
                residuals[row * width() + i] -= guess[i];
            }
        }
        kernels::buffer scratch;
        project_.multiply(nn::matrix_at(residuals.data(), count, width()),
                          nn::matrix_at(projected.data(), count, dimensions), scratch);
        const kernels::kernel_set& kernels = kernels::active();
        for (std::size_t row = 0; row < count; ++row) {
            const auto id = static_cast<std::uint32_t>(ids[row]);
            for (std::size_t i = 0; i < id_bytes_; ++i) {
                *out++ = static_cast<std::byte>(id >> 8 * i & 255U);
            }
            for (std::size_t part = 0; part < learned_.parts(); ++part) {
                const std::size_t first = learned_.cuts[part];
                *out++ = static_cast<std::byte>(kernels.nearest_column(
                    projected.data() + row * dimensions + first, learned_.cuts[part + 1] - first,
                    columns_.data() + centroids_of_part * first));
            }
        }
    }

    void decode(const std::byte* codes, std::size_t count, float* out,
                kernels::buffer& scratch) const override {
        const std::size_t dimensions = learned_.dimensions();
        const std::size_t floats = (count * dimensions + 15) / 16 * 16;
        float* projected = scratch.reserve(floats + restore_.scratch_floats(count));
        for (std::size_t row = 0; row < count; ++row) {
            gather(codes + row * row_bytes() + id_bytes_, projected + row * dimensions);
        }
        restore_.multiply(nn::matrix_at(projected, count, dimensions),
                          nn::matrix_at(out, count, width()), projected + floats);
        guess_.prepare(count, [&](std::size_t row) { return token_at(codes + row * row_bytes()); });
        for (std::size_t row = 0; row < count; ++row) {
            kernels::active().add(guess_[token_at(codes + row * row_bytes())], out + row * width(),
                                  width());
        }
        if (!kernels::all_finite(out, count * width())) {
            throw errors::bad_codes(name(), "a value is NaN or infinite");
        }
    }

  private:
    /// What is computed below f32 takes states that were rounded to bf16, at half of the time: it
    /// rounds states as much itself, and the codes lose far more.
    [[nodiscard]] static kernels::product_kind restored_in(precision computed) noexcept {
        return computed == precision::f32 ? kernels::product_kind::f32
                                          : kernels::product_kind::bf16;
    }
    [[nodiscard]] std::size_t token_at(const std::byte* codes) const {
        std::size_t id = 0;
        for (std::size_t i = 0; i < id_bytes_; ++i) {
            id |= static_cast<std::size_t>(codes[i]) << 8 * i;
        }
        if (id >= guess_.tokens()) {
            throw errors::bad_codes(name(), "token id " + std::to_string(id) +
                                                " is outside the model's vocabulary");
        }
        return id;
    }
    void gather(const std::byte* codes, float* out) const {
        for (std::size_t part = 0; part < learned_.parts(); ++part) {
            const std::size_t first = learned_.cuts[part];
            const std::size_t count = learned_.cuts[part + 1] - first;
            const float* from = learned_.centroids.data() + centroids_of_part * first +
                                static_cast<std::size_t>(codes[part]) * count;
            for (std::size_t i = 0; i < count; ++i) {
                *out++ = from[i];
            }
        }
    }

    std::size_t id_bytes_;
    quantiser_parameters learned_;
    state_predictor guess_;
    nn::packed_matrix project_;  // [width, dimensions]
    nn::packed_matrix restore_;  // [dimensions, width]
    std::vector<float> columns_; // of each part [dimensions of the part, 256]
};

} // namespace store
MICE_NAMESPACE_END
