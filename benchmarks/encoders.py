"""The eyes against the usual convolutional networks: what they cost, and what they read.

    python benchmarks/encoders.py --steps 300 --seeds 3 --json encoders.json

Eyes with two looks and with none, the Nature-CNN and the IMPALA-CNN learn from the same frames,
with the same heads, optimiser and number of batches, to name what `benchmarks/perception.py` asks.
Each does so at several learning rates, and is judged by the one at which it reads best.
At 128 pixels the frames of 64 are enlarged by repeating pixels: it shows what larger frames cost,
not what more detail is worth. No reward, no policy.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from gymnasium import spaces
from perception import SIDE, WORLDS, Frames, Reader, learn, measure, show, split, watch
from rich.console import Console
from rich.table import Table
from stable_baselines3.common.torch_layers import NatureCNN
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lifelong_agent.perception import Eyes, EyesConfig, Percept
from selfplay.cli import Options, checked_output, guarded, parse, progress_bar, write_json
from selfplay.machine import best_precision
from selfplay.measure import turn_about

LEARNING_BATCH = 512
ASKED = {64: 0.6, 128: 0.3}  # share of a peer's milliseconds, by the side of the frames
FIGURES = (
    "moves that crash, balanced accuracy", "both heads, R2", "the ball's place, R2",
    "the ball's velocity, R2",
)  # fmt: skip


class Unit(nn.Module):
    """x + conv(relu(conv(relu(x)))), both 3x3, on (N, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Shape in, shape out."""
        return x + torch.as_tensor(self.second(F.relu(self.first(F.relu(x)))))


def impala(side: int, widths: tuple[int, ...] = (16, 32, 32), reading: int = 256) -> nn.Module:
    """15 convolutions: (N, 3, side, side) to (N, reading).

    Source: arXiv:1802.01561, figure 3, the deep network without its recurrent part.
    """
    parts: list[nn.Module] = []
    channels = 3
    for width in widths:
        parts += [nn.Conv2d(channels, width, 3, padding=1), nn.MaxPool2d(3, 2, 1)]
        parts += [Unit(width), Unit(width)]
        channels = width
    cells = (side // 2 ** len(widths)) ** 2
    last = [nn.ReLU(), nn.Flatten(), nn.Linear(cells * channels, reading), nn.ReLU()]
    return nn.Sequential(*parts, *last)


def nature(side: int) -> nn.Module:
    """3 convolutions and a dense layer: (N, 3, side, side) to (N, 512)."""
    return NatureCNN(spaces.Box(0, 255, (3, side, side), np.uint8))


class Usual(nn.Module):
    """A convolutional network in the place of the eyes, with the same arithmetic; it never looks.

    Args:
        network: (N, 3, H, W) in [0, 1] to (N, D).
        precision: `bfloat16` or `float32`.
    """

    def __init__(self, network: nn.Module, precision: str) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.set_precision(precision)

    def set_precision(self, precision: str) -> None:
        """Choose the arithmetic, `float32` or `bfloat16`."""
        self._dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]

    def forward(self, frames: Tensor) -> Percept:
        """Read (N, 3, H, W) uint8."""
        light = frames.to(self._dtype, memory_format=torch.channels_last) / 255
        low = self._dtype == torch.bfloat16
        with torch.autocast(frames.device.type, self._dtype, enabled=low):
            reading = self.network(light).float()
        no_maps = torch.zeros(len(frames), 0, 0, 0)
        return Percept(reading, no_maps, torch.zeros(len(frames), 0, 2, dtype=torch.int64))


class Enlarged(nn.Module):
    """Eyes before which every pixel is repeated, `times` each way; (N, 3, 64, 64) uint8 frames.

    Where they look is told in pixels of these frames.
    """

    def __init__(self, eyes: Eyes | Usual, times: int) -> None:
        super().__init__()
        self.eyes, self.times = eyes, times

    def _enlarge(self, frames: Tensor) -> Tensor:
        return frames.repeat_interleave(self.times, 2).repeat_interleave(self.times, 3)

    def forward(self, frames: Tensor) -> Percept:
        """See."""
        percept: Percept = self.eyes(self._enlarge(frames))
        return replace(percept, fixations=percept.fixations // self.times)

    def anticipation(self, frames: Tensor, glances: Tensor, later: Tensor) -> Tensor:
        """Of the eyes; 0 for what never looks."""
        if isinstance(self.eyes, Usual):
            return torch.zeros(())
        return self.eyes.anticipation(self._enlarge(frames), glances, later)


def _eyes(looks: int, reach: int = 0) -> Callable[[int, str], Eyes]:
    return lambda side, precision: Eyes(
        (3, side, side), EyesConfig(looks=looks, reach=reach, precision=precision)
    )


Make = Callable[[int, str], Eyes | Usual]  # of a frame's side and a precision
Runs = dict[str, list[dict[str, float]]]  # of each encoder, what each of its runs reads
Read = dict[str, dict[float, list[dict[str, float]]]]  # of each encoder at each learning rate
ENCODERS: dict[str, tuple[int, Make]] = {  # width of the reading, and how one is made
    "eyes, R = 2": (EyesConfig().reading, _eyes(2)),
    "eyes, R = 0": (EyesConfig().reading, _eyes(0)),
    "Nature-CNN": (512, lambda side, precision: Usual(nature(side), precision)),
    "IMPALA-CNN": (256, lambda side, precision: Usual(impala(side), precision)),
    "eyes, reach 1": (EyesConfig().reading, _eyes(2, reach=1)),
}
OURS = ("eyes, R = 2", "eyes, R = 0", "eyes, reach 1")


@dataclass(frozen=True)
class Cost:
    """What seeing costs.

    Attributes:
        parameters: of the encoder, without heads.
        macs: multiplications and additions of matrices and convolutions for one frame.
        learning_ms: forward and backward, milliseconds a frame in batches of `LEARNING_BATCH`.
        acting_ms: forward in float32, milliseconds for one frame alone.
    """

    parameters: int
    macs: int
    learning_ms: float
    acting_ms: float


def count_macs(encoder: nn.Module, side: int) -> int:
    """Multiply-accumulates of one frame; element-wise work and pooling are not counted."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        encoder(torch.zeros(1, 3, side, side, dtype=torch.uint8))
    return int(counter.get_total_flops()) // 2


def costs(names: tuple[str, ...], side: int, batch: int, precision: str) -> dict[str, Cost]:
    """Of each encoder, turn about, the best of several turns."""
    encoders = [ENCODERS[name][1](side, precision) for name in names]
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(256, (batch, 3, side, side), dtype=torch.uint8, generator=generator)
    device = torch.device("cpu")

    def learn_once(encoder: nn.Module) -> None:
        encoder.zero_grad()
        encoder(frames).reading.square().mean().backward()

    learning = turn_about([functools.partial(learn_once, each) for each in encoders], device)
    for each in encoders:
        each.set_precision("float32")
    with torch.no_grad():
        acting = turn_about([functools.partial(each, frames[:1]) for each in encoders], device, 50)
    return {
        name: Cost(
            sum(p.numel() for p in each.parameters()),
            count_macs(each, side),
            1000 * learning_s / batch,
            1000 * acting_s,
        )
        for name, each, learning_s, acting_s in zip(names, encoders, learning, acting, strict=True)
    }


def make_reader(name: str, side: int, worlds: list[Frames]) -> Reader:
    """An untrained encoder and its heads."""
    width, make = ENCODERS[name]
    eyes = make(side, best_precision())
    return Reader(eyes if side == SIDE else Enlarged(eyes, side // SIDE), width, worlds)


def score(runs: list[dict[str, float]]) -> float:
    """Mean over runs of the mean of the four figures that are read, each at most 1."""
    return float(np.mean([[run[name] for name in FIGURES] for run in runs]))


def at_their_best(read: Read) -> tuple[dict[str, float], Runs]:
    """Each encoder's best learning rate, and the runs at it."""
    rates = {name: max(runs, key=lambda rate: score(runs[rate])) for name, runs in read.items()}
    return rates, {name: read[name][rate] for name, rate in rates.items()}


def verdicts(side: int, paid: dict[str, Cost], read: Runs) -> list[dict[str, Any]]:
    """Ours against each peer: time as a share of its time, and the difference of mean scores."""
    means = {name: score(runs) for name, runs in read.items()}
    rows: list[dict[str, Any]] = []
    for name, peer in product(paid, paid):
        if name in OURS and peer not in OURS:
            share = paid[name].learning_ms / paid[peer].learning_ms
            more = means[name] - means[peer]
            met = share <= ASKED.get(side, 1.0) and more >= 0
            rows.append({"name": name, "peer": peer, "time": share, "score": more, "met": met})
    return rows


@dataclass(frozen=True, kw_only=True)
class Encoders(Options):
    """The eyes against the usual convolutional networks."""

    steps: int = 300
    """Batches of 128 frames of each game."""
    seeds: int = 3
    """Runs of each kind."""
    learning_rates: tuple[float, ...] = (1e-3, 2e-3, 4e-3)
    """Of Adam; each encoder is judged by its best one, on average over the seeds."""
    sides: tuple[int, ...] = (64, 128)
    """Sides of the frames, multiples of 64."""
    encoders: tuple[str, ...] = tuple(ENCODERS)
    """Which."""
    batch: int = LEARNING_BATCH
    """Frames at a time when the time of learning is taken."""

    def run(self) -> None:
        """Measure, train, show."""
        self._check()
        worlds = [split(watch(world, self.seed)) for world in WORLDS]
        learned, held_out = ([world[part] for world in worlds] for part in (0, 1))
        result: dict[str, Any] = {"steps": self.steps, "precision": best_precision()}
        kinds = tuple(product(self.encoders, self.learning_rates, range(self.seeds)))
        with progress_bar("encoders", len(self.sides) * len(kinds), "runs") as tell:
            for num, side in enumerate(self.sides):
                paid = costs(self.encoders, side, self.batch, best_precision())
                read: Read = {name: {rate: [] for rate in self.learning_rates} for name in paid}
                for done, (name, rate, seed) in enumerate(kinds, 1 + num * len(kinds)):
                    make = functools.partial(make_reader, name, side, learned)
                    reader = learn(make, learned, self.steps, seed, rate)
                    read[name][rate].append(measure(reader, held_out, seed))
                    tell(done, f"{name} at {side}")
                result[str(side)] = report(side, paid, read)
                write_json(self.json, result)

    def _check(self) -> None:
        checked_output(self.json)
        if min(self.steps, self.seeds, self.batch) < 1:
            raise ValueError("steps, seeds and batch are at least 1")
        if not self.learning_rates or not min(self.learning_rates) > 0:
            raise ValueError(f"learning rates are above 0, not {self.learning_rates}")
        if not self.sides or any(side < SIDE or side % SIDE for side in self.sides):
            raise ValueError(f"sides are multiples of {SIDE}, not {self.sides}")
        unknown = set(self.encoders) - set(ENCODERS)
        if unknown or not self.encoders:
            raise ValueError(f"unknown encoders {sorted(unknown)}: known are {list(ENCODERS)}")


def report(side: int, paid: dict[str, Cost], read: Read) -> dict[str, object]:
    """Show one side's tables; the same for JSON."""
    table = Table(f"cost at {side} pixels", *paid)
    for field, digits in (("parameters", 0), ("macs", 0), ("learning_ms", 3), ("acting_ms", 3)):
        table.add_row(field, *[f"{asdict(cost)[field]:,.{digits}f}" for cost in paid.values()])
    console = Console(width=140)
    console.print(table)
    rates, best = at_their_best(read)
    means = {name: {rate: score(read[name][rate]) for rate in read[name]} for name in read}
    table = Table("mean score at each learning rate", *read)
    for rate in next(iter(means.values())):
        table.add_row(f"{rate:g}", *[f"{each[rate]:.3f}" for each in means.values()])
    console.print(table)
    show(f"what is read at {side} pixels, each at its best rate", best)
    against = verdicts(side, paid, best)
    for row in against:
        met = "met" if row["met"] else "not met"
        console.print(
            f"{row['name']} against {row['peer']}: {row['time']:.2f} of the time in learning "
            f"(asked: {ASKED.get(side, 1.0)}), score {row['score']:+.3f}: {met}"
        )
    return {
        "costs": {name: asdict(cost) for name, cost in paid.items()},
        "scores": {
            name: {str(rate): mean for rate, mean in each.items()} for name, each in means.items()
        },
        "learning_rates": rates,
        "read": best,
        "verdicts": against,
    }


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    guarded(lambda: parse(Encoders, arguments, "benchmarks/encoders.py").run())


if __name__ == "__main__":
    main()
