"""`lifelong` with one part taken out; the names are in `methods`.

Without its hippocampus and without its neocortex it is `lifelong` with other knobs; what is here
changes the network.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from lifelong_agent.circuits import Episode
from lifelong_agent.policy import DualStreamPolicy
from selfplay.forgetting.lifelong import LifelongLearner
from selfplay.forgetting.suites import Suite


class Mlp(nn.Module):
    """Two hidden layers in the circuits' place, with their direct road; it remembers nothing.

    Args:
        inputs: I, width of the reading and of the features.
        width: of the hidden layers.
    """

    state_size = 0

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.output_size = inputs
        self.layers = nn.Sequential(
            nn.Linear(inputs, width), nn.ReLU(),
            nn.Linear(width, width), nn.ReLU(),
            nn.Linear(width, inputs), nn.ReLU(),
        )  # fmt: skip

    def forward(self, reading: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One decision: (N, I) and (N, 0) to features (N, I) and the same state."""
        return reading + self.layers(reading), state

    def unroll(self, readings: Tensor, states: Tensor, episode: Episode) -> Tensor:
        """(T, N, I) to the same, each decision by itself."""
        return readings + torch.as_tensor(self.layers(readings))


def width_of_equal_size(inputs: int, num_parameters: int) -> int:
    """The width w at which an `Mlp` comes nearest to so many parameters.

    It has (I + 1) w + (w + 1) w + (w + 1) I = w^2 + 2 (I + 1) w + I of them.
    """
    return round(math.sqrt((inputs + 1) ** 2 + num_parameters - inputs) - (inputs + 1))


class MlpPolicy(DualStreamPolicy):
    """The same eyes and heads around an `Mlp` with as many parameters as the circuits have."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        circuits = self.network.circuits
        size = sum(part.numel() for part in circuits.parameters())
        inputs = circuits.output_size
        mlp = Mlp(inputs, width_of_equal_size(inputs, size))
        self.network.circuits = mlp  # type: ignore[assignment]
        self.optimizer = torch.optim.Adam(self.network.parameters(), **self.optimizer.defaults)


class WithoutCircuits(LifelongLearner):
    """`lifelong-mlp`."""

    policy = MlpPolicy


class WithoutLooks(LifelongLearner):
    """`lifelong-no-looks`: the first glance is all that it gets."""

    def __init__(self, suite: Suite, *args: Any, **knobs: Any) -> None:
        eyes = replace(suite.network.eyes, looks=0)
        super().__init__(replace(suite, network=replace(suite.network, eyes=eyes)), *args, **knobs)
