"""What comes back from memory: neighbours, advice, and what is known of a trace without the disk.

Plain records; nothing is searched here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from memory.beliefs import Belief
from memory.traces import Floats, Recalled


@dataclass(frozen=True)
class Recall:
    """The nearest traces of B queries.

    Attributes:
        ids: (B, K) int64, -1 where nothing is.
        distances: (B, K) float32 squared, in [0, 4], ascending; +inf where nothing is.
    """

    ids: npt.NDArray[np.int64]
    distances: Floats


@dataclass(frozen=True)
class Advice:
    """What memory says of one situation.

    Attributes:
        advantage: (A,) float32, bounded Q - V per action; 0 where memory is silent.
        recalled: the memories that spoke.
    """

    advantage: Floats
    recalled: tuple[Recalled, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """What the index knows of a trace without asking the disk."""

    code: int
    action: int
    returns: float
    opponent: str
    game: str

    @property
    def belief(self) -> Belief:
        """What it bears out."""
        return self.game, self.opponent, self.code, self.action
