"""How records become rows of SQLite, each sealed, and records again.

Pure functions; no file, no search.
"""

from __future__ import annotations

import hashlib
import itertools
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from memory.pixels import compress, decompress
from memory.traces import Floats, Trace

READ = (
    "code, key, frame, state, fixations, action, legal_actions, policy, value, returns, recalls, "
    "stability, refreshed"
)  # the columns that `trace_of` reads
MOST_ACTIONS = 63
"""Bits of a number in SQLite, but for the sign."""
NO_FRAME = np.zeros((0, 0, 0), np.uint8)


def seal(values: Iterable[Any]) -> int:
    """CRC-32 over a row's values; a flipped bit in any of them changes it.

    Zeros have no sign: SQLite gives -0.0 back as 0.0.
    """
    return _checksum(value + 0.0 if type(value) is float else value for value in values)


def _checksum(values: Iterable[Any]) -> int:
    parts = [value if type(value) is bytes else repr(value).encode() for value in values]
    return zlib.crc32(b"\x1f".join([*parts, b""]))


def is_sealed(row: tuple[Any, ...]) -> bool:
    """Whether the last value is the seal of those before it.

    Older versions sealed a zero with its sign, which is lost: either is believed.
    """
    *values, told = row
    if seal(values) == told:
        return True
    ways = [(0.0, -0.0) if type(v) is float and not v else (v,) for v in values]
    return any(_checksum(way) == told for way in itertools.product(*ways))


def sealed(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The row with its seal behind it."""
    return (*row, seal(row))


def marks(row: tuple[Any, ...]) -> str:
    """As many question marks as the row is wide."""
    return ", ".join("?" * len(row))


def game_uid(game_id: int, game: str, opponent: str, result: float, played_at: float) -> str:
    """32 hex digits that no other game of any memory has."""
    text = repr((game_id, game, opponent, result, played_at))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def trace_row(trace_id: int, game_id: int, ply: int, trace: Trace, encoder: str) -> tuple[Any, ...]:
    """One row of `traces`, sealed; arrays become little-endian halves and shorts."""
    return sealed(
        (
            trace_id, game_id, ply, trace.code, trace.key.astype("<f2").tobytes(),
            compress(trace.frame), trace.state.astype("<f2").tobytes(),
            trace.fixations.astype("<i2").tobytes(), trace.action, _pack(trace.legal_actions),
            trace.policy.astype("<f2").tobytes(), float(trace.value), float(trace.returns),
            trace.recalls, float(trace.stability), trace.refreshed, encoder,
        )
    )  # fmt: skip


def recalled_row(
    row: tuple[Any, ...], returns: float, stability: float, refreshed: int
) -> tuple[Any, ...]:
    """A row of `traces` after a recall, sealed anew."""
    *head, _, recalls, _, _, encoder, _ = row
    return sealed((*head, returns, recalls + 1, stability, refreshed, encoder))


def rekeyed_row(row: tuple[Any, ...], key: Floats, encoder: str) -> tuple[Any, ...]:
    """A row of `traces` with a key that another encoder made, sealed anew."""
    return sealed((*row[:4], key.astype("<f2").tobytes(), *row[5:16], encoder))


def trace_of(row: tuple[Any, ...]) -> Trace:
    """The record of a row of the columns `READ`; its frame may have been left out."""
    code, key, frame, state, fixations, action, legal, policy, *rest = row
    value, returns, recalls, stability, refreshed = rest
    probabilities = np.frombuffer(policy, "<f2").astype(np.float32)
    return Trace(
        code=code,
        key=np.frombuffer(key, "<f2").astype(np.float32),
        frame=NO_FRAME if frame is None else decompress(frame),
        state=np.frombuffer(state, "<f2").astype(np.float32),
        fixations=np.frombuffer(fixations, "<i2").astype(np.int64).reshape(-1, 2),
        action=action,
        legal_actions=np.array([bool(legal >> i & 1) for i in range(len(probabilities))]),
        policy=probabilities,
        value=value,
        returns=returns,
        recalls=recalls,
        stability=stability,
        refreshed=refreshed,
    )


def _pack(mask: npt.NDArray[np.bool_]) -> int:
    return sum(1 << i for i, legal in enumerate(mask) if legal)
