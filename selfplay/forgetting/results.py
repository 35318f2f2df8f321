"""What an evaluation has shown: R, the metrics with their intervals, and the forms they come in."""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from selfplay.forgetting import metrics
from selfplay.forgetting.constants import Constants
from selfplay.forgetting.metrics import Array
from selfplay.forgetting.runner import Record
from selfplay.forgetting.suites import Suite

SEQUENTIAL = (
    *("forgetting", "forgetting_peak", "backward_transfer", "forward_transfer"),
    *("zero_shot", "worst_retention"),
)
METRICS = ("average_performance", *SEQUENTIAL)


@dataclass(frozen=True)
class Figure:
    """A mean over the seeds that have a value, and its bootstrap 95% interval; else NaN."""

    mean: float
    ci95: tuple[float, float]

    @staticmethod
    def of(values: Array) -> Figure:
        """Of one value for each seed, NaN where it has none."""
        known = values[~np.isnan(values)]
        mean = float(known.mean()) if len(known) else float("nan")
        return Figure(mean, metrics.bootstrap_ci95(known))

    def to_json(self) -> dict[str, Any]:
        """NaN becomes null."""
        return {"mean": _or_null(self.mean), "ci95": [_or_null(x) for x in self.ci95]}

    def to_text(self) -> str:
        """`0.92 [0.90, 0.95]`, or `-` without a value."""
        if math.isnan(self.mean):
            return "-"
        low, high = self.ci95
        return f"{self.mean:.2f}" + ("" if math.isnan(low) else f" [{low:.2f}, {high:.2f}]")


@dataclass(frozen=True)
class MethodResults:
    """One method on all seeds.

    Attributes:
        name: as it was asked for.
        suite: the terms.
        constants: what 0 and 1 mean.
        records: one for each seed.
        in_sequence: False where all tasks are met at once, so that what depends on the order is
            not defined.
    """

    name: str
    suite: Suite
    constants: Constants
    records: tuple[Record, ...]
    in_sequence: bool

    @cached_property
    def raw(self) -> Array:
        """(S, N, columns) raw scores."""
        return np.array([record.matrix for record in self.records], dtype=np.float64)

    @cached_property
    def matrix(self) -> Array:
        """R, (S, N, columns) normalised scores."""
        return self.constants.normalise(self.raw)

    @cached_property
    def curves(self) -> Array:
        """(S, N, parts) normalised scores of each segment's own task."""
        raw = np.array([record.curves for record in self.records], dtype=np.float64)
        segments = [
            self.constants.normalise(raw[:, i], task) for i, task in enumerate(self.suite.segments)
        ]
        return np.stack(segments, 1)

    @cached_property
    def figures(self) -> dict[str, Figure]:
        """Every metric by its name; `held_out` only where the suite holds tasks out."""
        seeds = range(len(self.records))
        rows = [self._metrics_of(seed) for seed in seeds]
        return {name: Figure.of(np.array([row[name] for row in rows])) for name in rows[0]}

    def _metrics_of(self, seed: int) -> dict[str, float]:
        order, trained = self.suite.segments, len(self.suite.tasks)
        scores, held_out = self.matrix[seed, :, :trained], self.matrix[seed, -1, trained:]
        areas = np.array([metrics.area(curve) for curve in self.curves[seed]])
        scratch = self.constants.scratch_areas()
        found = {
            "average_performance": metrics.average_performance(scores),
            "forgetting": metrics.forgetting(scores, order),
            "forgetting_peak": metrics.peak_forgetting(scores, order),
            "backward_transfer": metrics.backward_transfer(scores, order),
            "forward_transfer": metrics.forward_transfer(areas, scratch, order),
            "zero_shot": metrics.zero_shot(scores, order),
            "worst_retention": metrics.worst_retention(scores, order),
        }
        if not self.in_sequence:
            found |= dict.fromkeys(SEQUENTIAL, float("nan"))
        if len(held_out):
            found["held_out"] = float(held_out.mean())
        return found | {
            "raw_average": float(self.raw[seed, -1, :trained].mean()),
            "dormant_units": self.records[seed].dormant[-1],
        }

    @property
    def wall_s(self) -> float:
        """Seconds of one seed, the mean over seeds."""
        return float(np.mean([record.wall_s for record in self.records]))

    @property
    def replay_bytes(self) -> int:
        """The most that was kept of old experience."""
        return max(record.replay_bytes for record in self.records)

    def to_json(self) -> dict[str, Any]:
        """The method's part of results.json."""
        return {
            "matrix": self.matrix.tolist(),
            "raw_matrix": self.raw.tolist(),
            "curves": self.curves.tolist(),
            "dormant": [[_or_null(x) for x in record.dormant] for record in self.records],
            **{name: figure.to_json() for name, figure in self.figures.items()},
            "replay_bytes": self.replay_bytes,
            "wall_s": self.wall_s,
            "learning_s": float(np.mean([record.learning_s for record in self.records])),
        }


@dataclass(frozen=True)
class Results:
    """All methods of an evaluation.

    Attributes:
        suite: the terms.
        seeds: in the order of the records.
        constants: what 0 and 1 mean.
        methods: by name.
        version: of the results' form and of the rules by which they were made.
    """

    suite: Suite
    seeds: tuple[int, ...]
    constants: Constants
    methods: dict[str, MethodResults]
    version: int

    @property
    def task_names(self) -> list[str]:
        """The columns of R."""
        return [task.name for task in self.suite.columns]

    def to_json(self) -> dict[str, Any]:
        """The shape of results.json."""
        names = self.task_names
        return {
            "version": self.version,
            "suite": self.suite.name,
            "terms": self.suite.to_json(),
            "tasks": names,
            "held_out": [task.name for task in self.suite.held_out],
            "segments": [names[task] for task in self.suite.segments],
            "seeds": list(self.seeds),
            "normalisation": self.constants.to_json(),
            "methods": {name: method.to_json() for name, method in self.methods.items()},
        }

    def to_rows(self) -> list[dict[str, Any]]:
        """R in long form: method, seed, segment, trained, task, score, raw."""
        return [
            {
                "method": name,
                "seed": self.seeds[s],
                "segment": i,
                "trained": self.task_names[self.suite.segments[i]],
                "task": self.task_names[j],
                "score": float(method.matrix[s, i, j]),
                "raw": float(method.raw[s, i, j]),
            }
            for name, method in self.methods.items()
            for s, i, j in np.ndindex(*method.matrix.shape)
        ]

    def to_frame(self) -> Any:
        """`to_rows` as a pandas data frame.

        Raises:
            ValueError: if pandas is not installed.
        """
        try:
            pandas = importlib.import_module("pandas")
        except ImportError:
            raise ValueError("to_frame needs the package pandas; to_rows does not") from None
        return pandas.DataFrame(self.to_rows())

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Head and cells of the table of metrics: a row for each metric, a column for a method."""
        methods = self.methods.values()
        names = list(next(iter(methods)).figures) if methods else []
        rows = [
            [name.replace("_", " "), *(method.figures[name].to_text() for method in methods)]
            for name in names
        ]
        rows.append(["replay MB", *(f"{method.replay_bytes / 1e6:.1f}" for method in methods)])
        rows.append(["minutes", *(f"{method.wall_s / 60:.1f}" for method in methods)])
        return ["", *self.methods], rows


def _or_null(value: float) -> float | None:
    return None if math.isnan(value) else value
