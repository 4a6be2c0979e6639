#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains the matching head of highlights for a model of the BERT family, and writes a model file that has it.

    highlight_head.py --model MODEL.safetensors --tokenizer FOLDER --pairs pairs.jsonl ... --out NEW.safetensors

The pairs are questions with the sentence that answers them, {"query", "positive"[, "negatives"]}, one a line.
Passages are put together from them: of sentences that follow one another in a file, which are of one text where
the file is in the order of its texts, or of the negatives where a pair has some. Documents' states do not change,
so indexes stay valid. docs/training.md tells what was measured, docs/format.md what the tensors mean.
"""
import argparse
import json
import random
import re

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from tokenizers import Tokenizer

from mice_model import Config, Mice

LONGEST = 1000  # characters of a passage
MIXTURE = [11.0, 3.0, 0.3]  # to start with: match, match with the sentence before, own score
PROJECTION, IMPORTANCE, COMBINED = "highlight.projection.weight", "highlight.importance", "highlight.mixture"


def read_model(path):
    """(Mice, all tensors, metadata) of a model file; 8-bit weights as the floats that they stand for"""
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
        metadata = file.metadata()
    config = json.loads(metadata["mice.config"])
    known = {each for each in Config.__dataclass_fields__}
    model = Mice(Config(**{key: value for key, value in config.items() if key in known}))
    weights = {}
    for name in model.state_dict():
        value = tensors[name].float()
        if tensors[name].dtype == torch.int8:
            value *= tensors[name + ".scale"][:, None]
        weights[name] = value.view(model.state_dict()[name].shape)
    model.load_state_dict(weights)
    return model.eval(), tensors, metadata


def readable(text):
    """A tokenised sentence as people write it"""
    for mark, plain in (("``", '"'), ("''", '"'), ("-lrb-", "("), ("-rrb-", ")"), ("-lsb-", "["), ("-rsb-", "]")):
        text = text.replace(mark, plain)
    text = re.sub(r" ([,.;:?!%)\]])", r"\1", text)
    text = re.sub(r"([(\[$]) ", r"\1", text)
    return re.sub(r" ('s|n't|'re|'ve|'ll|'d|'m)\b", r"\1", text)


def passages_of(pairs, rng):
    """[(sentences, [(query, number of its sentence)])]"""
    made, sentences, asked, seen, most = [], [], [], set(), rng.randint(3, 9)
    for pair in pairs:
        positive, query = readable(pair["positive"]), readable(pair["query"])
        negatives = [readable(each) for each in pair.get("negatives", []) if each != pair["positive"]]
        if negatives:
            rng.shuffle(negatives)
            several = [*negatives[:6], positive]
            rng.shuffle(several)
            made.append((several, [(query, several.index(positive))]))
            continue
        if positive not in sentences:
            if len(sentences) == most or sum(map(len, sentences)) + len(positive) > LONGEST:
                made.append((sentences, asked))
                sentences, asked, most = [], [], rng.randint(3, 9)
            if positive in seen:
                continue
            seen.add(positive)
            sentences.append(positive)
        asked.append((query, sentences.index(positive)))
    made.append((sentences, asked))
    return [(each, queries) for each, queries in made if len(each) > 1 and sum(map(len, each)) <= LONGEST + 100]


class Example:
    """A passage's states, the rows of its sentences, and for each query its states, its answer and the model's scores."""

    def __init__(self, model, tokenizer, sentences, asked):
        config = model.config
        borders = np.cumsum([0] + [len(each) + 1 for each in sentences])
        encoded = tokenizer.encode(" ".join(sentences))
        ids = encoded.ids[:config.max_document_length]
        starts = np.array([first for first, _ in encoded.offsets[:len(ids)]])
        starts[0], starts[-1] = -1, borders[-1]  # [CLS] and [SEP]
        rows = np.searchsorted(starts[1:], borders) + 1
        self.rows = [(int(a), int(b)) for a, b in zip(rows, rows[1:])]
        with torch.no_grad():
            self.states = encode(model, ids)
            self.queries = [self.query(model, tokenizer, query, answer) for query, answer in asked
                            if self.rows[answer][0] < self.rows[answer][1]]

    def query(self, model, tokenizer, text, answer):
        ids = tokenizer.encode(text).ids[:model.config.max_query_length]
        states = encode(model, ids)
        windows = [(self.rows[max(0, i - 1)][0], last) for i, (_, last) in enumerate(self.rows)]
        longest = max(last - first for first, last in windows)
        padded = torch.zeros(len(windows), longest, states.shape[1])
        there = torch.zeros(len(windows), longest, dtype=torch.bool)
        for i, (first, last) in enumerate(windows):
            padded[i, :last - first] = self.states[first:last]
            there[i, :last - first] = True
        own = model.interact(states.expand(len(windows), -1, -1), torch.ones(len(windows), len(ids), dtype=torch.bool),
                             [(0, len(windows), padded, there)])
        return states[1:-1], own - own.mean(), answer


def encode(model, ids):
    ids = torch.tensor([ids])
    return model.encode(ids, torch.ones_like(ids, dtype=torch.bool))[0]


class Head(torch.nn.Module):
    """What include/mice/nn/matching_head.hpp computes"""

    def __init__(self, states, width):
        super().__init__()
        # the projection that keeps most of the states' differences
        _, _, directions = torch.linalg.svd(F.normalize(states, dim=1), full_matrices=False)
        self.projection = torch.nn.Parameter(directions[:width].contiguous())
        self.importance = torch.nn.Parameter(torch.zeros(states.shape[1]))
        self.offset = torch.nn.Parameter(torch.tensor([0.54]))
        self.mixture = torch.nn.Parameter(torch.tensor(MIXTURE))

    def forward(self, query, states, rows, own):
        """Scores of the sentences [n]"""
        counts = F.softplus(query @ self.importance + self.offset)
        counts = counts / counts.sum()
        matches = F.normalize(query @ self.projection.T, dim=1) @ F.normalize(states @ self.projection.T, dim=1).T
        nothing = torch.full((len(query),), -1.0)
        best = torch.stack([matches[:, a:b].max(1).values if a < b else nothing for a, b in rows])
        before = torch.maximum(best, torch.cat([best[:1], best[:-1]]))
        return torch.stack([best @ counts, before @ counts, own], 1) @ self.mixture

    def tensors(self):
        return {PROJECTION: self.projection.detach().half(),
                IMPORTANCE: torch.cat([self.importance, self.offset]).detach().float(),
                COMBINED: self.mixture.detach().float()}


def share_right(head, examples):
    with torch.no_grad():
        right = [int(head(query, each.states, each.rows, own).argmax()) == answer
                 for each in examples for query, own, answer in each.queries]
    return 100 * sum(right) / max(1, len(right))


def train(head, examples, held, epochs, rng):
    groups = [([head.projection], 3e-4), ([head.importance], 1e-3), ([head.offset, head.mixture], 1e-2)]
    optimizer = torch.optim.Adam([{"params": params, "lr": rate} for params, rate in groups])
    batches, done = (len(examples) + 15) // 16, 0
    for epoch in range(epochs):
        rng.shuffle(examples)
        seen = []
        for first in range(0, len(examples), 16):
            losses = []
            for each in examples[first:first + 16]:
                for query, own, answer in rng.sample(each.queries, min(3, len(each.queries))):
                    # half of the time without the model's own score, so that the matches alone are good, too
                    scores = head(query, each.states, each.rows, own * rng.randint(0, 1))
                    losses.append(F.cross_entropy(scores[None], torch.tensor([answer])))
            for group, (_, rate) in zip(optimizer.param_groups, groups):
                group["lr"] = rate * max(0.02, 1 - done / (epochs * batches))
            optimizer.zero_grad()
            loss = torch.stack(losses).mean()
            loss.backward()
            optimizer.step()
            seen.append(loss.item())
            done += 1
        print(f"epoch {epoch + 1}: loss {sum(seen) / len(seen):.4f}, "
              f"the right sentence first in {share_right(head, held):.1f}% of held out questions", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="model file of a MICE model")
    parser.add_argument("--tokenizer", required=True, help="folder with the model's tokenizer.json")
    parser.add_argument("--pairs", required=True, nargs="+", help="files of questions with their sentences")
    parser.add_argument("--out", required=True, help="the model file to write")
    parser.add_argument("--width", type=int, default=64, help="of the vectors that are matched (default: 64)")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--limit", type=int, help="passages at most, for trials")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    torch.manual_seed(options.seed)
    model, tensors, metadata = read_model(options.model)
    if not 1 <= options.width <= model.config.hidden_size:
        raise SystemExit(f"--width: 1 to {model.config.hidden_size}")
    tokenizer = Tokenizer.from_file(f"{options.tokenizer}/tokenizer.json")
    tokenizer.no_padding()
    tokenizer.no_truncation()
    passages = []
    for path in options.pairs:
        with open(path, encoding="utf-8") as file:
            passages += passages_of([json.loads(line) for line in file], rng)
    passages = passages[:options.limit]
    examples = [Example(model, tokenizer, *each) for each in passages]
    examples = [each for each in examples if each.queries]
    held = examples[::20]
    examples = [each for number, each in enumerate(examples) if number % 20]
    if not examples:
        raise SystemExit("no passage of two sentences and more can be made of these pairs")
    print(f"{len(examples)} passages, {sum(len(each.queries) for each in examples)} questions", flush=True)
    sample = torch.cat([each.states for each in examples[:max(1, len(examples) // 8)]])
    head = Head(sample[torch.randperm(len(sample))[:20000]], options.width)
    print(f"untrained: {share_right(head, held):.1f}% of held out questions", flush=True)
    train(head, examples, held, options.epochs, rng)
    config = json.loads(metadata["mice.config"])
    config["highlight_width"] = options.width
    tensors.update(head.tensors())
    save_file({name: value.contiguous() for name, value in tensors.items()}, options.out,
              metadata={**metadata, "mice.config": json.dumps(config, separators=(",", ":"))})
    print(f"{options.out}: {sum(value.numel() for value in head.tensors().values())} numbers of a matching head")


if __name__ == "__main__":
    main()
