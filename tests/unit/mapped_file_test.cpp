// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "../support/random_model.hpp"
#include "../support/temporary_file.hpp"

#include <cstring>
#include <initializer_list>
#include <utility>

#include <mice/io/mapped_file.hpp>
#include <mice/model.hpp>

#if !defined(_WIN32)
#include <sys/stat.h>
#endif

namespace {

/// A list of numbers to loop over.
using sizes = std::initializer_list<std::size_t>;

using fixtures::catch_error;
using fixtures::caught_error;
using mice::io::mapped_file;

caught_error map_error(const std::filesystem::path& path) {
    return catch_error([&] { const mapped_file mapped(path); });
}

} // namespace

TEST_CASE("a mapped file has the file's bytes") {
    for (const std::size_t size : sizes{1, 2, 4095, 4096, 4097, 100000}) {
        std::vector<std::byte> bytes(size);
        for (std::size_t i = 0; i < size; ++i) {
            bytes[i] = static_cast<std::byte>(i * 7 + i / 256);
        }
        const fixtures::temporary_file file("bytes with a space", bytes);
        const mapped_file mapped(file.path());
        REQUIRE(mapped.bytes().size() == size);
        mapped.expect_small_reads(); // advice changes nothing
        mapped.prefetch(0, size);
        mapped.prefetch(size - 1, 1);
        mapped.prefetch(size, 0);
        CHECK(std::memcmp(mapped.bytes().data(), bytes.data(), size) == 0);
    }
}

TEST_CASE("an empty file maps to no bytes and is no model") {
    const fixtures::temporary_file file("empty", {});
    CHECK(mapped_file(file.path()).bytes().empty());
    CHECK(mapped_file().bytes().empty());
    CHECK(catch_error([&] { const mice::model none(file.path()); }).code == mice::errc::format);
}

TEST_CASE("a mapping stays readable when it is moved and when the file is replaced or removed") {
    const std::vector<std::byte> first(5000, std::byte{1});
    const std::vector<std::byte> second(6000, std::byte{2});
    fixtures::temporary_file old_file("old", first);
    const fixtures::temporary_file new_file("new", second);
    mapped_file mapped(old_file.path());
    const std::byte* data = mapped.bytes().data();
    mapped_file moved = std::move(mapped);
    CHECK(moved.bytes().data() == data);
    CHECK(mapped.bytes().empty());
    mapped_file other(new_file.path());
    other = std::move(moved);
    CHECK(other.bytes().data() == data);
    std::filesystem::rename(new_file.path(), old_file.path());
    CHECK(other.bytes().back() == std::byte{1});
    CHECK(mapped_file(old_file.path()).bytes().back() == std::byte{2});
    std::filesystem::remove(old_file.path());
    CHECK(other.bytes().front() == std::byte{1});
}

TEST_CASE("what cannot be mapped is named with the system's reason") {
    const fixtures::temporary_file file("file", std::vector<std::byte>(1));
    const caught_error missing = map_error(file.path().parent_path() / "missing.mice");
    CHECK(missing.code == mice::errc::io);
    CHECK(missing.says("missing.mice"));
    CHECK(missing.says("cannot open"));
    CHECK(map_error(file.path().parent_path()).code == mice::errc::io);
    CHECK(map_error(file.path() / "below a file").code == mice::errc::io);
    CHECK(map_error("").code == mice::errc::io);
}

#if !defined(_WIN32)
TEST_CASE("a pipe or device is refused at once, not waited for") {
    const fixtures::temporary_file file("file", std::vector<std::byte>(1));
    const std::filesystem::path pipe = file.path().parent_path() / "pipe";
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    const caught_error wrong = map_error(pipe);
    CHECK(wrong.code == mice::errc::io);
    CHECK(wrong.says("not a regular file"));
    CHECK(map_error("/dev/zero").says("not a regular file"));
}
#endif
