"""How a board of four in a row looks at 64x64: colours, and pictures of its tiles.

Every modifier changes something of its own that can be seen on an empty board: `five` its size,
`misere` its colour, `night` all colours, `wrap` the two edges that join, `popout` the base with
a slot below each column; `pillars` and `clutter` are things. It knows nothing of the rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import torch
from torch import Tensor

from envs.frames import GRID, TILE, Colour, Image, TileBank, disc, solid

OWN = (255, 196, 0)
OTHER = (222, 52, 66)
BOARD = (28, 66, 158)
HOLE = (9, 18, 48)
GROUND = (14, 14, 22)
NO_BIT = 63


class Kind(IntEnum):
    """What a tile shows; a cell's is own + 2 other + 3 pillar + 4 changed last."""

    HOLE = 0
    OWN = 1
    OTHER = 2
    PILLAR = 3
    HOLE_CHANGED = 4  # its disc came down in a pop
    OWN_CHANGED = 5
    OTHER_CHANGED = 6
    PILLAR_CHANGED = 7  # never seen
    FIREFLY = 8
    FIREFLY_WIDE = 9


class Part(IntEnum):
    """Where a tile stands."""

    GROUND = 0
    CELL = 1
    CELL_LEFT = 2
    CELL_RIGHT = 3
    BASE = 4
    BASE_LEFT = 5
    BASE_RIGHT = 6


@dataclass(frozen=True)
class Palette:
    """The colours of a variant; those of the classic are what trained networks know."""

    own: Colour = OWN
    other: Colour = OTHER
    board: Colour = BOARD
    hole: Colour = HOLE
    ground: Colour = GROUND
    mark: Colour = (226, 236, 255)
    seam: Colour = (70, 232, 214)
    stone: Colour = (142, 146, 154)
    mortar: Colour = (92, 96, 106)
    firefly: Colour = (150, 104, 214)


MISERE_BOARD = (112, 38, 124)
MISERE_BOARD_AT_NIGHT = (46, 12, 54)
NIGHT = Palette(
    own=(158, 116, 0),
    other=(134, 22, 42),
    board=(8, 24, 64),
    hole=(1, 3, 12),
    ground=(0, 0, 0),
    mark=(112, 122, 146),
    seam=(22, 104, 98),
    stone=(68, 71, 80),
    mortar=(38, 40, 48),
    firefly=(84, 44, 130),
)


class Screen:
    """Draws boards of one variant.

    Args:
        modifiers: what the variant is made of.
        columns: width of the board.
        rows: height of the board.
        device: where frames are drawn.
    """

    def __init__(
        self, modifiers: frozenset[str], columns: int, rows: int, device: torch.device
    ) -> None:
        palette = choose_palette(modifiers)
        tiles = [tile for part in Part for tile in _tiles(part, palette, modifiers)]
        self._bank = TileBank(tiles, device)
        self._bits = _bits(columns, rows).to(device)
        self._parts = (_parts(columns, rows) * len(Kind)).to(torch.int32).to(device)

    def kinds(
        self,
        own: Tensor,
        other: Tensor,
        walls: Tensor | None,
        changed: Tensor | None,
        fireflies: Tensor | None,
    ) -> Tensor:
        """What is to be seen.

        Args:
            own: (B,) int64 boards of the own discs.
            other: (B,) int64 boards of the other's.
            walls: (B,) int64 boards of pillars; None without.
            changed: (B,) int64 boards of the cell that changed last; None to leave it unmarked.
            fireflies: (B, 64) uint8, their phase, 0 for none; they show in empty places only.

        Returns:
            (B, 64) int32, the `Kind` of every tile.
        """
        shown = self._cells(own) + 2 * self._cells(other)
        if walls is not None:
            shown += 3 * self._cells(walls)
        if changed is not None:
            shown += 4 * self._cells(changed)
        if fireflies is not None:
            phase = fireflies.to(torch.int32)
            shown += (phase + Kind.FIREFLY - 1) * ((shown == 0) & (phase > 0))
        return shown

    def _cells(self, boards: Tensor) -> Tensor:
        return (boards[:, None] >> self._bits).to(torch.int32) & 1

    def draw(self, kinds: Tensor) -> Tensor:
        """(B, 3, 64, 64) uint8 of (B, 64) kinds."""
        return self._bank.draw((kinds + self._parts).view(-1, GRID, GRID))


def choose_palette(modifiers: frozenset[str]) -> Palette:
    """The colours of a variant."""
    night, misere = "night" in modifiers, "misere" in modifiers
    palette = NIGHT if night else Palette()
    if not misere:
        return palette
    board = MISERE_BOARD_AT_NIGHT if night else MISERE_BOARD
    return Palette(**{**palette.__dict__, "board": board})


def _bits(columns: int, rows: int) -> Tensor:
    """(64,) the bit that each tile of the frame shows; NO_BIT outside the board."""
    bits = torch.full((GRID, GRID), NO_BIT, dtype=torch.int64)
    for c in range(columns):
        for r in range(rows):
            bits[GRID - 2 - r, c] = c * (rows + 1) + r
    return bits.flatten()


def _parts(columns: int, rows: int) -> Tensor:
    """(64,) the part that each tile belongs to."""
    parts = torch.full((GRID, GRID), Part.GROUND, dtype=torch.int64)
    for top, part in ((GRID - 1 - rows, Part.CELL), (GRID - 1, Part.BASE)):
        parts[top:, :columns] = part
        parts[top:, 0], parts[top:, columns - 1] = part + 1, part + 2
    return parts.flatten()


def _tiles(part: Part, palette: Palette, modifiers: frozenset[str]) -> Iterator[Image]:
    """A picture for every kind."""
    for kind in Kind:
        tile = _picture(part, kind, palette, "popout" in modifiers)
        if "wrap" in modifiers and part in (Part.CELL_LEFT, Part.BASE_LEFT):
            tile[[0, 1, -2, -1], 0] = palette.seam
        if "wrap" in modifiers and part in (Part.CELL_RIGHT, Part.BASE_RIGHT):
            tile[[0, 1, -2, -1], -1] = palette.seam
        yield _marked(tile, palette) if kind in CHANGED else tile


CHANGED = (Kind.HOLE_CHANGED, Kind.OWN_CHANGED, Kind.OTHER_CHANGED)


def _picture(part: Part, kind: Kind, palette: Palette, slots: bool) -> Image:
    if part >= Part.BASE:
        return _slot(palette) if slots else solid(palette.board)
    if part == Part.GROUND:
        tile = solid(palette.ground)
    elif kind == Kind.PILLAR:
        return _stone(palette)
    else:
        fill = {1: palette.own, 2: palette.other}.get(kind % 4, palette.hole)
        tile = disc(fill if kind < Kind.FIREFLY else palette.hole, palette.board)
    if kind >= Kind.FIREFLY:
        _firefly(tile, palette.firefly, wide=kind == Kind.FIREFLY_WIDE)
    return tile


def _marked(tile: Image, palette: Palette) -> Image:
    """Corners around a disc, which hide nothing of it."""
    for y, x in ((0, 0), (0, 1), (1, 0)):
        tile[[y, y, -1 - y, -1 - y], [x, -1 - x, x, -1 - x]] = palette.mark
    return tile


def _slot(palette: Palette) -> Image:
    """The base below a column that can be popped: a flap with a gap."""
    tile = solid(palette.board)
    tile[1:5, 1:-1] = palette.hole
    tile[5, 1:-1] = palette.seam
    return tile


def _stone(palette: Palette) -> Image:
    tile = solid(palette.stone)
    tile[[0, 4]] = palette.mortar
    tile[1:4, [0, -1]] = palette.mortar
    tile[5:, [3, 4]] = palette.mortar
    return tile


def _firefly(tile: Image, colour: Colour, *, wide: bool) -> None:
    middle = slice(TILE // 2 - 1, TILE // 2 + 1)
    if wide:
        tile[[2, 2, 5, 5], [3, 4, 3, 4]] = colour
        tile[[3, 4, 3, 4], [2, 2, 5, 5]] = colour
    else:
        tile[middle, middle] = np.array(colour)
