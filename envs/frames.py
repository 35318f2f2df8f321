"""Fast drawing of 64x64 frames on a grid of 8x8 tiles.

A row of eight pixels of one channel is one int64, so that drawing a batch of frames is one
gather from a small bank of tiles. Not a renderer for people: the window draws its own.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

TILE = 8
GRID = 8
CHUNK_FRAMES = 128

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


class TileBank:
    """Tiles, packed so that a frame is gathered eight pixels at a time.

    Args:
        tiles: one or more (8, 8, 3) uint8 images; a tile's number is its place in the list.
        device: where frames are drawn.
    """

    def __init__(self, tiles: list[Image], device: torch.device | str = "cpu") -> None:
        stacked = np.ascontiguousarray(np.stack(tiles).transpose(1, 3, 0, 2))  # y, c, tile, x
        packed = torch.from_numpy(stacked.view(np.int64)[..., 0])  # (8, 3, tiles)
        self.num_tiles = len(tiles)
        self._packed = packed.permute(1, 0, 2).reshape(-1).to(device)  # c, y, tile
        offsets = torch.arange(3 * TILE, device=device) * self.num_tiles
        self._offsets = offsets.view(1, 3, 1, TILE, 1).to(torch.int32)

    def draw(self, tiles: Tensor) -> Tensor:
        """Draw grids of tile numbers.

        Args:
            tiles: (B, 8, 8) integer, row by row from the top.

        Returns:
            (B, 3, 64, 64) uint8.
        """
        grids = tiles.to(torch.int32).view(-1, 1, GRID, 1, GRID)
        if tiles.device.type != "cpu":
            return self._gather(grids)
        parts = [self._gather(part) for part in torch.split(grids, CHUNK_FRAMES)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _gather(self, grids: Tensor) -> Tensor:
        index = grids + self._offsets  # (B, 3, 8, 8, 8): channel, tile row, pixel row, tile column
        chunks = self._packed.index_select(0, index.view(-1))
        return chunks.view(torch.uint8).view(-1, 3, GRID * TILE, GRID * TILE)
