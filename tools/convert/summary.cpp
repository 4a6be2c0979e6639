// SPDX-License-Identifier: Apache-2.0
#include "summary.hpp"

#include <cstdio>

#include <mice/model/config_json.hpp>

#include "common/terminal.hpp"

namespace mice::tools {
namespace {

std::string row(const std::string& label, const std::string& value) {
    constexpr std::size_t width = 15;
    std::string line = "  ";
    line += label;
    line.resize(width + 2, ' ');
    line += printable(value);
    line += '\n';
    return line;
}

std::string percent(double share) {
    char text[32];
    std::snprintf(text, sizeof text, "%.3g%%", 100 * share);
    return text;
}

std::string megabytes(std::size_t bytes) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f MB", static_cast<double>(bytes) / 1e6);
    return text;
}

std::string grouped(std::size_t number) {
    const std::string digits = std::to_string(number);
    std::string text;
    for (std::size_t i = 0; i < digits.size(); ++i) {
        if (i > 0 && (digits.size() - i) % 3 == 0) {
            text += ' ';
        }
        text += digits[i];
    }
    return text;
}

std::string yes_no(bool value) {
    return value ? "yes" : "no";
}

std::string shape_text(const model_config& c) {
    std::string text = std::to_string(c.hidden_size) + " wide, " +
                       std::to_string(c.num_attention_heads) + " heads, inner " +
                       std::to_string(c.intermediate_size) + ", " + grouped(c.vocab_size) +
                       " ids, " + std::to_string(c.max_position_embeddings) + " positions";
    if (c.has_embedding_projection()) {
        text += ", embeddings " + std::to_string(c.embedding_size) + " wide";
    }
    if (c.has_adapter()) {
        text += ", interaction layers " + std::to_string(c.interaction_hidden()) + " wide";
    }
    return text;
}

std::string layers_text(const model_config& c) {
    if (c.kind == model_kind::late_interaction) {
        return std::to_string(c.layers) + ", then vectors of " + std::to_string(c.vector_size);
    }
    if (c.kind == model_kind::cross_encoder) {
        return std::to_string(c.layers);
    }
    const std::string sides = c.bound_bottom_layers
                                  ? std::to_string(c.query_layers) + " shared"
                                  : std::to_string(c.query_layers) + " query, " +
                                        std::to_string(c.document_layers) + " document";
    return sides + " + " + std::to_string(c.interaction_layers) + " interaction";
}

std::string late_interaction_text(const model_config& c) {
    return "MaxSim; markers " + std::to_string(c.query_marker) + " and " +
           std::to_string(c.document_marker) + "; queries filled with " + std::to_string(c.filler) +
           ", attended to: " + yes_no(c.attend_to_filler) + "; " +
           std::to_string(c.skipped.size()) + " ids without a vector";
}

std::string seen_by(const visible_groups& group) {
    return std::string(group.cls ? "c" : "") + (group.query ? "q" : "") +
           (group.document ? "d" : "");
}

std::string pair_text(const model_config& c) {
    std::string text = "pairs cut " + std::string(name_in(truncation_names, c.pair_truncation));
    text += c.positions_restart ? "; positions of the document start at 0" : "";
    for (const visibility_range& range : c.visibility) {
        text += "; " + std::to_string(range.layers) + " layers: [CLS] sees " + seen_by(range.cls) +
                ", query " + seen_by(range.query) + ", document " + seen_by(range.document);
        text += range.document_window != 0
                    ? " within " + std::to_string(range.document_window) + " tokens"
                    : "";
    }
    return text;
}

std::string modernbert_text(const model_config& c) {
    std::string text =
        "; classifier reads " + std::string(name_in(pooling_names, c.classifier_pooling));
    text += c.sliding_window != 0 ? "; window " + std::to_string(c.sliding_window) : "; no window";
    text += c.lexical_bias ? "; lexical bias" : "";
    return text;
}

std::string options_text(const model_config& c) {
    std::string text;
    if (c.kind == model_kind::mice) {
        text = c.cross_attn_first ? "cross, self, FFN" : "self, cross, FFN";
        text += "; [CLS] takes " + std::string(name_in(cls_cross_names, c.cls_cross_attention));
        text += "; query sees [CLS]: " + yes_no(!c.mask_query_to_cls);
        text += c.use_self_attention ? "" : "; no self-attention";
        text += c.global_cls_token ? "; global row" : "";
        text += c.extra_attn_bias ? "; exact-match heads" : "";
    } else if (c.kind == model_kind::cross_encoder) {
        text = pair_text(c);
    } else {
        return late_interaction_text(c);
    }
    return text + (c.is_modernbert() ? modernbert_text(c) : "; pooler: " + yes_no(c.pooler));
}

std::string tokenizer_text(const conversion_report& report) {
    return report.tokenizer.empty() ? "none, the file scores token ids only"
                                    : report.tokenizer_kind + ", " + grouped(report.tokens) +
                                          " tokens, from " + report.tokenizer;
}

} // namespace

std::string summary_text(const convert_options& options, const conversion_report& report) {
    const model_config& c = report.config;
    std::string text =
        printable(options.directory.string()) + " -> " + printable(options.output.string()) + "\n";
    text += row("kind", std::string(title_of(c.kind)));
    text += row("family", c.model_type);
    text += row("shape", shape_text(c));
    text += row("layers", layers_text(c));
    text += row("options", options_text(c));
    text += row("limits", "query " + std::to_string(c.max_query_length) + ", document " +
                              std::to_string(c.max_document_length) + " tokens");
    text += row("tokenizer", tokenizer_text(report));
    text += row("weights", std::string(format_name(report.format)) + ", " +
                               grouped(report.parameters) + " parameters");
    for (const rounding_error& error : report.errors) {
        text += row("  rounding", error.group + ": RMS " + percent(error.rms) + ", largest " +
                                      percent(error.largest) + " of the weights' RMS");
    }
    text += row("self-test", report.self_test_pairs == 0
                                 ? "none"
                                 : std::to_string(report.self_test_pairs) + " pairs");
    text += row("fingerprint", report.fingerprint);
    text +=
        row("written", std::to_string(report.tensors) + " tensors, " + grouped(report.file_bytes) +
                           " bytes (" + megabytes(report.file_bytes) + ")");
    for (const std::string& note : report.notes) {
        text += row("note", note);
    }
    return text;
}

} // namespace mice::tools
