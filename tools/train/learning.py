# SPDX-License-Identifier: Apache-2.0
"""What both trainers have in common."""
import torch

TYPICAL_WEIGHT = 0.04  # root mean square of a BERT's matrices: the learning rates are meant for these


def rate_scale(parameter):
    """AdamW moves every weight of a tensor by about the learning rate; one that suits large weights ruins small
    ones. So each tensor's rate follows the size of the weights that it starts with."""
    return min(max(parameter.detach().square().mean().sqrt().item() / TYPICAL_WEIGHT, 0.2), 5.0)


def logit_shift(scores, relevant):
    """The number to add to scores [n] so that their sigmoids sum up to the number of relevant ones"""
    scores = scores.double().cpu()
    low, high = -100.0 - scores.max(), 100.0 - scores.min()
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if torch.sigmoid(scores + middle).sum() < relevant else (low, middle)
    return middle.item()
