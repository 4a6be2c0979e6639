# SPDX-License-Identifier: Apache-2.0
"""An index: encoded documents in a folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, SupportsIndex

from . import _core
from ._core import Commit, Document, IndexRanking, StoredDocument
from ._models import checked_path
from ._options import count, one_of, options
from .errors import MissingFileError
from .reranker import Reranker, Text

TextOf = Callable[[str, bytes], "Text | None"]


class Index:
    """A folder of encoded documents of one model: encoded once, searched again and again.

    Many processes may read while one writes. A reader sees the last commit that was there when it
    opened or refreshed. When ``commit`` has returned, its changes survive a crash and a loss of power.

    All methods may be called from many threads; those that write wait for each other. The first that
    writes takes the folder's lock, which is held until ``release``, ``close`` or the end of a
    ``with`` block. What was not committed by then is dropped.

    Parameters
    ----------
    folder : str or os.PathLike
    ranker : Reranker
        Its model has to be the one that the index was made with.
    mode : {"a", "r", "x"}
        "a" opens the index, or creates it if there is none; "r" opens one; "x" creates one in a
        folder that is new or empty.
    codec : str
        How a new index stores states: "f32", "int16", "int8", "int4", "kv-int16", "kv-int8", or
        "pqN" with N bytes a token. docs/index.md compares them.
    pool : int
        How many rows of a document are merged into one, 1 to 64.
    words : bool
        Whether a new index keeps the words of its texts, which ``candidates`` searches.
    threads : int
        Of encoding; 0: one for each processor.
    special_tokens : {"plain", "parse"}
    invalid_utf8 : {"replace", "refuse"}

    Raises
    ------
    MissingFileError
        With mode "r" where there is no index.
    Error
        For another model's index, a damaged one, or one that another program writes to.

    Examples
    --------
    >>> import mice, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> with mice.Index(folder, mice.Reranker()) as index:
    ...     index["bread"] = "Yeast gives off carbon dioxide, so the dough swells."
    ...     done = index.commit()
    ...     index.search("why does the dough rise")[0].id
    'bread'
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        ranker: Reranker,
        mode: str = "a",
        *,
        codec: str = "int8",
        pool: SupportsIndex = 1,
        words: bool = True,
        threads: SupportsIndex = 0,
        special_tokens: str = "plain",
        invalid_utf8: str = "replace",
    ) -> None:
        one_of(mode, "mode", ("a", "r", "x"))
        if not isinstance(ranker, Reranker):
            raise TypeError(f"ranker is of type {type(ranker).__name__}, not a Reranker")
        self.folder = checked_path(folder)
        if mode == "r" and not self.exists(self.folder):
            raise MissingFileError(
                f"there is no index in {str(self.folder)!r}; check the path, or create one", "io"
            )
        given = options(special_tokens=special_tokens, invalid_utf8=invalid_utf8)
        self._index = _core.EngineIndex.open(
            self.folder,
            ranker._engine,
            mode,
            codec,
            count(pool, "pool", 1),
            words,
            count(threads, "threads"),
            given.parses_specials,
            given.refuses_invalid,
        )

    @staticmethod
    def exists(folder: str | os.PathLike[str]) -> bool:
        """Whether a folder holds an index, readable or not."""
        return _core.index_exists(checked_path(folder))

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{len(self)} documents"
        return f"Index({str(self.folder)!r}, {state})"

    # ---- closing ----

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called; every other method is a ``ValueError`` then."""
        return self._index.closed

    def close(self) -> None:
        """Drops what was not committed, and lets the folder go. Calls of other threads that are on
        their way finish first."""
        self._index.close()

    def __enter__(self) -> Index:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # ---- writing ----

    def put(self, id: str, text: Text | Document, metadata: Text = b"") -> str:
        """Adds a document, or replaces the one of that id. Of a text beyond the model's limit the
        rest is not read: see ``put_text``.

        Parameters
        ----------
        id : str
            1 to 1024 bytes of UTF-8 without control characters.
        text : str, bytes or Document
            A ``Document`` is not encoded again, and has no words.
        metadata : str or bytes
            Kept as it is, at most 16 MiB.

        Returns
        -------
        str
            ``"added"``, ``"replaced"`` or ``"unchanged"``.

        Raises
        ------
        ArgumentError
            For an id or a size that is not taken.
        Error
            For what the system refuses; nothing can be written then before ``rollback``.
        """
        return self._index.put(id, text, metadata, False)

    def put_text(self, id: str, text: Text, metadata: Text = b"") -> str:
        """As ``put``, for a text of any length: all its passages are kept under its id."""
        return self._index.put(id, text, metadata, True)

    def __setitem__(self, id: str, text: Text) -> None:
        self.put_text(id, text)

    def remove(self, id: str) -> bool:
        """Removes a document; False where there is none of that id."""
        return self._index.remove(id)

    def __delitem__(self, id: str) -> None:
        if not self.remove(id):
            raise KeyError(id)

    def commit(self) -> Commit:
        """Encodes what is waiting, and makes all changes visible and durable, all or none. Ctrl-C
        takes effect when it has returned."""
        return self._index.commit()

    def rollback(self) -> None:
        """Forgets all changes since the last commit."""
        self._index.rollback()

    def release(self) -> None:
        """Forgets changes like ``rollback``, and lets other writers in."""
        self._index.release()

    def compact(self) -> Commit:
        """Commits, and rewrites the files without what was removed. Nothing is encoded again."""
        return self._index.compact()

    @property
    def uncommitted(self) -> int:
        """Documents changed since the last commit."""
        return self._index.uncommitted()

    # ---- ranking ----

    def rank(
        self,
        query: Text,
        ids: Iterable[str] | None = None,
        *,
        unknown: str = "refuse",
        texts: Mapping[str, Text] | TextOf | None = None,
        **kwargs: Any,
    ) -> IndexRanking:
        """Ranks documents of the last commit, best first.

        Parameters
        ----------
        query : str or bytes
        ids : iterable of str, optional
            The documents to rank; None: all.
        unknown : {"refuse", "report"}
            What to do with an id that the index does not hold.
        texts : mapping or callable, optional
            For highlights: the texts by id, or a function of ``(id, metadata)`` that gives a text or
            None. An index keeps no texts.
        **kwargs
            As of ``Reranker.rank``.

        Returns
        -------
        IndexRanking

        Raises
        ------
        ArgumentError
            For an unknown id that is to be refused.
        """
        reports = one_of(unknown, "unknown", ("refuse", "report")) == "report"
        text_of: TextOf | None
        if isinstance(texts, Mapping):
            held = texts

            def text_of(id: str, metadata: bytes) -> Text | None:
                return held.get(id)

        else:
            text_of = texts
        return self._index.rank(query, ids, reports, text_of, options(**kwargs))

    def candidates(
        self, query: Text, depth: SupportsIndex = 100, *, k1: float = 0.9, b: float = 0.4
    ) -> list[tuple[str, float]]:
        """Documents that share words with the query: ``(id, score)``, best first by BM25.

        Parameters
        ----------
        query : str or bytes
        depth : int
            How many at most.
        k1, b : float
            Of BM25: 0 to 1000, and 0 to 1.

        Raises
        ------
        ArgumentError
            For an index that keeps no words.
        """
        return self._index.candidates(query, count(depth, "depth", 1), k1, b)

    def search(self, query: Text, depth: SupportsIndex = 100, **kwargs: Any) -> IndexRanking:
        """Ranks the ``candidates``: words find them, the model sorts them. Further options as of
        ``rank``."""
        ids = [id for id, _ in self.candidates(query, depth)]
        return self.rank(query, ids, unknown="report", **kwargs)

    # ---- reading ----

    def __len__(self) -> int:
        return self._index.size()

    def __bool__(self) -> bool:
        return True

    def __contains__(self, id: object) -> bool:
        return isinstance(id, str) and bool(id) and self._index.contains(id)

    def get(self, id: str) -> StoredDocument | None:
        """What is stored about a document, or None."""
        return self._index.get(id)

    def __iter__(self) -> Iterator[str]:
        return (document.id for document in self._index.documents())

    def documents(self) -> Iterator[StoredDocument]:
        """All documents of the last commit in index order: for one pass, in one thread."""
        return iter(self._index.documents())

    def stats(self) -> dict[str, Any]:
        """Documents, generation, segments, disk_bytes, bytes_per_token, codec, precisions, words,
        model, fingerprint and recovered."""
        return self._index.stats()

    def verify(self) -> list[tuple[str, str]]:
        """Reads every byte of every file and compares checksums: ``(file, what)`` of each damage."""
        return self._index.verify()

    def refresh(self) -> bool:
        """Goes on to the last commit of another process; False where there is none."""
        return self._index.refresh()

