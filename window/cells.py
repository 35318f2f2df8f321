"""The board of `connect` as plain cells: whose disc is where, which make a line, how one falls.

Numbers only; nothing is drawn here.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from envs.connect import Connect, ConnectState

PERSONS, AGENTS = 1, 2
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
    """(columns, rows) int8, bottom row first: 0 empty, 1 the person's, 2 the agent's."""
    owners: Owners = np.zeros((game.columns, game.rows), np.int8)
    for seat, owner in ((person_seat, PERSONS), (1 - person_seat, AGENTS)):
        bits = int(state.boards[0, seat])
        for column in range(game.columns):
            for row in range(game.rows):
                if bits >> (column * (game.rows + 1) + row) & 1:
                    owners[column, row] = owner
    return owners


def find_lines(owners: Owners) -> list[Cell]:
    """All cells that are part of four in a row, as (column, row), sorted."""
    columns, rows = owners.shape
    found: set[Cell] = set()
    for column in range(columns):
        for row in range(rows):
            for right, up in ((1, 0), (0, 1), (1, 1), (1, -1)):
                run = [(column + n * right, row + n * up) for n in range(LINE)]
                last_column, last_row = run[-1]
                if last_column >= columns or not 0 <= last_row < rows:
                    continue
                here = {int(owners[cell]) for cell in run}
                if len(here) == 1 and here != {0}:
                    found.update(run)
    return sorted(found)
