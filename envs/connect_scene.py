"""What chance puts into a game of four in a row: pillars, and fireflies that mean nothing.

Both are tables, alike for left and right; a game only draws which row of a table is its own.
"""

from __future__ import annotations

import functools
import itertools

import torch
from torch import Tensor

from envs.frames import GRID

MAX_PILLAR = 3
NUM_SCENES = 64
SCENE_TICKS = 32
PHASES = 2
FIREFLIES = 3
MOVES = ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0))


@functools.cache
def pillar_layouts(columns: int, rows: int) -> Tensor:
    """(N,) int64 boards of blocked cells.

    One or two columns of the left half stand on pillars 1 to 3 cells high, and so do their mirror
    images.
    """
    half = range((columns + 1) // 2)
    layouts = []
    for chosen in [*itertools.combinations(half, 1), *itertools.combinations(half, 2)]:
        for heights in itertools.product(range(1, MAX_PILLAR + 1), repeat=len(chosen)):
            board = 0
            for column, height in zip(chosen, heights, strict=True):
                for place in (column, columns - 1 - column):
                    board |= (1 << height) - 1 << place * (rows + 1)
            layouts.append(board)
    return torch.tensor(layouts)


@functools.cache
def scenes(columns: int) -> Tensor:
    """(64 * 32, 64) uint8: at every tick of every scene, the phase (1, 2) of fireflies per tile.

    They walk at random and come in pairs that mirror each other; where the board leaves a margin,
    there is one more. They begin in the upper half, where no pillar is.
    """
    generator = torch.Generator().manual_seed(7)
    shown = torch.zeros(NUM_SCENES, SCENE_TICKS, GRID, GRID, dtype=torch.uint8)
    for scene, pair in itertools.product(range(NUM_SCENES), range(FIREFLIES)):
        for tick, (y, x) in enumerate(_walk((columns + 1) // 2, generator)):
            shown[scene, tick, y, [x, columns - 1 - x]] = 1 + (tick + pair) % PHASES
    if columns < GRID:
        for scene in range(NUM_SCENES):
            for tick, (y, _) in enumerate(_walk(1, generator)):
                shown[scene, tick, y, columns:] = 1 + tick % PHASES
    return shown.view(-1, GRID * GRID)


def _walk(width: int, generator: torch.Generator) -> list[tuple[int, int]]:
    """`SCENE_TICKS` places (row, column) above the base, each beside the one before."""

    def draw(size: int) -> int:
        return int(torch.randint(size, (1,), generator=generator))

    place = (draw(GRID // 2), draw(width))
    path = []
    for _ in range(SCENE_TICKS):
        path.append(place)
        down, right = MOVES[draw(len(MOVES))]
        place = (min(max(place[0] + down, 0), GRID - 2), min(max(place[1] + right, 0), width - 1))
    return path
