// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace fixtures {

/// A seeded generator (splitmix64) whose numbers are the same on every system, which those of the
/// standard distributions are not.
class random_numbers {
  public:
    explicit random_numbers(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next() {
        state_ += 0x9e3779b97f4a7c15U;
        std::uint64_t value = state_;
        value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9U;
        value = (value ^ value >> 27) * 0x94d049bb133111ebU;
        return value ^ value >> 31;
    }
    /// A whole number below `limit`, which is not 0.
    std::size_t below(std::size_t limit) { return static_cast<std::size_t>(next() % limit); }
    float between(float low, float high) {
        return low + (high - low) * (static_cast<float>(next() >> 40) * 0x1p-24F);
    }
    std::vector<float> floats(std::size_t count, float low = -1, float high = 1) {
        std::vector<float> values(count);
        for (float& value : values) {
            value = between(low, high);
        }
        return values;
    }

  private:
    std::uint64_t state_;
};

} // namespace fixtures
