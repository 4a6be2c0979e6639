# SPDX-License-Identifier: Apache-2.0
"""Starts the interaction layers as a late interaction and a bi-encoder: their LayerNorms measure distances.

Behind a residual connection a row is q - s v, a query's token less what it attends to, and the LayerNorm divides it by
its length. So a coordinate that is a constant c in front of the LayerNorm is c / |q - s v| behind it: the larger, the
more alike q and v are, in all directions but the few that hold such constants. Nothing is multiplied.

    layer 0, self-attention   only takes the states' mean mu away; its norm makes rows equally long and coordinate E a constant
    layer 0, cross-attention  each head brings its own coordinates of the document's token that is like the row's, and
                              coordinate E becomes the similarity
    last layer                row 0 becomes the mean over the query's rows, rare words weighing more, and with it E the
                              mean similarity: the late interaction; its cross-attention brings the document's mean, and
                              coordinate F becomes the similarity of means
    head                      weighs both similarities

Feed-forward layers add nothing at first, and layers between pass their rows on. Vanilla order only.
A head sees as many numbers of a state as it is wide. All look at the same, so that they choose the same token: at the
directions in which the tokens of one document differ most. learn_alignment() (matching_seed.py) then fits them.
"""
import math

import torch
import torch.nn.functional as F

from matching_seed import plain_norms, put
from mice_model import cross_attention, self_attention

SHARPNESS = 110.0  # of cosines in the first layer's attention, before the softmax
CONSTANT = 10.0  # what E and F are before a norm: about as much as rows vary in all, so that both count
KEPT = 0.5  # scale of the other coordinates behind the first cross-attention
MEAN_WEIGHT = 8.0  # of the query's mean beside row 0's own state


class DistanceSeeder:
    def __init__(self, config, query_tokens, documents, seed, token_share, mean_share):
        """query_tokens: a sample of the states of single tokens, float [n, d]; documents: of whole ones, float [tokens, d].

        The shares say how long what comes from the document is, beside the query's: the smaller, the more a distance is
        like a dot product.
        """
        if config.cross_attn_first or config.cls_cross_attention != "full" or config.n_interaction_layers < 2:
            raise ValueError("the distance seed needs the vanilla order, full [CLS] attention and two interaction layers")
        self.config = config
        self.width, self.heads = config.hidden_size, config.num_attention_heads
        self.random = torch.Generator().manual_seed(seed)
        tokens, means = torch.cat(documents), torch.stack([each.mean(0) for each in documents])
        states = torch.cat([query_tokens, tokens])
        self.mean = states.mean(0)
        # What tells the tokens of one document apart
        self.differences = torch.cat([each - mean for each, mean in zip(documents, means)])
        self.e, self.f = states.std(0).argsort()[:2].tolist()  # the coordinates that say least
        length = math.sqrt(self.width)
        self.token_norm = (tokens - self.mean).norm(dim=1).mean()
        self.token_scale = token_share * length / self.token_norm
        self.mean_scale = mean_share * length / (means - self.mean).norm(dim=1).mean()

    def noise(self, *shape):
        return torch.randn(*shape, generator=self.random) * (0.3 / math.sqrt(self.width))

    def plain(self, layer):
        """A layer that changes nothing"""
        plain_norms(layer)
        for output in (layer.attention.output, layer.crossattention.output, layer.output):
            put(output["dense"], torch.zeros_like(output["dense"].weight))
        for block in (layer.attention, layer.crossattention):
            for name in ("query", "key", "value"):
                put(block.self[name], self.noise(self.width, self.width))
        inner = layer.intermediate["dense"]
        put(inner, self.noise(*inner.weight.shape))

    def constant(self, norm, coordinate):
        norm.weight[coordinate] = 0
        norm.bias[coordinate] = CONSTANT

    def subtract_document(self, block, scale, but):
        """Rows become x - scale (d - mu) of what the heads attend to, each head in its own coordinates."""
        put(block.self["value"], torch.eye(self.width), -self.mean)
        out = -scale * torch.eye(self.width)
        out[but] = 0
        put(block.output["dense"], out)

    def token_distance(self, layer):
        put(layer.attention.output["dense"], torch.zeros(self.width, self.width), -self.mean)
        self.constant(layer.attention.output["LayerNorm"], self.e)
        block, size = layer.crossattention, self.width // self.heads
        variances, directions = torch.linalg.eigh(self.differences.T @ self.differences)
        share = variances[-size:].sum() / variances.sum()
        scale = math.sqrt(SHARPNESS * math.sqrt(size) / (share * math.sqrt(self.width) * self.token_norm))
        looks = (scale * directions[:, -size:].T).repeat(self.heads, 1)
        put(block.self["query"], looks)
        put(block.self["key"], looks, -looks @ self.mean)
        self.subtract_document(block, self.token_scale, [self.e])
        block.output["LayerNorm"].weight.fill_(KEPT)

    def mean_distance(self, layer):
        block = layer.attention
        put(block.self["query"], torch.zeros(self.width, self.width))  # even attention
        put(block.self["value"], torch.eye(self.width))
        put(block.output["dense"], MEAN_WEIGHT * torch.eye(self.width))
        self.constant(block.output["LayerNorm"], self.f)
        block = layer.crossattention
        put(block.self["query"], torch.zeros(self.width, self.width))
        self.subtract_document(block, self.mean_scale, [self.e, self.f])
        # Nothing else is needed any more: constants in its place keep the next norm from scaling E and F.
        norm = block.output["LayerNorm"]
        norm.weight.zero_()
        norm.bias.copy_(torch.randn(self.width, generator=self.random))

    def weigh(self, model, batches):
        """Lets row 0 attend to the query's rows as their words are rare: weights of logits that are linear in a row.

        batches: (pairs as of learn_alignment(), rarities [n, rows] > 0 of their tokens) each
        """
        inputs, targets = [], []
        with torch.no_grad():
            for (rows, row_mask, states, mask), rarities in batches:
                x = rows
                for layer in list(model.top_layers)[:-1]:
                    x = self_attention(layer.attention, x, model.visible(row_mask))
                    x = cross_attention(layer.crossattention, x, [(0, len(rows), states, mask)], "full", False)
                    x = layer.feed_forward(x)
                inputs.append(x[row_mask])
                targets.append(rarities[row_mask].log())
            x, y = torch.cat(inputs).double(), torch.cat(targets).double()
            x, y = x - x.mean(0), y - y.mean()
            x[:, self.e] = 0  # a word does not count by how well it is matched
            products = x.T @ x
            weight = torch.linalg.solve(products + 0.02 * products.trace() / self.width * torch.eye(self.width, dtype=x.dtype,
                                                                                                  device=x.device), x.T @ y)
            block, size = model.top_layers[-1].attention.self, self.width // self.heads
            block["key"].weight.zero_()
            block["key"].weight[::size] = weight.float()
            block["query"].bias[::size] = math.sqrt(size)
            return float(1 - (y - x @ weight).var() / y.var())

    def seed(self, model):
        layers = list(model.top_layers)
        with torch.no_grad():
            for layer in layers:
                self.plain(layer)
            self.token_distance(layers[0])
            self.mean_distance(layers[-1])
            weight = self.noise(self.width, self.width)
            weight[:2] = 0
            weight[0, self.e] = weight[1, self.f] = 0.2
            put(model.pooler["dense"], weight)
            classifier = torch.zeros(1, self.width)
            classifier[0, :2] = 5.0
            put(model.classifier, classifier)

    def scale(self, model, pairs):
        """Makes E and F 0 on the mean and 1 in deviation behind the norms that measure. pairs: of learn_alignment()"""
        rows, row_mask, states, mask = pairs
        groups, allowed, layers = [(0, len(rows), states, mask)], model.visible(row_mask), list(model.top_layers)
        with torch.no_grad():
            for coordinates, layer, rows_of in (([self.e], layers[0], lambda y: y[row_mask]),
                                                ([self.e, self.f], layers[-1], lambda y: y[:, 0])):
                x = rows
                for each in layers:
                    x = self_attention(each.attention, x, allowed)
                    norm = each.crossattention.output["LayerNorm"]
                    if each is layer:
                        norm.weight[coordinates], norm.bias[coordinates] = 1.0, 0.0
                    x = cross_attention(each.crossattention, x, groups, "full", False)
                    if each is layer:
                        break
                    x = each.feed_forward(x)
                found = rows_of(x)[:, coordinates]
                norm.weight[coordinates] = 1 / found.std(0)
                norm.bias[coordinates] = -found.mean(0) / found.std(0)
