// SPDX-License-Identifier: Apache-2.0
#include "../support/catch.hpp"
#include "hostile_file.hpp"

#include <initializer_list>

#include <mice/io/safetensors.hpp>
#include <mice/io/tensor.hpp>

namespace {

using namespace std::string_literals;
using format_tests::file_of;
using format_tests::frugal;
using format_tests::outcome;
using format_tests::read_safetensors;

/// One tensor's entry: "name":{...}
std::string entry(const std::string& name, const std::string& type, const std::string& shape,
                  const std::string& offsets) {
    return "\"" + name + "\":{\"dtype\":\"" + type + "\",\"shape\":" + shape +
           ",\"data_offsets\":" + offsets + "}";
}

/// A valid file of three tensors and metadata.
std::vector<std::byte> small_file() {
    const std::vector<std::byte> data(24);
    const std::span<const std::byte> bytes(data);
    using mice::io::dtype;
    const std::vector<mice::io::tensor_to_write> tensors{
        {"matrix", {dtype::f32, {2, 2}, bytes.first(16)}},
        {"numbers", {dtype::i16, {3}, bytes.first(6)}},
        {"scalar", {dtype::u8, {}, bytes.first(1)}},
        {"empty", {dtype::f16, {0, 7}, {}}}};
    return mice::io::write_safetensors(tensors,
                                       {{"format", "test"}, {"note", "a \"quoted\" \xce\xb1"}});
}

/// The header is refused as errc::format, for the reason given, without much memory.
void refused(const std::string& header, std::size_t data_bytes, std::string_view reason) {
    const std::vector<std::byte> file = file_of(header, data_bytes);
    const outcome result = read_safetensors(file);
    INFO(header.substr(0, 300) << "\n-> " << result.text);
    CHECK(!result.accepted);
    CHECK(result.code == mice::errc::format);
    CHECK(result.says(reason));
    CHECK(result.text.size() < 1000);
    CHECK(frugal(result, file.size()));
}

void accepted(const std::string& header, std::size_t data_bytes) {
    const outcome result = read_safetensors(file_of(header, data_bytes));
    INFO(header.substr(0, 300) << "\n-> " << result.text);
    CHECK(result.accepted);
}

} // namespace

TEST_CASE("a written file is read back with the same tensors and metadata") {
    const std::vector<std::byte> bytes = small_file();
    const mice::io::safetensors file(bytes);
    REQUIRE(file.tensors().size() == 4);
    CHECK(file.find("matrix")->shape == mice::io::tensor_shape{2, 2});
    CHECK(file.find("scalar")->shape.rank() == 0);
    CHECK(file.find("empty")->bytes.empty());
    CHECK(file.find("nothing") == nullptr);
    CHECK(*file.find_metadata("note") == "a \"quoted\" \xce\xb1");
    CHECK(file.find_metadata("other") == nullptr);
    const auto* matrix = file.find("matrix");
    CHECK((matrix->bytes.data() - bytes.data()) % 64 == 0); // the data begins at a cache line
}

TEST_CASE("a file cut at any byte is refused") {
    const std::vector<std::byte> whole = small_file();
    REQUIRE(read_safetensors(whole).accepted);
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const outcome result = read_safetensors(std::span(whole).first(size));
        INFO("cut to " << size << " of " << whole.size());
        REQUIRE(!result.accepted);
        REQUIRE(result.code == mice::errc::format);
        REQUIRE(frugal(result, size));
    }
    for (const std::size_t more : std::initializer_list<std::size_t>{1, 7, 64}) {
        std::vector<std::byte> longer(whole.size() + more);
        std::copy(whole.begin(), whole.end(), longer.begin());
        CHECK(read_safetensors(longer).says(std::to_string(more) + " bytes after the last tensor"));
    }
}

TEST_CASE("a file with any byte of its header changed is refused or consistent") {
    const std::vector<std::byte> whole = small_file();
    const mice::io::safetensors original(whole);
    std::uint64_t length = 0;
    std::memcpy(&length, whole.data(), sizeof length);
    std::size_t refusals = 0;
    for (std::size_t at = 0; at < 8 + length; ++at) {
        for (unsigned change = 1; change < 256; change = change < 128 ? change * 2 : change + 31) {
            std::vector<std::byte> damaged = whole;
            damaged[at] ^= static_cast<std::byte>(change);
            const outcome result = read_safetensors(damaged);
            REQUIRE((result.accepted || result.code == mice::errc::format));
            REQUIRE(frugal(result, damaged.size()));
            refusals += !result.accepted;
            if (result.accepted) {
                const mice::io::safetensors made(damaged);
                for (const auto& [name, view] : made.tensors()) {
                    REQUIRE(view.bytes.size() == *view.shape.elements() * bytes_of(view.type));
                    REQUIRE(
                        (view.bytes.empty() || view.bytes.data() >= damaged.data() + 8 + length));
                    REQUIRE((view.bytes.empty() || view.bytes.data() + view.bytes.size() <=
                                                       damaged.data() + damaged.size()));
                }
            }
        }
    }
    CHECK(refusals > 4 * length);
}

TEST_CASE("an absurd header length is refused before anything is read") {
    for (const std::uint64_t length :
         {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{40}, std::uint64_t{1} << 31,
          std::uint64_t{1} << 32, std::uint64_t{1} << 63, ~std::uint64_t{0}, ~std::uint64_t{0} - 7,
          std::uint64_t{100'000'001}}) {
        std::vector<std::byte> file = file_of("{}");
        std::memcpy(file.data(), &length, sizeof length);
        const outcome result = read_safetensors(file);
        INFO(length << ": " << result.text);
        CHECK(!result.accepted);
        CHECK(result.code == mice::errc::format);
        CHECK(frugal(result, file.size()));
    }
    // a file that is large enough, but a header that is too large to be one
    const std::vector<std::byte> large = file_of(std::string(mice::io::max_header_bytes + 1, ' '));
    allocations::reset();
    CHECK_THROWS_AS(mice::io::safetensors(large), mice::error);
    CHECK(allocations::since_reset().bytes < 65536);
}

TEST_CASE("absurd shapes and offsets are refused") {
    const auto one = [](const std::string& shape, const std::string& offsets) {
        return "{" + entry("t", "F32", shape, offsets) + "}";
    };
    accepted(one("[1]", "[0,4]"), 4);
    accepted(one("[]", "[0,4]"), 4);
    accepted(one("[1,1,1,1,1,1,1,1]", "[0,4]"), 4);
    accepted(one("[0]", "[0,0]"), 0);
    refused(one("[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, "eight dimensions");
    refused(one("[1152921504606846976]", "[0,4]"), 4, "does not fit");   // 2^60
    refused(one("[4611686018427387905]", "[0,4]"), 4, "does not fit");   // times 4 is 4 mod 2^64
    refused(one("[4294967296,4294967296]", "[0,4]"), 4, "does not fit"); // product 2^64
    refused(one("[4294967296,4294967297,0]", "[0,0]"), 0, "does not fit");
    refused(one("[18446744073709551615]", "[0,4]"), 4, "does not fit"); // 2^64 - 1
    refused(one("[18446744073709551616]", "[0,4]"), 4, "fractional");   // 2^64
    refused(one("[1e400]", "[0,4]"), 4, "not usable JSON");
    refused(one("[-1]", "[0,4]"), 4, "negative");
    refused(one("[1.0]", "[0,4]"), 4, "fractional");
    refused(one("[1e0]", "[0,4]"), 4, "fractional");
    refused(one("[\"1\"]", "[0,4]"), 4, "a text where none belongs");
    refused(one("[[1]]", "[0,4]"), 4, "an array where none belongs");
    refused(one("[null]", "[0,4]"), 4, "null");
    refused(one("[true]", "[0,4]"), 4, "true");
    refused(one("[{}]", "[0,4]"), 4, "an object where none belongs");
    refused(one("{}", "[0,4]"), 4, "an object where none belongs");
    refused(one("1", "[0,4]"), 4, "a number where none belongs");
    refused(one("[2]", "[0,4]"), 4, "does not fit");
    refused(one("[1]", "[0]"), 4, "lacks its");
    refused(one("[1]", "[]"), 4, "lacks its");
    refused(one("[1]", "[0,4,4]"), 4, "two numbers");
    refused(one("[1]", "[4,0]"), 4, "leave the data");
    refused(one("[1]", "[0,5]"), 4, "leave the data");
    refused(one("[1]", "[0,18446744073709551615]"), 4, "leave the data");
    refused(one("[1]", "[18446744073709551612,18446744073709551616]"), 4, "fractional");
    refused(one("[1]", "[18446744073709551612,0]"), 4, "leave the data");
    refused(one("[1]", "[-4,0]"), 4, "negative");
    refused(one("[1]", "[0,[4]]"), 4, "an array where none belongs");
}

TEST_CASE("overlaps, gaps and bytes that belong to no tensor are refused") {
    const auto two = [](const std::string& first, const std::string& second) {
        return "{" + entry("a", "U8", "[4]", first) + "," + entry("b", "U8", "[4]", second) + "}";
    };
    accepted(two("[0,4]", "[4,8]"), 8);
    accepted(two("[4,8]", "[0,4]"), 8);
    refused(two("[0,4]", "[0,4]"), 8, "overlaps");
    refused(two("[0,4]", "[3,7]"), 8, "overlaps");
    refused(two("[0,4]", "[5,9]"), 9, "gap");
    refused(two("[1,5]", "[5,9]"), 9, "gap");
    refused(two("[0,4]", "[4,8]"), 9, "1 bytes after the last tensor");
    refused("{}", 1, "1 bytes after the last tensor");
    accepted("{}", 0);
    // an empty tensor inside another one
    refused("{" + entry("a", "U8", "[4]", "[0,4]") + "," + entry("b", "U8", "[0]", "[2,2]") + "}",
            4, "overlaps");
}

TEST_CASE("duplicate names and keys are refused") {
    const std::string a = entry("a", "U8", "[1]", "[0,1]");
    refused("{" + a + "," + a + "}", 1, "appears twice");
    refused("{" + a + "," + entry("a", "U8", "[1]", "[1,2]") + "}", 2, "appears twice");
    refused("{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
            "'dtype' appears twice");
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
            "'shape' appears twice");
    refused(
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"data_offsets\":[0,1]}}", 1,
        "'data_offsets' appears twice");
    refused("{\"__metadata__\":{},\"__metadata__\":{}}", 0, "'__metadata__' appears twice");
    refused("{\"__metadata__\":{\"k\":\"1\",\"k\":\"1\"}}", 0, "twice");
}

TEST_CASE("unknown fields, types and missing fields are refused by name") {
    refused("{" + entry("weights.0", "F8_E4M3", "[1]", "[0,1]") + "}", 1, "'weights.0'");
    for (const char* type : {"", "f32", "F32 ", "F128", "BOOLEAN", "F32\\u0000"}) {
        refused("{" + entry("t", type, "[1]", "[0,4]") + "}", 4, "unknown dtype");
    }
    refused("{\"t\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"extra\":1}}", 1,
            "'extra'");
    refused("{\"t\":{}}", 0, "lacks its");
    refused("{\"t\":{\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "lacks its");
    refused("{\"t\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", 1, "lacks its");
    refused("{\"t\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, "lacks its");
    refused("{\"t\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
            "a number where none belongs");
    refused("{\"t\":{\"dtype\":[\"U8\"],\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "an array");
    refused("{\"t\":1}", 0, "a number where none belongs");
    refused("{\"t\":\"U8\"}", 0, "a text where none belongs");
    refused("{\"t\":[]}", 0, "an array where none belongs");
    refused("{\"t\":null}", 0, "null");
}

TEST_CASE("metadata is a flat object of texts, or absent") {
    accepted("{\"__metadata__\":{}}", 0);
    accepted("{\"__metadata__\":{\"a\":\"\",\"\":\"b\"}}", 0);
    refused("{\"__metadata__\":{\"a\":1}}", 0, "a number where none belongs");
    refused("{\"__metadata__\":{\"a\":null}}", 0, "null");
    refused("{\"__metadata__\":{\"a\":{}}}", 0, "an object where none belongs");
    refused("{\"__metadata__\":{\"a\":[]}}", 0, "an array where none belongs");
    refused("{\"__metadata__\":\"a\"}", 0, "a text where none belongs");
    refused("{\"__metadata__\":[]}", 0, "an array where none belongs");
}

TEST_CASE("a header that is not one JSON object is refused") {
    for (const std::string& header :
         {""s, " "s, "[]"s, "null"s, "1"s, "\"{}\""s, " {}"s, "\xef\xbb\xbf{}"s}) {
        refused(header, 0, "not a JSON object");
    }
    for (const std::string& header :
         {"{"s, "{}}"s, "{}{}"s, "{},"s, "{}x"s, "{\"a\"}"s, "{\"a\":}"s, "{a:1}"s, "{'a':{}}"s,
          "{,}"s, "{\"a\":{},}"s, "{}/**/"s, "{}\0"s, "{\"a\0\":{}}"s, "{\"\x01\":{}}"s,
          "{\"\\x\":{}}"s, "{\"\\ud800\":{}}"s}) {
        INFO(header);
        const outcome result = read_safetensors(file_of(header));
        CHECK(!result.accepted);
        CHECK(result.code == mice::errc::format);
    }
    accepted("{}   \n\t ", 0);
}

TEST_CASE("names may be long and of any language, but not broken UTF-8") {
    for (const char* bad :
         {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "a\x80"}) {
        refused("{" + entry(bad, "U8", "[1]", "[0,1]") + "}", 1, "not usable JSON");
        refused("{\"__metadata__\":{\"k\":\""s + bad + "\"}}", 0, "not usable JSON");
    }
    accepted("{" + entry("\xce\xb1\xe4\xb8\xad\xf0\x9f\x98\x80", "U8", "[1]", "[0,1]") + "}", 1);
    const std::string long_name(100000, 'n');
    accepted("{" + entry(long_name, "U8", "[1]", "[0,1]") + "}", 1);
    refused("{" + entry(long_name, "U8", "[2]", "[0,1]") + "}", 1, "nnn...'");
    refused("{" + entry(long_name, long_name, "[1]", "[0,1]") + "}", 1, "nnn...'");
    refused("{\"t\":{\"" + long_name + "\":1}}", 0, "nnn...'");
    refused("{" + entry("line\\nbreak\\u001b[31m", "U8", "[2]", "[0,1]") + "}", 1,
            "'line?break?[31m'");
}

TEST_CASE("a header of a megabyte of brackets, entries or numbers takes little memory") {
    const std::size_t size = 1 << 20;
    const auto repeated = [](const std::string& part, std::size_t bytes) {
        std::string text;
        while (text.size() < bytes) {
            text += part;
        }
        return text;
    };
    const std::vector<std::string> headers{
        std::string(size, '['),
        "{\"t\":" + std::string(size, '['),
        "{\"t\":{\"shape\":" + std::string(size, '['),
        "{\"__metadata__\":" + repeated("{\"a\":", size),
        repeated("{\"a\":", size),
        "{" + repeated("\"\":{},", size) + "\"\":{}}",
        "{" + repeated(entry("", "U8", "[]", "[0,1]") + ",", size) + "\"\":{}}",
        "{" + repeated(entry("a", "U8", "[0]", "[0,0]") + ",", size) +
            entry("b", "U8", "[2]", "[0,1]") + "}",
        "{\"t\":{\"shape\":[" + repeated("1,", size) + "1]}}",
        "{\"t\":{\"data_offsets\":[" + repeated("1,", size) + "1]}}",
        "{\"t\":{\"shape\":[" + std::string(size, '9') + "]}}",
        "{\"" + std::string(size, 'x'),
        "{\"" + repeated("\\u4e2d", size) + "\":1}",
        "{\"__metadata__\":{\"a\":\"" + std::string(size, 'x') + "\",\"b\":1}}",
        "{\"__metadata__\":{" + repeated("\"a\":\"\",", size) + "\"a\":\"\"}}",
        std::string(size, ' '),
        "{" + std::string(size, ' '),
        "{" + std::string(size, '\xff')};
    for (const std::string& header : headers) {
        const std::vector<std::byte> file = file_of(header, 1);
        const outcome result = read_safetensors(file);
        INFO(header.substr(0, 60) << " -> " << result.text.substr(0, 200) << "\nallocated "
                                  << result.memory.bytes << ", at once " << result.memory.largest);
        CHECK(!result.accepted);
        CHECK(result.code == mice::errc::format);
        CHECK(frugal(result, file.size()));
        CHECK(result.text.size() < 1000);
    }
}

TEST_CASE("the writer refuses what the reader would refuse") {
    const std::vector<std::byte> data(8);
    using mice::io::dtype;
    const auto code = [](const std::vector<mice::io::tensor_to_write>& tensors) {
        try {
            static_cast<void>(mice::io::write_safetensors(tensors, {}));
        } catch (const mice::error& e) {
            return std::string(e.what());
        }
        return std::string();
    };
    const mice::io::tensor_view good{dtype::f32, {2}, data};
    CHECK(code({{"a", good}, {"b", good}}).empty());
    CHECK(code({{"a", good}, {"a", good}}).find("'a' given twice") != std::string::npos);
    CHECK(code({{"__metadata__", good}}).find("__metadata__") != std::string::npos);
    CHECK(code({{"a", {dtype::f32, {3}, data}}}).find("do not fit") != std::string::npos);
    CHECK(code({{"a", {dtype::f32, {SIZE_MAX, 2}, data}}}).find("do not fit") != std::string::npos);
    CHECK(code({{"a", {dtype::f64, {SIZE_MAX / 8 + 2}, data}}}).find("do not fit") !=
          std::string::npos);
}

TEST_CASE("fault 34: a header of many tensors or texts is refused where it goes too far") {
    const auto header = [](std::size_t count, bool as_metadata) {
        std::string text = as_metadata ? "{\"__metadata__\":{" : "{";
        for (std::size_t i = 0; i < count; ++i) {
            const std::string name = "t" + std::to_string(i);
            text += (i == 0 ? "" : ",") +
                    (as_metadata ? "\"" + name + "\":\"\"" : entry(name, "U8", "[0]", "[0,0]"));
        }
        return text + (as_metadata ? "}}" : "}");
    };
    for (const bool as_metadata : {false, true}) {
        CAPTURE(as_metadata);
        const auto read = [&](std::size_t count) {
            return read_safetensors(file_of(header(count, as_metadata)));
        };
        REQUIRE(read(mice::io::max_header_entries).accepted);
        const outcome one = read(mice::io::max_header_entries + 1);
        const outcome many = read(4 * mice::io::max_header_entries);
        REQUIRE_FALSE(one.accepted);
        REQUIRE(one.code == mice::errc::format);
        REQUIRE(one.says("more than 65536"));
        REQUIRE(many.text == one.text);
        // nothing behind the limit is taken in, however much there is
        REQUIRE(many.memory.bytes <= one.memory.bytes + 4096);
    }
}
