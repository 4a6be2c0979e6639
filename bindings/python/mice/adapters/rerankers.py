# SPDX-License-Identifier: Apache-2.0
"""mice in AnswerDotAI's rerankers."""

from __future__ import annotations

from typing import Any

from rerankers.documents import Document
from rerankers.models.ranker import BaseRanker
from rerankers.results import RankedResults, Result
from rerankers.utils import prep_docs

from ..reranker import Reranker


class MiceRanker(BaseRanker):
    """A ranker with the calls of rerankers' ``Reranker(...)``.

    Texts may be of any length: they are ranked by their passages.

    Parameters
    ----------
    model_name_or_path : str, optional
        A model file; None: the default model.
    verbose : int
        Looked at by nobody: mice prints nothing.
    activation : {"logit", "sigmoid"}
        The form of a score.
    precision : {"automatic", "int8", "bf16", "f32"}
    """

    def __init__(
        self,
        model_name_or_path: str | None = None,
        verbose: int = 0,
        *,
        activation: str = "logit",
        precision: str = "automatic",
    ) -> None:
        self.verbose = verbose
        self.activation = activation
        self.ranking_type = "pointwise"
        self.ranker = Reranker(model_name_or_path, precision=precision)

    def score(self, query: str, doc: str) -> float:
        """The score of one text."""
        found = self.ranker.rank_texts(query, [doc], activation=self.activation)
        return float(found[0].score)

    def rank(
        self,
        query: str,
        docs: str | list[str] | Document | list[Document],
        doc_ids: list[str] | list[int] | None = None,
        metadata: list[dict[str, Any]] | None = None,
    ) -> RankedResults:
        """Ranks texts or documents, best first."""
        documents = prep_docs(docs, doc_ids, metadata) if docs else []
        found = self.ranker.rank_texts(
            query, [document.text for document in documents], activation=self.activation
        )
        results = [
            Result(document=documents[hit.index], score=hit.score, rank=place)
            for place, hit in enumerate(found, 1)
        ]
        return RankedResults(results=results, query=query, has_scores=True)
