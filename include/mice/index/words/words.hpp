// SPDX-License-Identifier: Apache-2.0
#pragma once

/// The words that an index keeps for BM25: how they are collected and joined, read and searched.
#include <mice/index/words/bm25.hpp>
#include <mice/index/words/builder.hpp>
#include <mice/index/words/view.hpp>
