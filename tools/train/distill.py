#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a smaller backbone whose token states are those of a larger one.

It has fewer layers, and feed-forward layers of fewer units: those that matter most are taken from the larger one, and all
of them are trained until the last states of every token come close to the larger one's. Interaction layers can then be
trained on it as on the larger one: train.py --init OUT. An interrupted run begins anew, but for the larger one's states.
"""
import argparse
import json
import os
import time
from dataclasses import replace

import numpy as np
import torch
from safetensors.torch import save_file

import workers
from mice_model import Mice
from train_data import CandidateLists, Texts, cached_states, copy_tokenizer


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", required=True, help="folder of the larger one: config.json, model.safetensors, tokenizer.json")
    parser.add_argument("--lists", required=True, help="candidate lists, for their texts")
    parser.add_argument("--out", required=True, help="folder of the smaller one")
    parser.add_argument("--layers", type=int, required=True)
    parser.add_argument("--intermediate", type=int, help="units of a feed-forward layer (default: as many as before)")
    parser.add_argument("--passages", type=int, help="of the lists, drawn at random (default: all)")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--tokens", type=int, default=8192, help="tokens of a step, over all workers")
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--max-document-tokens", type=int, default=160)
    parser.add_argument("--f32", action="store_true", help="compute in float32, not bfloat16")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--workers", type=int, default=1, help="processes of one thread each (CPU)")
    parser.add_argument("--cache", help="folder of the larger one's states (default: --out)")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def shrink(large, small):
    """Copies what fits: layers at even distances, and of their units those whose weights are largest."""
    own, source = small.state_dict(), large.state_dict()
    count, of = len(small.bottom_layers), len(large.bottom_layers)
    units = small.config.intermediate_size
    for name in own:
        if name.startswith("bottom_layers."):
            _, number, rest = name.split(".", 2)
            from_layer = f"bottom_layers.{int(number) * of // count}."
            tensor = source[from_layer + rest]
            size = (source[from_layer + "intermediate.dense.weight"].norm(dim=1)
                    * source[from_layer + "output.dense.weight"].norm(dim=0))
            kept = size.topk(units).indices.sort().values
            if rest.startswith("intermediate"):
                tensor = tensor[kept]
            elif rest == "output.dense.weight":
                tensor = tensor[:, kept]
            own[name].copy_(tensor)
        elif name.startswith("embeddings."):
            own[name].copy_(source[name])


def write_backbone(small, backbone, out):
    """Writes the backbone in the layout of the larger one."""
    tensors = {name.replace("bottom_layers.", "encoder.layer."): value.detach().float().contiguous()
               for name, value in small.state_dict().items() if name.startswith(("embeddings.", "bottom_layers."))}
    save_file(tensors, os.path.join(out, "model.safetensors"), metadata={"format": "pt"})
    with open(os.path.join(backbone, "config.json"), encoding="utf-8") as file:
        stored = json.load(file)
    stored.update(num_hidden_layers=len(small.bottom_layers), intermediate_size=small.config.intermediate_size)
    with open(os.path.join(out, "config.json"), "w", encoding="utf-8") as file:
        json.dump(stored, file, indent=1)
    copy_tokenizer(backbone, out)


def length_batches(lengths, tokens, rng):
    """Endless batches of texts of similar length, with about so many tokens."""
    while True:
        order = rng.permutation(len(lengths))
        cut = []
        for window in np.array_split(order, max(1, len(order) // 8192)):
            window = window[np.argsort(lengths[window], kind="stable")]
            edges = np.searchsorted(np.cumsum(lengths[window]), np.arange(tokens, lengths[window].sum(), tokens))
            cut += [part for part in np.split(window, edges) if len(part)]
        yield from (cut[i] for i in rng.permutation(len(cut)))


def distil(options, rank):
    device = torch.device(options.device)
    dtype = torch.float32 if options.f32 else torch.bfloat16
    os.makedirs(options.out, exist_ok=True)
    torch.manual_seed(options.seed)
    large = Mice.encoder_of(options.backbone).to(device)
    small = Mice(replace(large.config, n_contextualization_layers=options.layers,
                         intermediate_size=options.intermediate or large.config.intermediate_size)).to(device)
    with torch.no_grad():
        shrink(large, small)
    lists = CandidateLists(options.lists, large.config, options.max_document_tokens)
    texts = {"queries": lists.queries, "passages": lists.passages}
    if options.passages and options.passages < len(lists.passages):
        drawn = np.random.default_rng([options.seed, 29]).permutation(len(lists.passages))[:options.passages]
        texts["passages"] = Texts.of([lists.passages[each].tolist() for each in drawn], options.max_document_tokens)
    say = print if rank == 0 else lambda *_, **__: None
    caches = {name: cached_states(
        options.cache or options.out, name, large, some, rank=rank, count=options.workers, device=device,
        progress=lambda percent, name=name: say(f"\rcaching states of {name}: {percent}%", end="\n" if percent == 100 else "", flush=True))
        for name, some in texts.items()}
    rng = np.random.default_rng([options.seed, 23])
    streams = {name: length_batches(some.lengths, options.tokens, rng) for name, some in texts.items()}
    spread = caches["passages"].states[:200000].float().var(0).mean().to(device)
    trained = small.bottom_parameters()
    optimizer = torch.optim.AdamW(trained, lr=0.0, betas=(0.9, 0.98), weight_decay=0.01)
    start, recent = time.monotonic(), []
    for step in range(options.steps):
        name = "queries" if step % 8 == 7 else "passages"  # queries are few tokens
        batch = next(streams[name])
        numbers = np.resize(batch, max(len(batch), options.workers))[rank::options.workers]
        ids, mask = texts[name].padded(numbers)
        wanted, _ = caches[name].padded(numbers)
        mask = mask.to(device)
        states = small.encode(ids.to(device), mask, dtype)
        # of the states' variance, the share that is missed
        loss = (states.float() - wanted.to(device).float()).square()[mask].mean() / spread
        for group in optimizer.param_groups:
            group["lr"] = options.learning_rate * min(1.0, (step + 1) / 50, (options.steps - step) / (0.5 * options.steps))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        workers.share_gradients(trained, options.workers)
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        recent.append(loss.item())
        if step % 25 == 24 or step + 1 == options.steps:
            say(f"step {step + 1}  seconds {time.monotonic() - start:.0f}  variance missed {np.mean(recent):.4f}", flush=True)
            recent = []
    if rank == 0:
        write_backbone(small, options.backbone, options.out)
        say(f"{options.out}: {options.layers} layers; next: train.py --init {options.out}")


def main():
    options = arguments()
    workers.run(lambda rank: distil(options, rank), options.workers, options.out)


if __name__ == "__main__":
    main()
