"""Small episodes made by hand, for the tests of the memory."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from memory import Episode, Store, Trace, fingerprint
from memory.rows import trace_of

KEY_SIZE = 8
NUM_ACTIONS = 4


def make_frame(number: int) -> np.ndarray:
    frame = np.zeros((3, 16, 16), np.uint8)
    frame[:, number % 16, number // 16 % 16] = 200
    return frame


def make_key(number: int) -> np.ndarray:
    key = np.random.default_rng(number).standard_normal(KEY_SIZE).astype(np.float32)
    return key / np.linalg.norm(key)


def make_trace(situation: int, action: int = 0, value: float = 0.0, **changes: object) -> Trace:
    frame = make_frame(situation)
    fields: dict = {
        "code": fingerprint(frame),
        "key": make_key(situation),
        "frame": frame,
        "state": np.arange(4, dtype=np.float32),
        "fixations": np.array([[8, 24]]),
        "action": action,
        "legal_actions": np.array([True] * NUM_ACTIONS),
        "policy": np.full(NUM_ACTIONS, 1 / NUM_ACTIONS, np.float32),
        "value": value,
    }
    return Trace(**(fields | changes))


def make_episode(
    situations: list[int], result: float, opponent: str = "ana", actions: list[int] | None = None
) -> Episode:
    actions = actions or [0] * len(situations)
    traces = [make_trace(s, a) for s, a in zip(situations, actions, strict=True)]
    return Episode("connect", opponent, result, traces)


def read_traces(store: Store, ids: Iterable[int]) -> dict[int, Trace]:
    """Traces by id; unknown ids are left out."""
    return {row[0]: trace_of(row[3:16]) for row in store.read_rows(list(ids))}
