"""Habits: opponents that slip now and then, so that few games against them are alike.

A stubborn character is a script, and a game that was not lost can be played again. A person has
habits. Here some of a character's actions are any legal ones; the agent learns from each game and
sleeps over it, and the frozen agent plays as many with the same chance.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

from envs import Game
from lifelong_agent import LifelongAgent
from selfplay.adapt import AdaptConfig, alone, play_live, score_of, slept, winning_opponents
from selfplay.metrics import Mean
from selfplay.players import Clumsy


@dataclass
class Acquaintance:
    """How the agent fared against one opponent.

    Attributes:
        name: `clumsy-PERCENT:stubborn:SEED`.
        seat: the agent's.
        results: 1, 0, -1 of the agent, game by game.
        frozen: the same of the agent without memory, each game from the same chance.
    """

    name: str
    seat: int
    results: list[int] = field(default_factory=list)
    frozen: list[int] = field(default_factory=list)


def face_habits(
    game: Game[Any],
    agent: LifelongAgent,
    config: AdaptConfig,
    percent: int,
    tell: Callable[[str], None] = lambda _: None,
    keep: Callable[[dict[str, Any]], None] = lambda _: None,
) -> dict[str, Any]:
    """Meet opponents that beat the frozen agent when they do not slip, one after another.

    Args:
        game: the rules, on the agent's device.
        agent: with its memory; it learns.
        config: whom it meets, how often (at least twice), and for how long it sleeps.
        percent: of the opponents' actions that are any legal ones, 1 to 99.
        tell: told after each game how it went.
        keep: given, after each opponent, what is known by then.

    Returns:
        The JSON shape of `adapt --clumsy`.
    """
    met: list[Acquaintance] = []
    longest_s = 0.0
    found = winning_opponents(game, agent.network, config.seed)
    for seat, character in islice(found, config.num_opponents):
        opponent = Clumsy(character, percent)
        record = Acquaintance(opponent.name, seat)
        met.append(record)
        for seed in seeds_of(opponent.name, config.num_games):
            record.results.append(play_live(game, agent, seat, opponent, seed))
            longest_s = max(longest_s, slept(agent, config.sleep_s))
            record.frozen.append(alone(game, agent.network, seat, opponent, seed))
            tell(f"{record.name}: {score_of(record.results):.2f}")
        keep({"partial": True, "opponents": [asdict(record) for record in met]})
    half = config.num_games // 2
    return {
        "percent": percent,
        "longest_sleep_s": longest_s,
        "first_half": _compared(met, slice(half)),
        "second_half": _compared(met, slice(half, None)),
        "opponents": [asdict(record) for record in met],
    }


def seeds_of(name: str, num_games: int) -> range:
    """Of the games against an opponent; everybody's slips are their own."""
    first = zlib.crc32(name.encode())
    return range(first, first + num_games)


def _compared(met: list[Acquaintance], games: slice) -> dict[str, Any]:
    """Mean scores over the opponents, and the interval of the difference, by opponents."""
    pairs = [(score_of(each.results[games]), score_of(each.frozen[games])) for each in met]
    ours, theirs = zip(*pairs, strict=True)
    return {
        "score": sum(ours) / len(met),
        "frozen_score": sum(theirs) / len(met),
        "difference_ci95": list(Mean.of([a - b for a, b in pairs]).ci95) if len(met) > 1 else None,
    }
