"""Where the time of training goes, and what crosses between the host and the device.

    python benchmarks/training_profile.py --device cuda

Milliseconds of a decision of all rows, of a minibatch's gradients (launched one kernel after
another, and recorded), and of the optimiser's step; then a profile of one decision and a minibatch.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from rich.console import Console
from rich.table import Table
from torch.profiler import ProfilerActivity, profile

from lifelong_agent.weights import PRETRAINED
from selfplay.cli import Options, checked_device, run_command, write_json
from selfplay.machine import best_batch, best_precision
from selfplay.measure import seconds
from selfplay.training import TrainConfig, Trainer

OUT = Console(width=110)
TURNS = 3
MOST_ROWS = 24


@dataclass(frozen=True, kw_only=True)
class TrainingProfile(Options):
    """Profile a training step."""

    games: str = "connect,tron,volley"
    """Comma-separated games with their modifiers."""
    variants: float = 0.0
    """Share of their variants."""
    batch: int | None = None
    """Decisions at a time."""
    minibatches: int | None = None
    """Parts of a pass."""
    epochs: int = TrainConfig.epochs
    """Passes over each rollout."""
    compiled: bool | None = None
    """Compile the network: by itself on CUDA."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Arithmetic of the ventral stream."""

    def run(self) -> None:
        """Measure and print."""
        device = checked_device(self.device)
        usual = best_batch(device)
        config = TrainConfig(
            games=tuple(self.games.split(",")),
            variants=self.variants,
            num_games=self.batch or usual[0],
            minibatches=self.minibatches or usual[1],
            epochs=self.epochs,
            compiled=device.type == "cuda" if self.compiled is None else self.compiled,
            precision=best_precision(device) if self.precision == "auto" else self.precision,
            device=str(device),
            seed=self.seed,
        )
        with tempfile.TemporaryDirectory() as folder:
            trainer = Trainer(config, Path(folder), PRETRAINED)
            figures = self._time(trainer, device) | self._profile(trainer)
        write_json(self.json, figures)

    def _time(self, trainer: Trainer, device: torch.device) -> dict[str, float]:
        algorithm, rows = trainer.algorithm, trainer.arenas.num_rows
        num_steps = algorithm.config.num_steps

        def learn() -> None:
            algorithm.learn(rows * num_steps, log_interval=1_000_000, reset_num_timesteps=False)

        learn()  # all is allocated and recorded
        rollout, stream = algorithm.rollout, algorithm.stream
        assert rollout is not None
        assert stream is not None
        part = next(algorithm._minibatches())

        def decide() -> None:
            with torch.no_grad():
                algorithm._decide(0, stream, rollout)

        recorded = min(seconds(lambda: algorithm._gradients(part), device) for _ in range(TURNS))
        work = {
            "rollout and learning": learn,
            "decision of all rows": decide,
            "network of all rows": lambda: self._think(trainer),
            "gradients, one by one": lambda: algorithm._differentiate(part),
            "optimiser": algorithm.policy.optimizer.step,
        }
        times = {name: min(seconds(do, device) for _ in range(TURNS)) for name, do in work.items()}
        times["gradients, recorded"] = recorded
        figures = {f"{name}, ms": 1000 * time for name, time in times.items()}
        figures["rows"], figures["rows of a minibatch"] = rows, len(part)
        figures["steps/s"] = rows * num_steps / times["rollout and learning"]
        if device.type == "cuda":
            figures["memory, GB"] = torch.cuda.max_memory_allocated(device) / 1e9
        table = Table("what", "figure")
        for name, value in figures.items():
            table.add_row(name, f"{value:,.2f}")
        OUT.print(table)
        return figures

    def _think(self, trainer: Trainer) -> None:
        obs, algorithm = trainer.arenas.observe(), trainer.algorithm
        rows = torch.arange(len(obs.seat), device=obs.seat.device)
        with torch.no_grad():
            state, network = algorithm.states[rows, obs.seat], algorithm.policy.network
            network(obs.frames, obs.legal_actions, state, network.eyes.glance(obs.frames))

    def _profile(self, trainer: Trainer) -> dict[str, float]:
        """Of one turn of all rows, and of one minibatch."""
        algorithm = trainer.algorithm
        rollout, part = algorithm.rollout, next(algorithm._minibatches())
        assert rollout is not None

        def decide() -> None:
            with torch.no_grad():
                algorithm._decide(0, trainer.arenas, rollout)

        copies: dict[str, float] = {}
        for title, work in (
            ("a decision of all rows", decide),
            ("the gradients of a minibatch", lambda: algorithm._gradients(part)),
        ):
            spent = _spent(work, algorithm.device)
            table = Table("what", "calls", "ms", title=title)
            crossed = [item for item in spent if item[0].startswith(("Memcpy", "cudaStreamSync"))]
            for name, calls, time in [*spent[:MOST_ROWS], *crossed]:
                table.add_row(name[:80], f"{calls:,}", f"{time:,.2f}")
            OUT.print(table)
            copies |= {f"{title}: {name}, calls": calls for name, calls, _ in crossed}
        return copies


def _spent(work: Callable[[], object], device: torch.device) -> list[tuple[str, int, float]]:
    """What work does: name, calls, and milliseconds of each, the longest first."""
    kinds = [ProfilerActivity.CPU]
    if device.type == "cuda":
        kinds.append(ProfilerActivity.CUDA)
    with profile(activities=kinds) as seen:
        work()
    found = [
        (event.key, event.count, (event.self_device_time_total or event.self_cpu_time_total) / 1000)
        for event in seen.key_averages()
    ]
    return sorted(found, key=lambda item: -item[2])


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    run_command(TrainingProfile, arguments, "benchmarks/training_profile.py")


if __name__ == "__main__":
    main()
