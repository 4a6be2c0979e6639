// SPDX-License-Identifier: Apache-2.0
#include "store_weights.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <utility>

#include <mice/kernels/convert.hpp>

#include "common/tensor_values.hpp"
#include "messages.hpp"

namespace mice::tools {
namespace {

bool is_kept(const tensor_requirement& need, const std::string& part) {
    return need.role == tensor_role::matrix && need.name.find(part) != std::string::npos;
}

void check_kept(std::span<const tensor_requirement> required, const storage_options& options) {
    if (!options.keep_f16.empty() && options.format != weight_format::int8) {
        throw messages::keep_without_int8();
    }
    for (const std::string& part : options.keep_f16) {
        if (part.empty() || std::none_of(required.begin(), required.end(),
                                         [&](const auto& need) { return is_kept(need, part); })) {
            const auto matrix =
                std::find_if(required.begin(), required.end(),
                             [](const auto& need) { return need.role == tensor_role::matrix; });
            throw messages::keep_fits_nothing(part, matrix->name);
        }
    }
}

io::dtype stored_type(const tensor_requirement& need, const storage_options& options) {
    if (need.role == tensor_role::vector || options.format == weight_format::f32) {
        return io::dtype::f32;
    }
    if (options.format == weight_format::f16 ||
        std::any_of(options.keep_f16.begin(), options.keep_f16.end(),
                    [&need](const std::string& part) { return is_kept(need, part); })) {
        return io::dtype::f16;
    }
    // Every token adds a row of these two small tables to its word's, so their error hits all rows
    // alike and costs far more accuracy than it saves space.
    const bool added_to_all = need.name == "embeddings.position_embeddings.weight" ||
                              need.name == "embeddings.token_type_embeddings.weight";
    return added_to_all ? io::dtype::f32 : io::dtype::i8;
}

std::string_view group_of(std::string_view name) {
    if (name.starts_with("embeddings")) {
        return "embeddings";
    }
    if (name.find("bottom_layers.") != std::string_view::npos) {
        return "contextualization layers";
    }
    if (name.starts_with("layers.")) {
        return "layers";
    }
    return name.starts_with("top_layers.") || name.starts_with("exact_match_heads.")
               ? "interaction layers"
               : "adapter and head";
}

/// Sums over one group, which give its rounding_error.
struct error_sums {
    double squared_errors = 0, squared_weights = 0, largest = 0;

    void add(std::span<const double> exact, std::span<const double> stored) {
        double errors = 0;
        double weights = 0;
        double most = 0;
        for (std::size_t i = 0; i < exact.size(); ++i) {
            const double difference = std::abs(exact[i] - stored[i]);
            errors += difference * difference;
            weights += exact[i] * exact[i];
            most = std::max(most, difference);
        }
        if (weights > 0) {
            const double scale = std::sqrt(weights / static_cast<double>(exact.size()));
            largest = std::max(largest, most / scale);
        }
        squared_errors += errors;
        squared_weights += weights;
    }
};

/// A tensor's bytes while they are written.
template <class Value> class typed_bytes {
  public:
    explicit typed_bytes(std::size_t size) : bytes_(size * sizeof(Value)) {}
    void set(std::size_t index, Value value) {
        std::memcpy(bytes_.data() + index * sizeof value, &value, sizeof value);
    }
    std::vector<std::byte> take() { return std::move(bytes_); }

  private:
    std::vector<std::byte> bytes_;
};

class weight_store {
  public:
    explicit weight_store(storage_options options) : options_(std::move(options)) {
        result_.format = options_.format;
    }

    void add(const tensor_requirement& need, const io::tensor_view& view) {
        const std::vector<float> values = float_values(view);
        const auto bad = std::find_if_not(values.begin(), values.end(),
                                          [](float value) { return std::isfinite(value); });
        if (bad != values.end()) {
            throw messages::not_finite(need.name, static_cast<std::size_t>(bad - values.begin()));
        }
        result_.parameters += values.size();
        const io::dtype type = stored_type(need, options_);
        if (type == view.type) {
            result_.tensors[need.name] = view;
        } else if (type == io::dtype::f32) {
            add_float(need, values);
        } else if (type == io::dtype::f16) {
            add_half(need, values);
        } else {
            add_int8(need, values);
        }
        const bool exact =
            type == view.type || (type == io::dtype::f32 && view.type != io::dtype::f64);
        if (!exact) {
            note_errors(need.name, view);
        }
    }

    stored_weights take() {
        for (const auto& [group, sums] : sums_) {
            const double rms = sums.squared_weights > 0
                                   ? std::sqrt(sums.squared_errors / sums.squared_weights)
                                   : 0;
            result_.errors.push_back({group, sums.largest, rms});
        }
        return std::move(result_);
    }

  private:
    void put(const std::string& name, io::dtype type, const io::tensor_shape& shape,
             std::vector<std::byte> bytes) {
        const auto& kept = result_.buffers.emplace_back(std::move(bytes));
        result_.tensors[name] = {type, shape, kept};
    }

    void add_float(const tensor_requirement& need, const std::vector<float>& values) {
        typed_bytes<float> out(values.size());
        for (std::size_t i = 0; i < values.size(); ++i) {
            out.set(i, values[i]);
        }
        put(need.name, io::dtype::f32, need.shape, out.take());
    }

    void add_half(const tensor_requirement& need, const std::vector<float>& values) {
        typed_bytes<std::uint16_t> out(values.size());
        for (std::size_t i = 0; i < values.size(); ++i) {
            const std::uint16_t half = kernels::float_to_half(values[i]);
            if (!std::isfinite(kernels::half_to_float(half))) {
                throw messages::half_overflow(need.name, std::to_string(values[i]));
            }
            out.set(i, half);
        }
        put(need.name, io::dtype::f16, need.shape, out.take());
    }

    /// Symmetric, one scale per row: value = stored * scale with stored in -127..127.
    void add_int8(const tensor_requirement& need, const std::vector<float>& values) {
        const std::size_t rows = need.shape[0];
        const std::size_t columns = need.shape[1];
        typed_bytes<std::int8_t> out(values.size());
        typed_bytes<float> scales(rows);
        for (std::size_t row = 0; row < rows; ++row) {
            const std::span<const float> line(values.data() + row * columns, columns);
            const float scale = row_scale(line);
            scales.set(row, scale);
            for (std::size_t i = 0; i < columns; ++i) {
                const double steps =
                    std::nearbyint(static_cast<double>(line[i]) / static_cast<double>(scale));
                out.set(row * columns + i,
                        static_cast<std::int8_t>(std::clamp(steps, -127.0, 127.0)));
            }
        }
        put(need.name, io::dtype::i8, need.shape, out.take());
        put(scale_name(need.name), io::dtype::f32, {rows}, scales.take());
    }

    /// A row of zeros, or of numbers so small that the scale would lose its precision, is stored as
    /// zeros with scale 1.
    static float row_scale(std::span<const float> row) {
        float largest = 0;
        for (const float value : row) {
            largest = std::max(largest, std::abs(value));
        }
        const float scale = largest / 127.0F;
        return scale >= std::numeric_limits<float>::min() ? scale : 1.0F;
    }

    void note_errors(const std::string& name, const io::tensor_view& exact) {
        const io::tensor_view& stored = result_.tensors.find(name)->second;
        const auto scale = result_.tensors.find(scale_name(name));
        std::vector<double> before(exact.elements());
        std::vector<double> after(before.size());
        const std::size_t columns = exact.shape.rank() == 2 ? exact.shape[1] : 1;
        for (std::size_t i = 0; i < before.size(); ++i) {
            before[i] = value_at(exact, i);
            after[i] = value_at(stored, i);
            if (stored.type == io::dtype::i8) {
                after[i] *= value_at(scale->second, i / columns);
            }
        }
        sums_[std::string(group_of(name))].add(before, after);
    }

    storage_options options_; ///< in the chosen format
    stored_weights result_;
    std::map<std::string, error_sums> sums_;
};

} // namespace

std::string_view format_name(weight_format format) {
    constexpr std::array<std::string_view, 4> names{"as given", "f32", "f16", "int8"};
    return names[static_cast<std::size_t>(format)];
}

weight_format chosen_format(const checkpoint& weights, std::span<const tensor_requirement> required,
                            weight_format asked) {
    if (asked != weight_format::as_given) {
        return asked;
    }
    const bool all_half =
        std::all_of(required.begin(), required.end(), [&weights](const tensor_requirement& need) {
            return need.role == tensor_role::vector ||
                   weights.tensors.find(need.name)->second.type == io::dtype::f16;
        });
    return all_half ? weight_format::f16 : weight_format::f32;
}

stored_weights store_weights(const checkpoint& weights,
                             std::span<const tensor_requirement> required,
                             const storage_options& options) {
    check_kept(required, options);
    weight_store store(options);
    for (const tensor_requirement& need : required) {
        store.add(need, weights.tensors.find(need.name)->second);
    }
    return store.take();
}

} // namespace mice::tools
