#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains a MICE model on prepared candidate lists.

First the contextualization layers are frozen and their states come from a cache; with --joint-steps
all layers are trained after that. The learning rate warms up, stays, and falls in the last --decay-steps, so
a longer run can go on from where a shorter one stood before its fall. A run that was interrupted goes on
from its last saved state when the same command is given again.
"""
import argparse
import json
import os
import signal
import time

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F

import workers
from learning import logit_shift, rate_scale
from distance_seed import DistanceSeeder
from matching_seed import Seeder, calibrate, learn_alignment
from mice_model import Config, Mice
from train_data import CandidateLists, batches, cached_states, equal_tokens


SHARPNESS = 16.0  # of the seed's late interaction: of cosines, before the softmax


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="candidate lists (prepare.py)")
    parser.add_argument("--init", required=True, help="checkpoint folder: a BERT backbone, a cross-encoder or a MICE model")
    parser.add_argument("--out", required=True, help="folder for the checkpoint, the run's state and log.jsonl")
    shape = parser.add_argument_group("model, where --init is a backbone")
    shape.add_argument("--contextualization-layers", type=int, default=3)
    shape.add_argument("--interaction-layers", type=int, default=3)
    shape.add_argument("--from-layer", type=int, help="backbone layer of interaction layer 0 (default: the next one)")
    shape.add_argument("--order", choices=["inverted", "vanilla"], default="inverted", help="inverted: cross-attention first")
    shape.add_argument("--cls", choices=["full", "mean", "mean_skip_last"], default="full", help="what [CLS] takes from the document")
    shape.add_argument("--query-sees-cls", action="store_true", help="no mask of [CLS] for the other query rows")
    shape.add_argument("--exact-match", action="store_true", help="heads for equal token ids (extra_attn_bias)")
    shape.add_argument("--seed-matching", choices=["product", "distance"], nargs="?", const="product",
                       help="start the interaction layers as late interaction and bi-encoder, vanilla order: from products that "
                            "feed-forward layers make (matching_seed.py), or from lengths in LayerNorms (distance_seed.py)")
    shape.add_argument("--token-share", type=float, default=0.12, help="length of a document's token beside the query's, of distance")
    shape.add_argument("--mean-share", type=float, default=1.0, help="the same of means")
    shape.add_argument("--bi-encoder-share", type=float, default=1.0,
                       help="how much stays of the weight that --seed-matching finds for the bi-encoder")
    shape.add_argument("--alignment-steps", type=int, default=2000,
                       help="steps of 32 pairs that teach the heads of layer 0 to align as whole states do, of --seed-matching")
    shape.add_argument("--align", action="store_true", help="the alignment steps, for a MICE model as --init (vanilla order)")
    run = parser.add_argument_group("schedule")
    run.add_argument("--steps", type=int, required=True, help="steps in all")
    run.add_argument("--decay-steps", type=int, default=0, help="of these, at the end: the learning rate falls to zero")
    run.add_argument("--joint-steps", type=int, default=0, help="of these, at the end: all layers are trained")
    run.add_argument("--warmup-steps", type=int, default=100)
    run.add_argument("--learning-rate", type=float, default=1e-4)
    run.add_argument("--bottom-learning-rate", type=float, default=2e-5, help="of embeddings and contextualization layers")
    run.add_argument("--weight-decay", type=float, default=0.01)
    run.add_argument("--queries", type=int, default=32, help="queries of a step, over all workers")
    run.add_argument("--list", type=int, default=8, help="documents of a query in a step")
    loss = parser.add_argument_group("loss")
    loss.add_argument("--label-weight", type=float, default=0.3, help="listwise cross-entropy against the labels")
    loss.add_argument("--teacher-weight", type=float, default=0.7, help="KL divergence from the teacher's distribution")
    loss.add_argument("--margin-weight", type=float, default=0.0, help="squared error of differences to the list's mean")
    loss.add_argument("--late-interaction-weight", type=float, default=0.0,
                      help="of the states' MaxSim beside the stored teacher (frozen layers, all of a bi-encoder's)")
    loss.add_argument("--temperature", type=float, default=1.0, help="of the teacher's scores")
    other = parser.add_argument_group("machine")
    other.add_argument("--max-document-tokens", type=int, default=160)
    other.add_argument("--f32", action="store_true", help="compute in float32, not bfloat16")
    other.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    other.add_argument("--workers", type=int, default=1, help="processes of one thread each that share every step (CPU)")
    other.add_argument("--cache", help="folder of cached states (default: --out)")
    other.add_argument("--validation", type=int, default=256, help="queries that are held out; their loss is in the log at every save")
    other.add_argument("--save-minutes", type=float, default=5)
    other.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.queries % options.workers:
        parser.error("--queries must be a multiple of --workers")
    if options.steps < max(options.decay_steps, options.joint_steps):
        parser.error("--decay-steps and --joint-steps are counted in --steps")
    if options.joint_steps and options.late_interaction_weight:
        parser.error("--late-interaction-weight needs the states of frozen layers: no --joint-steps")
    return options


def start_model(options):
    with open(os.path.join(options.init, "config.json"), encoding="utf-8") as file:
        stored = json.load(file)
    if "n_interaction_layers" in stored:
        return Mice.load(options.init)
    config = Config(**{key: stored[key] for key in (
        "hidden_size", "num_attention_heads", "intermediate_size", "num_hidden_layers", "vocab_size",
        "max_position_embeddings", "type_vocab_size", "layer_norm_eps")},
        n_contextualization_layers=options.contextualization_layers,
        n_interaction_layers=options.interaction_layers, cross_attn_first=options.order == "inverted",
        mask_query_to_cls=not options.query_sees_cls, cls_cross_attention=options.cls,
        extra_attn_bias=options.exact_match)
    first = options.contextualization_layers if options.from_layer is None else options.from_layer
    return Mice.derive(config, options.init, first, options.seed)


def list_loss(scores, labels, teacher, options):
    """scores, teacher [queries, list] float, labels bool like them -> the loss, and its parts as numbers"""
    parts = {}
    logs = scores.log_softmax(1)
    labelled = labels.any(1)
    if labelled.any():
        target = labels[labelled].float()
        target = target / target.sum(1, keepdim=True)
        parts["label"] = -(logs[labelled] * target).sum(1).mean()
    target = (teacher / options.temperature).softmax(1)
    parts["teacher"] = F.kl_div(logs, target, reduction="batchmean")
    centred = teacher / options.temperature - (teacher / options.temperature).mean(1, keepdim=True)
    parts["margin"] = F.mse_loss(scores - scores.mean(1, keepdim=True), centred)
    weights = {"label": options.label_weight, "teacher": options.teacher_weight, "margin": options.margin_weight}
    return sum(weights[name] * part for name, part in parts.items()), {name: part.item() for name, part in parts.items()}


class Trainer:
    def __init__(self, options, rank):
        self.options, self.rank = options, rank
        torch.manual_seed(options.seed)
        self.device = torch.device(options.device)
        self.dtype = torch.float32 if options.f32 else torch.bfloat16
        self.model = start_model(options).to(self.device)
        self.config = self.model.config
        self.lists = CandidateLists(options.data, self.config, options.max_document_tokens)
        drawn = np.random.default_rng([1, 11]).permutation(len(self.lists.queries))  # the same for every --seed
        self.held_out, self.learned = drawn[:options.validation], np.sort(drawn[options.validation:])
        self.step = 0
        self.seconds = 0.0
        self.stop = False
        self.frozen_steps = options.steps - options.joint_steps
        self.epoch, self.order = -1, []
        state = self.saved_state()
        if state:
            self.model.load_state_dict(state["model"])
            self.step, self.seconds = state["step"], state["seconds"]
            self.say(f"going on after step {self.step}")
        self.set_joint(options.joint_steps > 0 and self.step >= self.frozen_steps)
        if options.seed_matching and not state:
            self.seed_matching()
        elif options.align and not state:
            self.align(self.state_mean)
        self.optimizer = self.make_optimizer(state)

    # -- states -------------------------------------------------------------------------------

    def say(self, line, end="\n"):
        if self.rank == 0:
            print(line, end=end, flush=True)

    def make_cache(self, name, texts):
        start = time.monotonic()
        return cached_states(
            self.options.cache or self.options.out, name, self.model, texts, rank=self.rank, count=self.options.workers, device=self.device,
            progress=lambda percent: self.say(f"\rcaching states of {name}: {percent}%, {time.monotonic() - start:.0f} s",
                                              end="\n" if percent == 100 else ""))

    def set_joint(self, joint):
        """Freezes the contextualization layers and caches their states, or trains them."""
        self.joint = joint
        for parameter in self.model.bottom_parameters():
            parameter.requires_grad_(joint)
        if not joint:
            self.query_states = self.make_cache("queries", self.lists.queries)
            self.passage_states = self.make_cache("passages", self.lists.passages)
            stride = max(1, self.passage_states.shape[0] // 50000)
            self.state_mean = self.passage_states.states[::stride].float().mean(0)
        self.trained = [each for each in self.model.parameters() if each.requires_grad]

    def seed_matching(self):
        rng = np.random.default_rng(self.options.seed)
        sample = lambda cache: cache.states[np.sort(rng.choice(cache.shape[0], min(20000, cache.shape[0]), replace=False))].float()
        some = rng.choice(len(self.lists.passages), min(2000, len(self.lists.passages)), replace=False)
        documents = [self.passage_states[number].float() for number in some]
        if self.options.seed_matching == "distance":
            seeder = DistanceSeeder(self.config, sample(self.query_states), documents, self.options.seed,
                                    self.options.token_share, self.options.mean_share)
            seeder.seed(self.model)
            seeder.scale(self.model, self.alignment_pairs(-1))
            self.align(seeder.mean, seeder.e)
            seeder.scale(self.model, self.alignment_pairs(-1))
            explained = seeder.weigh(self.model, zip(map(self.alignment_pairs, range(40)), self.rarities(40)))
            self.say(f"a row tells {explained:.2f} of how rare its word is")
            seeder.scale(self.model, self.alignment_pairs(-1))
        else:
            means = torch.stack([each.mean(0) for each in documents])
            seeder = Seeder(self.config, sample(self.query_states), sample(self.passage_states), means, SHARPNESS, self.options.seed)
            seeder.seed(self.model)
            if self.config.n_interaction_layers > 1:
                self.align(seeder.mean)
                seeder.centre(self.model, self.alignment_pairs(-1))
        queries = rng.choice(len(self.lists.queries), min(64, len(self.lists.queries)), replace=False)
        places = np.stack([self.lists.draw(query, self.options.list, rng) for query in queries])
        passages = self.lists.candidates[queries[:, None], places]
        teacher = self.teacher(queries, places)
        labels = torch.from_numpy(self.lists.labels[queries[:, None], places])
        found = calibrate(self.model, lambda: self.scores(queries, passages).cpu(), teacher,
                          lambda scores: list_loss(scores, labels, teacher, self.options)[0].item(), self.options.bi_encoder_share)
        self.say(f"seeded; the head weighs late interaction {found[0]:.2f} and bi-encoder {found[1]:.2f}")

    def align(self, mean, measured=None):
        if self.options.alignment_steps:
            found = learn_alignment(self.model, mean.to(self.device), self.alignment_pairs, self.options.alignment_steps, measured,
                                    say=lambda step, regret: self.say(f"alignment step {step}: cosines fall short by {regret:.4f}"))
            self.say(f"what the heads attend to falls short of the best token by {found:.4f}")

    def alignment_queries(self, step):
        """32 queries of similar length, and the random numbers of that step; the same in all workers"""
        rng = np.random.default_rng([self.options.seed, step + 1, 19])
        pool = rng.choice(self.learned, min(1024, len(self.learned)), replace=False)
        pool = pool[np.argsort(self.lists.queries.lengths[pool], kind="stable")]
        first = rng.integers(0, max(1, len(pool) - 32))
        return pool[first:first + 32], rng

    def rarities(self, steps):
        """Of the first steps' alignment_pairs() [queries, rows]: BM25's weight of a token; little of a marker"""
        texts = self.lists.passages
        count = np.bincount(np.concatenate([np.unique(texts[number]) for number in range(len(texts))]),
                            minlength=self.config.vocab_size)
        weights = torch.from_numpy(np.log(1 + (len(texts) - count + 0.5) / (count + 0.5))).float()
        for step in range(steps):
            ids, mask = self.lists.queries.padded(self.alignment_queries(step)[0])
            found = weights[ids].clamp_min(0.5)
            found[:, 0] = 0.2
            found[torch.arange(len(ids)), mask.sum(1) - 1] = 0.2
            yield found.to(self.device)

    def alignment_pairs(self, step):
        """Those queries, with one document each, for learn_alignment"""
        queries, rng = self.alignment_queries(step)
        passages = np.array([self.lists.candidates[query, self.lists.draw(query, 2, rng)[rng.integers(2)]] for query in queries])
        pairs = []
        for cache, numbers in ((self.query_states, queries), (self.passage_states, passages)):
            states, mask = cache.padded(numbers)
            mask = torch.ones(states.shape[:2], dtype=torch.bool) if mask is None else mask
            pairs += [states.float().to(self.device), mask.to(self.device)]
        return pairs

    def teacher(self, queries, places):
        """The teacher's scores of a query's candidates at `places` [queries, list]"""
        stored = torch.from_numpy(self.lists.teacher[queries[:, None], places])
        weight = self.options.late_interaction_weight
        if weight == 0:
            return stored
        passages = self.lists.candidates[queries[:, None], places]
        late = torch.stack([torch.stack([self.late_interaction(query, passage) for passage in row])
                            for query, row in zip(queries, passages)])
        standard = lambda x: (x - x.mean(1, keepdim=True)) / (x.std(1, keepdim=True) + 1e-6)
        return stored + weight * stored.std(1, keepdim=True) * standard(late)

    def late_interaction(self, query, passage):
        """MaxSim of centred states: the mean over the query's words of the largest cosine"""
        rows = self.query_states[query]
        words = F.normalize((rows[1:-1] if len(rows) > 2 else rows).float() - self.state_mean, dim=1)
        tokens = F.normalize(self.passage_states[passage].float() - self.state_mean, dim=1)
        return (words @ tokens.T).max(1).values.mean()

    def encoded(self, name, numbers):
        """Padded states of queries or passages -> states, mask"""
        if not self.joint:
            cache = self.query_states if name == "queries" else self.passage_states
            states, mask = cache.padded(numbers)
            return states.to(self.device, self.dtype), None if mask is None else mask.to(self.device)
        ids, mask = getattr(self.lists, name).padded(numbers)
        mask = mask.to(self.device)
        return self.model.encode(ids.to(self.device), mask, self.dtype), mask

    # -- one step -----------------------------------------------------------------------------

    def next_queries(self):
        """This worker's queries of the current step."""
        options = self.options
        per_epoch = len(self.learned) // options.queries
        if per_epoch == 0:
            raise SystemExit(f"fewer queries than --queries {options.queries} and --validation {options.validation}")
        epoch, index = divmod(self.step, per_epoch)
        if epoch != self.epoch:
            order = batches(self.lists.queries.lengths[self.learned], options.queries, options.seed, epoch)
            self.epoch, self.order = epoch, [self.learned[each] for each in order]
        return self.order[index % len(self.order)][self.rank::options.workers]

    def scores(self, queries, passages):
        """queries [n], passages [n, list] -> scores like passages"""
        count = passages.shape[1]
        flat = passages.reshape(-1)
        order = np.argsort(self.lists.passages.lengths[flat], kind="stable")
        groups, matches = [], []
        states, mask = self.encoded("queries", queries)
        if mask is None:
            mask = torch.ones(states.shape[:2], dtype=torch.bool, device=self.device)
        owner = torch.from_numpy(order // count).to(self.device)
        first = 0
        for part in np.array_split(order, max(1, len(order) // 32)):
            documents, document_mask = self.encoded("passages", flat[part])
            groups.append((first, first + len(part), documents, document_mask))
            if self.config.extra_attn_bias:
                matches.append(equal_tokens(self.lists.queries, queries[part // count], self.lists.passages, flat[part],
                                            states.shape[1]).to(self.device))
            first += len(part)
        sorted_scores = self.model.interact(states[owner], mask[owner], groups, matches)
        back = torch.from_numpy(np.argsort(order)).to(self.device)
        return sorted_scores[back].view(len(queries), count)

    def loss(self, queries, rng):
        places = np.stack([self.lists.draw(query, self.options.list, rng) for query in queries])
        pick = lambda table: table[queries[:, None], places]
        scores = self.scores(queries, pick(self.lists.candidates))
        return list_loss(scores, torch.from_numpy(pick(self.lists.labels)).to(self.device),
                         self.teacher(queries, places).to(self.device), self.options)

    def validate(self):
        """The mean loss of this worker's part of the queries held out, always on the same lists."""
        rng = np.random.default_rng([self.options.seed, 13])
        mine = self.held_out[self.rank::self.options.workers]
        with torch.no_grad():
            losses = [self.loss(mine[i:i + 16], rng)[0].item() for i in range(0, len(mine), 16)]
        return float(np.mean(losses)) if losses else None

    def make_logits(self):
        """Shifts all scores so that their sigmoids sum up to the relevant passages among the held-out lists': losses over
        lists leave the bias of the classifier free."""
        rng = np.random.default_rng([self.options.seed, 17])
        labelled = self.held_out[self.lists.labels[self.held_out].any(1)]
        scores, labels = [], []
        with torch.no_grad():
            for query in labelled:  # every worker does all, and finds the same
                places = self.lists.draw(query, self.options.list, rng)
                scores.append(self.scores(np.array([query]), self.lists.candidates[query, places][None]).double().cpu())
                labels.append(torch.from_numpy(self.lists.labels[query, places]))
            if not scores:
                return
            shift = logit_shift(torch.cat(scores).flatten(), torch.cat(labels).sum().item())
            self.model.classifier.bias += shift
        self.say(f"scores shifted by {shift:.2f}")

    def learn(self):
        options = self.options
        rng = np.random.default_rng([options.seed, self.step, self.rank, 7])
        loss, parts = self.loss(self.next_queries(), rng)
        for parameter in self.trained:
            parameter.grad = None
        loss.backward()
        workers.share_gradients(self.trained, options.workers)
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        factor = min(1.0, (self.step + 1) / max(1, options.warmup_steps),
                     (options.steps - self.step) / max(1, options.decay_steps))
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        self.optimizer.step()
        return {"loss": loss.item(), **parts}

    # -- the run ------------------------------------------------------------------------------

    def state_path(self):
        return os.path.join(self.options.out, "state.pt")

    def saved_state(self):
        if not os.path.exists(self.state_path()):
            return None
        return torch.load(self.state_path(), map_location=self.device, weights_only=True)

    def make_optimizer(self, state):
        options = self.options
        bottom = {id(each) for each in self.model.bottom_parameters()}
        groups = []
        for number, parameter in enumerate(self.model.parameters()):
            scale = state["scales"][number] if state else rate_scale(parameter)
            rate = options.bottom_learning_rate if id(parameter) in bottom else options.learning_rate
            groups.append({"params": [parameter], "lr": 0.0, "peak": rate * scale, "scale": scale})
        optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=options.weight_decay, fused=True)
        if state:
            optimizer.load_state_dict(state["optimizer"])
            for group, wanted in zip(optimizer.param_groups, groups):
                group["peak"] = wanted["peak"]
        return optimizer

    def save(self):
        if self.rank == 0:
            self.model.save(self.options.out)
            state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(),
                     "scales": [group["scale"] for group in self.optimizer.param_groups],
                     "step": self.step, "seconds": self.seconds}
            torch.save(state, self.state_path() + ".new")
            os.replace(self.state_path() + ".new", self.state_path())

    def note(self, log, line):
        if log:
            log.write(json.dumps(line) + "\n")
            log.flush()
            self.say("  ".join(f"{key} {value:.4g}" for key, value in line.items() if value is not None))

    def should_stop(self):
        """Whether any worker was interrupted: all stop after the same step."""
        if self.options.workers == 1:
            return self.stop
        flag = torch.tensor([int(self.stop)])
        dist.all_reduce(flag)
        return bool(flag.item())

    def run(self):
        options = self.options
        os.makedirs(options.out, exist_ok=True)
        signal.signal(signal.SIGINT, lambda *_: setattr(self, "stop", True))
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "stop", True))
        log = open(os.path.join(options.out, "log.jsonl"), "a", encoding="utf-8") if self.rank == 0 else None
        recent, last_save, last = [], time.monotonic(), time.monotonic()
        if self.step == 0:
            self.note(log, {"step": 0, "validation": self.validate()})
        while self.step < options.steps:
            if not self.joint and self.step >= self.frozen_steps:
                self.set_joint(True)
            recent.append(self.learn())
            self.step += 1
            now = time.monotonic()
            self.seconds += min(now - last, 30.0)  # a pause of the process is not work
            last = now
            if self.step % 25 == 0 or self.step == options.steps:
                means = {key: float(np.mean([each[key] for each in recent if key in each])) for key in recent[-1]}
                recent = []
                self.note(log, {
                    "step": self.step, "seconds": round(self.seconds), **means,
                    "pairs_per_second": round(self.step * options.queries * options.list / self.seconds, 1)})
                if self.should_stop():
                    break
            if now - last_save > 60 * options.save_minutes:
                self.save()
                self.note(log, {"step": self.step, "validation": self.validate()})
                last_save = last = time.monotonic()
        if self.step == options.steps:
            self.make_logits()
        self.save()
        self.note(log, {"step": self.step, "validation": self.validate()})
        self.say(f"{'stopped' if self.step < options.steps else 'done'} after step {self.step}: {options.out}")


def main():
    options = arguments()
    workers.run(lambda rank: Trainer(options, rank).run(), options.workers, options.out)


if __name__ == "__main__":
    main()
