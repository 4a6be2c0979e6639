// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <mice/codecs/block_codec.hpp>
#include <mice/codecs/f32_codec.hpp>
#include <mice/codecs/head_codec.hpp>
#include <mice/codecs/learn/train_quantiser.hpp>
#include <mice/codecs/product_quantiser.hpp>
#include <mice/codecs/row_codec.hpp>
#include <mice/model.hpp>

// The one list of codecs. Whoever adds one writes its header, an entry here, and a row of the
// tables in docs/index.md and docs/format.md.
MICE_NAMESPACE_BEGIN
namespace store {

/// What the rest of an index, the programs and the messages know of a codec.
struct codec_kind {
    /// As an index keeps it. A kind of many names writes N for the number in them: "pqN".
    std::string_view name;
    std::string_view alias = {};   ///< another name that may be asked for
    std::string_view example = {}; ///< where N is a number: a good name to begin with
    /// It stores the keys and values of every interaction layer instead of the states.
    bool key_values = false;
    /// Stores rows under its full name. `parameters` are what learn() gave, else empty. Throws
    /// errc::format for parameters that do not fit.
    std::unique_ptr<const row_codec> (*make)(const std::string& name, const model& engine,
                                             std::span<const std::byte> parameters) = nullptr;
    /// Whether a name is of this kind; null: only its own.
    bool (*takes)(std::string_view name) = nullptr;
    /// Throws errc::invalid_argument where the number in the name does not fit the model; or null.
    void (*check)(const std::string& name, const model_config& config) = nullptr;
    /// Rows of states that learn() wants at least to see.
    std::size_t training_rows = 0;
    /// Parameters from at least one row of states; null: there is nothing to learn.
    std::vector<std::byte> (*learn)(const std::string& name, const model& engine,
                                    const document_rows& sample,
                                    const parallel_options& where) = nullptr;
};

namespace detail {

template <class Codec>
std::unique_ptr<const row_codec> make_plain(const std::string& name, const model& engine,
                                            std::span<const std::byte>) {
    return std::make_unique<Codec>(name, engine.config().state_width());
}

inline std::unique_ptr<const row_codec>
make_head_codec(const std::string& name, const model& engine, std::span<const std::byte>) {
    const std::size_t width = engine.config().state_width();
    return std::make_unique<head_codec>(name, width, width / engine.config().interaction_heads());
}

inline std::unique_ptr<const row_codec> make_quantiser(const std::string& name, const model& engine,
                                                       std::span<const std::byte> parameters) {
    return std::make_unique<product_quantiser>(name, engine, parameters);
}

} // namespace detail

inline constexpr codec_kind codec_kinds[] = {
    {.name = "f32", .make = detail::make_plain<f32_codec>},
    // Who asks for 16-bit floats gets 16-bit integers behind a rotation: nearer to the states, and
    // hardly longer.
    {.name = "int16", .alias = "f16", .make = detail::make_plain<block_codec<16>>},
    {.name = "int8", .make = detail::make_plain<block_codec<8>>},
    {.name = "int4", .make = detail::make_plain<block_codec<4>>},
    {.name = "pqN",
     .example = "pq62",
     .make = detail::make_quantiser,
     .takes = [](std::string_view name) { return quantised_bytes(name).has_value(); },
     .check = check_quantiser,
     .training_rows = 32768,
     .learn = learn_quantiser},
    {.name = "kv-int16",
     .alias = "kv-f16",
     .key_values = true,
     .make = detail::make_plain<block_codec<16>>},
    {.name = "kv-int8", .key_values = true, .make = detail::make_head_codec},
};

/// The kind of the codec of that name, or null where there is none.
[[nodiscard]] inline const codec_kind* find_codec(std::string_view name) {
    const auto found = std::find_if(
        std::begin(codec_kinds), std::end(codec_kinds), [name](const codec_kind& each) {
            return each.takes != nullptr ? each.takes(name) : each.name == name;
        });
    return found == std::end(codec_kinds) ? nullptr : &*found;
}

/// The name that an index keeps of one that was asked for.
[[nodiscard]] inline std::string_view kept_codec_name(std::string_view asked) {
    for (const codec_kind& each : codec_kinds) {
        if (!asked.empty() && each.alias == asked) {
            return each.name;
        }
    }
    return asked;
}

/// The other name of a codec, or nothing.
[[nodiscard]] inline std::string_view codec_alias(std::string_view name) {
    const codec_kind* const kind = find_codec(name);
    return kind == nullptr ? std::string_view() : kind->alias;
}

/// Which codecs codec_names() lists.
enum class listed_codecs { all, of_states };

/// The codecs for people: "f32, int16, int8, int4, pqN (such as pq62), kv-int16, kv-int8".
[[nodiscard]] inline std::string codec_names(listed_codecs which = listed_codecs::all) {
    std::string names;
    for (const codec_kind& each : codec_kinds) {
        if (which == listed_codecs::all || !each.key_values) {
            names += names.empty() ? "" : ", ";
            names += each.name;
            names += each.example.empty() ? "" : " (such as " + std::string(each.example) + ")";
        }
    }
    return names;
}

} // namespace store
MICE_NAMESPACE_END
