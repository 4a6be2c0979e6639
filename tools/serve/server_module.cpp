// SPDX-License-Identifier: Apache-2.0
#include "serve/server_module.hpp"

#include <filesystem>
#include <string>

#include <mice/error.hpp>

#include "common/program_file.hpp"

#if !defined(_WIN32)
#include <dlfcn.h>
#endif

namespace mice::serve {

make_server& load_server_module() {
    const std::string file =
        (tools::program_file().parent_path().parent_path() / "lib" / "mice" / server_module_name)
            .string();
    if (!std::filesystem::exists(file)) {
        throw error(errc::unsupported,
                    "this program was built without serve, which needs cpp-httplib 0.11 (Debian: "
                    "libcpp-httplib-dev) and is then in " +
                        file);
    }
#if defined(_WIN32)
    throw error(errc::unsupported, "serve is not written for Windows");
#else
    void* const library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    void* const made = library == nullptr ? nullptr : dlsym(library, make_server_name);
    if (made == nullptr) {
        throw error(errc::io, std::string("cannot load the server: ") + dlerror());
    }
    return *reinterpret_cast<make_server*>(made);
#endif
}

} // namespace mice::serve
