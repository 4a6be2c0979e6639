# SPDX-License-Identifier: Apache-2.0
"""The benchmark's input: seeded texts for mice, and the same as token ids for its peers."""
import random

from byte_bpe import SPACE


def make_input(backbone, tokens, count, length, query_length):
    """Texts of whole words that are one token each; lengths include [CLS] and [SEP]. All documents are
    equally long, so nobody pays for padding. `tokens`: the model's vocabulary in id order."""
    mark = SPACE if any(token.startswith(SPACE) for token in tokens) else ""

    def is_word(token):
        word = token[len(mark):]
        return token.startswith(mark) and word.isascii() and word.isalpha() and word.islower() and len(word) > 2

    words = [i for i, token in enumerate(tokens) if is_word(token)]
    cls, sep = tokens.index("[CLS]"), tokens.index("[SEP]")
    chance = random.Random(1)

    def text(wanted):
        return [chance.choice(words) for _ in range(wanted - 2)]

    def spell(ids):
        return "".join(" " + tokens[i][len(mark):] for i in ids)

    query = text(query_length)
    documents = [text(length) for _ in range(count)]
    return {"backbone": backbone, "tokens": length, "query": spell(query),
            "documents": [spell(each) for each in documents], "query_ids": [cls, *query, sep],
            "document_ids": [[cls, *each, sep] for each in documents], "mask_id": tokens.index("[MASK]")}
