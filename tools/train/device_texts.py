# SPDX-License-Identifier: Apache-2.0
"""Token ids of all texts on the device, what the teacher knows of them, and each query's candidates."""
import string

import numpy as np
import torch
import torch.nn.functional as F

from ranking import STOP_WORDS, SUFFIXES, stem
from shared_documents import encode

GRAIN = 16  # padded lengths are multiples of it
WORDS = 1 << 15  # what words are hashed to, for BM25
COMMON = 0.5  # the weight of a stop word in MaxSim, beside rarities of 1 to 10


class DeviceTexts:
    """Texts (train_data.Texts) with their token ids on a device and their lengths on the host."""

    def __init__(self, texts, device):
        self.device, self.lengths = device, np.asarray(texts.lengths)
        flat = np.concatenate([texts[number] for number in range(len(texts))])
        starts = np.concatenate([[0], np.cumsum(self.lengths)])
        self.total = int(starts[-1])
        self.ids = torch.from_numpy(flat.astype(np.int32)).to(device)
        self.starts = torch.from_numpy(starts[:-1]).to(device)
        self.counts = torch.from_numpy(self.lengths.astype(np.int64)).to(device)

    def __len__(self):
        return len(self.lengths)

    def width(self, numbers):
        """The padded length of these texts"""
        return int(-(-self.lengths[numbers].max() // GRAIN) * GRAIN)

    def mask(self, numbers, width):
        numbers = torch.from_numpy(numbers).to(self.device)
        return torch.arange(width, device=self.device) < self.counts[numbers][:, None]

    def places(self, numbers, width):
        """Where the tokens lie in self.ids [n, width]; past a text's end: its last place"""
        numbers = torch.from_numpy(numbers).to(self.device)
        within = torch.arange(width, device=self.device).minimum(self.counts[numbers][:, None] - 1)
        return self.starts[numbers][:, None] + within

    def padded(self, numbers, width=None):
        """-> ids [n, width] int64, mask bool like it"""
        width = width or self.width(numbers)
        mask = self.mask(numbers, width)
        return self.ids[self.places(numbers, width)].long() * mask, mask


class WordHash:
    """Numbers below WORDS for the stemmed words of WordPiece token ids; stop words and punctuation have none."""

    def __init__(self, tokenizer):
        vocabulary = tokenizer.get_vocab()
        names = sorted(vocabulary, key=vocabulary.get)
        self.continues = np.array([name.startswith("##") for name in names])
        # a piece stands for its stem, a suffix for nothing
        self.classes = np.array([(0 if name[2:] in SUFFIXES else number) if name.startswith("##") else vocabulary.get(stem(name), number)
                                 for number, name in enumerate(names)], np.uint64)
        idle = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *STOP_WORDS, *string.punctuation}
        self.idle = np.array([name in idle for name in names])
        self.factors = np.array([pow(2654435761, place + 1, 1 << 63) for place in range(64)], np.uint64)

    def words(self, ids, starts):
        """Token ids of many texts [tokens] and where each begins -> the word of each token, -1 for what is no word; and whether
        it is a word's first token"""
        first = ~self.continues[ids]
        first[starts] = True
        at = np.flatnonzero(first)
        lengths = np.diff(np.append(at, len(ids)))
        place = np.minimum(np.arange(len(ids)) - np.repeat(at, lengths), len(self.factors) - 1)
        hashes = np.add.reduceat(self.classes[ids] * self.factors[place], at)  # wraps around
        for _ in range(2):
            hashes = (hashes ^ (hashes >> np.uint64(29))) * np.uint64(0xbf58476d1ce4e5b9)
        words = np.where(self.idle[ids[at]], -1, (hashes >> np.uint64(32)).astype(np.int64) % WORDS)
        return np.repeat(words, lengths), first


class Teacher:
    """A frozen bi-encoder and BM25 over the words of its tokens.

    Scores are the cosine of means, the MaxSim of token states (words weighed by their rarity) and BM25, each standardised
    within a list, summed with weights and brought to a standard deviation of `spread`.
    """

    def __init__(self, encoder, tokenizer, passages, queries, weights, spread, dtype, say):
        self.passages, self.queries, self.weights, self.spread, self.dtype = passages, queries, weights, spread, dtype
        self.device = passages.device
        with torch.no_grad():
            self.passage_states, self.passage_means = self.encoded(encoder, passages)
            self.query_states, self.query_means = self.encoded(encoder, queries)
            mean = self.passage_states[::max(1, passages.total // 50000)].float().mean(0)
            for states in (self.passage_states, self.query_states):
                for first in range(0, len(states), 1 << 20):
                    part = states[first:first + (1 << 20)]
                    part.copy_(F.normalize(part.float() - mean, dim=1))
            say("the teacher's states are there")
            hashing = WordHash(tokenizer)
            self.passage_words, self.query_words = (self.hashed(hashing, texts) for texts in (passages, queries))
            self.weigh_words()
            words, begins = self.query_words
            weights = torch.where(words >= 0, self.rarity[words.clamp(min=0)], COMMON)
            ends = queries.starts + queries.counts - 1
            weights[queries.starts] = weights[ends] = 0.0  # [CLS] and [SEP]
            self.row_weights = weights
            self.query_words = torch.where(begins, words, -1)

    def hashed(self, hashing, texts):
        """WordHash.words of all tokens, on the device"""
        found = hashing.words(texts.ids.cpu().numpy().astype(np.int64), texts.starts.cpu().numpy())
        return tuple(torch.from_numpy(each).to(self.device) for each in found)

    def encoded(self, encoder, texts):
        """Token states [tokens, d] of all texts and their means of unit length [texts, d]"""
        states = torch.empty(texts.total, encoder.config.hidden_size, dtype=self.dtype, device=self.device)
        means = torch.empty(len(texts), encoder.config.hidden_size, device=self.device)
        order = np.argsort(texts.lengths, kind="stable")
        filled = np.cumsum(texts.lengths[order]) // (1 << 16)  # parts of so many tokens
        for part in np.split(order, np.flatnonzero(np.diff(filled)) + 1):
            ids, mask = texts.padded(part)
            found = encode(encoder, ids, mask, self.dtype)
            states[texts.places(part, ids.shape[1])[mask]] = found[mask]
            mean = (found.float() * mask[:, :, None]).sum(1)
            means[torch.from_numpy(part).to(self.device)] = F.normalize(mean, dim=1)
        return states, means.to(self.dtype)

    def weigh_words(self, k1=0.9, b=0.4):
        """BM25's weights of all passages' words, dense [passages, WORDS]: a list is one product"""
        kind = torch.float16 if self.device.type == "cuda" else torch.float32
        words, begins = self.passage_words
        there = begins & (words >= 0)
        owner = torch.repeat_interleave(torch.arange(len(self.passages), device=self.device), self.passages.counts)[there]
        weights = torch.zeros(len(self.passages), WORDS, dtype=kind, device=self.device)
        weights.index_put_((owner, words[there]), torch.ones((), dtype=kind, device=self.device), accumulate=True)
        lengths = torch.zeros(len(self.passages), device=self.device).index_add_(0, owner, torch.ones(len(owner), device=self.device))
        norm = k1 * (1 - b + b * lengths / lengths.mean())
        found = torch.cat([(weights[:, first:first + 1024] > 0).sum(0) for first in range(0, WORDS, 1024)]).float()
        self.rarity = torch.log(1 + (len(self.passages) - found + 0.5) / (found + 0.5))
        for first in range(0, len(weights), 4096):
            part = weights[first:first + 4096]
            counts = part.float()
            part.copy_(counts / (counts + norm[first:first + 4096, None]) * self.rarity)
        self.word_weights, self.passage_words = weights, None

    def asked_words(self, numbers):
        """How often each word is in the queries [n] -> [n, WORDS]"""
        width = self.queries.width(numbers)
        words = self.query_words[self.queries.places(numbers, width)]
        there = self.queries.mask(numbers, width) & (words >= 0)
        counts = torch.zeros(len(numbers), WORDS, dtype=self.word_weights.dtype, device=self.device)
        return counts.scatter_add_(1, words.clamp(min=0), there.to(counts.dtype))

    def candidates(self, count, rng):
        """For each query passages that are hard to tell apart: a third each the bi-encoder's best, BM25's best and others of BM25's
        best hundred -> int32 [queries, count] on the host, and both rankings' hundred best, for checks"""
        third = count // 3
        result, hundreds = [], []
        for first in range(0, len(self.queries), 512):
            numbers = np.arange(first, min(first + 512, len(self.queries)))
            words = (self.asked_words(numbers) @ self.word_weights.T).topk(min(100, len(self.passages)), dim=1).indices
            near = (self.query_means[first:first + len(numbers)] @ self.passage_means.T).topk(min(50, len(self.passages)), dim=1).indices
            words, near = words.int().cpu().numpy(), near.int().cpu().numpy()
            others = words[:, rng.permutation(words.shape[1] - third)[:count - 2 * third] + third] if words.shape[1] > count else words
            result.append(np.concatenate([near[:, :third], words[:, :third], others], axis=1))
            hundreds.append(np.concatenate([near, words[:, :50]], axis=1))
        return np.concatenate(result), np.concatenate(hundreds)

    def scores(self, queries, passages):
        """queries [G, Q], passages [G, D] numbers -> float32 [G, Q, D]"""
        groups, count = queries.shape
        flat_queries, flat_passages = queries.reshape(-1), passages.reshape(-1)
        rows, tokens = self.queries.width(flat_queries), self.passages.width(flat_passages)
        q = self.query_states[self.queries.places(flat_queries, rows)].view(groups, count * rows, -1)
        p = self.passage_states[self.passages.places(flat_passages, tokens)].view(groups, -1, q.shape[-1])
        # past a text's end its last state repeats, which changes no maximum
        best = torch.bmm(q, p.transpose(1, 2)).view(groups, count, rows, -1, tokens).amax(-1)
        weights = self.row_weights[self.queries.places(flat_queries, rows)] * self.queries.mask(flat_queries, rows)
        weights = weights / weights.sum(1, keepdim=True).clamp(min=1e-6)
        late = (best.float() * weights.view(groups, count, rows, 1)).sum(2)
        pick = lambda table, numbers: table[torch.from_numpy(numbers).to(self.device)]
        means = torch.bmm(pick(self.query_means, flat_queries).view(groups, count, -1),
                          pick(self.passage_means, flat_passages).view(groups, -1, self.passage_means.shape[1]).transpose(1, 2)).float()
        bm25 = torch.bmm(self.asked_words(flat_queries).view(groups, count, -1),
                         pick(self.word_weights, flat_passages).view(groups, -1, self.word_weights.shape[1]).transpose(1, 2)).float()
        total = sum(weight * standard(each) for weight, each in zip(self.weights, (means, late, bm25)))
        return self.spread * standard(total)


def standard(x):
    """Of mean 0 and standard deviation 1 within each list; a list without differences is all 0"""
    centred = x - x.mean(-1, keepdim=True)
    deviation = centred.square().mean(-1, keepdim=True).sqrt()
    return centred / (deviation + 1e-3 * x.abs().amax(-1, keepdim=True) + 1e-6)
