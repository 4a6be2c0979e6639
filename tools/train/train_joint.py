#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains all layers of a MICE model, or of a cross-encoder, on an accelerator.

What train.py keeps in files is computed on the device here: the teacher's states, BM25, each query's candidates and every score
of the teacher. A step has groups of queries that score the same documents, so that a document is encoded once for
several queries. The learning rate falls to zero over --minutes. (It runs on a CPU too, slowly.)
"""
import argparse
import itertools
import json
import multiprocessing
import os
import time

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

import shared_documents
from cross_encoder import CrossEncoder
from device_texts import DeviceTexts, Teacher
from learning import logit_shift, rate_scale
from mice_model import Mice
from train_data import Texts, batches


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", required=True, help="what `prepare.py texts` wrote")
    parser.add_argument("--model-texts", help="the same in the model's tokens, where these differ from the teacher's (prune.py)")
    parser.add_argument("--teacher", required=True, help="folder of the bi-encoder: config.json, model.safetensors, tokenizer.json")
    parser.add_argument("--init", required=True, help="checkpoint folder: a MICE model; a BERT with --cross-encoder")
    parser.add_argument("--cross-encoder", action="store_true", help="train a cross-encoder, for comparison")
    parser.add_argument("--out", required=True, help="folder for the checkpoint and log.jsonl")
    run = parser.add_argument_group("schedule")
    run.add_argument("--minutes", type=float, required=True, help="of training, after the teacher's states are there")
    run.add_argument("--steps", type=int, default=0, help="end after so many steps, for tests")
    run.add_argument("--warmup-steps", type=int, default=200)
    run.add_argument("--learning-rate", type=float, default=6e-5, help="of interaction layers and head")
    run.add_argument("--bottom-learning-rate", type=float, default=5e-5, help="of contextualization layers")
    run.add_argument("--train-embeddings", action="store_true", help="the embeddings too, at the bottom's rate")
    run.add_argument("--weight-decay", type=float, default=0.01)
    run.add_argument("--groups", type=int, default=64, help="groups of a step")
    run.add_argument("--group-queries", type=int, default=4, help="queries of a group")
    run.add_argument("--group-documents", type=int, default=24, help="documents of a group")
    loss = parser.add_argument_group("loss")
    loss.add_argument("--label-weight", type=float, default=0.3, help="listwise cross-entropy against the labels")
    loss.add_argument("--teacher-weight", type=float, default=1.0, help="KL divergence from the teacher's distribution")
    loss.add_argument("--teacher-weights", type=float, nargs=3, default=[1.0, 1.0, 0.5], metavar=("COSINE", "MAXSIM", "BM25"))
    loss.add_argument("--spread", type=float, default=2.0, help="standard deviation of the teacher's scores in a list")
    loss.add_argument("--false-negative-margin", type=float, default=1.5,
                      help="an unlabelled document that the teacher scores so far above the relevant ones is left out")
    other = parser.add_argument_group("machine")
    other.add_argument("--candidates", type=int, default=72, help="of a query, from which its group's documents are drawn")
    other.add_argument("--cache", help="file for the candidates (.npy): kept, and read when it is there")
    other.add_argument("--parts", type=int, default=8, help="parts of like length in which a step's documents are encoded")
    other.add_argument("--workers", type=int, default=4, help="processes that draw the steps' queries and documents")
    other.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    other.add_argument("--validation", type=int, default=256, help="queries that are held out")
    other.add_argument("--validate-every", type=int, default=500, help="steps")
    other.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


class Groups:
    """Draws groups: a query, documents that are hard to order for it, and other queries about them."""

    def __init__(self, options, relevant, labelled, candidates, passages, query_lengths, held_out):
        self.options, self.candidates, self.passages = options, candidates, passages
        self.labelled, self.lengths = labelled, query_lengths  # queries below `labelled` have labels
        order = np.argsort(relevant[:, 0], kind="stable")
        self.relevant = relevant[order]
        self.first_relevant = np.searchsorted(self.relevant[:, 0], np.arange(len(query_lengths) + 1))
        learned = relevant[~np.isin(relevant[:, 0], held_out)]
        by_passage = learned[np.argsort(learned[:, 1], kind="stable")]
        self.asking = by_passage[:, 0]
        self.first_asking = np.searchsorted(by_passage[:, 1], np.arange(passages + 1))

    def relevant_of(self, query):
        return self.relevant[self.first_relevant[query]:self.first_relevant[query + 1], 1]

    def draw(self, query, rng, limit):
        """-> queries [Q] of at most `limit` tokens, documents [D]"""
        options = self.options
        drawn = list(dict.fromkeys([*self.relevant_of(query)[:2], *rng.permutation(self.candidates[query])]))
        if len(drawn) < options.group_documents:
            drawn += list(rng.permutation(np.setdiff1d(np.arange(self.passages), drawn)))
        documents = np.array(drawn[:options.group_documents])
        pools = [self.asking[self.first_asking[each]:self.first_asking[each + 1]] for each in documents]
        pool = np.unique(np.concatenate(pools))
        pool = pool[(pool != query) & (self.lengths[pool] <= limit)]
        weights = np.where(pool < self.labelled, 2.0, 1.0)
        wanted = min(options.group_queries - 1, len(pool))
        others = rng.choice(pool, wanted, replace=False, p=weights / weights.sum()) if wanted else pool[:0]
        return np.resize(np.concatenate([[query], others]), options.group_queries), documents

    def step(self, chosen, rng):
        """Of the chosen queries -> queries [G, Q], documents [G, D], labels [G, Q, D] bool"""
        limit = max(16, self.lengths[chosen].max())
        queries, documents = (np.stack(each) for each in zip(*(self.draw(query, rng, limit) for query in chosen)))
        labels = np.zeros((*queries.shape, documents.shape[1]), bool)
        for group, row in enumerate(queries):
            for place, query in enumerate(row):
                if query < self.labelled:
                    labels[group, place] = np.isin(documents[group], self.relevant_of(query))
        return queries, documents, labels


def list_loss(scores, labels, teacher, options):
    """scores, teacher [lists, documents] float, labels bool -> the loss, and its parts as tensors"""
    target = teacher.softmax(-1)
    parts = {"teacher": F.kl_div(scores.log_softmax(-1), target, reduction="batchmean")}
    labelled = labels.any(-1)
    least = teacher.masked_fill(~labels, float("inf")).amin(-1, keepdim=True)
    doubtful = ~labels & (teacher > least + options.false_negative_margin)
    logs = scores.masked_fill(doubtful, -1e4).log_softmax(-1)
    wanted = labels / labels.sum(-1, keepdim=True).clamp(min=1)
    parts["label"] = -(logs * wanted).sum() / labelled.sum().clamp(min=1)
    return options.teacher_weight * parts["teacher"] + options.label_weight * parts["label"], parts


class Forward(torch.nn.Module):
    """Scores [G, Q, D] of queries [G, Q] and documents [G, D], given by their numbers"""

    def __init__(self, model, queries, passages, parts, dtype):
        super().__init__()
        self.model, self.queries, self.passages, self.parts, self.dtype = model, queries, passages, parts, dtype

    def forward(self, queries, documents):
        if isinstance(self.model, CrossEncoder):
            return self.model.scores(self.queries, queries, self.passages, documents, self.dtype, self.parts)
        encoded = lambda texts, numbers, parts: [each.unflatten(0, numbers.shape) for each in shared_documents.encode_sorted(
            self.model, texts, numbers.reshape(-1), parts, self.dtype)]
        return shared_documents.scores(self.model, *encoded(self.queries, queries, 1), *encoded(self.passages, documents, self.parts))


class Trainer:
    def __init__(self, options):
        self.options, self.started = options, time.monotonic()
        self.device = torch.device(options.device)
        self.dtype = torch.bfloat16 if self.device.type == "cuda" else torch.float32
        torch.manual_seed(options.seed)
        os.makedirs(options.out, exist_ok=True)
        self.log = open(os.path.join(options.out, "log.jsonl"), "a", encoding="utf-8")
        self.model = (CrossEncoder if options.cross_encoder else Mice).load(options.init).to(self.device)
        own = dict(np.load(options.texts, allow_pickle=False))
        device = lambda stored: [DeviceTexts(Texts(stored[f"{name}_tok"], stored[f"{name}_off"], limit), self.device)
                                 for name, limit in (("p", 256), ("q", 64))]
        passages, queries = device(own)
        self.passages, self.queries = passages, queries
        if options.model_texts:
            self.passages, self.queries = device(np.load(options.model_texts, allow_pickle=False))
            if len(self.passages) != len(passages) or len(self.queries) != len(queries):
                raise SystemExit(f"{options.model_texts}: not as many texts as in {options.texts}")
        relevant, labelled = own["relevant"], int(own["labelled"])
        if relevant.min() < 0 or (relevant.max(0) >= [len(queries), len(passages)]).any() or not 0 <= labelled <= len(queries):
            raise SystemExit(f"{options.texts}: a relevant passage or its query is not there")
        if len(passages) < options.group_documents or len(queries) < options.validation + options.groups:
            raise SystemExit(f"{options.texts}: {len(passages)} passages and {len(queries)} queries are too few for --group-documents, "
                             "--validation and --groups")
        encoder = Mice.encoder_of(options.teacher).to(self.device)
        self.teacher = Teacher(encoder, Tokenizer.from_file(os.path.join(options.teacher, "tokenizer.json")), passages, queries,
                               options.teacher_weights, options.spread, self.dtype, self.say)
        candidates, labelled_ok = self.candidates(relevant, labelled)
        drawn = np.random.default_rng([1, 11]).permutation(len(queries))
        self.held_out, self.learned = drawn[:options.validation], drawn[options.validation:]
        self.groups = Groups(options, relevant[labelled_ok], labelled, candidates, len(passages), self.queries.lengths, self.held_out)
        self.lengths = self.queries.lengths
        self.forward = Forward(self.model, self.queries, self.passages, options.parts, self.dtype)
        self.optimizer = self.make_optimizer()

    def say(self, line):
        print(f"[{time.monotonic() - self.started:6.1f} s] {line}", flush=True)

    def note(self, line):
        self.log.write(json.dumps(line) + "\n")
        self.log.flush()
        self.say("  ".join(f"{key} {value:.4g}" for key, value in line.items()))

    def candidates(self, relevant, labelled):
        """Candidates of all queries, and which pairs are good: a labelled passage that neither ranking finds belongs to a
        question that lost its context."""
        path = self.options.cache
        if path and os.path.exists(path):
            found, good = np.load(path), np.load(path + ".pairs.npy")
            if len(found) != len(self.queries) or len(good) != len(relevant):
                raise SystemExit(f"{path}: candidates of other texts; delete the file")
        else:
            with torch.no_grad():
                found, hundreds = self.teacher.candidates(self.options.candidates, np.random.default_rng(self.options.seed))
            good = (relevant[:, 0] >= labelled) | (hundreds[relevant[:, 0]] == relevant[:, 1:]).any(1)
            if path:
                np.save(path, found)
                np.save(path + ".pairs.npy", good)
        self.say(f"candidates of {len(found)} queries, {labelled} of them labelled; {(~good).sum()} of {len(good)} pairs left out")
        return found, good

    def make_optimizer(self):
        options = self.options
        bottom = {id(each) for each in self.model.bottom_parameters()}
        if not options.train_embeddings:
            for each in self.model.embeddings.parameters():
                each.requires_grad_(False)
        groups = []
        for parameter in (each for each in self.model.parameters() if each.requires_grad):
            rate = options.bottom_learning_rate if id(parameter) in bottom else options.learning_rate
            groups.append({"params": [parameter], "lr": 0.0, "peak": rate * rate_scale(parameter)})
        self.trained = [each["params"][0] for each in groups]
        return torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=options.weight_decay, fused=self.device.type == "cuda")

    def steps(self):
        """Endless batches, drawn ahead by processes that take turns."""
        context = multiprocessing.get_context("fork")  # they share the candidates and never touch the device
        queues = [context.Queue(maxsize=8) for _ in range(self.options.workers)]
        for number, each in enumerate(queues):
            context.Process(target=self.draw_steps, args=(number, each), daemon=True).start()
        while True:
            for each in queues:
                yield each.get()

    def draw_steps(self, worker, ahead):
        """Queries of like length lead a step's groups. All workers see the same order, and each draws its share of it."""
        options = self.options
        rng = np.random.default_rng([options.seed, 8, worker])
        orders = (batches(self.lengths[self.learned], options.groups, options.seed, epoch) for epoch in itertools.count())
        leading = itertools.chain.from_iterable(orders)
        for places in itertools.islice(leading, worker, None, options.workers):
            ahead.put(self.groups.step(self.learned[places], rng))

    def scored(self, queries, documents, labels):
        """A step's lists -> scores, labels and teacher's scores [lists, documents]"""
        labels = torch.from_numpy(labels).to(self.device)
        if self.options.cross_encoder:  # a pair has a pass of its own: the first query of a group alone
            queries, labels = queries[:, :1], labels[:, :1]
        with torch.no_grad():
            teacher = self.teacher.scores(queries, documents)
        # cast once a step, not once a use; embeddings and head stay in float32
        weights = {f"model.{name}": each if name.startswith(("embeddings", "classifier")) else each.to(self.dtype)
                   for name, each in self.model.named_parameters()}
        found = torch.func.functional_call(self.forward, weights, (queries, documents))
        return found.flatten(0, 1).float(), labels.flatten(0, 1), teacher.flatten(0, 1)

    def held_out_lists(self):
        """scored() for the held-out queries, always with the same lists"""
        rng, size = np.random.default_rng(13), self.options.groups // 2 or 1
        order = self.held_out[np.argsort(self.lengths[self.held_out], kind="stable")]
        with torch.no_grad():
            for first in range(0, len(order), size):
                yield self.scored(*self.groups.step(order[first:first + size], rng))

    def validate(self):
        return float(np.mean([list_loss(*lists, self.options)[0].item() for lists in self.held_out_lists()]))

    def make_logits(self):
        """Shifts all scores (see logit_shift): losses over lists leave the bias of the classifier free."""
        scores, relevant = [], 0
        for found, labels, _ in self.held_out_lists():
            labelled = labels.any(-1)
            scores.append(found[labelled].flatten())
            relevant += labels[labelled].sum().item()
        if relevant:
            shift = logit_shift(torch.cat(scores), relevant)
            with torch.no_grad():
                self.model.classifier.bias += shift
            self.say(f"scores shifted by {shift:.2f}")

    def run(self):
        options = self.options
        self.note({"step": 0, "validation": self.validate()})
        start, recent, step = time.monotonic(), [], 0
        pairs = options.groups * options.group_documents * (1 if options.cross_encoder else options.group_queries)
        for batch in self.steps():
            elapsed = (time.monotonic() - start) / (60 * options.minutes)
            if options.steps:
                elapsed = max(elapsed, step / options.steps)
            if elapsed >= 1:
                break
            loss, parts = list_loss(*self.scored(*batch), options)
            for parameter in self.trained:
                parameter.grad = None
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
            factor = min((step + 1) / options.warmup_steps, 1.0) * (1 - elapsed)
            for group in self.optimizer.param_groups:
                group["lr"] = group["peak"] * factor
            self.optimizer.step()
            step += 1
            recent.append(torch.stack([loss.detach(), parts["teacher"].detach(), parts["label"].detach(), norm.detach()]))
            if step % 100 == 0 or step == options.steps:
                means = torch.stack(recent).mean(0).tolist()
                recent = []
                if not np.isfinite(means[0]):
                    raise SystemExit(f"the loss is {means[0]} after step {step}: a lower learning rate may help")
                seconds = time.monotonic() - start
                self.note({"step": step, "seconds": round(seconds, 1), **dict(zip(("loss", "teacher", "label", "gradient"), means)),
                           "pairs_per_second": round(step * pairs / seconds)})
            if step % options.validate_every == 0:
                self.model.save(options.out)
                self.note({"step": step, "validation": self.validate()})
        self.make_logits()
        self.model.save(options.out)
        self.note({"step": step, "seconds": round(time.monotonic() - start, 1), "validation": self.validate()})
        self.say(f"done: {options.out}")


def main():
    Trainer(arguments()).run()


if __name__ == "__main__":
    main()
