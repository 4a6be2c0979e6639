// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include <mice/networks/cross_encoder.hpp>
#include <mice/networks/late_interaction.hpp>
#include <mice/networks/mice.hpp>

MICE_NAMESPACE_BEGIN
namespace nn {

/// The network of a model's kind. Packs the weights on the threads that `loading` names.
[[nodiscard]] inline std::unique_ptr<const network>
make_network(const weights& source, const model_config& config, const parallel_options& loading) {
    std::unique_ptr<const network> made;
    switch (config.kind) {
    case model_kind::mice:
        made = std::make_unique<const mice_network>(source, config);
        break;
    case model_kind::cross_encoder:
        made = std::make_unique<const cross_encoder>(source, config);
        break;
    case model_kind::late_interaction:
        made = std::make_unique<const late_interaction>(source, config);
        break;
    }
    source.run_deferred(loading);
    return made;
}

} // namespace nn
MICE_NAMESPACE_END
