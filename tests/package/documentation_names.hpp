// SPDX-License-Identifier: Apache-2.0
#pragma once

// Names that a code block of the documentation may use without declaring them.
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <mice/mice.hpp>

extern const mice::reranker ranker;
extern const std::string query;
extern const std::string text;
extern const std::vector<std::string> passages;
extern const std::vector<mice::document> documents;

/// Stands for what an app does with its values.
template <class... Values> void use(const Values&...) {}
