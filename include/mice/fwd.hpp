// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mice/config.hpp>

// The names of the public classes, for headers that only pass them on.
MICE_NAMESPACE_BEGIN

class cancellation;
class document;
class error;
class executor;
class index;
class model;
class query;
class reranker;
class tokenizer;
struct highlights;
struct model_config;
struct rank_options;
struct ranking;

namespace detail {
class attention_call;
class highlighter;
class source;
struct encoded_query;
} // namespace detail
namespace io {
class safetensors;
}

MICE_NAMESPACE_END
