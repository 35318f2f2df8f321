"""Strategies: runs of actions that turned out better or worse than expected, with their evidence.

A strategy is good if the lower bound of its mean advantage is above 0, bad if the upper bound is
below 0, else undetermined: kept, not acted on. How wide the bounds are follows from how much the
same strategy varied in this game before, and grows with every sleep in which the strategy was not
seen again. The sentence shown to a player is made from the record, every number checkable.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from memory.confidence import Spread, interval
from memory.forgetting import strength
from memory.pixels import Pixels
from memory.scenes import Scenes
from memory.store import Store
from memory.traces import Episode

MAX_RUN = 3
MAX_PER_GAME = 3
MIN_COUNT = 2
LIFE_SLEEPS = 500.0
FAINT = 0.05
ENDS = "t.ply + json_array_length(s.actions) = (SELECT plies FROM games WHERE id = t.game_id)"
"""Whether the run of strategy s that begins with trace t goes to the end of the game."""
Known = Mapping[tuple[int, tuple[int, ...]], tuple[int, float, list[int], float]]


@dataclass(frozen=True)
class Strategy:
    """A run of actions in a context.

    Attributes:
        game: the variant.
        opponent: against whom.
        code: fingerprint of the frame in which the run begins.
        actions: the agent's actions in order.
        count: n, how often it was seen.
        mean_advantage: in [-2, 2]; what was seen long ago counts less.
        ci95: its confidence interval.
        evidence: ids of the traces with which the run began.
        frame: the context as seen last, or None.
        attributes: what the context shows, 16 bytes of `AttributeDictionary.bits`, or None.
        weight: how many fresh observations the evidence is worth, at most `count`.
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
    attributes: bytes | None = None
    weight: float = 1.0

    @property
    def verdict(self) -> str:
        """`good`, `bad` or `undetermined`; what was seen once only is always undetermined."""
        low, high = self.ci95
        if self.count < MIN_COUNT:
            return "undetermined"
        return "good" if low > 0 else "bad" if high < 0 else "undetermined"

    @property
    def sentence(self) -> str:
        """What a player reads who is not told what the actions are called."""
        return self.tell(lambda action: f"move {action + 1}")

    def tell(self, name_action: Callable[[int], str]) -> str:
        """What a player reads.

        Args:
            name_action: what an action is called in a sentence: `column 4`, `going left`.
        """
        moves = ", then ".join(name_action(action) for action in self.actions)
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
            self.opponent, self.code, list(self.actions), self.count, float(self.mean_advantage),
            list(self.evidence), float(self.weight),
        )  # fmt: skip


def peaks(advantages: list[float], most: int) -> list[int]:
    """Up to `most` places where |advantage| is no smaller than beside it, largest first."""
    sizes = [abs(a) for a in advantages]
    padded = [0.0, *sizes, 0.0]
    tops = [i for i in range(len(sizes)) if padded[i] <= sizes[i] >= padded[i + 2] and sizes[i]]
    return sorted(tops, key=lambda i: -sizes[i])[:most]


@dataclass(frozen=True)
class Observation:
    """A strategy seen in a game that is not stored yet, and how surprising that was."""

    ends: bool
    weight: float
    mean: float
    advantage: float


class StrategyBook:
    """Turns games into strategies and merges them with what the store holds.

    How much strategies vary is pooled by game, apart for runs that end it: a move that loses at
    once says so plainly, an early one is followed by much chance.

    Args:
        store: where they are kept.
        life_sleeps: after so many sleeps evidence counts 1 / e of what it did.
    """

    def __init__(self, store: Store, life_sleeps: float = LIFE_SLEEPS) -> None:
        self.store, self.life_sleeps = store, life_sleeps
        self.scenes = Scenes(store)
        self._spreads: dict[str, dict[bool, Spread]] = {}
        self._unstored: list[Observation] = []

    def summarise(self, episode: Episode) -> list[Strategy]:
        """Segment a game at its peaks of |advantage| and merge each run with what is known.

        Evidence of this very game is numbered -1, -2, ... until the store has given its ids.
        """
        known = self._known(episode)
        self._unstored = []
        found: dict[tuple[int, tuple[int, ...]], Strategy] = {}
        advantages = [trace.advantage for trace in episode.traces]
        for start in peaks(advantages, MAX_PER_GAME):
            run = _run(advantages, start)
            actions = tuple(trace.action for trace in episode.traces[start : start + run])
            key = (episode.traces[start].code, actions)
            if key not in found:
                found[key] = self._merge(episode, start, actions, known)
        return list(found.values())

    def _known(self, episode: Episode) -> Known:
        """What is noted against this opponent of the situations of one game."""
        codes = list({trace.code for trace in episode.traces})
        query = (
            "SELECT code, actions, count, mean, evidence, weight, refreshed FROM strategies "
            f"WHERE game = ? AND opponent = ? AND code IN ({', '.join('?' * len(codes))})"
        )
        rows = self.store.connection.execute(query, (episode.game, episode.opponent, *codes))
        return {
            (code, tuple(json.loads(actions))): (
                count, mean, json.loads(evidence), self._faded(*since)
            )
            for code, actions, count, mean, evidence, *since in rows
        }  # fmt: skip

    def _faded(self, weight: float, refreshed: int) -> float:
        """What `weight` has come down to since the sleep in which it was last seen."""
        return weight * strength(self.store.sleep_count() - refreshed, self.life_sleeps)

    def _merge(
        self, episode: Episode, start: int, actions: tuple[int, ...], known: Known
    ) -> Strategy:
        first, ends = episode.traces[start], start + len(actions) == len(episode.traces)
        count, mean, evidence, weight = known.get((first.code, actions), (0, 0.0, [], 0.0))
        self._unstored.append(Observation(ends, weight, mean, first.advantage))
        mean = (weight * mean + first.advantage) / (weight + 1)
        spread = self._spread(episode.game)[ends].value
        return Strategy(
            episode.game, episode.opponent, first.code, actions, count + 1, mean,
            interval(mean, weight + 1, spread), (*evidence, -1 - start), first.frame,
            self.scenes.attributes(first.code), weight + 1,
        )  # fmt: skip

    def resolve(self, strategies: list[Strategy], ids: list[int]) -> list[Strategy]:
        """The game is stored: replace the provisional evidence by the ids that the store gave.

        What it showed of how much strategies vary counts from now on, in these verdicts too.
        """
        seen, self._unstored = self._unstored, []
        for strategy, new in zip(strategies, seen, strict=True):
            spread = self._spread(strategy.game)[new.ends]
            spread.see(new.weight, new.mean, new.advantage)
        return [
            replace(
                s,
                ci95=interval(s.mean_advantage, s.weight, self._spread(s.game)[new.ends].value),
                evidence=tuple(e if e > 0 else ids[-e - 1] for e in s.evidence),
            )
            for s, new in zip(strategies, seen, strict=True)
        ]

    def read(self, game: str, opponent: str) -> list[Strategy]:
        """All strategies noted against an opponent, strongest first."""
        where = "s.game = ? AND s.opponent = ?"
        return sorted(self._select(where, (game, opponent)), key=lambda s: -abs(s.mean_advantage))

    def proven(self) -> list[Strategy]:
        """All that are good or bad, in every game and against everybody."""
        found = self._select("s.count >= ?", (MIN_COUNT,))
        return [strategy for strategy in found if strategy.verdict != "undetermined"]

    def note_scenes(self, attributes: Mapping[int, bytes]) -> None:
        """Keep the attributes of situations, by fingerprint, so that those alike are found."""
        self.scenes.note(attributes)

    def _select(self, where: str, values: Iterable[Any]) -> list[Strategy]:
        query = (
            "SELECT s.game, s.opponent, s.code, s.actions, s.count, s.mean, s.evidence, "
            f"s.weight, s.refreshed, {ENDS} FROM strategies s "
            f"LEFT JOIN traces t ON t.id = json_extract(s.evidence, '$[#-1]') WHERE {where}"
        )
        rows = self.store.connection.execute(query, tuple(values)).fetchall()
        return [self._strategy(*row) for row in rows]

    def _strategy(
        self, game: str, opponent: str, code: int, actions: str, count: int, mean: float,
        evidence: str, weight: float, refreshed: int, ends: int | None,
    ) -> Strategy:  # fmt: skip
        left = self._faded(weight, refreshed)
        return Strategy(
            game, opponent, code, tuple(json.loads(actions)), count, mean,
            interval(mean, left, self._spread(game)[bool(ends)].value),
            tuple(json.loads(evidence)), attributes=self.scenes.attributes(code), weight=left,
        )  # fmt: skip

    def fade(self) -> None:
        """A sleep passes: what was seen once only, and that long ago, leaves for good.

        Raises:
            ValueError: if it cannot be written.
        """
        oldest = self.store.sleep_count() + self.life_sleeps * math.log(FAINT)
        self.store.drop_strategies(MIN_COUNT, oldest)

    def _spread(self, game: str) -> dict[bool, Spread]:
        """Of runs that end a game, and of those that do not; read from the evidence once."""
        if game not in self._spreads:
            self._spreads[game] = {True: Spread(), False: Spread()}
            for (_, ends), advantages in self._evidence(game).items():
                self._spreads[game][ends].see_all(advantages)
        return self._spreads[game]

    def _evidence(self, game: str) -> dict[tuple[int, bool], list[float]]:
        """Advantages of the remembered evidence, by strategy and by whether the run ended it."""
        query = (
            f"SELECT s.id, t.returns - t.value, {ENDS} "
            "FROM strategies s, json_each(s.evidence) e JOIN traces t ON t.id = e.value "
            "WHERE s.game = ?"
        )
        found: dict[tuple[int, bool], list[float]] = {}
        for strategy, advantage, ends in self.store.connection.execute(query, (game,)):
            found.setdefault((strategy, bool(ends)), []).append(advantage)
        return found


def _run(advantages: list[float], start: int) -> int:
    """How many decisions from `start` keep the advantage's sign and half its size; at most 3."""
    first, length = advantages[start], 1
    for advantage in advantages[start + 1 : start + MAX_RUN]:
        if advantage * first <= 0 or abs(advantage) < abs(first) / 2:
            break
        length += 1
    return length
