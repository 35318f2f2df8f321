"""Matches: two players, many games side by side, both seats equally, varied openings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from envs import Game, State
from selfplay.metrics import Mean, Score
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
        points: the sum of its rewards in a game: in volley, points won minus points lost.
    """

    seats: tuple[str, str]
    total: Score
    first_seat: Score
    points: Mean


def play_match(
    game: Game[Any],
    players: tuple[Player, Player],
    num_games: int,
    generator: Generator,
    tell: Callable[[int], None] = lambda _: None,
) -> MatchResult:
    """Play `num_games` (even) games.

    Game 2k and game 2k + 1 start from the same opening with the seats swapped, and the rules draw
    the same chance in both, so that the match is fair to both players: whoever meets a player that
    does just the same has an even score. Openings are 0 to 4 random plies; games in which both
    move at once start as they are drawn. A game is won by who is paid more in all of it.

    Args:
        game: the rules.
        players: who meets whom.
        num_games: at least 2.
        generator: chance of openings, rules, and players.
        tell: hears how many games are over.

    Raises:
        ValueError: unless `num_games` is even and at least 2.
    """
    if num_games < 2 or num_games % 2:
        raise ValueError(f"the number of games must be even and at least 2, not {num_games}")
    half = num_games // 2
    openings = _openings(game, half, generator)
    seed = int(torch.randint(2**31, (), generator=generator, device=game.device))
    results = []
    for seat in (0, 1):
        chance = Generator(game.device).manual_seed(seed)
        total = torch.zeros(half, device=game.device)
        for state, rewards in play_ticks(game, openings, players, seat, generator, chance):
            total += rewards
            tell(half * seat + int(state.ended.sum()))
        results.append(total)
    everything = torch.cat(results)
    return MatchResult(
        seats=(players[0].name, players[1].name),
        total=tally(everything),
        first_seat=tally(results[0]),
        points=Mean.of(everything.tolist()),
    )


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
    total = torch.zeros(state.num_games, device=game.device)
    for _, rewards in play_ticks(game, state, players, seat, generator, generator):
        total += rewards
    return total


def play_ticks(
    game: Game[Any],
    state: State,
    players: tuple[Player, Player],
    seat: int,
    generator: Generator,
    chance: Generator,
) -> Iterator[tuple[State, Tensor]]:
    """Play every game to its end, tick by tick, with the first player at `seat`.

    Args:
        game: the rules.
        state: B games.
        players: who meets whom.
        seat: 0 or 1.
        generator: chance of the players.
        chance: chance of the rules.

    Yields:
        The state after a tick, and the (B,) rewards of the first player in it.
    """
    everyone = torch.ones(state.num_games, dtype=torch.bool, device=game.device)
    for player in players:
        player.reset(everyone)
    own = torch.full((state.num_games,), seat, dtype=torch.int64, device=game.device)
    while not bool(state.ended.all()):
        actions = torch.zeros(state.num_games, 2, dtype=torch.int64, device=game.device)
        for player, where in zip(players, (own, 1 - own), strict=True):
            if bool(state.to_move.gather(1, where[:, None]).any()):
                chosen = player.act(game, state, where, generator)
                actions.scatter_(1, where[:, None], chosen[:, None])
        state = game.step(state, actions, chance)
        yield state, state.rewards[:, seat]


def tally(results: Tensor) -> Score:
    """Count (B,) results."""
    wins, losses = int((results > 0).sum()), int((results < 0).sum())
    return Score(wins, len(results) - wins - losses, losses)
