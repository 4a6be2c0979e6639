// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#if !defined(_WIN32)
#include <sys/wait.h>
#endif

#include <mice/io/mapped_file.hpp>
#include <mice/io/safetensors.hpp>
#include <mice/io/tensor.hpp>
#include <nlohmann/json.hpp>

#include "temporary_folder.hpp"

/// What mice-convert gave back.
struct convert_result {
    int exit_code = -1;
    std::string out, err;
};

inline std::string file_text(const std::filesystem::path& path) {
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

inline std::string shell_quoted(const std::string& text) {
    std::string result = "'";
    for (const char c : text) {
        result += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    return result + "'";
}

/// Runs mice-convert with these arguments, after the shell commands in `before`.
inline convert_result run_convert(const std::vector<std::string>& arguments,
                                  const std::string& before = "") {
    const temporary_folder folder;
    std::string command = before + shell_quoted(MICE_CONVERT_PROGRAM);
    for (const std::string& argument : arguments) {
        command += ' ' + shell_quoted(argument);
    }
    const auto out = folder.path() / "out";
    const auto err = folder.path() / "err";
    command = "{ " + command + " ; } > " + shell_quoted(out.string()) + " 2> " +
              shell_quoted(err.string());
    const int status = std::system(command.c_str());
    convert_result result;
#if defined(_WIN32)
    result.exit_code = status;
#else
    result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
#endif
    result.out = file_text(out);
    result.err = file_text(err);
    return result;
}

/// A tensor that owns its bytes.
struct owned_tensor {
    mice::io::dtype type = mice::io::dtype::f32;
    mice::io::tensor_shape shape;
    std::vector<std::byte> bytes;

    [[nodiscard]] mice::io::tensor_view view() const { return {type, shape, bytes}; }
};

using owned_tensors = std::map<std::string, owned_tensor>;

inline owned_tensor float_tensor(const mice::io::tensor_shape& shape,
                                 const std::vector<float>& values) {
    const auto bytes = std::as_bytes(std::span(values));
    return {mice::io::dtype::f32, shape, {bytes.begin(), bytes.end()}};
}

inline std::vector<float> floats_of(const owned_tensor& tensor) {
    std::vector<float> values(tensor.bytes.size() / sizeof(float));
    std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
    return values;
}

inline owned_tensors read_tensors(const std::filesystem::path& path) {
    const mice::io::mapped_file file(path);
    const mice::io::safetensors contents(file.bytes());
    owned_tensors result;
    for (const auto& [name, view] : contents.tensors()) {
        result[name] = {view.type, view.shape, {view.bytes.begin(), view.bytes.end()}};
    }
    return result;
}

inline void write_tensors(const std::filesystem::path& path, const owned_tensors& tensors) {
    std::vector<mice::io::tensor_to_write> list;
    for (const auto& [name, tensor] : tensors) {
        list.push_back({name, tensor.view()});
    }
    const std::vector<std::byte> bytes = mice::io::write_safetensors(list, {});
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
}

/// A golden checkpoint's folder.
inline std::filesystem::path golden_model(const std::string& name) {
    return std::filesystem::path(MICE_TEST_DATA) / "models" / name;
}

/// A copy of a golden checkpoint that a test may spoil, and where its model file goes.
class editable_checkpoint {
  public:
    explicit editable_checkpoint(const std::string& golden)
        : config(nlohmann::json::parse(file_text(golden_model(golden) / "config.json"))),
          tensors(read_tensors(golden_model(golden) / "model.safetensors")) {
        std::filesystem::create_directory(directory());
    }

    nlohmann::json config;
    owned_tensors tensors;

    [[nodiscard]] std::filesystem::path directory() const { return folder_.path() / "checkpoint"; }
    [[nodiscard]] std::filesystem::path output() const { return folder_.path() / "out.mice"; }
    [[nodiscard]] const std::filesystem::path& folder() const { return folder_.path(); }

    void write(const std::string& name, std::string_view content) const {
        std::filesystem::create_directories((directory() / name).parent_path());
        std::ofstream(directory() / name, std::ios::binary) << content;
    }
    void save() const {
        write("config.json", config.dump());
        write_tensors(directory() / "model.safetensors", tensors);
    }
    /// Runs the converter on what is in the folder.
    [[nodiscard]] convert_result convert(const std::vector<std::string>& more = {}) const {
        std::vector<std::string> arguments{directory().string(), "-o", output().string()};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return run_convert(arguments);
    }
    [[nodiscard]] convert_result save_and_convert(const std::vector<std::string>& more = {}) const {
        save();
        return convert(more);
    }

  private:
    temporary_folder folder_;
};

/// A model file as the tests look at it.
struct read_model {
    explicit read_model(const std::filesystem::path& path) : file(path), contents(file.bytes()) {}

    mice::io::mapped_file file;
    mice::io::safetensors contents;

    [[nodiscard]] std::string metadata(const std::string& key) const {
        const std::string* text = contents.find_metadata(key);
        return text == nullptr ? "(none)" : *text;
    }
    [[nodiscard]] nlohmann::json config() const {
        return nlohmann::json::parse(metadata("mice.config"));
    }
    [[nodiscard]] const mice::io::tensor_view& tensor(const std::string& name) const {
        const auto* view = contents.find(name);
        if (view == nullptr) {
            throw std::runtime_error("the model file has no " + name);
        }
        return *view;
    }
};
