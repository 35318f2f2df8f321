"""Four in a row: two seats drop discs into columns, the first line ends the game.

This is the game as a batch of states; the rules are in `envs/connect_rules.py`, its looks in
`envs/connect_screen.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Generator, Tensor

from envs.connect_rules import IDLE, NOBODY, POP, Position, Rules
from envs.connect_scene import NUM_SCENES, SCENE_TICKS, pillar_layouts, scenes
from envs.connect_screen import OTHER, OWN, Screen
from envs.core import NUM_ACTIONS, NUM_SEATS, Game, State, check_num_games, take
from envs.frames import GRID

__all__ = ["OTHER", "OWN", "Connect", "ConnectState"]

MAX_TICKS = 150


@dataclass(frozen=True)
class ConnectState(State):
    """Boards beside the shared fields (bits: see `envs/connect_rules.py`).

    Attributes:
        boards: (B, 2) int64 bitboards, the discs of each seat.
        seat: (B,) int64, whose turn it is (in a finished row: who moved last).
        walls: (B,) int64 bitboards of the pillars.
        changed: (B,) int64 bitboards of one cell: where the last disc lies or, after a pop, the
            cell that has become empty. 0 before the first move, and always in the classic game.
        scene: (B,) int64, which fireflies are shown.
    """

    boards: Tensor
    seat: Tensor
    walls: Tensor
    changed: Tensor
    scene: Tensor


class Connect(Game[ConnectState]):
    """Connect Four, 7 columns by 6 rows.

    `rules` say what an action does; `columns` and `rows` are the size of the board.

    In `popout` a pop that makes lines of both wins for the one who popped, a full board goes on as
    long as there is an own disc to pop, and 150 ticks are a draw. `misere` turns wins into losses.
    Pillars stand on the floor, alike left and right; discs lie upon them. Lines in `wrap` go on
    from the last column into the first. Frames of all variants but the classic mark the cell that
    changed last.
    """

    name = "connect"
    simultaneous = False
    ticks_per_s = 0.0
    action_names = tuple(f"{verb} {c + 1}" for verb in ("drop", "pop") for c in range(POP))
    MODIFIERS: ClassVar[dict[str, str]] = {
        "wrap": "the left and the right edge join: lines go across",
        "popout": "an own disc at the bottom may be popped out",
        "misere": "a line loses for whose it is",
        "pillars": "blocked cells at the bottom, by chance, alike left and right",
        "five": "8 columns of 7 rows, five in a row",
        "night": "dark colours",
        "clutter": "moving distractors that mean nothing",
    }

    def _prepare(self) -> None:
        chosen = frozenset(self.modifiers)
        self.rules = Rules(chosen, self.device)
        self.columns, self.rows = self.rules.columns, self.rules.rows
        self._screen = Screen(chosen, self.columns, self.rows, self.device)
        layouts = pillar_layouts(self.columns, self.rows) if "pillars" in chosen else None
        self._layouts = None if layouts is None else layouts.to(self.device)
        self._scenes = scenes(self.columns).to(self.device) if "clutter" in chosen else None
        # by what an action decided (lost, nothing, won) and the seat that acted
        payoff = [[-1.0, 1.0], [1.0, -1.0], [0.0, 0.0], [0.0, 0.0], [1.0, -1.0], [-1.0, 1.0]]
        self._payoff = torch.tensor(payoff, device=self.device)
        self._turns = torch.tensor([[1, 0], [0, 1], [0, 0]], device=self.device).bool()
        self._cells = torch.arange(63, device=self.device)
        boards = torch.zeros(1, NUM_SEATS, dtype=torch.int64, device=self.device)
        self._start = self.from_boards(boards, boards[:, 0])

    def init(self, num_games: int, generator: Generator) -> ConnectState:
        """Boards without discs, seat 0 to move; pillars and fireflies by chance."""
        check_num_games(num_games)
        state = take(self._start, torch.zeros(num_games, dtype=torch.int64, device=self.device))
        return replace(state, **self._drawn(num_games, generator))

    def _drawn(self, num_games: int, generator: Generator) -> dict[str, Tensor]:
        """What chance gives to fresh games; nothing in most variants."""

        def draw(size: int) -> Tensor:
            return torch.randint(size, (num_games,), generator=generator, device=self.device)

        drawn = {}
        if self._layouts is not None:
            drawn["walls"] = self._layouts[draw(len(self._layouts))]
        if self._scenes is not None:
            drawn["scene"] = draw(NUM_SCENES)
        return drawn

    def reset(self, state: ConnectState, mask: Tensor, generator: Generator) -> ConnectState:
        """Fresh games in the masked rows: zeros, but for what is legal and what chance gives."""
        legal = state.legal_actions.reshape(len(mask), -1).view(torch.int64)
        fresh = self._start.legal_actions.reshape(1, -1).view(torch.int64)
        four = mask[:, None].repeat(1, legal.shape[1])  # a contiguous mask is twice as fast
        two, kept = four[:, :NUM_SEATS].contiguous(), ~mask
        legal = torch.where(four, fresh.expand_as(legal), legal).view(torch.bool)
        drawn = self._drawn(len(mask), generator)
        drawn = {name: torch.where(mask, new, getattr(state, name)) for name, new in drawn.items()}
        return ConnectState(
            legal_actions=legal.view(-1, NUM_SEATS, NUM_ACTIONS),
            to_move=torch.where(two, self._start.to_move, state.to_move),
            rewards=state.rewards.masked_fill(two, 0),
            terminated=state.terminated & kept,
            truncated=state.truncated & kept if self.rules.has_pops else state.truncated,
            ticks=state.ticks * kept,
            boards=state.boards.masked_fill(two, 0),
            seat=state.seat * kept,
            walls=drawn.get("walls", state.walls),
            changed=state.changed * kept if self.modifiers else state.changed,
            scene=drawn.get("scene", state.scene),
        )

    def from_boards(
        self, boards: Tensor, seat: Tensor, walls: Tensor | None = None
    ) -> ConnectState:
        """The state of unfinished positions.

        Args:
            boards: (B, 2) int64 bitboards.
            seat: (B,) int64, the seat to move.
            walls: (B,) int64 bitboards of pillars; none by default.
        """
        nobody = torch.zeros(len(seat), dtype=torch.bool, device=self.device)
        nothing = torch.zeros_like(seat)
        walls = nothing if walls is None else walls
        discs = boards[:, 0] | boards[:, 1]
        return ConnectState(
            legal_actions=self.rules.legal(self._position(boards, seat, walls), seat),
            to_move=self._turns[seat],
            rewards=torch.zeros(len(seat), NUM_SEATS, device=self.device),
            terminated=nobody,
            truncated=nobody,
            ticks=(discs[:, None] >> self._cells & 1).sum(1, dtype=torch.int32),
            boards=boards,
            seat=seat,
            walls=walls,
            changed=nothing,
            scene=nothing,
        )

    def position(self, state: ConnectState, seat: Tensor) -> Position:
        """(B,) boards as `seat` ((B,) int64) sees them."""
        return self._position(state.boards, seat, state.walls)

    def _position(self, boards: Tensor, seat: Tensor, walls: Tensor) -> Position:
        mine = boards.gather(1, seat[:, None])[:, 0]
        discs = boards[:, 0] | boards[:, 1]
        return Position(mine, discs ^ mine, discs if self._layouts is None else discs | walls)

    def _advance(self, state: ConnectState, actions: Tensor, generator: Generator) -> ConnectState:
        ended, seat = state.ended if self.rules.has_pops else state.terminated, state.seat
        turn = seat[:, None]
        action = actions.gather(1, turn)[:, 0].masked_fill(ended, IDLE)
        before = self.position(state, seat)
        after, _ = self.rules.play(before, action)
        result = self.rules.result(after).masked_fill(ended, 0)
        seen = after.turned
        terminated = state.terminated | (result != 0) | self.rules.is_stuck(seen)
        ticks, truncated, over = state.ticks + ~ended, state.truncated, terminated
        if self.rules.has_pops:
            terminated = terminated & ~truncated
            truncated = (ticks >= MAX_TICKS) & ~terminated
            over = terminated | truncated
        following = torch.where(over, NOBODY, 1 - seat)
        boards, changed = state.boards.scatter(1, turn, after.mine[:, None]), state.changed
        if self.rules.has_pops:
            boards.scatter_(1, 1 - turn, after.theirs[:, None])
        if self.modifiers:
            changed = torch.where(ended, changed, before.occupied ^ after.occupied)
        return ConnectState(
            legal_actions=self.rules.legal(seen, following),
            to_move=self._turns.index_select(0, following),
            rewards=self._payoff.index_select(0, seat.add(result, alpha=2).add_(2)),
            terminated=terminated,
            truncated=truncated,
            ticks=ticks,
            boards=boards,
            seat=torch.where(over, seat, 1 - seat),
            walls=state.walls,
            changed=changed,
            scene=state.scene,
        )

    def frame(self, state: ConnectState, seat: Tensor) -> Tensor:
        """Draw the board; own discs are yellow, the other's red, whoever looks."""
        return self._screen.draw(self.kinds(state, seat))

    def kinds(self, state: ConnectState, seat: Tensor) -> Tensor:
        """(B, 64) int32, what `seat` sees in every tile: the values of `Kind`."""
        seen = self.position(state, seat)
        fireflies = None
        if self._scenes is not None:
            fireflies = self._scenes[state.scene * SCENE_TICKS + state.ticks % SCENE_TICKS]
        changed = state.changed if self.modifiers else None
        walls = None if self._layouts is None else state.walls
        return self._screen.kinds(seen.mine, seen.theirs, walls, changed, fireflies)

    def mirror_frames(self, frames: Tensor) -> Tensor:
        """Flip the board; the margin on its right stays where it is."""
        width = self.columns * frames.shape[-1] // GRID
        return torch.cat([frames[..., :width].flip(-1), frames[..., width:]], dim=-1)

    @property
    def mirror_actions(self) -> Tensor:
        """Column c is called columns - 1 - c in the flipped frame."""
        table = torch.arange(NUM_ACTIONS, device=self.device)
        for first in (0, POP):
            table[first : first + self.columns] = table[first : first + self.columns].flip(0)
        return table
