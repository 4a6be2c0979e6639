// SPDX-License-Identifier: Apache-2.0
#pragma once

/// The words that an index keeps for BM25: how they are collected and joined, read and searched.
#include <mice/store/bm25.hpp>
#include <mice/store/words_builder.hpp>
#include <mice/store/words_view.hpp>
