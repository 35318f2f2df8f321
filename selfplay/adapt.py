"""Does the same trick work twice? Stubborn opponents against one agent with one memory.

Each opponent keeps its seat and its habit. The agent plays greedily with memory and learns after
each game; a frozen agent (memory off) plays the same opponents in the same run.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator

from envs import Game, legal_of
from lifelong_agent import LifelongAgent
from lifelong_agent.policy import DualStreamNetwork
from selfplay.match import play_out
from selfplay.metrics import losses_until_broken, relapsed
from selfplay.players import NetworkPlayer, Stubborn
from selfplay.seats import Player


@dataclass
class OpponentRecord:
    """How one opponent fared.

    Attributes:
        name: `stubborn:SEED`.
        seat: the agent's seat.
        results: 1, 0, -1 of the agent, game by game.
        retest: the result after all other opponents.
        frozen_losses: of the agent without memory, in as many games.
    """

    name: str
    seat: int
    results: list[int] = field(default_factory=list)
    retest: int = 0
    frozen_losses: int = 0

    def to_json(self) -> dict[str, Any]:
        """The shape that `adapt --json` writes."""
        return {
            "name": self.name,
            "seat": self.seat,
            "results": self.results,
            "losses_until_broken": losses_until_broken(self.results),
            "retest": self.retest,
        }


def play_live(game: Game[Any], agent: LifelongAgent, seat: int, opponent: Player) -> int:
    """One game of the agent, with memory, against a player; it learns from it.

    Returns:
        The agent's result: 1, 0 or -1.
    """
    generator = Generator().manual_seed(0)
    state = game.init(1, generator)
    opponent.reset(torch.ones(1, dtype=torch.bool))
    own = torch.tensor([seat])
    total = 0.0
    agent.begin_game(game.variant, opponent.name)
    while not bool(state.ended):
        actions = torch.zeros(1, 2, dtype=torch.int64)
        if bool(state.to_move[0, seat]):
            decision = agent.act(
                {
                    "observation": game.frame(state, own)[0],
                    "action_mask": legal_of(state, own)[0],
                }
            )
            actions[0, seat] = decision.actions[0]
        if bool(state.to_move[0, 1 - seat]):
            actions[0, 1 - seat] = opponent.act(game, state, 1 - own, generator)[0]
        state = game.step(state, actions, generator)
        total += float(state.rewards[0, seat])
    result = (total > 0) - (total < 0)
    agent.end_game(result)
    return result


def frozen_losses(
    game: Game[Any], network: DualStreamNetwork, seat: int, opponent: Player, games: int
) -> int:
    """Losses of the greedy network without memory in `games` games."""
    generator = Generator().manual_seed(0)
    frozen = NetworkPlayer(network, "frozen", greedy=True)
    results = play_out(game, game.init(games, generator), (frozen, opponent), seat, generator)
    return int((results < 0).sum())


def winning_opponents(
    game: Game[Any], network: DualStreamNetwork, seed: int
) -> Iterator[tuple[int, Player]]:
    """Stubborn opponents, and the agent's seat, that beat the frozen agent in the first game."""
    number = seed * 100_000
    while True:
        number += 1
        opponent, seat = Stubborn(number), number % 2
        if frozen_losses(game, network, seat, opponent, 1):
            yield seat, opponent


def adapt(
    game: Game[Any],
    agent: LifelongAgent,
    num_opponents: int,
    num_games: int,
    seed: int = 0,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Play opponents that beat the frozen agent first, one after another, then all once more.

    Args:
        game: the rules.
        agent: with its memory; it learns.
        num_opponents: how many.
        num_games: games against each.
        seed: where the search for opponents starts.
        progress: told the opponent's name after each of its games.

    Returns:
        The JSON shape of `adapt`.
    """
    found = winning_opponents(game, agent.network, seed)
    met: list[tuple[OpponentRecord, Player]] = []
    for _ in range(num_opponents):
        seat, opponent = next(found)
        record = OpponentRecord(opponent.name, seat)
        for _ in range(num_games):
            record.results.append(play_live(game, agent, seat, opponent))
            progress(opponent.name)
        record.frozen_losses = frozen_losses(game, agent.network, seat, opponent, num_games)
        met.append((record, opponent))
    for record, opponent in met:
        record.retest = play_live(game, agent, record.seat, opponent)
        progress(opponent.name)
    return summary([record for record, _ in met], num_games)


def summary(records: list[OpponentRecord], num_games: int) -> dict[str, Any]:
    """The figures of `adapt` from its records."""
    until = [losses_until_broken(r.results) for r in records]
    broken = [count for count in until if count is not None]
    relapses = [relapsed(r.results, r.retest) for r in records]
    never = num_games + 1
    return {
        "median_losses_until_broken": statistics.median(
            never if count is None else count for count in until
        ),
        "broken": len(broken),
        "unbroken": len(records) - len(broken),
        "opponents_that_won_first": sum(r.results[0] < 0 for r in records),
        "relapse_rate": sum(relapses) / max(1, len(broken)),
        "frozen_losses_per_game": sum(r.frozen_losses for r in records)
        / (num_games * len(records)),
        "opponents": [r.to_json() for r in records],
    }
