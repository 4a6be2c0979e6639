# SPDX-License-Identifier: Apache-2.0
"""The matrix product of oneDNN, as PyTorch reaches it, with weights that are packed beforehand. A case is
"gemm/PRECISION/ROWSxKxN"."""
import numpy as np
import torch

from peer_common import Work


class Peer:
    def __init__(self, setting):
        torch.set_num_threads(setting.threads)
        torch.set_grad_enabled(False)

    def make(self, name):
        _, precision, shape = name.split("/")
        rows, k, n = map(int, shape.split("x"))
        a, weight = torch.full((rows, k), 0.5), torch.full((n, k), 0.25)
        if precision == "int8":
            work = self.integers(a, weight)
        else:
            work = self.floats(a, weight, {"f32": torch.float32, "bf16": torch.bfloat16}[precision])

        def run(batch, count):
            work()
            return np.zeros(0)

        return Work(run, sizes=(1,))

    @staticmethod
    def floats(a, weight, dtype):
        a = a.to(dtype)
        packed = torch.ops.mkldnn._reorder_linear_weight(weight.to(dtype), len(a))
        return lambda: torch.ops.mkldnn._linear_pointwise(a, packed, None, "none", [], "")

    @staticmethod
    def integers(a, weight):
        """Unsigned bytes times signed ones with a scale for each column, to float32: the left side is quantised
        beforehand, which mice does within its time."""
        n = len(weight)
        quantised = (a * 254).round().to(torch.uint8)
        packed = torch.ops.onednn.qlinear_prepack((weight * 508).round().to(torch.int8), list(a.shape))
        scales, zeros = torch.full((n,), 1 / 508), torch.zeros(n, dtype=torch.int32)
        return lambda: torch.ops.onednn.qlinear_pointwise(quantised, 1 / 254, 0, packed, scales, zeros, None, 1.0, 0,
                                                          torch.float32, "none", [], "")
