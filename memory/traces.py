"""What is remembered: one `Trace` per decision, gathered into an `Episode` per finished game.

Plain records of arrays; no file, no index, no network.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from memory.pixels import Pixels

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Recalled:
    """One memory that spoke up.

    Attributes:
        trace_id: its id in the store, -1 if none is left that bears it out.
        action: what was done then.
        value: what it turned out to be worth, in [-1, 1].
        similarity: 1 for the same situation, towards 0 for a distant one.
        opponent: against whom.
    """

    trace_id: int
    action: int
    value: float
    similarity: float
    opponent: str


@dataclass
class Trace:
    """One decision of the agent.

    Attributes:
        code: 63-bit fingerprint of the frame (`fingerprint`).
        key: (D,) float32, unit length.
        frame: (C, H, W) uint8.
        state: (S,) float32, the recurrent state before the decision.
        fixations: (R, 2) int64 pixels.
        action: what was done.
        legal_actions: (A,) bool.
        policy: (A,) float32 probabilities of the network alone.
        value: the critic's expectation.
        returns: what the decision turned out to be worth (`memory.credit`).
        recalls: how often it has been recalled.
        stability: how many sleeps it takes until its strength has fallen to 1 / e.
        refreshed: the sleep after which its strength was last 1.
        recalled: the memories that spoke at the decision; they are not stored with it.
    """

    code: int
    key: Floats
    frame: Pixels
    state: Floats
    fixations: npt.NDArray[np.int64]
    action: int
    legal_actions: npt.NDArray[np.bool_]
    policy: Floats
    value: float
    returns: float = 0.0
    recalls: int = 0
    stability: float = 1.0
    refreshed: int = 0
    recalled: tuple[Recalled, ...] = ()

    @property
    def advantage(self) -> float:
        """How much better the decision was than expected."""
        return self.returns - self.value


@dataclass
class Episode:
    """One finished game from the agent's side.

    Attributes:
        game: the variant's name.
        opponent: who sat on the other side.
        result: in [-1, 1].
        traces: the agent's decisions in order.
    """

    game: str
    opponent: str
    result: float = 0.0
    traces: list[Trace] = field(default_factory=list)


def fingerprint(frame: Pixels) -> int:
    """A number in [0, 2^63) that two different frames practically never share."""
    digest = hashlib.blake2b(frame.tobytes(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
