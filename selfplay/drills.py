"""Drills: moves practised on positions out of the agent's own games.

Where the teacher of a game (see `lessons`) disapproves of some moves, the network learns the
others; everywhere else it is held to what it was, so that strategy is not traded for tactics. So
are the games that it knows and does not practise. What comes out plays without search.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn

import envs
from lifelong_agent.policy import DualStreamNetwork, Thought, sample
from selfplay.arena import Arena, make_arena
from selfplay.lessons import TEACHERS, approval, judge_connect
from selfplay.players import make_scripted
from selfplay.rollout import Arenas, random_positions
from selfplay.seats import Player

OPPONENTS = {
    "connect": ("connect/one_ply", "connect/negamax-2", "random"),
    "tron": ("tron/wall_hugger", "tron/voronoi", "random"),
    "volley": ("volley/tracker", "volley/predictor", "random"),
}


@dataclass(frozen=True)
class DrillConfig:
    """How to practise.

    Attributes:
        plies: depth of the search that judges moves in `connect`.
        num_games: decisions at a time, shared out evenly among the practised games; in each in
            equal parts mirror games and each of `OPPONENTS`.
        games: what is practised.
        known: games that the network knew before: it is held to what it was in them, also in
            mirror games of those that are not practised, half as many decisions as in the others.
        learning_rate: at the start; falls linearly to a twentieth.
        averaging: share of the average of weights that is kept from step to step.
        anchor: weight of KL(before || now) where the teacher has no say.
        precision: arithmetic of the ventral stream while learning.
    """

    plies: int = 4
    num_games: int = 256
    games: tuple[str, ...] = ("connect",)
    known: tuple[str, ...] = ("connect",)
    learning_rate: float = 4e-4
    averaging: float = 0.995
    anchor: float = 1.0
    precision: str = "float32"


def drill_loss(
    thought: Thought, before: Thought, keep: Tensor, matters: Tensor, anchors: Tensor
) -> Tensor:
    """-log of the probability of the approved moves where that matters, else the anchor.

    L = mean_i [ -log sum_{a in keep_i} pi(a | i)   if matters_i
                 anchors_i * KL(before_i || now_i)  otherwise ]
        + mean_i [ anchors_i * (V_i - V_before_i)^2 ] / 2

    Args:
        thought: N decisions of the network that learns.
        before: the same of the network as it was.
        keep: (N, A) bool, moves that the teacher approves of.
        matters: (N,) bool, it disapproves of some.
        anchors: (N,) float, weights of being held to what was; 0 in games that are new.
    """
    kept = approval(thought.log_probs, keep)
    divergence = (before.log_probs.exp() * (before.log_probs - thought.log_probs)).sum(1)
    policy = torch.where(matters, -kept, anchors * divergence).mean()
    return policy + 0.5 * (anchors * (thought.value - before.value).square()).mean()


class Drill:
    """Games that go on while the network that plays them practises.

    Args:
        network: is trained in place; keep a copy.
        config: how.
        seed: of all chance.
    """

    def __init__(self, network: DualStreamNetwork, config: DrillConfig, seed: int = 0) -> None:
        self.config, self.network = config, network
        self.before = copy.deepcopy(network).eval().requires_grad_(False)
        self.average = copy.deepcopy(network).eval().requires_grad_(False)
        self.generator = Generator().manual_seed(seed)
        network.eyes.set_precision(config.precision)
        unpractised = [name for name in config.known if name not in config.games]
        self.arenas = Arenas(
            [arena for name in config.games for arena in self._practice(name)]
            + [self._arena(envs.make(name), self._rows // 2, None) for name in unpractised]
        )
        self.teachers = TEACHERS | {"connect": judge_connect(config.plies)}
        self.anchors, self.taught = self._rows_of(config.known), self._rows_of(config.games) > 0
        self.anchors *= config.anchor
        self.states = torch.zeros(self.arenas.num_rows, 2, network.state_size)
        self.optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)

    @property
    def _rows(self) -> int:
        """Decisions at a time in each practised game."""
        return self.config.num_games // len(self.config.games)

    def _practice(self, name: str) -> list[Arena]:
        game = envs.make(name)
        players = [None, *[make_scripted(player) for player in OPPONENTS[game.name]]]
        return [self._arena(game, self._rows // len(players), player) for player in players]

    def _arena(self, game: envs.Game[Any], rows: int, player: Player | None) -> Arena:
        openings = random_positions(game, 16 * rows, 24, 0.5, self.generator)
        both = game.simultaneous and player is None
        return make_arena(game, rows // 2 if both else rows, player, openings, self.generator)

    def _rows_of(self, games: tuple[str, ...]) -> Tensor:
        """(N,) float: 1 in the rows of these games."""
        return torch.cat(
            [
                torch.full((arena.num_rows,), float(arena.game.variant in games))
                for arena in self.arenas.arenas
            ]
        )

    def run(self, duration_s: float, tell: Callable[[int], None] = lambda _: None) -> int:
        """Practise for `duration_s` seconds; `tell` hears the seconds gone. Returns positions."""
        start, positions = time.monotonic(), 0
        while (gone := time.monotonic() - start) < duration_s:
            self.optimizer.param_groups[0]["lr"] = self.config.learning_rate * max(
                0.05, 1 - gone / duration_s
            )
            self.step()
            positions += self.arenas.num_rows
            tell(int(gone))
        return positions

    def step(self) -> float:
        """One tick of all games: judge the positions, learn from them, move on; the loss."""
        obs = self.arenas.observe()
        rows = torch.arange(self.arenas.num_rows)
        state = self.states[rows, obs.seat]
        keep = self.arenas.ask(self.teachers)
        matters = (obs.legal_actions & ~keep).any(1) & self.taught
        with torch.no_grad():
            before = self.before(obs.frames, obs.legal_actions, state)
        thought: Thought = self.network(obs.frames, obs.legal_actions, state)
        loss = drill_loss(thought, before, keep, matters, self.anchors)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 0.5)
        self.optimizer.step()
        with torch.no_grad():
            for mean, now in zip(self.average.parameters(), self.network.parameters(), strict=True):
                mean.lerp_(now, 1 - self.config.averaging)
            self.states[rows, obs.seat] = thought.state
            outcome = self.arenas.advance(sample(thought.log_probs.detach(), self.generator))
            self.states *= (~outcome.ended).float()[:, None, None]
        return float(loss.detach())
