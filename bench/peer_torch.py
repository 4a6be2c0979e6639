# SPDX-License-Identifier: Apache-2.0
"""The peers in PyTorch: cross-encoders, MICE, and late interaction."""
import numpy as np
import torch
import torch.nn.functional as F

import torch_mice
from peer_common import BATCH_SIZES, LARGE_BATCHES, Work, parts
from peer_models import cross_encoder, query_encoder

PRECISIONS = {"torch-f32": torch.float32, "torch-bf16": torch.bfloat16}
QUERY_VECTORS, VECTOR_WIDTH = 32, 128  # of ColBERT


class Peer:
    def __init__(self, setting):
        torch.set_num_threads(setting.threads)
        torch.set_grad_enabled(False)
        self.setting = setting

    def make(self, name):
        group, engine = name.split("/")
        if group in self.setting.backbone.cross_encoders:
            return self.cross_encoder(group, PRECISIONS[engine])
        if group in ("stored", "not-stored"):
            return self.mice(group == "stored", PRECISIONS[engine])
        return self.late_interaction(group == "colbert")

    def cross_encoder(self, group, dtype):
        model = cross_encoder(self.setting.backbone, group).to(dtype)
        inputs = [torch.from_numpy(each) for each in self.setting.joint(self.setting.documents).values()]

        def run(batch, count):
            return torch.cat([model(*(each[rows] for each in inputs)) for rows in parts(count, batch)]).float()

        return Work(run)

    def mice(self, stored, dtype):
        model = torch_mice.load(self.setting.model, dtype)
        query, documents = torch.from_numpy(self.setting.query), torch.from_numpy(self.setting.documents)

        def states_of(ids):
            return model.stored(model.encode(ids))

        states = torch.cat([states_of(part) for part in documents.split(32)]) if stored else None

        def run(batch, count):
            encoded = model.encode(query)
            return torch.cat([model.interact(encoded, states[rows] if stored else states_of(documents[rows]))
                              for rows in parts(count, batch)]).float()

        return Work(run, LARGE_BATCHES if stored else BATCH_SIZES)

    def late_interaction(self, encodes):
        """Stored vectors are random: their values do not change the time."""
        count, tokens = self.setting.documents.shape
        chance = torch.Generator().manual_seed(5)
        vectors = F.normalize(torch.randn(count, tokens, VECTOR_WIDTH, generator=chance), dim=-1)
        backbone = self.setting.backbone
        encoder, projection = query_encoder(backbone), torch.nn.Linear(backbone.width, VECTOR_WIDTH, bias=False)
        filling = np.full((1, QUERY_VECTORS), self.setting.mask_id)
        ids = torch.from_numpy(np.concatenate([self.setting.query, filling], 1)[:, :QUERY_VECTORS])

        def encode():
            return F.normalize(projection(encoder(input_ids=ids).last_hidden_state[0]), dim=-1)

        given = None if encodes else encode()

        def run(batch, count):
            query = encode() if encodes else given
            return torch.cat([(vectors[rows].reshape(-1, VECTOR_WIDTH) @ query.T).view(-1, tokens, QUERY_VECTORS)
                              .amax(1).sum(1) for rows in parts(count, batch)])

        return Work(run, LARGE_BATCHES)
