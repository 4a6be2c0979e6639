# SPDX-License-Identifier: Apache-2.0
"""Prepared candidate lists, batches of them, and the cached states of frozen layers."""
import hashlib
import os
import shutil

import numpy as np
import torch
import torch.distributed as dist


class CandidateLists:
    """What prepare.py wrote: token ids of passages and queries, and for each query its scored candidates."""

    def __init__(self, path, config, max_document_tokens):
        with np.load(path, allow_pickle=False) as stored:
            self.passages = Texts(stored["p_tok"], stored["p_off"], max_document_tokens)
            self.queries = Texts(stored["q_tok"], stored["q_off"], config.max_query_length)
            self.candidates = stored["cand"]  # [queries, list] passage numbers, -1 = none
            self.labels = stored["label"] > 0  # relevant?
            self.teacher = stored["teach"].astype(np.float32)
        shape = self.candidates.shape
        if self.labels.shape != shape or self.teacher.shape != shape or shape[0] != len(self.queries):
            raise ValueError(f"{path}: the lists' shapes differ")
        if self.candidates.max() >= len(self.passages) or not np.isfinite(self.teacher).all():
            raise ValueError(f"{path}: a candidate or a teacher's score is out of range")
        for texts in (self.passages, self.queries):
            if texts.ids.max() >= config.vocab_size:
                raise ValueError(f"{path}: a token id lies beyond the vocabulary of {config.vocab_size}")

    def draw(self, query, count, rng):
        """`count` places in the list of a query: a relevant one first, if there is one, then others, of
        which those that the teacher scores high are likelier."""
        there = np.flatnonzero(self.candidates[query] >= 0)
        relevant = there[self.labels[query, there]]
        others = there[~self.labels[query, there]]
        first = rng.choice(relevant, min(1, len(relevant)))
        wanted = min(count - len(first), len(others))
        scores = self.teacher[query, others]
        weights = np.exp(scores - scores.max(initial=0)) + 0.05
        drawn = rng.choice(others, wanted, replace=False, p=weights / weights.sum()) if wanted else others[:0]
        places = np.concatenate([first, drawn]).astype(np.int64)
        return np.resize(places, count) if len(places) < count else places  # short lists repeat


class Texts:
    """Token ids of many texts, one behind another; texts that are too long keep their last token."""

    def __init__(self, ids, offsets, limit):
        if offsets[0] != 0 or offsets[-1] != len(ids) or (np.diff(offsets) < 2).any():
            raise ValueError("texts' offsets do not fit their token ids")
        self.ids, self.offsets = ids, offsets
        self.lengths = np.minimum(np.diff(offsets), limit)

    @classmethod
    def of(cls, rows, limit):
        """Texts from lists of token ids, cut at the limit."""
        rows = [row if len(row) <= limit else row[:limit - 1] + row[-1:] for row in rows]
        kind = np.uint16 if max(map(max, rows), default=0) < 1 << 16 else np.int32
        return cls(np.concatenate([np.array(row, kind) for row in rows]), np.cumsum([0, *(len(row) for row in rows)]), limit)

    def __len__(self):
        return len(self.lengths)

    def __getitem__(self, number):
        first, length = self.offsets[number], self.lengths[number]
        return np.append(self.ids[first:first + length - 1], self.ids[self.offsets[number + 1] - 1])

    def padded(self, numbers):
        """-> ids [n, longest] int64, mask bool like it"""
        longest = int(self.lengths[numbers].max())
        ids = np.zeros((len(numbers), longest), np.int64)
        for row, number in enumerate(numbers):
            ids[row, :self.lengths[number]] = self[number]
        mask = np.arange(longest) < self.lengths[numbers][:, None]
        return torch.from_numpy(ids), torch.from_numpy(mask)


def states_path(folder, name, model, texts):
    """The file of the texts' states by a model: another model's, or other texts', is another file."""
    os.makedirs(folder, exist_ok=True)
    digest = hashlib.sha256()
    for each in (*model.bottom_parameters(), torch.from_numpy(texts.lengths), torch.from_numpy(texts.ids.astype(np.int32))):
        digest.update(each.detach().cpu().numpy().tobytes())
    return os.path.join(folder, f"{name}-{digest.hexdigest()[:16]}.states")


def cached_states(folder, name, model, texts, progress=lambda percent: None, *, rank=0, count=1, device="cpu"):
    """The StateCache of the texts in that folder; what is not there yet is encoded, by `count` workers together."""
    cache = StateCache(states_path(folder, name, model, texts), texts, model.config.hidden_size)
    cache.complete(model, texts, rank, count, device, progress)
    return cache


def copy_tokenizer(source, out):
    for name in ("tokenizer.json", "vocab.txt"):
        if os.path.exists(os.path.join(source, name)):
            shutil.copyfile(os.path.join(source, name), os.path.join(out, name))


class StateCache:
    """bfloat16 states of all texts by frozen layers, in a file that the workers share."""

    def __init__(self, path, texts, width):
        self.lengths = texts.lengths
        self.offsets = np.concatenate([[0], np.cumsum(texts.lengths)])
        self.path, self.shape = path, (int(self.offsets[-1]), width)
        self.done = os.path.exists(path + ".done")
        self.states = None

    def complete(self, model, texts, rank, count, device, progress):
        """Makes the file, where it is not yet whole, together with the other workers, and opens it."""
        barrier = dist.barrier if count > 1 else lambda: None
        if not self.done:
            if rank == 0:
                self.create()
            barrier()
            self.open("r+")
            self.fill(model, texts, rank, count, device, progress)
            barrier()
            if rank == 0:
                self.finish()
        self.open("c")

    def create(self):
        """An empty file, to be filled."""
        np.memmap(self.path, np.int16, "w+", shape=self.shape)
        self.open("r+")

    def finish(self):
        """Marks the file as whole."""
        open(self.path + ".done", "w", encoding="utf-8").close()

    def open(self, mode):
        """mode: r+ to fill it, c to read it"""
        flat = np.memmap(self.path, np.int16, mode, shape=self.shape)
        self.states = torch.from_numpy(flat).view(torch.bfloat16)

    def fill(self, model, texts, rank, workers, device, progress):
        """Encodes this worker's share of the texts, and sometimes calls progress(percent)."""
        order = np.argsort(texts.lengths, kind="stable")[rank::workers]
        told = -1
        with torch.no_grad():
            for first in range(0, len(order), 64):
                numbers = order[first:first + 64]
                ids, mask = texts.padded(numbers)
                states = model.encode(ids.to(device), mask.to(device), torch.bfloat16).cpu()
                for row, number in enumerate(numbers):
                    begin = self.offsets[number]
                    self.states[begin:begin + self.lengths[number]] = states[row, :self.lengths[number]]
                percent = 100 * (first + len(numbers)) // len(order)
                if percent > told:
                    progress(percent)
                    told = percent

    def __getitem__(self, number):
        """The states of one text [tokens, d]"""
        return self.states[self.offsets[number]:self.offsets[number + 1]]

    def padded(self, numbers):
        """-> states [n, longest, d], mask bool [n, longest] or None where nothing is padded"""
        lengths = self.lengths[numbers]
        longest = int(lengths.max())
        states = torch.zeros(len(numbers), longest, self.shape[1], dtype=torch.bfloat16)
        for row, number in enumerate(numbers):
            begin = self.offsets[number]
            states[row, :lengths[row]] = self.states[begin:begin + lengths[row]]
        mask = torch.from_numpy(np.arange(longest) < lengths[:, None])
        return states, None if bool(mask.all()) else mask


def equal_tokens(queries, query_numbers, passages, passage_numbers, rows):
    """Which tokens of a query and its passage are equal: bool [n, rows, longest passage] (for extra_attn_bias)"""
    ids, there = passages.padded(passage_numbers)
    query_ids, query_there = queries.padded(query_numbers)
    equal = torch.zeros(len(ids), rows, ids.shape[1], dtype=torch.bool)
    equal[:, :query_ids.shape[1]] = (
        (query_ids[:, :, None] == ids[:, None, :]) & there[:, None, :] & query_there[:, :, None])
    return equal


def batches(lengths, per_batch, seed, epoch):
    """Batches of queries of like length, in random order: windows of a shuffle are sorted and cut."""
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(lengths))
    cut = []
    for first in range(0, len(order), 64 * per_batch):
        window = order[first:first + 64 * per_batch]
        window = window[np.argsort(lengths[window], kind="stable")]
        cut += [window[i:i + per_batch] for i in range(0, len(window) - per_batch + 1, per_batch)]
    return [cut[i] for i in rng.permutation(len(cut))]
