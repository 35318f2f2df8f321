"""What goes into the agent and what comes out: observations, decisions, summaries, records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import numpy.typing as npt
from torch import Tensor

from memory import Recalled, Strategy


class AgentObservation(TypedDict):
    """What the agent is shown: the form of the PettingZoo views.

    `observation` is a (C, H, W) uint8 frame from the agent's seat, `action_mask` (A,) bool.
    """

    observation: npt.ArrayLike | Tensor
    action_mask: npt.ArrayLike | Tensor


@dataclass(frozen=True)
class Decision:
    """What the agent does, and why.

    Attributes:
        actions: (1,) int64.
        probabilities: (1, A) float32, after memory's advice.
        value: (1,) float32, the result the network expects, about -1 to 1.
        fixations: (1, R, 2) int64, where it looked, in pixels.
        saliency: (1, R, G, G) float32 log-probabilities of looking.
        attributes: names of the attributes recognised in the frame.
        recalled: the memories that spoke.
    """

    actions: Tensor
    probabilities: Tensor
    value: Tensor
    fixations: Tensor
    saliency: Tensor
    attributes: tuple[str, ...]
    recalled: tuple[Recalled, ...]


@dataclass(frozen=True)
class GameSummary:
    """What a game taught.

    Attributes:
        result: 1 won, 0 drawn, -1 lost.
        good: strategies that are now known to be good.
        bad: strategies that are now known to be bad.
        undetermined: strategies noted, but not proven either way.
        notes: what the agent noted about who sat on the other side, in sentences.
    """

    result: float
    good: tuple[Strategy, ...]
    bad: tuple[Strategy, ...]
    undetermined: tuple[Strategy, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Record:
    """The agent's games against somebody, from its side."""

    games: int
    wins: int
    draws: int
    losses: int
