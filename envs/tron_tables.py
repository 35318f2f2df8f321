"""The fixed tables of light cycles: where moves lead, what can be seen, layouts to draw from.

Cell `32 y + x` of a board of 32x32 with its fence; a row of cells is the bits of one int32. All
layouts look the same after half a turn and after a reflection in either diagonal.
"""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Iterable

import torch
from torch import Tensor

from envs.core import NUM_ACTIONS
from envs.tron_screen import CELLS, SIDE, pack

MOVES = ((0, -1), (0, 1), (-1, 0), (1, 0))  # up, down, left, right as (x, y)
NO_HEADING = len(MOVES)
SIGHT = 8.5
NUM_ROCK_LAYOUTS, NUM_ROCK_GROUPS = 256, 8
NUM_GATE_PAIRS = 2
NUM_SCENES, SCENE_TICKS, NUM_DISTRACTORS = 32, 60, 3
DRIFTS = [(dx, dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1) if (dx, dy) != (0, 0)]

Cell = tuple[int, int]


def blank() -> Tensor:
    """(32, 32) bool, all False."""
    return torch.zeros(SIDE, SIDE, dtype=torch.bool)


def interior() -> Tensor:
    """(32, 32) bool: not the fence."""
    cells = blank()
    cells[1:-1, 1:-1] = True
    return cells


def next_cells(wrap: bool) -> Tensor:
    """(4096,) int64: at 4 cell + move, where the move leads; from the fence never outside."""
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    steps = torch.tensor(MOVES)
    x, y = (place[..., None] + steps[:, axis] for axis, place in enumerate((x, y)))
    if wrap:
        x, y = (1 + (place - 1) % (SIDE - 2) for place in (x, y))
    return (y.clamp(0, SIDE - 1) * SIDE + x.clamp(0, SIDE - 1)).flatten()


def legal_moves() -> Tensor:
    """(6, 16) bool: the legal actions by heading, then without heading, then in ended games."""
    legal = torch.zeros(NO_HEADING + 2, NUM_ACTIONS, dtype=torch.bool)
    legal[: NO_HEADING + 1, : len(MOVES)] = True
    for heading in range(len(MOVES)):
        legal[heading, heading ^ 1] = False
    legal[-1] = True
    return legal


@functools.cache
def sight(wrap: bool) -> Tensor:
    """(1024, 1024) bool: whether from a head's cell a cell can be seen."""
    cells = torch.arange(CELLS)
    square = torch.zeros(CELLS, CELLS, dtype=torch.int64)
    for place in (cells >> 5, cells & SIDE - 1):
        gap = (place[:, None] - place).abs()
        square += (torch.minimum(gap, SIDE - 2 - gap) if wrap else gap) ** 2
    return square <= SIGHT**2


@functools.cache
def hidden_rows(wrap: bool) -> Tensor:
    """(1024, 32) int32 rows of what cannot be seen from each cell, within the fence."""
    return pack(~sight(wrap).view(CELLS, SIDE, SIDE) & interior())


def _orbit(cell: Cell) -> set[Cell]:
    """A cell (x, y), its image by half a turn, and the reflections of both in the diagonal."""
    x, y = cell
    far = SIDE - 1
    return {(x, y), (far - x, far - y), (far - y, far - x), (y, x)}


def _layout(cells: Iterable[Cell]) -> Tensor:
    board = blank()
    for x, y in cells:
        board[y, x] = True
    return board


@functools.cache
def rock_layouts() -> Tensor:
    """(256, 32) int32 rows of rocks: eight groups of four, each alike for both seats.

    The diagonals and the cells beside them stay free, for starts and gates.
    """
    rng = random.Random(0)  # a fixed set of layouts; the game draws among them
    inside = range(1, SIDE - 1)
    corner = [
        (x, y) for x in inside for y in inside if x < y - 1 and x + y < SIDE - 2
    ]  # one cell of every group
    layouts = []
    for _ in range(NUM_ROCK_LAYOUTS):
        chosen = rng.sample(corner, NUM_ROCK_GROUPS)
        layouts.append(_layout(itertools.chain.from_iterable(map(_orbit, chosen))))
    return pack(torch.stack(layouts))


@functools.cache
def gate_layouts() -> Tensor:
    """(105, 32) int32 rows of the wall between the corners, with two pairs of holes."""
    layouts = []
    for holes in itertools.combinations(range(1, SIDE // 2), NUM_GATE_PAIRS):
        open_cells = {*holes, *(SIDE - 1 - hole for hole in holes)}
        layouts.append(_layout((k, k) for k in range(1, SIDE - 1) if k not in open_cells))
    return pack(torch.stack(layouts))


@functools.cache
def scenes() -> Tensor:
    """(32 * 60, 32) int32 rows of distractors, scene by scene and tick by tick.

    Squares of four cells drift, one cell in two ticks, around a board without edges, each with
    its reflection.
    """
    rng = random.Random(0)
    inside = SIDE - 2
    pictures = []
    for _ in range(NUM_SCENES):
        drifts = [
            (rng.randrange(inside), rng.randrange(inside), *rng.choice(DRIFTS))
            for _ in range(NUM_DISTRACTORS)
        ]
        for tick in range(SCENE_TICKS):
            cells = [
                (
                    1 + (x + right + dx * (tick // 2)) % inside,
                    1 + (y + down + dy * (tick // 2)) % inside,
                )
                for x, y, dx, dy in drifts
                for right in (0, 1)
                for down in (0, 1)
            ]
            mirrored = [(SIDE - 1 - y, SIDE - 1 - x) for x, y in cells]
            pictures.append(_layout(cells + mirrored))
    return pack(torch.stack(pictures))
