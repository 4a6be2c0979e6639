// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string>
#include <string_view>

#include <mice/model/config.hpp>

MICE_NAMESPACE_BEGIN

/// A value of an option and its name in files.
template <class Value> struct named_value {
    Value value;
    std::string_view name;
};

// Every value of an option with its name in files, in the order of the values.
inline constexpr std::array<named_value<cls_cross>, 3> cls_cross_names{
    {{cls_cross::full, "full"},
     {cls_cross::mean, "mean"},
     {cls_cross::mean_skip_last, "mean_skip_last"}}};
inline constexpr std::array<named_value<model_kind>, 3> model_kind_names{
    {{model_kind::mice, "mice"},
     {model_kind::cross_encoder, "cross_encoder"},
     {model_kind::late_interaction, "late_interaction"}}};
inline constexpr std::array<named_value<pooling>, 2> pooling_names{
    {{pooling::cls, "cls"}, {pooling::mean, "mean"}}};
inline constexpr std::array<named_value<truncation>, 2> truncation_names{
    {{truncation::only_second, "only_second"}, {truncation::longest_first, "longest_first"}}};

/// The name of a value in files.
template <class Value, std::size_t Count>
[[nodiscard]] constexpr std::string_view name_in(const std::array<named_value<Value>, Count>& names,
                                                 Value value) {
    return names[static_cast<std::size_t>(value)].name;
}
[[nodiscard]] constexpr std::string_view name_of(model_kind kind) {
    return name_in(model_kind_names, kind);
}
/// What people call a kind of model.
[[nodiscard]] constexpr std::string_view title_of(model_kind kind) {
    switch (kind) {
    case model_kind::cross_encoder:
        return "cross-encoder";
    case model_kind::late_interaction:
        return "late interaction (ColBERT)";
    default:
        return "MICE";
    }
}

/// The canonical JSON text of a configuration.
[[nodiscard]] std::string config_to_json(const model_config& config);

/// Reads and validates a configuration as config_to_json writes it: every key must be there and no
/// other. Throws errc::format, errc::config or errc::unsupported.
[[nodiscard]] model_config config_from_json(std::string_view text);

MICE_NAMESPACE_END

#if !MICE_COMPILED
#include <mice/model/config_json_impl.hpp>
#endif
