// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/index_fixture.hpp"

#include <cmath>
#include <thread>

#include <Eigen/Dense>

namespace {

using fixtures::catch_error;
using fixtures::hit_bits;
using fixtures::model_in_memory;
using fixtures::put_passages;
namespace dense = mice::store::dense;

using fixtures::question;

mice::index_options quantised(const std::string& name, std::size_t pool = 1) {
    mice::index_options options;
    options.codec = {name, pool, mice::dropped_tokens::none};
    return options;
}

/// Parameters learned from some passages.
std::vector<std::byte> learned(const mice::model& engine, const std::string& name,
                               std::size_t threads = 0) {
    std::vector<std::int32_t> ids;
    std::vector<std::size_t> lengths;
    for (std::uint64_t i = 0; i < 80; ++i) {
        const auto encoded = engine.text_tokenizer()->encode(
            fixtures::passage(i), {.max_tokens = engine.config().max_document_length});
        ids.insert(ids.end(), encoded.ids.begin(), encoded.ids.end());
        lengths.push_back(encoded.ids.size());
    }
    std::vector<mice::nn::token_ids> sequences;
    std::size_t first = 0;
    for (const std::size_t length : lengths) {
        sequences.push_back(std::span(ids).subspan(first, length));
        first += length;
    }
    std::vector<float> states(ids.size() * engine.config().interaction_hidden());
    mice::nn::workspace space;
    engine.network().encode_documents(sequences, states.data(), space);
    return mice::store::train_codec({.name = name}, engine, {states, ids, lengths},
                                    {.threads = threads});
}

dense::matrix random_squares(std::size_t n, std::size_t rank) {
    fixtures::random_numbers random(n + rank);
    const std::vector<float> rows = random.floats(rank * n);
    dense::matrix squares(n);
    for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t j = 0; j < n; ++j) {
            for (std::size_t k = 0; k < rank; ++k) {
                squares.row(i)[j] += double{rows[k * n + i]} * double{rows[k * n + j]};
            }
        }
    }
    return squares;
}

} // namespace

TEST_CASE("eigenvectors and triangles are those of Eigen") {
    for (const std::size_t n : {1U, 2U, 7U, 40U}) {
        for (const std::size_t rank : {n, std::size_t{1} + n / 3}) {
            CAPTURE(n, rank);
            const dense::matrix a = random_squares(n, rank);
            const auto size = static_cast<Eigen::Index>(n);
            Eigen::Map<const Eigen::MatrixXd> expected(a.values.data(), size, size);
            const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(expected);
            const dense::eigen found = dense::symmetric_eigen(a);
            for (std::size_t i = 0; i < n; ++i) {
                const double value = solver.eigenvalues()[size - 1 - static_cast<Eigen::Index>(i)];
                CHECK(found.values[i] == Approx(value).margin(1e-6));
                for (std::size_t row = 0; row < n; ++row) {
                    double product = 0;
                    double length = 0;
                    for (std::size_t k = 0; k < n; ++k) {
                        product += a.row(row)[k] * found.vectors.row(i)[k];
                        length += found.vectors.row(i)[k] * found.vectors.row(i)[k];
                    }
                    CHECK(product ==
                          Approx(found.values[i] * found.vectors.row(i)[row]).margin(1e-6));
                    CHECK(length == Approx(1));
                }
            }
        }
    }
    dense::matrix positive = random_squares(9, 20);
    const dense::matrix lower = dense::cholesky(positive);
    std::vector<double> right(9 * 2);
    for (std::size_t i = 0; i < right.size(); ++i) {
        right[i] = static_cast<double>(i) - 4;
    }
    std::vector<double> x = right;
    dense::solve_lower(lower, x, 2);
    dense::solve_lower_transposed(lower, x, 2);
    for (std::size_t i = 0; i < 9; ++i) {
        for (std::size_t c = 0; c < 2; ++c) {
            double sum = 0;
            for (std::size_t k = 0; k < 9; ++k) {
                sum += positive.row(i)[k] * x[2 * k + c];
            }
            CHECK(sum == Approx(right[2 * i + c]).margin(1e-9));
        }
    }
    CHECK(catch_error([] { (void)dense::cholesky(dense::matrix(3)); }).code == mice::errc::tensor);
}

TEST_CASE("products of tall matrices are summed for any number of rows") {
    for (const std::size_t rows : {1U, 340U, 1024U, 1364U}) {
        CAPTURE(rows);
        fixtures::random_numbers random(rows);
        const std::size_t left = 385;
        const std::size_t right = 3;
        const std::vector<float> a = random.floats(rows * left);
        const std::vector<float> b = random.floats(rows * right);
        std::vector<double> sum(left * right, 1.0);
        mice::store::detail::add_products(a.data(), left, b.data(), right, rows, sum);
        for (std::size_t i = 0; i < left; i += 96) {
            for (std::size_t j = 0; j < right; ++j) {
                double expected = 1;
                for (std::size_t row = 0; row < rows; ++row) {
                    expected += double{a[row * left + i]} * double{b[row * right + j]};
                }
                CHECK(sum[i * right + j] == Approx(expected).margin(1e-3));
            }
        }
    }
}

TEST_CASE("a product quantiser comes nearer with every byte, for every option") {
    for (const auto& [name, config] : fixtures::every_option()) {
        CAPTURE(name);
        const model_in_memory model(config);
        const mice::model& engine = *model.ranker.shared_model();
        const std::size_t hidden = config.interaction_hidden();
        double before = 1e30;
        for (const std::string codec : {"pq8", "pq12", "pq18"}) {
            const mice::store::document_coder coder({.name = codec}, engine,
                                                    learned(engine, codec));
            CHECK(coder.bytes(1) == std::stoul(codec.substr(2)));
            const mice::document encoded = model.ranker.encode(fixtures::passage(500));
            std::vector<std::byte> codes;
            REQUIRE(coder.encode(encoded.states().data(), encoded.ids(), codes) ==
                    encoded.tokens());
            std::vector<float> back(encoded.states().size());
            mice::kernels::buffer scratch;
            coder.decode(codes, encoded.tokens(), back.data(), scratch);
            double error = 0;
            double energy = 0;
            for (std::size_t i = 0; i < back.size(); ++i) {
                error += std::pow(double{back[i]} - double{encoded.states()[i]}, 2);
                energy += std::pow(double{encoded.states()[i]}, 2);
            }
            CHECK(error < 0.5 * energy);
            CHECK(error < 1.2 * before);
            before = error;
            REQUIRE(back.size() == encoded.tokens() * hidden);
        }
    }
}

TEST_CASE("learning a codec gives the same bytes for any number of threads") {
    const model_in_memory model(fixtures::small_config());
    const mice::model& engine = *model.ranker.shared_model();
    const std::vector<std::byte> one = learned(engine, "pq12", 1);
    CHECK(learned(engine, "pq12", 3) == one);
    CHECK(learned(engine, "pq12", 2) == one);
    CHECK(learned(engine, "int8").empty());
}

TEST_CASE("an index learns its codec, and gives it to others") {
    const model_in_memory model(fixtures::small_config());
    const temporary_folder folder;
    std::vector<std::pair<std::string, std::uint32_t>> before;
    {
        mice::index index =
            mice::index::create(folder.path() / "a", model.ranker, quantised("pq20", 2));
        REQUIRE(index.rank(question).empty()); // nothing is learned yet
        REQUIRE_FALSE(index.states("doc-1"));
        put_passages(index, 0, 40);
        index.erase("doc-3"); // while its states wait
        index.put("doc-4", "the bridge");
        index.commit();
        REQUIRE(index.size() == 39);
        put_passages(index, 40, 60);
        index.commit();
        before = hit_bits(index.rank(question));
        REQUIRE(before.size() == 59);
        REQUIRE(index.verify().empty());
    }
    mice::index again = mice::index::open(folder.path() / "a", model.ranker);
    REQUIRE(hit_bits(again.rank(question)) == before);
    again.compact();
    REQUIRE(hit_bits(again.rank(question)).size() == 59);

    mice::index part =
        mice::index::create_like(folder.path() / "b", model.ranker, folder.path() / "a");
    put_passages(part, 60, 80);
    part.commit();
    part.release();
    again.release();
    mice::index whole = mice::index::open(folder.path() / "a", model.ranker);
    const std::filesystem::path parts[] = {folder.path() / "b"};
    whole.merge(parts);
    REQUIRE(whole.size() == 79);
    REQUIRE(whole.verify().empty());
    mice::index other =
        mice::index::create(folder.path() / "c", model.ranker, quantised("pq20", 2));
    put_passages(other, 0, 10);
    other.commit();
    REQUIRE(catch_error([&] { other.merge(parts); }).says("learned parameters"));
    mice::index fresh =
        mice::index::create(folder.path() / "d", model.ranker, quantised("pq20", 2));
    fresh.merge(parts); // takes them over
    REQUIRE(fresh.size() == 20);
    put_passages(fresh, 80, 90);
    REQUIRE(fresh.commit().documents == 30);
}

TEST_CASE("a codec that has seen enough learns before the first commit") {
    const model_in_memory model;
    const temporary_folder folder;
    mice::index index = mice::index::create(folder.path(), model.ranker, quantised("pq10"));
    std::size_t tokens = 0;
    std::uint64_t count = 0;
    for (; tokens < 40000; ++count) {
        index.put(fixtures::id_of(count), fixtures::passage(count));
        tokens += model.ranker.text_tokenizer().encode(fixtures::passage(count)).ids.size();
    }
    bool there = false;
    for (const auto& [name, bytes] : fixtures::files_in(folder.path())) {
        there = there || name.starts_with("codec-");
    }
    REQUIRE(there);
    REQUIRE(index.commit().documents == count);
    REQUIRE(index.rank(question, {.top_k = 3}).size() == 3);
    REQUIRE(index.stats().bytes_per_token() >= 10);
}

TEST_CASE("many threads decode with guesses that nobody has computed yet") {
    const model_in_memory model(fixtures::small_config());
    const mice::model& engine = *model.ranker.shared_model();
    const std::vector<std::byte> parameters = learned(engine, "pq12");
    const mice::document encoded = model.ranker.encode("the old river mill over the new bridge");
    const mice::store::document_coder first({.name = "pq12"}, engine, parameters);
    std::vector<std::byte> codes;
    (void)first.encode(encoded.states().data(), encoded.ids(), codes);
    std::vector<float> expected(encoded.states().size());
    mice::kernels::buffer scratch;
    first.decode(codes, encoded.tokens(), expected.data(), scratch);
    const mice::store::document_coder fresh({.name = "pq12"}, engine, parameters);
    std::vector<std::vector<float>> got(3, std::vector<float>(expected.size()));
    std::vector<std::thread> threads;
    for (std::vector<float>& each : got) {
        threads.emplace_back([&] {
            mice::kernels::buffer own;
            fresh.decode(codes, encoded.tokens(), each.data(), own);
        });
    }
    for (std::thread& each : threads) {
        each.join();
    }
    for (const std::vector<float>& each : got) {
        CHECK(each == expected);
    }
}

TEST_CASE("damaged parameters and codes of a product quantiser are refused or finite") {
    const model_in_memory model(fixtures::small_config());
    const mice::model& engine = *model.ranker.shared_model();
    const std::vector<std::byte> good = learned(engine, "pq12");
    const auto open = [&](const std::vector<std::byte>& parameters, const std::string& name) {
        return catch_error(
            [&] { const mice::store::document_coder coder({.name = name}, engine, parameters); });
    };
    CHECK_FALSE(open(good, "pq12").thrown);
    CHECK(open(good, "pq13").code == mice::errc::format);
    CHECK(open(good, "int8").code == mice::errc::format);
    CHECK(open({}, "pq12").code == mice::errc::format);
    for (const std::size_t size : {1UL, 15UL, 16UL, 20UL, 59UL, good.size() - 1}) {
        CHECK(open({good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)}, "pq12").code ==
              mice::errc::format);
    }
    fixtures::random_numbers random(5);
    std::size_t refused = 0;
    for (int round = 0; round < 300; ++round) {
        std::vector<std::byte> changed = good;
        for (std::size_t i = 0; i < 3; ++i) {
            const std::size_t reach = round % 2 == 0 ? 64 : changed.size();
            changed[random.below(reach)] = static_cast<std::byte>(random.below(256));
        }
        const auto told = catch_error([&] {
            const mice::store::document_coder coder({.name = "pq12"}, engine, changed);
            std::vector<std::byte> codes(coder.bytes(4));
            for (std::byte& each : codes) {
                each = static_cast<std::byte>(random.below(256));
            }
            for (std::size_t row = 0; row < 4; ++row) {
                codes[12 * row] = static_cast<std::byte>(random.below(128));
                codes[12 * row + 1] = std::byte{0};
            }
            std::vector<float> out(4 * coder.width());
            mice::kernels::buffer scratch;
            coder.decode(codes, 4, out.data(), scratch);
            REQUIRE(mice::kernels::all_finite(out.data(), out.size()));
        });
        if (told.thrown) {
            ++refused;
            REQUIRE(told.code == mice::errc::format);
        }
    }
    CHECK(refused > 100);
    const mice::store::document_coder coder({.name = "pq12"}, engine, good);
    std::vector<std::byte> codes(12, std::byte{255}); // a token beyond the vocabulary
    std::vector<float> out(coder.width());
    mice::kernels::buffer scratch;
    CHECK(catch_error([&] { coder.decode(codes, 1, out.data(), scratch); }).says("65535"));
}

TEST_CASE("sizes that a product quantiser does not have") {
    const model_in_memory model(fixtures::small_config());
    const temporary_folder folder;
    for (const std::string name : {"pq7", "pq35", "pq1000", "pq", "pq08", "pq1x"}) {
        CAPTURE(name);
        const auto told = catch_error([&] {
            (void)mice::index::create(folder.path() / "index", model.ranker, quantised(name));
        });
        CHECK(told.code == mice::errc::invalid_argument);
        CHECK(told.says("pq"));
        CHECK_FALSE(std::filesystem::exists(folder.path() / "index"));
    }
    (void)mice::index::create(folder.path() / "index", model.ranker, quantised("pq34"));
}
