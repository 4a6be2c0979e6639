# SPDX-License-Identifier: Apache-2.0
"""mice in LlamaIndex: a postprocessor of nodes."""

from __future__ import annotations

from typing import Any

from llama_index.core.bridge.pydantic import Field, PrivateAttr
from llama_index.core.callbacks import CBEventType, EventPayload
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle

from ..reranker import Reranker


class MiceRerank(BaseNodePostprocessor):
    """Keeps the best of the retrieved nodes, best first.

    Nodes may be of any length: they are ranked by their passages. Their scores become mice's.

    Parameters
    ----------
    ranker : Reranker, optional
        None: the default model.
    top_n : int
        How many nodes to keep.
    activation : {"logit", "sigmoid"}
        The form of a score.
    keep_retrieval_score : bool
        Whether to keep the retriever's score in ``metadata["retrieval_score"]``.
    """

    top_n: int = Field(default=2, description="How many nodes to keep.")
    activation: str = Field(default="logit", description="The form of a score: logit or sigmoid.")
    keep_retrieval_score: bool = Field(
        default=False, description="Whether to keep the retriever's score in the metadata."
    )
    _ranker: Reranker = PrivateAttr()

    def __init__(
        self,
        ranker: Reranker | None = None,
        *,
        top_n: int = 2,
        activation: str = "logit",
        keep_retrieval_score: bool = False,
        **others: Any,
    ) -> None:
        super().__init__(
            top_n=top_n,
            activation=activation,
            keep_retrieval_score=keep_retrieval_score,
            **others,
        )
        self._ranker = ranker if ranker is not None else Reranker()

    @classmethod
    def class_name(cls) -> str:
        """The name that LlamaIndex stores."""
        return "MiceRerank"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if query_bundle is None:
            raise ValueError("MiceRerank needs the query: give query_bundle or query_str")
        if not nodes:
            return []
        payload = {
            EventPayload.NODES: nodes,
            EventPayload.MODEL_NAME: "mice",
            EventPayload.QUERY_STR: query_bundle.query_str,
            EventPayload.TOP_K: self.top_n,
        }
        with self.callback_manager.event(CBEventType.RERANKING, payload=payload) as event:
            found = self._ranker.rank_texts(
                query_bundle.query_str,
                [node.node.get_content(metadata_mode=MetadataMode.EMBED) for node in nodes],
                top_k=self.top_n,
                activation=self.activation,
            )
            kept = []
            for hit in found:
                node = nodes[hit.index]
                if self.keep_retrieval_score:
                    node.node.metadata["retrieval_score"] = node.score
                node.score = hit.score
                kept.append(node)
            event.on_end(payload={EventPayload.NODES: kept})
        return kept
