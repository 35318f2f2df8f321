"""Looking ahead in light cycles: who reaches more of the arena first.

Territory is found by two floods over rows of bits, for all games at once. The search reads the
rules' own boards, so fog does not blind it, and takes trails for everlasting.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from envs import Game, State, runs_ahead
from envs.tron import Tron, TronState
from envs.tron_screen import CELLS, SIDE, pack, turn
from envs.tron_tables import MOVES, interior

NUM_MOVES = len(MOVES)
CRASH = 10_000  # more than any territory
DRAW = -100  # so many cells behind, a draw is welcome: sooner would be faint-hearted
FLOOD_STEPS = 8  # between two looks whether the floods still move
UNASKED_STEPS = 96  # of a flood that nobody looks at; few go farther


@dataclass(frozen=True)
class Position:
    """Boards from one seat's own view.

    Attributes:
        free: (N, 32) int32 rows of the cells that do not block.
        me: (N,) int64, the cell of the own head.
        them: (N,) int64, the cell of the other's.
    """

    free: Tensor
    me: Tensor
    them: Tensor


@cache
def _inside(device: torch.device) -> Tensor:
    """(32,) int32 rows of all cells but the fence."""
    return pack(interior()).to(device)


def position_of(game: Game[Any], state: State, seat: Tensor) -> tuple[Tron, TronState, Position]:
    """Game, state, and the boards as `seat` ((B,) int64) would see them without fog.

    On boards of ended games nothing is free, so that no time is spent on them.

    Raises:
        ValueError: unless it is a game of `tron`.
    """
    if not isinstance(game, Tron) or not isinstance(state, TronState):
        raise ValueError(f"this player knows tron, not {game.variant}")
    rows = torch.arange(len(seat), device=seat.device)
    own, other = state.trails[rows, seat], state.trails[rows, 1 - seat]
    return (
        game,
        state,
        Position(
            free=(_inside(seat.device) & ~(own | turn(other) | state.walls))
            * ~state.ended[:, None],
            me=state.heads[rows, seat],
            them=CELLS - 1 - state.heads[rows, 1 - seat],
        ),
    )


def only(cells: Tensor) -> Tensor:
    """(N, 32) int32 rows in which just (N,) `cells` are set."""
    rows = torch.arange(SIDE, device=cells.device) == (cells >> 5)[:, None]
    return (rows << (cells & SIDE - 1)[:, None]).to(torch.int32)


def is_set(rows: Tensor, cells: Tensor) -> Tensor:
    """(N, K) bool: whether (N, K) `cells` are set in (N, 32) `rows`."""
    return (rows.gather(1, cells >> 5) >> (cells & SIDE - 1).to(torch.int32) & 1).bool()


def count(rows: Tensor) -> Tensor:
    """(..., N) int64 set cells of (..., 32, N) int32 rows whose last column is empty."""
    pairs = rows - (rows >> 1 & 0x55555555)
    fours = (pairs & 0x33333333) + (pairs >> 2 & 0x33333333)
    bytes_ = fours + (fours >> 4) & 0x0F0F0F0F
    return (bytes_ * 0x01010101 >> 24).sum(-2)


def grow(rows: Tensor, wrap: bool) -> Tensor:
    """(..., 32, N) int32: the cells beside those that are set, blocked or not.

    A shift by a number costs three times as much as one by a tensor, or as an addition.
    """
    one = rows.new_ones(())
    beside = rows + rows
    beside |= torch.bitwise_right_shift(rows, one)
    beside[..., 1:, :] |= rows[..., :-1, :]
    beside[..., :-1, :] |= rows[..., 1:, :]
    if wrap:
        beside |= rows >> SIDE - 3 & 2 | (rows & 2) << SIDE - 3
        beside[..., 1, :] |= rows[..., SIDE - 2, :]
        beside[..., SIDE - 2, :] |= rows[..., 1, :]
    return beside


def territory(position: Position, wrap: bool) -> Tensor:
    """(N,) int64: cells that I reach before them, less those that they reach before me."""
    heads = torch.stack((only(position.me).T, only(position.them).T)).contiguous()
    open_cells = position.free.T.contiguous() & ~(heads[0] | heads[1])
    held = count(flood(heads, heads, open_cells, wrap))
    return held[0] - held[1]


def flood(held: Tensor, front: Tensor, open_cells: Tensor, wrap: bool) -> Tensor:
    """Let both fronts advance until nothing moves; cells that both reach at once stop them.

    Both are in one tensor, so that a step takes few operations; boards on which nothing moves any
    more are left behind once they are half of all.

    Args:
        held: (2, 32, N) int32 rows, what either holds.
        front: (2, 32, N) int32 rows, what they took last.
        open_cells: (32, N) int32 rows, what can still be taken.
        wrap: whether the edges join.

    Returns:
        (2, 32, N) int32 rows, what either holds in the end.
    """
    ahead = runs_ahead(held.device)
    for _ in range(UNASKED_STEPS if ahead else FLOOD_STEPS):
        reach = grow(front, wrap) & open_cells
        open_cells = open_cells ^ (reach[0] | reach[1])
        front = reach ^ (reach[0] & reach[1])
        held = held | front
    if ahead:
        return held
    moving = (front.amax((0, 1)) > 0).nonzero()[:, 0]
    if 2 * len(moving) > held.shape[-1]:
        return flood(held, front, open_cells, wrap)
    if len(moving):
        rest = [rows.index_select(-1, moving) for rows in (held, front, open_cells)]
        held.index_copy_(-1, moving, flood(rest[0], rest[1], rest[2], wrap))
    return held


def look_ahead(game: Tron, position: Position, plies: int) -> Tensor:
    """Score my four moves by territory, some plies ahead.

    One ply is my move alone, though a cell that they could enter too is no better than a draw. Two
    plies are a tick; of their replies that do not crash, the worst and the average count alike.

    Args:
        game: the rules.
        position: N boards.
        plies: at least 1.

    Returns:
        (N, 4) float32: cells; beyond `CRASH` where one crashes alone, the sooner the farther.
    """
    mine, theirs = targets_of(game, position.me), targets_of(game, position.them)
    my_way, their_way = is_set(position.free, mine), is_set(position.free, theirs)
    if plies == 1:
        return _alone(game, position, mine, my_way, theirs)
    meet = mine[:, :, None] == theirs[:, None]
    i_crash, they_crash = ~my_way[:, :, None], ~their_way[:, None]
    scores = (they_crash.float() - i_crash.float()) * (CRASH + plies)
    scores = scores.masked_fill(i_crash & they_crash | meet & my_way[:, :, None], DRAW)
    goes_on = ~i_crash & ~they_crash & ~meet
    rows, moves, replies = _places(goes_on)
    me, them = mine[rows, moves], theirs[rows, replies]
    after = Position(position.free[rows] & ~(only(me) | only(them)), me, them)
    found = scores.clone()
    if plies == 2:
        found[rows, moves, replies] = territory(after, is_wrapped(game)).float()
    elif len(rows):
        found[rows, moves, replies] = look_ahead(game, after, plies - 2).amax(1)
    scores = torch.where(goes_on, found, scores)
    sane = (their_way | ~their_way.any(1, keepdim=True))[:, None].float()
    average = (scores * sane).sum(2) / sane.sum(2)
    return (scores.amin(2) + average) / 2


def _alone(game: Tron, position: Position, mine: Tensor, my_way: Tensor, theirs: Tensor) -> Tensor:
    """(N, 4) float32: territory after each of my moves while they stand still."""
    rows, moves = _places(my_way)
    me = mine[rows, moves]
    after = Position(position.free[rows] & ~only(me), me, position.them[rows])
    held = territory(after, is_wrapped(game)).float()
    may_meet = (me[:, None] == theirs[rows]).any(1)
    scores = torch.full(mine.shape, -float(CRASH), device=mine.device)
    scores[rows, moves] = torch.where(may_meet, held.clamp(max=DRAW), held)
    return scores.masked_fill(~my_way, -CRASH)


def _places(ways: Tensor) -> tuple[Tensor, ...]:
    """Indices of what is True, one tensor for each axis; of all, where the host runs ahead."""
    if not runs_ahead(ways.device):
        return ways.nonzero(as_tuple=True)
    rest, places = torch.arange(ways.numel(), device=ways.device), []
    for size in reversed(ways.shape):  # `unravel_index` would send the shape along
        places.append(rest % size)
        rest = rest // size
    return tuple(reversed(places))


def is_wrapped(game: Tron) -> bool:
    """Whether the edges join."""
    return "wrap" in game.modifiers


def targets_of(game: Tron, cells: Tensor) -> Tensor:
    """(..., 4) int64: where the moves lead from `cells`."""
    table: Tensor = game.next_cells.view(-1, NUM_MOVES)
    return table[cells]
