"""Drills: tactics practised on positions out of the agent's own games.

Where exhaustive search a few plies deep shows that some moves win or lose by force, the network
learns the moves that keep the best outcome; everywhere else it is held to what it was, so that
strategy is not traded for tactics. The network that comes out plays without search.
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
from envs.connect import Connect
from envs.connect_rules import Position
from lifelong_agent.losses import value_loss
from lifelong_agent.policy import DualStreamNetwork, Thought, sample
from selfplay.arena import Arena, TurnArena, make_arena
from selfplay.connect_players import ILLEGAL, look_ahead, seen_by
from selfplay.players import make_scripted
from selfplay.rollout import Arenas, random_positions


@dataclass(frozen=True)
class DrillConfig:
    """How to practise.

    Attributes:
        plies: depth of the search that judges moves.
        num_games: batched games, in equal parts mirror games and each of `opponents`.
        opponents: scripted players.
        kept: games that the network knows; besides those drills it plays mirror games of all but
            classic `connect`, half as many in each, only to be held to what it was.
        learning_rate: at the start; falls linearly to a twentieth.
        averaging: share of the average of weights that is kept from step to step.
        anchor: weight of KL(before || now) where search sees nothing.
        precision: arithmetic of the ventral stream while learning.
    """

    plies: int = 4
    num_games: int = 256
    opponents: tuple[str, ...] = ("connect/one_ply", "connect/negamax-2", "random")
    kept: tuple[str, ...] = ("connect",)
    learning_rate: float = 4e-4
    averaging: float = 0.995
    anchor: float = 1.0
    precision: str = "float32"


def keeping_moves(game: Connect, position: Position, plies: int) -> tuple[Tensor, Tensor]:
    """Which moves keep the best outcome that search can see, and whether that matters.

    Args:
        game: the rules.
        position: (B,) boards as the side to move sees them.
        plies: search depth.

    Returns:
        (B, A) bool best moves and (B,) bool: some legal move has another outcome (win, unclear,
        loss) than the best.
    """
    scores = look_ahead(game, position, plies)
    outcome = scores.sign().masked_fill(scores == ILLEGAL, -2)
    keep = outcome == outcome.amax(1, keepdim=True)
    return keep, ((outcome > -2) & ~keep).any(1)


def drill_loss(
    thought: Thought, before: Thought, keep: Tensor, matters: Tensor, anchor: float
) -> Tensor:
    """-log of the probability of the keeping moves where they matter, else the anchor.

    L = mean_i [ -log sum_{a in keep_i} pi(a | i)   if matters_i
                 anchor * KL(before_i || now_i)     otherwise ] + (V - V_before)^2 / 2
    """
    kept = thought.log_probs.masked_fill(~keep, -1e9).logsumexp(1)
    divergence = (before.log_probs.exp() * (before.log_probs - thought.log_probs)).sum(1)
    policy = torch.where(matters, -kept, anchor * divergence).mean()
    return policy + value_loss(thought.value, before.value)


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
        game = envs.make("connect")
        openings = random_positions(game, 16 * config.num_games, 24, 0.5, self.generator)
        players = [None, *[make_scripted(name) for name in config.opponents]]
        share = config.num_games // len(players)
        practised: list[Arena] = [
            TurnArena(game, share, player, openings, self.generator) for player in players
        ]
        kept = [envs.make(name) for name in config.kept if name != game.variant]
        self.arenas = Arenas(practised + [self._mirror(other) for other in kept])
        self.states = torch.zeros(self.arenas.num_rows, 2, network.state_size)
        self.optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)

    def _mirror(self, game: envs.Game[Any]) -> Arena:
        rows = self.config.num_games // 2
        openings = random_positions(game, 4 * rows, 24, 0.5, self.generator)
        games = rows // envs.NUM_SEATS if game.simultaneous else rows
        return make_arena(game, games, None, openings, self.generator)

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
        keep, matters = self._judge()
        with torch.no_grad():
            before = self.before(obs.frames, obs.legal_actions, state)
        thought: Thought = self.network(obs.frames, obs.legal_actions, state)
        loss = drill_loss(thought, before, keep, matters, self.config.anchor)
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

    def _judge(self) -> tuple[Tensor, Tensor]:
        """(N, A) keeping moves as each row is shown, and (N,) whether they matter."""
        parts = []
        for arena in self.arenas.arenas:
            if arena.game.variant != Connect.name:
                nothing = torch.zeros(arena.num_rows, dtype=torch.bool)
                parts.append((nothing[:, None].expand(-1, envs.NUM_ACTIONS), nothing))
                continue
            game, position = seen_by(arena.game, arena.state, arena.seat)
            keep, matters = keeping_moves(game, position, self.config.plies)
            parts.append((arena.as_shown(keep), matters))
        keeps, matter = zip(*parts, strict=True)
        return torch.cat(keeps), torch.cat(matter)
