"""Strategies at the moment of choice: a bounded push, and a lid on known mistakes.

What is proven in this very situation counts in full, what is proven in scenes that show the same
attributes in part. Nothing here notes strategies or changes what is believed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from memory.strategies import Strategy, StrategyBook
from memory.traces import Floats


@dataclass(frozen=True)
class TacticsConfig:
    """How loudly strategies speak.

    Attributes:
        weight: of a mean advantage of 1 in this very situation, in nats.
        bound: largest push of an action, in nats.
        shared: share that counts of what was noted against somebody else.
        alike: the same in a scene that shows the same attributes;
        reach: it falls to 1 / e where so many bits differ, and to nothing at twice as many.
        scenes: similar scenes that are looked up.
        lid: the most probable that a known mistake may be, while something else is legal.
    """

    weight: float = 2.0
    bound: float = 2.0
    shared: float = 0.5
    alike: float = 0.25
    reach: float = 4.0
    scenes: int = 4
    lid: float = 0.02


@dataclass(frozen=True)
class Tactics:
    """What strategies say of one situation.

    Attributes:
        push: (A,) float32 nats, at most `bound`.
        mistakes: (A,) bool, actions that are known to be bad in this very situation.
        strategies: those that spoke.
    """

    push: Floats
    mistakes: npt.NDArray[np.bool_]
    strategies: tuple[Strategy, ...]


class Tactician:
    """Knows the proven strategies by heart, by situation.

    Args:
        book: where they are noted.
        config: how loudly they speak.
    """

    def __init__(self, book: StrategyBook, config: TacticsConfig | None = None) -> None:
        self.book, self.config = book, config or TacticsConfig()
        self._proven: dict[int, list[Strategy]] | None = None

    def refresh(self) -> None:
        """Games or a sleep have changed what is noted."""
        self._proven = None

    def _at(self, code: int, num_actions: int) -> list[Strategy]:
        """What is proven in a situation; an imported memory may know actions that are not there."""
        if self._proven is None:
            self._proven = {}
            for strategy in self.book.proven():
                self._proven.setdefault(strategy.code, []).append(strategy)
        proven = self._proven.get(code, [])
        return [strategy for strategy in proven if 0 <= strategy.actions[0] < num_actions]

    def consult(
        self, game: str, opponent: str, code: int, attributes: bytes | None, num_actions: int
    ) -> Tactics:
        """What is known of a situation.

        Args:
            game: the variant.
            opponent: who is on the other side.
            code: fingerprint of the frame.
            attributes: what it shows, 16 bytes of `AttributeDictionary.bits`, if that is known.
            num_actions: A.
        """
        exact = [strategy for strategy in self._at(code, num_actions) if strategy.game == game]
        similar = []
        if not exact and attributes is not None and self._proven:
            scenes = self.book.scenes.nearest(attributes, self.config.scenes)
            similar = [(s, differ) for like, differ in scenes for s in self._at(like, num_actions)]
        return weigh(exact, similar, opponent, num_actions, self.config)


def weigh(
    exact: Iterable[Strategy],
    similar: Iterable[tuple[Strategy, int]],
    opponent: str,
    num_actions: int,
    config: TacticsConfig,
) -> Tactics:
    """Add strategies up; only the first action of a run counts.

    push(a) = clip(weight * sum of share * mean advantage, -bound, bound), over the strategies
    that begin with a. The share is 1 for one noted in this situation against this opponent, else
    `shared`; in another scene it is alike * exp(-bits that differ / reach).

    Args:
        exact: proven in this very situation.
        similar: proven in other scenes, with how many bits of their attributes differ.
        opponent: who is on the other side.
        num_actions: A.
        config: the knobs.
    """
    push, mistakes = np.zeros(num_actions, np.float32), np.zeros(num_actions, np.bool_)
    spoke = []
    for strategy in exact:
        own = strategy.opponent == opponent
        push[strategy.actions[0]] += (1 if own else config.shared) * strategy.mean_advantage
        mistakes[strategy.actions[0]] |= own and strategy.verdict == "bad"
        spoke.append(strategy)
    for strategy, differ in similar:
        if differ < 2 * config.reach:
            share = config.alike * np.exp(-differ / config.reach)
            push[strategy.actions[0]] += share * strategy.mean_advantage
            spoke.append(strategy)
    bounded = np.clip(config.weight * push, -config.bound, config.bound).astype(np.float32)
    return Tactics(bounded, mistakes, tuple(spoke))


def bend(policy: Floats, tactics: Tactics, lid: float) -> Floats:
    """(A,) probabilities pi * exp(push), normalised, with known mistakes at most `lid`.

    What a lid holds back goes to the other actions in proportion. Zeros stay zero; where all that
    is possible is a mistake, or all others have probability 0, the lid is lifted.
    """
    weights = policy * np.exp(tactics.push)
    bent: Floats = (weights / weights.sum()).astype(np.float32)
    held = np.where(tactics.mistakes, np.minimum(bent, lid), 0)
    free = np.where(tactics.mistakes, 0, bent)
    if not free.sum() > 0 or not tactics.mistakes.any():
        return bent
    capped: Floats = (held + free * (1 - held.sum()) / free.sum()).astype(np.float32)
    return capped
