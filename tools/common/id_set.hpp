// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/io/checksum.hpp>

namespace mice::tools {

/// The set of ids seen so far, as hashes of 128 bits: 24 to 48 bytes an id, however long it is. Not
/// thread-safe.
class id_set {
  public:
    [[nodiscard]] bool contains(std::string_view id) const {
        return !slots_.empty() && slots_[slot_of(key(id))] != io::hash128{};
    }
    /// Adds an id; false if it was there already.
    bool insert(std::string_view id) {
        if (3 * (count_ + 1) > 2 * slots_.size()) {
            grow();
        }
        const io::hash128 hash = key(id);
        io::hash128& slot = slots_[slot_of(hash)];
        if (slot == hash) {
            return false;
        }
        slot = hash;
        ++count_;
        return true;
    }

  private:
    /// Never the value of an empty slot.
    static io::hash128 key(std::string_view id) {
        io::hash128 hash = io::checksum128(std::as_bytes(std::span(id)));
        hash.low |= hash == io::hash128{} ? 1U : 0U;
        return hash;
    }
    /// Where a hash is, or the free slot where it belongs.
    [[nodiscard]] std::size_t slot_of(const io::hash128& hash) const {
        const std::size_t mask = slots_.size() - 1;
        std::size_t at = static_cast<std::size_t>(hash.low) & mask;
        while (slots_[at] != io::hash128{} && slots_[at] != hash) {
            at = (at + 1) & mask;
        }
        return at;
    }
    void grow() {
        std::vector<io::hash128> old(slots_.empty() ? 64 : slots_.size() * 2);
        std::swap(old, slots_);
        for (const io::hash128& each : old) {
            if (each != io::hash128{}) {
                slots_[slot_of(each)] = each;
            }
        }
    }

    std::vector<io::hash128> slots_; ///< a power of two
    std::size_t count_ = 0;
};

} // namespace mice::tools
