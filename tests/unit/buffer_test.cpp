// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"

#include <cstdint>
#include <limits>
#include <new>
#include <utility>

#include <mice/kernels/buffer.hpp>

using mice::kernels::buffer;

TEST_CASE("a buffer stands at a cache line and can be written to its end") {
    for (std::size_t count = 1; count < 200; count += 7) {
        buffer memory(count);
        REQUIRE(memory.capacity() >= count);
        REQUIRE(reinterpret_cast<std::uintptr_t>(memory.data()) % 64 == 0);
        for (std::size_t i = 0; i < count; ++i) {
            memory.data()[i] = static_cast<float>(i);
        }
        CHECK(std::as_const(memory).data()[count - 1] == static_cast<float>(count - 1));
    }
}

TEST_CASE("a buffer keeps its memory and values while it is large enough") {
    buffer memory;
    CHECK(memory.data() == nullptr);
    CHECK(memory.capacity() == 0);
    CHECK(memory.reserve(0) == nullptr);
    float* first = memory.reserve(100);
    first[0] = 42;
    CHECK(memory.reserve(100) == first);
    CHECK(memory.reserve(1) == first);
    CHECK(memory.reserve(0) == first);
    CHECK(first[0] == 42);
    CHECK(memory.capacity() == 100);
    CHECK(memory.reserve(101) != nullptr);
    CHECK(memory.capacity() == 101);
}

TEST_CASE("a buffer refuses a size whose bytes do not fit and stays usable") {
    buffer memory(10);
    const std::size_t most = std::numeric_limits<std::size_t>::max();
    for (const std::size_t count : {most, most / 2, most / 4, most / 8 + 1}) {
        CHECK_THROWS_AS(static_cast<void>(memory.reserve(count)), std::bad_alloc);
    }
    float* data = memory.reserve(20);
    data[19] = 1;
    CHECK(memory.capacity() == 20);
}

TEST_CASE("a moved buffer takes its memory along") {
    buffer source(16);
    float* data = source.data();
    data[15] = 3;
    buffer target = std::move(source);
    CHECK(target.data() == data);
    CHECK(target.data()[15] == 3);
    buffer assigned(4);
    assigned = std::move(target);
    CHECK(assigned.data() == data);
    CHECK(assigned.capacity() == 16);
}

TEST_CASE("a buffer whose memory was moved away gets new memory") {
    buffer source(16);
    const buffer target = std::move(source);
    CHECK(target.capacity() == 16);
    CHECK(source.capacity() == 0); // NOLINT: what a moved buffer is
    float* data = source.reserve(10);
    REQUIRE(data != nullptr);
    data[9] = 1;
    CHECK(data != target.data());
}

TEST_CASE("a buffer grows over the size from which the system gives its memory") {
    buffer memory;
    constexpr std::size_t border = (std::size_t{256} << 10) / sizeof(float);
    for (const std::size_t count : {border - 1, border, border + 1, 3 * border, 40 * border}) {
        float* data = memory.reserve(count);
        REQUIRE(memory.capacity() == count);
        REQUIRE(reinterpret_cast<std::uintptr_t>(data) % 64 == 0);
        data[0] = 1;
        data[count - 1] = 2;
        CHECK(data[0] + data[count - 1] == 3);
    }
}
