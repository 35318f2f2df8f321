"""How sure one may be of a mean over few observations: a pooled spread and a doubting interval.

Pure arithmetic; it knows no strategy and no store.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

GUESS = 0.5
DOUBT = 2.0
CONFIDENCE_Z = 1.96


@dataclass
class Spread:
    """How much observations of one thing differ, pooled over many things.

    variance = (DOUBT * GUESS^2 + squares) / (DOUBT + freedom), where `squares` adds up the squared
    differences from each thing's own mean, and `freedom` counts the observations beyond the first
    of each thing. Before any evidence it is the guess, 0.5.

    Source: an inverse chi-squared prior, Gelman et al., "Bayesian Data Analysis", section 2.6.
    """

    squares: float = 0.0
    freedom: float = 0.0

    @property
    def value(self) -> float:
        """The pooled standard deviation."""
        variance = (DOUBT * GUESS**2 + self.squares) / (DOUBT + self.freedom)
        return math.sqrt(variance)

    def see(self, count: float, mean: float, observation: float) -> None:
        """Take in another observation of a thing seen `count` times before, with that mean.

        It adds count / (count + 1) * (observation - mean)^2; a thing's first adds nothing. The
        count may be a fraction, where earlier observations have faded.
        """
        if count:
            self.squares += count / (count + 1) * (observation - mean) ** 2
            self.freedom += 1

    def see_all(self, observations: list[float]) -> None:
        """Take in all observations of one thing."""
        for count, observation in enumerate(observations):
            self.see(count, sum(observations[:count]) / max(count, 1), observation)


def interval(mean: float, count: float, spread: float) -> tuple[float, float]:
    """Give mean -+ 1.96 spread sqrt(count + 2) / count.

    As if two observations of nothing at all had come before: of 0, then, and the mean itself,
    exactly those are told apart that a Normal prior of that weight tells apart. This also keeps
    the false alarms of two-valued outcomes, which a plain interval takes for certain after four
    equal ones, below the 5% that it promises.
    """
    half = CONFIDENCE_Z * spread * math.sqrt(count + DOUBT) / count
    return (mean - half, mean + half)
