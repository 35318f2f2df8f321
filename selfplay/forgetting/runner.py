"""One method and one seed through a suite: learn, score, save, go on; resumable at every part.

A run's record and its learner are one pair of files, written together after each part of a
segment. What comes after depends on that pair alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lifelong_agent.weights import flatten, read_pair, unflatten, write_pair
from selfplay.forgetting.learners import Learner
from selfplay.forgetting.practice import score, seed_from
from selfplay.forgetting.suites import Suite

STEM = "run"
Tell = Callable[[int], None]


@dataclass
class Record:
    """What a run has shown so far, in raw scores.

    Attributes:
        matrix: a row after each segment, a column for each task of `suite.columns`.
        curves: for each segment begun, the scores on its own task after each part.
        wall_s: seconds of learning and scoring.
        learning_s: seconds of learning alone.
        replay_bytes: what is kept of old experience.
        dormant: the dormant-unit ratio after each segment; NaN for networks not ours.
    """

    matrix: list[list[float]] = field(default_factory=list)
    curves: list[list[float]] = field(default_factory=list)
    wall_s: float = 0.0
    learning_s: float = 0.0
    replay_bytes: int = 0
    dormant: list[float] = field(default_factory=list)

    def parts_done(self) -> int:
        """Parts of segments that are over."""
        return sum(len(curve) for curve in self.curves)


@dataclass(frozen=True)
class Run:
    """A method on a seed of a suite, kept in a folder.

    Attributes:
        suite: the terms.
        learner: builds the learner, anew.
        seed: of all chance.
        folder: where the pair of files lies.
        device: where it computes.
        own_task_only: a segment is scored on its own task alone; the others are NaN.
    """

    suite: Suite
    learner: Callable[[], Learner]
    seed: int
    folder: Path
    device: torch.device
    own_task_only: bool = False

    @property
    def num_parts(self) -> int:
        """Parts of segments in all."""
        return len(self.suite.segments) * self.suite.parts

    def recorded(self) -> Record:
        """What is on disk; an empty record if there is nothing.

        Raises:
            ValueError: in one line, for damaged files.
        """
        path = self.folder / f"{STEM}.json"
        if not (path.exists() or path.with_suffix(".safetensors").exists()):
            return Record()
        return _record_of(read_pair(self.folder, STEM)[0], path)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to be done."""
        return self.recorded().parts_done() == self.num_parts

    def complete(self, tell: Tell = lambda _: None) -> Record:
        """Do what is left of the run.

        Args:
            tell: hears after each part how many are over.

        Raises:
            ValueError: in one line, for damaged files.
        """
        record = self.recorded()
        if record.parts_done() == self.num_parts:
            return record
        learner = self.learner()
        if record.curves:
            learner.load_state_dict(self._saved_learner())
        for part in range(record.parts_done(), self.num_parts):
            self._learn_part(part, learner, record)
            self._save(learner, record)
            tell(part + 1)
        return record

    def _saved_learner(self) -> dict[str, Any]:
        return unflatten(read_pair(self.folder, STEM)[1])

    def _learn_part(self, part: int, learner: Learner, record: Record) -> None:
        segment, number = divmod(part, self.suite.parts)
        task = self.suite.segments[segment]
        start = time.perf_counter()
        learner.learn(task, seed_from(self.seed, part))
        is_over = number == self.suite.parts - 1
        if is_over:
            learner.finish(task)
        record.learning_s += time.perf_counter() - start
        if number == 0:
            record.curves.append([])
        if is_over:
            record.dormant.append(learner.dormant_ratio())
            record.matrix.append(self._row(learner, task))
            record.curves[-1].append(record.matrix[-1][task])
        else:
            record.curves[-1].append(self._score(learner, task))
        record.replay_bytes = learner.replay_bytes
        record.wall_s += time.perf_counter() - start

    def _row(self, learner: Learner, own: int) -> list[float]:
        columns = range(len(self.suite.columns))
        return [
            float("nan") if self.own_task_only and task != own else self._score(learner, task)
            for task in columns
        ]

    def _score(self, learner: Learner, task: int) -> float:
        return score(self.suite, self.suite.columns[task], learner.actor(task), self.device)

    def _save(self, learner: Learner, record: Record) -> None:
        finished = record.parts_done() == self.num_parts
        tree: dict[str, Any] = {} if finished else learner.state_dict()
        tensors: dict[str, Tensor] = flatten(tree)
        write_pair(self.folder, STEM, tensors, {"record": asdict(record)})


def _record_of(notes: dict[str, Any], path: Path) -> Record:
    try:
        return Record(**notes["record"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} holds no record of a run: {error}") from None
