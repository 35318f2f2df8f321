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
from envs import NUM_SEATS
from lifelong_agent.experience import Observation
from lifelong_agent.policy import DualStreamNetwork, Thought, sample
from selfplay.arena import Arena, make_arena
from selfplay.lessons import TEACHERS, approval, judge_connect
from selfplay.machine import keep_freed_memory
from selfplay.players import make_scripted
from selfplay.rollout import Arenas, random_positions
from selfplay.seats import Player

SAVE_S = 180.0
APART = 4  # ticks between two situations of a game that are kept
KEPT, KEPT_OF_A_VARIANT = 2, 16  # one row of so many that are practised
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
            mirror games of those that are not practised, half as many decisions as in the others,
            a sixteenth in each variant.
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
    thought: Thought, before: Thought, keep: Tensor, matters: Tensor, held: Tensor, anchor: float
) -> Tensor:
    """-log of the probability of the approved moves where that matters, else the anchor.

    L = sum_{i: matters_i} -log sum_{a in keep_i} pi(a | i) / N
        + anchor * sum_{i in held, not matters_i} KL(before_i || now_i) / N
        + anchor * sum_{i in held} (V_i - V_before_i)^2 / 2N

    Args:
        thought: N decisions of the network that learns.
        before: the network as it was, in the K decisions that are held.
        keep: (N, A) bool, moves that the teacher approves of.
        matters: (N,) bool, it disapproves of some.
        held: (K,) int64, decisions in games that are not new.
        anchor: weight of being held to what was.
    """
    taught = -approval(thought.log_probs, keep)[matters].sum()
    now = thought.log_probs[held]
    divergence = (before.log_probs.exp() * (before.log_probs - now)).sum(1)
    drift = (thought.value[held] - before.value).square().sum()
    strayed = divergence[~matters[held]].sum() + 0.5 * drift
    return (taught + anchor * strayed) / len(matters)


class Drill:
    """Games that go on while the network that plays them practises.

    Args:
        network: is trained in place, and where it is; keep a copy.
        config: how.
        seed: of all chance.
    """

    def __init__(self, network: DualStreamNetwork, config: DrillConfig, seed: int = 0) -> None:
        keep_freed_memory()
        self.config, self.network = config, network
        self.before = copy.deepcopy(network).eval().requires_grad_(False)
        self.average = copy.deepcopy(network).eval().requires_grad_(False)
        self.device = network.policy_head.weight.device
        self.generator = Generator(self.device).manual_seed(seed)
        network.eyes.set_precision(config.precision)
        unpractised = [name for name in config.known if name not in config.games]
        self.arenas = Arenas(
            [arena for name in config.games for arena in self._practice(name)]
            + [self._kept(name) for name in unpractised]
        )
        self.teachers = TEACHERS | {"connect": judge_connect(config.plies)}
        self.held = self._rows_of(config.known).nonzero()[:, 0]
        self.taught = self._rows_of(config.games)
        self.rows = torch.arange(self.arenas.num_rows, device=self.device)
        size = self.arenas.num_rows, NUM_SEATS, network.state_size
        self.states = torch.zeros(size, device=self.device)
        self.optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)

    @property
    def _rows(self) -> int:
        """Decisions at a time in each practised game."""
        return self.config.num_games // len(self.config.games)

    def _game(self, name: str) -> envs.Game[Any]:
        return envs.make(name, self.device)

    def _practice(self, name: str) -> list[Arena]:
        game = self._game(name)
        players = [None, *[make_scripted(player) for player in OPPONENTS[game.name]]]
        return [self._arena(game, self._rows // len(players), player) for player in players]

    def _kept(self, name: str) -> Arena:
        game = self._game(name)
        share = KEPT_OF_A_VARIANT if game.modifiers else KEPT
        return self._arena(game, max(NUM_SEATS, self._rows // share), None)

    def _arena(self, game: envs.Game[Any], rows: int, player: Player | None) -> Arena:
        openings = random_positions(game, 16 * rows, 24, 0.5, self.generator)
        both = game.simultaneous and player is None
        return make_arena(game, rows // 2 if both else rows, player, openings, self.generator)

    def _rows_of(self, games: tuple[str, ...]) -> Tensor:
        """(N,) bool: the rows of these games."""
        rows = [
            torch.full((arena.num_rows,), arena.game.variant in games, device=self.device)
            for arena in self.arenas.arenas
        ]
        return torch.cat(rows)

    def run(
        self,
        duration_s: float,
        tell: Callable[[int], None] = lambda _: None,
        save: Callable[[int], None] = lambda _: None,
    ) -> int:
        """Practise for `duration_s` seconds.

        Args:
            duration_s: how long.
            tell: hears the seconds gone.
            save: is called every `SAVE_S` seconds and in the end, with the positions so far.

        Returns:
            Positions practised on.
        """
        start, positions, saved = time.monotonic(), 0, 0.0
        while (gone := time.monotonic() - start) < duration_s:
            if gone - saved > SAVE_S:
                save(positions)
                saved = gone
            self.optimizer.param_groups[0]["lr"] = self.config.learning_rate * max(
                0.05, 1 - gone / duration_s
            )
            self.step()
            positions += self.arenas.num_rows
            tell(int(gone))
        save(positions)
        return positions

    def step(self) -> float:
        """One tick of all games: judge the positions, learn from them, move on; the loss."""
        obs, state = self._observe()
        keep = self.arenas.ask(self.teachers)
        matters = (obs.legal_actions & ~keep).any(1) & self.taught
        held = self.held
        with torch.no_grad():
            before = self.before(obs.frames[held], obs.legal_actions[held], state[held])
        thought: Thought = self.network(obs.frames, obs.legal_actions, state)
        loss = drill_loss(thought, before, keep, matters, held, self.config.anchor)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 0.5)
        self.optimizer.step()
        with torch.no_grad():
            for mean, now in zip(self.average.parameters(), self.network.parameters(), strict=True):
                mean.lerp_(now, 1 - self.config.averaging)
            self._move(obs, thought)
        return float(loss.detach())

    def _observe(self) -> tuple[Observation, Tensor]:
        """And the (N, S) states of those who are to move."""
        obs = self.arenas.observe()
        return obs, self.states[self.rows, obs.seat]

    def _move(self, obs: Observation, thought: Thought) -> None:
        self.states[self.rows, obs.seat] = thought.state
        outcome = self.arenas.advance(sample(thought.log_probs.detach(), self.generator))
        self.states *= (~outcome.ended).float()[:, None, None]

    @torch.no_grad()
    def situations(self, num: int) -> tuple[Tensor, Tensor, Tensor]:
        """Play on with the average, without learning, and look around.

        Returns:
            Of `num` situations, (N, D) what its eyes read, (N, S) its states before the
            decisions, and (N, A) bool legal actions: what `exemplars` are made of.
        """
        ticks = -(-num // len(self.rows)) * APART
        seen = []
        for tick in range(ticks):
            obs, state = self._observe()
            thought: Thought = self.average(obs.frames, obs.legal_actions, state)
            if tick % APART == 0:
                seen.append((thought.percept.reading, state, obs.legal_actions))
            self._move(obs, thought)
        readings, states, legal_actions = (torch.cat(p)[:num] for p in zip(*seen, strict=True))
        return readings, states, legal_actions
