// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace mice::tools {

/// The stem of a lower-case English word, by Porter's algorithm (M. F. Porter, "An algorithm for
/// suffix stripping", Program 14(3), 1980). Words with other bytes than a-z, and words of one or
/// two letters, stay as they are.
[[nodiscard]] std::string porter_stem(std::string word);

} // namespace mice::tools
