"""Trails of light as lines: where a rider was, which cells are joined, how far it has come.

Plain geometry in cells of the arena; x to the right, y down, whole numbers at the cells' centres.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from envs.tron_screen import SIDE

FADING_CELLS = 14

Mask = npt.NDArray[np.bool_]
Point = tuple[float, float]
Line = tuple[Point, Point]


def place_of(cell: int) -> tuple[int, int]:
    """(x, y) of a cell."""
    return cell % SIDE, cell // SIDE


def step_between(one: int, other: int) -> tuple[int, int]:
    """(dx, dy) from a cell to the next; over an edge where the arena's edges join."""
    (x, y), (u, v) = place_of(one), place_of(other)
    inside, half = SIDE - 2, (SIDE - 2) // 2
    dx, dy = (u - x), (v - y)
    if abs(dx) > 1:
        dx = (dx + half) % inside - half
    if abs(dy) > 1:
        dy = (dy + half) % inside - half
    return dx, dy


def lines_between(one: int, other: int, share: float = 1.0) -> list[Line]:
    """The way from a cell to the next as far as `share` of it; two pieces over an edge."""
    (x, y), (u, v) = place_of(one), place_of(other)
    dx, dy = step_between(one, other)
    if (x + dx, y + dy) == (u, v):
        return [((x, y), (x + dx * share, y + dy * share))]
    out, back = min(share, 0.5), 1 - share
    lines: list[Line] = [((x, y), (x + dx * out, y + dy * out))]
    if share > 0.5:
        lines.append(((u - dx * 0.5, v - dy * 0.5), (u - dx * back, v - dy * back)))
    return lines


@dataclass
class Rider:
    """Who draws a trail.

    Attributes:
        cells: where its head was, tick by tick, as the person sees the arena.
    """

    cells: list[int] = field(default_factory=list)

    def joined(self, lit: Mask) -> Iterator[tuple[int, int, float]]:
        """Pairs of cells that it went through, one after the other, both `lit`; and an age.

        The age is 1, but less towards the end of a trail that fades.
        """
        pairs = list(zip(self.cells, self.cells[1:-1], strict=False))
        flat = lit.ravel()
        kept = [(one, other) for one, other in pairs if flat[one] and flat[other]]
        for number, (one, other) in enumerate(kept):
            yield one, other, min(1.0, (number + 1) / FADING_CELLS)


def neighbours(lit: Mask) -> Iterator[tuple[int, int, float]]:
    """Pairs of `lit` cells that touch: all that one picture tells of how a trail ran."""
    flat = np.flatnonzero(lit.ravel())
    cells = set(flat.tolist())
    for cell in cells:
        for other in (cell + 1, cell + SIDE):
            if other in cells:
                yield cell, other, 1.0
