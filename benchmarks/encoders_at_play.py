"""The eyes against the usual convolutional networks in play: equal games, decisions and rules.

    python benchmarks/encoders_at_play.py --games tron,connect --steps 1000000 --json out.json

The same circuits and heads learn by PPO from nothing, behind eyes with two looks, the Nature-CNN or
the IMPALA-CNN, against one clumsy player of each game. What seeing costs is in `encoders.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from encoders import ENCODERS, SIDE, Usual
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from lifelong_agent.devices import checked_device
from lifelong_agent.perception import Eyes, EyesConfig, Percept
from lifelong_agent.policy import DualStreamPolicy, NetworkConfig
from selfplay.cli import Options, checked_output, guarded, parse, progress_bar, write_json
from selfplay.forgetting.learners import FineTune, TaskPPO
from selfplay.forgetting.practice import score, seed_from
from selfplay.forgetting.suites import Suite, Task
from selfplay.machine import best_precision

PLAYERS = ("eyes, R = 2", "Nature-CNN", "IMPALA-CNN")
TASKS = {
    "tron": Task("tron", "clumsy-10:tron/wall_hugger"),
    "tron:rocks": Task("tron:rocks", "clumsy-10:tron/wall_hugger"),
    "connect": Task("connect", "clumsy-50:connect/one_ply"),
    "volley": Task("volley", "clumsy-50:volley/tracker", "points", share=0.1),
}
NUM_ROWS, GAMES = 256, 400


class Worn(nn.Module):
    """A usual encoder where the network expects its eyes; it never looks.

    Args:
        encoder: (N, 3, 64, 64) uint8 frames to a reading.
        width: of its reading,
        reading: and of that which the circuits expect, to which a dense layer brings it.
    """

    def __init__(self, encoder: Usual, width: int, reading: int) -> None:
        super().__init__()
        self.encoder, self.fit = encoder, nn.Linear(width, reading)

    def glance(self, frames: Tensor) -> Tensor:
        """Nothing is pooled: (N, 0, 64, 64)."""
        return frames[:, :0]

    def anticipation(self, frames: Tensor, *_: Tensor | None) -> Tensor:
        """There is nowhere to look: 0."""
        return torch.zeros((), device=frames.device)

    def forward(self, frames: Tensor, glances: Tensor | None = None) -> Percept:
        """See."""
        seen: Percept = self.encoder(frames)
        return Percept(F.relu(self.fit(seen.reading)), seen.scores, seen.fixations)


class EncoderPolicy(DualStreamPolicy):
    """The network with one of `ENCODERS` for eyes."""

    encoder: ClassVar[str]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        width, make = ENCODERS[self.encoder]
        usual = self.network.config.eyes
        eyes: Eyes | Usual | Worn = make(SIDE, usual.precision)
        if isinstance(eyes, Usual):
            eyes = Worn(eyes, width, usual.reading)
        self.network.eyes = eyes  # type: ignore[assignment]
        self.optimizer = torch.optim.Adam(self.network.parameters(), **self.optimizer.defaults)


class RecordedPPO(TaskPPO):
    """Plain PPO, which CUDA may record."""

    recordable = True


class Pupil(FineTune):
    """One encoder's network, learning one task."""

    kind = RecordedPPO

    def __init__(self, encoder: str, suite: Suite, seed: int, device: torch.device) -> None:
        self.policy = type("Policy", (EncoderPolicy,), {"encoder": encoder})
        super().__init__(suite, seed, device)


def learn_to_play(encoder: str, suite: Suite, seed: int, device: torch.device) -> list[float]:
    """The scores after each part of the only task's segment."""
    pupil, (task,) = Pupil(encoder, suite, seed, device), suite.tasks
    curve = []
    for part in range(suite.parts):
        pupil.learn(0, seed_from(seed, part))
        curve.append(score(suite, task, pupil.actor(0), device))
    return curve


@dataclass(frozen=True, kw_only=True)
class AtPlay(Options):
    """The eyes against the usual convolutional networks in play."""

    games: str = "tron,connect"
    """Comma-separated, of connect, tron, tron:rocks, volley; each has a network of its own."""
    encoders: tuple[str, ...] = PLAYERS
    """Which."""
    steps: int = 1_000_000
    """Decisions in each run."""
    parts: int = 5
    """Scores are taken so many times, at equal distances."""
    seeds: int = 3
    """Runs of each kind, from --seed on."""
    learning_rate: float = 6e-4
    """Of Adam; constant."""

    def run(self) -> None:
        """Train, score, show."""
        self._check()
        device = checked_device(self.device)
        kinds = list(product(self.games.split(","), self.encoders, range(self.seeds)))
        runs: list[dict[str, Any]] = []
        with progress_bar("encoders at play", len(kinds), "runs") as tell:
            for done, (game, encoder, k) in enumerate(kinds, 1):
                curve = learn_to_play(encoder, self._suite(game, device), self.seed + k, device)
                runs.append(
                    {"game": game, "encoder": encoder, "seed": self.seed + k, "curve": curve}
                )
                write_json(self.json, {"steps": self.steps, "runs": runs})
                tell(done, f"{encoder} in {game}")
        show(runs)

    def _suite(self, game: str, device: torch.device) -> Suite:
        eyes = EyesConfig(precision=best_precision(device))
        return Suite(
            "at play", (TASKS[game],), steps=self.steps, parts=self.parts, games=GAMES,
            num_rows=NUM_ROWS, learning_rate=self.learning_rate, network=NetworkConfig(eyes=eyes),
        )  # fmt: skip

    def _check(self) -> None:
        checked_output(self.json)
        if min(self.steps, self.parts, self.seeds) < 1:
            raise ValueError("steps, parts and seeds are at least 1")
        if not self.learning_rate > 0:
            raise ValueError(f"a learning rate is above 0, not {self.learning_rate}")
        for asked, known in ((self.games.split(","), TASKS), (self.encoders, ENCODERS)):
            unknown = sorted(set(asked) - set(known))
            if unknown or not asked:
                raise ValueError(f"unknown {unknown}: known are {list(known)}")


def show(runs: list[dict[str, Any]]) -> None:
    """A row for each game and encoder: mean, least and most of the last scores, and of the area."""
    table = Table("game", "encoder", "score at the end", "mean over the curve")
    for game, encoder in dict.fromkeys((run["game"], run["encoder"]) for run in runs):
        curves = np.array(
            [run["curve"] for run in runs if (run["game"], run["encoder"]) == (game, encoder)]
        )
        figures = [
            f"{values.mean():.3f} ({values.min():.3f}-{values.max():.3f})"
            for values in (curves[:, -1], curves.mean(1))
        ]
        table.add_row(game, encoder, *figures)
    Console(width=100).print(table)


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    guarded(lambda: parse(AtPlay, arguments, "benchmarks/encoders_at_play.py").run())


if __name__ == "__main__":
    main()
