"""How memory bends the policy: pi' ~ pi * exp(A / tau), A = Q_memory - V, bounded and gated.

Pure functions of arrays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from memory.credit import Answers
from memory.traces import Floats


@dataclass(frozen=True)
class AdviceConfig:
    """How loudly memory speaks.

    Attributes:
        temperature: tau.
        bound: largest |A|.
        shared: weight of what was learned against others, for a situation that is new with
            this opponent.
        alike: weight of what was learned against one who plays alike, in the same case.
        win: an answer above this is a known win;
        certainty: it counts as so much better than was expected, at least.
        neighbour: weight of the nearest other situations.
        reach: squared distance at which a neighbour's weight has fallen to 1 / e.
        neighbours: K.
    """

    temperature: float = 0.2
    bound: float = 2.0
    shared: float = 0.5
    alike: float = 0.9
    win: float = 0.5
    certainty: float = 0.5
    neighbour: float = 0.25
    reach: float = 0.05
    neighbours: int = 8


def advantages(answers: Answers, value: float, bound: float, num_actions: int) -> Floats:
    """(A,) remembered Q minus V, clipped to +-`bound`; 0 where nothing is remembered."""
    advice = np.zeros(num_actions, np.float32)
    for action, answer in answers.items():
        advice[action] = np.clip(answer.value - value, -bound, bound)
    return advice


def advise(policy: Floats, advice: Floats, temperature: float) -> Floats:
    """(A,) probabilities pi * exp(advice / temperature), normalised; zeros stay zero."""
    with np.errstate(divide="ignore"):
        logits = np.log(policy) + advice / temperature
    weights = np.exp(logits - logits.max())
    bent: Floats = (weights / weights.sum()).astype(np.float32)
    return bent
