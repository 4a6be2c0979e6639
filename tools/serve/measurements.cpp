// SPDX-License-Identifier: Apache-2.0
#include "serve/measurements.hpp"

#include "common/json_output.hpp"
#include "serve/addresses.hpp"

namespace mice::serve {
namespace {

std::string head(std::string_view name, std::string_view type, std::string_view help) {
    std::string text = "# HELP ";
    text.append(name).append(" ").append(help).append("\n# TYPE ");
    return text.append(name).append(" ").append(type).append("\n");
}

} // namespace

std::string prometheus_metric(std::string_view name, std::string_view type, std::string_view help,
                              std::uint64_t value) {
    return head(name, type, help).append(name).append(" ") + std::to_string(value) + "\n";
}

void measurements::answered(std::string_view path, int status, std::chrono::duration<double> took) {
    const std::lock_guard lock(mutex_);
    ++requests_[{is_address(path) ? std::string(path) : "other", status}];
    if (!ranks(path)) {
        return;
    }
    std::size_t bucket = 0;
    while (bucket < bounds.size() && took.count() > bounds[bucket]) {
        ++bucket;
    }
    ++buckets_[bucket];
    ++timed_;
    seconds_ += took.count();
}

void measurements::ranked(std::size_t documents, std::size_t tokens) {
    const std::lock_guard lock(mutex_);
    documents_ += documents;
    tokens_ += tokens;
}

std::string measurements::prometheus() const {
    const std::lock_guard lock(mutex_);
    std::string text = head("mice_requests_total", "counter", "Requests by address and status.");
    for (const auto& [of, count] : requests_) {
        text += "mice_requests_total{path=\"" + of.first + "\",status=\"" +
                std::to_string(of.second) + "\"} " + std::to_string(count) + "\n";
    }
    text += head("mice_request_seconds", "histogram", "Time from a ranking request to its answer.");
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < bounds.size(); ++i) {
        sum += buckets_[i];
        text += "mice_request_seconds_bucket{le=\"" + tools::number_text(bounds[i]) + "\"} " +
                std::to_string(sum) + "\n";
    }
    text += "mice_request_seconds_bucket{le=\"+Inf\"} " + std::to_string(timed_) + "\n";
    text += "mice_request_seconds_sum " + tools::number_text(seconds_) + "\n";
    text += "mice_request_seconds_count " + std::to_string(timed_) + "\n";
    text += prometheus_metric("mice_documents_total", "counter", "Documents ranked.", documents_);
    text += prometheus_metric("mice_tokens_total", "counter",
                              "Tokens of queries and documents ranked.", tokens_);
    return text;
}

} // namespace mice::serve
