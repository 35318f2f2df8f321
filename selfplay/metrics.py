"""Numbers about games: scores, means, intervals, medians. Pure functions."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

Z95 = 1.959964  # of the normal distribution


@dataclass(frozen=True)
class Score:
    """Results of the first player.

    Attributes:
        wins: games won.
        draws: games drawn.
        losses: games lost.
    """

    wins: int
    draws: int
    losses: int

    @property
    def games(self) -> int:
        """How many."""
        return self.wins + self.draws + self.losses

    @property
    def score(self) -> float:
        """(wins + draws / 2) / games."""
        return (self.wins + self.draws / 2) / self.games

    @property
    def ci95(self) -> tuple[float, float]:
        """Wilson's interval for the score, with a draw counted as half a win.

        (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n), z = 1.96

        Source: Wilson (1927), doi:10.1080/01621459.1927.10502953.
        """
        n, p, z = self.games, self.score, Z95
        centre = p + z * z / (2 * n)
        half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        low, high = (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)
        return (max(0.0, low), min(1.0, high))  # rounding may pass the ends


@dataclass(frozen=True)
class Mean:
    """The mean of some numbers.

    Attributes:
        mean: their sum over their count.
        std: their standard deviation, with the count less one in the divisor.
        num: how many.
    """

    mean: float
    std: float
    num: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Mean:
        """Of at least two numbers."""
        return cls(statistics.fmean(values), statistics.stdev(values), len(values))

    @property
    def ci95(self) -> tuple[float, float]:
        """The normal interval: mean -+ 1.96 std / sqrt(num)."""
        half = Z95 * self.std / math.sqrt(self.num)
        return (self.mean - half, self.mean + half)


def losses_until_broken(results: list[int]) -> int | None:
    """Losses before the first game that is not lost, given that the first game is lost.

    Args:
        results: 1, 0 or -1 per game in order.

    Returns:
        The count, 0 if the first game is not lost, None if every game is lost.
    """
    for losses, result in enumerate(results):
        if result >= 0:
            return losses
    return None


def relapsed(results: list[int], retest: int) -> bool:
    """Whether a broken opponent wins the retest, or one of its own last five games.

    Losses before it was broken are no relapses.
    """
    until = losses_until_broken(results)
    return until is not None and (retest < 0 or min(results[until:][-5:]) < 0)
