"""What is remembered: one `Trace` per decision, gathered into an `Episode` per finished game.

Plain records of arrays; no file, no index, no network.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]


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


def compress(frame: Pixels) -> bytes:
    """Shape and pixels, deflated."""
    channels, height, width = frame.shape
    head = np.array([channels, height, width], "<u2").tobytes()
    return head + zlib.compress(frame.tobytes(), 6)


def decompress(blob: bytes) -> Pixels:
    """What `compress` packed.

    Raises:
        ValueError: if the blob is damaged or absurdly large.
    """
    channels, height, width = (int(n) for n in np.frombuffer(blob[:6], "<u2"))
    size = channels * height * width
    if size > 1 << 24:
        raise ValueError(f"a frame of {size} bytes is too large")
    try:
        pixels = zlib.decompressobj().decompress(blob[6:], size + 1)
    except zlib.error as error:
        raise ValueError(f"a damaged frame: {error}") from None
    if len(pixels) != size:
        raise ValueError("a damaged frame: wrong length")
    return np.frombuffer(pixels, np.uint8).reshape(channels, height, width)
