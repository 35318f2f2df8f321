"""The pool of the agent's former selves, met again in proportion to how they still hurt."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from lifelong_agent.policy import DualStreamNetwork


@dataclass
class Snapshot:
    """A frozen copy of a network and how the learner fares against it.

    Attributes:
        name: `snapshot-STEPS`.
        network: a deep copy that nobody trains.
        score: the learner's running score against it, in [0, 1].
    """

    name: str
    network: DualStreamNetwork
    score: float = 0.5


def freeze(network: DualStreamNetwork, name: str) -> Snapshot:
    """A copy of `network` that nobody trains."""
    return Snapshot(name, copy.deepcopy(network).eval().requires_grad_(False))


class League:
    """Up to `capacity` snapshots, spread over the whole run.

    When the pool is full, the snapshot whose removal leaves the most even spacing goes (the
    first and the newest stay).
    """

    def __init__(self, capacity: int = 12) -> None:
        self.capacity = capacity
        self.snapshots: list[Snapshot] = []

    def add(self, network: DualStreamNetwork, steps: int) -> None:
        """Freeze a copy of `network` as it is after `steps`."""
        self.snapshots.append(freeze(network, f"snapshot-{steps}"))
        if len(self.snapshots) > self.capacity:
            del self.snapshots[self._most_crowded()]

    def _most_crowded(self) -> int:
        steps = [int(s.name.split("-")[1]) for s in self.snapshots]
        gaps = [steps[i + 1] - steps[i - 1] for i in range(1, len(steps) - 1)]
        return 1 + gaps.index(min(gaps))

    def weights(self) -> Tensor:
        """(num_snapshots,) chances of being met.

        Prioritised fictitious self-play: (1 - score)^2, or score (1 - score) while the learner
        still loses to most of them; a floor of 2%.

        Source: AlphaStar, doi:10.1038/s41586-019-1724-z, methods.
        """
        score = torch.tensor([s.score for s in self.snapshots])
        weight = (1 - score) ** 2 if score.mean() >= 0.3 else score * (1 - score)
        weight = weight / weight.sum().clamp_min(1e-9)
        return weight.clamp_min(0.02) / weight.clamp_min(0.02).sum()

    def pick(self, generator: torch.Generator) -> Snapshot:
        """Draw one by `weights`."""
        index = torch.multinomial(self.weights(), 1, generator=generator)
        return self.snapshots[int(index)]

    def record(self, snapshot: Snapshot, score: float, games: int) -> None:
        """Move the running score towards what `games` new games gave."""
        rate = 1 - 0.99**games
        snapshot.score += rate * (score - snapshot.score)
