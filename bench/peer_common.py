# SPDX-License-Identifier: Apache-2.0
"""What the peers share: their input, batches of equal size, and exported models that are made only once."""
import hashlib
import os
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Callable

import numpy as np

from backbones import BACKBONES

BATCH_SIZES = (1, 8, 32)
LARGE_BATCHES = (*BATCH_SIZES, 128)  # for what is little work a document


@dataclass
class Work:
    """run(batch, count): the scores of the first `count` documents, in batches of about that size."""
    run: Callable
    sizes: tuple = BATCH_SIZES  # to be tried


class Setting:
    """The input as token ids, and how to compute."""

    def __init__(self, data, model, cache, threads):
        self.query = np.array([data["query_ids"]], np.int64)
        self.documents = np.array(data["document_ids"], np.int64)
        self.mask_id = data["mask_id"]
        self.backbone = BACKBONES[data["backbone"]]
        self.model, self.cache, self.threads = model, Path(cache), threads

    def others(self, count):
        """As many other documents, seeded, of the same words: for what is learned from data."""
        chance = np.random.default_rng(3)
        words = self.documents[:, 1:-1].reshape(-1)
        ids = chance.choice(words, (count, self.documents.shape[1]))
        ids[:, 0], ids[:, -1] = self.documents[0, 0], self.documents[0, -1]
        return ids

    def joint(self, documents):
        """[CLS] query [SEP] document [SEP], cut to a model's positions, as input of a cross-encoder."""
        rows = np.tile(self.query, (len(documents), 1))
        ids = np.concatenate([rows, documents[:, 1:]], 1)
        most = self.backbone.positions
        if ids.shape[1] > most:
            ids = np.concatenate([ids[:, :most - 1], ids[:, -1:]], 1)
        if self.backbone.family == "modernbert":  # which has no token types
            return {"input_ids": ids}
        types = np.zeros_like(ids)
        types[:, self.query.shape[1]:] = 1
        return {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": types}


def parts(count, batch):
    """Slices of the first `count` rows, all about equally long, at most `batch`."""
    ends = np.linspace(0, count, -(-count // batch) + 1).round().astype(int)
    return [slice(first, last) for first, last in zip(ends[:-1], ends[1:])]


def file_hash(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cached(folder, name, libraries, key, build):
    """The path of an exported model, made by build(path) unless these versions have made it before from the same
    key (anything with a stable repr). `name` ends in .onnx or .xml."""
    versions = [f"{each} {version(each)}" for each in libraries]
    digest = hashlib.sha256(repr((versions, key)).encode()).hexdigest()[:12]
    stem, ending = name.rsplit(".", 1)
    path = folder / f"{stem}-{digest}.{ending}"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f"draft-{os.getpid()}.{ending}"
        build(draft)
        if ending == "xml":  # OpenVINO keeps the weights beside it
            draft.with_suffix(".bin").rename(path.with_suffix(".bin"))
        draft.rename(path)
    return path
