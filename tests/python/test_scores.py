# SPDX-License-Identifier: Apache-2.0
"""Scores have the bits of the C library, by every way to ask for them."""

import pickle
import random

import numpy as np
import pytest
from c_library import Library
from conftest import BUILD, SMALL

import mice


@pytest.mark.parametrize("precision", ["f32", "int8"])
def test_a_thousand_pairs_have_the_bits_of_the_library(precision, queries, passages):
    library = Library(BUILD / "src" / "c" / "libmice.so", SMALL, precision)
    ranker = mice.Reranker(SMALL, precision=precision)
    pairs = [(query, passage) for query in queries for passage in passages]
    expected = np.concatenate([library.scores(query, passages) for query in queries])
    assert len(pairs) >= 1000 and ranker.precision == precision
    shuffled = random.Random(1).sample(range(len(pairs)), len(pairs))
    found = ranker.score_pairs([pairs[i] for i in shuffled])
    assert found.dtype == np.float32
    assert found.tobytes() == expected[shuffled].tobytes()

    encoded = pickle.loads(pickle.dumps(ranker.encode_all(passages)))
    for i, query in enumerate(queries[:2]):
        of_query = expected[i * len(passages) : (i + 1) * len(passages)]
        asked = ranker.encode_query(query)
        for each, documents in (
            (query, encoded), (asked, encoded), (asked, passages), (query, (t.encode() for t in passages)),
        ):  # fmt: skip
            assert ranker.score(each, documents).tobytes() == of_query.tobytes()
        ranking = ranker.rank(query, encoded, top_k=7, threads=1)
        assert [hit.index for hit in ranking] == np.argsort(-of_query, kind="stable")[:7].tolist()
        assert ranking.scores.tobytes() == of_query[ranking.indices].tobytes()
    batch = ranker.rank_batch(queries[:2], encoded)
    assert batch[1].scores.tobytes() == ranker.rank(queries[1], passages).scores.tobytes()


def test_a_model_from_bytes_and_a_pickled_one(small, passages):
    expected = small.score("bread", passages[:5])
    held = mice.Reranker(SMALL.read_bytes(), precision="f32")
    assert held.score("bread", passages[:5]).tobytes() == expected.tobytes()
    for ranker in (small, held):
        again = pickle.loads(pickle.dumps(ranker))
        assert again.fingerprint == small.fingerprint and again.precision == "f32"
        assert again.score("bread", passages[:5]).tobytes() == expected.tobytes()


def test_long_texts_are_ranked_by_their_passages(small, passages):
    answer = "Yeast gives off gas, so the bread dough rises."
    text = "Über alles: " + " ".join(passages) + "\n\n" + answer
    for given in (text, text.encode()):
        found = small.rank_texts("why does bread dough rise", [passages[3], given], highlights=1)
        hit = next(hit for hit in found if hit.index == 1)
        assert hit.passages > 3 and hit.whole and found.complete
        best = given[hit.best.begin : hit.best.end]
        assert best.strip() == best
        sentence = hit.highlights.sentences[0]
        assert hit.best.begin <= sentence.begin < sentence.end <= hit.best.end
    cut = small.passages(text, max_tokens=64)
    assert "".join(text.split()) == "".join("".join(text[p.begin : p.end].split()) for p in cut)
    assert max(p.tokens for p in cut) <= 64
    assert mice.passages(text, small, max_tokens=64)[1].begin == cut[1].begin


def test_highlights_are_places_in_the_text_that_was_given(small):
    text = "Äpfel und Öl. 🍞 Yeast gives off gas, so the bread dough rises. Knives need honing."
    for given in (text, text.encode()):
        found = mice.highlight("why does bread dough rise", given, small)
        sentence = found.sentences[0]
        expected = "🍞 Yeast gives off gas, so the bread dough rises."
        assert given[sentence.begin : sentence.end] in (expected, expected.encode())
        for word in sentence.words:
            shown = given[word.begin : word.end]
            assert (shown if isinstance(shown, str) else shown.decode()) in expected
    encoded = small.encode(text)
    again = small.highlight("why does bread dough rise", text, document=encoded)
    assert again.sentences[0].begin == text.index("🍞") and again.method != "none"
    ranked = small.rank("why does bread dough rise", [encoded], texts=[text], highlights=True)
    assert ranked[0].highlights.sentences[0].begin == text.index("🍞")
    assert [text[begin:end] for begin, end in mice.sentences(text)][-1] == "Knives need honing."


def test_results_outlive_what_made_them(passages):
    ranker = mice.Reranker(SMALL.read_bytes())
    query = ranker.encode_query("bread")
    document = ranker.encode(passages[0])
    hit = ranker.rank(query, [document])[0]
    states, index = document.states, hit.index
    del ranker, document
    assert query.tokens == 3 and index == 0 and np.isfinite(states).all() and hit.score == hit.score
    with pytest.raises(ValueError):
        states[0, 0] = 1
