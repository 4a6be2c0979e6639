# SPDX-License-Identifier: Apache-2.0
"""Which model file a name means."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import ArgumentError, MissingFileError

DEFAULT_MODEL = "mice-minilm-l6x2-int8.safetensors"


def default_model() -> Path:
    """The file of the default model: what the variable ``MICE_MODEL`` names, or the package's own.

    Raises
    ------
    MissingFileError
        Where there is none.
    """
    chosen = os.environ.get("MICE_MODEL")
    if chosen:
        return Path(chosen)
    found = Path(__file__).parent / "models" / DEFAULT_MODEL
    if not found.is_file():
        raise MissingFileError(
            f"{found} is not there: this installation of mice was made without its model; name a "
            "model file, also in the variable MICE_MODEL",
            "io",
        )
    return found


def checked_path(name: str | os.PathLike[str]) -> Path:
    """A path that the system can be asked for.

    Raises
    ------
    ArgumentError
        For one with a NUL or lone surrogates in it.
    """
    path = Path(name)
    try:
        if b"\0" not in os.fsencode(path):
            return path
    except UnicodeEncodeError:
        pass
    raise ArgumentError(f"{str(path)!r} can be no path: it holds a NUL or a lone surrogate", "invalid_argument")


def model_file(name: str | os.PathLike[str] | None) -> Path:
    """The model file of a path, of a folder that holds one, or the default one for None."""
    if name is None:
        return default_model()
    path = checked_path(name)
    if path.is_dir():
        held = sorted(path.glob("*.safetensors"))
        if len(held) != 1:
            raise ArgumentError(
                f"the folder {str(path)!r} holds {len(held)} files *.safetensors; name one model file",
                "invalid_argument",
            )
        return held[0]
    if not path.exists():
        raise MissingFileError(
            f"there is no model file {str(path)!r}; mice loads files that mice-convert makes, and "
            "nothing from the network. Without a name it loads its own model",
            "io",
        )
    return path
