// SPDX-License-Identifier: Apache-2.0
#include "common/file_kind.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <fstream>
#include <set>
#include <string_view>
#include <system_error>

#include <mice/error.hpp>

#include "common/terminal.hpp"
#include "common/trimmed.hpp"

namespace mice::tools {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view convert_advice =
    "mice-convert makes a model file from the checkpoint's folder (config.json, model.safetensors "
    "and its tokenizer)";

std::string first_bytes(const fs::path& path) {
    std::array<char, 4096> buffer{};
    std::ifstream file(path, std::ios::binary);
    file.read(buffer.data(), buffer.size());
    return {buffer.data(), static_cast<std::size_t>(file.gcount())};
}

std::string lower(std::string_view text) {
    std::string result(text);
    std::transform(result.begin(), result.end(), result.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return result;
}

/// What the file's first bytes prove.
struct file_signature {
    std::size_t offset;
    std::string_view bytes;
    std::string_view what;
};

using namespace std::string_view_literals;

constexpr std::array<file_signature, 20> kind_signatures{
    {{0, "version https://git-lfs.github.com/spec/"sv,
      "a git-LFS pointer, a few lines that stand for the real file: run 'git lfs pull' in its "
      "repository, or download the file itself"sv},
     {0, "GGUF"sv, "a GGUF file (llama.cpp)"sv},
     {0, "lmgg"sv, "a GGML file (llama.cpp)"sv},
     {0, "tjgg"sv, "a GGML file (llama.cpp)"sv},
     {0, "\x89HDF\r\n\x1a\n"sv, "an HDF5 file (Keras, TensorFlow)"sv},
     {4, "TFL3"sv, "a TensorFlow Lite file"sv},
     {0, "\x93NUMPY"sv, "a NumPy array"sv},
     {0, "\x80\x02"sv, "a Python pickle (an old PyTorch checkpoint)"sv},
     {0, "\x80\x03"sv, "a Python pickle"sv},
     {0, "\x80\x04"sv, "a Python pickle"sv},
     {0, "\x80\x05"sv, "a Python pickle"sv},
     {0, "\x1f\x8b"sv, "a gzip archive: unpack it first"sv},
     {0, "\xfd\x37zXZ"sv, "an xz archive: unpack it first"sv},
     {0, "\x28\xb5\x2f\xfd"sv, "a zstd archive: unpack it first"sv},
     {0, "7z\xbc\xaf\x27\x1c"sv, "a 7z archive: unpack it first"sv},
     {0, "BZh"sv, "a bzip2 archive: unpack it first"sv},
     {257, "ustar"sv, "a tar archive: unpack it first"sv},
     {0, "SQLite format 3"sv, "an SQLite database"sv},
     {0, "%PDF-"sv, "a PDF file"sv},
     {0,
      "\x7f"
      "ELF"sv,
      "a program"sv}}};

/// Weights of other programs, which mice-convert does not read either.
bool is_other_weights(std::string_view what) {
    return what.find("GG") != std::string_view::npos ||
           what.find("HDF5") != std::string_view::npos ||
           what.find("TensorFlow") != std::string_view::npos ||
           what.find("pickle") != std::string_view::npos ||
           what.find("NumPy") != std::string_view::npos;
}

/// ONNX has no signature: a protobuf that begins with a small version and a producer's name.
bool is_onnx(const fs::path& path, std::string_view start) {
    const bool looks = start.size() > 4 && start[0] == 0x08 && start[1] > 0 && start[1] < 32 &&
                       (start[2] == 0x12 || start[2] == 0x3a);
    return looks && (lower(path.extension().string()) == ".onnx" || start.find("pytorch") < 32 ||
                     start.find("onnx") < 64);
}

std::string kind_of_zip(std::string_view start) {
    if (start.find("/data.pkl") != std::string_view::npos ||
        start.find("archive/") != std::string_view::npos) {
        return "a PyTorch checkpoint (a pickle in a zip file, .bin, .pt or .pth)";
    }
    return start.find(".npy") != std::string_view::npos ? "an archive of NumPy arrays (.npz)"
                                                        : "a zip archive: unpack it first";
}

bool is_text(std::string_view start) {
    return !start.empty() && std::all_of(start.begin(), start.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte >= 0x20 || byte == '\n' || byte == '\r' || byte == '\t';
    });
}

std::string kind_of_text(std::string_view start) {
    std::string_view text = start;
    if (text.starts_with("\xEF\xBB\xBF")) {
        text.remove_prefix(3);
    }
    text = tools::trimmed(text);
    const std::string begin = lower(text.substr(0, 200));
    if (begin.starts_with("<!doctype html") || begin.starts_with("<html") ||
        begin.find("<html") != std::string::npos) {
        return "it is an HTML page: the download gave a page of the site (to log in, to accept a "
               "licence, or an error) instead of the file; download the file itself";
    }
    if (begin.starts_with("<?xml") || begin.starts_with("<error")) {
        return "it is XML, as a server answers that has no such file or does not give it; download "
               "the file again";
    }
    if (text.starts_with('{') || text.starts_with('[')) {
        return "it is JSON text, such as a checkpoint's config.json; name a model file: " +
               std::string(convert_advice);
    }
    return "it is text that begins with " +
           detail::errors::quoted(tools::printable(text.substr(0, 60)));
}

std::string kind_of_file(const fs::path& path) {
    const std::string start = first_bytes(path);
    if (start.empty()) {
        return "it is empty; copy or download it again";
    }
    // The length of a safetensors header may begin like any of the others.
    if (start.size() > 8 && start[8] == '{' && std::string_view(start).substr(5, 3) == "\0\0\0"sv) {
        return {};
    }
    for (const file_signature& each : kind_signatures) {
        if (std::string_view(start)
                .substr(std::min(each.offset, start.size()))
                .starts_with(each.bytes)) {
            return "it is " + std::string(each.what) +
                   (is_other_weights(each.what)
                        ? ", not a mice model file; " + std::string(convert_advice)
                        : "");
        }
    }
    const bool zip = start.starts_with("PK\x03\x04"sv);
    if (zip || is_onnx(path, start)) {
        return "it is " + (zip ? kind_of_zip(start) : std::string("an ONNX model")) +
               ", not a mice model file; " + std::string(convert_advice);
    }
    return is_text(start) ? kind_of_text(start) : std::string();
}

/// Some names in a folder: few enough that a huge folder costs little.
std::set<std::string> names_in(const fs::path& folder) {
    constexpr std::size_t most = 10'000;
    std::set<std::string> names;
    std::error_code problem;
    for (fs::directory_iterator at(folder, problem), end; at != end && names.size() < most;
         at.increment(problem)) {
        names.insert(at->path().filename().string());
    }
    return names;
}

std::string kind_of_folder(const fs::path& folder) {
    const std::set<std::string> names = names_in(folder);
    const auto ending = [&names](std::string_view end) {
        const auto found = std::find_if(names.begin(), names.end(), [end](const std::string& name) {
            return lower(name).ends_with(end);
        });
        return found == names.end() ? std::string() : *found;
    };
    const std::string command =
        "mice-convert " + detail::errors::quoted(folder.string()) + " -o model.safetensors";
    if (const auto found = names.lower_bound("manifest-");
        found != names.end() && found->starts_with("manifest-")) {
        return "it is a folder with an index of mice; --model names a model file";
    }
    const std::string weights = ending(".safetensors");
    if (names.contains("config.json") || names.contains("modules.json")) {
        if (!weights.empty()) {
            return "it is the folder of a checkpoint; make a model file of it: " + command;
        }
        for (const char* const other :
             {".bin", ".pt", ".pth", ".onnx", ".gguf", ".h5", ".msgpack"}) {
            if (const std::string file = ending(other); !file.empty()) {
                return "it is the folder of a checkpoint whose weights are in " +
                       detail::errors::quoted(file) +
                       "; mice-convert reads model.safetensors: save it in that form first "
                       "(save_pretrained(..., safe_serialization=True)), then run " +
                       command;
            }
        }
        return "it is the folder of a checkpoint without weights: no *.safetensors is there; "
               "download it whole, then run " +
               command;
    }
    if (names.contains("snapshots")) {
        return "it is a folder of the Hugging Face cache: the checkpoint is in a folder below its "
               "'snapshots'; run mice-convert with that one";
    }
    if (!weights.empty()) {
        return "it is a folder; name the model file in it, such as " +
               detail::errors::quoted((folder / weights).string());
    }
    return names.empty() ? "it is an empty folder; name a model file"
                         : "it is a folder without a model or checkpoint; name a model file";
}

} // namespace

std::string kind_of_other(const fs::path& path) {
    std::error_code problem;
    const fs::file_status status = fs::status(path, problem);
    if (fs::is_directory(status)) {
        return kind_of_folder(path);
    }
    return fs::is_regular_file(status) ? kind_of_file(path) : std::string();
}

} // namespace mice::tools
