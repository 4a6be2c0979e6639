// SPDX-License-Identifier: Apache-2.0
// The C interface of mice, for C99, C++ and every language that can call C. docs/c.md shows it.
//
// Objects are opaque. Who gets one through a `**` argument frees it with the function of its type
// that ends in _free, which takes NULL. They depend on each other in no way, except that a model in
// the caller's memory needs that memory. What a getter returns by pointer belongs to its object.
//
// Functions that can fail return a status, and `error`, unless NULL, gets an object that says why;
// on success it gets NULL. What they would have given is then NULL or 0. A NULL argument, a number
// out of range, or a size that no memory has is MICE_ERROR_INVALID_ARGUMENT. Other functions give
// 0, NaN or NULL for a NULL object and for a place that is not there. `options` may be NULL.
//
// A text is UTF-8, as a pointer and its bytes; it needs no 0 behind it. Lists of texts are an array
// of pointers and one of sizes. A pointer may be NULL where its size or count is 0. Nothing given
// to a function is kept after it returns, but for the memory of a model and what callbacks need.
//
// Any number of threads may use an object at once, except: one that is being changed by a setter or
// freed, and those functions of an index that say so. No exception leaves a function.
#ifndef MICE_MICE_H
#define MICE_MICE_H

#include <stddef.h>
#include <stdint.h>

#ifndef MICE_API
#if defined(_WIN32) && defined(MICE_C_BUILDS)
#define MICE_API __declspec(dllexport)
#elif defined(__GNUC__)
#define MICE_API __attribute__((visibility("default")))
#else
#define MICE_API
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mice_error mice_error;
typedef struct mice_options mice_options;
typedef struct mice_reranker mice_reranker;
typedef struct mice_query mice_query;
typedef struct mice_document mice_document;
typedef struct mice_ranking mice_ranking;
typedef struct mice_highlights mice_highlights;
typedef struct mice_passages mice_passages;
typedef struct mice_bytes mice_bytes;
typedef struct mice_index mice_index;
typedef struct mice_findings mice_findings;

// ---- versions and errors ----

/// Grows with every function that is added; none is ever changed or taken away. A program works
/// with each library whose mice_abi_version() is at least the number it was compiled with.
enum { MICE_ABI_VERSION = 1 };
MICE_API uint32_t mice_abi_version(void);
/// Of the library, such as "0.1.0".
MICE_API const char* mice_version(void);

/// MICE_OK, or a kind of failure; more may be added.
typedef int32_t mice_status;
enum {
    MICE_OK = 0,
    MICE_ERROR_IO = 1,               ///< the operating system refused
    MICE_ERROR_FORMAT = 2,           ///< a file's bytes contradict its format
    MICE_ERROR_CONFIG = 3,           ///< a model's configuration contradicts itself
    MICE_ERROR_TENSOR = 4,           ///< a tensor is missing, or has the wrong shape or values
    MICE_ERROR_TOKENIZER = 5,        ///< a vocabulary or tokenizer setting is unusable
    MICE_ERROR_UNSUPPORTED = 6,      ///< valid, but not supported by this version
    MICE_ERROR_INVALID_ARGUMENT = 7, ///< the caller's argument
    MICE_ERROR_ENCODING = 8,         ///< text is not UTF-8, and the options refuse it
    MICE_ERROR_STOPPED = 9,          ///< stopped by the options, without a partial result
    MICE_ERROR_MISMATCH = 10,        ///< such as a document of another model
    MICE_ERROR_OUT_OF_MEMORY = 11,
    MICE_ERROR_UNEXPECTED = 12 ///< none of these: a mistake in mice or in the system
};
MICE_API mice_status mice_error_code(const mice_error* error);
/// For people, ends with 0; "" for NULL.
MICE_API const char* mice_error_message(const mice_error* error);
MICE_API void mice_error_free(mice_error* error);

/// Bytes that a function made.
MICE_API const void* mice_bytes_data(const mice_bytes* bytes, size_t* size);
MICE_API void mice_bytes_free(mice_bytes* bytes);

// ---- options: one object for all calls; each reads what concerns it ----

MICE_API mice_status mice_options_create(mice_options** options, mice_error** error);
MICE_API void mice_options_free(mice_options* options);

/// Threads of a call, the calling one counted; 0, the default: all processors.
MICE_API mice_status mice_options_set_threads(mice_options* options, size_t threads,
                                              mice_error** error);
/// Has a thread of the caller's call run(task) once, now or later, and does not wait. It may be
/// called from many threads at once. Not 0: it will not; then it never may.
typedef int32_t (*mice_submit)(void* user, void (*run)(void* task), void* task);
/// The caller's threads, so that mice starts none; `concurrency` of them can work at a time. They
/// have to be there until all calls and indexes with these options are done. NULL: none.
MICE_API mice_status mice_options_set_executor(mice_options* options, mice_submit submit,
                                               size_t concurrency, void* user, mice_error** error);
/// Not 0 asks the call to stop. Called before the work and between its pieces, in the thread that
/// made the call. What is scored by then is the result, marked as not complete. NULL: none.
typedef int32_t (*mice_cancel)(void* user);
MICE_API mice_status mice_options_set_cancel(mice_options* options, mice_cancel cancel, void* user,
                                             mice_error** error);
/// How many documents (passages of texts, bytes of an index) are done, and of how many; called in
/// the thread that made the call. NULL: none.
typedef void (*mice_progress)(void* user, uint64_t done, uint64_t total);
MICE_API mice_status mice_options_set_progress(mice_options* options, mice_progress progress,
                                               void* user, mice_error** error);
/// How long a call may take, in milliseconds; it stops as by mice_cancel. 0, the default: no limit.
MICE_API mice_status mice_options_set_time_limit(mice_options* options, uint64_t milliseconds,
                                                 mice_error** error);

/// What a model that is loaded computes with.
enum {
    MICE_PRECISION_AUTOMATIC = 0, ///< the default: the fastest on this processor
    MICE_PRECISION_F32 = 1,
    MICE_PRECISION_BF16 = 2,
    MICE_PRECISION_INT8 = 3
};
MICE_API mice_status mice_options_set_precision(mice_options* options, int32_t precision,
                                                mice_error** error);

/// How many hits a ranking has at most; 0, the default: all.
MICE_API mice_status mice_options_set_top_k(mice_options* options, size_t top_k,
                                            mice_error** error);
enum { MICE_SCORE_LOGIT = 0, MICE_SCORE_SIGMOID = 1 };
/// The form of a score; the default is the logit.
MICE_API mice_status mice_options_set_score_form(mice_options* options, int32_t form,
                                                 mice_error** error);
enum { MICE_SPECIALS_PLAIN = 0, MICE_SPECIALS_PARSE = 1 };
/// Whether "[SEP]" in a text is plain text, the default, or the token.
MICE_API mice_status mice_options_set_specials(mice_options* options, int32_t specials,
                                               mice_error** error);
enum { MICE_INVALID_UTF8_REPLACE = 0, MICE_INVALID_UTF8_REFUSE = 1 };
/// What bytes that are not UTF-8 become: U+FFFD, the default, or MICE_ERROR_ENCODING.
MICE_API mice_status mice_options_set_invalid_utf8(mice_options* options, int32_t invalid,
                                                   mice_error** error);

/// Asks rankings for highlights: of each hit its best sentences (0: all), of each its best words
/// (0: none). 1 and 3 where only mice_highlight_... is called.
MICE_API mice_status mice_options_set_highlights(mice_options* options, size_t sentences,
                                                 size_t words, mice_error** error);
/// Rankings have no highlights any more, as before mice_options_set_highlights().
MICE_API mice_status mice_options_unset_highlights(mice_options* options, mice_error** error);
/// Takes one text of a callback; copies it. Threads: that of the callback.
typedef struct mice_text_sink mice_text_sink;
MICE_API mice_status mice_text_sink_put(mice_text_sink* sink, const char* text, size_t size,
                                        mice_error** error);
/// Puts the text of an index's document into the sink, or nothing where there is none. Not 0 ends
/// the call with MICE_ERROR_STOPPED. Called in the thread that made the call.
typedef int32_t (*mice_text_of)(void* user, const char* id, size_t id_size, const char* metadata,
                                size_t metadata_size, mice_text_sink* sink);
/// Highlights of an index's hits need their texts. NULL: none.
MICE_API mice_status mice_options_set_text_of(mice_options* options, mice_text_of text_of,
                                              void* user, mice_error** error);

/// How a text is cut: tokens of a passage at most (0: the model's limit), and what a passage
/// repeats of the one before, in tokens or in sentences; all 0 by default.
MICE_API mice_status mice_options_set_passages(mice_options* options, size_t max_tokens,
                                               size_t overlap_tokens, size_t overlap_sentences,
                                               mice_error** error);
enum {
    MICE_TEXT_AUTOMATIC = 0, ///< the default: by the file's name, or by what it looks like
    MICE_TEXT_PLAIN = 1,
    MICE_TEXT_MARKDOWN = 2,
    MICE_TEXT_CODE = 3,
    MICE_TEXT_LOG = 4
};
/// `file_name` is looked at, never opened.
MICE_API mice_status mice_options_set_text_kind(mice_options* options, int32_t kind,
                                                const char* file_name, size_t file_name_size,
                                                mice_error** error);
enum { MICE_TEXT_SCORE_MAX = 0, MICE_TEXT_SCORE_SOFT_MAX = 1 };
/// The score of a text from those of its passages: text_options of mice/texts.hpp. By default
/// MICE_TEXT_SCORE_MAX, 0.5, 0.5, 1.
MICE_API mice_status mice_options_set_text_score(mice_options* options, int32_t score,
                                                 double temperature, double first_share,
                                                 double first_limit, mice_error** error);

enum { MICE_DROP_NONE = 0, MICE_DROP_PUNCTUATION = 1, MICE_DROP_STOP_WORDS = 2 };
/// How a new index stores states: a codec of docs/index.md, rows merged into one, tokens left out.
/// By default "int8", 1, MICE_DROP_NONE.
MICE_API mice_status mice_options_set_codec(mice_options* options, const char* name,
                                            size_t name_size, size_t pool, int32_t drop,
                                            mice_error** error);
/// Whether a new index keeps words, which finding candidates needs: not 0, the default.
MICE_API mice_status mice_options_set_words(mice_options* options, int32_t keep,
                                            mice_error** error);
/// Of BM25; by default 0.9 and 0.4.
MICE_API mice_status mice_options_set_bm25(mice_options* options, double k1, double b,
                                           mice_error** error);

// ---- loading ----

/// Reads: threads, executor, precision. The file's name is UTF-8.
MICE_API mice_status mice_reranker_load(const char* file, size_t file_size,
                                        const mice_options* options, mice_reranker** reranker,
                                        mice_error** error);
/// Of a model file's bytes, which must stay until the reranker and its indexes are freed.
MICE_API mice_status mice_reranker_load_memory(const void* bytes, size_t size,
                                               const mice_options* options,
                                               mice_reranker** reranker, mice_error** error);
MICE_API void mice_reranker_free(mice_reranker* reranker);
/// One of MICE_PRECISION_..., never automatic.
MICE_API int32_t mice_reranker_precision(const mice_reranker* reranker);
/// Names the weights; ends with 0.
MICE_API const char* mice_reranker_fingerprint(const mice_reranker* reranker, size_t* size);
/// Not 0 where documents can be encoded once and stored.
MICE_API int32_t mice_reranker_stores_documents(const mice_reranker* reranker);
/// Tokens that the model reads of a document at most, markers included.
MICE_API size_t mice_reranker_max_tokens(const mice_reranker* reranker);
/// Frees the work memory that finished calls left for the next ones.
MICE_API void mice_reranker_release_memory(const mice_reranker* reranker);

// ---- ranking; all read: threads, executor, cancel, progress, time limit, top_k, score form,
// ---- specials, invalid UTF-8, highlights

/// Best first, equal scores in input order, top_k at most.
MICE_API mice_status mice_rank(const mice_reranker* reranker, const char* query, size_t query_size,
                               const char* const* texts, const size_t* sizes, size_t count,
                               const mice_options* options, mice_ranking** ranking,
                               mice_error** error);
/// One hit for each text, in input order.
MICE_API mice_status mice_score(const mice_reranker* reranker, const char* query, size_t query_size,
                                const char* const* texts, const size_t* sizes, size_t count,
                                const mice_options* options, mice_ranking** ranking,
                                mice_error** error);
/// Of encoded documents. `texts` and `sizes`, of the same count, are those that were encoded, for
/// highlights; else NULL.
MICE_API mice_status mice_rank_documents(const mice_reranker* reranker, const char* query,
                                         size_t query_size, const mice_document* const* documents,
                                         size_t count, const char* const* texts,
                                         const size_t* sizes, const mice_options* options,
                                         mice_ranking** ranking, mice_error** error);
MICE_API mice_status mice_score_documents(const mice_reranker* reranker, const char* query,
                                          size_t query_size, const mice_document* const* documents,
                                          size_t count, const mice_options* options,
                                          mice_ranking** ranking, mice_error** error);
/// Of texts of any length, by their passages (mice::rank_texts). Reads also: passages, text kind,
/// text score.
MICE_API mice_status mice_rank_texts(const mice_reranker* reranker, const char* query,
                                     size_t query_size, const char* const* texts,
                                     const size_t* sizes, size_t count, const mice_options* options,
                                     mice_ranking** ranking, mice_error** error);

/// A query, encoded once for many rankings. Reads: specials, invalid UTF-8.
MICE_API mice_status mice_encode_query(const mice_reranker* reranker, const char* query,
                                       size_t query_size, const mice_options* options,
                                       mice_query** encoded, mice_error** error);
MICE_API void mice_query_free(mice_query* query);
/// As mice_document_tokens().
MICE_API mice_status mice_query_tokens(const mice_query* query, size_t* tokens, size_t* cut,
                                       size_t* replaced, mice_error** error);
/// As mice_rank and mice_rank_documents, for a list of encoded queries of the same model; each text
/// is encoded once for all. `rankings` is an array of `query_count`: all are made, or none.
MICE_API mice_status mice_rank_batch(const mice_reranker* reranker,
                                     const mice_query* const* queries, size_t query_count,
                                     const char* const* texts, const size_t* sizes, size_t count,
                                     const mice_options* options, mice_ranking** rankings,
                                     mice_error** error);
MICE_API mice_status mice_rank_documents_batch(const mice_reranker* reranker,
                                               const mice_query* const* queries, size_t query_count,
                                               const mice_document* const* documents, size_t count,
                                               const char* const* texts, const size_t* sizes,
                                               const mice_options* options, mice_ranking** rankings,
                                               mice_error** error);

MICE_API void mice_ranking_free(mice_ranking* ranking);
/// Hits.
MICE_API size_t mice_ranking_size(const mice_ranking* ranking);
/// 0: a stop left some unscored, or without highlights.
MICE_API int32_t mice_ranking_complete(const mice_ranking* ranking);
MICE_API size_t mice_ranking_unscored(const mice_ranking* ranking);
/// Place in the caller's list; of an index 0.
MICE_API size_t mice_ranking_index(const mice_ranking* ranking, size_t hit);
/// NaN where a stop left it unscored.
MICE_API float mice_ranking_score(const mice_ranking* ranking, size_t hit);
/// Id of an index's document, ends with 0; else "".
MICE_API const char* mice_ranking_id(const mice_ranking* ranking, size_t hit, size_t* size);
/// Copies all scores or places into an array of at least mice_ranking_size() elements.
MICE_API mice_status mice_ranking_copy_scores(const mice_ranking* ranking, float* scores,
                                              size_t count, mice_error** error);
MICE_API mice_status mice_ranking_copy_indices(const mice_ranking* ranking, size_t* indices,
                                               size_t count, mice_error** error);
/// Tokens that the model read of a hit and that its limit cut off, and invalid UTF-8 sequences that
/// were replaced. Here and below, each of the results may be NULL.
MICE_API mice_status mice_ranking_tokens(const mice_ranking* ranking, size_t hit, size_t* seen,
                                         size_t* cut, size_t* replaced, mice_error** error);
/// The same of the query.
MICE_API mice_status mice_ranking_query(const mice_ranking* ranking, size_t* seen, size_t* cut,
                                        size_t* replaced, mice_error** error);
/// Of a long text: how many passages it has (else 0), and of the best one the place among them, the
/// score, the bytes [begin, end) and the lines, counted from 1.
MICE_API mice_status mice_ranking_passage(const mice_ranking* ranking, size_t hit, size_t* passages,
                                          size_t* best, float* score, uint64_t* begin,
                                          uint64_t* end, uint64_t* first_line, uint64_t* last_line,
                                          mice_error** error);
/// Belongs to the ranking; NULL where they were not asked for.
MICE_API const mice_highlights* mice_ranking_highlights(const mice_ranking* ranking, size_t hit);

// ---- highlights: what answers a query in a text ----

/// Of a text. Reads: highlights, specials, invalid UTF-8.
MICE_API mice_status mice_highlight_text(const mice_reranker* reranker, const char* query,
                                         size_t query_size, const char* text, size_t text_size,
                                         const mice_options* options, mice_highlights** highlights,
                                         mice_error** error);
/// From the states of an encoded document, whose text it is.
MICE_API mice_status mice_highlight_document(const mice_reranker* reranker, const char* query,
                                             size_t query_size, const mice_document* document,
                                             const char* text, size_t text_size,
                                             const mice_options* options,
                                             mice_highlights** highlights, mice_error** error);
/// Only of those that a mice_highlight_... function made; those of a ranking are its own.
MICE_API void mice_highlights_free(mice_highlights* highlights);
/// Sentences, best first.
MICE_API size_t mice_highlights_size(const mice_highlights* highlights);
/// Bytes [begin, end) of the text, the line, counted from 1, and how well it answers.
MICE_API mice_status mice_highlights_sentence(const mice_highlights* highlights, size_t sentence,
                                              size_t* begin, size_t* end, size_t* line,
                                              float* score, mice_error** error);
/// Words of a sentence, best first.
MICE_API size_t mice_highlights_words(const mice_highlights* highlights, size_t sentence);
MICE_API mice_status mice_highlights_word(const mice_highlights* highlights, size_t sentence,
                                          size_t word, size_t* begin, size_t* end, float* score,
                                          mice_error** error);
/// What could not be had, and why; ends with 0.
MICE_API const char* mice_highlights_note(const mice_highlights* highlights, size_t* size);

// ---- documents: encoded once ----

/// Reads: specials, invalid UTF-8.
MICE_API mice_status mice_encode(const mice_reranker* reranker, const char* text, size_t text_size,
                                 const mice_options* options, mice_document** document,
                                 mice_error** error);
/// On all threads, into an array of `count`, all of them or none (a stop is an error here). Reads
/// also: threads, executor, cancel, progress, time limit.
MICE_API mice_status mice_encode_all(const mice_reranker* reranker, const char* const* texts,
                                     const size_t* sizes, size_t count, const mice_options* options,
                                     mice_document** documents, mice_error** error);
MICE_API void mice_document_free(mice_document* document);
/// Bytes to store; docs/format.md describes them.
MICE_API mice_status mice_document_serialize(const mice_document* document, mice_bytes** bytes,
                                             mice_error** error);
/// Trusts nothing in the bytes.
MICE_API mice_status mice_document_deserialize(const void* bytes, size_t size,
                                               mice_document** document, mice_error** error);
/// Tokens encoded, those that the limit cut off, and invalid UTF-8 sequences replaced.
MICE_API mice_status mice_document_tokens(const mice_document* document, size_t* tokens,
                                          size_t* cut, size_t* replaced, mice_error** error);
/// States [rows, width].
MICE_API const float* mice_document_states(const mice_document* document, size_t* rows,
                                           size_t* width);
/// Of the model that encoded it; ends with 0.
MICE_API const char* mice_document_fingerprint(const mice_document* document, size_t* size);

// ---- passages of a long text ----

/// In the text's order. Reads: passages, text kind, specials.
MICE_API mice_status mice_passages_cut(const mice_reranker* reranker, const char* text,
                                       size_t text_size, const mice_options* options,
                                       mice_passages** passages, mice_error** error);
MICE_API void mice_passages_free(mice_passages* passages);
MICE_API size_t mice_passages_size(const mice_passages* passages);
/// Bytes [begin, end) of the text, lines counted from 1, tokens with markers.
MICE_API mice_status mice_passages_place(const mice_passages* passages, size_t passage,
                                         uint64_t* begin, uint64_t* end, uint64_t* first_line,
                                         uint64_t* last_line, size_t* tokens, mice_error** error);
/// Headings above it.
MICE_API size_t mice_passages_headings(const mice_passages* passages, size_t passage);
/// The outermost is 0; ends with 0.
MICE_API const char* mice_passages_heading(const mice_passages* passages, size_t passage,
                                           size_t heading, size_t* size);

// ---- an index: encoded documents in a folder; mice/index.hpp says more ----

/// In a folder that is new or empty. Reads: codec, words, specials, invalid UTF-8, and, here and in
/// the next two, for encoding: threads, executor.
MICE_API mice_status mice_index_create(const char* folder, size_t folder_size,
                                       const mice_reranker* reranker, const mice_options* options,
                                       mice_index** index, mice_error** error);
/// As mice_index_create, with the options and codec of another index, so that mice_index_merge can
/// join the two.
MICE_API mice_status mice_index_create_like(const char* folder, size_t folder_size,
                                            const mice_reranker* reranker, const char* other,
                                            size_t other_size, const mice_options* options,
                                            mice_index** index, mice_error** error);
/// The last commit.
MICE_API mice_status mice_index_open(const char* folder, size_t folder_size,
                                     const mice_reranker* reranker, const mice_options* options,
                                     mice_index** index, mice_error** error);
/// Opens it, or creates it if there is none.
MICE_API mice_status mice_index_open_or_create(const char* folder, size_t folder_size,
                                               const mice_reranker* reranker,
                                               const mice_options* options, mice_index** index,
                                               mice_error** error);
/// Drops what was not committed.
MICE_API void mice_index_free(mice_index* index);

// Functions that write are for one thread at a time; others may read meanwhile. The first takes the
// folder's lock. After a failure that is no invalid argument, only rollback or release goes on.

enum { MICE_PUT_ADDED = 0, MICE_PUT_REPLACED = 1, MICE_PUT_UNCHANGED = 2 };
/// Adds a document, or replaces the one of that id. `result`, which may be NULL, says what was
/// done.
MICE_API mice_status mice_index_put(mice_index* index, const char* id, size_t id_size,
                                    const char* text, size_t text_size, const char* metadata,
                                    size_t metadata_size, int32_t* result, mice_error** error);
/// A text of any length, with all its passages.
MICE_API mice_status mice_index_put_text(mice_index* index, const char* id, size_t id_size,
                                         const char* text, size_t text_size, const char* metadata,
                                         size_t metadata_size, int32_t* result, mice_error** error);
/// A document that was encoded before. It has no words.
MICE_API mice_status mice_index_put_document(mice_index* index, const char* id, size_t id_size,
                                             const mice_document* document, const char* metadata,
                                             size_t metadata_size, int32_t* result,
                                             mice_error** error);
/// `removed`, which may be NULL: 0 where there is no document of that id.
MICE_API mice_status mice_index_remove(mice_index* index, const char* id, size_t id_size,
                                       int32_t* removed, mice_error** error);
/// Makes all changes visible and durable. `generation`, which may be NULL: number of the commit.
MICE_API mice_status mice_index_commit(mice_index* index, uint64_t* generation, mice_error** error);
/// Forgets all changes since the last commit.
MICE_API mice_status mice_index_rollback(mice_index* index, mice_error** error);
/// As rollback, and lets other writers in.
MICE_API mice_status mice_index_release(mice_index* index, mice_error** error);
/// Commits, and rewrites the files without what was removed. Reads: progress.
MICE_API mice_status mice_index_compact(mice_index* index, const mice_options* options,
                                        uint64_t* generation, mice_error** error);
enum { MICE_MERGE_REFUSE = 0, MICE_MERGE_KEEP_FIRST = 1, MICE_MERGE_KEEP_LAST = 2 };
/// Adds all documents of the indexes in other folders, and commits; nothing is encoded again. Two
/// documents of one id that differ are MICE_ERROR_MISMATCH unless `conflict` says which one stays.
/// Reads: progress.
MICE_API mice_status mice_index_merge(mice_index* index, const char* const* folders,
                                      const size_t* sizes, size_t count, int32_t conflict,
                                      const mice_options* options, uint64_t* added,
                                      uint64_t* replaced, uint64_t* skipped, mice_error** error);
/// Goes on to the last commit of another process; `changed`, which may be NULL: 0 if there is none.
MICE_API mice_status mice_index_refresh(mice_index* index, int32_t* changed, mice_error** error);

/// Documents of the last commit.
MICE_API mice_status mice_index_size(const mice_index* index, uint64_t* documents,
                                     mice_error** error);
/// The metadata of a document; NULL, without an error, where there is none of that id.
MICE_API mice_status mice_index_metadata(const mice_index* index, const char* id, size_t id_size,
                                         mice_bytes** metadata, mice_error** error);
/// Ranks all documents. Reads what mice_rank reads, and text_of for highlights.
MICE_API mice_status mice_index_rank(const mice_index* index, const char* query, size_t query_size,
                                     const mice_options* options, mice_ranking** ranking,
                                     mice_error** error);
/// The same for a list of encoded queries; each document is read once. `rankings` is an array of
/// `query_count`: all are made, or none.
MICE_API mice_status mice_index_rank_batch(const mice_index* index,
                                           const mice_query* const* queries, size_t query_count,
                                           const mice_options* options, mice_ranking** rankings,
                                           mice_error** error);
/// Ranks those of the given ids; an unknown one is MICE_ERROR_INVALID_ARGUMENT.
MICE_API mice_status mice_index_rank_ids(const mice_index* index, const char* query,
                                         size_t query_size, const char* const* ids,
                                         const size_t* sizes, size_t count,
                                         const mice_options* options, mice_ranking** ranking,
                                         mice_error** error);
/// At most `depth` documents that share words with the query, best first by BM25. Reads: bm25.
MICE_API mice_status mice_index_candidates(const mice_index* index, const char* query,
                                           size_t query_size, size_t depth,
                                           const mice_options* options, mice_ranking** ranking,
                                           mice_error** error);
/// Ranks the candidates: mice_index_candidates, then mice_index_rank_ids.
MICE_API mice_status mice_index_search(const mice_index* index, const char* query,
                                       size_t query_size, size_t depth, const mice_options* options,
                                       mice_ranking** ranking, mice_error** error);
/// What answers the query in one document, whose text it is.
MICE_API mice_status mice_index_highlight(const mice_index* index, const char* query,
                                          size_t query_size, const char* id, size_t id_size,
                                          const char* text, size_t text_size,
                                          const mice_options* options, mice_highlights** highlights,
                                          mice_error** error);

// ---- damage of an index; these take a folder, as a damaged index may not open ----

/// Reads every byte of the index and compares the checksums. What is wrong is no error, but a
/// finding; none: no damage. Reads: progress.
MICE_API mice_status mice_index_verify(const char* folder, size_t folder_size,
                                       const mice_options* options, mice_findings** findings,
                                       mice_error** error);
/// Goes back to the last commit that can be opened; no file is removed. `findings` say why later
/// ones cannot; none: nothing was done. `lost`: not 0 where changes of a commit are lost.
/// `documents`: how many are in the commit. Both may be NULL.
MICE_API mice_status mice_index_repair(const char* folder, size_t folder_size,
                                       const mice_reranker* reranker, mice_findings** findings,
                                       int32_t* lost, uint64_t* documents, mice_error** error);
/// What mice_index_repair would do; changes nothing.
MICE_API mice_status mice_index_plan_repair(const char* folder, size_t folder_size,
                                            const mice_reranker* reranker, mice_findings** findings,
                                            int32_t* lost, uint64_t* documents, mice_error** error);
MICE_API void mice_findings_free(mice_findings* findings);
MICE_API size_t mice_findings_size(const mice_findings* findings);
/// The name of the file inside the folder, and what is wrong with it; both end with 0. NULL, with a
/// size of 0, for a finding that is not there.
MICE_API const char* mice_findings_file(const mice_findings* findings, size_t finding,
                                        size_t* size);
MICE_API const char* mice_findings_what(const mice_findings* findings, size_t finding,
                                        size_t* size);

#ifdef __cplusplus
}
#endif

#endif
