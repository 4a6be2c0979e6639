// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/index_fixture.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <thread>

#include <mice/codecs/codec.hpp>
#include <mice/codecs/learn/algebra.hpp>
#include <mice/codecs/learn/k_means.hpp>
#include <mice/codecs/learn/products.hpp>
#include <mice/kernels/active.hpp>
#include <mice/model.hpp>
#include <mice/networks/network.hpp>

namespace {

using fixtures::catch_error;
using fixtures::hit_bits;
using fixtures::model_in_memory;
using fixtures::put_passages;
namespace learn = mice::store::learn;

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

learn::matrix random_squares(std::size_t n, std::size_t rank) {
    fixtures::random_numbers random(n + rank);
    const std::vector<float> values = random.floats(rank * n);
    const learn::matrix rows = Eigen::Map<const learn::float_matrix>(
                                   values.data(), learn::index_of(rank), learn::index_of(n))
                                   .cast<double>();
    return rows.transpose() * rows;
}

/// The sum of squared distances of rows to their nearest centroid.
double distance_to(const std::vector<float>& centroids, const std::vector<float>& rows,
                   std::size_t columns) {
    double sum = 0;
    for (std::size_t row = 0; row < rows.size() / columns; ++row) {
        double least = std::numeric_limits<double>::infinity();
        for (std::size_t c = 0; c < centroids.size() / columns; ++c) {
            double distance = 0;
            for (std::size_t i = 0; i < columns; ++i) {
                distance += std::pow(
                    double{rows[row * columns + i]} - double{centroids[c * columns + i]}, 2);
            }
            least = std::min(least, distance);
        }
        sum += least;
    }
    return sum;
}

} // namespace

TEST_CASE("principal axes are orthonormal eigenvectors and the largest come first") {
    for (const std::size_t n : {1U, 2U, 7U, 40U, 200U}) {
        for (const std::size_t rank : {n, std::size_t{1} + n / 3}) {
            CAPTURE(n, rank);
            const learn::matrix a = random_squares(n, rank);
            const learn::axes found = learn::principal_axes(a);
            const learn::matrix& v = found.vectors;
            const Eigen::Map<const Eigen::VectorXd> values(found.values.data(), v.cols());
            REQUIRE(std::is_sorted(found.values.rbegin(), found.values.rend()));
            const learn::matrix identity = learn::matrix::Identity(v.rows(), v.cols());
            const double slack = 1e-12 * static_cast<double>(n) * a.norm();
            CHECK((v.transpose() * v - identity).norm() < 1e-12 * static_cast<double>(n));
            CHECK((a * v - v * values.asDiagonal()).norm() <= slack);
            CHECK(values.sum() == Approx(a.trace()));
            CHECK(learn::principal_axes(a).vectors == v);
        }
    }
    learn::matrix bad = learn::matrix::Identity(3, 3);
    for (const double value :
         {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
        bad(1, 1) = value;
        CHECK(catch_error([&] { (void)learn::principal_axes(bad); }).code == mice::errc::tensor);
        CHECK(catch_error([&] { (void)learn::cholesky(bad); }).code == mice::errc::tensor);
    }
}

TEST_CASE("triangles multiply to their matrix and solve its equations") {
    for (const std::size_t n : {1U, 9U, 150U}) {
        const learn::matrix a = random_squares(n, 2 * n + 2);
        const learn::matrix lower = learn::cholesky(a);
        CHECK((lower * lower.transpose() - a).norm() < 1e-12 * a.norm() * static_cast<double>(n));
        CHECK(lower.isLowerTriangular());
        const learn::matrix right = random_squares(n, n).leftCols(learn::index_of((n + 2) / 3));
        learn::matrix x = right;
        learn::solve_lower(lower, x);
        CHECK((lower * x - right).norm() < 1e-8 * right.norm());
        learn::solve_lower_transposed(lower, x);
        CHECK((a * x - right).norm() < 1e-8 * right.norm());
    }
    const auto refused = [](const learn::matrix& a) {
        return catch_error([&] { (void)learn::cholesky(a); }).code == mice::errc::tensor;
    };
    CHECK(refused(learn::matrix::Zero(3, 3)));
    CHECK(refused(-learn::matrix::Identity(3, 3)));
}

TEST_CASE("k-means comes near to rows that lie in heaps and is the same each time") {
    constexpr std::size_t columns = 3;
    constexpr std::size_t stride = 5; // the rows' other columns are of no interest
    fixtures::random_numbers random(9);
    std::vector<float> rows;
    std::vector<float> seen;
    for (std::size_t row = 0; row < 2000; ++row) {
        const std::vector<float> noise = random.floats(stride);
        for (std::size_t i = 0; i < stride; ++i) {
            const auto heap = static_cast<float>(row * (i + 3) % 40);
            rows.push_back(heap + 0.01F * noise[i]);
            if (i >= 1 && i < 1 + columns) {
                seen.push_back(rows.back());
            }
        }
    }
    const std::vector<float> centroids = learn::k_means(rows, stride, 1, columns);
    REQUIRE(centroids.size() == 256 * columns);
    const std::vector<float> mean(columns, 19.5F);
    CHECK(distance_to(centroids, seen, columns) < 1e-4 * distance_to(mean, seen, columns));
    CHECK(learn::k_means(rows, stride, 1, columns) == centroids);
    // fewer rows than centroids, all the same
    const std::vector<float> one(3 * columns, 2.5F);
    CHECK(learn::k_means(one, columns, 0, columns) == std::vector<float>(256 * columns, 2.5F));
}

TEST_CASE("products of tall matrices are summed for any number of rows") {
    for (const std::size_t rows : {1U, 340U, 1024U, 1364U}) {
        CAPTURE(rows);
        fixtures::random_numbers random(rows);
        const std::size_t left = 385;
        const std::size_t right = 3;
        const std::vector<float> a = random.floats(rows * left);
        const std::vector<float> b = random.floats(rows * right);
        learn::matrix sum = learn::matrix::Ones(learn::index_of(left), learn::index_of(right));
        mice::store::detail::add_products(mice::nn::matrix_at(a.data(), rows, left),
                                          mice::nn::matrix_at(b.data(), rows, right), sum);
        for (std::size_t i = 0; i < left; i += 96) {
            for (std::size_t j = 0; j < right; ++j) {
                double expected = 1;
                for (std::size_t row = 0; row < rows; ++row) {
                    expected += double{a[row * left + i]} * double{b[row * right + j]};
                }
                CHECK(sum(learn::index_of(i), learn::index_of(j)) == Approx(expected).margin(1e-3));
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
