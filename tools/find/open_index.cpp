// SPDX-License-Identifier: Apache-2.0
#include "find/open_index.hpp"

#include <filesystem>
#include <system_error>

#include <sys/stat.h>

#include <mice/error.hpp>

namespace mice::find {

finder& open_index::get() {
    struct stat status {};
    const std::filesystem::path file = options_.folder / catalog::file_name;
    if (::stat(file.c_str(), &status) != 0) {
        finder_.reset();
        throw error(errc::io, "there is no index in " +
                                  detail::errors::quoted(options_.folder.string()) +
                                  "; make one with 'mice-find add FOLDER'");
    }
    const std::pair<std::uint64_t, std::uint64_t> here{status.st_dev, status.st_ino};
    if (!finder_ || here != file_) {
        finder_.reset();
        finder_ = std::make_unique<finder>(options_);
        file_ = here;
    }
    return *finder_;
}

} // namespace mice::find
