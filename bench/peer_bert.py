# SPDX-License-Identifier: Apache-2.0
"""The peers' BERT models with seeded random weights, from the library that most would take them from. Nothing is
downloaded."""
import torch
from transformers import BertConfig, BertForSequenceClassification, BertModel

CROSS_ENCODERS = {"ce-l12": 12, "ce-l6": 6}
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def config(layers, attention="sdpa"):
    made = BertConfig(vocab_size=30522, hidden_size=384, num_hidden_layers=layers, num_attention_heads=12,
                      intermediate_size=1536, max_position_embeddings=512, num_labels=1, initializer_range=0.05)
    made._attn_implementation = attention
    return made


class CrossEncoder(torch.nn.Module):
    """Three inputs in, scores [batch] out."""

    def __init__(self, group, attention="sdpa"):
        super().__init__()
        layers = CROSS_ENCODERS[group]
        torch.manual_seed(layers)
        self.bert = BertForSequenceClassification(config(layers, attention))
        self.eval()

    def forward(self, input_ids, attention_mask, token_type_ids):
        return self.bert(input_ids=input_ids, attention_mask=attention_mask,
                         token_type_ids=token_type_ids).logits[:, 0]


def query_encoder(layers=12):
    torch.manual_seed(layers)
    return BertModel(config(layers), add_pooling_layer=False).eval()
