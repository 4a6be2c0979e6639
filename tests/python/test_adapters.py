# SPDX-License-Identifier: Apache-2.0
"""The adapters in the real frameworks."""

import asyncio
import pickle

import pytest
from conftest import SMALL

import mice

QUERY = "why does bread dough rise"
TEXTS = [
    "Knives need honing.",
    "The harbour was closed. " * 80 + "Yeast gives off gas, so the bread dough rises.",
    "Yeast gives off gas, so the bread dough rises.",
    "A rainbow is light.",
]
BEST = {1, 2}


def test_langchain(small):
    pytest.importorskip("langchain_core")
    from langchain_core.documents import Document

    from mice.adapters.langchain import MiceCrossEncoder, MiceRerank

    encoder = MiceCrossEncoder(small, activation="sigmoid")
    scores = encoder.score([(QUERY, text) for text in TEXTS])
    assert isinstance(scores, list) and all(type(score) is float and 0 < score < 1 for score in scores)
    documents = [Document(page_content=text, metadata={"i": i}) for i, text in enumerate(TEXTS)]

    compressor = MiceRerank(ranker=small, top_n=2)
    found = compressor.compress_documents(documents, QUERY)
    assert {document.metadata["i"] for document in found} == BEST
    assert found[0].metadata["relevance_score"] >= found[1].metadata["relevance_score"]
    assert "relevance_score" not in documents[2].metadata
    again = asyncio.run(compressor.acompress_documents(documents, QUERY))
    assert [document.metadata["i"] for document in again] == [document.metadata["i"] for document in found]
    assert compressor.compress_documents([], QUERY) == []


def test_langchains_own_reranker_and_retriever(small):
    pytest.importorskip("langchain_classic")
    from langchain_classic.retrievers import ContextualCompressionRetriever
    from langchain_classic.retrievers.document_compressors import CrossEncoderReranker
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever

    from mice.adapters.langchain import MiceCrossEncoder, MiceRerank

    class All(BaseRetriever):
        def _get_relevant_documents(self, query, *, run_manager):
            return [Document(page_content=text, metadata={"i": i}) for i, text in enumerate(TEXTS)]

    for compressor in (
        CrossEncoderReranker(model=MiceCrossEncoder(small), top_n=1),
        MiceRerank(ranker=small, top_n=1, activation="sigmoid"),
    ):
        retriever = ContextualCompressionRetriever(base_compressor=compressor, base_retriever=All())
        assert [document.metadata["i"] for document in retriever.invoke(QUERY)][0] in BEST


def test_llama_index(small):
    pytest.importorskip("llama_index.core")
    from llama_index.core.schema import NodeWithScore, TextNode

    from mice.adapters.llama_index import MiceRerank

    def nodes():
        return [NodeWithScore(node=TextNode(text=text, id_=str(i)), score=0.5) for i, text in enumerate(TEXTS)]

    reranker = MiceRerank(small, top_n=2, keep_retrieval_score=True)
    found = reranker.postprocess_nodes(nodes(), query_str=QUERY)
    assert {int(node.node.node_id) for node in found} == BEST and found[0].score >= found[1].score
    assert found[0].node.metadata["retrieval_score"] == 0.5
    assert len(asyncio.run(reranker.apostprocess_nodes(nodes(), query_str=QUERY))) == 2
    assert reranker.postprocess_nodes([], query_str=QUERY) == []
    assert reranker.class_name() == "MiceRerank" and reranker.to_dict()["top_n"] == 2
    with pytest.raises(ValueError, match="query"):
        reranker.postprocess_nodes(nodes())


def test_haystack(small):
    pytest.importorskip("haystack")
    from haystack import Document, Pipeline

    from mice.adapters.haystack import MiceRanker

    documents = [Document(content=text, meta={"title": "bread"}, id=str(i)) for i, text in enumerate(TEXTS)]
    documents.append(Document(content=None, id="empty"))
    pipeline = Pipeline()
    pipeline.add_component(
        "ranker", MiceRanker(str(SMALL), top_k=2, precision="f32", meta_fields_to_embed=["title"])
    )
    again = Pipeline.loads(pipeline.dumps(), allowed_modules=[MiceRanker.__module__])
    for each in (pipeline, again):
        found = each.run({"ranker": {"query": QUERY, "documents": documents}})["ranker"]["documents"]
        assert {int(document.id) for document in found} == BEST and found[0].score >= found[1].score
    ranker = MiceRanker(str(SMALL), precision="f32", activation="sigmoid", score_threshold=0.5)
    assert len(ranker.run(QUERY, documents, top_k=4)["documents"]) < 4
    assert ranker.run(QUERY, [])["documents"] == [] and documents[0].score is None


def test_rerankers(small):
    pytest.importorskip("rerankers")
    from rerankers import Document

    from mice.adapters.rerankers import MiceRanker

    ranker = MiceRanker(str(SMALL), precision="f32")
    found = ranker.rank(QUERY, TEXTS, doc_ids=["a", "b", "c", "d"])
    assert {result.doc_id for result in found.top_k(2)} == {"b", "c"}
    assert [result.rank for result in found] == [1, 2, 3, 4] and found.has_scores
    assert found.get_score_by_docid("c") == pytest.approx(ranker.score(QUERY, TEXTS[2]))
    documents = [Document(text, doc_id=i) for i, text in enumerate(TEXTS)]
    assert ranker.rank(QUERY, documents)[0].doc_id in BEST
    assert len(asyncio.run(ranker.rank_async(QUERY, TEXTS)).results) == 4
    assert ranker.rank(QUERY, []).results_count() == 0


def test_pyterrier(small):
    pt = pytest.importorskip("pyterrier")
    import pandas as pd

    from mice.adapters.pyterrier import MiceRanker

    rows = [(f"q{q}", query, f"d{i}", text) for i, text in enumerate(TEXTS)
            for q, query in enumerate((QUERY, "what is light"))]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["qid", "query", "docno", "body"], index=range(10, 18))
    ranker = MiceRanker(str(SMALL), "body", precision="f32")
    found = ranker(frame)
    assert found[["qid", "docno"]].equals(frame[["qid", "docno"]]) and "score" not in frame
    for q, query in (("q0", QUERY), ("q1", "what is light")):
        of_query = found[found.qid == q]
        expected = {hit.index: hit.score for hit in small.rank_texts(query, TEXTS)}
        assert of_query.score.tolist() == [expected[i] for i in range(4)]
        assert of_query["rank"].tolist() == [list(expected).index(i) for i in range(4)]
    pipeline = pt.Transformer.from_df(frame) >> ranker % 2
    kept = pipeline(frame[frame.qid == "q0"][["qid", "query"]].drop_duplicates())
    assert set(kept.docno) == {f"d{i}" for i in BEST}
    assert len(ranker(frame.iloc[:0])) == 0
    with pytest.raises(pt.validate.InputValidationError):
        ranker(frame.drop(columns="body"))
    assert not pt.java.started()


def test_a_ranker_goes_to_another_process(small):
    """As frameworks that spread work need it."""
    assert pickle.loads(pickle.dumps(small)).score(QUERY, TEXTS)[2] == small.score(QUERY, TEXTS)[2]
    assert isinstance(pickle.loads(pickle.dumps(mice.ArgumentError("a", "b"))), ValueError)
