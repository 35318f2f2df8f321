"""The board of `connect` as plain cells: whose disc is where, which make a line, how one falls.

Numbers only; nothing is drawn here.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from envs.connect import Connect, ConnectState

PERSONS, AGENTS, PILLAR = 1, 2, 3
GRAVITY = 62.0  # cells per second squared
BOUNCE = 0.22  # of the speed
LINE = 4

Owners = npt.NDArray[np.int8]
Cell = tuple[int, int]


def fall(time_s: float, cells: float) -> float:
    """Where a disc is that fell from `cells` above, in cells above its place.

    It falls freely, h = cells - g t^2 / 2, and bounces once with `BOUNCE` of its speed.
    """
    landed_s = math.sqrt(2 * cells / GRAVITY)
    if time_s <= landed_s:
        return cells - GRAVITY * time_s**2 / 2
    speed, since_s = BOUNCE * GRAVITY * landed_s, time_s - landed_s
    return max(0.0, speed * since_s - GRAVITY * since_s**2 / 2)


def fall_time_s(cells: float) -> float:
    """How long `fall` takes, with its bounce."""
    return math.sqrt(2 * cells / GRAVITY) * (1 + 2 * BOUNCE)


def read_cells(game: Connect, state: ConnectState, person_seat: int) -> Owners:
    """(columns, rows) int8, bottom row first: whose a disc is, a pillar (3), or nothing (0)."""
    owners: Owners = np.zeros((game.columns, game.rows), np.int8)
    boards = state.boards[0].tolist()
    things = (boards[person_seat], PERSONS), (boards[1 - person_seat], AGENTS)
    for bits, owner in (*things, (int(state.walls[0]), PILLAR)):
        for column in range(game.columns):
            for row in range(game.rows):
                if bits >> (column * (game.rows + 1) + row) & 1:
                    owners[column, row] = owner
    return owners


def changed_cell(game: Connect, state: ConnectState) -> Cell | None:
    """The cell that the rules mark as changed last, if they mark one."""
    bits = int(state.changed[0])
    return divmod(bits.bit_length() - 1, game.rows + 1) if bits > 0 else None


def is_popped(before: npt.NDArray[np.int8], after: npt.NDArray[np.int8]) -> bool:
    """Whether all of a column (rows from the bottom) came down by one."""
    same = np.array_equal(before, after)
    return not same and bool(before[0]) and np.array_equal(before[1:], after[:-1])


def find_lines(owners: Owners, length: int = LINE, *, wraps: bool = False) -> list[Cell]:
    """All cells that are part of a line, as (column, row), sorted.

    Args:
        owners: as `read_cells` gives them.
        length: of a line.
        wraps: whether lines go on from the last column into the first.
    """
    columns, rows = owners.shape
    found: set[Cell] = set()
    for column in range(columns):
        for row in range(rows):
            for right, up in ((1, 0), (0, 1), (1, 1), (1, -1)):
                last_column, last_row = column + (length - 1) * right, row + (length - 1) * up
                if (last_column >= columns and not wraps) or not 0 <= last_row < rows:
                    continue
                run = [((column + n * right) % columns, row + n * up) for n in range(length)]
                here = {int(owners[cell]) for cell in run}
                if len(here) == 1 and here <= {PERSONS, AGENTS}:
                    found.update(run)
    return sorted(found)
