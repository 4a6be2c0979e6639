// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include <mice/document.hpp>

namespace mice::serve {

/// Encoded documents by their text, within a number of bytes; the ones that were not asked for the
/// longest go first. A text is found by a hash and then compared, so that no two texts that were
/// made to collide take each other's scores. Any thread may use it.
class document_cache {
  public:
    /// 0 bytes: keeps nothing.
    explicit document_cache(std::size_t bytes) : limit_(bytes) {}

    struct entry {
        document encoded;
        bool whole = false; ///< the text is known to be one passage, so it need not be cut
    };

    /// The document of a text, which stays as long as it is held; null where there is none.
    [[nodiscard]] std::shared_ptr<const entry> find(std::string_view text);
    /// Whether a document is there, of a text that is known to be one passage.
    [[nodiscard]] bool knows_whole(std::string_view text) const;
    /// Keeps a document, unless it alone takes more than all that there is.
    void put(std::string_view text, std::shared_ptr<const entry> made);

    struct counts {
        std::uint64_t hits = 0, misses = 0;
        std::size_t documents = 0, bytes = 0;
    };
    [[nodiscard]] counts counted() const;
    [[nodiscard]] std::size_t limit() const noexcept { return limit_; }

    /// Bytes that a document takes here, about.
    [[nodiscard]] static std::size_t bytes_of(std::string_view text, const document& encoded);

  private:
    struct slot {
        std::string text;
        std::shared_ptr<const entry> kept;
        std::size_t bytes = 0;
    };
    using slots = std::list<slot>; // the latest first

    /// Moves the text's slot to the front. The lock is held.
    [[nodiscard]] std::shared_ptr<const entry> touch(std::string_view text);

    const std::size_t limit_;
    mutable std::mutex mutex_;
    slots slots_;
    std::unordered_map<std::string_view, slots::iterator> places_; // of the slots' own texts
    counts counts_;
};

} // namespace mice::serve
