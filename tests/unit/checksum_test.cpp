// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/random_model.hpp"

#include <mice/io/checksum.hpp>

using fixtures::bytes_of;

TEST_CASE("checksums are those of XXH3 with seed 0") {
    using namespace mice::io;
    // From the test vectors of xxHash, in its canonical form.
    REQUIRE(hex_digits(checksum64({})) == "2d06800538d394c2");
    REQUIRE(hex_digits(checksum128({})) == "99aa06d3014798d86001c324468d497f");
    REQUIRE(hex_digits(std::uint64_t{0}) == "0000000000000000");
    REQUIRE(hex_digits(0x0123456789abcdefU) == "0123456789abcdef");
    REQUIRE(checksum64(bytes_of("a")) != checksum64(bytes_of("b")));
}

TEST_CASE("a hash over pieces is the hash of the whole, and items are kept apart") {
    using namespace mice::io;
    hasher128 pieces;
    pieces.add(bytes_of("one "));
    pieces.add({});
    pieces.add(bytes_of("two"));
    REQUIRE(pieces.digest() == checksum128(bytes_of("one two")));
    hasher128 first;
    first.add_text("ab");
    first.add_text("c");
    hasher128 second;
    second.add_text("a");
    second.add_text("bc");
    REQUIRE_FALSE(first.digest() == second.digest());
}
