"""Arenas: batched games of one kind as decisions for one learner.

In a mirror arena both seats learn; in a versus arena one seat learns and a player holds the other.
Nothing here updates a network.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor

from envs import Game, State, concatenate, legal_of, merge, put, runs_ahead, take
from lifelong_agent.experience import Observation, Outcome
from selfplay.seats import Player

AnyGame = Game[Any]


class Tally:
    """Results of finished games from the learner's view.

    Attributes:
        counts: (3,) int64 of losses, draws and wins, where the games are.
    """

    def __init__(self, device: torch.device) -> None:
        self.counts = torch.zeros(3, dtype=torch.int64, device=device)

    def add(self, results: Tensor, ended: Tensor) -> None:
        """Count the (N,) results of games that have `ended` ((N,) bool) by their sign."""
        kinds = results.sign()[:, None] == torch.arange(-1, 2, device=results.device)
        self.counts = self.counts + (kinds & ended[:, None]).sum(0)

    def clear(self) -> None:
        """Begin anew."""
        self.counts.zero_()

    @property
    def games(self) -> int:
        """How many."""
        return int(self.counts.sum())

    @property
    def score(self) -> float:
        """(wins + draws / 2) / games; 0.5 without games."""
        losses, draws, wins = self.counts.tolist()
        games = losses + draws + wins
        return (wins + draws / 2) / games if games else 0.5


class Arena(ABC):
    """B games, and in each of `num_rows` rows a decision of the learner that is due.

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
        self.game, self.num_games, self.opponent = game, num_games, opponent
        self.openings, self.generator = openings, generator
        self.mirror_actions = game.mirror_actions
        self.tally = Tally(game.device)
        self.num_rows = num_games * self.rows_per_game
        self.flipped = torch.zeros(self.num_rows, dtype=torch.bool, device=game.device)
        self.state: State = take(openings, self._draw_openings())
        everywhere = torch.ones(num_games, dtype=torch.bool, device=game.device)
        self._flip(everywhere)
        self.seat = self._first_seats(self.state)
        self.paid = torch.zeros(num_games, device=game.device)
        if opponent is not None:
            opponent.reset(everywhere)

    @property
    def rows_per_game(self) -> int:
        """Decisions of the learner that are due at once in one game."""
        return 1

    @abstractmethod
    def _first_seats(self, fresh: State) -> Tensor:
        """(N,) int64 seats of the learner in N new games."""

    @abstractmethod
    def advance(self, actions: Tensor) -> Outcome:
        """Take the learner's (num_rows,) actions, let the opponent answer, start new games."""

    def observe(self) -> Observation:
        """What the learner sees where it is to decide."""
        return observe([self])

    @property
    def _seats(self) -> tuple[Tensor, ...]:
        """The learner's seats, (B,) each, in the order of the rows."""
        return (self.seat,)

    def decisions(self) -> tuple[State, Tensor]:
        """The position behind every row, and the (num_rows,) seats that decide."""
        copies = [self.state] * self.rows_per_game
        return (copies[0] if len(copies) == 1 else concatenate(copies)), torch.cat(self._seats)

    def _draw_openings(self) -> Tensor:
        return torch.randint(
            self.openings.num_games,
            (self.num_games,),
            generator=self.generator,
            device=self.game.device,
        )

    def _flip(self, mask: Tensor) -> None:
        """Draw anew which rows of the masked games are shown left-right mirrored."""
        if self.mirror_actions is not None:
            mask = mask.repeat(self.rows_per_game)
            coin = torch.rand(self.num_rows, generator=self.generator, device=mask.device) < 0.5
            self.flipped = torch.where(mask, coin, self.flipped)

    def _unflip(self, actions: Tensor) -> Tensor:
        """What (num_rows,) actions are called in the game itself."""
        if self.mirror_actions is None:
            return actions
        return torch.where(self.flipped, self.mirror_actions[actions], actions)

    def _step(self, actions: Tensor, seat: Tensor) -> Tensor:
        """Play (B, 2) actions; what they pay `seat`, (B,)."""
        self.state = self.game.step(self.state, actions, self.generator)
        return self.state.rewards.gather(1, seat[:, None])[:, 0]

    def _restart(self, ended: Tensor) -> None:
        """New games where `ended`; the old ones' results are counted."""
        ahead = runs_ahead(ended.device)
        if not ahead and not bool(ended.any()):
            return
        self.tally.add(self.paid, ended)
        self.paid = self.paid.masked_fill(ended, 0)
        if ahead:
            fresh = take(self.openings, self._draw_openings())
            self.state = merge(ended, fresh, self.state)
            self.seat = torch.where(ended, self._first_seats(fresh), self.seat)
        else:
            rows = ended.nonzero()[:, 0]
            fresh = take(self.openings, self._draw_openings()[rows])
            self.state = put(self.state, rows, fresh)
            self.seat = self.seat.index_copy(0, rows, self._first_seats(fresh))
        self._flip(ended)
        if self.opponent is not None:
            self.opponent.reset(ended)

    def state_dict(self) -> dict[str, Any]:
        """The games as they stand; chance and openings belong to the caller."""
        games = {f.name: getattr(self.state, f.name) for f in dataclasses.fields(self.state)}
        opponent: dict[str, Tensor] = getattr(self.opponent, "state_dict", dict)()
        tensors = {
            "games": games, "flipped": self.flipped, "seat": self.seat,
            "tally": self.tally.counts, "paid": self.paid,
        }  # fmt: skip
        return tensors | ({"opponent": opponent} if opponent else {})

    def load_state_dict(self, tensors: dict[str, Any]) -> None:
        """Take up the games where they were."""
        self.state = type(self.state)(**tensors["games"])
        self.flipped, self.seat, self.paid = tensors["flipped"], tensors["seat"], tensors["paid"]
        self.tally.counts = tensors["tally"]
        if "opponent" in tensors:
            self.opponent.load_state_dict(tensors["opponent"])  # type: ignore[union-attr]


class TurnArena(Arena):
    """Turn-based games, with the learner to move in every one of them.

    What the clock ends (`connect:popout`) is a draw: nothing is expected beyond it. In a mirror
    arena `seat` is who is to move and changes with every decision.
    """

    def _first_seats(self, fresh: State) -> Tensor:
        return fresh.to_move[:, 1].long()

    def advance(self, actions: Tensor) -> Outcome:
        """Play, let the opponent answer, start new games."""
        mover = self.seat
        actions = self._unflip(actions)
        reward = self._step(torch.stack([actions, actions], 1), mover)
        self.paid = reward
        if self.opponent is None:
            self.seat = 1 - mover
            sign = -torch.ones_like(reward)
        else:
            reply = self.opponent.act(self.game, self.state, 1 - mover, self.generator)
            reward = reward + self._step(torch.stack([reply, reply], 1), mover)
            self.paid = reward
            sign = torch.ones_like(reward)
        ended = self.state.ended
        self._restart(ended)
        return Outcome(reward, ended, sign)


class TickArena(Arena):
    """Simultaneous games: the learner acts in every tick.

    A mirror arena has two rows for each game: first one seat in all games, then the other. `seat`
    is that of the first rows. Rewards within a match (points) do not end the episode.
    """

    @property
    def rows_per_game(self) -> int:
        """Two in a mirror game."""
        return 2 if self.opponent is None else 1

    def _first_seats(self, fresh: State) -> Tensor:
        if self.opponent is None:
            return torch.zeros(fresh.num_games, dtype=torch.int64, device=fresh.device)
        return torch.randint(
            0, 2, (fresh.num_games,), generator=self.generator, device=fresh.device
        )

    @property
    def _seats(self) -> tuple[Tensor, ...]:
        return (self.seat, 1 - self.seat) if self.opponent is None else (self.seat,)

    def advance(self, actions: Tensor) -> Outcome:
        """Play a tick at both seats, start new games."""
        own = self._unflip(actions).chunk(self.rows_per_game)
        if self.opponent is None:
            both = torch.stack(own, 1)
        else:
            reply = self.opponent.act(self.game, self.state, 1 - self.seat, self.generator)
            both = torch.stack([own[0], reply], 1)
        by_seat = both.gather(1, torch.stack([self.seat, 1 - self.seat], 1))
        first = self._step(by_seat, self.seat)
        self.paid = self.paid + first
        reward = torch.cat([first, -first]) if self.opponent is None else first
        ended, times = self.state.ended, self.rows_per_game
        sign = torch.ones_like(reward)
        if runs_ahead(ended.device):
            cut = self.state.truncated.repeat(times)
            self._restart(ended)
            return Outcome(reward, ended.repeat(times), sign, cut=cut)
        truncated = self._last_looks()
        self._restart(ended)
        return Outcome(reward, ended.repeat(times), sign, truncated)

    def _last_looks(self) -> tuple[Tensor, Observation] | None:
        """The rows that the clock has just ended, and what the learner sees there at last."""
        games = self.state.truncated.nonzero()[:, 0]
        if not len(games):
            return None
        rows = torch.cat([games + k * self.num_games for k in range(self.rows_per_game)])
        last = self.observe()
        return rows, Observation(last.frames[rows], last.legal_actions[rows], last.seat[rows])


def decisions(arenas: Sequence[Arena]) -> tuple[State, Tensor]:
    """The positions behind all rows of arenas of one game, and the (N,) seats that decide."""
    states, seats = zip(*[arena.decisions() for arena in arenas], strict=True)
    return (states[0] if len(states) == 1 else concatenate(states)), torch.cat(seats)


def as_shown(arenas: Sequence[Arena], said: Tensor) -> Tensor:
    """(N, A) of actions of the game, by the names that the learner is shown in all rows."""
    mirror_actions = arenas[0].mirror_actions
    if mirror_actions is None:
        return said
    flipped = torch.cat([arena.flipped for arena in arenas])
    return torch.where(flipped[:, None], said[:, mirror_actions], said)


def observe(arenas: Sequence[Arena]) -> Observation:
    """What the learner sees in arenas of one game, which are drawn together."""
    state, seat = decisions(arenas)
    frames = arenas[0].game.frame(state, seat)
    if arenas[0].mirror_actions is not None:
        flipped = torch.cat([arena.flipped for arena in arenas])
        frames = _mirrored(arenas[0].game, frames, flipped)
    return Observation(frames, as_shown(arenas, legal_of(state, seat)), seat)


def _mirrored(game: AnyGame, frames: Tensor, flipped: Tensor) -> Tensor:
    """(N, C, H, W) frames, left and right exchanged where (N,) `flipped`."""
    if runs_ahead(frames.device):
        return torch.where(flipped[:, None, None, None], game.mirror_frames(frames), frames)
    rows = flipped.nonzero()[:, 0]  # whole frames are moved, which indexing would do byte by byte
    both = torch.cat([frames, game.mirror_frames(frames.index_select(0, rows))])
    chosen = torch.arange(len(frames), device=frames.device)
    chosen[rows] = torch.arange(len(frames), len(both), device=frames.device)
    return both.index_select(0, chosen)


def join(parts: list[Observation]) -> Observation:
    """Observations one after another."""
    return Observation(
        torch.cat([p.frames for p in parts]),
        torch.cat([p.legal_actions for p in parts]),
        torch.cat([p.seat for p in parts]),
    )


def make_arena(
    game: AnyGame, num_games: int, opponent: Player | None, openings: State, generator: Generator
) -> Arena:
    """The arena for a kind of game; see `Arena` for the arguments."""
    kind = TickArena if game.simultaneous else TurnArena
    return kind(game, num_games, opponent, openings, generator)
