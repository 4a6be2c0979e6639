/* SPDX-License-Identifier: Apache-2.0 */
/* A C program with every kind of object. Arguments: a model file, a folder for an index. It prints
   "ok", or what went wrong. */
#include <mice/mice.h>

#include <stdio.h>
#include <string.h>

static int failures = 0;

static void check(int right, const char* what) {
    if (!right) {
        printf("wrong: %s\n", what);
        ++failures;
    }
}

/* Shows and frees an error. */
static void must(mice_status status, mice_error* error, const char* what) {
    if (status != MICE_OK) {
        printf("%s: %d %s\n", what, (int)status, mice_error_message(error));
        ++failures;
    }
    mice_error_free(error);
}

static int32_t never(void* user) {
    ++*(int*)user;
    return 0;
}

int main(int argc, char** argv) {
    static const char* const texts[] = {
        "Sunlight in a raindrop is bent and reflected.",
        "Bakers feed it every day. Yeast gives off carbon dioxide, so the dough swells."};
    static const char query[] = "why does bread rise";
    const size_t sizes[2] = {strlen(texts[0]), strlen(texts[1])};
    int asked = 0;
    mice_error* error = NULL;
    mice_options* options = NULL;
    mice_reranker* reranker = NULL;
    mice_ranking* ranking = NULL;
    mice_document* documents[2] = {NULL, NULL};
    mice_bytes* bytes = NULL;
    mice_document* read = NULL;
    mice_passages* passages = NULL;
    mice_index* index = NULL;
    float scores[2] = {0, 0};
    float stored[2] = {0, 0};
    size_t size = 0, begin = 0, end = 0, line = 0;
    const void* data = NULL;
    if (argc != 3) {
        return 2;
    }
    check(mice_abi_version() >= MICE_ABI_VERSION, "version");
    must(mice_options_create(&options, &error), error, "options");
    must(mice_options_set_precision(options, MICE_PRECISION_F32, &error), error, "precision");
    must(mice_options_set_highlights(options, 1, 1, &error), error, "highlights");
    must(mice_options_set_cancel(options, never, &asked, &error), error, "cancel");
    must(mice_reranker_load(argv[1], strlen(argv[1]), options, &reranker, &error), error, "load");

    must(mice_rank(reranker, query, strlen(query), texts, sizes, 2, options, &ranking, &error),
         error, "rank");
    check(mice_ranking_size(ranking) == 2, "hits");
    check(mice_ranking_index(ranking, 0) == 1, "the best");
    check(asked > 0, "cancel is asked");
    must(mice_highlights_sentence(mice_ranking_highlights(ranking, 0), 0, &begin, &end, &line, NULL,
                                  &error),
         error, "sentence");
    check(end - begin == 52 && memcmp(texts[1] + begin, "Yeast", 5) == 0, "the sentence");
    mice_ranking_free(ranking);

    must(mice_score(reranker, query, strlen(query), texts, sizes, 2, NULL, &ranking, &error), error,
         "score");
    must(mice_ranking_copy_scores(ranking, scores, 2, &error), error, "scores");
    mice_ranking_free(ranking);
    must(mice_encode_all(reranker, texts, sizes, 2, NULL, documents, &error), error, "encode");
    must(mice_document_serialize(documents[1], &bytes, &error), error, "serialize");
    data = mice_bytes_data(bytes, &size);
    must(mice_document_deserialize(data, size, &read, &error), error, "deserialize");
    mice_document_free(documents[1]);
    documents[1] = read;
    must(mice_score_documents(reranker, query, strlen(query),
                              (const mice_document* const*)documents, 2, NULL, &ranking, &error),
         error, "score documents");
    must(mice_ranking_copy_scores(ranking, stored, 2, &error), error, "scores");
    check(memcmp(scores, stored, sizeof scores) == 0, "the same bits");
    mice_ranking_free(ranking);

    must(mice_passages_cut(reranker, texts[1], sizes[1], NULL, &passages, &error), error, "cut");
    check(mice_passages_size(passages) == 1, "one passage");

    must(mice_index_create(argv[2], strlen(argv[2]), reranker, NULL, &index, &error), error,
         "create");
    must(mice_index_put_text(index, "bread", 5, texts[1], sizes[1], NULL, 0, NULL, &error), error,
         "put");
    must(mice_index_commit(index, NULL, &error), error, "commit");
    must(mice_index_search(index, "dough", 5, 10, NULL, &ranking, &error), error, "search");
    check(mice_ranking_size(ranking) == 1, "found");
    check(strcmp(mice_ranking_id(ranking, 0, NULL), "bread") == 0, "its id");
    mice_ranking_free(ranking);

    check(mice_rank(NULL, query, 3, texts, sizes, 2, NULL, &ranking, &error) ==
              MICE_ERROR_INVALID_ARGUMENT,
          "a NULL");
    check(ranking == NULL, "no ranking");
    check(strstr(mice_error_message(error), "reranker is NULL") != NULL, "its message");
    mice_error_free(error);

    mice_index_free(index);
    mice_passages_free(passages);
    mice_bytes_free(bytes);
    mice_document_free(documents[0]);
    mice_document_free(documents[1]);
    mice_reranker_free(reranker);
    mice_options_free(options);
    if (failures == 0) {
        printf("ok\n");
    }
    return failures == 0 ? 0 : 1;
}
