"""What a segment tells of itself: a surprise at its beginning, a gain at its end."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def surprise_of(advantages: Tensor, returns: Tensor, usual_variance: Tensor) -> Tensor:
    """By how many of their standard deviations returns fell short of what was expected.

    Where hardly anything is paid yet, as in a match of long rallies, returns hardly vary, and no
    trifle shall be a surprise: then it is the deviation that is usual.

    Args:
        advantages: any shape, what was paid beyond the value.
        returns: the same shape.
        usual_variance: () of returns in earlier segments.

    Source: of unexpected uncertainty as a call to learn anew, Yu and Dayan (2005),
    doi:10.1016/j.neuron.2005.04.026.
    """
    deviation = torch.maximum(returns.var(), usual_variance).sqrt()
    return -advantages.mean() / deviation.clamp(min=1e-6)


def gain_of(trial: Tensor, control: Tensor) -> float:
    """Whether more was paid on trial than to a control group: Student's t.

    It is 0 of a single rollout, and where nothing varies.

    Games begin anew in each part, and at first nothing is paid: so the trial of the last part is
    compared with what the group, which never changes, was paid at the same place of all parts.

    Args:
        trial: (P, K) what was paid in the K rollouts of each of P parts.
        control: (P, K) the same of the control group.
    """
    more = trial[-1] - control.mean(0)
    if len(more) < 2:
        return 0.0
    return float((more.mean() / (more.std() / len(more) ** 0.5)).nan_to_num(0, 0, 0))


def belief_in(gain: float) -> float:
    """By how much a gain is more probably one than a loss, P(gain) - P(loss); 0 for a loss.

    Args:
        gain: in standard errors, which are taken to be normal.
    """
    return max(0.0, math.erf(gain / math.sqrt(2)))
