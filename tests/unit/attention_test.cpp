// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/random_model.hpp"

#include <cmath>
#include <initializer_list>

#include <Eigen/Dense>

#include <mice/io/safetensors.hpp>
#include <mice/kernels/active.hpp>
#include <mice/model/weights.hpp>
#include <mice/networks/mice.hpp>
#include <mice/networks/network.hpp>

namespace {

/// A list of numbers to loop over.
using sizes = std::initializer_list<std::size_t>;

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Vector = Eigen::Matrix<double, 1, Eigen::Dynamic>;
namespace nn = mice::nn;

constexpr std::size_t hidden = 32;
constexpr std::size_t heads = 4;
constexpr double norm_epsilon = 1e-12;

Matrix matrix_of(const std::vector<float>& values, std::size_t rows, std::size_t columns) {
    using Floats = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    return Eigen::Map<const Floats>(values.data(), static_cast<Eigen::Index>(rows),
                                    static_cast<Eigen::Index>(columns))
        .cast<double>();
}

/// A model's weights, kept together with the file that they point into.
struct weight_source {
    explicit weight_source(const mice::model_config& config)
        : bytes(fixtures::make_model(config).file()), file(bytes), all(file, config) {}

    [[nodiscard]] Matrix operator()(const std::string& name) const {
        return matrix_of(all[name].floats(), all[name].rows(), all[name].columns());
    }
    [[nodiscard]] Matrix linear(const Matrix& x, const std::string& name) const {
        const Matrix product = x * (*this)(name + ".weight").transpose();
        return product.rowwise() + Vector((*this)(name + ".bias"));
    }
    [[nodiscard]] Matrix norm(const Matrix& x, const std::string& name) const {
        const Matrix weight = (*this)(name + ".weight");
        const Matrix bias = (*this)(name + ".bias");
        Matrix y = x;
        for (Eigen::Index i = 0; i < x.rows(); ++i) {
            const double mean = x.row(i).mean();
            const Vector centred = x.row(i).array() - mean;
            const double variance = centred.squaredNorm() / static_cast<double>(x.cols());
            y.row(i) = (centred.array() / std::sqrt(variance + norm_epsilon)) * weight.array() +
                       bias.array();
        }
        return y;
    }

    std::vector<std::byte> bytes;
    mice::io::safetensors file;
    mice::nn::weights all;
};

/// An attention block by its definition, in double precision: LN(x + Linear_o(softmax(q k^T) v)).
Matrix reference_block(const weight_source& source, const std::string& name, const Matrix& x,
                       const Matrix& keys_of, const nn::attention_mask& mask) {
    const Matrix q = source.linear(x, name + ".self.query");
    const Matrix k = source.linear(keys_of, name + ".self.key");
    const Matrix v = source.linear(keys_of, name + ".self.value");
    constexpr Eigen::Index width = hidden / heads;
    Matrix attended(x.rows(), x.cols());
    for (Eigen::Index first = 0; first < x.cols(); first += width) {
        Matrix scores = q.middleCols(first, width) * k.middleCols(first, width).transpose() /
                        std::sqrt(static_cast<double>(width));
        for (Eigen::Index i = 0; i < scores.rows(); ++i) {
            Vector row = scores.row(i).array().exp();
            if (i == 0 && mask.average_first_row) {
                row.setOnes();
            } else if (i > 0 && mask.hide_first_column) {
                row(0) = 0;
            }
            scores.row(i) = row / row.sum();
        }
        attended.middleCols(first, width) = scores * v.middleCols(first, width);
    }
    return source.norm(x + source.linear(attended, name + ".output.dense"),
                       name + ".output.LayerNorm");
}

double distance(const float* actual, const Matrix& expected, Eigen::Index row) {
    double worst = 0;
    for (Eigen::Index i = 0; i < expected.cols(); ++i) {
        worst = std::max(worst, std::fabs(static_cast<double>(actual[i]) - expected(row, i)));
    }
    return worst;
}

// Values near 1, sums of some hundred terms: a few hundred times epsilon.
constexpr double tolerance = 4e-5;

struct cross_case {
    weight_source source{fixtures::small_config()};
    nn::cross_attention block{source.all, 0, fixtures::small_config()};
    fixtures::random_numbers random{11};
    nn::workspace space;

    cross_case() { source.all.run_deferred({}); }

    /// The block over `documents` of these lengths; x holds `rows` rows for each.
    std::vector<float> apply(std::vector<float> x, std::size_t rows,
                             const std::vector<nn::document_view>& documents,
                             const nn::attention_mask& mask,
                             const nn::cross_query* prepared = nullptr) {
        mice::kernels::buffer memory;
        nn::document_batch batch(
            documents, {.width = hidden, .product = mice::kernels::product_kind::f32}, memory);
        block.apply(nn::matrix_at(x.data(), x.size() / hidden, hidden), batch,
                    {rows, mask, prepared, nullptr}, space);
        return x;
    }
};

} // namespace

TEST_CASE("cross-attention agrees with its definition on both sides of the absorbed form's rule") {
    cross_case given;
    std::size_t absorbed = 0;
    std::size_t plain = 0;
    for (const std::size_t rows : sizes{1, 2, 7, 10, 11, 20}) {
        for (const std::size_t tokens : sizes{1, 2, 3, 15, 16, 17, 33, 64, 65}) {
            for (const bool average : {false, true}) {
                const nn::attention_mask mask{.average_first_row = average};
                const std::vector<float> x = given.random.floats(rows * hidden);
                const std::vector<float> states = given.random.floats(tokens * hidden);
                const std::vector<float> y =
                    given.apply(x, rows, {{states.data(), nullptr, tokens}}, mask);
                const Matrix expected = reference_block(given.source, "top_layers.0.crossattention",
                                                        matrix_of(x, rows, hidden),
                                                        matrix_of(states, tokens, hidden), mask);
                INFO(rows << " rows, " << tokens << " tokens, average " << average);
                for (std::size_t i = 0; i < rows; ++i) {
                    REQUIRE(distance(y.data() + i * hidden, expected,
                                     static_cast<Eigen::Index>(i)) < tolerance);
                }
                ++(given.block.absorbs(rows, tokens) ? absorbed : plain);
            }
        }
    }
    CHECK(absorbed > 20);
    CHECK(plain > 20);
}

TEST_CASE("the plain and the absorbed form of cross-attention give a row the same result") {
    cross_case given;
    constexpr std::size_t many = 40;
    for (const std::size_t tokens : sizes{3, 17, 64}) {
        REQUIRE(given.block.absorbs(2, tokens));
        REQUIRE(!given.block.absorbs(many, tokens));
        for (const bool average : {false, true}) {
            const nn::attention_mask mask{.average_first_row = average};
            const std::vector<float> x = given.random.floats(many * hidden);
            const std::vector<float> states = given.random.floats(tokens * hidden);
            const std::vector<nn::document_view> document{{states.data(), nullptr, tokens}};
            const std::vector<float> plain = given.apply(x, many, document, mask);
            // rows do not see each other here: row 0 and one other form a query short enough to
            // absorb
            for (std::size_t other = 1; other < many; other += 13) {
                std::vector<float> two(x.begin(), x.begin() + hidden);
                const float* row = x.data() + other * hidden;
                two.insert(two.end(), row, row + hidden);
                const std::vector<float> absorbed = given.apply(two, 2, document, mask);
                for (std::size_t i = 0; i < hidden; ++i) {
                    REQUIRE(std::fabs(absorbed[i] - plain[i]) < tolerance);
                    REQUIRE(std::fabs(absorbed[hidden + i] - plain[other * hidden + i]) <
                            tolerance);
                }
            }
        }
    }
}

TEST_CASE("a prepared query and any batch give cross-attention the same bits") {
    cross_case given;
    const std::vector<std::size_t> lengths{1, 2, 5, 64, 3, 31, 40, 1, 17};
    std::vector<std::vector<float>> states;
    std::vector<nn::document_view> documents;
    for (const std::size_t tokens : lengths) {
        states.push_back(given.random.floats(tokens * hidden));
        documents.push_back({states.back().data(), nullptr, tokens});
    }
    for (const std::size_t rows : sizes{1, 6, 9, 30}) {
        const std::vector<float> x = given.random.floats(rows * hidden);
        std::vector<float> copies;
        for (std::size_t i = 0; i < documents.size(); ++i) {
            copies.insert(copies.end(), x.begin(), x.end());
        }
        const nn::attention_mask mask{.average_first_row = true};
        const nn::cross_query prepared =
            given.block.prepare(nn::matrix_at(x.data(), rows, hidden), given.space);
        const std::vector<float> together = given.apply(copies, rows, documents, mask);
        CHECK(given.apply(copies, rows, documents, mask, &prepared) == together);
        for (std::size_t i = 0; i < documents.size(); ++i) {
            const std::vector<float> alone = given.apply(x, rows, {documents[i]}, mask);
            INFO(rows << " rows, document " << i);
            REQUIRE(std::equal(alone.begin(), alone.end(),
                               together.begin() + static_cast<std::ptrdiff_t>(i * rows * hidden)));
        }
    }
}

TEST_CASE("self-attention agrees with its definition for each of several sequences") {
    const weight_source source(fixtures::small_config());
    const nn::self_attention block(source.all, "top_layers.1", fixtures::small_config(), {heads});
    source.all.run_deferred({});
    fixtures::random_numbers random(12);
    nn::workspace space;
    const std::vector<std::size_t> lengths{1, 2, 16, 17, 200, 97, 3};
    std::size_t total = 0;
    for (const std::size_t length : lengths) {
        total += length;
    }
    for (const bool hide : {false, true}) {
        const nn::attention_mask mask{.hide_first_column = hide};
        const std::vector<float> x = random.floats(total * hidden);
        std::vector<float> y = x;
        block.apply(nn::matrix_at(y.data(), total, hidden), {lengths.data(), lengths.size(), total},
                    nn::whole(mask), {}, space);
        std::size_t first = 0;
        for (const std::size_t length : lengths) {
            const std::vector<float> part(
                x.begin() + static_cast<std::ptrdiff_t>(first * hidden),
                x.begin() + static_cast<std::ptrdiff_t>((first + length) * hidden));
            const Matrix in = matrix_of(part, length, hidden);
            const Matrix expected = reference_block(source, "top_layers.1.attention", in, in, mask);
            INFO("length " << length << ", hidden first column " << hide);
            for (std::size_t i = 0; i < length; ++i) {
                REQUIRE(distance(y.data() + (first + i) * hidden, expected,
                                 static_cast<Eigen::Index>(i)) < tolerance);
            }
            first += length;
        }
    }
}

TEST_CASE("self-attention of the first rows alone gives them the same bits and leaves the others") {
    const weight_source source(fixtures::small_config());
    const nn::self_attention block(source.all, "top_layers.0", fixtures::small_config(), {heads});
    source.all.run_deferred({});
    fixtures::random_numbers random(13);
    nn::workspace space;
    const nn::part_maker parts = nn::whole({.hide_first_column = true});
    for (const std::vector<std::size_t>& lengths :
         {std::vector<std::size_t>(5, 9), std::vector<std::size_t>{9, 1, 30, 2}}) {
        for (const std::size_t wanted : sizes{1, 2, 9}) {
            std::size_t total = 0;
            for (const std::size_t length : lengths) {
                total += length;
            }
            const std::vector<float> x = random.floats(total * hidden);
            const nn::sequence_stack stack{lengths.data(), lengths.size(), total};
            std::vector<float> all = x;
            std::vector<float> first = x;
            block.apply(nn::matrix_at(all.data(), total, hidden), stack, parts, {}, space);
            block.apply(nn::matrix_at(first.data(), total, hidden), stack, parts, {wanted}, space);
            std::size_t i = 0;
            for (const std::size_t length : lengths) {
                for (std::size_t j = 0; j < length * hidden; ++j, ++i) {
                    REQUIRE(first[i] == (j / hidden < wanted ? all[i] : x[i]));
                }
            }
        }
    }
}

TEST_CASE("bands of a long sequence give what one masked block gives") {
    const weight_source source(fixtures::small_config());
    const nn::self_attention block(source.all, "top_layers.0", fixtures::small_config(), {heads});
    source.all.run_deferred({});
    fixtures::random_numbers random(14);
    nn::workspace space;
    for (const std::size_t length : sizes{1, 5, 127, 128, 129, 300, 515}) {
        for (const std::size_t window : sizes{1, 3, 64, 150}) {
            const std::vector<float> x = random.floats(length * hidden);
            const nn::sequence_stack stack{&length, 1, length};
            std::vector<float> banded = x;
            std::vector<float> masked = x;
            std::vector<float> open = x;
            block.apply(nn::matrix_at(banded.data(), length, hidden), stack, nn::banded(window), {},
                        space);
            block.apply(nn::matrix_at(masked.data(), length, hidden), stack,
                        nn::whole({.window = window}), {}, space);
            block.apply(nn::matrix_at(open.data(), length, hidden), stack, nn::whole({}), {},
                        space);
            double apart = 0;
            for (std::size_t i = 0; i < x.size(); ++i) {
                REQUIRE(std::fabs(banded[i] - masked[i]) < tolerance);
                apart = std::max(apart, std::fabs(double{banded[i]} - double{open[i]}));
            }
            INFO(length << " rows, window " << window);
            CHECK((apart > 1e-3) == (length > window + 1));
        }
    }
}

TEST_CASE("an attention mask hides columns and adds what matches are worth") {
    fixtures::random_numbers random(15);
    constexpr std::size_t width = 8;
    constexpr std::size_t tokens = 37;
    constexpr std::size_t rows = 6; // two heads of three rows
    constexpr std::size_t period = 3;
    const std::vector<float> query = random.floats(rows * width);
    const std::vector<float> keys = random.floats(tokens * width);
    const std::vector<float> values = random.floats(tokens * width);
    std::vector<float> matches(period * tokens);
    for (float& match : matches) {
        match = random.below(4) == 0 ? 1.0F : 0.0F;
    }
    const float logits[] = {1.5F, -0.75F};
    nn::attention_mask mask{.hidden_first = 30,
                            .hidden_last = 33,
                            .window = 6,
                            .window_first = 4,
                            .first_row_column = 9,
                            .matches = matches.data(),
                            .match_logits = logits};
    const auto& product = mice::kernels::active().f32;
    mice::kernels::buffer packed_keys(product.packed_floats(width, tokens));
    mice::kernels::buffer packed_values(product.packed_floats(tokens, width));
    product.pack_transposed(keys.data(), width, width, tokens, packed_keys.data());
    product.pack(values.data(), width, tokens, width, packed_values.data());
    const nn::packed_attention in{packed_keys.data(), width, tokens, packed_values.data(), width};
    mice::kernels::buffer scratch(product.attention_scratch(rows, in));
    std::vector<float> out(rows * width);
    constexpr float scale = 0.6F;
    product.attend({query.data(), width}, rows, period, in, scale, mask, {out.data(), width},
                   scratch.data());
    const Matrix logit = matrix_of(query, rows, width) * matrix_of(keys, tokens, width).transpose();
    const Matrix value = matrix_of(values, tokens, width);
    for (std::size_t i = 0; i < rows; ++i) {
        Vector weights(tokens);
        for (std::size_t j = 0; j < tokens; ++j) {
            const std::size_t column = 9 + i % period;
            const bool far = j >= 4 && (j > column ? j - column : column - j) > 6;
            const bool hides = far || (j >= 30 && j < 33);
            const double bonus =
                double{matches[i % period * tokens + j]} * double{logits[i / period]};
            const auto at = static_cast<Eigen::Index>(j);
            weights(at) =
                hides ? 0
                      : std::exp(double{scale} * logit(static_cast<Eigen::Index>(i), at) + bonus);
        }
        const Matrix expected = weights * value / weights.sum();
        REQUIRE(distance(out.data() + i * width, expected, 0) < tolerance);
    }
}

TEST_CASE("exact matches are the mean of equal tokens' states, or the first state") {
    const std::vector<float> states{1, 2, 3, 4, 5, 6, 7, 8};
    const std::vector<std::int32_t> ids{2, 9, 9, 3};
    const std::vector<std::int32_t> query{2, 9, 77, 3};
    std::vector<float> matched(query.size() * 2);
    nn::match_states(query, nn::matrix_at(states.data(), ids.size(), 2), ids,
                     nn::matrix_at(matched.data(), query.size(), 2));
    CHECK(matched == std::vector<float>{1, 2, 4, 5, 1, 2, 7, 8});
}
