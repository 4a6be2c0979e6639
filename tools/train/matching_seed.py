# SPDX-License-Identifier: Apache-2.0
"""Starts the interaction layers as a soft late interaction and a bi-encoder, by construction.

A bi-encoder's token states match without any training: the sum over a query's tokens of the largest similarity to a
document's token (MaxSim) and the similarity of the means rank well. Both are dot products, which attention and
feed-forward layers do not start with and learn slowly. Here they are written into the weights, so that training
begins at that quality and not at chance.

U, V [r, d] and S hold principal directions of the token states in their order, without (1, ..., 1), which a LayerNorm
takes away. So a state lies nearly in U, where it stays, and V is nearly free:

    layer 0, self-attention   only takes the states' mean mu away
    layer 0, cross-attention  V receives U (d - mu) of the document's tokens that are like the row's
    layer 0, FFN              gelu(x) + gelu(-x) is nearly a square, so (u + v)^2 - (u - v)^2 = 4 u v: one direction
                              of S receives the similarity of U and V
    last layer                the same for row 0, with even attention: U the mean over the query's rows,
                              V the mean over the document
    head                      weighs both similarities

LayerNorms normalise U and V, which makes cosines of dot products. Layers between pass their rows on. Vanilla order only.
learn_alignment() then fits the queries and keys of layer 0 to the matches of whole states, of which a head sees a part; without it, a
late interaction is hardly recognised in what the seed computes.
"""
import math

import torch
import torch.nn.functional as F

from mice_model import cross_attention, self_attention

MEASURED_WEIGHT = 0.1  # of the measured coordinate's squared error (deviation 1) beside the regret, in learn_alignment()
EPSILON = 0.25  # scale of what is squared: small enough for a square, large enough for bfloat16


def principal_directions(states):
    """states [n, d] -> orthonormal directions [d - 1, d], largest deviation first, and the mean [d]"""
    width = states.shape[1]
    mean = states.mean(0)
    level = torch.full((width, 1), width ** -0.5)
    centred = states - mean
    centred = centred - (centred @ level) @ level.T
    _, vectors = torch.linalg.eigh(centred.T @ centred / len(states) - level @ level.T)  # `level` comes first
    return vectors.T.flip(0)[:width - 1].contiguous(), mean


def put(layer, weight, bias=None):
    layer.weight.copy_(weight)
    layer.bias.zero_() if bias is None else layer.bias.copy_(bias)


def plain_norms(layer):
    for output in (layer.attention.output, layer.crossattention.output, layer.output):
        output["LayerNorm"].weight.fill_(1)
        output["LayerNorm"].bias.zero_()


class Seeder:
    def __init__(self, config, query_tokens, document_tokens, document_means, sharpness, seed):
        """Samples of the states of single tokens, and of means over documents: float [n, d]."""
        if config.cross_attn_first or config.cls_cross_attention != "full":
            raise ValueError("the matching seed needs the vanilla order and full [CLS] attention")
        self.config, self.sharpness = config, sharpness
        self.width, self.heads = config.hidden_size, config.num_attention_heads
        self.size = self.width // self.heads
        spare = 15
        self.rank = min((self.width - 1 - spare) // 2, self.size * (self.heads // 2), config.intermediate_size // 4)
        self.random = torch.Generator().manual_seed(seed)
        directions, self.mean = principal_directions(torch.cat([query_tokens, document_tokens]))
        self.directions = directions[:self.rank]
        self.u, self.v, self.s = (each.T for each in directions.split(
            [self.rank, self.rank, self.width - 1 - 2 * self.rank]))
        self.token_norm = self.projected(document_tokens).norm(dim=1).mean()
        self.mean_norm = self.projected(document_means).norm(dim=1).mean()

    def projected(self, states):
        return (states - self.mean) @ self.directions.T

    def noise(self, *shape, scale=1.0):
        return torch.randn(*shape, generator=self.random) * scale

    def orthonormal_rows(self, rows, columns):
        return torch.linalg.qr(self.noise(columns, rows))[0].T

    def multiply(self, layer, column, gain, ratio=1.0):
        """The FFN adds gain (cos(U, V) - 1/2) along column `column` of S, V being `ratio` times as long as U."""
        inner, rank = self.config.intermediate_size, self.rank
        weight = self.noise(inner, self.width, scale=0.5 / math.sqrt(self.width))
        plus, minus = EPSILON * (self.u + self.v).T, EPSILON * (self.u - self.v).T
        weight[:4 * rank] = torch.cat([plus, -plus, minus, -minus])
        put(layer.intermediate["dense"], weight)
        out = torch.zeros(self.width, inner)
        lengths = self.width * ratio / (1 + ratio ** 2)  # of U times V behind a LayerNorm
        factor = gain / (lengths * math.sqrt(2 / math.pi) * 4 * EPSILON ** 2)
        out[:, :2 * rank] = factor * self.s[:, column:column + 1]
        out[:, 2 * rank:4 * rank] = -factor * self.s[:, column:column + 1]
        put(layer.output["dense"], out, -gain / 2 * self.s[:, column])

    def document_values(self, block, scale):
        """V receives scale * P (d - mu) of what the heads attend to; two heads share each slice of it."""
        half, rank = self.heads // 2, self.rank
        weight, bias = torch.zeros(self.width, self.width), torch.zeros(self.width)
        out = torch.zeros(self.width, self.width)
        for head in range(2 * half):
            first = (head % half) * self.size
            count = max(0, min(self.size, rank - first))
            rows = slice(head * self.size, head * self.size + count)
            weight[rows] = self.directions[first:first + count]
            bias[rows] = -self.directions[first:first + count] @ self.mean
            out[:, rows] = 0.5 * scale * self.v[:, first:first + count]
        put(block.self["value"], weight, bias)
        put(block.output["dense"], out)

    def token_matching(self, layer):
        plain_norms(layer)
        block = layer.attention
        small = 0.3 / math.sqrt(self.width)
        for name in ("query", "key", "value"):
            put(block.self[name], self.noise(self.width, self.width, scale=small))
        put(block.output["dense"], torch.zeros(self.width, self.width), -self.mean)
        block = layer.crossattention
        count = min(self.size, self.rank)
        # A sketch of `count` numbers keeps count / rank of a dot product.
        scale = math.sqrt(self.sharpness * math.sqrt(self.size) * self.rank / count / math.sqrt(self.width) / self.token_norm)
        looks = torch.cat([scale * self.orthonormal_rows(count, self.rank) @ self.directions for _ in range(self.heads)])
        put(block.self["query"], looks)
        put(block.self["key"], looks, -looks @ self.mean)
        self.document_values(block, math.sqrt(self.width) / self.token_norm)
        self.multiply(layer, 0, 6.0)

    def pooled_matching(self, layer, alone):
        plain_norms(layer)
        kappa, block = 20.0, layer.attention
        small = 0.3 / math.sqrt(self.width)
        put(block.self["query"], torch.zeros(self.width, self.width))
        put(block.self["key"], self.noise(self.width, self.width, scale=small))
        values = torch.cat([self.u, self.s, self.v], 1).T
        shift = -values @ self.mean if alone else torch.zeros(self.width - 1)  # else layer 0 took it away
        put(block.self["value"], torch.cat([values, torch.zeros(1, self.width)]),
                 torch.cat([shift, torch.zeros(1)]))
        out = torch.cat([kappa * self.u, (0.0 if alone else 0.5 * kappa) * self.s,
                         torch.zeros(self.width, self.width - self.rank - self.s.shape[1])], 1)
        put(block.output["dense"], out)
        block = layer.crossattention
        put(block.self["query"], torch.zeros(self.width, self.width))
        put(block.self["key"], self.noise(self.width, self.width, scale=small))
        ratio = 0.4  # the longer V, the more the LayerNorm scales column 0 by what a document is like
        self.document_values(block, ratio * math.sqrt(self.width) / self.mean_norm)
        self.multiply(layer, 1, 6.0, ratio)

    def centre(self, model, pairs):
        """Shifts what the first layer writes until its mean over rows and pairs is 0: the LayerNorms that follow scale it
        by what a document is like, and with it any mean. pairs: as learn_alignment's of one step."""
        rows, row_mask, states, mask = pairs
        layer = model.top_layers[0]
        n = len(rows)
        with torch.no_grad():
            x = self_attention(layer.attention, rows, model.visible(row_mask))
            x = cross_attention(layer.crossattention, x, [(0, n, states, mask)], "full", False)
            for _ in range(3):
                written = (layer.feed_forward(x) @ self.s[:, 0].to(x.device))[row_mask].mean()
                layer.output["dense"].bias -= written * self.s[:, 0].to(x.device)

    def passing(self, layer):
        """A layer that changes nothing at first."""
        plain_norms(layer)
        for output in (layer.attention.output, layer.crossattention.output, layer.output):
            put(output["dense"], torch.zeros_like(output["dense"].weight))

    def head(self, model, alone):
        weight = self.noise(self.width, self.width, scale=0.3 / math.sqrt(self.width))
        weight[:2] = 0.2 * self.s[:, :2].T
        put(model.pooler["dense"], weight)
        classifier = torch.zeros(1, self.width)
        classifier[0, :2] = torch.tensor([0.0, 5.0] if alone else [5.0, 5.0])
        put(model.classifier, classifier)

    def seed(self, model):
        layers = list(model.top_layers)
        with torch.no_grad():
            if len(layers) > 1:
                self.token_matching(layers[0])
            for layer in layers[1:-1]:
                self.passing(layer)
            self.pooled_matching(layers[-1], len(layers) == 1)
            self.head(model, len(layers) == 1)


def learn_alignment(model, mean, pairs, steps, measured=None, rate=4e-3, say=lambda step, regret: None):
    """Trains the query and key weights of the first cross-attention until each head finds the tokens that whole states match.

    A head sees hidden / heads numbers of a state. Random ones keep a share of every dot product; learned ones keep the
    share that tells a document's tokens apart. What is lowered is the regret: by how much the cosine with what a head
    attends to falls short of the best token's. pairs(step) gives query states [n, rows, d], their mask [n, rows],
    document states [n, tokens, d] and their mask, float and bool. -> the last steps' mean regret

    With `measured`, the coordinate in which a LayerNorm measures (distance_seed.py), also its squared error is lowered:
    how far it is from what it would be if all heads attended to the best token alone.
    """
    block = model.top_layers[0].crossattention
    query, key, heads = block.self["query"], block.self["key"], block.heads
    optimizer = torch.optim.Adam([query.weight, query.bias, key.weight], lr=rate, betas=(0.9, 0.98))
    recent = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / 20, 2 * (steps - step) / steps)
        rows, row_mask, states, mask = pairs(step)
        n, _, width = rows.shape
        with torch.no_grad():
            x = self_attention(model.top_layers[0].attention, rows, model.visible(row_mask))
            rows, states = rows - mean, states - mean
            cosines = F.normalize(rows, dim=-1) @ F.normalize(states, dim=-1).transpose(1, 2)
            best = cosines.masked_fill(~mask[:, None, :], -1).amax(-1)
        split = lambda y: y.view(n, y.shape[1], heads, -1).transpose(1, 2)
        logits = split(query(x)) @ split(F.linear(states, key.weight)).transpose(2, 3) / math.sqrt(width // heads)
        attention = logits.masked_fill(~mask[:, None, None, :], -torch.inf).softmax(-1)
        regret = best[:, None] - (attention * cosines[:, None]).sum(-1)
        regret = loss = (regret * row_mask[:, None, :]).sum() / (row_mask.sum() * heads)
        if measured is not None:
            values = split(states)  # each head brings its own coordinates
            at_best = F.one_hot(cosines.masked_fill(~mask[:, None, :], -2).argmax(-1), states.shape[1]).float()
            found, ideal = (block.finish(x, (each @ values).transpose(1, 2).flatten(2))[row_mask][:, measured]
                            for each in (attention, at_best[:, None]))
            loss = regret + MEASURED_WEIGHT * F.mse_loss(found, ideal)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recent = [*recent[-99:], regret.item()]
        if step % 100 == 0:
            say(step, sum(recent) / len(recent))
    with torch.no_grad():
        key.bias.copy_(-key.weight @ mean)  # the same for every token: only for those who look at the weights
    return sum(recent) / max(1, len(recent))


def calibrate(model, scores, teacher, loss, bi_encoder=1.0):
    """Weighs the head's two similarities as they fit the teacher's differences within lists best, and scales both to the least loss.

    scores(): [queries, list] of the model as it is; teacher [queries, list]; loss(scores) -> number; bi_encoder: of its weight
    found, how much stays. -> the two weights
    """
    weight = model.classifier.weight
    features = []
    with torch.no_grad():
        for column in range(2):
            weight.zero_()
            weight[0, column] = 1
            each = scores().double()
            features.append((each - each.mean(1, keepdim=True)).reshape(-1))
        wanted = teacher.double()
        wanted = (wanted - wanted.mean(1, keepdim=True)).reshape(-1, 1)
        x = torch.stack(features, 1)
        solution = torch.linalg.solve(x.T @ x + 1e-6 * torch.eye(2, dtype=x.dtype), x.T @ wanted)[:, 0]
        solution[1] *= bi_encoder
        fitted = torch.stack(features).T @ solution
        fitted = fitted.view(teacher.shape).float()
        solution *= min((2 ** (step / 4) for step in range(-12, 13)), key=lambda factor: loss(factor * fitted))
        weight.zero_()
        weight[0, :2] = solution.float()
    return solution.tolist()
