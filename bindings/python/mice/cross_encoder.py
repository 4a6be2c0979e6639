# SPDX-License-Identifier: Apache-2.0
"""``CrossEncoder`` with the calls of sentence-transformers'."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, SupportsIndex

import numpy as np

from ._options import ProgressFunction, count
from .reranker import Reranker, Text, split_pairs

_logger = logging.getLogger(__name__)
Activation = Callable[[Any], Any]


def sigmoid(logits: Any) -> Any:
    """1 / (1 + exp(-logit)): the default activation of ``CrossEncoder``."""
    values = np.asarray(logits, dtype=np.float64)
    return (1.0 / (1.0 + np.exp(-values))).astype(np.float32)


def identity(logits: Any) -> Any:
    """Leaves scores as the model gives them."""
    return logits


class CrossEncoder:
    """Scores and ranks pairs with the calls of ``sentence_transformers.CrossEncoder``.

    A program changes the line ``from sentence_transformers import CrossEncoder`` into ``from mice
    import CrossEncoder``. Scores are those of mice's model, not of the named one, unless a file
    that was converted from it is given.

    Parameters
    ----------
    model_name_or_path : str, os.PathLike, bytes or None
        A model file of ``mice-convert``, a folder with one, or None for the default model. Nothing is
        loaded from the network: a name of the Hub that begins with ``cross-encoder/`` stands for the
        default model, with a warning, and any other name that is no file is an error.
    num_labels : int, optional
        1, if given.
    max_length : int, optional
        Tokens of a text that are read at most, markers included; None or more than the model's limit:
        the limit.
    activation_fn : callable, optional
        Applied to the logits: a module of PyTorch, or a function of a NumPy array. None: as in
        sentence-transformers a sigmoid, so scores are from 0 to 1 (late interaction: none).
        ``mice.identity`` leaves the logits, as the models ``cross-encoder/ms-marco-...`` do.
    device : str, optional
        "cpu"; another one is a warning, as mice computes on the CPU.
    backend : str
        Looked at by nobody, like ``trust_remote_code``, ``revision``, ``token``, ``cache_folder`` and
        ``local_files_only``.
    precision : {"automatic", "int8", "bf16", "f32"}
        mice's own: the numbers that it computes with.

    Notes
    -----
    Safe to use from many threads at once.
    """

    def __init__(
        self,
        model_name_or_path: str | os.PathLike[str] | bytes | None = None,
        num_labels: int | None = None,
        max_length: SupportsIndex | None = None,
        activation_fn: Activation | None = None,
        device: str | None = None,
        *,
        precision: str = "automatic",
        backend: str = "torch",
        **ignored: Any,
    ) -> None:
        for old, new in (("model_name", model_name_or_path), ("default_activation_function", activation_fn)):
            if old in ignored and new is not None:
                raise TypeError(f"{old} is given twice")
        model_name_or_path = ignored.pop("model_name", model_name_or_path)
        activation_fn = ignored.pop("default_activation_function", activation_fn)
        _check_ignored(ignored)
        if num_labels not in (None, 1):
            raise ValueError(f"num_labels is 1, as mice's models give one score, not {num_labels}")
        _check_device(device)
        if activation_fn is not None and not callable(activation_fn):
            raise TypeError("activation_fn is a function of the logits, or None")
        self.ranker = Reranker(_known_name(model_name_or_path), precision=precision)
        self.activation_fn: Activation = activation_fn or (
            identity if self.ranker.kind == "late_interaction" else sigmoid
        )
        self.device = "cpu"
        self.num_labels = 1
        self._max_length = None if max_length is None else count(max_length, "max_length", 3)

    def __repr__(self) -> str:
        return f"CrossEncoder({self.ranker!r})"

    @property
    def max_length(self) -> int:
        """Tokens of a text that are read at most."""
        limit = self.ranker.max_tokens
        return limit if self._max_length is None else min(self._max_length, limit)

    max_seq_length = max_length

    def predict(
        self,
        sentences: Sequence[Text] | Sequence[Sequence[Text]] | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        activation_fn: Activation | None = None,
        apply_softmax: bool | None = False,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        **others: Any,
    ) -> Any:
        """The scores of pairs.

        Parameters
        ----------
        sentences : sequence of pairs of str, or one pair
            ``(query, text)`` each; ``inputs`` is another name.
        batch_size : int
            Above 0; no score and no speed depends on it.
        show_progress_bar : bool, optional
            With tqdm, which has to be installed. None: where the level of logging is INFO or DEBUG.
        activation_fn : callable, optional
            Instead of that of the object.
        apply_softmax : bool
            Changes nothing where there is one label, as in sentence-transformers.
        convert_to_numpy, convert_to_tensor : bool
            An array (the default), a tensor of PyTorch, or with neither a list of numbers.

        Returns
        -------
        numpy.ndarray, torch.Tensor or list
            float32 [pairs]; for a single pair a single number.
        """
        sentences = _renamed(others, "inputs", sentences, "sentences")
        activation_fn = _renamed(others, "activation_fct", activation_fn, "activation_fn")
        _check_call(batch_size, others)
        if sentences is None:
            raise TypeError("predict() lacks the pairs to score")
        pairs: Any = sentences.tolist() if isinstance(sentences, np.ndarray) else sentences
        is_single = _is_single(pairs)
        logits = self._logits([pairs] if is_single else pairs, show_progress_bar)
        scores = _activated(logits, activation_fn or self.activation_fn)
        if convert_to_tensor:
            import torch  # type: ignore[import-not-found, unused-ignore]

            tensor = torch.from_numpy(scores)
            return tensor[0] if is_single else tensor
        if not convert_to_numpy and not is_single:
            return list(scores)
        return scores[0] if is_single else scores

    def rank(
        self,
        query: Text,
        documents: Sequence[Text],
        top_k: int | None = None,
        return_documents: bool = False,
        activation_fn: Activation | None = None,
        apply_softmax: bool | None = False,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        **others: Any,
    ) -> list[dict[Literal["corpus_id", "score", "text"], Any]]:
        """Ranks texts by how well they answer a query.

        Parameters
        ----------
        query : str
        documents : sequence of str
        top_k : int, optional
            How many to return at most; None: all.
        return_documents : bool
            Whether to return the texts, too.
        activation_fn, batch_size, show_progress_bar
            As of ``predict``.

        Returns
        -------
        list of dict
            ``corpus_id`` (place in the list), ``score`` and, where asked for, ``text``; best first,
            equal scores in the order of the list.
        """
        activation_fn = _renamed(others, "activation_fct", activation_fn, "activation_fn")
        _check_call(batch_size, others)
        if isinstance(documents, (str, bytes)):
            raise TypeError(f"documents is of type {type(documents).__name__}, not a list")
        texts = list(documents)
        logits = self._logits([(query, text) for text in texts], show_progress_bar)
        scores = _activated(logits, activation_fn or self.activation_fn)
        # Sigmoids of large logits are all 1, so equal scores keep the order of their logits.
        order = sorted(range(len(texts)), key=lambda i: (-scores[i], -logits[i]))
        found: list[dict[Literal["corpus_id", "score", "text"], Any]] = []
        for place in order[:top_k]:
            found.append({"corpus_id": place, "score": float(scores[place])})
            if return_documents:
                found[-1]["text"] = texts[place]
        return found

    def _logits(self, pairs: Iterable[Sequence[Text]], show_progress_bar: bool | None) -> Any:
        queries, texts = split_pairs(pairs)
        if self._max_length is not None and self._max_length < self.ranker.max_tokens:
            texts = [self._shortened(text) for text in texts]
        if show_progress_bar is None:
            show_progress_bar = _logger.getEffectiveLevel() in (logging.INFO, logging.DEBUG)
        with _Bar(len(texts), bool(show_progress_bar)) as bar:
            return self.ranker.score_pairs(zip(queries, texts), progress=bar.progress)

    def _shortened(self, text: Text) -> Text:
        end = self.ranker._engine.shortened(text, self.max_length)
        return text if end is None else text[:end]


class _Bar:
    """A bar of tqdm, or none."""

    def __init__(self, total: int, shown: bool) -> None:
        self.progress: ProgressFunction | None = None
        self._bar: Any = None
        if shown:
            try:
                from tqdm.auto import tqdm  # type: ignore[import-untyped, unused-ignore]
            except ImportError:
                raise ImportError("show_progress_bar needs tqdm; pip install tqdm") from None
            self._bar = tqdm(total=total, desc="Pairs")
            self.progress = self._move

    def _move(self, done: int, total: int) -> None:
        self._bar.update(done - self._bar.n)

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()


_OF_OTHERS = {
    "automodel_args", "tokenizer_args", "tokenizer_kwargs", "config_args", "cache_dir", "cache_folder",
    "trust_remote_code", "revision", "local_files_only", "token", "model_kwargs", "processor_kwargs",
    "config_kwargs", "model_card_data", "prompts", "default_prompt_name", "keep_in_fp32_modules",
}  # fmt: skip
_OF_CALLS = {
    "num_workers", "prompt_name", "prompt", "device", "pool", "chunk_size",
    "convert_to_numpy", "convert_to_tensor",
}  # fmt: skip


def _check_ignored(others: dict[str, Any]) -> None:
    for name in others:
        if name not in _OF_OTHERS:
            raise TypeError(f"CrossEncoder() has no argument {name!r}")


def _check_call(batch_size: int, others: dict[str, Any]) -> None:
    if batch_size <= 0:
        raise ValueError(f"batch_size is a number above 0, not {batch_size}")
    for name, value in others.items():
        if name not in _OF_CALLS:
            raise TypeError(f"there is no argument {name!r}")
        if name in ("prompt", "prompt_name") and value is not None:
            raise ValueError(f"{name} is not supported: write it before the query")
    _check_device(others.get("device"))


def _check_device(device: Any) -> None:
    if device is not None and str(device) != "cpu":
        warnings.warn(f"mice computes on the CPU; device {device!r} is ignored", stacklevel=3)


def _renamed(others: dict[str, Any], old: str, value: Any, name: str) -> Any:
    if old not in others:
        return value
    if value is not None:
        raise TypeError(f"{old} and {name} are the same; give one")
    return others.pop(old)


def _known_name(name: str | os.PathLike[str] | bytes | None) -> str | os.PathLike[str] | bytes | None:
    if isinstance(name, str) and name.startswith("cross-encoder/") and not os.path.exists(name):
        warnings.warn(
            f"mice loads nothing from the Hub: the default model takes the place of {name!r}; give no "
            "name, or a file that mice-convert made of that model",
            stacklevel=3,
        )
        return None
    return name


def _is_single(pairs: Any) -> bool:
    if not isinstance(pairs, (list, tuple)):
        return False
    return len(pairs) > 0 and isinstance(pairs[0], (str, bytes))


def _activated(logits: Any, activation: Activation) -> Any:
    """float32 [pairs]: a module of PyTorch is given a tensor, anything else an array."""
    if type(activation).__module__.split(".")[0] == "torch":
        import torch  # type: ignore[import-not-found, unused-ignore]

        given = activation(torch.from_numpy(logits.copy())).detach().cpu().numpy()
    else:
        given = activation(logits.copy())
    scores = np.asarray(given, dtype=np.float32)
    if scores.shape != logits.shape:
        raise ValueError(f"activation_fn made {scores.shape} of {logits.shape}; it may not change shapes")
    return scores
