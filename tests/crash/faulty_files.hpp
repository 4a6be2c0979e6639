// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <mice/error.hpp>
#include <mice/io/file_system.hpp>
#include <mice/io/mapped_file.hpp>

#include "random_numbers.hpp"

// File systems that fail at a chosen call.
namespace fixtures {

namespace fs = std::filesystem;

/// The operating system's files, but call number `at` (from 1) goes wrong. Flushes are only
/// counted: a killed process loses nothing that it has handed to the system.
class failing_files final : public mice::io::file_system {
  public:
    enum class fault {
        none,
        kill,          ///< SIGKILL before the call
        kill_half_way, ///< SIGKILL when half of the bytes are written; before any other call
        error_once,    ///< that call fails, half of its bytes written
        error_from     ///< that call and all later ones
    };

    failing_files(fault what, std::size_t at, std::string reason = "No space left on device")
        : what_(what), at_(at), reason_(std::move(reason)) {}

    [[nodiscard]] std::size_t calls() const noexcept { return calls_; }
    /// Whether any call has failed.
    [[nodiscard]] bool failed() const noexcept { return failed_; }
    /// From now on there is space again.
    void heal() noexcept { what_ = fault::none; }

    [[nodiscard]] std::unique_ptr<mice::io::output_file> create(const fs::path& file) override {
        before(file);
        return std::make_unique<output>(*this, system_.create(file), file);
    }
    void rename(const fs::path& from, const fs::path& to) override {
        before(to);
        system_.rename(from, to);
    }
    void remove(const fs::path& file) override {
        before(file);
        system_.remove(file);
    }
    [[nodiscard]] std::vector<std::string> list(const fs::path& folder) override {
        return system_.list(folder);
    }
    void sync_folder(const fs::path& folder) override { before(folder); }
    void make_folder(const fs::path& folder) override {
        before(folder);
        system_.make_folder(folder);
    }
    [[nodiscard]] std::unique_ptr<mice::io::file_lock> lock(const fs::path& file) override {
        before(file);
        return system_.lock(file);
    }

  private:
    class output final : public mice::io::output_file {
      public:
        output(failing_files& owner, std::unique_ptr<mice::io::output_file> file, fs::path name)
            : owner_(owner), file_(std::move(file)), name_(std::move(name)) {}
        void append(std::span<const std::byte> bytes) override {
            owner_.before(name_, [&] { file_->append(bytes.first(bytes.size() / 2)); });
            file_->append(bytes);
        }
        void sync() override { owner_.before(name_); }
        void close() override {
            owner_.before(name_);
            file_->close();
        }

      private:
        failing_files& owner_;
        std::unique_ptr<mice::io::output_file> file_;
        fs::path name_;
    };

    void before(const fs::path& file, const std::function<void()>& half = {}) {
        ++calls_;
        const bool here = what_ == fault::error_from ? calls_ >= at_ : calls_ == at_;
        if (what_ == fault::none || !here) {
            return;
        }
        if (half && what_ != fault::kill) {
            half();
        }
        if (what_ == fault::kill || what_ == fault::kill_half_way) {
            std::raise(SIGKILL);
        }
        failed_ = true;
        throw mice::detail::errors::cannot_write(file.string(), reason_);
    }

    mice::io::file_system& system_ = mice::io::system_files();
    fault what_;
    std::size_t at_;
    std::string reason_;
    std::size_t calls_ = 0;
    bool failed_ = false;
};

/// Reads, and refuses every change, like a read-only medium.
class read_only_files final : public mice::io::file_system {
  public:
    [[nodiscard]] std::unique_ptr<mice::io::output_file> create(const fs::path& file) override {
        throw refusal(file);
    }
    void rename(const fs::path&, const fs::path& to) override { throw refusal(to); }
    void remove(const fs::path& file) override { throw refusal(file); }
    [[nodiscard]] std::vector<std::string> list(const fs::path& folder) override {
        return mice::io::system_files().list(folder);
    }
    void sync_folder(const fs::path& folder) override { throw refusal(folder); }
    void make_folder(const fs::path& folder) override { throw refusal(folder); }
    [[nodiscard]] std::unique_ptr<mice::io::file_lock> lock(const fs::path& file) override {
        throw refusal(file);
    }

  private:
    static mice::error refusal(const fs::path& file) {
        return mice::detail::errors::cannot_write(file.string(), "Read-only file system");
    }
};

/// The operating system's files, of which the opening, listing or locking call number `at` (from 1)
/// is refused: by the system with `reason`, or with std::bad_alloc where that is empty.
class refusing_files final : public mice::io::file_system {
  public:
    refusing_files(std::size_t at, std::string reason) : at_(at), reason_(std::move(reason)) {}

    [[nodiscard]] std::size_t calls() const noexcept { return calls_; }
    /// Whether the call was reached.
    [[nodiscard]] bool refused() const noexcept { return calls_ >= at_; }

    [[nodiscard]] std::unique_ptr<mice::io::output_file> create(const fs::path& file) override {
        return system_.create(file);
    }
    void rename(const fs::path& from, const fs::path& to) override { system_.rename(from, to); }
    void remove(const fs::path& file) override { system_.remove(file); }
    void make_folder(const fs::path& folder) override { system_.make_folder(folder); }
    void sync_folder(const fs::path& folder) override { count(folder); } // needs no real flush
    [[nodiscard]] std::vector<std::string> list(const fs::path& folder) override {
        count(folder);
        return system_.list(folder);
    }
    [[nodiscard]] std::unique_ptr<mice::io::file_lock> lock(const fs::path& file) override {
        count(file);
        return system_.lock(file);
    }
    [[nodiscard]] mice::io::mapped_file map(const fs::path& file) override {
        count(file);
        return system_.map(file);
    }

  private:
    void count(const fs::path& file) {
        if (++calls_ != at_) {
            return;
        }
        if (reason_.empty()) {
            throw std::bad_alloc();
        }
        throw mice::detail::errors::cannot_open(file.string(), reason_);
    }

    mice::io::file_system& system_ = mice::io::system_files();
    std::size_t at_;
    std::string reason_;
    std::size_t calls_ = 0;
};

/// Flushes that a faulty engine might forget.
struct forgotten_flushes {
    bool files = false;
    bool folders = false;
};

/// Thrown at the call at which the power goes.
struct power_cut {};

/// The operating system's files, and a record of what a medium would hold: bytes are safe when
/// their file is flushed, names when their folder is. For one folder of files.
class volatile_files final : public mice::io::file_system {
  public:
    explicit volatile_files(std::size_t cut_at, forgotten_flushes lost = {})
        : cut_at_(cut_at), forgotten_(lost) {}

    [[nodiscard]] std::size_t calls() const noexcept { return calls_; }

    [[nodiscard]] std::unique_ptr<mice::io::output_file> create(const fs::path& file) override {
        before();
        auto made = std::make_unique<output>(*this, system_.create(file));
        now_[file.filename().string()] = made->content();
        return made;
    }
    void rename(const fs::path& from, const fs::path& to) override {
        before();
        system_.rename(from, to);
        now_[to.filename().string()] = now_.at(from.filename().string());
        now_.erase(from.filename().string());
    }
    void remove(const fs::path& file) override {
        before();
        system_.remove(file);
        now_.erase(file.filename().string());
    }
    [[nodiscard]] std::vector<std::string> list(const fs::path& folder) override {
        return system_.list(folder);
    }
    void sync_folder(const fs::path&) override {
        before();
        if (!forgotten_.folders) {
            safe_ = now_;
        }
    }
    void make_folder(const fs::path& folder) override { system_.make_folder(folder); }
    [[nodiscard]] std::unique_ptr<mice::io::file_lock> lock(const fs::path& file) override {
        return system_.lock(file);
    }

    /// Writes into an empty folder what the medium holds after the cut: with seed 0 only what is
    /// safe, else any of the rest too.
    void write_image(const fs::path& folder, std::uint64_t seed) const {
        random_numbers random(seed);
        name_table names = safe_;
        if (seed != 0) {
            std::set<std::string> all;
            for (const auto& [name, content] : now_) {
                all.insert(name);
            }
            for (const auto& [name, content] : safe_) {
                all.insert(name);
            }
            for (const std::string& name : all) {
                if (random.below(2) == 0) {
                    continue;
                }
                if (const auto found = now_.find(name); found != now_.end()) {
                    names[name] = found->second;
                } else {
                    names.erase(name);
                }
            }
        }
        for (const auto& [name, content] : names) {
            const std::size_t unsafe = content->bytes.size() - content->safe;
            const std::size_t kept =
                content->safe + (seed == 0 || unsafe == 0 ? 0 : random.below(unsafe + 1));
            std::ofstream out(folder / name, std::ios::binary);
            out.write(content->bytes.data(), static_cast<std::streamsize>(kept));
        }
    }

  private:
    struct file_content {
        std::string bytes;
        std::size_t safe = 0;
    };
    using name_table = std::map<std::string, std::shared_ptr<file_content>>;

    class output final : public mice::io::output_file {
      public:
        output(volatile_files& owner, std::unique_ptr<mice::io::output_file> file)
            : owner_(owner), file_(std::move(file)), content_(std::make_shared<file_content>()) {}
        void append(std::span<const std::byte> bytes) override {
            owner_.before();
            file_->append(bytes);
            content_->bytes.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        }
        void sync() override {
            owner_.before();
            if (!owner_.forgotten_.files) {
                content_->safe = content_->bytes.size();
            }
        }
        void close() override {
            owner_.before();
            file_->close();
        }
        [[nodiscard]] std::shared_ptr<file_content> content() const { return content_; }

      private:
        volatile_files& owner_;
        std::unique_ptr<mice::io::output_file> file_;
        std::shared_ptr<file_content> content_;
    };

    void before() {
        if (++calls_ == cut_at_) {
            throw power_cut();
        }
    }

    mice::io::file_system& system_ = mice::io::system_files();
    std::size_t cut_at_;
    forgotten_flushes forgotten_;
    std::size_t calls_ = 0;
    name_table now_;
    name_table safe_;
};

} // namespace fixtures
