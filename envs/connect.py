"""Four in a row on bitboards: two seats drop discs into seven columns, first line of four wins.

A board is one int64. Column `c` owns the bits from `c * (rows + 1)`, bottom first, with one empty
bit on top, so that a line is a run of set bits at a fixed distance:

     6 13 20 27 34 41 48      <- always empty
     5 12 19 26 33 40 47
     .  .  .  .  .  .  .
     0  7 14 21 28 35 42      <- bottom row
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from envs.core import NUM_ACTIONS, NUM_SEATS, Game, State, check_num_games, take
from envs.frames import GRID, StripBank, disc, solid

OWN = (255, 196, 0)
OTHER = (222, 52, 66)
BOARD = (28, 66, 158)
HOLE = (9, 18, 48)
GROUND = (14, 14, 22)
NO_BIT = 63
NOBODY = 2


@dataclass(frozen=True)
class ConnectState(State):
    """Boards beside the shared fields.

    Attributes:
        boards: (B, 2) int64 bitboards, the discs of each seat.
        seat: (B,) int64, whose turn it is (in a finished row: who moved last).
    """

    boards: Tensor
    seat: Tensor


class Connect(Game[ConnectState]):
    """Connect Four, 7 columns by 6 rows."""

    name = "connect"
    simultaneous = False
    ticks_per_s = 0.0
    action_names = tuple(f"{verb} {c + 1}" for verb in ("drop", "pop") for c in range(8))
    MODIFIERS: ClassVar[dict[str, str]] = {}
    columns: ClassVar[int] = 7
    rows: ClassVar[int] = 6

    def __init__(
        self,
        modifiers: tuple[str, ...] = (),
        device: torch.device | str = "cpu",
        *,
        validate: bool = False,
    ) -> None:
        super().__init__(modifiers, device, validate=validate)
        stride = self.rows + 1
        bottoms = [1 << (c * stride) for c in range(self.columns)]
        columns = [b * ((1 << self.rows) - 1) for b in bottoms]
        self.full = sum(columns)
        self._bottoms = self._tensor(bottoms, 0)
        self._columns = self._tensor(columns, 0)
        self._bottom_row = sum(bottoms)
        self._pack_shift = (stride - 1) * (self.columns - 1)
        self._pack = sum(1 << self._pack_shift - (stride - 1) * c for c in range(self.columns))
        self._payoff = torch.tensor([[1.0, -1.0], [-1.0, 1.0], [0.0, 0.0]], device=self.device)
        self._turns = torch.tensor([[1, 0], [0, 1], [0, 0]], device=self.device).bool()
        self._legal_rows = self._legal_table()
        self._shifts = torch.tensor([1, stride, stride - 1, stride + 1], device=self.device)
        self._cell_bits = self._grid()
        self._bank = self._draw_bank()
        boards = torch.zeros(1, NUM_SEATS, dtype=torch.int64, device=self.device)
        self._start = self.from_boards(boards, boards[:, 0])

    def _tensor(self, values: list[int], filler: int) -> Tensor:
        return torch.tensor(
            values + [filler] * (NUM_ACTIONS - len(values)), dtype=torch.int64, device=self.device
        )

    def _grid(self) -> Tensor:
        """(64,) the bit that each tile of the frame shows; NO_BIT outside the board."""
        bits = torch.full((GRID, GRID), NO_BIT, dtype=torch.int64)
        for c in range(self.columns):
            for r in range(self.rows):
                bits[GRID - 2 - r, c] = c * (self.rows + 1) + r
        return bits.flatten().to(self.device)

    def _draw_bank(self) -> StripBank:
        ground, board = [solid(GROUND)], [solid(BOARD)]
        cell = [disc(HOLE, BOARD), disc(OWN, BOARD), disc(OTHER, BOARD)]
        margin = [ground] * (GRID - self.columns)
        above = [[ground] * GRID] * (GRID - 1 - self.rows)
        cells = [[cell] * self.columns + margin] * self.rows
        return StripBank([*above, *cells, [board] * self.columns + margin], self.device)

    def init(self, num_games: int, generator: Generator) -> ConnectState:
        """Empty boards, seat 0 to move."""
        check_num_games(num_games)
        return take(self._start, torch.zeros(num_games, dtype=torch.int64, device=self.device))

    def reset(self, state: ConnectState, mask: Tensor, generator: Generator) -> ConnectState:
        """Fresh games in the masked rows; they are all alike: zeros, but for what is legal."""
        legal = state.legal_actions.reshape(len(mask), -1).view(torch.int64)
        fresh = self._start.legal_actions.reshape(1, -1).view(torch.int64)
        four = mask[:, None].repeat(1, legal.shape[1])  # a contiguous mask is twice as fast
        two, kept = four[:, :NUM_SEATS].contiguous(), ~mask
        legal = torch.where(four, fresh.expand_as(legal), legal).view(torch.bool)
        return ConnectState(
            legal_actions=legal.view(-1, NUM_SEATS, NUM_ACTIONS),
            to_move=torch.where(two, self._start.to_move, state.to_move),
            rewards=state.rewards.masked_fill(two, 0),
            terminated=state.terminated & kept,
            truncated=state.truncated & kept,
            ticks=state.ticks * kept,
            boards=state.boards.masked_fill(two, 0),
            seat=state.seat * kept,
        )

    def from_boards(self, boards: Tensor, seat: Tensor) -> ConnectState:
        """The state of unfinished positions: (B, 2) bitboards, (B,) the seat to move."""
        nobody = torch.zeros(len(seat), dtype=torch.bool, device=self.device)
        occupied = boards[:, 0] | boards[:, 1]
        return ConnectState(
            legal_actions=self._legal(occupied, seat),
            to_move=self._turns[seat],
            rewards=torch.zeros(len(seat), NUM_SEATS, device=self.device),
            terminated=nobody,
            truncated=nobody,
            ticks=(occupied[:, None] >> self._cell_bits & 1).sum(1, dtype=torch.int32),
            boards=boards,
            seat=seat,
        )

    def _legal_table(self) -> Tensor:
        """(full columns, turn) to legal actions: (2^columns * 3, 4) int64, 8 actions in each."""
        full = torch.arange(1 << self.columns)[:, None] >> torch.arange(self.columns) & 1
        rows = torch.zeros(len(full), 3, NUM_SEATS, NUM_ACTIONS, dtype=torch.bool)
        for seat in range(NUM_SEATS):
            rows[:, seat, seat, : self.columns] = full == 0
        rows[:, NOBODY] = True
        return rows.view(-1, NUM_SEATS * NUM_ACTIONS).view(torch.int64).to(self.device)

    def _legal(self, occupied: Tensor, turn: Tensor) -> Tensor:
        """(B, 2, A) bool: what may be done, for (B,) boards and `turn` (a seat or NOBODY).

        The top cells lie `rows + 1` bits apart; one multiplication moves them side by side.
        """
        tops = occupied >> (self.rows - 1) & self._bottom_row
        full = tops * self._pack >> self._pack_shift & (1 << self.columns) - 1
        rows = self._legal_rows.index_select(0, full * 3 + turn)
        return rows.view(torch.bool).view(-1, NUM_SEATS, NUM_ACTIONS)

    def drop(self, occupied: Tensor, column: Tensor) -> Tensor:
        """(B,) the bit where a disc lands in (B,) `column`; 0 where the column is full."""
        flat = column.reshape(-1)
        bottom = self._bottoms.index_select(0, flat).view_as(column)
        return (occupied + bottom) & self._columns.index_select(0, flat).view_as(column)

    def has_line(self, board: Tensor) -> Tensor:
        """(B,) bool: four set bits in a row, in any direction."""
        shifts = self._shifts.view(-1, *[1] * board.dim())  # all directions in one go
        pairs = board & (board >> shifts)
        lines = pairs & (pairs >> 2 * shifts)
        lines = lines[:2] | lines[2:]
        return (lines[0] | lines[1]) != 0

    def _advance(self, state: ConnectState, actions: Tensor, generator: Generator) -> ConnectState:
        ended, seat = state.terminated, state.seat
        turn = seat[:, None]
        column = actions.gather(1, turn)[:, 0].masked_fill(ended, NUM_ACTIONS - 1)
        both = state.boards
        disc_bit = self.drop(both[:, 0] | both[:, 1], column)
        mine = both.gather(1, turn)[:, 0] | disc_bit
        boards = both.scatter(1, turn, mine[:, None])
        occupied = boards[:, 0] | boards[:, 1]
        won = self.has_line(mine) & ~ended
        terminated = ended | won | (occupied == self.full)
        following = torch.where(terminated, NOBODY, 1 - seat)
        return ConnectState(
            legal_actions=self._legal(occupied, following),
            to_move=self._turns.index_select(0, following),
            rewards=self._payoff.index_select(0, torch.where(won, seat, NOBODY)),
            terminated=terminated,
            truncated=state.truncated,
            ticks=state.ticks + ~ended,
            boards=boards,
            seat=torch.where(terminated, seat, 1 - seat),
        )

    def frame(self, state: ConnectState, seat: Tensor) -> Tensor:
        """Draw the board; own discs are yellow, the other's red, whoever looks."""
        own = state.boards.gather(1, seat[:, None])
        other = state.boards.gather(1, 1 - seat[:, None])
        shown = own >> self._cell_bits & 1
        shown += (other >> self._cell_bits & 1) << 1
        return self._bank.draw(shown.view(-1, GRID, GRID))

    def mirror_frames(self, frames: Tensor) -> Tensor:
        """Flip the board; the margin on its right stays where it is."""
        width = self.columns * frames.shape[-1] // GRID
        return torch.cat([frames[..., :width].flip(-1), frames[..., width:]], dim=-1)

    @property
    def mirror_actions(self) -> Tensor:
        """Column c is called columns - 1 - c in the flipped frame."""
        table = torch.arange(NUM_ACTIONS, device=self.device)
        table[: self.columns] = table[: self.columns].flip(0)
        return table
