// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/error.hpp>
#include <mice/io/safetensors.hpp>
#include <mice/kernels/convert.hpp>
#include <mice/kernels/set.hpp>
#include <mice/model/tensors.hpp>
#include <mice/parallel/parallel_for.hpp>
#include <mice/precision.hpp>

MICE_NAMESPACE_BEGIN

namespace detail {

/// NaN and infinity have all exponent bits set, in each of the three float formats.
template <class Bits> bool all_finite(std::span<const std::byte> bytes, Bits exponent) {
    bool finite = true;
    for (std::size_t i = 0; i + sizeof(Bits) <= bytes.size(); i += sizeof(Bits)) {
        Bits value;
        std::memcpy(&value, bytes.data() + i, sizeof value);
        finite = finite && (value & exponent) != exponent;
    }
    return finite;
}

inline bool all_finite(const io::tensor_view& view) {
    switch (view.type) {
    case io::dtype::f32:
        return all_finite<std::uint32_t>(view.bytes, 0x7f800000U);
    case io::dtype::f16:
        return all_finite<std::uint16_t>(view.bytes, std::uint16_t{0x7c00U});
    case io::dtype::bf16:
        return all_finite<std::uint16_t>(view.bytes, std::uint16_t{0x7f80U});
    default:
        return true;
    }
}

inline const io::tensor_view* checked_scales(const io::safetensors& file,
                                             const tensor_requirement& required, std::size_t rows) {
    const std::string name = scale_name(required.name);
    const io::tensor_view* scales = file.find(name);
    if (scales == nullptr) {
        throw errors::missing_tensor(name);
    }
    if (scales->type != io::dtype::f32 || scales->shape != io::tensor_shape{rows}) {
        throw errors::bad_tensor(name, "F32 " + io::tensor_shape{rows}.text(),
                                 std::string(io::name_of(scales->type)) + " " +
                                     scales->shape.text());
    }
    if (!all_finite(*scales)) {
        throw errors::bad_tensor(name, "finite values", "NaN or infinity");
    }
    return scales;
}

} // namespace detail

namespace nn {

/// One weight tensor inside a model file, read as float rows whatever it is stored as. A view: the
/// file's bytes must outlive it. Safe to read from many threads.
class weight_view {
  public:
    weight_view() = default;
    weight_view(const io::tensor_view& values, const io::tensor_view* scales, std::size_t rows,
                std::size_t columns)
        : values_(values),
          scales_(scales != nullptr ? scales->bytes : std::span<const std::byte>{}), rows_(rows),
          columns_(columns) {}

    /// True where the file holds 8-bit integers and scales.
    [[nodiscard]] bool is_int8() const noexcept { return values_.type == io::dtype::i8; }
    [[nodiscard]] std::size_t rows() const noexcept { return rows_; }
    [[nodiscard]] std::size_t columns() const noexcept { return columns_; }

    /// Writes row `index` < rows() to out [columns].
    void read_row(std::size_t index, float* out) const {
        const std::byte* source =
            values_.bytes.data() + index * columns_ * io::bytes_of(values_.type);
        switch (values_.type) {
        case io::dtype::f32:
            std::memcpy(out, source, columns_ * sizeof(float));
            return;
        case io::dtype::f16:
            kernels::read_floats<std::uint16_t>(
                source, columns_, out, [](std::uint16_t v) { return kernels::half_to_float(v); });
            return;
        case io::dtype::bf16:
            kernels::read_floats<std::uint16_t>(
                source, columns_, out, [](std::uint16_t v) { return kernels::bf16_to_float(v); });
            return;
        default: {
            const float scale = row_scale(index);
            kernels::read_floats<std::int8_t>(source, columns_, out, [scale](std::int8_t v) {
                return static_cast<float>(v) * scale;
            });
        }
        }
    }

    /// Of 8-bit integers: the bytes of row `index` < rows(), [columns].
    [[nodiscard]] const std::byte* row_bytes(std::size_t index) const {
        return values_.bytes.data() + index * columns_;
    }
    /// Of 8-bit integers: the scale of row `index` < rows(), the weight that 1 stands for.
    [[nodiscard]] float row_scale(std::size_t index) const {
        float scale = 0;
        std::memcpy(&scale, scales_.data() + index * sizeof(float), sizeof scale);
        return scale;
    }

    /// The whole tensor as floats [rows, columns].
    [[nodiscard]] std::vector<float> floats() const {
        std::vector<float> result(rows_ * columns_);
        for (std::size_t row = 0; row < rows_; ++row) {
            read_row(row, result.data() + row * columns_);
        }
        return result;
    }

  private:
    io::tensor_view values_;
    std::span<const std::byte> scales_;
    std::size_t rows_ = 0;
    std::size_t columns_ = 0;
};

/// Every weight of a model file, checked against its configuration. The file's bytes must outlive
/// it. For one thread: layers defer work to it.
class weights {
  public:
    /// Throws errc::tensor for a missing, unknown, wrongly typed or wrongly shaped tensor, and for
    /// a value that is not finite.
    weights(const io::safetensors& file, const model_config& config,
            precision computed = precision::f32);

    /// The product that attention uses for queries with keys, and for weights with values.
    [[nodiscard]] kernels::product_kind activation_product() const noexcept {
        return precision_ == precision::f32 ? kernels::product_kind::f32
                                            : kernels::product_kind::bf16;
    }
    /// The product that absorbed attention uses with the states of documents.
    [[nodiscard]] kernels::product_kind state_product() const noexcept {
        return precision_ == precision::int8 ? kernels::product_kind::int8 : activation_product();
    }
    /// The product that a linear layer with that weight uses.
    [[nodiscard]] kernels::product_kind product_of(const weight_view& weight) const noexcept {
        const bool kept = has_int8_ && !weight.is_int8(); // the converter was told to keep it
        return precision_ == precision::int8 && !kept ? kernels::product_kind::int8
                                                      : activation_product();
    }

    /// The weight of that canonical name; it is among required_tensors of the configuration.
    [[nodiscard]] const weight_view& operator[](std::string_view name) const {
        const auto found = views_.find(name);
        if (found == views_.end()) {
            throw errors::missing_tensor(name);
        }
        return found->second;
    }

    /// Queues work that layers leave to the end of loading, where threads share it.
    void defer(std::function<void()> work) const { deferred_.push_back(std::move(work)); }
    /// Does that work. The views must still be valid.
    void run_deferred(const parallel_options& where) const {
        const std::vector<std::function<void()>> work = std::exchange(deferred_, {});
        parallel::parallel_for(work.size(), where, [&](std::size_t i) { work[i](); });
    }

  private:
    void add(const io::safetensors& file, const tensor_requirement& required);

    std::map<std::string, weight_view, std::less<>> views_;
    precision precision_ = precision::f32; // not automatic
    bool has_int8_ = false;                // of the matrices that are not embeddings
    mutable std::vector<std::function<void()>> deferred_;
};

inline void weights::add(const io::safetensors& file, const tensor_requirement& required) {
    const io::tensor_view* view = file.find(required.name);
    if (view == nullptr) {
        throw errors::missing_tensor(required.name);
    }
    if (view->shape != required.shape) {
        throw errors::bad_tensor(required.name, "shape " + required.shape.text(),
                                 view->shape.text());
    }
    const bool is_vector = required.role == tensor_role::vector;
    const bool is_float = view->type == io::dtype::f32 || view->type == io::dtype::f16 ||
                          view->type == io::dtype::bf16;
    if (!is_float && (is_vector || view->type != io::dtype::i8)) {
        throw errors::bad_tensor(required.name,
                                 is_vector ? "F32, F16 or BF16" : "F32, F16, BF16 or I8",
                                 io::name_of(view->type));
    }
    if (!detail::all_finite(*view)) {
        throw errors::bad_tensor(required.name, "finite values", "NaN or infinity");
    }
    const std::size_t columns = required.shape[required.shape.rank() - 1];
    const std::size_t rows = view->elements() / columns;
    const io::tensor_view* scales =
        is_float ? nullptr : detail::checked_scales(file, required, rows);
    views_.emplace(required.name, weight_view(*view, scales, rows, columns));
}

inline weights::weights(const io::safetensors& file, const model_config& config, precision computed)
    : precision_(resolved(computed)) {
    // Every layer has at least 5 tensors, so a small file cannot ask for a list of a thousand
    // layers.
    const std::size_t layers = config.layers + config.query_layers + config.interaction_layers +
                               (config.bound_bottom_layers ? 0 : config.document_layers);
    if (layers > file.tensors().size() / 5) {
        throw errors::too_many_layers(layers, file.tensors().size());
    }
    std::set<std::string, std::less<>> known{"tokenizer.vocabulary", "tokenizer.merges",
                                             "tokenizer.sentencepiece", "tokenizer.scores",
                                             "tokenizer.charsmap"};
    for (const tensor_requirement& required : required_tensors(config)) {
        add(file, required);
        const io::tensor_view& view = *file.find(required.name);
        known.insert(required.name);
        if (view.type == io::dtype::i8) {
            has_int8_ = has_int8_ || required.role == tensor_role::matrix;
            known.insert(scale_name(required.name));
        }
    }
    for (const auto& [name, view] : file.tensors()) {
        if (!known.contains(name) && !std::string_view(name).starts_with("selftest.")) {
            throw errors::unknown_tensor(name);
        }
    }
}

} // namespace nn
MICE_NAMESPACE_END
