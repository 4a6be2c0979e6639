// SPDX-License-Identifier: Apache-2.0
// Merging, checking and repairing indexes by the C interface.
#include "../support/temporary_folder.hpp"
#include "c_objects.hpp"

#include <cstdint>
#include <string_view>

using namespace c_interface;

namespace {

owned<mice_index> opened(const std::string& folder, const mice_reranker* ranker) {
    owned<mice_index> index;
    must([&](mice_error** error) {
        return mice_index_open_or_create(folder.data(), folder.size(), ranker, nullptr, out(index),
                                         error);
    });
    return index;
}

void put(mice_index* index, const std::string& id, const std::string& text) {
    must([&](mice_error** error) {
        return mice_index_put(index, id.data(), id.size(), text.data(), text.size(), nullptr, 0,
                              nullptr, error);
    });
    must([&](mice_error** error) { return mice_index_commit(index, nullptr, error); });
}

std::uint64_t size_of(const mice_index* index) {
    std::uint64_t count = 0;
    must([&](mice_error** error) { return mice_index_size(index, &count, error); });
    return count;
}

owned<mice_findings> verified(const std::string& folder) {
    owned<mice_findings> findings;
    must([&](mice_error** error) {
        return mice_index_verify(folder.data(), folder.size(), nullptr, out(findings), error);
    });
    return findings;
}

} // namespace

TEST_CASE("the C interface merges indexes") {
    const owned<mice_reranker> ranker = load(MICE_PRECISION_F32);
    const temporary_folder folder;
    const std::string first = (folder.path() / "first").string();
    const std::string second = (folder.path() / "second").string();
    const owned<mice_index> index = opened(first, ranker.get());
    put(index.get(), "a", "bread");
    put(index.get(), "b", "knife");
    owned<mice_index> like;
    must([&](mice_error** error) {
        return mice_index_create_like(second.data(), second.size(), ranker.get(), first.data(),
                                      first.size(), nullptr, out(like), error);
    });
    put(like.get(), "a", "bread");
    put(like.get(), "b", "rainbow");
    put(like.get(), "c", "dough");

    const std::vector<std::string> folders{second};
    const text_list others(folders);
    std::uint64_t added = 9, replaced = 9, skipped = 9;
    const auto merge = [&](std::int32_t conflict, mice_error** error) {
        return mice_index_merge(index.get(), others.pointers.data(), others.sizes.data(), 1,
                                conflict, nullptr, &added, &replaced, &skipped, error);
    };
    owned<mice_error> error;
    CHECK(merge(MICE_MERGE_REFUSE, out(error)) == MICE_ERROR_MISMATCH);
    CHECK(added + replaced + skipped == 0);
    must([&](mice_error** failure) { return mice_index_rollback(index.get(), failure); });
    must([&](mice_error** failure) { return merge(MICE_MERGE_KEEP_LAST, failure); });
    CHECK(added == 1);
    CHECK(replaced == 1);
    CHECK(skipped == 1);
    CHECK(size_of(index.get()) == 3);
    must([&](mice_error** failure) { return merge(MICE_MERGE_KEEP_FIRST, failure); });
    CHECK(skipped == 3);
    CHECK(mice_findings_size(verified(first).get()) == 0);
}

TEST_CASE("the C interface finds damage of an index and repairs it") {
    const owned<mice_reranker> ranker = load(MICE_PRECISION_F32);
    const temporary_folder folder;
    const std::string where = (folder.path() / "index").string();
    {
        const owned<mice_index> index = opened(where, ranker.get());
        put(index.get(), "a", "bread");
        put(index.get(), "b", "knife");
    }
    std::filesystem::path last;
    for (const auto& each : std::filesystem::directory_iterator(where)) {
        if (each.path().filename().string().starts_with("manifest-")) {
            last = std::max(last, each.path());
        }
    }
    const auto size = std::filesystem::file_size(last);
    std::filesystem::resize_file(last, size - 1);
    std::filesystem::resize_file(last, size); // its last byte is 0 now

    const owned<mice_findings> found = verified(where);
    REQUIRE(mice_findings_size(found.get()) >= 1);
    std::size_t length = 0;
    const std::string_view file = mice_findings_file(found.get(), 0, &length);
    CHECK(file == last.filename().string());
    CHECK(length == file.size());
    CHECK(mice_findings_what(found.get(), 0, nullptr) != nullptr);
    CHECK(mice_findings_what(found.get(), 100, &length) == nullptr);
    CHECK(length == 0);

    for (const auto& repair : {&mice_index_plan_repair, &mice_index_repair}) {
        owned<mice_findings> why;
        std::int32_t lost = 0;
        std::uint64_t documents = 0;
        must([&](mice_error** error) {
            return repair(where.data(), where.size(), ranker.get(), out(why), &lost, &documents,
                          error);
        });
        REQUIRE(mice_findings_size(why.get()) == 1);
        CHECK(lost == 1);
        CHECK(documents == 1);
    }
    CHECK(mice_findings_size(verified(where).get()) == 0);
    CHECK(size_of(opened(where, ranker.get()).get()) == 1);
}
