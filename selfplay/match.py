"""Matches: two players, many games side by side, both seats equally, varied openings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from envs import Game, State, merge
from selfplay.metrics import Score
from selfplay.rollout import random_positions
from selfplay.seats import Player

OPENING_PLIES = 4


@dataclass(frozen=True)
class MatchResult:
    """A finished match.

    Attributes:
        seats: names of the first and second player.
        total: results of the first player.
        first_seat: its results in the games where it sat at seat 0.
    """

    seats: tuple[str, str]
    total: Score
    first_seat: Score


def play_match(
    game: Game[Any],
    players: tuple[Player, Player],
    num_games: int,
    generator: Generator,
    tell: Callable[[int], None] = lambda _: None,
) -> MatchResult:
    """Play `num_games` (even) games.

    Game 2k and game 2k + 1 start from the same opening of 0 to 4 random plies with the seats
    swapped, so that the match is fair to both.

    Raises:
        ValueError: unless `num_games` is even and at least 2.
    """
    if num_games < 2 or num_games % 2:
        raise ValueError(f"the number of games must be even and at least 2, not {num_games}")
    half = num_games // 2
    openings = _openings(game, half, generator)
    scores = []
    for seat in (0, 1):
        results = play_out(game, openings, players, seat, generator)
        scores.append(tally(results))
        tell(half * (seat + 1))
    first, second = scores
    total = Score(
        first.wins + second.wins, first.draws + second.draws, first.losses + second.losses
    )
    return MatchResult((players[0].name, players[1].name), total, first)


def _openings(game: Game[Any], num: int, generator: Generator) -> State:
    if game.simultaneous:
        state: State = game.init(num, generator)
        return state
    return random_positions(game, num, OPENING_PLIES, 0.6, generator)


def play_out(
    game: Game[Any],
    state: State,
    players: tuple[Player, Player],
    seat: int,
    generator: Generator,
) -> Tensor:
    """Play every game to its end with the first player at `seat`.

    Returns:
        (B,) float32 results of the first player: the sum of its rewards.
    """
    everyone = torch.ones(state.num_games, dtype=torch.bool, device=game.device)
    for player in players:
        player.reset(everyone)
    own = torch.full((state.num_games,), seat, dtype=torch.int64, device=game.device)
    total = torch.zeros(state.num_games, device=game.device)
    while not bool(state.ended.all()):
        actions = torch.zeros(state.num_games, 2, dtype=torch.int64, device=game.device)
        for player, where in zip(players, (own, 1 - own), strict=True):
            if bool(state.to_move.gather(1, where[:, None]).any()):
                chosen = player.act(game, state, where, generator)
                actions.scatter_(1, where[:, None], chosen[:, None])
        following = game.step(state, actions, generator)
        total += following.rewards[:, seat]
        state = merge(state.ended, state, following)
    return total


def tally(results: Tensor) -> Score:
    """Count (B,) results."""
    wins, losses = int((results > 0).sum()), int((results < 0).sum())
    return Score(wins, len(results) - wins - losses, losses)
