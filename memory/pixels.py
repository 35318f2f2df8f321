"""Frames as few bytes: a palette and indices where there are few colours, deflated.

A blob starts with the shape, three little-endian shorts; the top bit of the first says that a
palette follows. Nothing here knows what is on a frame.
"""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
HEAD = 6
PALETTE = 0x8000
MOST_COLOURS = 256
LARGEST = 1 << 24
"""Bytes of a frame beyond which a blob is not believed."""


def compress(frame: Pixels) -> bytes:
    """Pack a (C, H, W) frame; C at most 8 takes a palette if 256 colours suffice."""
    shape = frame.shape
    found = _palette(frame) if 0 < shape[0] <= 8 and frame.size else None
    if found is None:
        return _head(shape, 0) + zlib.compress(frame.tobytes(), 6)
    colours, indices = found
    body = bytes([len(colours) - 1]) + colours.tobytes() + indices.tobytes()
    return _head(shape, PALETTE) + zlib.compress(body, 6)


def decompress(blob: bytes) -> Pixels:
    """What `compress` packed.

    Raises:
        ValueError: if the blob is damaged or absurdly large.
    """
    channels, height, width = shape_of(blob)
    if channels * height * width > LARGEST:
        raise ValueError(f"a frame of {channels * height * width} bytes is too large")
    if not int(np.frombuffer(blob, "<u2", 1)[0]) & PALETTE:
        pixels = _inflate(blob[HEAD:], channels * height * width)
        return np.frombuffer(pixels, np.uint8).reshape(channels, height, width)
    return _paint(blob[HEAD:], channels, height, width)


def shape_of(blob: bytes) -> tuple[int, int, int]:
    """(C, H, W) of a frame that `compress` packed, by the first 6 bytes.

    Raises:
        ValueError: if these are not there.
    """
    if len(blob) < HEAD:
        raise ValueError("a damaged frame: no shape")
    first, height, width = (int(n) for n in np.frombuffer(blob[:HEAD], "<u2"))
    return first & ~PALETTE, height, width


def _head(shape: tuple[int, ...], flag: int) -> bytes:
    return np.array([shape[0] | flag, *shape[1:]], "<u2").tobytes()


def _palette(frame: Pixels) -> tuple[Pixels, Pixels] | None:
    """(n, C) colours and (H * W,) which one each place has; None if there are too many."""
    channels = frame.shape[0]
    words = np.zeros((frame[0].size, 8), np.uint8)
    words[:, :channels] = frame.reshape(channels, -1).T
    colours, indices = np.unique(words.view(np.uint64)[:, 0], return_inverse=True)
    if len(colours) > MOST_COLOURS:
        return None
    return colours[:, None].view(np.uint8)[:, :channels], indices.astype(np.uint8)


def _paint(packed: bytes, channels: int, height: int, width: int) -> Pixels:
    places = height * width
    body = _inflate(packed, 1 + MOST_COLOURS * channels + places, exact=False)
    count = body[0] + 1 if body else 0
    if len(body) != 1 + count * channels + places:
        raise ValueError("a damaged frame: wrong length")
    colours = np.frombuffer(body, np.uint8, count * channels, 1).reshape(count, channels)
    indices = np.frombuffer(body, np.uint8, places, 1 + count * channels)
    if places and indices.max() >= count:
        raise ValueError("a damaged frame: a colour that is not there")
    return np.ascontiguousarray(colours[indices].T).reshape(channels, height, width)


def _inflate(packed: bytes, size: int, exact: bool = True) -> bytes:
    try:
        content = zlib.decompressobj().decompress(packed, size + 1)
    except zlib.error as error:
        raise ValueError(f"a damaged frame: {error}") from None
    if len(content) > size or (exact and len(content) < size):
        raise ValueError("a damaged frame: wrong length")
    return content
