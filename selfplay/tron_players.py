"""Scripted players of light cycles: a ladder from wall hugging to search, and fixed habits.

None moves into what blocks while it can help it. They read the rules' own boards: fog does not
blind them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from envs import Game, State, legal_of
from envs.tron import Tron, TronState
from envs.tron_screen import CELLS, SIDE
from selfplay.seats import Stateless
from selfplay.tron_search import (
    NUM_MOVES,
    Position,
    is_set,
    is_wrapped,
    look_ahead,
    position_of,
    targets_of,
)

SAFETY = 100_000  # before any liking
LEANING = 0.4  # to each move in the order of a character, more than to the one before
WHIM = 2.0  # for the move it always makes on a cell of its choice


@dataclass(frozen=True)
class Outlook:
    """All that a player goes by: B games from the view of `seat` ((B,) int64)."""

    game: Tron
    state: TronState
    seat: Tensor
    position: Position

    @classmethod
    def of(cls, game: Game[Any], state: State, seat: Tensor) -> Outlook:
        """Raises `ValueError` unless it is a game of tron."""
        tron, tron_state, position = position_of(game, state, seat)
        return cls(tron, tron_state, seat, position)

    @property
    def legal(self) -> Tensor:
        """(B, 4) bool."""
        return legal_of(self.state, self.seat)[:, :NUM_MOVES]

    @property
    def targets(self) -> Tensor:
        """(B, 4) int64 cells that the moves lead to."""
        return targets_of(self.game, self.position.me)


def hugging(outlook: Outlook) -> Tensor:
    """(B, 4) int64: how well a move hugs, 2 to 4; 1 into a dead end, 0 into what blocks."""
    free, targets = outlook.position.free, outlook.targets
    around = targets_of(outlook.game, targets).flatten(1)
    blocked = (~is_set(free, around)).view(-1, NUM_MOVES, NUM_MOVES).sum(2)  # where I come from too
    return (blocked % NUM_MOVES + 1) * is_set(free, targets)


def straight(outlook: Outlook) -> Tensor:
    """(B, 4) int64: 1 for the move that goes on as before."""
    heading = outlook.state.headings.gather(1, outlook.seat[:, None])
    return (heading == torch.arange(NUM_MOVES, device=heading.device)).long()


def distances(outlook: Outlook) -> Tensor:
    """(B, 4) int64: steps from where the moves lead to the other's head, were nothing between."""
    targets, them = outlook.targets, outlook.position.them[:, None]
    total = torch.zeros_like(targets)
    for shift in (5, 0):
        gap = ((targets >> shift & SIDE - 1) - (them >> shift & SIDE - 1)).abs()
        total += torch.minimum(gap, SIDE - 2 - gap) if is_wrapped(outlook.game) else gap
    return total


def pick(scores: Tensor, outlook: Outlook, generator: Generator) -> Tensor:
    """(B,) int64: the best legal move of (B, 4) scores, drawn among those within 0.001."""
    noise = torch.rand(scores.shape, generator=generator, device=scores.device) * 0.001
    return (scores.double() + noise).masked_fill(~outlook.legal, -torch.inf).argmax(1)


class WallHugger(Stateless):
    """`tron/wall_hugger`: beside walls and trails where it can, else straight on."""

    name = "tron/wall_hugger"

    def act(self, game: Game[Any], state: State, seat: Tensor, generator: Generator) -> Tensor:
        """The free cell with the most blocked neighbours that is no dead end."""
        outlook = Outlook.of(game, state, seat)
        return pick(hugging(outlook) + straight(outlook) / 4, outlook, generator)


class Voronoi(Stateless):
    """`tron/voronoi` and `tron/voronoi-N`: the move after which it holds most, N plies ahead.

    Args:
        plies: how far it looks; 1 is its own move alone.
    """

    def __init__(self, plies: int = 1) -> None:
        self.plies = plies
        self.name = "tron/voronoi" if plies == 1 else f"tron/voronoi-{plies}"

    def act(self, game: Game[Any], state: State, seat: Tensor, generator: Generator) -> Tensor:
        """Draw among the best moves; who looks ahead keeps to walls, to fill what is its own."""
        outlook = Outlook.of(game, state, seat)
        scores = look_ahead(outlook.game, outlook.position, self.plies)
        if self.plies > 1:
            scores += hugging(outlook) / 100
        return pick(scores, outlook, generator)


@dataclass(frozen=True)
class Character:
    """What a seed fixes.

    Attributes:
        habit: an index of `HABITS`.
        order: a liking for each of the four moves, 0 to 3.
        stride: cells, for habits that go by the clock.
    """

    habit: int
    order: tuple[int, ...]
    stride: int

    @classmethod
    def of(cls, seed: int) -> Character:
        """144 seeds in a row differ in habit or order."""
        habit, turn = seed % len(HABITS), seed // len(HABITS)
        orders = list(itertools.permutations(range(NUM_MOVES)))
        return cls(habit, orders[(13 * turn + seed) % len(orders)], 3 + turn % 8)


class TronStubborn(Stateless):
    """`stubborn:SEED` for tron: deterministic, with one fixed habit.

    The habit (seed modulo 6) is to hug walls, to run straight, to hold territory, to chase, to flee
    or to wind like a snake; besides it leans to the moves in one order, and on one cell in ten to
    one way, always the same.
    """

    def __init__(self, seed: int) -> None:
        self.name = f"stubborn:{seed}"
        self.character = Character.of(seed)
        self._whims = whims(seed)

    def act(self, game: Game[Any], state: State, seat: Tensor, generator: Generator) -> Tensor:
        """What it always does here; chance is not asked."""
        outlook, character = Outlook.of(game, state, seat), self.character
        safety = hugging(outlook).clamp(max=2) * SAFETY
        liking = HABITS[character.habit](outlook, character).double()
        leaning = torch.tensor(character.order, device=seat.device) * LEANING
        whim = self._whims.to(seat.device)[outlook.position.me]
        scores = (safety + liking + leaning + whim).masked_fill(~outlook.legal, -torch.inf)
        return scores.argmax(1)


def whims(seed: int) -> Tensor:
    """(1024, 4) float32: by cell, `WHIM` for one move on one cell in ten, else 0."""
    generator = Generator().manual_seed(seed)
    way = torch.randint(NUM_MOVES, (CELLS, 1), generator=generator)
    has_whim = torch.rand(CELLS, 1, generator=generator) < 0.1
    return WHIM * (has_whim & (way == torch.arange(NUM_MOVES)))


Habit = Callable[[Outlook, Character], Tensor]


def _hug(outlook: Outlook, character: Character) -> Tensor:
    return hugging(outlook)


def _run(outlook: Outlook, character: Character) -> Tensor:
    """Straight on, but every so many ticks it may turn."""
    goes_on = outlook.state.ticks % (2 * character.stride) != 0
    return straight(outlook) * goes_on[:, None] * 4


def _hold(outlook: Outlook, character: Character) -> Tensor:
    return look_ahead(outlook.game, outlook.position, 1) / 20


def _chase(outlook: Outlook, character: Character) -> Tensor:
    return -distances(outlook) / 2


def _flee(outlook: Outlook, character: Character) -> Tensor:
    return distances(outlook) / 2


def _wind(outlook: Outlook, character: Character) -> Tensor:
    """Far one way, two to the side, far back, and so on by the clock."""
    first, side, back, _ = character.order
    places = [first] * 3 * character.stride + [side] * 2 + [back] * 3 * character.stride
    turns = torch.tensor(places + [side] * 2, device=outlook.seat.device)
    favourite = turns[outlook.state.ticks % len(turns)]
    return (favourite[:, None] == torch.arange(NUM_MOVES, device=turns.device)) * 4


HABITS: tuple[Habit, ...] = (_hug, _run, _hold, _chase, _flee, _wind)
