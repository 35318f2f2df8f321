"""Strategies: runs of actions that turned out better or worse than expected, with their evidence.

A strategy is good if the lower bound of its mean advantage is above 0, bad if the upper bound is
below 0, else undetermined: kept, not acted on. The sentence shown to a player is made from the
record, every number checkable.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from memory.store import Store
from memory.traces import Episode, Pixels

MAX_RUN = 3
MAX_PER_GAME = 3
PRIOR_SPREAD = 0.5
CONFIDENCE_Z = 1.96


@dataclass(frozen=True)
class Strategy:
    """A run of actions in a context.

    Attributes:
        game: the variant.
        opponent: against whom.
        code: fingerprint of the frame in which the run begins.
        actions: the agent's actions in order.
        count: n, how often it was seen.
        mean_advantage: in [-2, 2].
        ci95: its confidence interval.
        evidence: ids of the traces with which the run began.
        frame: the context as seen last, or None.
    """

    game: str
    opponent: str
    code: int
    actions: tuple[int, ...]
    count: int
    mean_advantage: float
    ci95: tuple[float, float]
    evidence: tuple[int, ...]
    frame: Pixels | None = None

    @property
    def verdict(self) -> str:
        """`good`, `bad` or `undetermined`."""
        low, high = self.ci95
        return "good" if low > 0 else "bad" if high < 0 else "undetermined"

    @property
    def sentence(self) -> str:
        """What a player reads."""
        moves = ", then ".join(f"move {action + 1}" for action in self.actions)
        times = "once" if self.count == 1 else f"{self.count} times"
        word = {"good": "Good", "bad": "A mistake", "undetermined": "Unclear"}[self.verdict]
        direction = "better" if self.mean_advantage >= 0 else "worse"
        width = (self.ci95[1] - self.ci95[0]) / 2
        return (
            f"{word}: {moves} in this position, seen {times}, turned out "
            f"{abs(self.mean_advantage):.2f} ± {width:.2f} {direction} than I expected."
        )

    def to_row(self) -> tuple[Any, ...]:
        """What `Store.write_game` stores."""
        return (
            self.opponent, self.code, list(self.actions), self.count, self.mean_advantage,
            list(self.evidence),
        )  # fmt: skip


def interval(mean: float, count: int, spread: float = PRIOR_SPREAD) -> tuple[float, float]:
    """Give mean -+ 1.96 spread / sqrt(count), the 95% interval for a known spread."""
    half = CONFIDENCE_Z * spread / math.sqrt(count)
    return (mean - half, mean + half)


def peaks(advantages: list[float], most: int) -> list[int]:
    """Up to `most` places where |advantage| is no smaller than beside it, largest first."""
    sizes = [abs(a) for a in advantages]
    padded = [0.0, *sizes, 0.0]
    tops = [i for i in range(len(sizes)) if padded[i] <= sizes[i] >= padded[i + 2] and sizes[i]]
    return sorted(tops, key=lambda i: -sizes[i])[:most]


class StrategyBook:
    """Turns games into strategies and merges them with what the store holds."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def summarise(self, episode: Episode) -> list[Strategy]:
        """Segment a game at its peaks of |advantage| and merge each run with what is known.

        Evidence of this very game is numbered -1, -2, ... until the store has given its ids.
        """
        known = {
            (code, actions): (count, mean, evidence)
            for code, actions, count, mean, evidence in self.store.read_strategies(
                episode.game, episode.opponent
            )
        }
        found: dict[tuple[int, tuple[int, ...]], Strategy] = {}
        advantages = [trace.advantage for trace in episode.traces]
        for start in peaks(advantages, MAX_PER_GAME):
            strategy = _segment(episode, start, known)
            found.setdefault((strategy.code, strategy.actions), strategy)
        return list(found.values())

    def resolve(self, strategies: list[Strategy], ids: list[int]) -> list[Strategy]:
        """Replace the provisional evidence by the ids that the store gave."""
        return [
            replace(s, evidence=tuple(e if e > 0 else ids[-e - 1] for e in s.evidence))
            for s in strategies
        ]

    def read(self, game: str, opponent: str) -> list[Strategy]:
        """All strategies noted against an opponent, strongest first."""
        rows = self.store.read_strategies(game, opponent)
        strategies = [
            Strategy(
                game, opponent, code, actions, count, mean, interval(mean, count), tuple(evidence)
            )
            for code, actions, count, mean, evidence in rows
        ]
        return sorted(strategies, key=lambda s: -abs(s.mean_advantage))


def _segment(
    episode: Episode,
    start: int,
    known: dict[tuple[int, tuple[int, ...]], tuple[int, float, list[int]]],
) -> Strategy:
    """The run from `start` while the advantage keeps its sign and half its size."""
    first = episode.traces[start]
    end = start + 1
    while (
        end < len(episode.traces)
        and end - start < MAX_RUN
        and episode.traces[end].advantage * first.advantage > 0
        and abs(episode.traces[end].advantage) >= abs(first.advantage) / 2
    ):
        end += 1
    actions = tuple(trace.action for trace in episode.traces[start:end])
    count, mean, evidence = known.get((first.code, actions), (0, 0.0, []))
    mean = (count * mean + first.advantage) / (count + 1)
    return Strategy(
        episode.game, episode.opponent, first.code, actions, count + 1, mean,
        interval(mean, count + 1), (*evidence, -1 - start), first.frame,
    )  # fmt: skip
