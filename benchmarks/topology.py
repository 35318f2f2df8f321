"""The graph of circuits against an MLP and a GRU on small tasks, most of which need memory.

    python benchmarks/topology.py --steps 200 --seeds 3 --json topology.json

Every core stands between the same two dense layers and learns the same sequences of 32 decisions,
through time, with the same optimiser and number of batches. The rivals come at as many parameters
as the graph has and, found by measuring, at as many milliseconds. The graph is also trained with
the reverberating or the after-discharge part cut out. Nothing here sees or plays a game.
"""

from __future__ import annotations

import bisect
import functools
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from perception import explained, show
from rich.console import Console
from rich.table import Table
from torch import Generator, Tensor, nn

from lifelong_agent.circuits import CircuitConfig, Circuits, Episode, scan
from selfplay.cli import Options, checked_output, guarded, parse, progress_bar, write_json
from selfplay.measure import turn_about

STEPS, ROWS = 32, 16  # T decisions, N sequences in a batch
INPUTS = 5
READING = 128  # as in the agent
LEARNING_RATE = 2e-3
EXAMINED = 256  # sequences
PULSES = 0.1  # share of decisions with a pulse
LEAK = 0.9
WIDEST = 1024


@dataclass(frozen=True)
class Lesson:
    """A batch of sequences.

    Attributes:
        inputs: (T, N, INPUTS) float32.
        targets: (T, N, K) float32, 0 or 1, or numbers of variance about 1.
        asked: (T, N) bool, when an answer counts.
    """

    inputs: Tensor
    targets: Tensor
    asked: Tensor


def _coins(generator: Generator, *shape: int) -> Tensor:
    return torch.randint(2, shape, generator=generator).float()


def _lesson(inputs: Tensor, targets: Tensor, asked: Tensor | None = None) -> Lesson:
    """Fill the inputs up with zeros; where nothing is said, every answer counts."""
    if asked is None:
        asked = torch.ones(inputs.shape[:2], dtype=torch.bool)
    return Lesson(F.pad(inputs, (0, INPUTS - inputs.shape[-1])), targets, asked)


def now(rows: int, generator: Generator) -> Lesson:
    """No memory: whether an odd number of three bits is 1."""
    bits = _coins(generator, STEPS, rows, 3)
    return _lesson(2 * bits - 1, bits.sum(2, keepdim=True) % 2)


def delayed(rows: int, generator: Generator) -> Lesson:
    """Which of four symbols was shown at first? Asked once, 4 or more decisions later; noise."""
    cue, row = torch.randint(4, (rows,), generator=generator), torch.arange(rows)
    when = torch.randint(4, STEPS, (rows,), generator=generator)
    inputs = F.pad(0.3 * torch.randn(STEPS, rows, 4, generator=generator), (0, 1))
    inputs[0, :, :4] = F.one_hot(cue, 4).float()
    inputs[when, row, 4] = 1
    bits = torch.stack([cue % 2, cue // 2], 1).float()
    return _lesson(inputs, bits.expand(STEPS, rows, 2), inputs[..., 4] > 0)


def _pulses(rows: int, lines: int, generator: Generator) -> Tensor:
    """(T, N, lines) of -1, 0, 1; the first is never 0."""
    signs = 2 * _coins(generator, STEPS, rows, lines) - 1
    is_there = torch.rand(STEPS, rows, lines, generator=generator) < PULSES
    is_there[0] = True
    return signs * is_there


def flip_flop(rows: int, generator: Generator) -> Lesson:
    """Three lines: the sign of the last pulse of each.

    Source: Sussillo and Barak, Neural Computation 25 (2013), section 3.2.
    """
    pulses = _pulses(rows, 3, generator)
    held = [pulses[0]]
    for pulse in pulses[1:]:
        held.append(torch.where(pulse != 0, pulse, held[-1]))
    return _lesson(pulses, (torch.stack(held) > 0).float())


def parity(rows: int, generator: Generator) -> Lesson:
    """Whether an odd number of pulses has come."""
    pulses = _pulses(rows, 1, generator).abs()
    return _lesson(pulses, pulses.cumsum(0) % 2)


def echo(rows: int, generator: Generator) -> Lesson:
    """The bits of 2 and of 4 decisions ago."""
    bits = _coins(generator, STEPS, rows, 1)
    targets = torch.cat([bits.roll(2, 0), bits.roll(4, 0)], 2)
    asked = (torch.arange(STEPS) >= 4)[:, None].expand(STEPS, rows)
    return _lesson(2 * bits - 1, targets, asked)


def integrate(rows: int, generator: Generator) -> Lesson:
    """A leaky sum of noise: y_t = 0.9 y_{t-1} + x_t, scaled to variance 1 in the long run."""
    noise = torch.randn(STEPS, rows, 1, generator=generator)
    sums = [noise[0]]
    for x in noise[1:]:
        sums.append(LEAK * sums[-1] + x)
    return _lesson(noise, torch.stack(sums) * (1 - LEAK**2) ** 0.5)


@dataclass(frozen=True)
class Task:
    """How lessons are drawn, and whether answers are yes or no (else: numbers)."""

    draw: Callable[[int, Generator], Lesson]
    num_answers: int
    is_binary: bool = True

    def loss(self, said: Tensor, lesson: Lesson) -> Tensor:
        """Cross-entropy or mean squared error of what was asked; `said` is (T, N, K)."""
        formula = F.binary_cross_entropy_with_logits if self.is_binary else F.mse_loss
        return formula(said[lesson.asked], lesson.targets[lesson.asked])

    def score(self, said: Tensor, lesson: Lesson) -> float:
        """Share of right answers, or R^2 of the numbers."""
        said, truth = said[lesson.asked], lesson.targets[lesson.asked]
        if not self.is_binary:
            return float(np.mean(explained(said, truth)))
        return float(((said > 0) == (truth > 0.5)).float().mean())


TASKS = {
    "now (no memory)": Task(now, 1),
    "delayed answer": Task(delayed, 2),
    "flip-flop": Task(flip_flop, 3),
    "parity": Task(parity, 1),
    "echo of 2 and 4 ago": Task(echo, 2),
    "leaky sum, R2": Task(integrate, 1, is_binary=False),
}


def _one_seat(readings: Tensor) -> Episode:
    """One seat decides all the time, and nothing ends."""
    seat = torch.zeros(readings.shape[:2], dtype=torch.int64)
    return Episode(seat, torch.zeros_like(seat, dtype=torch.bool))


class Graph(nn.Module):
    """The agent's circuits, (T, N, READING) to the same, from a state of zeros.

    Args:
        without: `reverberating` or `after_discharge`: the road from it is zero and stays so.
    """

    def __init__(self, without: str = "") -> None:
        super().__init__()
        self.circuits = Circuits(READING, CircuitConfig())
        names = ("fast", "reverberating", "after_discharge")
        if without:
            branch = names.index(without)
            road = self.circuits.converging.roads[branch]
            for weights in road.parameters():
                nn.init.zeros_(weights)
            getattr(self.circuits, without).requires_grad_(False)
            self.circuits.diverging.branches[branch].requires_grad_(False)
            road.requires_grad_(False)

    def forward(self, readings: Tensor) -> Tensor:
        """All decisions."""
        states = torch.zeros(readings.shape[1], 2, self.circuits.state_size)
        return self.circuits.unroll(readings, states, _one_seat(readings))


class Gru(nn.Module):
    """A gated recurrent unit with the graph's direct road, run by the agent's own scan.

    Source: torch.nn.GRUCell's formulas.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.enter = nn.Linear(READING, 3 * width)
        self.loop = nn.Linear(width, 3 * width)
        self.road = nn.Linear(width, READING)

    def forward(self, readings: Tensor) -> Tensor:
        """All decisions."""
        bank = torch.zeros(readings.shape[1], 2, self.width)
        held = scan(self.tick, self.enter(readings), bank, _one_seat(readings))
        return readings + F.relu(self.road(held))

    def tick(self, prepared: Tensor, state: Tensor) -> Tensor:
        """One decision: (N, 3 width) and (N, width) to the next state."""
        reset_in, update_in, new_in = prepared.chunk(3, 1)
        reset_held, update_held, new_held = self.loop(state).chunk(3, 1)
        new = torch.tanh(new_in + torch.sigmoid(reset_in + reset_held) * new_held)
        return torch.lerp(new, state, torch.sigmoid(update_in + update_held))


class Mlp(nn.Module):
    """Two layers with the graph's direct road; no memory."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(READING, width), nn.ReLU(),
            nn.Linear(width, width), nn.ReLU(),
            nn.Linear(width, READING), nn.ReLU(),
        )  # fmt: skip

    def forward(self, readings: Tensor) -> Tensor:
        """All decisions."""
        return readings + torch.as_tensor(self.layers(readings))


MakeCore = Callable[[], nn.Module]
RIVALS: dict[str, Callable[[int], nn.Module]] = {"GRU": Gru, "MLP": Mlp}


def num_parameters(core: nn.Module) -> int:
    """Of those that learn."""
    return sum(p.numel() for p in core.parameters() if p.requires_grad)


def width_of_size(make: Callable[[int], nn.Module], size: int) -> int:
    """The width at which a core's parameters come nearest to `size`."""

    def parameters(width: int) -> int:
        return num_parameters(make(width))

    above = bisect.bisect_left(range(WIDEST), size, lo=1, key=parameters)
    return min(above - 1, above, key=lambda width: abs(parameters(width) - size))


def learning_action(core: nn.Module, readings: Tensor) -> Callable[[], None]:
    """One batch there and back."""

    def action() -> None:
        core.zero_grad()
        core(readings).square().mean().backward()

    return action


def width_of_time(make: Callable[[int], nn.Module], peer: nn.Module) -> int:
    """The greatest multiple of 8, to `WIDEST`, at which a core learns no slower than `peer`."""
    readings, device = torch.randn(STEPS, ROWS, READING), torch.device("cpu")

    def share(width: int) -> float:
        actions = [learning_action(core, readings) for core in (make(width), peer)]
        ours_s, peer_s = turn_about(actions, device)
        return ours_s / peer_s

    widths = range(8, WIDEST + 1, 8)
    return widths[max(bisect.bisect_right(widths, 1.0, key=share) - 1, 0)]


@dataclass(frozen=True)
class Cost:
    """What a core costs.

    Attributes:
        parameters: that learn.
        learning_ms: forward and backward, milliseconds per decision in a batch.
        acting_ms: forward, milliseconds for a decision alone.
    """

    parameters: int
    learning_ms: float
    acting_ms: float


def contestants() -> dict[str, MakeCore]:
    """The graph, its lesions, and its rivals at equal parameters and at equal time."""
    cores: dict[str, MakeCore] = {"circuits": Graph}
    for part in ("reverberating", "after_discharge"):
        cores[f"without {part}"] = functools.partial(Graph, part)
    graph = Graph()
    for name, make in RIVALS.items():
        for why, width in (
            ("parameters", width_of_size(make, num_parameters(graph))),
            ("time", width_of_time(make, graph)),
        ):
            cores[f"{name} {width}, equal {why}"] = functools.partial(make, width)
    return cores


def weigh(makers: dict[str, MakeCore]) -> dict[str, Cost]:
    """Parameters and milliseconds of each, turn about."""
    cores, device = [make() for make in makers.values()], torch.device("cpu")
    readings = torch.randn(STEPS, ROWS, READING)
    learning = turn_about([learning_action(core, readings) for core in cores], device)
    alone: list[Callable[[], Any]]
    with torch.no_grad():
        alone = [functools.partial(core, readings[:1, :1]) for core in cores]
        acting = turn_about(alone, device, 50)
    per_decision = 1000 / (STEPS * ROWS)
    return {
        name: Cost(num_parameters(core), per_decision * learning_s, 1000 * acting_s)
        for name, core, learning_s, acting_s in zip(makers, cores, learning, acting, strict=True)
    }


def learn(make: MakeCore, task: Task, steps: int, seed: int) -> nn.Module:
    """Train a core between two dense layers on fresh lessons."""
    torch.manual_seed(seed)
    generator = Generator().manual_seed(seed)
    network = nn.Sequential(
        nn.Linear(INPUTS, READING), nn.ReLU(), make(), nn.Linear(READING, task.num_answers)
    )
    learners = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(learners, lr=LEARNING_RATE)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * min(1, 2 * (steps - step) / steps + 0.05)
        lesson = task.draw(ROWS, generator)
        loss = task.loss(network(lesson.inputs), lesson)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(learners, 1.0)
        optimizer.step()
    return network


@torch.no_grad()
def examine(network: nn.Module, task: Task) -> tuple[float, float]:
    """Loss and score on lessons that nobody has learned from, the same for all."""
    lesson = task.draw(EXAMINED, Generator().manual_seed(2**31))
    said = network(lesson.inputs)
    return float(task.loss(said, lesson)), task.score(said, lesson)


@dataclass(frozen=True, kw_only=True)
class Topology(Options):
    """The graph of circuits against an MLP and a GRU."""

    steps: int = 200
    """Batches of 16 sequences."""
    seeds: int = 3
    """Runs of each kind."""
    tasks: tuple[str, ...] = tuple(TASKS)
    """Which."""

    def run(self) -> None:
        """Measure, train, show."""
        checked_output(self.json)
        if min(self.steps, self.seeds) < 1:
            raise ValueError("steps and seeds are at least 1")
        if unknown := set(self.tasks) - set(TASKS):
            raise ValueError(f"unknown tasks {sorted(unknown)}: known are {list(TASKS)}")
        torch.manual_seed(self.seed)
        cores = contestants()
        costs = weigh(cores)
        scores: dict[str, list[dict[str, float]]] = {
            name: [{} for _ in range(self.seeds)] for name in cores
        }
        losses = {name: [dict(run) for run in runs] for name, runs in scores.items()}
        runs = list(product(self.tasks, range(self.seeds), cores))
        with progress_bar("learning", len(runs), "runs") as tell:
            for done, (task, seed, name) in enumerate(runs, 1):
                network = learn(cores[name], TASKS[task], self.steps, self.seed + seed)
                losses[name][seed][task], scores[name][seed][task] = examine(network, TASKS[task])
                tell(done, f"{task}, {name}")
        show_costs(costs)
        show("score", scores)
        show("loss", losses)
        paid = {name: asdict(cost) for name, cost in costs.items()}
        write_json(self.json, {"steps": self.steps, "cores": paid, "score": scores, "loss": losses})


def show_costs(costs: dict[str, Cost]) -> None:
    """A table of what each core costs."""
    table = Table("core", "parameters", "learning, ms a decision", "acting, ms a decision")
    for name, cost in costs.items():
        table.add_row(
            name, f"{cost.parameters:,}", f"{cost.learning_ms:.4f}", f"{cost.acting_ms:.3f}"
        )
    Console(width=120).print(table)


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    guarded(lambda: parse(Topology, arguments, "benchmarks/topology.py").run())


if __name__ == "__main__":
    main()
