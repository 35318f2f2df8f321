"""Every method on every seed of a suite, in one folder that a later call goes on with.

FOLDER/suite.json           whose results these are
FOLDER/normalisation.json   constants, if they had to be measured
FOLDER/METHOD/seed-K/       the run's record and, while it goes on, its learner
FOLDER/results.json, report.html   of all methods that were asked for so far
"""

from __future__ import annotations

import json
import re
import tempfile
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from lifelong_agent.weights import read_json, write_atomically
from memory.command_line import check_seed
from selfplay.forgetting.constants import (
    Constants,
    alone,
    constants_of,
    random_scores,
    read_constants,
    write_constants,
)
from selfplay.forgetting.learners import Scratch
from selfplay.forgetting.methods import find_method, make_learner
from selfplay.forgetting.practice import spaces_of
from selfplay.forgetting.results import MethodResults, Results
from selfplay.forgetting.runner import Record, Run
from selfplay.forgetting.suites import Suite, check_suite, find_suite

VERSION = 8
Progress = Callable[[int, str], None]


class Evaluation:
    """What is to be done, checked before anything is done.

    Args:
        suite: a suite or its name.
        methods: their names; none to measure the constants only.
        seeds: how many, from 0 on, or which ones.
        out: folder of the results; what is there already is not done again.
        device: where everything computes.

    Raises:
        ValueError: in one line, for an unknown suite or method, terms that make no sense, or a
            folder with results of another suite, version, or other terms.
    """

    def __init__(
        self,
        suite: Suite | str,
        methods: Sequence[str],
        seeds: int | Sequence[int],
        out: Path,
        device: torch.device | str = "cpu",
    ) -> None:
        self.suite = find_suite(suite) if isinstance(suite, str) else suite
        self.seeds = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
        if isinstance(methods, str):
            raise ValueError(f"methods must be a sequence of names, not the text {methods!r}")
        self.methods, self.out = tuple(dict.fromkeys(methods)), Path(out)
        self.device = torch.device(device)
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds must be different, at least one: {list(self.seeds)}")
        for seed in self.seeds:
            check_seed(seed)
        check_suite(self.suite)
        spaces_of(self.suite)  # complains of an environment that cannot be made
        self.in_sequence = {
            name: make_learner(name, self.suite, 0, self.device).in_sequence
            for name in self.methods
        }
        self.left_out: list[str] = []
        claim_folder(self.out, self.suite)
        self.constants = read_constants(self.suite, self.out, published=bool(self.methods))
        if self.constants and not self.methods and self.constants.seeds != self.seeds:
            self.constants = None  # they are what is asked for, of these seeds

    @property
    def scratch_runs(self) -> list[Run]:
        """Training on each task alone, where its constants are not known yet."""
        if self.constants is not None:
            return []
        suite = alone(self.suite)
        return [
            Run(
                suite,
                partial(Scratch, suite, seed, self.device),
                seed,
                self.out / "scratch" / f"seed-{seed}",
                self.device,
                own_task_only=True,
            )
            for seed in self.seeds
        ]

    def runs_of(self, method: str) -> list[Run]:
        """A method on all seeds."""
        suite = self.suite
        return [
            Run(
                suite,
                partial(make_learner, method, suite, seed, self.device),
                seed,
                self.out / folder_name(method) / f"seed-{seed}",
                self.device,
            )
            for seed in self.seeds
        ]

    @property
    def num_decisions(self) -> int:
        """Of all learners, in all."""
        runs = self.scratch_runs + [run for name in self.methods for run in self.runs_of(name)]
        return sum(run.num_parts * run.suite.part_steps for run in runs)

    def run(self, tell: Progress = lambda _done, _word: None) -> Results:
        """Do what is left, and write results.json, with the methods that were in it before.

        Those of them that are not complete on these seeds, or not known here, are `left_out`.
        Without methods there is nothing but constants, and what was written before stays.

        Args:
            tell: hears after each part how many decisions are done in all, and of what.
        """
        done = 0

        def complete(name: str, runs: list[Run]) -> tuple[Record, ...]:
            nonlocal done
            records = []
            for run in runs:
                records.append(run.complete(partial(_tell_of, run, name, done, tell)))
                done += run.num_parts * run.suite.part_steps
                tell(done, name)
            return tuple(records)

        constants = self._constants_from(complete("scratch", self.scratch_runs))
        methods = {
            name: MethodResults(
                name, self.suite, constants, complete(name, self.runs_of(name)), in_sequence
            )
            for name, in_sequence in self.in_sequence.items()
        }
        methods |= self._reported_before(set(methods), constants)
        results = Results(self.suite, self.seeds, constants, methods, VERSION)
        if methods:
            _write_json(self.out / "results.json", results.to_json())
        return results

    def _reported_before(self, now: set[str], constants: Constants) -> dict[str, MethodResults]:
        """Methods of earlier results in the folder that are complete on these seeds, too."""
        path, found = self.out / "results.json", {}
        names = list(read_json(path).get("methods", {})) if self.methods and path.exists() else []
        for name in names:
            runs = self.runs_of(name)
            if name in now:
                continue
            if not (self._is_known(name) and all(run.is_complete for run in runs)):
                self.left_out.append(name)
                continue
            learner = make_learner(name, self.suite, 0, self.device)
            records = tuple(run.recorded() for run in runs)
            found[name] = MethodResults(name, self.suite, constants, records, learner.in_sequence)
        return found

    def _is_known(self, name: str) -> bool:
        """Whether a method of earlier results still exists; a script's own may not."""
        try:
            find_method(name)
        except ValueError:
            return False
        return True

    def _constants_from(self, scratch: tuple[Record, ...]) -> Constants:
        if self.constants is None:
            random = random_scores(self.suite, self.device)
            measured = constants_of(self.suite, random, scratch, self.seeds)
            write_constants(measured, self.suite, self.out)
            self.constants = read_constants(self.suite, self.out, published=False)
            assert self.constants is not None
        self.constants.scratch_areas()  # complains of a task that nobody learned, before the work
        return self.constants


def _tell_of(run: Run, name: str, before: int, tell: Progress, parts: int) -> None:
    tell(before + parts * run.suite.part_steps, f"{name}, seed {run.seed}")


def evaluate(
    suite: Suite | str,
    methods: Sequence[str],
    seeds: int | Sequence[int] = 1,
    out: Path | None = None,
    device: torch.device | str = "cpu",
) -> Results:
    """How much do methods forget when the task changes?

    Args:
        suite: its name, or a `Suite` of your own.
        methods: such as `finetune`, `ewc(weight=500)`, `stable_baselines3:PPO`.
        seeds: how many, or which ones.
        out: folder to keep results in and to go on from; None keeps nothing.
        device: where everything computes.

    Returns:
        Matrices, metrics with intervals, `to_json`, `to_rows`, `to_frame`.

    Raises:
        ValueError: in one line, for anything that cannot be evaluated.
    """
    if out is not None:
        return Evaluation(suite, methods, seeds, out, device).run()
    with tempfile.TemporaryDirectory() as folder:
        return Evaluation(suite, methods, seeds, Path(folder), device).run()


def claim_folder(folder: Path, suite: Suite) -> None:
    """Mark a results folder with its suite, or make sure that it is this suite's.

    Raises:
        ValueError: in one line, if it holds results of another suite, version, or other terms, or
            anything else.
    """
    path = folder / "suite.json"
    claim = json.loads(json.dumps({"version": VERSION, "suite": suite.to_json()}))
    if path.exists():
        _check_claim(folder, read_json(path), claim)
        return
    if folder.exists() and (not folder.is_dir() or any(map(_is_foreign, folder.iterdir()))):
        raise ValueError(f"{folder} holds something else than results: choose another folder")
    _write_json(path, claim)


def _is_foreign(path: Path) -> bool:
    """Whether it is not what is left of a claim that was being written."""
    return path.name != "suite.json.partial"


def _check_claim(folder: Path, found: dict[str, Any], claim: dict[str, Any]) -> None:
    theirs, ours = found.get("suite"), claim["suite"]
    theirs = theirs if isinstance(theirs, dict) else {}
    name = theirs.get("name")
    if found.get("version") != VERSION:
        raise ValueError(
            f"{folder} holds results of version {found.get('version')!r}, this program makes "
            f"version {VERSION}: choose another folder"
        )
    if name != ours["name"]:
        raise ValueError(
            f"{folder} holds results of the suite {name!r}, not {ours['name']!r}: choose another "
            "folder"
        )
    if theirs != ours:
        other = ", ".join(key for key in ours if theirs.get(key) != ours[key])
        raise ValueError(
            f"{folder} holds results of {name!r} on other terms ({other}): choose another folder"
        )


def folder_name(method: str) -> str:
    """A method's name as a folder; knobs are told apart by a checksum."""
    bare = re.sub(r"\W+", "-", method).strip("-")
    return bare if bare == method else f"{bare[:60]}-{zlib.crc32(method.encode()):08x}"


def _write_json(path: Path, values: dict[str, Any]) -> None:
    write_atomically(path, (json.dumps(values, indent=2, allow_nan=False) + "\n").encode())
