# SPDX-License-Identifier: Apache-2.0
"""Arguments that nobody should give are read or refused, and break nothing."""

import pickle

import numpy as np
import pytest
from conftest import SMALL

import mice

TEXT = "Yeast gives off gas."


def test_strange_texts_are_read(small):
    strange = [
        "", " ", "\0", "a\0b", "\ud800", "a\udfffb", "\ufeff", "\U0010ffff", "𝕬" * 1000,
        b"", b"\0", b"\xff\xfe", b"\xed\xa0\x80", "\n" * 10000, "́" * 5000, "x" * 1_000_000, "x " * 500_000,
    ]  # fmt: skip
    scores = small.score("bread", strange)
    assert scores.shape == (len(strange),) and np.isfinite(scores).all()
    for query in strange:
        assert np.isfinite(small.score(query, [TEXT])).all()
        assert small.rank_texts(query, [TEXT])[0].scored
    found = {hit.index: hit for hit in small.rank("bread", strange)}
    assert [found[i].replaced for i in (4, 5, 11)] == [1, 1, 2]
    assert found[16].tokens_cut > 0 and found[16].tokens_seen == small.max_tokens
    assert small.score("bread", ["a�b"]) == small.score("bread", ["a\udfffb"])
    long = "An answer is here. " * 200_000  # 3.8 MB
    assert len(small.passages(long)) > 1000
    assert mice.sentences("\ud800. Én \udfff. Ok.")[-1] == (9, 12)


def test_markers_in_a_text_are_text_unless_asked_for(small):
    forged = "[SEP] bread [CLS]"
    assert small.score("bread", [forged]) != small.score("bread", [forged], special_tokens="parse")


def test_empty_lists(small):
    assert len(small.rank("bread", [])) == 0 and small.rank("bread", []).complete
    assert small.score("bread", []).shape == (0,) and small.score_pairs([]).shape == (0,)
    assert small.encode_all([]) == [] and small.rank_batch([], []) == []
    assert len(small.rank_texts("bread", [])) == 0 and small.passages("") == []
    assert len(small.rank("bread", ()).scores) == 0 and list(small.rank("bread", [])) == []
    assert mice.sentences("") == []


@pytest.mark.parametrize("wrong", [None, 3, 3.5, object(), ["list"], {"a": 1}, bytearray(b"x")])
def test_wrong_types_of_texts(small, wrong):
    for call in (
        lambda: small.rank(wrong, [TEXT]),
        lambda: small.rank("bread", [TEXT, wrong]),
        lambda: small.score("bread", [wrong]),
        lambda: small.score_pairs([("bread", wrong)]),
        lambda: small.score_pairs([(wrong, TEXT)]),
        lambda: small.rank_texts("bread", [wrong]),
        lambda: small.rank_batch([wrong], [TEXT]),
        lambda: small.encode(wrong),
        lambda: small.encode_all([wrong]),
        lambda: small.encode_query(wrong),
        lambda: small.highlight("bread", wrong),
        lambda: small.passages(wrong),
        lambda: mice.sentences(wrong),
    ):
        with pytest.raises(TypeError, match="is of type"):
            call()


def test_wrong_lists(small):
    encoded = small.encode(TEXT)
    for wrong in (None, 3, TEXT, TEXT.encode(), object()):
        with pytest.raises(TypeError, match="not a list"):
            small.rank("bread", wrong)
    for mixed in ([encoded, TEXT], [TEXT, encoded], [encoded, None]):
        with pytest.raises(TypeError, match=r"documents\[1\]"):
            small.rank("bread", mixed)
    for wrong in ("ab", [("a",)], [("a", "b", "c")], ["ab"], [3]):
        with pytest.raises(TypeError, match="pair"):
            small.score_pairs(wrong)

    def breaks():
        yield TEXT
        raise LookupError("the source ended")

    with pytest.raises(LookupError, match="the source ended"):
        small.rank("bread", breaks())


def test_options_out_of_range(small):
    for options, kind in (
        ({"top_k": 0}, ValueError), ({"top_k": -1}, ValueError), ({"top_k": "3"}, TypeError),
        ({"top_k": True}, TypeError), ({"threads": -1}, ValueError), ({"threads": 1.5}, TypeError),
        ({"activation": "softmax"}, ValueError), ({"special_tokens": None}, ValueError),
        ({"invalid_utf8": ""}, ValueError), ({"highlights": 0}, ValueError), ({"words": -1}, ValueError),
        ({"nonsense": 1}, TypeError),
    ):  # fmt: skip
        with pytest.raises(kind, match=next(iter(options))):
            small.rank("bread", [TEXT], **options)
    assert len(small.rank("bread", [TEXT], top_k=10**30, threads=10**6, highlights=10**20)) == 1
    for options in ({"max_tokens": 3}, {"overlap_tokens": 10**9}, {"kind": "poem"}, {"max_tokens": 10**9}):
        with pytest.raises(ValueError):
            small.passages(TEXT, **options)
    with pytest.raises(ValueError, match="text_score"):
        small.rank_texts("bread", [TEXT], text_score="mean")
    with pytest.raises(mice.ArgumentError, match="UTF-8"):
        small.rank("bread", ["\ud800"], invalid_utf8="refuse")


def test_wrong_models(tmp_path):
    empty, folder = tmp_path / "empty.safetensors", tmp_path / "folder"
    empty.write_bytes(b"")
    folder.mkdir()
    whole = SMALL.read_bytes()
    for wrong in (b"", b"abc", whole[:1000], whole[: len(whole) // 2], empty, str(empty)):
        with pytest.raises(mice.Error) as raised:
            mice.Reranker(wrong)
        assert raised.value.code in ("format", "io") and str(raised.value)
    with pytest.raises(FileNotFoundError, match="no model file") as missing:
        mice.Reranker(tmp_path / "missing")
    assert isinstance(pickle.loads(pickle.dumps(missing.value)), mice.MissingFileError)
    with pytest.raises(ValueError, match="holds 0 files"):
        mice.Reranker(folder)
    (folder / "model.safetensors").write_bytes(whole)
    assert mice.Reranker(folder, precision="f32").precision == "f32"
    for wrong in (3, 3.5, bytearray(whole)):
        with pytest.raises(TypeError):
            mice.Reranker(wrong)
    for wrong in ("a\0b", "\ud800"):
        with pytest.raises((ValueError, mice.Error)):
            mice.Reranker(wrong)
        with pytest.raises(ValueError):
            mice.Index(wrong, mice.Reranker(SMALL))
    with pytest.raises(ValueError, match="precision"):
        mice.Reranker(SMALL, precision="int4")


def test_the_default_model_may_be_named(monkeypatch, tmp_path):
    monkeypatch.setenv("MICE_MODEL", str(SMALL))
    assert mice.default_model() == SMALL and "l2x2" in repr(mice.Reranker())
    monkeypatch.setenv("MICE_MODEL", str(tmp_path / "missing"))
    with pytest.raises(mice.Error, match="cannot open"):
        mice.Reranker()
    monkeypatch.delenv("MICE_MODEL")
    assert mice.default_model().name == "mice-minilm-l6x2-int8.safetensors"


def test_wrong_documents(small):
    encoded = small.encode(TEXT)
    data = encoded.to_bytes()
    assert bytes(encoded) == data and mice.Document.from_bytes(data).to_bytes() == data
    for wrong in (b"", b"abc", data[:-1], data[:20], data + b"x"):
        with pytest.raises(mice.Error):
            mice.Document.from_bytes(wrong)
    for wrong in (None, "text", 3):
        with pytest.raises(TypeError):
            mice.Document.from_bytes(wrong)
    with pytest.raises(TypeError):
        mice.Document()
    other = mice.Reranker()
    with pytest.raises(mice.Error) as raised:
        other.rank("bread", [encoded])
    assert raised.value.code == "mismatch"
    with pytest.raises(mice.Error):
        other.rank(small.encode_query("bread"), [TEXT])
    with pytest.raises(mice.Error, match="text"):
        small.highlight("bread", "another text", document=encoded)
    for texts in (None, [], [TEXT, TEXT]):
        with pytest.raises(mice.ArgumentError):
            small.rank("bread", [encoded], highlights=1, texts=texts)


def test_a_list_that_changes_during_the_call(small, passages):
    """The call keeps what it was given."""
    given = list(passages)
    expected = small.score("bread", passages)

    def clear(done, total):
        given.clear()

    assert np.array_equal(small.score("bread", given, progress=clear), expected)


@pytest.mark.filterwarnings("ignore:nanobind")
def test_half_made_objects():
    for kind in (mice._core.Engine, mice._core.EngineIndex, mice.Document, mice.Query, mice.Ranking):
        made = kind.__new__(kind)
        with pytest.raises((TypeError, RuntimeError)):
            made.scores if kind is mice.Ranking else made.tokens if hasattr(kind, "tokens") else made.rank()
