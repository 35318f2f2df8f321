"""How benchmarks are taken: turn about with their peers, the best of several turns.

Machines are noisy: the ratios are what to compare.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

TURNS = 5


@dataclass(frozen=True)
class Row:
    """One measured figure, and its peer's if there is one."""

    name: str
    value: float
    unit: str
    peer: str = ""
    peer_value: float | None = None

    @property
    def ratio(self) -> float | None:
        """Ours over theirs."""
        return None if self.peer_value is None else self.value / self.peer_value

    def to_json(self) -> dict[str, Any]:
        """The shape of `bench --json`."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "peer": self.peer,
            "peer_value": self.peer_value,
            "ratio": self.ratio,
        }

    def to_text(self) -> tuple[str, ...]:
        """The cells of a table."""

        def number(value: float | None) -> str:
            if value is None:
                return ""
            return f"{value:,.0f}" if value >= 1000 else f"{value:.3f}"

        return (
            self.name, number(self.value), self.unit, self.peer, number(self.peer_value),
            number(self.ratio),
        )  # fmt: skip


def seconds(action: Callable[[], Any], device: torch.device) -> float:
    """Wall-clock seconds of one call."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    action()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def turn_about(
    actions: list[Callable[[], Any]], device: torch.device, turns: int = TURNS
) -> list[float]:
    """The best time in seconds of each action over several turns, after one to warm up."""
    for action in actions:
        action()
    times = [[seconds(action, device) for action in actions] for _ in range(turns)]
    return [min(each) for each in zip(*times, strict=True)]
