"""New eyes, old memories: the keys of traces that another encoder made are made anew.

Traces keep their frames, so that nothing is lost when the network that made their keys has
changed. Their recurrent states and values stay those of the day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from memory.pixels import Pixels, decompress
from memory.rows import rekeyed_row
from memory.store import Store
from memory.traces import Floats

BATCH = 256


@dataclass(frozen=True)
class Encoder:
    """What makes keys.

    Attributes:
        version: a name that changes whenever the keys do.
        encode: (N, C, H, W) uint8 frames to (N, D) float32 keys of unit length.
    """

    version: str
    encode: Callable[[Pixels], Floats]


def reembed(store: Store, encoder: Encoder, key_size: int) -> int:
    """Replace all keys that another version of the encoder made.

    Each batch is one transaction, and each trace names its encoder: a call that was interrupted
    is taken up again by the next one.

    Args:
        store: the memory; no index of its keys may be in use yet.
        encoder: the one in use from now on.
        key_size: D.

    Returns:
        How many keys were made anew.

    Raises:
        ValueError: if a frame does not fit the encoder, a new key is not finite or of another
            width, or if the disk is full.
    """
    made = 0
    for ids in _batches(store, encoder.version):
        rows = store.read_rows(ids)
        keys = encoder.encode(_stack([decompress(row[5]) for row in rows]))
        if keys.shape != (len(rows), key_size) or not np.isfinite(keys).all():
            raise ValueError(f"the encoder's keys must be {key_size} finite numbers")
        pairs = zip(rows, keys, strict=True)
        store.write_keys([rekeyed_row(row, key, encoder.version) for row, key in pairs])
        made += len(rows)
    return made


def _batches(store: Store, version: str) -> Iterator[list[int]]:
    ids = store.ids_of_other_encoders(version)
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]


def _stack(frames: list[Pixels]) -> Pixels:
    shapes = {frame.shape for frame in frames}
    if len(shapes) > 1:
        raise ValueError(f"the memory holds frames of different shapes: {sorted(shapes)}")
    return np.stack(frames)
