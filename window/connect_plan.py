"""Where the things of the `connect` board are on the screen, and where a falling disc is.

Geometry only; `connect_board` draws.
"""

from __future__ import annotations

from dataclasses import dataclass

from pygame import Rect

from window.cells import Cell, fall, fall_time_s


@dataclass(frozen=True)
class Plan:
    """Where things are, in pixels.

    Attributes:
        cell: side of a cell.
        grid: the cells.
        hand: the strip above them.
        labels: the strip below them, for the columns' numbers.
        pops: the strip below that, to pop discs out; empty where that is no move.
    """

    cell: int
    grid: Rect
    hand: Rect
    labels: Rect
    pops: Rect

    @classmethod
    def fit(
        cls, stage: Rect, columns: int, rows: int, *, has_pops: bool = False, beside: int = 0
    ) -> Plan:
        """The largest board in the middle of a stage, with cells left free `beside` it."""
        across, down = columns + 0.4 + 2 * beside, rows + (2.6 if has_pops else 1.95)
        cell = int(max(8.0, min(stage.width / across, stage.height / down)))
        whole = Rect(0, 0, cell * columns, round(cell * down))
        whole.center = stage.center
        grid = Rect(whole.left, whole.top + round(1.1 * cell), whole.width, cell * rows)
        hand = Rect(grid.left, whole.top, grid.width, cell)
        labels = Rect(grid.left, grid.bottom + round(0.25 * cell), grid.width, round(0.6 * cell))
        pops = Rect(grid.left, labels.bottom, grid.width, round(0.65 * cell) if has_pops else 0)
        return cls(cell, grid, hand, labels, pops)

    def square(self, column: int, height: float) -> Rect:
        """The cell of a column at a height in cells; 0 is the bottom row."""
        top = self.grid.bottom - round((height + 1) * self.cell)
        return Rect(self.grid.left + column * self.cell, top, self.cell, self.cell)

    def column_at(self, place: tuple[int, int]) -> int | None:
        """The column under a point, anywhere from the hand to the lowest strip."""
        inside = self.reach.collidepoint(place)
        return (place[0] - self.grid.left) // self.cell if inside else None

    @property
    def reach(self) -> Rect:
        """Where the mouse chooses a column."""
        return self.hand.unionall([self.grid, self.labels, self.pops])

    def pop_button(self, column: int) -> Rect:
        """Where a column is popped."""
        place = Rect(
            self.grid.left + column * self.cell, self.pops.top, self.cell, self.pops.height
        )
        return place.inflate(-round(0.14 * self.cell), -round(0.1 * self.cell))


@dataclass
class Falling:
    """A disc on its way."""

    cell: Cell
    owner: int
    drop: float
    age_s: float = 0.0

    @property
    def height(self) -> float:
        """Its height in cells; 0 is the bottom row."""
        return self.cell[1] + fall(self.age_s, self.drop)

    @property
    def landed(self) -> bool:
        """Whether it lies still."""
        return self.age_s >= fall_time_s(self.drop)
