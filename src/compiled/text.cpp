// SPDX-License-Identifier: Apache-2.0
// Tokenizers, and cutting texts, which looks at what a tokenizer is.
#include <mice/passages_impl.hpp>
#include <mice/sentences_impl.hpp>
#include <mice/text/text_range_impl.hpp>
#include <mice/text/tokenizer_impl.hpp>
