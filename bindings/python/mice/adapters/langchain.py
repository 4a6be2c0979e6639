# SPDX-License-Identifier: Apache-2.0
"""mice in LangChain: a cross-encoder, and a compressor of retrieved documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import Callbacks
from langchain_core.cross_encoders import BaseCrossEncoder
from langchain_core.documents import BaseDocumentCompressor, Document
from pydantic import ConfigDict, Field

from ..reranker import Reranker


class MiceCrossEncoder(BaseCrossEncoder):
    """A cross-encoder for LangChain's ``CrossEncoderReranker``.

    Parameters
    ----------
    ranker : Reranker, optional
        None: the default model.
    activation : {"logit", "sigmoid"}
        The form of a score.
    """

    def __init__(self, ranker: Reranker | None = None, *, activation: str = "logit") -> None:
        self.ranker = ranker if ranker is not None else Reranker()
        self.activation = activation

    def score(self, text_pairs: list[tuple[str, str]]) -> list[float]:
        """The scores of pairs ``(query, text)``, in their order."""
        scores: list[float] = self.ranker.score_pairs(text_pairs, activation=self.activation).tolist()
        return scores


class MiceRerank(BaseDocumentCompressor):
    """Keeps the best of the documents that a retriever found, for ``ContextualCompressionRetriever``.

    Documents may be of any length: they are ranked by their passages. Those that are returned are
    copies with the score in ``metadata["relevance_score"]``.

    Attributes
    ----------
    ranker : Reranker
        The default model, if not given.
    top_n : int or None
        How many documents to keep; None: all.
    activation : {"logit", "sigmoid"}
        The form of a score.
    """

    ranker: Reranker = Field(default_factory=Reranker)
    top_n: int | None = 3
    activation: str = "logit"

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """The best documents, best first."""
        if not documents:
            return []
        found = self.ranker.rank_texts(
            query,
            [document.page_content for document in documents],
            top_k=self.top_n,
            activation=self.activation,
        )
        kept: list[Document] = []
        for hit in found:
            document = documents[hit.index]
            metadata: dict[str, Any] = {**document.metadata, "relevance_score": hit.score}
            kept.append(document.model_copy(update={"metadata": metadata}))
        return kept
