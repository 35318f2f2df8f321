"""Fast drawing of 64x64 frames on a grid of 8x8 tiles.

A row of tiles that can show only so many pictures is drawn once for each of them; drawing a batch
of frames is then one gather of 512-byte strips. Not a renderer for people: the window draws its
own.
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

TILE = 8
GRID = 8
STRIP = GRID * TILE * TILE

Image = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]


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


class StripBank:
    """All pictures that each row of tiles can show.

    A strip is 8 pixel rows of 64 pixels of one channel, which is contiguous in a frame. The first
    strip bank of a classic four-in-a-row board has 3^7 + 2 strips per channel, 3.4 MB.

    Args:
        rows: for each of the 8 tile rows, from the top, and each of its 8 places, the tiles
            ((8, 8, 3) uint8) that may stand there.
        device: where frames are drawn.
    """

    def __init__(self, rows: list[list[list[Image]]], device: torch.device | str = "cpu") -> None:
        strips: list[Image] = []
        offsets, weights, known = [], [], {}
        for row in rows:
            signature = tuple(tuple(tile.tobytes() for tile in place) for place in row)
            if signature not in known:
                known[signature] = len(strips)
                strips += [np.concatenate(tiles, axis=1) for tiles in itertools.product(*row)]
            sizes = [len(place) for place in row]
            offsets.append(known[signature])
            weights.append([int(np.prod(sizes[k + 1 :])) for k in range(GRID)])
        packed = np.stack(strips).transpose(3, 0, 1, 2).reshape(3 * len(strips), STRIP)
        self._strips = torch.from_numpy(np.ascontiguousarray(packed).view(np.int64)).to(device)
        self._weights = torch.tensor(weights, dtype=torch.float32, device=device)
        channels = torch.arange(3, device=device)[:, None] * len(strips)
        self._offsets = (channels + torch.tensor(offsets, device=device)).to(torch.int32)

    def draw(self, choices: Tensor) -> Tensor:
        """Draw grids of choices.

        Args:
            choices: (B, 8, 8) of any dtype; at each place, which of its tiles is shown.

        Returns:
            (B, 3, 64, 64) uint8.
        """
        row = (choices.float() * self._weights).sum(-1).to(torch.int32)  # exact below 2^24
        index = row[:, None] + self._offsets  # (B, 3, 8)
        frames = self._strips.index_select(0, index.view(-1))
        return frames.view(torch.uint8).view(-1, 3, GRID * TILE, GRID * TILE)
