# SPDX-License-Identifier: Apache-2.0
"""Ranking with a model: ``Reranker``, and what needs one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, SupportsIndex

from . import _core
from ._core import Document, Highlights, Passage, Query, Ranking, TextRanking
from ._models import model_file
from ._options import ProgressFunction, count, options

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Text = str | bytes


class Reranker:
    """A loaded model that ranks texts by how well they answer a query.

    Immutable, and safe to use from many threads at once. Calls let other threads of Python run, use
    all processors unless told otherwise, and stop at Ctrl-C. A score has the same bits whatever is
    scored beside it and on any number of threads.

    Parameters
    ----------
    model : str, os.PathLike, bytes or None
        A model file that ``mice-convert`` made, a folder that holds one, or the bytes of one. None:
        the file that the variable ``MICE_MODEL`` names, or the model that the package brings.
    precision : {"automatic", "int8", "bf16", "f32"}
        The numbers that it computes with; "automatic" is the fastest of this processor.
    threads : int
        Of loading; 0: one for each processor.

    Raises
    ------
    MissingFileError
        Where there is no such file.
    Error
        Where the file is no model that this version can use.

    Notes
    -----
    A text is a ``str``, or ``bytes`` of UTF-8. Lone surrogates and bytes that are not UTF-8 are read
    as U+FFFD and counted, or refused (``invalid_utf8="refuse"``). Special tokens that are written in
    a text are plain text unless ``special_tokens="parse"``. Places in a ``str`` are counted in
    characters, those in ``bytes`` in bytes.

    These options are the same in all methods: ``threads`` (0: one for each processor), ``timeout``
    (seconds; what is done by then is returned), ``progress`` (a function of ``(done, total)``, called
    in the calling thread at most twenty times a second), ``special_tokens`` and ``invalid_utf8``.

    Examples
    --------
    >>> import mice
    >>> ranker = mice.Reranker()
    >>> found = ranker.rank("why does bread rise", ["Knives need honing.", "Yeast gives off gas."])
    >>> found[0].index
    1
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | bytes | None = None,
        *,
        precision: str = "automatic",
        threads: SupportsIndex = 0,
    ) -> None:
        source: Any = model if isinstance(model, bytes) else model_file(model)
        self._source = source
        self._wanted = precision
        self._engine = _core.Engine(source, precision, count(threads, "threads"))

    def __reduce__(self) -> tuple[Any, ...]:
        return _loaded, (self._source, self._wanted)

    def __repr__(self) -> str:
        source = f"{len(self._source)} bytes" if isinstance(self._source, bytes) else str(self._source)
        return f"Reranker({source!r}, precision={self.precision!r})"

    # ---- the model ----

    @property
    def kind(self) -> str:
        """``"mice"``, ``"cross_encoder"`` or ``"late_interaction"``."""
        return self._engine.kind

    @property
    def precision(self) -> str:
        """What it computes in: ``"int8"``, ``"bf16"`` or ``"f32"``."""
        return self._engine.precision

    @property
    def fingerprint(self) -> str:
        """Names its weights: encoded documents with the same one fit it."""
        return self._engine.fingerprint

    @property
    def max_tokens(self) -> int:
        """Tokens of a document that it reads at most, its markers included."""
        return self._engine.max_tokens

    @property
    def max_query_tokens(self) -> int:
        """Tokens of a query that it reads at most, its markers included."""
        return self._engine.max_query_tokens

    @property
    def stores_documents(self) -> bool:
        """Whether documents can be encoded once and stored."""
        return self._engine.stores_documents

    @property
    def memory_bytes(self) -> int:
        """Bytes of its weights as packed for computing."""
        return self._engine.memory_bytes

    def release_memory(self) -> None:
        """Frees the work memory that finished calls left for the next ones."""
        self._engine.release_memory()

    # ---- ranking ----

    def rank(
        self,
        query: Text | Query,
        documents: Iterable[Text] | Iterable[Document],
        *,
        top_k: SupportsIndex | None = None,
        activation: str = "logit",
        highlights: SupportsIndex | bool = False,
        words: SupportsIndex = 3,
        texts: Iterable[Text] | None = None,
        timeout: float | None = None,
        threads: SupportsIndex = 0,
        special_tokens: str = "plain",
        invalid_utf8: str = "replace",
        progress: ProgressFunction | None = None,
    ) -> Ranking:
        """Ranks texts or encoded documents, best first; equal scores in their order.

        Parameters
        ----------
        query : str, bytes or Query
        documents : iterable of str or bytes, or of Document
            Of a text longer than ``max_tokens`` the rest is not read, and its hit says so;
            ``rank_texts`` reads all of it.
        top_k : int, optional
            How many hits to return at most; None: all.
        activation : {"logit", "sigmoid"}
            The form of a score: any real number, or from 0 to 1.
        highlights : int or bool
            How many sentences to show of each hit; True: 1.
        words : int
            How many words to show of each of these sentences.
        texts : iterable of str or bytes, optional
            The texts of encoded documents, which highlights need.
        timeout, threads, special_tokens, invalid_utf8, progress
            See the notes of the class. A ranking that ran out of time is not ``complete``.

        Returns
        -------
        Ranking

        Raises
        ------
        ArgumentError
            For a value out of range, or a text that is to be refused.
        Error
            For documents of another model.
        """
        given = options(
            top_k=top_k,
            activation=activation,
            highlights=highlights,
            words=words,
            timeout=timeout,
            threads=threads,
            special_tokens=special_tokens,
            invalid_utf8=invalid_utf8,
            progress=progress,
        )
        return self._engine.rank(query, documents, given, texts)

    def rank_texts(
        self,
        query: Text | Query,
        texts: Iterable[Text],
        *,
        max_tokens: SupportsIndex = 0,
        text_score: str = "max",
        **kwargs: Any,
    ) -> TextRanking:
        """Ranks texts of any length by their passages.

        Parameters
        ----------
        query : str, bytes or Query
        texts : iterable of str or bytes
        max_tokens : int
            Tokens of a passage at most; 0: what the model reads.
        text_score : {"max", "soft_max"}
            A text's score: of its best passage, or of all of them. The first passage counts, too.
        **kwargs
            As of ``rank``.

        Returns
        -------
        TextRanking
            Its hits say where the best passage is.

        Raises
        ------
        ArgumentError, Error
            As ``rank``.
        """
        given = options(**kwargs)
        return self._engine.rank_texts(query, texts, given, count(max_tokens, "max_tokens"), text_score)

    def rank_batch(
        self, queries: Iterable[Text], documents: Iterable[Text] | Iterable[Document], **kwargs: Any
    ) -> list[Ranking]:
        """One ranking for each query over the same documents, each of which is encoded once.

        Parameters
        ----------
        queries : iterable of str or bytes
        documents : iterable of str or bytes, or of Document
        **kwargs
            As of ``rank``, without ``texts``.

        Returns
        -------
        list of Ranking
        """
        return self._engine.rank_batch(queries, documents, options(**kwargs))

    def score(
        self,
        query: Text | Query,
        documents: Iterable[Text] | Iterable[Document],
        *,
        activation: str = "logit",
        timeout: float | None = None,
        threads: SupportsIndex = 0,
        special_tokens: str = "plain",
        invalid_utf8: str = "replace",
        progress: ProgressFunction | None = None,
    ) -> npt.NDArray[np.float32]:
        """The scores of texts or encoded documents, in their order.

        Parameters
        ----------
        query : str, bytes or Query
        documents : iterable of str or bytes, or of Document
        activation, timeout, threads, special_tokens, invalid_utf8, progress
            As of ``rank``.

        Returns
        -------
        numpy.ndarray
            float32 [documents]; NaN where the time ran out.
        """
        given = options(
            activation=activation,
            timeout=timeout,
            threads=threads,
            special_tokens=special_tokens,
            invalid_utf8=invalid_utf8,
            progress=progress,
        )
        return self._engine.score(query, documents, given)

    def score_pairs(
        self, pairs: Iterable[Sequence[Text]], *, activation: str = "logit", **kwargs: Any
    ) -> npt.NDArray[np.float32]:
        """The scores of pairs ``(query, text)``, in their order. Pairs of one query share its work.

        Parameters
        ----------
        pairs : iterable of pairs of str or bytes
        activation, **kwargs
            As of ``score``.

        Returns
        -------
        numpy.ndarray
            float32 [pairs]; NaN where the time ran out.
        """
        queries, documents = split_pairs(pairs)
        return self._engine.score_pairs(queries, documents, options(activation=activation, **kwargs))

    # ---- highlights and passages ----

    def highlight(
        self,
        query: Text | Query,
        text: Text,
        *,
        document: Document | None = None,
        sentences: SupportsIndex = 1,
        words: SupportsIndex = 3,
        special_tokens: str = "plain",
        invalid_utf8: str = "replace",
    ) -> Highlights:
        """The sentences of a text that answer the query, and words in them.

        Parameters
        ----------
        query : str, bytes or Query
        text : str or bytes
        document : Document, optional
            The text as it was encoded: nothing is encoded again then.
        sentences, words : int
            How many of each at most.
        special_tokens, invalid_utf8
            See the notes of the class.

        Returns
        -------
        Highlights

        Raises
        ------
        Error
            Where the document was encoded from another text or by another model.
        """
        given = options(
            highlights=sentences, words=words, special_tokens=special_tokens, invalid_utf8=invalid_utf8
        )
        return self._engine.highlight(query, text, given, document)

    def passages(
        self,
        text: Text,
        *,
        max_tokens: SupportsIndex = 0,
        overlap_tokens: SupportsIndex = 0,
        overlap_sentences: SupportsIndex = 0,
        kind: str = "automatic",
        file_name: str = "",
    ) -> list[Passage]:
        """Cuts a text into passages that the model reads whole, at the best borders there are.

        Parameters
        ----------
        text : str or bytes
        max_tokens : int
            Tokens of a passage at most, markers included; 0: what the model reads.
        overlap_tokens, overlap_sentences : int
            What a passage repeats of the one before it, at most; one of the two.
        kind : {"automatic", "plain", "markdown", "code", "log"}
        file_name : str
            Its ending tells an automatic kind; it is never opened.

        Returns
        -------
        list of Passage

        Raises
        ------
        ArgumentError
            For sizes out of range.
        """
        return self._engine.passages(
            text,
            count(max_tokens, "max_tokens"),
            count(overlap_tokens, "overlap_tokens"),
            count(overlap_sentences, "overlap_sentences"),
            kind,
            file_name,
        )

    # ---- encoding ----

    def encode(
        self, text: Text, *, special_tokens: str = "plain", invalid_utf8: str = "replace"
    ) -> Document:
        """Encodes a document for later; ``rank`` then runs the last layers alone."""
        return self._engine.encode(
            text, options(special_tokens=special_tokens, invalid_utf8=invalid_utf8)
        )

    def encode_all(
        self,
        texts: Iterable[Text],
        *,
        timeout: float | None = None,
        threads: SupportsIndex = 0,
        special_tokens: str = "plain",
        invalid_utf8: str = "replace",
        progress: ProgressFunction | None = None,
    ) -> list[Document]:
        """Encodes documents on all threads.

        Raises
        ------
        Error
            With the code ``"stopped"`` where the time ran out: a list with holes helps nobody.
        """
        given = options(
            timeout=timeout,
            threads=threads,
            special_tokens=special_tokens,
            invalid_utf8=invalid_utf8,
            progress=progress,
        )
        return self._engine.encode_all(texts, given)

    def encode_query(
        self, text: Text, *, special_tokens: str = "plain", invalid_utf8: str = "replace"
    ) -> Query:
        """Encodes a query that will be ranked against documents again and again."""
        return self._engine.encode_query(
            text, options(special_tokens=special_tokens, invalid_utf8=invalid_utf8)
        )


def _loaded(source: str | os.PathLike[str] | bytes, precision: str) -> Reranker:
    return Reranker(source, precision=precision)


def split_pairs(pairs: Iterable[Sequence[Any]]) -> tuple[list[Any], list[Any]]:
    """Queries and texts of pairs."""
    if isinstance(pairs, (str, bytes)):
        raise TypeError(f"pairs is of type {type(pairs).__name__}, not a list of pairs")
    queries: list[Any] = []
    documents: list[Any] = []
    for place, pair in enumerate(pairs):
        if isinstance(pair, (str, bytes)) or not hasattr(pair, "__len__") or len(pair) != 2:
            raise TypeError(f"pairs[{place}] is not a pair (query, text)")
        queries.append(pair[0])
        documents.append(pair[1])
    return queries, documents


def highlight(query: Text | Query, text: Text, ranker: Reranker, **kwargs: Any) -> Highlights:
    """``ranker.highlight(query, text, ...)``: what answers the query in a text."""
    return ranker.highlight(query, text, **kwargs)


def passages(text: Text, ranker: Reranker, **kwargs: Any) -> list[Passage]:
    """``ranker.passages(text, ...)``: a text cut into passages that the model reads whole."""
    return ranker.passages(text, **kwargs)


def sentences(text: Text) -> list[tuple[int, int]]:
    """The sentences of a text as places ``(begin, end)``, in its order; no model is needed."""
    return _core.sentences(text)


