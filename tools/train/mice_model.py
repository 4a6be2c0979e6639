# SPDX-License-Identifier: Apache-2.0
"""MICE of the BERT family in PyTorch, made for training (arXiv 2602.16299).

Parameters have the names of the checkpoints that mice-convert reads. Two things differ from a plain
implementation, neither of them the result: keys and values of the cross-attention are never projected for
the document's rows (their projections are absorbed into the query's side), and rows are padded only
within a group of documents of like length.
"""
import json
import math
import os
from dataclasses import asdict, dataclass, fields

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

MASKED = -1e4  # far below every logit, and finite in bfloat16


@dataclass
class Config:
    """The keys of a checkpoint's config.json."""

    model_type: str = "bert"
    hidden_size: int = 384
    num_attention_heads: int = 12
    intermediate_size: int = 1536
    num_hidden_layers: int = 6
    vocab_size: int = 30522
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    n_contextualization_layers: int = 3
    n_interaction_layers: int = 3
    cross_attn_first: bool = True
    mask_query_to_cls: bool = True
    cls_cross_attention: str = "full"
    extra_attn_bias: bool = False
    max_query_length: int = 64
    max_document_length: int = 256

    # What other tools write there and what this trainer has one value of.
    FIXED = {
        "architectures": ["MiceForSequenceClassification"],
        "hidden_act": "gelu",
        "pad_token_id": 0,
        "n_docs_ctx_layers": None,
        "bound_bottom_layers": True,
        "global_cls_token": False,
        "compress_dim": 1,
        "use_self_attention": True,
    }

    def __post_init__(self):
        if self.hidden_size % self.num_attention_heads:
            raise ValueError("hidden_size is no multiple of num_attention_heads")
        if self.cls_cross_attention not in ("full", "mean", "mean_skip_last"):
            raise ValueError(f"cls_cross_attention: unknown value {self.cls_cross_attention!r}")
        if self.cls_cross_attention == "mean_skip_last" and self.cross_attn_first:
            raise ValueError("mean_skip_last exists in the vanilla order only")

    @classmethod
    def read(cls, path):
        """The configuration in a JSON file; a key with a value that cannot be trained is refused."""
        with open(path, encoding="utf-8") as file:
            stored = json.load(file)
        for key, value in cls.FIXED.items():
            if key in stored and key != "architectures" and stored[key] != value:
                raise ValueError(f"{path}: {key} = {stored[key]!r} cannot be trained here, only {value!r}")
        known = {each.name for each in fields(cls)}
        return cls(**{key: value for key, value in stored.items() if key in known})

    def write(self, path):
        with open(path, "w", encoding="utf-8") as file:
            json.dump({**asdict(self), **self.FIXED}, file, indent=1)
            file.write("\n")


class Attention(nn.Module):
    """The projections of one attention block and its output's residual norm."""

    def __init__(self, config):
        super().__init__()
        width = config.hidden_size
        self.heads = config.num_attention_heads
        self.self = nn.ModuleDict({name: nn.Linear(width, width) for name in ("query", "key", "value")})
        self.output = residual(width, width, config)

    def finish(self, x, attended):
        """LN(x + W_o attended)"""
        return add_norm(self.output, x, attended)


def residual(inner, width, config):
    return nn.ModuleDict({"dense": nn.Linear(inner, width), "LayerNorm": nn.LayerNorm(width, config.layer_norm_eps)})


def add_norm(output, x, y):
    return norm(output["LayerNorm"], x + linear(output["dense"], y))


def linear(layer, x):
    """A Linear in the precision of its input; weights are kept in float32."""
    return F.linear(x, layer.weight.to(x.dtype), layer.bias.to(x.dtype))


def norm(layer, x):
    return F.layer_norm(x, layer.normalized_shape, layer.weight.to(x.dtype), layer.bias.to(x.dtype), layer.eps)


def embed(parts, ids, kinds=None):
    """ids, kinds (token types; None: all 0) int64 [n, tokens] -> float32 [n, tokens, d]"""
    positions = torch.arange(ids.shape[1], device=ids.device)
    types = parts["token_type_embeddings"].weight[0] if kinds is None else parts["token_type_embeddings"](kinds)
    return norm(parts["LayerNorm"], parts["word_embeddings"](ids) + parts["position_embeddings"](positions) + types)


def write_tensors(folder, tensors):
    """model.safetensors of float32 tensors, replaced as a whole"""
    temporary = os.path.join(folder, "model.safetensors.new")
    save_file({name: value.detach().float().contiguous() for name, value in tensors.items()}, temporary, metadata={"format": "pt"})
    os.replace(temporary, os.path.join(folder, "model.safetensors"))


def self_attention(block, x, allowed, wanted=None):
    """x [n, rows, d]; allowed bool, broadcastable to [n, 1, rows, rows], or None. -> the first `wanted` rows, or all"""
    n, rows, width = x.shape
    wanted = rows if wanted is None else wanted
    query, key, value = (block.self[name] for name in ("query", "key", "value"))
    heads = lambda y: y.view(n, y.shape[1], block.heads, -1).transpose(1, 2).flatten(0, 1)
    q, k, v = heads(linear(query, x[:, :wanted])), heads(linear(key, x)), heads(linear(value, x))
    logits = torch.bmm(q, k.transpose(1, 2)).float() * (1 / math.sqrt(q.shape[-1]))
    if allowed is not None:
        hidden = torch.zeros(allowed.shape, device=x.device).masked_fill_(~allowed, MASKED)[:, :, :wanted]
        logits = (logits.view(n, block.heads, wanted, rows) + hidden).flatten(0, 1)
    attended = torch.bmm(logits.softmax(-1).to(x.dtype), v).view(n, block.heads, wanted, -1)
    return block.finish(x[:, :wanted], attended.transpose(1, 2).reshape(n, wanted, width))


def cross_attention(block, x, groups, cls, skip_cls):
    """x [n, rows, d] attends to the documents' states; cls is Config.cls_cross_attention. -> like x

    groups: (first, last, states [last - first, tokens, d], mask [last - first, tokens] bool or None), which cover n.
    """
    n, rows, width = x.shape
    heads, size = block.heads, width // block.heads
    projected = linear(block.self["query"], x).view(n * rows, heads, size).transpose(0, 1)
    key = block.self["key"].weight.view(heads, size, width).to(x.dtype)
    # [heads, n * rows, d] -> [n, rows * heads, d]; the key's bias is the same for every token and drops out
    queries = torch.bmm(projected, key).transpose(0, 1).reshape(n, rows * heads, width)
    means = []
    for first, last, states, mask in groups:
        logits = torch.bmm(queries[first:last], states.transpose(1, 2)).float() * (1 / math.sqrt(size))
        if mask is not None:
            logits = logits + torch.zeros(mask.shape, device=x.device).masked_fill_(~mask, MASKED)[:, None, :]
        weights = logits.softmax(-1)
        if cls != "full":  # row 0 takes the plain mean
            even = torch.ones(states.shape[:2], device=x.device) if mask is None else mask.float()
            even = (even / even.sum(1, keepdim=True))[:, None, :].expand(-1, heads, -1)
            weights = torch.cat([even, weights[:, heads:]], 1)
        means.append(torch.bmm(weights.to(x.dtype), states))
    context = torch.cat(means).view(n * rows, heads, width).transpose(0, 1)
    value = block.self["value"].weight.view(heads, size, width).transpose(1, 2).to(x.dtype)
    attended = torch.bmm(context, value).transpose(0, 1).reshape(n, rows, width)
    result = block.finish(x, attended + block.self["value"].bias.to(x.dtype))
    return torch.cat([x[:, :1], result[:, 1:]], 1) if skip_cls else result


class Layer(nn.Module):
    """A BERT layer, with a cross-attention block in the interaction layers."""

    def __init__(self, config, crosses):
        super().__init__()
        self.attention = Attention(config)
        if crosses:
            self.crossattention = Attention(config)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(config.hidden_size, config.intermediate_size)})
        self.output = residual(config.intermediate_size, config.hidden_size, config)

    def feed_forward(self, x):
        return add_norm(self.output, x, F.gelu(linear(self.intermediate["dense"], x)))


class Mice(nn.Module):
    """The model. Weights are float32; what is computed has the precision of the states given."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        width = config.hidden_size
        self.embeddings = nn.ModuleDict({
            "word_embeddings": nn.Embedding(config.vocab_size, width),
            "position_embeddings": nn.Embedding(config.max_position_embeddings, width),
            "token_type_embeddings": nn.Embedding(config.type_vocab_size, width),
            "LayerNorm": nn.LayerNorm(width, config.layer_norm_eps),
        })
        self.bottom_layers = nn.ModuleList(Layer(config, False) for _ in range(config.n_contextualization_layers))
        self.top_layers = nn.ModuleList(Layer(config, True) for _ in range(config.n_interaction_layers))
        if config.extra_attn_bias:
            self.exact_match_heads = nn.ModuleList(
                nn.ModuleDict({name: nn.Linear(width, width, bias=False) for name in ("v_proj", "out_proj")})
                for _ in range(config.n_interaction_layers))
        self.pooler = nn.ModuleDict({"dense": nn.Linear(width, width)})
        self.classifier = nn.Linear(width, 1)

    @classmethod
    def encoder_of(cls, backbone):
        """All layers of a BERT checkpoint folder as contextualization layers, and no interaction layers."""
        config = Config.read(os.path.join(backbone, "config.json"))
        config.n_contextualization_layers, config.n_interaction_layers = config.num_hidden_layers, 0
        return cls.derive(config, backbone, 0, 0)

    def bottom_parameters(self):
        """The parameters that the states of documents and queries depend on."""
        return [*self.embeddings.parameters(), *self.bottom_layers.parameters()]

    def top_parameters(self):
        bottom = {id(each) for each in self.bottom_parameters()}
        return [each for each in self.parameters() if id(each) not in bottom]

    def encode(self, ids, mask, dtype=torch.float32):
        """ids [n, tokens] int64, mask bool like it (True = a token) -> states [n, tokens, d] of `dtype`."""
        x = embed(self.embeddings, ids).to(dtype)
        allowed = None if bool(mask.all()) else mask[:, None, None, :]
        for layer in self.bottom_layers:
            x = layer.feed_forward(self_attention(layer.attention, x, allowed))
        return x

    def visible(self, mask):
        """What query rows attend to in the self-attention: bool [n, 1, rows, rows] for mask [n, rows], or None: to all."""
        if not self.config.mask_query_to_cls and bool(mask.all()):
            return None
        allowed = mask[:, None, None, :].expand(-1, 1, mask.shape[1], -1).clone()
        if self.config.mask_query_to_cls:
            allowed[:, :, 1:, 0] = False
        return allowed

    def interact(self, x, mask, groups, matches=None):
        """Scores [n] of n pairs.

        x [n, rows, d] query states; mask [n, rows] bool, True = a token; groups as of cross_attention;
        matches: with extra_attn_bias, for each group [pairs, rows, tokens] bool, True = the same token id.
        """
        config = self.config
        allowed = self.visible(mask)
        for number, layer in enumerate(self.top_layers):
            last = number + 1 == config.n_interaction_layers
            wanted = 1 if last else None  # after its self-attention nothing reads the other rows
            skip = last and config.cls_cross_attention == "mean_skip_last"
            if config.extra_attn_bias:
                x = x + self.exact_matches(number, x, groups, matches)
            if config.cross_attn_first:
                x = cross_attention(layer.crossattention, x, groups, config.cls_cross_attention, skip)
                x = self_attention(layer.attention, x, allowed, wanted)
            else:
                x = self_attention(layer.attention, x, allowed, wanted)
                x = cross_attention(layer.crossattention, x, groups, config.cls_cross_attention, skip)
            x = layer.feed_forward(x)
        pooled = torch.tanh(linear(self.pooler["dense"], x[:, 0]))
        return F.linear(pooled.float(), self.classifier.weight, self.classifier.bias).squeeze(-1)

    def exact_matches(self, number, x, groups, matches):
        heads = self.exact_match_heads[number]
        means = []
        for (_, _, states, _), match in zip(groups, matches):
            match = match.clone()
            match[:, :, 0] |= ~match.any(-1)
            weights = (match / match.sum(-1, keepdim=True)).to(x.dtype)
            means.append(torch.bmm(weights, states))
        mean = torch.cat(means)
        return F.linear(F.linear(mean, heads["v_proj"].weight.to(x.dtype)), heads["out_proj"].weight.to(x.dtype))

    def save(self, folder):
        """Writes model.safetensors and config.json; replaces each file as a whole."""
        os.makedirs(folder, exist_ok=True)
        self.config.write(os.path.join(folder, "config.json"))
        write_tensors(folder, self.state_dict())

    @classmethod
    def load(cls, folder):
        """A checkpoint that save() wrote, or another of the same layout."""
        model = cls(Config.read(os.path.join(folder, "config.json")))
        tensors = load_file(os.path.join(folder, "model.safetensors"))
        model.load_state_dict({name: value.float() for name, value in tensors.items()})
        return model

    @classmethod
    def derive(cls, config, backbone, first, seed):
        """A model seeded from a BERT checkpoint folder, a bi-encoder or a cross-encoder (spec section 6).

        Interaction layer i takes self-attention, FFN and norms from backbone layer first + i, its
        cross-attention from the same layer's self-attention.
        """
        torch.manual_seed(seed)
        model = cls(config)
        source = {name.removeprefix("bert."): value.float()
                  for name, value in load_file(os.path.join(backbone, "model.safetensors")).items()}
        own = model.state_dict()
        for name in own:
            head, _, rest = name.partition(".")
            if head in ("bottom_layers", "top_layers"):
                index, _, rest = rest.partition(".")
                number = int(index) + (first if head == "top_layers" else 0)
                wanted = f"encoder.layer.{number}.{rest.replace('crossattention.', 'attention.')}"
            else:
                wanted = name
            if wanted in source:
                own[name].copy_(source[wanted])
            elif head not in ("exact_match_heads", "pooler", "classifier"):
                raise ValueError(f"{backbone}: no tensor {wanted}")
        if "classifier.weight" not in source:
            nn.init.normal_(own["classifier.weight"], std=0.02)
            nn.init.zeros_(own["classifier.bias"])
        for heads in getattr(model, "exact_match_heads", []):
            nn.init.zeros_(heads["out_proj"].weight)  # starts as the model without them
        model.load_state_dict(own)
        return model
