# SPDX-License-Identifier: Apache-2.0
"""Indexes: written, searched, closed, shared."""

import threading

import numpy as np
import pytest

import mice

TEXTS = {
    "bread": "Bakers feed it every day. Yeast gives off carbon dioxide, so the dough swells.",
    "rainbow": "Sunlight in a raindrop is bent and reflected.",
    "knives": "Knives need honing. Ünsharp ones slip.",
}
QUERY = "why does bread dough rise"


@pytest.fixture
def index(small, tmp_path):
    with mice.Index(tmp_path / "index", small, codec="f32") as made:
        for id, text in TEXTS.items():
            assert made.put(id, text, f"about {id}") == "added"
        made.commit()
        yield made


def test_put_commit_rank(index, small):
    assert len(index) == 3 and list(index) == list(TEXTS) and "bread" in index and "x" not in index
    found = index.rank(QUERY)
    expected = small.rank(QUERY, list(TEXTS.values()))
    assert found.ids == [list(TEXTS)[hit.index] for hit in expected]
    assert found.scores.tobytes() == expected.scores.tobytes()
    assert index.rank(QUERY, ["knives"])[0].score == found.scores[found.ids.index("knives")]
    assert index.rank(QUERY, top_k=1, activation="sigmoid")[0].score < 1
    assert index.put("bread", TEXTS["bread"], "about bread") == "unchanged"
    assert index.put("bread", "Another text.") == "replaced" and index.uncommitted == 1
    index.rollback()
    stored = index.get("bread")
    assert stored.metadata == b"about bread" and stored.passages == [] and index.get("x") is None
    assert [each.id for each in index.documents()] == list(TEXTS)
    assert index.stats()["documents"] == 3 and index.stats()["codec"] == "f32"
    assert index.verify() == []


def test_candidates_and_search(index):
    assert [id for id, _ in index.candidates("dough raindrop", 10)] == ["rainbow", "bread"]
    assert index.candidates("raindrop", k1=0.5, b=0)[0][0] == "rainbow"
    assert index.search("dough")[0].id == "bread" and len(index.search("nothing shared")) == 0
    with pytest.raises(ValueError):
        index.candidates("dough", k1=-1)
    with pytest.raises(ValueError, match="depth"):
        index.candidates("dough", 0)


def test_remove_and_unknown_ids(index):
    assert index.remove("bread") and not index.remove("bread")
    index.commit()
    with pytest.raises(mice.ArgumentError, match="'bread'"):
        index.rank(QUERY, ["bread"])
    found = index.rank(QUERY, ["bread", "knives"], unknown="report")
    assert found.unknown == ["bread"] and found.ids == ["knives"] and found.complete
    with pytest.raises(KeyError):
        del index["bread"]
    assert index.compact().documents == 2


def test_highlights_take_texts_of_a_mapping_or_a_function(index):
    asked = []

    def text_of(id, metadata):
        asked.append((id, metadata))
        return TEXTS[id] if id != "rainbow" else None

    for texts in (TEXTS, text_of):
        found = index.rank(QUERY, highlights=1, texts=texts)
        for hit in found:
            if hit.id == "knives":
                place = hit.highlights.sentences[0]
                shown = TEXTS["knives"][place.begin : place.end]
                assert shown in ("Knives need honing.", "Ünsharp ones slip.")
    assert ("knives", b"about knives") in asked
    assert [hit.highlights.note for hit in found if hit.id == "rainbow"] != [""]

    def fails(id, metadata):
        raise LookupError("no text")

    with pytest.raises(LookupError, match="no text"):
        index.rank(QUERY, highlights=1, texts=fails)
    with pytest.raises(TypeError, match="text of a hit"):
        index.rank(QUERY, highlights=1, texts=lambda id, metadata: 3)


def test_long_texts_and_encoded_documents(small, tmp_path, passages):
    with mice.Index(tmp_path / "index", small) as index:
        index.put_text("long", "\n\n".join(passages))
        index["short"] = TEXTS["bread"]
        index.put("encoded", small.encode(TEXTS["bread"]))
        done = index.commit()
        assert done.documents == 3 and done.encoded > 3 and not done.postponed
        hits = {hit.id: hit for hit in index.rank(QUERY)}
        assert hits["long"].passages > 3 and hits["long"].best.end_byte > hits["long"].best.begin_byte
        assert hits["short"].score == hits["encoded"].score
        assert len(index.get("long").passages) == hits["long"].passages


def test_closed_indexes_refuse_everything(small, tmp_path):
    index = mice.Index(tmp_path / "index", small)
    index.close()
    index.close()
    assert index.closed and "closed" in repr(index)
    calls = [
        lambda: index.put("a", "b"), lambda: index.commit(), lambda: index.rank("a"), lambda: len(index),
        lambda: list(index), lambda: "a" in index, lambda: index.get("a"), lambda: index.stats(),
        lambda: index.verify(), lambda: index.refresh(), lambda: index.candidates("a"), lambda: index.remove("a"),
        lambda: index.rollback(), lambda: index.release(), lambda: index.compact(), lambda: index.uncommitted,
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(ValueError, match="closed"):
            call()


def test_what_was_not_committed_is_dropped(small, tmp_path):
    with mice.Index(tmp_path / "index", small) as index:
        index.put("a", "b")
    with mice.Index(tmp_path / "index", small, "r") as index:
        assert len(index) == 0
    assert mice.Index.exists(tmp_path / "index") and not mice.Index.exists(tmp_path)


def test_modes_and_errors(small, tmp_path):
    with pytest.raises(FileNotFoundError, match="no index"):
        mice.Index(tmp_path / "missing", small, "r")
    with pytest.raises(ValueError, match="mode"):
        mice.Index(tmp_path / "x", small, "w")
    with pytest.raises(TypeError, match="Reranker"):
        mice.Index(tmp_path / "x", "model")
    with pytest.raises(mice.ArgumentError, match="codec"):
        mice.Index(tmp_path / "x", small, codec="int3")
    with mice.Index(tmp_path / "index", small, "x") as index:
        with pytest.raises(mice.ArgumentError):
            mice.Index(tmp_path / "index", small, "x")
        for id in ("", "x" * 1025, "a\nb", "\ud800"):
            with pytest.raises(mice.ArgumentError):
                index.put(id, "text")
        for wrong in (None, 3):
            with pytest.raises(TypeError):
                index.put(wrong, "text")
            with pytest.raises(TypeError):
                index.put("id", wrong)
            with pytest.raises(TypeError):
                index.put("id", "text", wrong)
        index.put("a", "text")
        with mice.Index(tmp_path / "index", small) as other:
            with pytest.raises(mice.Error, match="another program") as raised:
                other.put("b", "text")
            assert raised.value.code == "mismatch"
        index.commit()
    with pytest.raises(mice.Error) as raised:
        mice.Index(tmp_path / "index", mice.Reranker())
    assert raised.value.code == "mismatch"


def test_a_reader_refreshes(small, tmp_path):
    with mice.Index(tmp_path / "index", small) as writer, mice.Index(tmp_path / "index", small, "r") as reader:
        writer.put("a", "text")
        writer.commit()
        assert len(reader) == 0 and reader.refresh() and len(reader) == 1 and not reader.refresh()


def test_threads_write_read_and_close(small, tmp_path):
    index = mice.Index(tmp_path / "index", small)
    problems = []

    def write(name):
        for i in range(20):
            index.put(f"{name}-{i}", f"text {i} of {name}")
            if i % 7 == 0:
                index.commit()

    def read():
        try:
            while True:
                scores = index.rank("text", threads=1).scores
                if not np.isfinite(scores).all():
                    problems.append(scores)
        except ValueError as closed:
            if "closed" not in str(closed):
                problems.append(closed)

    writers = [threading.Thread(target=write, args=(name,)) for name in "ab"]
    readers = [threading.Thread(target=read) for _ in range(2)]
    for thread in writers + readers:
        thread.start()
    for thread in writers:
        thread.join()
    index.commit()
    assert len(index) == 40
    walk = index.documents()
    index.close()
    for thread in readers:
        thread.join()
    assert problems == [] and len(list(walk)) == 40
