# SPDX-License-Identifier: Apache-2.0
"""The benchmark's input: seeded texts for mice, and the same as token ids for its peers."""
import random


def make_input(tokens, count, length, query_length):
    """Texts of whole words that are one token each; lengths include [CLS] and [SEP]. All documents are
    equally long, so nobody pays for padding. `tokens`: the model's vocabulary in id order."""
    words = [i for i, t in enumerate(tokens) if t.isascii() and t.isalpha() and t.islower() and len(t) > 2]
    cls, sep = tokens.index("[CLS]"), tokens.index("[SEP]")
    chance = random.Random(1)

    def text(wanted):
        return [chance.choice(words) for _ in range(wanted - 2)]

    def spell(ids):
        return " ".join(tokens[i] for i in ids)

    query = text(query_length)
    documents = [text(length) for _ in range(count)]
    return {"tokens": length, "query": spell(query), "documents": [spell(d) for d in documents],
            "query_ids": [cls, *query, sep], "document_ids": [[cls, *d, sep] for d in documents],
            "mask_id": tokens.index("[MASK]")}
