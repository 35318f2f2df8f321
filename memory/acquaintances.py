"""Who plays like whom: opponents are told by how they answer, not by their names.

What counts as an answer is the situation that followed upon a situation and the agent's action in
it. Two opponents play alike as far as the same followed. A cache of the store; it keeps nothing of
its own and knows no game.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from memory.store import Store
from memory.traces import Episode

Step = tuple[int, int, int]
"""A situation, the agent's action in it, and the situation that followed."""
Counts = dict[int, int]
Known = dict[tuple[int, int], dict[str, Counts]]
"""Situation and action to opponents, to the situations that followed, and how often."""
LEAST_STEPS = 2
LEAST_LOG_ODDS = math.log(3)


@dataclass
class Likeness:
    """How well the present game fits an opponent.

    Attributes:
        opponent: who.
        same: answers that were theirs too.
        other: answers that they never gave there.
        log_odds: in nats, of meeting this opponent and not just anybody.
    """

    opponent: str
    same: int = 0
    other: int = 0
    log_odds: float = 0.0

    @property
    def is_alike(self) -> bool:
        """Whether they may be taken for each other: at odds of 3 to 1, on two same answers."""
        return self.same >= LEAST_STEPS and self.log_odds > LEAST_LOG_ODDS


class Impression:
    """Whom somebody plays like, as a game goes on.

    Args:
        known: the answers of everybody in this variant.
        besides: who is left out: the name that they gave.
    """

    def __init__(self, known: Known, besides: str = "") -> None:
        self._known, self._besides = known, besides
        self._found: dict[str, Likeness] = {}

    def see(self, step: Step) -> None:
        """Take one more answer in.

        Every opponent who was in that situation gains log p - log q: p is the share of their
        answers that were this one, q that of all others' answers, both as (n + 1/2) / (N + 1).
        """
        code, action, following = step
        met = {
            name: counts
            for name, counts in self._known.get((code, action), {}).items()
            if name != self._besides
        }
        times, total = _count_all(met.values(), following)
        for name, counts in met.items():
            likeness = self._found.setdefault(name, Likeness(name))
            own, number = counts.get(following, 0), sum(counts.values())
            likeness.same += own > 0
            likeness.other += own == 0
            others = _share(times - own, total - number)
            likeness.log_odds += math.log(_share(own, number) / others)

    def nearest(self) -> Likeness | None:
        """The most plausible opponent, if they may be taken for each other.

        Two who have both answered so are none: what they taught together counts then anyway.
        """
        found = sorted(self._found.values(), key=lambda likeness: -likeness.log_odds)
        best, *others = found or [Likeness("")]
        is_doubtful = others and best.log_odds - others[0].log_odds < LEAST_LOG_ODDS
        return None if is_doubtful or not best.is_alike else best


class Acquaintances:
    """How everybody answers.

    Args:
        store: the memory.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._by_game: dict[str, Known] = {}

    def meet(self, game: str, besides: str = "") -> Impression:
        """A game of a variant begins; whom they play like `besides` that name is to be told."""
        if game not in self._by_game:
            self._by_game[game] = self._read(game)
        return Impression(self._by_game[game], besides)

    def note(self, episode: Episode) -> None:
        """A game was finished and stored."""
        if episode.game in self._by_game:
            for step in steps(episode):
                _note(self._by_game[episode.game], episode.opponent, step)

    def refresh(self) -> None:
        """Traces may have left the store: read it again when somebody is met."""
        self._by_game.clear()

    def _read(self, game: str) -> Known:
        known: Known = {}
        query = (
            "SELECT g.id, t.ply, g.opponent, t.code, t.action FROM games g "
            "JOIN traces t ON t.game_id = g.id WHERE g.game = ? ORDER BY g.id, t.ply"
        )
        rows = self._store.connection.execute(query, (game,))
        for (number, ply, opponent, code, action), later in pairwise(rows):
            next_number, next_ply, _, following, _ = later
            if (next_number, next_ply) == (number, ply + 1):
                _note(known, opponent, (code, action, following))
        return known


def steps(episode: Episode) -> list[Step]:
    """What followed upon what in a game."""
    pairs = zip(episode.traces, episode.traces[1:], strict=False)
    return [(trace.code, trace.action, following.code) for trace, following in pairs]


def _note(known: Known, opponent: str, step: Step) -> None:
    code, action, following = step
    counts = known.setdefault((code, action), {}).setdefault(opponent, {})
    counts[following] = counts.get(following, 0) + 1


def _count_all(answers: Iterable[Counts], following: int) -> tuple[int, int]:
    """How often anybody gave this answer, and any."""
    times = total = 0
    for counts in answers:
        times, total = times + counts.get(following, 0), total + sum(counts.values())
    return times, total


def _share(times: int, total: int) -> float:
    return (times + 0.5) / (total + 1)
