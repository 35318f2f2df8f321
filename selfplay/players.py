"""Whoever can take a seat: scripted ladders, stubborn characters, and networks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Generator, Tensor

from envs import Game, State
from envs.connect import Connect, ConnectState
from lifelong_agent.agent import PRETRAINED
from lifelong_agent.policy import DualStreamNetwork, Thought, sample
from lifelong_agent.weights import load_network

AnyGame = Game[Any]


class Player(Protocol):
    """Takes one seat in each of B games."""

    name: str

    def act(self, game: AnyGame, state: State, seat: Tensor, generator: Generator) -> Tensor:
        """Choose (B,) int64 actions for `seat` ((B,) int64); rows not to move are ignored."""

    def reset(self, mask: Tensor) -> None:
        """New games begin in the rows where `mask` ((B,) bool) is True."""


class Stateless:
    """A player that remembers nothing."""

    name = "stateless"

    def reset(self, mask: Tensor) -> None:
        """Nothing to forget."""


def choose(weights: Tensor, generator: Generator) -> Tensor:
    """(B,) int64 drawn in proportion to (B, A) weights; 0 where a row has none."""
    empty = weights.sum(1, keepdim=True) == 0
    return torch.multinomial(weights + empty, 1, generator=generator)[:, 0]


def legal_of(state: State, seat: Tensor) -> Tensor:
    """(B, A) bool: what `seat` may do."""
    return state.legal_actions.gather(
        1, seat[:, None, None].expand(-1, 1, state.legal_actions.shape[2])
    )[:, 0]


class Random(Stateless):
    """Any legal action, all equally likely."""

    name = "random"

    def act(self, game: AnyGame, state: State, seat: Tensor, generator: Generator) -> Tensor:
        """Draw one."""
        return choose(legal_of(state, seat).float(), generator)


class OnePly(Stateless):
    """`connect`: win if possible, else block a win, else random."""

    name = "connect/one_ply"

    def act(self, game: AnyGame, state: State, seat: Tensor, generator: Generator) -> Tensor:
        """Win, block, or draw."""
        game, mine, theirs = seat_boards(game, state, seat)
        drops = _drops(game, mine, theirs)
        wins = game.has_line(mine[:, None] | drops) & (drops != 0)
        blocks = game.has_line(theirs[:, None] | drops) & (drops != 0)
        weights = (drops != 0).double() + 1e6 * blocks + 1e12 * wins
        best = weights >= weights.amax(1, keepdim=True)
        return choose((best & (drops != 0)).float(), generator)


class Negamax(Stateless):
    """`connect`: sees wins and losses within `plies`; sooner wins, later losses, else random."""

    def __init__(self, plies: int) -> None:
        self.plies = plies
        self.name = f"connect/negamax-{plies}"

    def act(self, game: AnyGame, state: State, seat: Tensor, generator: Generator) -> Tensor:
        """Draw among the best columns."""
        game, mine, theirs = seat_boards(game, state, seat)
        scores = look_ahead(game, mine, theirs, self.plies)
        best = (scores == scores.amax(1, keepdim=True)) & (scores > ILLEGAL)
        return choose(best.float(), generator)


class Stubborn(Stateless):
    """A deterministic player with one fixed habit, drawn from its seed.

    `connect`: looks 1 to 6 plies ahead (seed modulo 6, plus 1) and, among equals, always prefers
    the same columns: in a fixed order, or in an order fixed per position.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.name = f"stubborn:{seed}"
        self.plies = 1 + seed % 6
        self.per_position = bool(seed // 6 % 2)
        generator = torch.Generator().manual_seed(seed)
        self.order = torch.randperm(Connect.columns, generator=generator)
        self.salt = int(torch.randint(1, 2**31, (1,), generator=generator)) | 1

    def act(self, game: AnyGame, state: State, seat: Tensor, generator: Generator) -> Tensor:
        """The habitual column among the best."""
        game, mine, theirs = seat_boards(game, state, seat)
        scores = look_ahead(game, mine, theirs, self.plies).double()
        columns = torch.arange(game.columns, device=mine.device)
        liking = self.order.to(mine.device)[columns % len(self.order)].double().expand_as(scores)
        if self.per_position:
            mixed = (mine * 31 + theirs * 17 + self.salt)[:, None] * (2 * columns + 1) * self.salt
            liking = (mixed >> 13 & 0xFFFF).double()
        return (scores * 1e6 + liking).argmax(1)


ILLEGAL = -1000


def look_ahead(game: Connect, mine: Tensor, theirs: Tensor, plies: int) -> Tensor:
    """Score every column by exhaustive search.

    Args:
        game: the rules.
        mine: (B,) int64 boards of the side to move.
        theirs: (B,) int64 boards of the other side.
        plies: depth, at least 1.

    Returns:
        (B, columns) int64: `plies + 1 - d` for a forced win in d plies, its negative for a
        forced loss, 0 for neither within sight, `ILLEGAL` for a full column.
    """
    drops = _drops(game, mine, theirs)
    legal = drops != 0
    after = mine[:, None] | drops
    won = game.has_line(after) & legal
    scores: Tensor = won * plies
    open_rows = legal & ~won & ((after | theirs[:, None]) != game.full)
    if plies > 1 and bool(open_rows.any()):
        reply = look_ahead(
            game, theirs[:, None].expand_as(drops)[open_rows], after[open_rows], plies - 1
        )
        scores[open_rows] = -reply.amax(1)
    return scores.masked_fill(~legal, ILLEGAL)


def seat_boards(game: AnyGame, state: State, seat: Tensor) -> tuple[Connect, Tensor, Tensor]:
    """The rules, and (B,) boards of `seat` and of the other; `ValueError` for another game."""
    if not isinstance(game, Connect) or not isinstance(state, ConnectState):
        raise ValueError(f"this player knows connect, not {game.variant}")
    mine = state.boards.gather(1, seat[:, None])[:, 0]
    theirs = state.boards.gather(1, 1 - seat[:, None])[:, 0]
    return game, mine, theirs


def _drops(game: Connect, mine: Tensor, theirs: Tensor) -> Tensor:
    columns = torch.arange(game.columns, device=mine.device)
    return game.drop((mine | theirs)[:, None], columns[None])


class NetworkPlayer:
    """A network in a seat, without memory.

    Args:
        network: played as it is; freeze a copy first if it goes on learning.
        name: what it is called in tables.
        greedy: the most probable action, instead of a draw.
    """

    def __init__(self, network: DualStreamNetwork, name: str, *, greedy: bool = False) -> None:
        self.network, self.name, self.greedy = network, name, greedy
        self._state: Tensor | None = None

    @torch.no_grad()
    def act(self, game: AnyGame, state: State, seat: Tensor, generator: Generator) -> Tensor:
        """Think once per game; the state of rows that are not to move is left alone."""
        if self._state is None or len(self._state) != len(seat):
            self._state = self.network.initial_state(len(seat))
        thought: Thought = self.network(game.frame(state, seat), legal_of(state, seat), self._state)
        moving = state.to_move.gather(1, seat[:, None])
        self._state = torch.where(moving, thought.state, self._state)
        if self.greedy:
            return thought.log_probs.argmax(1)
        return sample(thought.log_probs, generator)

    def reset(self, mask: Tensor) -> None:
        """Zero the recurrent state of new games."""
        if self._state is not None:
            self._state = self._state * (~mask).float()[:, None]

    def state_dict(self) -> dict[str, Tensor]:
        """The carried states."""
        return {} if self._state is None else {"state": self._state}

    def load_state_dict(self, tensors: dict[str, Tensor]) -> None:
        """Take them up."""
        self._state = tensors["state"]


SCRIPTED = ("random", "connect/one_ply", "connect/negamax-N", "stubborn:SEED")


def make_scripted(name: str) -> Player:
    """Build a scripted player from its name.

    Raises:
        ValueError: for an unknown name, naming the known ones.
    """
    if name == Random.name:
        return Random()
    if name == OnePly.name:
        return OnePly()
    if match := re.fullmatch(r"connect/negamax-([1-9])", name):
        return Negamax(int(match[1]))
    if match := re.fullmatch(r"stubborn:(\d{1,9})", name):
        return Stubborn(int(match[1]))
    raise ValueError(f"unknown player {name!r}: known are {', '.join(SCRIPTED)}, agent, agent:DIR")


def make_player(name: str, device: torch.device | str = "cpu") -> Player:
    """Build any player: a scripted one, `agent` (the shipped network), or `agent:DIR`.

    Networks play greedily and without memory.

    Raises:
        ValueError: for an unknown name, or a network that cannot be read.
    """
    if name == "agent" or name.startswith("agent:"):
        directory = Path(name[6:]) if name != "agent" else PRETRAINED
        return NetworkPlayer(load_network(directory, device), name, greedy=True)
    return make_scripted(name)
