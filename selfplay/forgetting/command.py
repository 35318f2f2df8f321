"""`python -m selfplay forgetting`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from selfplay.cli import Options, checked_device, print_whole, progress_bar, write_json
from selfplay.forgetting.evaluation import Evaluation, folder_name
from selfplay.forgetting.methods import split_methods
from selfplay.forgetting.suites import find_suite


@dataclass(frozen=True, kw_only=True)
class Forgetting(Options):
    """How much do methods forget when the task changes? The same call goes on where it stopped.

    Calls for different methods or seeds can share a folder, also at the same time once the
    constants are there (--methods none). The results hold every method that was asked for in the
    folder and is complete on the seeds of the last call.
    """

    suite: str = "quick"
    """quick, connect, tron, volley, two_games, mixed, zebra, opponents, minatar, minigrid, or
    gym:ID,ID,..."""
    methods: str = "finetune,ewc,clear,joint,lifelong"
    """Comma-separated: finetune, ewc, clear, frozen_copies, joint, lifelong and its lesions
    (lifelong-no-hippocampus, -no-neocortex, -no-looks, -mlp), module:Class of Stable-Baselines3,
    each with its knobs, such as ewc(weight=500); none: constants only."""
    seeds: int = 1
    """How many, from --seed on."""
    out: Path | None = None
    """Folder of the results; runs/forgetting-SUITE if left out."""
    steps: int | None = None
    """Decisions in a segment, instead of the suite's."""
    start: str | None = None
    """Whose weights all methods of ours begin with, instead of the suite's: new, benchmark,
    shipped, or an agent's folder."""
    reverse: bool = False
    """The tasks in the opposite order."""

    def run(self) -> None:
        """Evaluate."""
        from selfplay.forgetting.report import text_table, write_report  # matplotlib takes a second

        if self.seeds < 1:
            raise ValueError(f"the number of seeds must be at least 1, not {self.seeds}")
        suite = find_suite(self.suite)
        if self.steps is not None:
            suite = dataclasses.replace(suite, steps=self.steps)
        if self.start is not None:
            suite = suite.starting_from(self.start)
        if self.reverse:
            suite = suite.reversed()
        out = self.out or Path("runs") / f"forgetting-{folder_name(self.suite)}"
        methods = () if self.methods == "none" else split_methods(self.methods)
        if not methods and self.methods != "none":
            raise ValueError("name at least one method, or none for the constants only")
        seeds = range(self.seed, self.seed + self.seeds)
        evaluation = Evaluation(suite, methods, seeds, out, checked_device(self.device))
        with progress_bar("forgetting", evaluation.num_decisions, "decisions") as tell:
            results = evaluation.run(tell)
        print_whole(text_table(results))
        console = Console()
        if methods:
            write_report(results, out / "report.html")
            console.print(f"results: {out / 'results.json'}, {out / 'report.html'}")
        else:
            console.print(f"constants: {out / 'normalisation.json'}")
        if evaluation.left_out:
            names = ", ".join(evaluation.left_out)
            console.print(f"left out, since not complete on these seeds: {names}")
        write_json(self.json, results.to_json())
