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
    scene, tick = torch.arange(NUM_SCENES)[:, None], torch.arange(SCENE_TICKS)[None]
    for pair in range(FIREFLIES):
        y, x = _walks((columns + 1) // 2, generator)
        phase = (1 + (tick + pair) % PHASES).to(torch.uint8).expand_as(y)
        shown[scene, tick, y, x] = shown[scene, tick, y, columns - 1 - x] = phase
    if columns < GRID:
        y, x = _walks(1, generator)
        shown[scene, tick, y, columns + x] = (1 + tick % PHASES).to(torch.uint8).expand_as(y)
    return shown.view(-1, GRID * GRID)


def _walks(width: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """(64, 32) tile rows, above the base, and columns; every place is beside the one before."""
    size = (NUM_SCENES,)
    y = torch.randint(GRID // 2, size, generator=generator)
    x = torch.randint(width, size, generator=generator)
    drawn = torch.randint(len(MOVES), (SCENE_TICKS, *size), generator=generator)
    moves = torch.tensor(MOVES)[drawn]
    ys, xs = [y], [x]
    for down, right in zip(*moves[1:].unbind(2), strict=True):
        y, x = (y + down).clamp(0, GRID - 2), (x + right).clamp(0, width - 1)
        ys.append(y)
        xs.append(x)
    return torch.stack(ys, 1), torch.stack(xs, 1)
