"""Lessons: while the network learns by itself, it is also told what a teacher would have done.

Teachers approve of actions: by search, or of what a scripted player does. The weight of their word
falls to nothing, so that the network may surpass them. They are asked in the learner's own
positions; nobody else's games are imitated.

Source: kickstarting, arXiv:1803.03835; on the learner's own positions: arXiv:1011.0686.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from envs import NUM_ACTIONS, State
from lifelong_agent.experience import Outcome, Rollout, Stream
from lifelong_agent.ppo import LifelongPPO
from selfplay.connect_players import ILLEGAL, look_ahead, seen_by
from selfplay.rollout import Arenas
from selfplay.seats import AnyGame, Player
from selfplay.tron_players import Outlook
from selfplay.tron_search import look_ahead as look_ahead_in_tron
from selfplay.volley_players import tracker

Teacher = Callable[[AnyGame, State, Tensor], Tensor]
"""Game, state, (B,) seats to (B, A) bool: the actions it approves of, all where it has no say."""

PLIES, SPARE_CELLS = 4, 8


def judge_connect(plies: int) -> Teacher:
    """Approve of the moves that keep the best outcome (win, unclear, loss) that search can see."""

    def teach(game: AnyGame, state: State, seat: Tensor) -> Tensor:
        known, position = seen_by(game, state, seat)
        scores = look_ahead(known, position, plies)
        outcome = scores.sign().masked_fill(scores == ILLEGAL, -2)
        return outcome == outcome.amax(1, keepdim=True)

    return teach


def judge_tron(game: AnyGame, state: State, seat: Tensor) -> Tensor:
    """The moves that, two plies on, hold nearly as many cells as the best (8 fewer at most)."""
    outlook = Outlook.of(game, state, seat)
    cells = look_ahead_in_tron(outlook.game, outlook.position, 2).double()
    cells = cells.masked_fill(~outlook.legal, -torch.inf)
    good = cells >= cells.amax(1, keepdim=True) - SPARE_CELLS
    return F.pad(good, (0, NUM_ACTIONS - good.shape[1]))


def imitate(player: Player) -> Teacher:
    """Approve of what `player` does."""

    def teach(game: AnyGame, state: State, seat: Tensor) -> Tensor:
        chance = Generator(seat.device).manual_seed(0)  # the same whenever a run is resumed
        return F.one_hot(player.act(game, state, seat, chance), NUM_ACTIONS).bool()

    return teach


def approve_all(game: AnyGame, state: State, seat: Tensor) -> Tensor:
    """No lesson: (B, A) True."""
    return torch.ones(len(seat), NUM_ACTIONS, dtype=torch.bool, device=seat.device)


TEACHERS: dict[str, Teacher] = {
    "connect": judge_connect(PLIES),
    "tron": judge_tron,
    "volley": imitate(tracker()),
}


def approval(log_probs: Tensor, approved: Tensor) -> Tensor:
    """Log of the probability of doing what is approved of: log sum_{a in approved} pi(a).

    Args:
        log_probs: (..., A) float.
        approved: (..., A) bool, at least one action in each row.

    Returns:
        (...) float, at most 0.
    """
    return log_probs.masked_fill(~approved, -1e9).logsumexp(-1)


def lesson_loss(log_probs: Tensor, approved: Tensor) -> Tensor:
    """Mean over rows of -`approval`: L = mean_i [ -log sum_{a in approved_i} pi(a | i) ]."""
    return -approval(log_probs, approved).mean()


class TaughtPPO(LifelongPPO):
    """PPO over `Arenas` whose loss has the word of teachers in it.

    Args:
        lessons: decisions in which the weight of the teachers' word falls linearly from 1,
        floor: to this; where it is 0 nobody is asked any more.
        taught: names of the games that are taught; all that have a teacher if left out.
    """

    approved: Tensor
    recordable = False  # the weight of their word falls

    def __init__(
        self,
        *args: Any,
        lessons: int,
        floor: float = 0.0,
        taught: tuple[str, ...] = tuple(TEACHERS),
        **kwargs: Any,
    ) -> None:
        self.lessons, self.floor = lessons, floor
        self.teachers = {
            name: teacher if name in taught else approve_all for name, teacher in TEACHERS.items()
        }
        super().__init__(*args, **kwargs)

    @property
    def lesson_weight(self) -> float:
        """From 1 to the floor."""
        return max(self.floor, 1 - self.num_timesteps / self.lessons)

    def _decide(self, t: int, stream: Stream, rollout: Rollout) -> Outcome:
        if self.lesson_weight:
            assert isinstance(stream, Arenas)
            if t == 0:
                self.approved = torch.zeros_like(rollout.legal_actions)
            self.approved[t] = stream.ask(self.teachers)
        return super()._decide(t, stream, rollout)

    def _more_losses(
        self, log_probs: Tensor, rows: Tensor, *beside: tuple[Tensor, Tensor]
    ) -> dict[str, Tensor]:
        if not self.lesson_weight:
            return {}
        lesson = lesson_loss(log_probs, self.approved[:, rows])
        return {"lesson_loss": self.lesson_weight * lesson}
