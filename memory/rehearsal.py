"""What replaying remembered games would change, and whether that is for the better.

Pure records and functions; `Hippocampus.rehearse` replays.
"""

from __future__ import annotations

from dataclasses import dataclass

from memory.credit import Answer
from memory.traces import Episode


@dataclass(frozen=True)
class Rehearsal:
    """What replaying the games against one opponent would change.

    Attributes:
        games: how many were replayed.
        beliefs: situation to action to answer, as they would become.
        before: share of the decisions in games not lost that memory would take again, now.
        after: the same with the new beliefs.
        moved: how far the value of any action would move.
    """

    games: int
    beliefs: dict[int, dict[int, Answer]]
    before: float
    after: float
    moved: float


def farthest(old: dict[int, dict[int, Answer]], new: dict[int, dict[int, Answer]]) -> float:
    """The largest difference of an action's value; 0 if there are none, 2 for a new action."""
    pairs = ((answer, old[code].get(a)) for code in new for a, answer in new[code].items())
    return max((abs(b.value - a.value) if a else 2.0 for b, a in pairs), default=0.0)


def agreement(episodes: list[Episode], beliefs: dict[int, dict[int, Answer]]) -> float:
    """Share of decisions in games not lost whose action is the best believed one; 1 if none."""
    verdicts = []
    for episode in episodes:
        if episode.result >= 0:
            for trace in episode.traces:
                answers = beliefs[trace.code]
                best = max(answers, key=lambda a: answers[a].value, default=-1)
                verdicts.append(best == trace.action)
    return sum(verdicts) / len(verdicts) if verdicts else 1.0
