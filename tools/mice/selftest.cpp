// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/model_path.hpp"
#include "common/number_option.hpp"
#include "common/output.hpp"
#include "mice/commands.hpp"

#include <mice/io/safetensors.hpp>
#include <mice/model.hpp>
#include <mice/model/fingerprint.hpp>

namespace mice::cli {
namespace {

struct selftest_options {
    std::string file;
    std::size_t threads = 0;
    double tolerance = 1e-3;
    bool json = false;
};

/// Lists of ids as the file stores them: all ids, and where each list begins.
class id_lists {
  public:
    id_lists(const io::safetensors& file, const std::string& side)
        : ids_(integers(file, "selftest." + side + "_ids")),
          offsets_(integers(file, "selftest." + side + "_offsets")) {
        const bool ends_right = !offsets_.empty() && offsets_.front() == 0 &&
                                static_cast<std::size_t>(offsets_.back()) == ids_.size();
        if (!ends_right || !std::is_sorted(offsets_.begin(), offsets_.end())) {
            throw detail::errors::bad_tensor("selftest." + side + "_offsets",
                                             "rising offsets from 0 to the number of ids",
                                             "others");
        }
    }

    [[nodiscard]] std::size_t size() const { return offsets_.size() - 1; }
    [[nodiscard]] std::span<const std::int32_t> operator[](std::size_t i) const {
        const auto first = static_cast<std::size_t>(offsets_[i]);
        return std::span(ids_).subspan(first, static_cast<std::size_t>(offsets_[i + 1]) - first);
    }

  private:
    static std::vector<std::int32_t> integers(const io::safetensors& file,
                                              const std::string& name) {
        const io::tensor_view* const view = file.find(name);
        if (view == nullptr) {
            throw detail::errors::missing_tensor(name);
        }
        if (view->type != io::dtype::i32 || view->shape.rank() != 1) {
            throw detail::errors::bad_tensor(name, "I32 with one dimension",
                                             std::string(io::name_of(view->type)) +
                                                 view->shape.text());
        }
        std::vector<std::int32_t> values(view->elements());
        for (std::size_t i = 0; i < values.size(); ++i) {
            values[i] = view->at<std::int32_t>(i);
        }
        return values;
    }

    std::vector<std::int32_t> ids_;
    std::vector<std::int32_t> offsets_;
};

std::vector<float> stored_scores(const io::safetensors& file) {
    const io::tensor_view* const view = file.find("selftest.scores");
    if (view == nullptr || view->elements() == 0) {
        throw detail::errors::bad_argument(
            "this model file holds no reference scores; convert it again "
            "with mice-convert --self-test 8");
    }
    if (view->type != io::dtype::f32 || view->shape.rank() != 1) {
        throw detail::errors::bad_tensor("selftest.scores", "F32 with one dimension",
                                         std::string(io::name_of(view->type)) + view->shape.text());
    }
    std::vector<float> scores(view->elements());
    for (std::size_t i = 0; i < scores.size(); ++i) {
        scores[i] = view->at<float>(i);
        if (!std::isfinite(scores[i])) {
            throw detail::errors::bad_tensor("selftest.scores", "numbers", "NaN or infinity");
        }
    }
    return scores;
}

struct deviation {
    std::size_t pairs = 0;
    double largest = 0;
    double mean = 0;
    std::size_t worst_pair = 0;
};

deviation replay(const reranker& ranker, const rank_options& options) {
    const std::vector<float> expected = stored_scores(ranker.file());
    const id_lists queries(ranker.file(), "query");
    const id_lists documents(ranker.file(), "document");
    if (queries.size() != expected.size() || documents.size() != expected.size()) {
        throw detail::errors::bad_tensor("selftest.scores",
                                         "one score for each of " + std::to_string(queries.size()) +
                                             " queries and " + std::to_string(documents.size()) +
                                             " documents",
                                         std::to_string(expected.size()));
    }
    deviation result;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        const document encoded = ranker.encode_ids(documents[i]);
        const ranking scored = ranker.score(ranker.encode_query_ids(queries[i]),
                                            std::span<const document>(&encoded, 1), options);
        const double off =
            std::abs(static_cast<double>(scored[0].score) - static_cast<double>(expected[i]));
        if (!(off <= result.largest)) { // NaN counts as the largest
            result.largest = off;
            result.worst_pair = i;
        }
        result.mean += off / static_cast<double>(expected.size());
    }
    result.pairs = expected.size();
    return result;
}

std::string number(double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%.3g", value);
    return text;
}

tools::ordered_json finite_or_null(double value) {
    return std::isfinite(value) ? tools::ordered_json(value) : tools::ordered_json(nullptr);
}

exit_code run_selftest(const selftest_options& options) {
    // the reference's own precision: others are allowed to deviate by more
    const reranker ranker = tools::load_model(tools::model_path(options.file), precision::f32);
    ranker.shared_model()->check_fingerprint();
    const bool computed = is_computed_fingerprint(ranker.fingerprint());
    rank_options library;
    library.threads = options.threads;
    const deviation found = replay(ranker, library);
    const bool passed = found.largest <= options.tolerance;
    tools::output out;
    if (options.json) {
        out.write(tools::json_line({{"pairs", found.pairs},
                                    {"largest", finite_or_null(found.largest)},
                                    {"mean", finite_or_null(found.mean)},
                                    {"worst_pair", found.worst_pair},
                                    {"tolerance", options.tolerance},
                                    {"fingerprint", computed ? "checked" : "a name"},
                                    {"passed", passed}}));
    } else {
        out.write(std::to_string(found.pairs) + " reference pairs: largest deviation " +
                  number(found.largest) + " (pair " + std::to_string(found.worst_pair) +
                  "), mean deviation " + number(found.mean) + ", tolerance " +
                  number(options.tolerance) + ": " + (passed ? "passed" : "FAILED") + "\n" +
                  (computed ? "" : "the fingerprint is a name, which nothing was compared with\n"));
    }
    out.flush();
    if (!passed) {
        tools::print_message(
            "mice: the self-test failed: scores on this machine are not the "
            "model's; copy the model file again, and if that does not help, report it");
        return exit_code::failure;
    }
    return exit_code::ok;
}

} // namespace

void add_selftest_command(CLI::App& app, command& chosen) {
    const auto options = std::make_shared<selftest_options>();
    CLI::App* const selftest =
        app.add_subcommand("selftest", "Compare scores with the reference scores in a model file");
    selftest
        ->add_option("FILE,--model", options->file, "Model file; the default model if not given")
        ->type_name("FILE")
        ->check(not_empty());
    selftest->add_option("--tolerance", options->tolerance, "Largest deviation that passes")
        ->check(tools::finite_number(tools::zero::allowed))
        ->capture_default_str()
        ->type_name("X");
    selftest->add_option("--threads", options->threads, "Threads to use; 0 is one for each core")
        ->check(CLI::Range(0, 1024))
        ->type_name("N");
    selftest->add_flag("--json", options->json, "Print one JSON object");
    selftest->callback(
        [options, &chosen] { chosen = [options] { return run_selftest(*options); }; });
}

} // namespace mice::cli
