# SPDX-License-Identifier: Apache-2.0
"""A BERT cross-encoder, to compare with: the query and the document in one sequence (spec section 9)."""
import json
import os

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from mice_model import Mice, embed, linear, write_tensors
from shared_documents import hidden, in_parts_of_like_length, self_attention


class CrossEncoder(nn.Module):
    """Parameters have the names of Mice's contextualization layers; save() writes those of BertForSequenceClassification."""

    def __init__(self, encoder):
        super().__init__()
        self.config, self.embeddings, self.bottom_layers = encoder.config, encoder.embeddings, encoder.bottom_layers
        self.pooler, self.classifier = encoder.pooler, encoder.classifier

    @classmethod
    def load(cls, folder):
        """A BERT backbone, or what save() wrote."""
        return cls(Mice.encoder_of(folder))

    def bottom_parameters(self):
        return [*self.embeddings.parameters(), *self.bottom_layers.parameters()]

    def score(self, ids, kinds, mask, dtype):
        """ids, kinds (0 query, 1 document) int64 [n, tokens], mask bool like them -> scores [n]"""
        x = embed(self.embeddings, ids, kinds).to(dtype)
        bias = hidden(mask[:, None, None, :], dtype)
        for number, layer in enumerate(self.bottom_layers):
            wanted = 1 if number + 1 == len(self.bottom_layers) else None
            x = layer.feed_forward(self_attention(layer.attention, x, bias, wanted))
        pooled = torch.tanh(linear(self.pooler["dense"], x[:, 0]))
        return F.linear(pooled.float(), self.classifier.weight, self.classifier.bias).squeeze(-1)

    def scores(self, queries, query_numbers, passages, passage_numbers, dtype, parts):
        """query_numbers [G, Q], passage_numbers [G, D] of DeviceTexts -> scores [G, Q, D], computed in parts of like length"""
        shape = (*query_numbers.shape, passage_numbers.shape[1])
        asked = np.broadcast_to(query_numbers[:, :, None], shape).reshape(-1)
        read = np.broadcast_to(passage_numbers[:, None, :], shape).reshape(-1)
        lengths = queries.lengths[asked] + passages.lengths[read]
        score = lambda places: self.score(*pair_ids(queries, asked[places], passages, read[places]), dtype)
        return in_parts_of_like_length(lengths, parts, score).view(shape)

    def save(self, folder):
        """model.safetensors and config.json of a Hugging Face checkpoint"""
        os.makedirs(folder, exist_ok=True)
        tensors = {}
        for name, value in self.state_dict().items():
            if not name.startswith("classifier"):
                name = "bert." + name.replace("bottom_layers.", "encoder.layer.")
            tensors[name] = value
        write_tensors(folder, tensors)
        kept = ("hidden_size", "num_attention_heads", "intermediate_size", "num_hidden_layers", "vocab_size",
                "max_position_embeddings", "type_vocab_size", "layer_norm_eps")
        with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
            json.dump({"architectures": ["BertForSequenceClassification"], "model_type": "bert", "hidden_act": "gelu", "pad_token_id": 0,
                       "id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0},
                       **{key: getattr(self.config, key) for key in kept}}, file, indent=1)
            file.write("\n")


def pair_ids(queries, asked, passages, read):
    """[CLS] query [SEP] document [SEP] -> ids, kinds, mask [n, tokens]"""
    query_ids, query_mask = queries.padded(asked)
    passage_ids, passage_mask = passages.padded(read)
    # the document's [CLS] goes; what is a token moves to the left, in its order
    ids = torch.cat([query_ids, passage_ids[:, 1:]], 1)
    mask = torch.cat([query_mask, passage_mask[:, 1:]], 1)
    kinds = torch.cat([torch.zeros_like(query_ids), torch.ones_like(passage_ids[:, 1:])], 1)
    width = int(-(-(queries.lengths[asked] + passages.lengths[read] - 1).max() // 16) * 16)
    order = (~mask).to(torch.int8).argsort(dim=1, stable=True)[:, :width]
    take = lambda x: F.pad(x.gather(1, order), (0, width - order.shape[1]))
    return take(ids), take(kinds), take(mask)
