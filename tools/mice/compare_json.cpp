// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "mice/compare_results.hpp"

namespace mice::cli {
namespace {

using tools::ordered_json;

ordered_json optional_number(const std::optional<double>& value) {
    return value ? rounded(*value) : ordered_json(nullptr);
}

ordered_json object_of(const latency& each, spread with) {
    ordered_json object{{"median", rounded(each.median)}};
    if (with == spread::shown) {
        object["quartiles"] = ordered_json::array({rounded(each.low), rounded(each.high)});
        object["fastest"] = rounded(each.fastest);
        object["slowest"] = rounded(each.slowest);
    }
    return object;
}

ordered_json object_of(const storage_cost& each) {
    return {{"documents", each.documents},
            {"tokens", each.tokens},
            {"documents_per_second", rounded(each.documents_per_second())},
            {"state_bytes_per_document", rounded(each.per_document(each.state_bytes))},
            {"bytes_per_document", rounded(each.per_document(each.code_bytes))},
            {"bytes_per_token", rounded(each.bytes_per_token())},
            {"index_bytes_per_document", rounded(each.per_document(each.index_bytes))}};
}

ordered_json object_of(const paired_difference& each, spread with) {
    ordered_json object{{"ndcg@10", rounded(each.ndcg)}};
    if (with == spread::shown) {
        object["ndcg@10_interval"] = to_json(each.interval);
        object["p_value"] = rounded(each.p_value);
    }
    return object;
}

ordered_json object_of(const quality& each, spread with) {
    ordered_json object = to_json(each);
    if (with == spread::shown) {
        object["ndcg@10_interval"] = to_json(each.ndcg_interval);
    }
    return object;
}

ordered_json object_of(const ratios& each) {
    return {{"ndcg@10", optional_number(each.ndcg)},
            {"speed_not_stored", optional_number(each.not_stored)},
            {"speed_stored", optional_number(each.stored)},
            {"bytes_per_document", optional_number(each.bytes)}};
}

ordered_json object_of(const model_result& each, const model_result& baseline,
                       const std::string& name, spread with) {
    const ordered_json none = nullptr;
    return {{"model", name},
            {"pairs", each.pairs},
            {"seconds", rounded(each.seconds)},
            {"documents_cut", each.documents_cut},
            {"reranked", object_of(each.reranked, with)},
            {"difference", object_of(each.to_first_stage, with)},
            {"to_baseline", object_of(each.to_baseline, with)},
            {"latency_ms",
             {{"not_stored", object_of(each.not_stored, with)},
              {"stored", each.stored ? object_of(*each.stored, with) : none}}},
            {"storage", each.storage ? object_of(*each.storage) : none},
            {"ratios", object_of(ratios_of(each, baseline))}};
}

ordered_json object_of(const collection_result& each, const comparison& all) {
    const spread with = all.spread_of(each);
    ordered_json models = ordered_json::array();
    for (std::size_t i = 0; i < each.models.size(); ++i) {
        models.push_back(
            object_of(each.models[i], each.models[all.baseline], all.models[i].name, with));
    }
    return {{"collection", each.name},
            {"first_stage", each.first_stage},
            {"queries", each.queries},
            {"documents", each.documents},
            {"timed_queries", each.timed_queries},
            {"timed_candidates", rounded(each.timed_candidates)},
            {"bm25", object_of(each.before, with)},
            {"models", std::move(models)}};
}

} // namespace

std::string json_of(const comparison& all) {
    ordered_json models = ordered_json::array();
    for (const model_description& each : all.models) {
        models.push_back({{"model", each.name},
                          {"file", each.file.string()},
                          {"kind", each.kind},
                          {"precision", each.precision},
                          {"file_bytes", each.file_bytes},
                          {"stores_documents", each.stores_documents}});
    }
    ordered_json collections = ordered_json::array();
    for (const collection_result& each : all.collections) {
        collections.push_back(object_of(each, all));
    }
    ordered_json object{{"baseline", all.models[all.baseline].name},
                        {"threads", all.threads},
                        {"simd", all.simd},
                        {"candidates", all.candidates},
                        {"codec", all.codec},
                        {"models", std::move(models)},
                        {"collections", std::move(collections)}};
    if (all.mean) {
        object["mean"] = object_of(*all.mean, all);
    }
    return tools::json_line(object);
}

} // namespace mice::cli
