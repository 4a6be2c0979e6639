// SPDX-License-Identifier: Apache-2.0
#include "checkpoint.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <string_view>
#include <utility>

#include <mice/model/config.hpp>
#include <mice/model/config_limits.hpp>

#include "common/json.hpp"
#include "common/nearest_name.hpp"
#include "messages.hpp"

namespace mice::tools {
namespace {

// Heads stand beside the backbone, so their names lack the backbone's prefix.
constexpr std::array<std::string_view, 7> head_prefixes{
    "classifier.", "cls.",     "linear.", "discriminator_predictions.",
    "head.",       "lm_head.", "decoder."};
constexpr std::array<std::string_view, 2> integer_buffers{"embeddings.position_ids",
                                                          "embeddings.token_type_ids"};

std::string_view text_of(const io::mapped_file& file) {
    return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

void add_file(checkpoint& weights, const std::filesystem::path& path) {
    weights.files.emplace_back(path);
    weights.paths.push_back(path);
    const io::safetensors contents = [&] {
        try {
            return io::safetensors(weights.files.back().bytes());
        } catch (const error& problem) {
            throw error(problem.code(), detail::errors::quoted(path.string()) + ": " +
                                            problem.what() + "; download the checkpoint again");
        }
    }();
    for (const auto& [name, view] : contents.tensors()) {
        if (!weights.tensors.emplace(name, view).second) {
            throw messages::bad_index("tensor " + detail::errors::quoted(name) +
                                      " is in two files");
        }
    }
}

using weight_map = std::map<std::string, std::string>;

weight_map read_index(const std::filesystem::path& path) {
    const io::mapped_file file(path);
    const json index = parse_json(text_of(file), path.filename().string());
    if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object()) {
        throw messages::bad_index("it holds no 'weight_map' object");
    }
    weight_map result;
    for (const auto& [tensor, shard] : index["weight_map"].items()) {
        if (!shard.is_string() || !is_plain_name(shard.get_ref<const std::string&>())) {
            throw messages::bad_index("the file of tensor " + detail::errors::quoted(tensor) +
                                      " is not a plain file name");
        }
        result.emplace(tensor, shard.get<std::string>());
    }
    return result;
}

void read_shards(checkpoint& weights, const std::filesystem::path& directory,
                 const weight_map& index) {
    std::vector<std::string> shards;
    for (const auto& [tensor, shard] : index) {
        shards.push_back(shard);
    }
    std::sort(shards.begin(), shards.end());
    shards.erase(std::unique(shards.begin(), shards.end()), shards.end());
    for (const std::string& shard : shards) {
        add_file(weights, directory / shard);
    }
    for (const auto& [tensor, shard] : index) {
        if (!weights.tensors.contains(tensor)) {
            throw messages::bad_index("tensor " + detail::errors::quoted(tensor) + " is not in " +
                                      detail::errors::quoted(shard));
        }
    }
    for (const auto& [tensor, view] : weights.tensors) {
        if (!index.contains(tensor)) {
            throw messages::bad_index("tensor " + detail::errors::quoted(tensor) +
                                      " is not listed");
        }
    }
}

template <class Rename> void rename_all(checkpoint& weights, const Rename& rename) {
    io::safetensors::tensor_map renamed;
    for (const auto& [name, view] : weights.tensors) {
        const std::string fresh = rename(name);
        if (!renamed.emplace(fresh, view).second) {
            throw messages::name_collision(fresh);
        }
    }
    weights.tensors = std::move(renamed);
}

bool is_head(std::string_view name) {
    return std::any_of(head_prefixes.begin(), head_prefixes.end(),
                       [name](std::string_view head) { return name.starts_with(head); });
}

/// The prefix of the word embeddings' name, which every model of ours has once; empty where there
/// is none, or where there are several.
std::string_view prefix_of(const checkpoint& weights) {
    constexpr std::array<std::string_view, 2> tables{"embeddings.word_embeddings.weight",
                                                     "embeddings.tok_embeddings.weight"};
    std::string_view prefix;
    std::size_t found = 0;
    for (const auto& [name, view] : weights.tensors) {
        for (const std::string_view table : tables) {
            if (name.ends_with(table)) {
                prefix = std::string_view(name).substr(0, name.size() - table.size());
                ++found;
            }
        }
    }
    return found == 1 && prefix.ends_with('.') ? prefix : std::string_view();
}

/// Whether most names have the prefix. One stray tensor of the training must not hide it.
bool stands_before_most(const checkpoint& weights, std::string_view prefix) {
    std::size_t with = 0;
    std::size_t without = 0;
    for (const auto& [name, view] : weights.tensors) {
        if (name.starts_with(prefix)) {
            ++with;
        } else if (!is_head(name)) {
            ++without;
        }
    }
    return with > without;
}

/// Removes the first part of the prefix, such as `module.` of `module.bert.`.
bool remove_one_prefix(checkpoint& weights) {
    const std::string_view all = prefix_of(weights);
    const std::string prefix(all.substr(0, all.find('.') + 1));
    if (all.empty() || !stands_before_most(weights, prefix)) {
        return false;
    }
    rename_all(weights, [&prefix](const std::string& name) {
        return name.starts_with(prefix) ? name.substr(prefix.size()) : name;
    });
    weights.notes.push_back("removed the prefix '" + prefix + "' from names");
    return true;
}

/// Checkpoints converted from TensorFlow call a norm's weight gamma and its bias beta.
std::string modern_norm_name(const std::string& name) {
    const auto replaced = [&name](std::string_view old, std::string_view fresh) {
        return name.substr(0, name.size() - old.size()) + std::string(fresh);
    };
    if (name.ends_with("LayerNorm.gamma")) {
        return replaced("gamma", "weight");
    }
    return name.ends_with("LayerNorm.beta") ? replaced("beta", "bias") : name;
}

} // namespace

bool is_plain_name(std::string_view name) {
    return !name.empty() && name != "." && name != ".." &&
           name.find_first_of(std::string_view("/\\:\0", 4)) == std::string_view::npos;
}

bool has_prefix(const checkpoint& weights, std::string_view prefix) {
    const auto place = weights.tensors.lower_bound(prefix);
    return place != weights.tensors.end() && place->first.starts_with(prefix);
}

std::size_t drop_prefix(checkpoint& weights, std::string_view prefix) {
    return std::erase_if(weights.tensors,
                         [prefix](const auto& entry) { return entry.first.starts_with(prefix); });
}

void drop_unwanted(checkpoint& weights, std::span<const std::string> names) {
    for (const std::string& name : names) {
        const bool beginning = name.ends_with('*');
        const std::size_t dropped =
            beginning ? drop_prefix(weights, std::string_view(name).substr(0, name.size() - 1))
                      : weights.tensors.erase(name);
        if (dropped == 0) {
            std::vector<std::string> known;
            for (const auto& [each, view] : weights.tensors) {
                known.push_back(each);
            }
            throw messages::drop_fits_nothing(name, nearest_name(name, known));
        }
        weights.notes.push_back("dropped '" + name + "', as asked: " + std::to_string(dropped) +
                                (dropped == 1 ? " tensor" : " tensors"));
    }
}

std::size_t count_layers(const checkpoint& weights, std::string_view prefix) {
    std::size_t count = 0;
    for (auto place = weights.tensors.lower_bound(prefix);
         place != weights.tensors.end() && place->first.starts_with(prefix); ++place) {
        const std::string_view rest = std::string_view(place->first).substr(prefix.size());
        std::size_t index = 0;
        const auto [end, code] = std::from_chars(rest.data(), rest.data() + rest.size(), index);
        if (code == std::errc() && index < detail::largest_depth) {
            count = std::max(count, index + 1);
        }
    }
    return count;
}

checkpoint read_checkpoint(const std::filesystem::path& directory) {
    checkpoint weights;
    const auto exists = [&directory](const char* name) {
        std::error_code ignored;
        return std::filesystem::exists(directory / name, ignored);
    };
    if (exists("model.safetensors")) {
        add_file(weights, directory / "model.safetensors");
    } else if (exists("model.safetensors.index.json")) {
        read_shards(weights, directory, read_index(directory / "model.safetensors.index.json"));
    } else if (exists("pytorch_model.bin") || exists("pytorch_model.bin.index.json")) {
        throw messages::pickle_only(directory.string());
    } else {
        throw messages::no_weights(directory.string());
    }
    return weights;
}

void normalise_names(checkpoint& weights) {
    while (remove_one_prefix(weights)) {
    }
    const auto is_old = [](const auto& entry) {
        return modern_norm_name(entry.first) != entry.first;
    };
    if (std::any_of(weights.tensors.begin(), weights.tensors.end(), is_old)) {
        rename_all(weights, modern_norm_name);
        weights.notes.emplace_back("renamed LayerNorm.gamma and beta to weight and bias");
    }
    constexpr std::string_view bert_layers = "encoder.layer.";
    if (has_prefix(weights, bert_layers)) { // which ModernBERT calls layers
        rename_all(weights, [&](const std::string& name) {
            return name.starts_with(bert_layers) ? "layers." + name.substr(bert_layers.size())
                                                 : name;
        });
        weights.notes.emplace_back("renamed encoder.layer.* to layers.*");
    }
    for (const std::string_view buffer : integer_buffers) {
        const auto found = weights.tensors.find(buffer);
        if (found != weights.tensors.end()) {
            weights.tensors.erase(found);
            weights.notes.push_back("dropped the buffer '" + std::string(buffer) + "'");
        }
    }
}

} // namespace mice::tools
