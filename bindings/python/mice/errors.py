# SPDX-License-Identifier: Apache-2.0
"""What mice raises. The text says what is wrong, where, and what to do; ``code`` is for programs."""

from __future__ import annotations


class Error(RuntimeError):
    """A failure of mice.

    Attributes
    ----------
    code : str
        Its kind: ``"io"``, ``"format"``, ``"config"``, ``"tensor"``, ``"tokenizer"``,
        ``"unsupported"``, ``"invalid_argument"``, ``"encoding"``, ``"stopped"`` or ``"mismatch"``.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (str(self), self.code)


class ArgumentError(Error, ValueError):
    """An argument that cannot be used: also a ``ValueError``."""


class MissingFileError(Error, FileNotFoundError):
    """There is no such file: also a ``FileNotFoundError``."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


_KINDS = {"invalid_argument": ArgumentError, "encoding": ArgumentError}


def error_of(code: str, message: str) -> Error:
    """The exception of a code of the library."""
    return _KINDS.get(code, Error)(message, code)
