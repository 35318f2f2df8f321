"""Fast drawing of 64x64 frames on a grid of 8x8 tiles.

The eight pixels of one line of a tile are one int64; drawing a batch of frames is one gather of
such words from a small table. Not a renderer for people: the window draws its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

TILE = 8
GRID = 8
WORDS = GRID * TILE * GRID  # of one channel of a frame
CHUNK_FRAMES = 128

Image = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """Blend two colours; `share` in [0, 1] is how much of `other` is in it."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def solid(colour: Colour) -> Image:
    """An (8, 8, 3) tile of one colour."""
    tile = np.empty((TILE, TILE, 3), np.uint8)
    tile[:] = colour
    return tile


def disc(colour: Colour, ground: Colour, radius: float = 3.4) -> Image:
    """An (8, 8, 3) tile with an antialiased disc in the middle of a ground."""
    axis = np.arange(TILE) - (TILE - 1) / 2
    distance = np.hypot(axis[:, None], axis[None, :])
    cover = np.clip(radius + 0.5 - distance, 0, 1)[..., None]
    blend = cover * np.array(colour) + (1 - cover) * np.array(ground)
    image: Image = blend.round().astype(np.uint8)
    return image


class TileBank:
    """Pictures of tiles, ready to be put together.

    Args:
        tiles: N pictures, each (8, 8, 3) uint8.
        device: where frames are drawn.
    """

    def __init__(self, tiles: Sequence[Image], device: torch.device | str = "cpu") -> None:
        lines = np.ascontiguousarray(np.stack(tiles).transpose(3, 1, 0, 2))  # channel, line, tile
        self._words = torch.from_numpy(lines.reshape(-1, TILE).view(np.int64)[:, 0]).to(device)
        line = torch.arange(TILE, dtype=torch.int32, device=device)
        self._lines = (line * len(tiles))[:, None]
        channel = torch.arange(3, dtype=torch.int32, device=device)
        self._channels = (channel * TILE * len(tiles))[:, None]

    def draw(self, numbers: Tensor) -> Tensor:
        """Draw grids of tiles.

        Args:
            numbers: (B, 8, 8) int32, which tile stands at each place.

        Returns:
            (B, 3, 64, 64) uint8.
        """
        num_frames = len(numbers)
        frames = new_words((num_frames, 3 * WORDS), numbers.device)
        chunk = CHUNK_FRAMES if numbers.device.type == "cpu" else num_frames
        for first in range(0, num_frames, chunk):
            part = numbers[first : first + chunk]
            index = (part[:, :, None] + self._lines).view(len(part), 1, WORDS) + self._channels
            out = frames[first : first + chunk].view(-1)
            torch.index_select(self._words, 0, index.view(-1), out=out)
        return frames.view(torch.uint8).view(num_frames, 3, GRID * TILE, GRID * TILE)


def new_words(shape: tuple[int, int], device: torch.device) -> Tensor:
    """Memory for int64; on Linux numpy asks for large pages, which are had four times as fast."""
    if device.type == "cpu":
        return torch.from_numpy(np.empty(shape, np.int64))
    return torch.empty(shape, dtype=torch.int64, device=device)
