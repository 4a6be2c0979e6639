// SPDX-License-Identifier: Apache-2.0
#include "common/scratch_folder.hpp"

#include <random>
#include <string>
#include <system_error>

#include <mice/error.hpp>

namespace mice::tools {

namespace fs = std::filesystem;

scratch_folder::scratch_folder(std::string_view purpose) {
    std::error_code problem;
    const fs::path base = fs::temp_directory_path(problem);
    if (problem) {
        throw detail::errors::cannot_write(
            "a temporary folder", problem.message() + "; set TMPDIR to a folder that you may "
                                                      "write to");
    }
    std::random_device random;
    bool made = false;
    while (!made) { // false without an error: the name is taken
        path_ = base / (std::string(purpose) + "-" + std::to_string(random()));
        made = fs::create_directory(path_, problem);
        if (problem) {
            throw detail::errors::cannot_write(
                path_.string(), problem.message() + "; set TMPDIR to a folder that you may "
                                                    "write to");
        }
    }
    fs::permissions(path_, fs::perms::owner_all, problem); // a file system without them is no error
}

scratch_folder::~scratch_folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

} // namespace mice::tools
