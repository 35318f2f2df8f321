"""Scripted players of four in a row: a ladder of exhaustive search, and fixed habits."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from envs import State
from envs.connect import Connect, ConnectState
from selfplay.seats import AnyGame, Stateless, choose


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


class ConnectStubborn(Stateless):
    """`stubborn:SEED` for connect: deterministic, with one fixed habit.

    It looks 1 to 6 plies ahead (seed modulo 6, plus 1) and, among equals, always prefers
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
