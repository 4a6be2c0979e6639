# SPDX-License-Identifier: Apache-2.0
"""The peers' models with seeded random weights, from the library that most would take them from. Nothing is
downloaded."""
import torch
from transformers import (BertConfig, BertForSequenceClassification, BertModel, ModernBertConfig,
                          ModernBertForSequenceClassification)

from backbones import WINDOW

EXAMPLE_TOKENS = 256  # exporters leave out a window that an example shorter than it does not need


def with_attention(config, attention):
    config._attn_implementation = attention
    return config


def bert_config(backbone, layers, attention="sdpa"):
    return with_attention(BertConfig(
        vocab_size=backbone.vocabulary, hidden_size=backbone.width, num_hidden_layers=layers,
        num_attention_heads=backbone.heads, intermediate_size=backbone.inner,
        max_position_embeddings=backbone.positions, num_labels=1, initializer_range=backbone.deviation), attention)


def modernbert_config(backbone, layers, attention):
    return with_attention(ModernBertConfig(
        vocab_size=backbone.vocabulary, hidden_size=backbone.width, num_hidden_layers=layers,
        num_attention_heads=backbone.heads, intermediate_size=backbone.inner,
        max_position_embeddings=backbone.positions, layer_types=backbone.layer_types()[:layers],
        local_attention=2 * WINDOW, num_labels=1, initializer_range=backbone.deviation), attention)


class BertCrossEncoder(torch.nn.Module):
    """Three inputs in, scores [batch] out."""

    def __init__(self, backbone, layers, attention):
        super().__init__()
        self.bert = BertForSequenceClassification(bert_config(backbone, layers, attention))

    def forward(self, input_ids, attention_mask, token_type_ids):
        return self.bert(input_ids=input_ids, attention_mask=attention_mask,
                         token_type_ids=token_type_ids).logits[:, 0]


class ModernBertCrossEncoder(torch.nn.Module):
    """Token ids in, scores [batch] out. Nothing is padded, so only the window is masked."""

    def __init__(self, backbone, layers, attention):
        super().__init__()
        self.modernbert = ModernBertForSequenceClassification(modernbert_config(backbone, layers, attention))

    def forward(self, input_ids):
        rows, tokens = input_ids.shape
        positions = torch.arange(tokens).expand(rows, tokens)  # ONNX's rotary embedding wants them of each row
        return self.modernbert(input_ids=input_ids, position_ids=positions).logits[:, 0]


def cross_encoder(backbone, group, attention="sdpa"):
    layers = backbone.cross_encoders[group]
    torch.manual_seed(layers)
    kind = BertCrossEncoder if backbone.family == "bert" else ModernBertCrossEncoder
    return kind(backbone, layers, attention).eval()


def example_inputs(backbone):
    """A cross-encoder's inputs by name, for exporters that trace."""
    names = ["input_ids"] if backbone.family == "modernbert" else ["input_ids", "attention_mask", "token_type_ids"]
    return {name: torch.ones(2, EXAMPLE_TOKENS, dtype=torch.int64) for name in names}


def query_encoder(backbone, layers=12):
    torch.manual_seed(layers)
    return BertModel(bert_config(backbone, layers), add_pooling_layer=False).eval()
