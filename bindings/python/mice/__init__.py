# SPDX-License-Identifier: Apache-2.0
"""mice sorts search results by how well they answer the query, on an ordinary CPU.

``CrossEncoder`` has the calls of sentence-transformers'; ``Reranker`` has all that the engine can;
``Index`` keeps encoded documents in a folder; ``mice.adapters`` has what LangChain, LlamaIndex,
Haystack and rerankers expect.
"""

from ._core import (
    Commit,
    Document,
    Highlight,
    HighlightedWord,
    Highlights,
    Hit,
    IndexHit,
    IndexRanking,
    Passage,
    Query,
    Ranking,
    StoredDocument,
    StoredPassage,
    TextHit,
    TextRanking,
)
from ._models import default_model
from .cross_encoder import CrossEncoder, identity, sigmoid
from ._core import version as __version__
from .errors import ArgumentError, Error, MissingFileError
from .index import Index
from .reranker import Reranker, highlight, passages, sentences

__all__ = [
    "ArgumentError",
    "Commit",
    "CrossEncoder",
    "Document",
    "Error",
    "Highlight",
    "HighlightedWord",
    "Highlights",
    "Hit",
    "Index",
    "IndexHit",
    "IndexRanking",
    "MissingFileError",
    "Passage",
    "Query",
    "Ranking",
    "Reranker",
    "StoredDocument",
    "StoredPassage",
    "TextHit",
    "TextRanking",
    "__version__",
    "default_model",
    "highlight",
    "identity",
    "passages",
    "sentences",
    "sigmoid",
]
