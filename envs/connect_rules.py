"""The rules of four in a row on bitboards: what an action does, and what a position is worth.

A board is one int64. Column `c` owns the bits from `c * (rows + 1)`, bottom first, with one empty
bit on top, so that a line is a run of set bits at a fixed distance:

     6 13 20 27 34 41 48      <- always empty
     5 12 19 26 33 40 47
     .  .  .  .  .  .  .
     0  7 14 21 28 35 42      <- bottom row

Eight columns of seven rows fill 64 bits; the sign is the empty bit of the last column. Games and
players both ask here; nothing is drawn, and nothing depends on chance.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

from envs.core import NUM_ACTIONS, NUM_SEATS

POP = 8  # action 8 + c pops column c
IDLE = NUM_ACTIONS  # an action that changes nothing, for finished rows
NOBODY = 2


@dataclass(frozen=True)
class Position:
    """Boards as one side sees them: int64 bitboards, tensors of any shapes that broadcast.

    Attributes:
        mine: discs of this side.
        theirs: discs of the other side.
        occupied: all discs, and the pillars.
    """

    mine: Tensor
    theirs: Tensor
    occupied: Tensor

    @property
    def turned(self) -> Position:
        """The same boards as the other side sees them."""
        return Position(self.theirs, self.mine, self.occupied)


class Rules:
    """What the modifiers make of the rules.

    `moves` ((M,) int64) are the actions that exist, drops first. `line` is how many discs in a row
    end the game, in `misere` as a loss. `full` has a bit for every cell. `lines_through` ((64,)
    int64) tells of how many lines the cell of each bit is a part, 0 outside the board.

    Args:
        modifiers: `five`, `misere`, `popout` and `wrap` change something here.
        device: where the boards are.
    """

    def __init__(
        self, modifiers: frozenset[str] = frozenset(), device: torch.device | str = "cpu"
    ) -> None:
        five = "five" in modifiers
        self.columns, self.rows, self.line = (8, 7, 5) if five else (7, 6, 4)
        self.has_pops = "popout" in modifiers
        self.is_misere = "misere" in modifiers
        stride = self.rows + 1
        self._circle = self.columns * stride if "wrap" in modifiers else None
        bottoms = [1 << (c * stride) for c in range(self.columns)]
        columns = [bottom * ((1 << self.rows) - 1) for bottom in bottoms]
        self.full, self._bottom_row = sum(columns), sum(bottoms)
        pops = list(range(POP, POP + self.columns)) if self.has_pops else []
        self.moves = torch.tensor([*range(self.columns), *pops], device=device)
        self._landings = _table(dict(enumerate(bottoms)), device)
        self._columns = _table(dict(enumerate(columns)), device)
        self._popped = _table(dict(zip(pops, columns, strict=False)), device)
        self._bottoms = _table(dict(zip(pops, bottoms, strict=False)), device)
        self._shifts = torch.tensor([1, stride, stride - 1, stride + 1], device=device)
        self.lines_through = self._count_lines().to(device)
        self._pack_shift = self.rows * (self.columns - 1)
        self._pack = sum(1 << self._pack_shift - self.rows * c for c in range(self.columns))
        self._drop_rows = _legal_rows(self.columns, 0, taken=True).to(device)
        self._pop_rows = _legal_rows(self.columns, POP, taken=False).to(device)

    def play(self, position: Position, actions: Tensor) -> tuple[Position, Tensor]:
        """Every board after an action, the discs still seen by the side that acted.

        A disc falls upon the highest disc or pillar of its column. A pop takes the own disc at the
        bottom of a column away, and all above it comes down by one; a column that stands on a
        pillar cannot be popped.

        Args:
            position: boards.
            actions: int64 in [0, 16], `IDLE` for none, of a shape that broadcasts with the boards.

        Returns:
            The position, and int64 boards of the cell that is filled or popped: 0 of an action that
            is not legal, whose position means nothing.
        """
        landing = position.occupied + _look_up(self._landings, actions)
        landing = landing & _look_up(self._columns, actions)
        mine, occupied = position.mine | landing, position.occupied | landing
        if not self.has_pops:
            return Position(mine, position.theirs, occupied), landing
        pops = position.mine & _look_up(self._bottoms, actions)
        popped = _look_up(self._popped, actions)
        boards = (_sunk(board, popped) for board in (mine, position.theirs, occupied))
        return Position(*boards), landing | pops

    def result(self, after: Position) -> Tensor:
        """What an action has decided for the side that acted: int64, 1 won, -1 lost, 0 nothing.

        A line belongs to who has the discs, whoever acted. If a pop makes lines of both, the line
        of the one who popped counts. In `misere` the line that counts loses.
        """
        sign = self.has_line(after.mine).long()
        if self.has_pops:
            sign = torch.where(sign == 1, sign, -self.has_line(after.theirs).long())
        return -sign if self.is_misere else sign

    def is_stuck(self, position: Position) -> Tensor:
        """Bool: the side to move can neither drop nor pop."""
        full = position.occupied == self.full
        return full & (position.mine & self._bottom_row == 0) if self.has_pops else full

    def has_line(self, board: Tensor) -> Tensor:
        """Bool: enough set bits in a row, in any direction."""
        shifts = self._shifts.view(-1, *[1] * board.dim())  # all directions in one go
        pairs = board & self._moved(board, shifts)
        lines = pairs & self._moved(pairs, 2 * shifts)
        if self.line == 5:
            lines = lines & self._moved(board, 4 * shifts)
        lines = lines[:2] | lines[2:]
        return (lines[0] | lines[1]) != 0

    def landings(self, position: Position) -> Tensor:
        """Int64 boards of the cells that discs would fall into, at most one in each column."""
        return (position.occupied + self._bottom_row) & self.full

    def completing(self, board: Tensor) -> Tensor:
        """Int64 boards of the cells with which a line would be complete, taken or not.

        A cell completes a line of `line` if k of its neighbours on one side and `line - 1 - k` on
        the other are set, for any k. Bits outside the board mean nothing.
        """
        shifts = self._shifts.view(-1, *[1] * board.dim())
        everywhere = torch.full_like(board, -1)
        before, after = [everywhere], [everywhere]  # how many in a row are set, on either side
        for step in range(1, self.line):
            before.append(before[-1] & self._moved_up(board, step * shifts))
            after.append(after[-1] & self._moved(board, step * shifts))
        ways = [one & other for one, other in zip(before, reversed(after), strict=True)]
        cells = functools.reduce(torch.bitwise_or, ways)
        cells = cells[:2] | cells[2:]
        return cells[0] | cells[1]

    def _moved_up(self, boards: Tensor, shifts: Tensor) -> Tensor:
        moved = boards << shifts
        return moved if self._circle is None else moved | boards >> self._circle - shifts

    def _moved(self, boards: Tensor, shifts: Tensor) -> Tensor:
        """Boards shifted down; round the circle of columns where the edges join.

        The empty bit on top of every column keeps what leaves a column from the next one. Bits
        that come out above the board meet none of it.
        """
        moved = boards >> shifts
        return moved if self._circle is None else moved | boards << self._circle - shifts

    def _count_lines(self) -> Tensor:
        """(64,) int64: of how many lines each cell is a part, by its bit; 0 outside the board."""
        counts = torch.zeros(64, dtype=torch.int64)
        cells = {bit for bit in range(64) if self.full >> bit & 1}
        for start, shift in itertools.product(cells, self._shifts.tolist()):
            line = [start + step * shift for step in range(self.line)]
            line = [bit % self._circle for bit in line] if self._circle else line
            if cells.issuperset(line):  # the empty bits on top break what is no line
                counts[line] += 1
        return counts

    def legal(self, position: Position, turn: Tensor) -> Tensor:
        """What may be done, from tables: the same as `play` says, but faster for all actions.

        The top cells lie `rows + 1` bits apart; one multiplication moves them side by side.

        Args:
            position: (B,) boards as the side to move sees them.
            turn: (B,) int64, the seat to move, or `NOBODY` in finished rows.

        Returns:
            (B, 2, 16) bool.
        """
        full = self._side_by_side(position.occupied >> self.rows - 1)
        rows = self._drop_rows.index_select(0, full * 3 + turn)
        if self.has_pops:
            own = self._side_by_side(position.mine)
            rows = rows | self._pop_rows.index_select(0, own * 3 + turn)
        return rows.view(torch.bool).view(-1, NUM_SEATS, NUM_ACTIONS)

    def _side_by_side(self, boards: Tensor) -> Tensor:
        """The bits of the bottom row, as a number with one bit for each column."""
        row = boards & self._bottom_row
        return row * self._pack >> self._pack_shift & (1 << self.columns) - 1


def _sunk(boards: Tensor, columns: Tensor) -> Tensor:
    """Boards whose discs in the columns (int64, their cells) come down by one."""
    return boards ^ (boards ^ boards >> 1) & columns


def _table(values: dict[int, int], device: torch.device | str) -> Tensor:
    """(17,) int64 by action; 0 for what is not named."""
    numbers = [values.get(action, 0) for action in range(IDLE + 1)]
    return torch.tensor(numbers, dtype=torch.int64, device=device)


def _look_up(table: Tensor, actions: Tensor) -> Tensor:
    return table.index_select(0, actions.reshape(-1)).view_as(actions)


def _legal_rows(columns: int, first: int, *, taken: bool) -> Tensor:
    """(set of columns, turn) to legal actions: (2^columns * 3, 4) int64, 8 actions in each.

    Action `first + c` is legal where column c is not in the set (`taken`), or where it is.
    """
    inside = (torch.arange(1 << columns)[:, None] >> torch.arange(columns) & 1).bool()
    rows = torch.zeros(len(inside), 3, NUM_SEATS, NUM_ACTIONS, dtype=torch.bool)
    for seat in range(NUM_SEATS):
        rows[:, seat, seat, first : first + columns] = ~inside if taken else inside
    rows[:, NOBODY] = True
    return rows.view(-1, NUM_SEATS * NUM_ACTIONS).view(torch.int64)
