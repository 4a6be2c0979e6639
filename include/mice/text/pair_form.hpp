// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mice/config.hpp>

MICE_NAMESPACE_BEGIN

/// How the markers stand around two texts.
enum class pair_form {
    bert,   ///< [CLS] a [SEP] b [SEP]; type ids 0 up to the first [SEP], then 1
    roberta ///< [CLS] a [SEP] [SEP] b [SEP]; type ids 0
};

MICE_NAMESPACE_END
