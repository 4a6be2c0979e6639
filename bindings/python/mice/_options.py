# SPDX-License-Identifier: Apache-2.0
"""Options of calls, checked here so that an error names them."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import SupportsIndex

from ._core import Options

ProgressFunction = Callable[[int, int], object]


def count(value: SupportsIndex, name: str, least: int = 0) -> int:
    """A whole number of at least ``least``."""
    if isinstance(value, bool):
        raise TypeError(f"{name} is a number, not a bool")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} is a whole number, not of type {type(value).__name__}") from None
    if number < least:
        raise ValueError(f"{name} is at least {least}, not {number}")
    return min(number, 2**63 - 1)


def one_of(value: str, name: str, choices: tuple[str, ...]) -> str:
    """A word out of a list."""
    if value not in choices:
        raise ValueError(f"{name} is {' or '.join(map(repr, choices))}, not {value!r}")
    return value


def options(
    *,
    top_k: SupportsIndex | None = None,
    activation: str = "logit",
    timeout: float | None = None,
    threads: SupportsIndex = 0,
    highlights: SupportsIndex | bool = False,
    words: SupportsIndex = 3,
    special_tokens: str = "plain",
    invalid_utf8: str = "replace",
    progress: ProgressFunction | None = None,
) -> Options:
    """The options of a call, as every method documents them."""
    made = Options()
    if top_k is not None:
        made.top_k = count(top_k, "top_k", 1)
    made.threads = count(threads, "threads")
    made.sigmoid = one_of(activation, "activation", ("logit", "sigmoid")) == "sigmoid"
    made.parses_specials = one_of(special_tokens, "special_tokens", ("plain", "parse")) == "parse"
    made.refuses_invalid = one_of(invalid_utf8, "invalid_utf8", ("replace", "refuse")) == "refuse"
    if timeout is not None:
        if not (timeout >= 0 and math.isfinite(timeout)):
            raise ValueError(f"timeout is a number of seconds from 0 up, not {timeout!r}")
        made.seconds = timeout
    made.words = count(words, "words")
    if highlights is not False:
        made.highlights = True
        made.sentences = 1 if highlights is True else count(highlights, "highlights", 1)
    if progress is not None and not callable(progress):
        raise TypeError("progress is a function of (done, total), or None")
    made.progress = progress
    return made
