// SPDX-License-Identifier: Apache-2.0
// Versions, errors and bytes of the C interface, and the checks of its arguments.
#include "handles.hpp"

namespace mice_c {
namespace {

/// What is left to say when there is no memory for an error. Never freed.
mice_error& out_of_memory() noexcept {
    static mice_error only{MICE_ERROR_OUT_OF_MEMORY, "out of memory"}; // short: allocates nothing
    return only;
}

mice_status status_of(mice::errc code) noexcept {
    switch (code) {
    case mice::errc::io:
        return MICE_ERROR_IO;
    case mice::errc::format:
        return MICE_ERROR_FORMAT;
    case mice::errc::config:
        return MICE_ERROR_CONFIG;
    case mice::errc::tensor:
        return MICE_ERROR_TENSOR;
    case mice::errc::tokenizer:
        return MICE_ERROR_TOKENIZER;
    case mice::errc::unsupported:
        return MICE_ERROR_UNSUPPORTED;
    case mice::errc::invalid_argument:
        return MICE_ERROR_INVALID_ARGUMENT;
    case mice::errc::encoding:
        return MICE_ERROR_ENCODING;
    case mice::errc::stopped:
        return MICE_ERROR_STOPPED;
    case mice::errc::mismatch:
        return MICE_ERROR_MISMATCH;
    }
    return MICE_ERROR_UNEXPECTED;
}

mice_status told(mice_error** error, mice_status code, const char* message) noexcept {
    if (error != nullptr) {
        try {
            *error = new mice_error{code, message};
        } catch (...) {
            *error = &out_of_memory();
            return MICE_ERROR_OUT_OF_MEMORY;
        }
    }
    return code;
}

} // namespace

mice_status report_current(mice_error** error) noexcept {
    try {
        throw;
    } catch (const mice::error& failure) {
        return told(error, status_of(failure.code()), failure.what());
    } catch (const std::bad_alloc&) {
        put(error, &out_of_memory());
        return MICE_ERROR_OUT_OF_MEMORY;
    } catch (const std::length_error& failure) { // a count that no container can have
        return told(error, MICE_ERROR_OUT_OF_MEMORY, failure.what());
    } catch (const std::filesystem::filesystem_error& failure) {
        return told(error, MICE_ERROR_IO, failure.what());
    } catch (const std::exception& failure) {
        return told(error, MICE_ERROR_UNEXPECTED, failure.what());
    } catch (...) {
        return told(error, MICE_ERROR_UNEXPECTED, "an exception of an unknown type");
    }
}

std::vector<std::string_view> texts(const char* const* pointers, const std::size_t* sizes,
                                    std::size_t count, const char* name) {
    const std::span<const char* const> first = elements(pointers, count, name);
    const std::span<const std::size_t> size = elements(sizes, count, "the list of sizes");
    std::vector<std::string_view> all;
    all.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        // the name of the one text is put together only for a message
        if (first[i] == nullptr || size[i] > PTRDIFF_MAX) {
            (void)text(first[i], size[i],
                       (std::string(name) + "[" + std::to_string(i) + "]").c_str());
        }
        all.push_back(text(first[i], size[i], name));
    }
    return all;
}

std::filesystem::path path(const char* bytes, std::size_t size, const char* name) {
    const std::string_view given = text(bytes, size, name);
    if (given.empty() || given.find('\0') != std::string_view::npos) {
        throw bad_argument(std::string(name) + " is empty or has a byte 0");
    }
    return {std::u8string(given.begin(), given.end())};
}

} // namespace mice_c

uint32_t mice_abi_version(void) {
    return MICE_ABI_VERSION;
}
const char* mice_version(void) {
    return MICE_VERSION_STRING;
}

mice_status mice_error_code(const mice_error* error) {
    return error == nullptr ? MICE_OK : error->code;
}
const char* mice_error_message(const mice_error* error) {
    return error == nullptr ? "" : error->message.c_str();
}
void mice_error_free(mice_error* error) {
    if (error != &mice_c::out_of_memory()) {
        delete error;
    }
}

const void* mice_bytes_data(const mice_bytes* bytes, size_t* size) {
    mice_c::put(size, bytes == nullptr ? 0 : bytes->bytes.size());
    return bytes == nullptr ? nullptr : bytes->bytes.data();
}
void mice_bytes_free(mice_bytes* bytes) {
    delete bytes;
}
