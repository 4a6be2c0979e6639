// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <mice/codecs/codec.hpp>
#include <mice/index/files/deletions.hpp>
#include <mice/index/files/manifest.hpp>
#include <mice/index/files/segment.hpp>
#include <mice/index/files/stored_entry.hpp>
#include <mice/index/files/text_record.hpp>
#include <mice/model.hpp>

MICE_NAMESPACE_BEGIN
namespace store {

/// Hashes the weights that project states to keys and values. An index that stores those depends on
/// them as well as on the document's fingerprint.
[[nodiscard]] inline std::string key_values_fingerprint(const model& engine) {
    io::hasher128 hash;
    for (const auto& [name, view] : engine.file().tensors()) {
        const bool makes_them = name.find("crossattention.self.key.") != std::string::npos ||
                                name.find("crossattention.self.value.") != std::string::npos ||
                                name.find("crossattention.k_proj.") != std::string::npos ||
                                name.find("crossattention.v_proj.") != std::string::npos;
        if (makes_them) {
            hash.add_text(name);
            hash.add_text(io::name_of(view.type));
            hash.add_text(view.shape.text());
            hash.add_item(view.bytes);
        }
    }
    return io::hex_digits(hash.digest());
}

/// A model, and what an index has to know about it.
struct bound_model {
    std::shared_ptr<const model> engine;
    index_model identity;

    bound_model(std::shared_ptr<const model> loaded, const index_codec& codec)
        : engine(std::move(loaded)) {
        const std::string* name = engine->file().find_metadata("mice.name");
        identity.fingerprint = engine->fingerprint();
        identity.name = name == nullptr ? identity.fingerprint : *name;
        if (stores_key_values(codec.name)) {
            identity.key_values = key_values_fingerprint(*engine);
        }
    }
};

/// A segment of a commit: its file and which of its documents are deleted.
struct live_segment {
    segment_record record;
    std::shared_ptr<const segment> file;
    std::shared_ptr<const deletions> deleted; ///< null: none

    [[nodiscard]] bool live(std::uint32_t document) const {
        return deleted == nullptr || !deleted->contains(document);
    }
};

/// Where a document is.
struct document_place {
    std::uint32_t segment = 0; ///< in index order
    std::uint32_t document = 0;
};

/// Everything that one commit holds, open for reading. Immutable, safe from many threads; its files
/// may be removed by a writer and stay readable.
class snapshot {
  public:
    /// Opens the files of a manifest; takes those that `before` has open from there. Throws
    /// errc::mismatch for another model, errc::format or errc::io for files, errc::format also for
    /// a codec that the segments were not written with.
    snapshot(io::file_system& files, const std::filesystem::path& folder,
             std::shared_ptr<const model> engine, manifest commit, const snapshot* before = nullptr)
        : engine_(std::move(engine)), commit_(std::move(commit)) {
        check_model();
        open_codec(files, folder, before);
        for (const segment_record& record : commit_.segments) {
            segments_.push_back(open(files, folder, record, before));
            segments_.back().file->check_codec(coder_->bytes(1), commit_.codec.name);
            entries_ += record.live();
        }
    }

    [[nodiscard]] const manifest& commit() const noexcept { return commit_; }
    [[nodiscard]] const model& engine() const noexcept { return *engine_; }
    [[nodiscard]] const std::shared_ptr<const model>& shared_engine() const noexcept {
        return engine_;
    }
    /// Null while the codec's parameters are not learned; there is no document then.
    [[nodiscard]] const std::shared_ptr<const document_coder>& coder() const noexcept {
        return coder_;
    }
    /// Learned parameters of the codec, or nothing.
    [[nodiscard]] std::span<const std::byte> codec_parameters() const noexcept {
        return parameters_ == nullptr ? std::span<const std::byte>() : parameters_->content();
    }
    [[nodiscard]] const std::vector<live_segment>& segments() const noexcept { return segments_; }
    /// Documents that have an id of the user's.
    [[nodiscard]] std::uint64_t documents() const noexcept { return entries_ - commit_.passages; }
    /// Documents, and all passages of texts but the first.
    [[nodiscard]] std::uint64_t entries() const noexcept { return entries_; }
    /// What the documents were encoded in; empty where none is stored that was.
    [[nodiscard]] precision_set precisions() const noexcept {
        precision_set all;
        for (const live_segment& each : segments_) {
            all.add(each.file->precisions());
        }
        return engine_->config().state_width() == 0 ? precision_set() : all;
    }

    [[nodiscard]] document_entry entry(document_place at) const {
        return segments_[at.segment].file->entry(at.document);
    }
    /// The record of an entry that is a text. Throws errc::format.
    [[nodiscard]] text_record record(document_place at) const {
        const segment& file = *segments_[at.segment].file;
        return parse_text_record(file.metadata(file.entry(at.document)), file.name());
    }

    /// The document of that id of a user. Throws errc::format for damaged files.
    [[nodiscard]] std::optional<document_place> find_document(std::string_view id) const {
        const std::optional<document_place> found = find(id);
        return found && entry(*found).kind == entry_kind::passage ? std::nullopt : found;
    }
    /// Passage `i` of a text with that id and record, whose own entry is at `text`. Throws
    /// errc::format where the index lacks it.
    [[nodiscard]] document_place find_passage(document_place text, std::string_view id,
                                              const text_record& record, std::size_t i) const {
        if (i == 0) {
            return text;
        }
        const std::optional<document_place> found = find(id_of_passage(id, record.parts[i]));
        if (!found || entry(*found).kind != entry_kind::passage) {
            throw errors::bad_index_file(segments_[text.segment].file->name(),
                                         "passage " + std::to_string(i) + " of the text " +
                                             errors::quoted(id) + " is missing");
        }
        return *found;
    }

    /// The entry of that id. Throws errc::format for damaged files.
    [[nodiscard]] std::optional<document_place> find(std::string_view id) const {
        const std::uint64_t hash = hash_of_id(id);
        for (std::size_t i = segments_.size(); i-- > 0;) {
            const live_segment& each = segments_[i];
            const auto found = each.file->find(
                id, hash, [&each](std::uint32_t document) { return each.live(document); });
            if (found) {
                return document_place{static_cast<std::uint32_t>(i), *found};
            }
        }
        return std::nullopt;
    }

  private:
    void check_model() const {
        const bound_model here(engine_, commit_.codec);
        const auto named = [](const index_model& model) {
            return model.name == model.fingerprint ? model.name
                                                   : model.name + " (" + model.fingerprint + ")";
        };
        if (commit_.model.fingerprint != here.identity.fingerprint) {
            throw errors::index_mismatch("model", named(commit_.model), named(here.identity),
                                         "open it with its own model, or build it again");
        }
        if (commit_.model.key_values != here.identity.key_values) {
            throw errors::index_mismatch("model",
                                         commit_.model.name + " with key and value weights " +
                                             commit_.model.key_values,
                                         here.identity.name + " with " + here.identity.key_values,
                                         "open it with its own model, or build it again");
        }
    }
    void open_codec(io::file_system& files, const std::filesystem::path& folder,
                    const snapshot* before) {
        if (before != nullptr && before->commit_.parameters == commit_.parameters &&
            before->commit_.codec == commit_.codec && before->engine_ == engine_) {
            coder_ = before->coder_;
            parameters_ = before->parameters_;
            return;
        }
        if (commit_.parameters.file != 0) {
            parameters_ = std::make_shared<const blob_file>(
                folder, codec_name(commit_.parameters.file), commit_.parameters,
                blob_kind::codec_parameters, files);
        } else if (needs_training(commit_.codec)) {
            if (!commit_.segments.empty()) {
                throw errors::bad_index_file(manifest_name(commit_.generation),
                                             "it names no parameters of its codec");
            }
            validate(commit_.codec, *engine_);
            return;
        }
        coder_ =
            std::make_shared<const document_coder>(commit_.codec, *engine_, codec_parameters());
    }
    static live_segment open(io::file_system& files, const std::filesystem::path& folder,
                             const segment_record& record, const snapshot* before) {
        live_segment made{record, nullptr, nullptr};
        if (before != nullptr) {
            for (const live_segment& each : before->segments_) {
                if (each.record.file == record.file && each.record.checksum == record.checksum &&
                    each.record.bytes == record.bytes) {
                    made.file = each.file;
                    if (each.record.deletions == record.deletions) {
                        made.deleted = each.deleted;
                    }
                }
            }
        }
        if (made.file == nullptr) {
            made.file = std::make_shared<const segment>(folder, record, files);
        }
        if (record.deletions.file != 0 && made.deleted == nullptr) {
            made.deleted = std::make_shared<const deletions>(folder, record, files);
        }
        if (record.deletions.tokens > made.file->tokens() ||
            record.deletions.rows > made.file->rows()) {
            throw errors::bad_index_file(made.file->name(), "more is deleted than it holds");
        }
        return made;
    }

    std::shared_ptr<const model> engine_;
    manifest commit_;
    std::shared_ptr<const blob_file> parameters_;
    std::shared_ptr<const document_coder> coder_;
    std::vector<live_segment> segments_;
    std::uint64_t entries_ = 0;
};

} // namespace store
MICE_NAMESPACE_END
