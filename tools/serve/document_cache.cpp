// SPDX-License-Identifier: Apache-2.0
#include "serve/document_cache.hpp"

#include <utility>

namespace mice::serve {

std::size_t document_cache::bytes_of(std::string_view text, const document& encoded) {
    constexpr std::size_t overhead = 512; // of the list, the map and the document's own parts
    return text.size() + encoded.states().size_bytes() + encoded.ids().size_bytes() + overhead;
}

std::shared_ptr<const document_cache::entry> document_cache::touch(std::string_view text) {
    const auto found = places_.find(text);
    if (found == places_.end()) {
        return nullptr;
    }
    slots_.splice(slots_.begin(), slots_, found->second);
    return found->second->kept;
}

std::shared_ptr<const document_cache::entry> document_cache::find(std::string_view text) {
    const std::lock_guard lock(mutex_);
    auto found = touch(text);
    ++(found ? counts_.hits : counts_.misses);
    return found;
}

bool document_cache::knows_whole(std::string_view text) const {
    const std::lock_guard lock(mutex_);
    const auto found = places_.find(text);
    return found != places_.end() && found->second->kept->whole;
}

void document_cache::put(std::string_view text, std::shared_ptr<const entry> made) {
    const std::size_t bytes = bytes_of(text, made->encoded);
    if (bytes > limit_) {
        return;
    }
    slots dropped; // freed when the lock is open again
    const std::lock_guard lock(mutex_);
    if (const auto found = places_.find(text); found != places_.end()) {
        found->second->kept = std::move(made); // the same states; it may now be known to be whole
        return;
    }
    while (counts_.bytes + bytes > limit_) {
        const auto last = std::prev(slots_.end());
        counts_.bytes -= last->bytes;
        places_.erase(last->text);
        dropped.splice(dropped.begin(), slots_, last);
    }
    slots_.push_front({std::string(text), std::move(made), bytes});
    places_.emplace(slots_.front().text, slots_.begin());
    counts_.bytes += bytes;
}

document_cache::counts document_cache::counted() const {
    const std::lock_guard lock(mutex_);
    counts now = counts_;
    now.documents = slots_.size();
    return now;
}

} // namespace mice::serve
