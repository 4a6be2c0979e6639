# SPDX-License-Identifier: Apache-2.0
"""The forward pass of training on an accelerator: groups of queries that all score the same documents.

A document is encoded once for all queries of its group, its keys and values are projected once, and what the query's
side computes without a document it computes once a query. The result is that of Mice.interact, for cls_cross_attention "full".

Shapes: G groups, D documents and Q queries of a group, R query rows, L document tokens, d = hidden_size.
"""
import numpy as np
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from mice_model import embed, linear


class Permuted(torch.autograd.Function):
    """Rows in another order; the gradient is reordered back without additions."""

    @staticmethod
    def forward(context, x, order, back):
        context.save_for_backward(back)
        return x[order]

    @staticmethod
    def backward(context, gradient):
        return gradient[context.saved_tensors[0]], None, None


def hidden(mask, dtype):
    """A bias for logits: 0 where mask is True, -inf elsewhere"""
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, float("-inf"))


def attend(q, k, v, bias):
    """q [n, heads, rows, d'], k and v [n, heads, tokens, d'], bias like the logits, or broadcastable to them, of their dtype"""
    with sdpa_kernel([SDPBackend.EFFICIENT_ATTENTION, SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias.expand(q.shape[0], q.shape[1], q.shape[2], k.shape[2]))


def heads_of(x, heads):
    """[n, rows, d] -> [n, heads, rows, d / heads]"""
    return x.view(x.shape[0], x.shape[1], heads, -1).transpose(1, 2)


def joined(x):
    """[n, heads, rows, d / heads] -> [n, rows, d]"""
    return x.transpose(1, 2).flatten(2)


def self_attention(block, x, bias, wanted=None):
    """x [n, rows, d]; bias of hidden(), broadcastable to [n, 1, rows, rows]. -> the first `wanted` rows, or all"""
    query, key, value = (block.self[name] for name in ("query", "key", "value"))
    rows = x[:, :wanted]
    q, k, v = (heads_of(linear(layer, y), block.heads) for layer, y in ((query, rows), (key, x), (value, x)))
    return block.finish(rows, joined(attend(q, k, v, bias[..., :wanted, :] if bias.shape[-2] > 1 else bias)))


def in_parts_of_like_length(lengths, parts, compute):
    """compute(places) -> [len(places), ...] for `parts` parts of numpy's places 0 .. len(lengths) - 1, put back in their order; what
    it gives has the same size for every part"""
    order = np.argsort(lengths, kind="stable")
    found = torch.cat([compute(part) for part in np.array_split(order, parts) if len(part)])
    back = torch.from_numpy(np.argsort(order)).to(found.device)
    return Permuted.apply(found, back, torch.from_numpy(order).to(found.device))


def encode(model, ids, mask, dtype):
    """ids [n, tokens] int64, mask bool like it -> states [n, tokens, d] by the contextualization layers"""
    x = embed(model.embeddings, ids).to(dtype)
    bias = hidden(mask[:, None, None, :], dtype)
    for layer in model.bottom_layers:
        x = layer.feed_forward(self_attention(layer.attention, x, bias))
    return x


def encode_sorted(model, texts, numbers, parts, dtype):
    """States of texts [n], encoded in `parts` parts of like length -> [n, longest, d], mask [n, longest]"""
    longest = texts.width(numbers)

    def states(places):
        found = encode(model, *texts.padded(numbers[places]), dtype)
        return F.pad(found, (0, 0, 0, longest - found.shape[1]))

    return in_parts_of_like_length(texts.lengths[numbers], parts, states), texts.mask(numbers, longest)


def scores(model, queries, query_mask, documents, document_mask):
    """queries [G, Q, R, d], documents [G, D, L, d], masks bool without d -> scores [G, Q, D]"""
    config = model.config
    if config.cls_cross_attention != "full" or config.extra_attn_bias:
        raise ValueError("training in groups needs cls_cross_attention = full and no extra_attn_bias")
    groups, count, rows, width = queries.shape
    per_group = documents.shape[1]
    heads = config.num_attention_heads
    seen = query_mask.view(groups * count, 1, 1, rows)
    if config.mask_query_to_cls:
        seen = seen.repeat(1, 1, rows, 1)
        seen[:, :, 1:, 0] = False
    seen = hidden(seen, queries.dtype)
    document_bias = hidden(document_mask.view(groups * per_group, 1, 1, -1), queries.dtype)
    flat_documents = documents.flatten(0, 1)
    x, alone = queries.flatten(0, 1), True  # [G * Q, rows, d] as long as no document was seen, then [G * D * Q, rows, d]

    def spread(y):
        """[G * Q, ...] -> [G * D * Q, ...]"""
        y = y.view(groups, 1, count, *y.shape[1:]).expand(-1, per_group, -1, *y.shape[1:])
        return y.flatten(0, 2)

    def across(block, y, alone):
        keys, values = (heads_of(linear(block.self[name], flat_documents), heads) for name in ("key", "value"))
        q = linear(block.self["query"], y)
        q, y = (spread(q), spread(y)) if alone else (q, y)
        q = heads_of(q.view(groups * per_group, count * y.shape[1], width), heads)
        return block.finish(y, joined(attend(q, keys, values, document_bias)).view(y.shape))

    def within(block, y, alone, wanted):
        return self_attention(block, y, seen if alone else spread(seen), wanted)

    for number, layer in enumerate(model.top_layers):
        wanted = 1 if number + 1 == config.n_interaction_layers else None
        if config.cross_attn_first:
            x = within(layer.attention, across(layer.crossattention, x, alone), False, wanted)
        else:
            x = across(layer.crossattention, within(layer.attention, x, alone, wanted), alone)
        x, alone = layer.feed_forward(x), False
    pooled = torch.tanh(linear(model.pooler["dense"], x[:, 0]))
    result = F.linear(pooled.float(), model.classifier.weight, model.classifier.bias)
    return result.view(groups, per_group, count).transpose(1, 2)
