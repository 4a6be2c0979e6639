# SPDX-License-Identifier: Apache-2.0
"""mice in PyTerrier: a transformer that ranks what another one retrieved."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyterrier as pt

from ..reranker import Reranker


class MiceRanker(pt.Transformer):
    """Scores the texts of a result frame, ``retriever >> pt.text.get_text(...) >> MiceRanker()``.

    Texts may be of any length: they are ranked by their passages.

    Parameters
    ----------
    model : str, optional
        A model file; None: the default model.
    text_field : str
        The column with the texts.
    activation : {"logit", "sigmoid"}
        The form of a score.
    precision : {"automatic", "int8", "bf16", "f32"}
    """

    def __init__(
        self,
        model: str | None = None,
        text_field: str = "text",
        *,
        activation: str = "logit",
        precision: str = "automatic",
    ) -> None:
        self.text_field = text_field
        self.activation = activation
        self.ranker = Reranker(model, precision=precision)

    def transform(self, inp: pd.DataFrame) -> pd.DataFrame:
        """The frame with new columns ``score`` and ``rank``; its rows keep their order.

        Parameters
        ----------
        inp : pandas.DataFrame
            With the columns ``qid``, ``query``, ``docno`` and that of the texts.

        Returns
        -------
        pandas.DataFrame
        """
        pt.validate.columns(inp, includes=["qid", "query", "docno", self.text_field])
        scores = np.zeros(len(inp))
        for rows in inp.groupby("qid", sort=False).indices.values():
            texts = inp[self.text_field].iloc[rows].tolist()
            query = inp["query"].iloc[rows[0]]
            for hit in self.ranker.rank_texts(query, texts, activation=self.activation):
                scores[rows[hit.index]] = hit.score
        return pt.model.add_ranks(inp.assign(score=scores))
