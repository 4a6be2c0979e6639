// SPDX-License-Identifier: Apache-2.0
#include "common/output.hpp"

#include <cerrno>
#include <string>
#include <system_error>

#include <mice/error.hpp>

#include "common/terminal.hpp"

namespace mice::tools {

output::output() : file_(stdout), name_("standard output") {}

output::output(const std::filesystem::path& path)
    : file_(std::fopen(path.string().c_str(), "wb")), owned_(true), name_(path.string()) {
    if (file_ == nullptr) {
        throw detail::errors::cannot_open(name_, std::generic_category().message(errno));
    }
}

output::~output() {
    if (owned_) {
        std::fclose(file_);
    }
}

void output::write(std::string_view text) {
    errno = 0;
    if (std::fwrite(text.data(), 1, text.size(), file_) != text.size()) {
        fail(errno);
    }
}

void output::flush() {
    errno = 0;
    if (std::fflush(file_) != 0) {
        fail(errno);
    }
}

void output::fail(int code) const {
    // On Windows a closed pipe is EINVAL.
    if (!owned_ && (code == EPIPE || code == EINVAL)) {
        throw output_closed();
    }
    throw detail::errors::cannot_write(name_, std::generic_category().message(code));
}

void print_message(std::string_view text) {
    const std::string line = printable(text) + "\n";
    std::fwrite(line.data(), 1, line.size(), stderr);
    std::fflush(stderr);
}

} // namespace mice::tools
