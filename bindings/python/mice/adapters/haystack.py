# SPDX-License-Identifier: Apache-2.0
"""mice in Haystack: a component that ranks documents."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from haystack import Document, component, default_from_dict, default_to_dict

from ..reranker import Reranker


@component
class MiceRanker:
    """Sorts documents by how well they answer the query.

    Documents may be of any length: they are ranked by their passages. Those without text are left
    out. The model is loaded by ``warm_up``, or by the first run.

    Parameters
    ----------
    model : str, optional
        A model file; None: the default model.
    top_k : int, optional
        How many documents to return; None: all.
    activation : {"logit", "sigmoid"}
        The form of a score.
    score_threshold : float, optional
        Documents with a lower score are left out.
    meta_fields_to_embed : list of str, optional
        Fields of a document's meta that are put before its text.
    precision : {"automatic", "int8", "bf16", "f32"}
    """

    def __init__(
        self,
        model: str | None = None,
        top_k: int | None = 10,
        activation: str = "logit",
        score_threshold: float | None = None,
        meta_fields_to_embed: list[str] | None = None,
        precision: str = "automatic",
    ) -> None:
        self.model = model
        self.top_k = top_k
        self.activation = activation
        self.score_threshold = score_threshold
        self.meta_fields_to_embed = meta_fields_to_embed or []
        self.precision = precision
        self._ranker: Reranker | None = None

    def warm_up(self) -> None:
        """Loads the model, once."""
        if self._ranker is None:
            self._ranker = Reranker(self.model, precision=self.precision)

    def to_dict(self) -> dict[str, Any]:
        """What a pipeline stores of the component."""
        stored: dict[str, Any] = default_to_dict(
            self,
            model=self.model,
            top_k=self.top_k,
            activation=self.activation,
            score_threshold=self.score_threshold,
            meta_fields_to_embed=self.meta_fields_to_embed,
            precision=self.precision,
        )
        return stored

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> MiceRanker:
        """The component that ``to_dict`` stored."""
        made: MiceRanker = default_from_dict(cls, data)
        return made

    @component.output_types(documents=list[Document])
    def run(
        self, query: str, documents: list[Document], top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """The documents, best first, as copies with their scores.

        Parameters
        ----------
        query : str
        documents : list of haystack.Document
        top_k : int, optional
            Instead of that of the component.

        Returns
        -------
        dict
            ``{"documents": ...}``.
        """
        readable = [document for document in documents if document.content]
        if not readable:
            return {"documents": []}
        self.warm_up()
        assert self._ranker is not None
        found = self._ranker.rank_texts(
            query,
            [self._text_of(document) for document in readable],
            top_k=top_k if top_k is not None else self.top_k,
            activation=self.activation,
        )
        least = self.score_threshold
        return {
            "documents": [
                replace(readable[hit.index], score=hit.score)
                for hit in found
                if least is None or hit.score >= least
            ]
        }

    def _text_of(self, document: Document) -> str:
        before = [str(document.meta[name]) for name in self.meta_fields_to_embed if document.meta.get(name)]
        return "\n".join([*before, document.content or ""])
