"""Arenas: batched games as streams of decisions for one learner.

In a mirror arena both seats learn; in a versus arena one seat learns and a player holds the other.
Several arenas side by side make one stream. Nothing here updates a network.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from envs import FRAME_SHAPE, NUM_ACTIONS, Game, State, merge, put, take
from lifelong_agent.experience import Observation, Outcome
from selfplay.seats import Player, choose, legal_of

AnyGame = Game[Any]


def random_positions(
    game: AnyGame, num: int, max_plies: int, midgame_share: float, generator: Generator
) -> State:
    """Unfinished positions after random legal play.

    Args:
        game: a turn-based game.
        num: how many.
        max_plies: the deepest position.
        midgame_share: share of positions that are 2 to `max_plies` plies deep; the others are
            the start, or one ply deep, in equal parts.
        generator: chance.

    Returns:
        A state with `num` rows, none of them ended.
    """
    start = torch.randint(0, 2, (num,), generator=generator, device=game.device)
    deep = torch.randint(2, max_plies + 1, (num,), generator=generator, device=game.device)
    is_deep = torch.rand(num, generator=generator, device=game.device) < midgame_share
    plies = torch.where(is_deep, deep, start)
    state: State = game.init(num, generator)
    for ply in range(max_plies):
        weights = state.legal_actions.flatten(0, 1).float()
        actions = choose(weights, generator).view(num, 2)
        following = game.step(state, actions, generator)
        state = merge((plies > ply) & ~following.ended, following, state)
    return state


@dataclass
class Tally:
    """Results of finished games from the learner's view: wins, draws, losses."""

    wins: int = 0
    draws: int = 0
    losses: int = 0

    def add(self, results: Tensor) -> None:
        """Count (N,) results of 1, 0, -1."""
        self.wins += int((results > 0).sum())
        self.losses += int((results < 0).sum())
        self.draws += int((results == 0).sum())

    @property
    def games(self) -> int:
        """How many."""
        return self.wins + self.draws + self.losses

    @property
    def score(self) -> float:
        """(wins + draws / 2) / games; 0.5 without games."""
        return (self.wins + self.draws / 2) / self.games if self.games else 0.5


class Arena:
    """B turn-based games with the learner to move in every one of them.

    Args:
        game: the rules.
        num_games: B.
        opponent: who holds the other seat; None for a mirror game, where the learner holds both.
        openings: unfinished positions from which new games start.
        generator: chance.
    """

    def __init__(
        self,
        game: AnyGame,
        num_games: int,
        opponent: Player | None,
        openings: State,
        generator: Generator,
    ) -> None:
        self.game, self.num_rows, self.opponent = game, num_games, opponent
        self.openings, self.generator = openings, generator
        self.mirror_actions = game.mirror_actions
        self.tally = Tally()
        self.flipped = torch.zeros(num_games, dtype=torch.bool, device=game.device)
        self.state: State = take(openings, self._draw_openings())
        everywhere = torch.ones_like(self.flipped)
        self._flip(everywhere)
        self.seat = self.state.to_move[:, 1].long()
        if opponent is not None:
            opponent.reset(everywhere)

    def _draw_openings(self) -> Tensor:
        return torch.randint(
            self.openings.num_games,
            (self.num_rows,),
            generator=self.generator,
            device=self.game.device,
        )

    def _flip(self, mask: Tensor) -> None:
        """Draw anew which of the masked rows are shown left-right mirrored."""
        if self.mirror_actions is not None:
            coin = torch.rand(self.num_rows, generator=self.generator, device=mask.device) < 0.5
            self.flipped = torch.where(mask, coin, self.flipped)

    def observe(self) -> Observation:
        """What the seat to move sees in every game."""
        frames = self.game.frame(self.state, self.seat)
        legal = legal_of(self.state, self.seat)
        if self.mirror_actions is not None:
            rows = self.flipped.nonzero()[:, 0]
            frames[rows] = self.game.mirror_frames(frames[rows])
            legal = torch.where(self.flipped[:, None], legal[:, self.mirror_actions], legal)
        return Observation(frames, legal, self.seat)

    def advance(self, actions: Tensor) -> Outcome:
        """Take the learner's actions, let the opponent answer, start new games."""
        if self.mirror_actions is not None:
            actions = torch.where(self.flipped, self.mirror_actions[actions], actions)
        mover = self.seat
        reward = self._step(mover, actions)
        if self.opponent is None:
            self.seat = 1 - mover
            sign = -torch.ones_like(reward)
        else:
            other = 1 - mover
            reply = self.opponent.act(self.game, self.state, other, self.generator)
            reward = reward - self._step(other, reply)
            sign = torch.ones_like(reward)
        ended = self.state.ended
        self._restart(ended, reward)
        return Outcome(reward, ended, sign)

    def _step(self, seat: Tensor, actions: Tensor) -> Tensor:
        """Play (B,) actions of `seat`; its (B,) reward."""
        both = torch.stack([actions, actions], 1)
        self.state = self.game.step(self.state, both, self.generator)
        return self.state.rewards.gather(1, seat[:, None])[:, 0]

    def _restart(self, ended: Tensor, reward: Tensor) -> None:
        rows = ended.nonzero()[:, 0]
        if not len(rows):
            return
        self.tally.add(reward[rows])
        fresh = take(self.openings, self._draw_openings()[rows])
        self.state = put(self.state, rows, fresh)
        self.seat = self.seat.index_copy(0, rows, fresh.to_move[:, 1].long())
        self._flip(ended)
        if self.opponent is not None:
            self.opponent.reset(ended)

    def state_dict(self) -> dict[str, Any]:
        """The games as they stand; chance and openings belong to the caller."""
        games = {f.name: getattr(self.state, f.name) for f in dataclasses.fields(self.state)}
        opponent: dict[str, Tensor] = getattr(self.opponent, "state_dict", dict)()
        tally = torch.tensor(dataclasses.astuple(self.tally))
        tensors = {"games": games, "flipped": self.flipped, "seat": self.seat, "tally": tally}
        return tensors | ({"opponent": opponent} if opponent else {})

    def load_state_dict(self, tensors: dict[str, Any]) -> None:
        """Take up the games where they were."""
        self.state = type(self.state)(**tensors["games"])
        self.flipped, self.seat = tensors["flipped"], tensors["seat"]
        self.tally = Tally(*tensors["tally"].tolist())
        if "opponent" in tensors:
            self.opponent.load_state_dict(tensors["opponent"])  # type: ignore[union-attr]


class Arenas:
    """Several arenas as one stream (see `lifelong_agent.experience.Stream`)."""

    obs_shape = FRAME_SHAPE
    num_actions = NUM_ACTIONS

    def __init__(self, arenas: list[Arena]) -> None:
        self.arenas = arenas
        self.num_rows = sum(arena.num_rows for arena in arenas)

    def observe(self) -> Observation:
        """All arenas' observations, one after another."""
        parts = [arena.observe() for arena in self.arenas]
        return Observation(
            torch.cat([p.frames for p in parts]),
            torch.cat([p.legal_actions for p in parts]),
            torch.cat([p.seat for p in parts]),
        )

    def advance(self, actions: Tensor) -> Outcome:
        """Hand every arena its actions."""
        sizes = [arena.num_rows for arena in self.arenas]
        shares = torch.split(actions, sizes)
        parts = [arena.advance(a) for arena, a in zip(self.arenas, shares, strict=True)]
        return Outcome(
            torch.cat([p.reward for p in parts]),
            torch.cat([p.ended for p in parts]),
            torch.cat([p.sign for p in parts]),
        )
