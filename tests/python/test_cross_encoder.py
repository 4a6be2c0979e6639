# SPDX-License-Identifier: Apache-2.0
"""CrossEncoder does what sentence-transformers' documentation shows."""

import sys
import types

import numpy as np
import pytest
from conftest import SMALL

from mice import CrossEncoder, identity, sigmoid

QUERY = "Who wrote 'To Kill a Mockingbird'?"
DOCUMENTS = [
    "'To Kill a Mockingbird' is a novel by Harper Lee published in 1960.",
    "The novel 'Moby-Dick' was written by Herman Melville and first published in 1851.",
    "Harper Lee, an American novelist widely known for her novel 'To Kill a Mockingbird', was born in 1926.",
    "Jane Austen was an English novelist known primarily for her six major novels.",
]
PAIRS = [(QUERY, text) for text in DOCUMENTS]


@pytest.fixture(scope="module")
def model():
    return CrossEncoder(SMALL, precision="f32")


def test_the_examples_of_the_documentation_run():
    with pytest.warns(UserWarning, match="nothing from the Hub"):
        model = CrossEncoder("cross-encoder/ms-marco-MiniLM-L6-v2", max_length=512)
    scores = model.predict(
        [
            ("How many people live in Berlin?", "Berlin had a population of 3,520,031 in 2019."),
            ("How many people live in Berlin?", "Berlin is well known for its museums."),
        ]
    )
    assert scores.shape == (2,) and scores.dtype == np.float32 and scores[0] > scores[1]
    ranks = model.rank(QUERY, DOCUMENTS, return_documents=True)
    assert {rank["corpus_id"] for rank in ranks[:2]} == {0, 2}
    for rank in ranks:
        assert list(rank) == ["corpus_id", "score", "text"]
        assert type(rank["corpus_id"]) is int and type(rank["score"]) is float
        assert rank["text"] == DOCUMENTS[rank["corpus_id"]]


def test_shapes_and_types_of_predict(model):
    scores = model.predict(PAIRS)
    assert isinstance(scores, np.ndarray) and scores.shape == (4,)
    one = model.predict(PAIRS[0])
    assert one.shape == () and one == scores[0]
    assert model.predict(list(PAIRS[0])) == scores[0]
    listed = model.predict([list(pair) for pair in PAIRS], convert_to_numpy=False)
    assert isinstance(listed, list) and listed == list(scores)
    for same in (
        model.predict(np.array(PAIRS)),
        model.predict(inputs=PAIRS, batch_size=1),
        model.predict(sentences=iter(PAIRS), apply_softmax=True, num_workers=0),
        model.predict(PAIRS, 32, False, None),
    ):
        assert same.tobytes() == scores.tobytes()
    assert model.predict([]).shape == (0,)
    assert model.rank(QUERY, []) == []


def test_the_activation_is_a_sigmoid_unless_told_otherwise(model):
    logits = model.ranker.score(QUERY, DOCUMENTS)
    assert np.array_equal(model.predict(PAIRS), sigmoid(logits))
    assert np.array_equal(model.predict(PAIRS, activation_fn=identity), logits)
    assert np.array_equal(model.predict(PAIRS, activation_fct=identity), logits)
    plain = CrossEncoder(SMALL, activation_fn=identity, precision="f32")
    assert np.array_equal(plain.predict(PAIRS), logits)
    worst_first = model.rank(QUERY, DOCUMENTS, activation_fn=lambda values: -values)
    assert [rank["corpus_id"] for rank in worst_first] == np.argsort(logits).tolist()
    with pytest.raises(ValueError, match="shapes"):
        model.predict(PAIRS, activation_fn=lambda values: values[:1])


def test_rank_takes_the_options_of_sentence_transformers(model):
    ranks = model.rank(QUERY, DOCUMENTS, top_k=2, batch_size=2, convert_to_tensor=False, num_workers=0)
    assert len(ranks) == 2 and list(ranks[0]) == ["corpus_id", "score"]
    assert model.rank(QUERY, DOCUMENTS, 2, True)[0]["text"] == DOCUMENTS[ranks[0]["corpus_id"]]
    assert len(model.rank(QUERY, DOCUMENTS, top_k=100)) == 4
    same = model.rank(QUERY, ["a", "b", "a"], activation_fn=lambda values: values * 0)
    assert {rank["corpus_id"] for rank in same} == {0, 1, 2}
    twins = model.rank(QUERY, ["same", "same", "same"])
    assert [rank["corpus_id"] for rank in twins] == [0, 1, 2]


def test_a_progress_bar_goes_to_the_end(model, capsys):
    model.predict(PAIRS, show_progress_bar=True)
    assert "4/4" in capsys.readouterr().err


def test_tensors_and_modules_of_pytorch(model, monkeypatch):
    """With what they need of PyTorch alone, which is too large to be installed for this."""

    class Tensor:
        def __init__(self, array):
            self.array = array

        def __getitem__(self, i):
            return Tensor(self.array[i])

        def detach(self):
            return self

        def cpu(self):
            return self

        def numpy(self):
            return self.array

    class Halved:
        __module__ = "torch.nn.modules.activation"

        def __call__(self, tensor):
            assert isinstance(tensor, Tensor)
            return Tensor(tensor.array / 2)

    torch = types.ModuleType("torch")
    torch.from_numpy = Tensor
    monkeypatch.setitem(sys.modules, "torch", torch)
    logits = model.predict(PAIRS, activation_fn=identity)
    made = model.predict(PAIRS, activation_fn=Halved(), convert_to_tensor=True)
    assert isinstance(made, Tensor) and np.array_equal(made.array, logits / 2)
    assert isinstance(model.predict(PAIRS[0], convert_to_tensor=True), Tensor)
    assert model.rank(QUERY, DOCUMENTS, activation_fn=Halved())[0]["score"] == logits.max() / 2


def test_max_length_cuts_texts(model):
    long = "word " * 20 + DOCUMENTS[0]
    cut = CrossEncoder(SMALL, max_length=12, precision="f32")
    assert cut.max_length == 12 and model.max_length == model.ranker.max_tokens
    assert cut.predict((QUERY, long)) == model.predict((QUERY, "word " * 10))
    assert cut.predict((QUERY, "short")) == model.predict((QUERY, "short"))


def test_what_cannot_be_done_is_said():
    with pytest.raises(FileNotFoundError, match="nothing from the network"):
        CrossEncoder("someone/some-model")
    with pytest.warns(UserWarning, match="CPU"):
        model = CrossEncoder(SMALL, device="cuda:0", trust_remote_code=True)
    with pytest.raises(ValueError, match="num_labels"):
        CrossEncoder(SMALL, num_labels=3)
    with pytest.raises(TypeError, match="no argument 'nonsense'"):
        CrossEncoder(SMALL, nonsense=1)
    for wrong, kind in (
        (lambda: model.predict(PAIRS, batch_size=0), ValueError),
        (lambda: model.predict(PAIRS, nonsense=1), TypeError),
        (lambda: model.predict(PAIRS, prompt="Query: "), ValueError),
        (lambda: model.predict([("a", "b"), ("a",)]), TypeError),
        (lambda: model.predict([("a", "b"), "ab"]), TypeError),
        (lambda: model.predict(None), TypeError),
        (lambda: model.rank(QUERY, "text"), TypeError),
        (lambda: model.rank(QUERY, [None]), TypeError),
    ):
        with pytest.raises(kind):
            wrong()
