"""Light cycles on 30x30: both seats move at once, their trails stay, the last to crash wins.

The board is 32x32 cells, 30x30 and a fence. A row of cells is one int32, bit x is column x:

    row 0   # # # # ...  #        Every seat sees the board turned so that its own corner is at
    row 1   # . . . ...  #        the bottom left (seat 1: by half a turn). All that belongs to a
     ...                          seat is kept in its own view: cell `c = 32 y + x` of the one is
    row 30  # . . . ...  #        cell `1023 - c` of the other. Walls look the same to both.
    row 31  # # # # ...  #

Both start without a heading on their diagonal, equally far from their corners, how far is drawn by
chance. So a game reflected in that diagonal is a game again, and its seats are alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from envs.core import NUM_ACTIONS, NUM_SEATS, Game, State, check_num_games
from envs.tron_screen import CELLS, SIDE, Kind, Screen, View, kinds, pack
from envs.tron_tables import (
    MOVES,
    NO_HEADING,
    NUM_SCENES,
    SCENE_TICKS,
    blank,
    gate_layouts,
    hidden_rows,
    interior,
    legal_moves,
    next_cells,
    rock_layouts,
    scenes,
    sight,
)

STARTS = (3, 10)  # columns, the first and the last
TAIL = 120
MAX_TICKS = 500
POSTS = {"gates": [0, CELLS - 1], "rocks": [SIDE - 1, CELLS - SIDE]}  # corners of the fence


@dataclass(frozen=True)
class TronState(State):
    """The arena beside the shared fields; every seat's in its own view.

    Attributes:
        trails: (B, 2, 32) int32 rows of the cells that each trail covers, with the head's.
        heads: (B, 2) int64 cells; of a crashed seat the cell it ran into.
        headings: (B, 2) int64, the last move, 4 before the first.
        crashed: (B, 2) bool.
        tails: (B, 2, 120) int16, where the head was at tick t at place t modulo 120, 0 where it was
            not; without `tails` (B, 2, 0).
        walls: (B, 32) int32 rows of the fence, rocks and the dividing wall.
        scene: (B,) int64, which distractors are shown.
    """

    trails: Tensor
    heads: Tensor
    headings: Tensor
    crashed: Tensor
    tails: Tensor
    walls: Tensor
    scene: Tensor


class Tron(Game[TronState]):
    """Light cycles.

    `next_cells` ((4096,) int64) tells at `4 cell + move` where a move leads; `fence` ((32,) int32)
    is what an arena without rocks and gates has for walls.

    A seat crashes when it moves into a cell that is blocked before the tick: fence, rock, wall,
    trail, or head. Both crash when they move into the same cell. One crash is a loss, two are a
    draw. Turning round on the spot is illegal. In `tails` a trail covers the last 120 cells, and
    500 ticks are a draw.
    """

    name = "tron"
    simultaneous = True
    ticks_per_s = 10.0
    action_names = (
        *("up", "down", "left", "right"),
        *(f"unused {number}" for number in range(len(MOVES), NUM_ACTIONS)),
    )
    MODIFIERS: ClassVar[dict[str, str]] = {
        "wrap": "the edges join: who leaves on one side comes in on the other",
        "rocks": "blocked cells, by chance, alike for both seats",
        "fog": "only what is near the own head can be seen",
        "tails": f"trails of finite length: the last {TAIL} cells",
        "gates": "a wall divides the corners; its holes are placed by chance",
        "night": "dark colours",
        "clutter": "moving distractors that mean nothing",
    }

    def _prepare(self) -> None:
        wrap = "wrap" in self.modifiers
        self._tail_length = TAIL if "tails" in self.modifiers else 0
        self.next_cells = next_cells(wrap).to(self.device)
        self._legal = legal_moves().to(self.device)
        self._seat_rows = torch.tensor([0, SIDE], device=self.device)
        self.fence = pack(blank() if wrap else ~interior()).to(self.device)
        self._rocks = rock_layouts().to(self.device) if "rocks" in self.modifiers else None
        self._gates = gate_layouts().to(self.device) if "gates" in self.modifiers else None
        self._scenes = scenes().to(self.device) if "clutter" in self.modifiers else None
        fog = "fog" in self.modifiers
        self._sees = sight(wrap).flatten().to(self.device) if fog else None
        self._hidden = hidden_rows(wrap).to(self.device) if fog else None
        self._sign = torch.tensor([1, -1], device=self.device)
        self._origin = torch.tensor([0, CELLS - 1], device=self.device)
        self._head_kinds = torch.tensor([Kind.OWN_HEAD, Kind.OTHER_HEAD], device=self.device)
        posts = [cell for name in sorted(POSTS.keys() & self.modifiers) for cell in POSTS[name]]
        marks = [Kind.OWN_GHOST, Kind.OTHER_GHOST]
        marks += [Kind.OWN_TAIL, Kind.OTHER_TAIL] if self._tail_length else []
        marks += [Kind.ROCK] * len(posts)
        self._posts = torch.tensor(posts, dtype=torch.int64, device=self.device)
        self._mark_kinds = torch.tensor(marks, device=self.device)
        self.screen = Screen(self.modifiers, self.device)

    def init(self, num_games: int, generator: Generator) -> TronState:
        """Both at the same distance from their corner; rocks, gates and clutter by chance."""
        check_num_games(num_games)

        def draw(low: int, high: int) -> Tensor:
            return torch.randint(low, high, (num_games,), generator=generator, device=self.device)

        distance = draw(STARTS[0], STARTS[1] + 1)
        walls = self.fence.expand(num_games, -1)
        for layouts in (self._rocks, self._gates):
            if layouts is not None:
                walls = walls | layouts[draw(0, len(layouts))]
        scene = torch.zeros_like(distance) if self._scenes is None else draw(0, NUM_SCENES)
        return self.start(distance, walls.contiguous(), scene)

    def start(self, distance: Tensor, walls: Tensor, scene: Tensor) -> TronState:
        """The state at tick 0: (B,) columns of the starts, (B, 32) walls, (B,) scenes."""
        num_games = len(distance)
        nobody = torch.zeros(num_games, NUM_SEATS, dtype=torch.bool, device=self.device)
        head = (SIDE - 1 - distance) * SIDE + distance
        heads = torch.stack([head, head], 1)
        tails = torch.zeros(
            num_games, NUM_SEATS, self._tail_length, dtype=torch.int16, device=self.device
        )
        tails[..., :1] = heads[..., None].to(torch.int16)
        word, bit = self._places(heads)
        trails = torch.zeros(num_games, 2 * SIDE, dtype=torch.int32, device=self.device)
        headings = torch.full_like(heads, NO_HEADING)
        return TronState(
            legal_actions=self._legal[headings],
            to_move=~nobody,
            rewards=torch.zeros(num_games, NUM_SEATS, device=self.device),
            terminated=nobody[:, 0],
            truncated=nobody[:, 0],
            ticks=torch.zeros(num_games, dtype=torch.int32, device=self.device),
            trails=trails.scatter(1, word, bit).view(-1, NUM_SEATS, SIDE),
            heads=heads,
            headings=headings,
            crashed=nobody,
            tails=tails,
            walls=walls,
            scene=scene,
        )

    def _places(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Where (B, 2) cells are in (B, 64) rows of both trails: the row, and its bit (int32)."""
        bit = torch.ones_like(cells, dtype=torch.int32) << (cells & SIDE - 1).to(torch.int32)
        return (cells >> 5) + self._seat_rows, bit

    def _advance(self, state: TronState, actions: Tensor, generator: Generator) -> TronState:
        playing = ~state.ended
        moving = playing[:, None]
        move = actions & 3  # of a finished row anything may come
        target = self.next_cells[state.heads << 2 | move]
        crash = self._is_blocked(state, target) | (target.sum(1) == CELLS - 1)[:, None]
        crashed = torch.where(moving, crash, state.crashed)
        terminated = state.terminated | crashed[:, 0] | crashed[:, 1]
        ticks = state.ticks + playing
        truncated = state.truncated | (ticks >= MAX_TICKS) & playing & ~terminated
        ended = terminated | truncated
        headings = torch.where(moving, move, state.headings)
        lost = (crash & moving).float()
        trails, tails = self._extend(state, target, moving, moving & ~crash, ticks)
        return TronState(
            legal_actions=self._legal[headings.masked_fill(ended[:, None], NO_HEADING + 1)],
            to_move=~ended[:, None].repeat(1, NUM_SEATS),
            rewards=lost.flip(1) - lost,
            terminated=terminated,
            truncated=truncated,
            ticks=ticks,
            trails=trails,
            heads=torch.where(moving, target, state.heads),
            headings=headings,
            crashed=crashed,
            tails=tails,
            walls=state.walls,
            scene=state.scene,
        )

    def _is_blocked(self, state: TronState, target: Tensor) -> Tensor:
        """(B, 2) bool: what each seat moves into was taken before."""
        trails = state.trails.flatten(1)
        row = (target >> 5) + self._seat_rows
        column = (target & SIDE - 1).to(torch.int32)
        own = trails.gather(1, row) >> column
        other = trails.gather(1, 2 * SIDE - 1 - row) >> SIDE - 1 - column  # turned
        wall = state.walls.gather(1, target >> 5) >> column
        return ((own | other | wall) & 1).bool()

    def _extend(
        self, state: TronState, target: Tensor, moving: Tensor, leaving: Tensor, ticks: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Trails with the new heads where (B, 2) `leaving`, and the tails brought up to date."""
        word, bit = self._places(target)
        trails = state.trails.flatten(1)
        trails = trails.scatter(1, word, trails.gather(1, word) | bit * leaving)
        if not self._tail_length:
            return trails.view_as(state.trails), state.tails
        slot = (ticks % TAIL).long()[:, None, None].expand(-1, NUM_SEATS, 1)
        oldest = state.tails.gather(2, slot)
        newest = torch.where(moving[..., None], target[..., None].to(torch.int16), oldest)
        word, bit = self._places(oldest[..., 0].long())
        trails.scatter_(1, word, trails.gather(1, word) & ~(bit * moving))
        return trails.view_as(state.trails), state.tails.scatter(2, slot, newest)

    def frame(self, state: TronState, seat: Tensor) -> Tensor:
        """Draw the arena; own corner at the bottom left, own trail amber, the other's red."""
        return self.screen.draw(self.view(state, seat))

    def kinds(self, state: TronState, seat: Tensor) -> Tensor:
        """(B, 32, 32) int64, what `seat` sees in every cell: the values of `Kind`."""
        return kinds(self.view(state, seat))

    def view(self, state: TronState, seat: Tensor) -> View:
        """What is drawn for `seat` ((B,) int64).

        Marks and heads hold no cell that fog hides, but for the posts in the corners of the fence:
        they tell of rocks and gates from afar.
        """
        sides = torch.stack([seat, 1 - seat], 1)
        trails = state.trails.gather(1, sides[..., None].expand(-1, -1, SIDE))
        own = state.heads.gather(1, seat[:, None])
        heads = self._seen_from(sides, state.heads)
        head_kinds = torch.where(state.crashed.gather(1, sides), Kind.CRASH, self._head_kinds)
        marks = torch.cat([self._seen_from(sides, cells) for cells in self._marks(state)], 1)
        hidden = turned = None
        if self._sees is not None and self._hidden is not None:
            hidden, turned = self._hidden[own[:, 0]], self._hidden[CELLS - 1 - own[:, 0]]
            marks = torch.where(self._sees[own * CELLS + marks], marks, own)
            seen = self._sees[own * CELLS + heads]
            heads = torch.where(seen, heads, own)
            head_kinds = torch.where(seen, head_kinds, head_kinds[:, :1])
        if len(self._posts):
            marks = torch.cat([marks, self._posts.expand(len(marks), -1)], 1)
        return View(
            own=trails[:, 0],
            other=trails[:, 1],
            walls=state.walls,
            hidden=hidden,
            hidden_turned=turned,
            clutter=self._clutter(state),
            marks=marks,
            mark_kinds=self._mark_kinds.expand_as(marks),
            heads=heads,
            head_kinds=head_kinds,
        )

    def _seen_from(self, sides: Tensor, cells: Tensor) -> Tensor:
        """(B, 2) cells of the seats, each in its own view, in the view of `sides[:, 0]`."""
        return cells.gather(1, sides) * self._sign + self._origin

    def _marks(self, state: TronState) -> list[Tensor]:
        """(B, 2) cells: where the heads come from and, once tails are full, where they end."""
        back = self.next_cells[state.heads << 2 | (state.headings ^ 1) & 3]
        marks = [torch.where(state.headings == NO_HEADING, state.heads, back)]
        if self._tail_length:
            oldest = ((state.ticks + 1) % TAIL).long()[:, None, None].expand(-1, NUM_SEATS, 1)
            ends = state.tails.gather(2, oldest)[..., 0].long()
            marks.append(torch.where(ends == 0, state.heads, ends))
        return marks

    def _clutter(self, state: TronState) -> Tensor | None:
        if self._scenes is None:
            return None
        return self._scenes[state.scene * SCENE_TICKS + state.ticks % SCENE_TICKS]

    def mirror_frames(self, frames: Tensor) -> Tensor:
        """Reflect in the diagonal from the own corner to the other's."""
        return frames.transpose(-1, -2).flip(-1, -2)

    @property
    def mirror_actions(self) -> Tensor:
        """Up is called right, and down left."""
        table = torch.arange(NUM_ACTIONS, device=self.device)
        table[: len(MOVES)] = table[: len(MOVES)].flip(0)
        return table
