# SPDX-License-Identifier: Apache-2.0
"""The backbones that bench/run.py measures at: each one's shape, what MICE keeps of it, and the cross-encoders that
MICE is compared with."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Backbone:
    family: str  # model_type in configurations
    layers: int
    width: int
    heads: int
    inner: int
    vocabulary: int
    positions: int
    cut: str  # contextualization + interaction layers of MICE, unless asked for another
    cross_encoders: dict  # layers by group
    deviation: float  # of random weights: so large that documents have different scores
    others: bool = False  # whether late interaction and the matrix product are measured as well

    def layer_types(self):
        """Of ModernBERT: every third layer, the first among them, attends to all tokens."""
        return ["sliding_attention" if i % 3 else "full_attention" for i in range(self.layers)]


BACKBONES = {
    "minilm": Backbone("bert", layers=12, width=384, heads=12, inner=1536, vocabulary=30522, positions=512,
                       cut="3+3", cross_encoders={"ce-l12": 12, "ce-l6": 6}, deviation=0.05, others=True),
    "ettin-150m": Backbone("modernbert", layers=22, width=768, heads=12, inner=1152, vocabulary=50368,
                           positions=8192, cut="11+3", cross_encoders={"ce-mb22": 22}, deviation=0.03),
}
WINDOW = 64  # tokens on each side that ModernBERT's sliding layers see: half of local_attention


def parse_cut(text):
    """(contextualization, interaction layers) of a text such as 11+3; raises ValueError for any other."""
    below, above = (int(each) for each in text.split("+"))
    if below < 1 or above < 1:
        raise ValueError("both parts of a cut have at least one layer")
    return below, above
