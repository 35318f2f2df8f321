"""Does each organ of the memory do what it is for? Every claim beside its controls.

    python benchmarks/memory_proofs.py --seeds 3 --json memory.json

Agents play stubborn opponents that beat the shipped network; in the controls one thing is missing
or wrong: the memory is empty or says anything at all, there is no sleep, sleep teaches nonsense,
strategies or names are not used, a code is cut out. The proofs stand in `fast_memory.py`,
`slow_memory.py`, and `parts.py`; docs/memory.md shows the figures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from fast_memory import fast_proofs
from parts import part_proofs
from rich.console import Console
from rich.table import Table
from slow_memory import slow_proofs

from selfplay.cli import Options, checked_output, guarded, parse, progress_bar, write_json
from selfplay.metrics import Mean


@dataclass(frozen=True)
class Proof:
    """A claim.

    Attributes:
        asked: what has to come out.
        measure: a seed to the figure of each arm; the claim's own arm comes first.
    """

    asked: str
    measure: Callable[[int], dict[str, float]]


@dataclass(frozen=True, kw_only=True)
class MemoryProofs(Options):
    """Every claim about the memory, beside its controls."""

    seeds: int = 3
    """Runs of each proof."""
    game: str = "connect"
    """What is played."""
    opponents: int = 4
    """In each run."""
    games: int = 6
    """Against each."""
    only: tuple[str, ...] = ()
    """Names of the proofs wanted; all if left out."""

    def run(self) -> None:
        """Measure and show."""
        checked_output(self.json)
        if self.seeds < 2 or min(self.opponents, self.games) < 1:
            raise ValueError("there must be 2 seeds, 1 opponent and 1 game at least")
        proofs = {
            name: Proof(*proof)
            for name, proof in {
                **fast_proofs(self.game, self.opponents, self.games),
                **slow_proofs(self.game, self.opponents, self.games),
                **part_proofs(),
            }.items()
        }
        if unknown := set(self.only) - proofs.keys():
            raise ValueError(f"unknown proofs {sorted(unknown)}: known are {list(proofs)}")
        torch.set_num_threads(1)  # single decisions: a second thread only costs
        wanted = [name for name in proofs if not self.only or name in self.only]
        found: dict[str, list[dict[str, float]]] = {name: [] for name in wanted}
        with progress_bar("proving", len(wanted) * self.seeds, "runs") as tell:
            for name in wanted:
                for seed in range(self.seed, self.seed + self.seeds):
                    found[name].append(proofs[name].measure(seed))
                    tell(sum(map(len, found.values())), name)
        means = {name: gather(runs) for name, runs in found.items()}
        show({name: proofs[name].asked for name in wanted}, means)
        write_json(self.json, {"seeds": self.seeds, "proofs": to_json(proofs, found, means)})


def gather(runs: list[dict[str, float]]) -> dict[str, Mean]:
    """The mean of each arm over the seeds."""
    return {arm: Mean.of([run[arm] for run in runs]) for arm in runs[0]}


def to_json(
    proofs: dict[str, Proof],
    found: dict[str, list[dict[str, float]]],
    means: dict[str, dict[str, Mean]],
) -> dict[str, object]:
    """What `--json` writes for each proof."""
    return {
        name: {
            "asked": proofs[name].asked,
            "arms": {
                arm: {
                    "mean": mean.mean,
                    "ci95": list(mean.ci95),
                    "values": [run[arm] for run in found[name]],
                }
                for arm, mean in arms.items()
            },
        }
        for name, arms in means.items()
    }


def show(asked: dict[str, str], means: dict[str, dict[str, Mean]]) -> None:
    """A table of all arms."""
    table = Table("proof", "asked", "arm", "mean", "95% interval")
    for name, arms in means.items():
        for number, (arm, mean) in enumerate(arms.items()):
            low, high = mean.ci95
            head = ("", "") if number else (name, asked[name])
            table.add_row(*head, arm, f"{mean.mean:.3f}", f"{low:.3f} to {high:.3f}")
    Console(width=140).print(table)


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    guarded(lambda: parse(MemoryProofs, arguments, "benchmarks/memory_proofs.py").run())


if __name__ == "__main__":
    main()
