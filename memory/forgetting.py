"""How traces fade: strength falls with every sleep, more slowly after useful recalls.

Pure functions of numbers and arrays. Nothing is written while a trace fades: its strength follows
from its stability and from the sleep after which it was last fresh.

Source: the curve is Ebbinghaus's (1885); that spaced recalls keep a memory longer than massed
ones, doi:10.1037/0033-2909.132.3.354.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class ForgettingConfig:
    """How fast traces fade, and how many stay.

    Attributes:
        capacity_traces: never more than these are kept.
        slack: share of the capacity that is freed at a time.
        spread: surprise |return - value| that is worth one sleep of stability.
        gain: share by which the recall of a wholly faded trace adds to its stability.
    """

    capacity_traces: int = 50_000
    slack: float = 0.05
    spread: float = 0.5
    gain: float = 0.5

    def __post_init__(self) -> None:
        if self.capacity_traces < 1 or not 0 <= self.slack < 1:
            raise ValueError("a memory's capacity is at least 1 trace, its slack in [0, 1)")


def first_stability(advantage: float, is_new: bool, config: ForgettingConfig) -> float:
    """Stability of a new trace, in sleeps: 1 + |advantage| / spread, and 1 more if it is new."""
    return 1 + abs(advantage) / config.spread + is_new


def strength(age: float, stability: float) -> float:
    """exp(-age / stability), age in sleeps: 1 for a fresh trace, towards 0."""
    return math.exp(-age / stability)


def stability_after_recall(stability: float, age: float, config: ForgettingConfig) -> float:
    """Stability * (1 + gain * (1 - strength)): recalling what is still fresh adds nothing."""
    return stability * (1 + config.gain * (1 - strength(age, stability)))


def weakest(
    ids: npt.NDArray[np.int64], ages: npt.NDArray[Any], stabilities: npt.NDArray[Any], count: int
) -> npt.NDArray[np.int64]:
    """The `count` ids of least strength, weakest first; of equals the older id is weaker."""
    return ids[np.lexsort((ids, -ages / stabilities))[:count]]
