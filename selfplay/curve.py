"""The picture of a training run: scores against scripted players, out of its TensorBoard log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

SMOOTHING = 5  # neighbouring points in a moving mean
SCORE = "score/"

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]
Curve = tuple[list[float], list[int], list[float]]
"""Minutes since the start, learner decisions, scores."""


def read_scores(run: Path) -> dict[str, Curve]:
    """Each opponent's curve, from all event files of a run; resumed runs go on where they stopped.

    Args:
        run: folder of a training run.

    Raises:
        ValueError: if it has no log with scores.
    """
    folders = sorted({file.parent for file in (run / "tensorboard").rglob("events.out.*")})
    curves: dict[str, Curve] = {}
    for folder in folders:
        log = EventAccumulator(str(folder), size_guidance={"scalars": 0})
        log.Reload()
        for tag in log.Tags()["scalars"]:
            if tag.startswith(SCORE):
                _append(curves.setdefault(tag.removeprefix(SCORE), ([], [], [])), log.Scalars(tag))
    if not curves:
        raise ValueError(f"{run} has no TensorBoard log with scores")
    start_s = min(curve[0][0] for curve in curves.values())
    return {
        name: ([(t - start_s) / 60 for t in times], steps, scores)
        for name, (times, steps, scores) in sorted(curves.items())
    }


def _append(curve: Curve, events: Any) -> None:
    times, steps, scores = curve
    for event in events:
        while steps and steps[-1] >= event.step:  # done again after a run was killed
            for column in curve:
                column.pop()
        times.append(event.wall_time)
        steps.append(event.step)
        scores.append(event.value)


def smooth(
    values: list[float], width: int = SMOOTHING
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Moving mean of `width` neighbours, of fewer at the ends; as long as `values`."""
    kernel = np.ones(min(width, len(values)))
    return np.convolve(values, kernel, "same") / np.convolve(np.ones(len(values)), kernel, "same")


def draw(curves: dict[str, Curve], title: str) -> Figure:
    """Scores over learner decisions, the minutes on top."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for name, (_, steps, scores) in curves.items():
        millions = np.array(steps) / 1e6
        (line,) = axes.plot(millions, smooth(scores), label=name, linewidth=2)
        axes.plot(millions, scores, ".", color=line.get_color(), alpha=0.25, markersize=4)
    axes.axhline(0.5, color="grey", linewidth=0.8, linestyle=":")
    axes.set(
        ylim=(0, 1), xlabel="learner decisions (millions)", ylabel="score while learning",
        title=title,
    )  # fmt: skip
    axes.legend(loc="lower right", frameon=False)
    axes.grid(alpha=0.25)
    _add_minutes(axes, max(curves.values(), key=lambda curve: len(curve[0])))
    return figure


def _add_minutes(axes: Axes, longest: Curve) -> None:
    minutes, millions = np.array(longest[0]), np.array(longest[1]) / 1e6

    def to_minutes(x: Any) -> Any:
        return np.interp(x, millions, minutes)

    def to_millions(x: Any) -> Any:
        return np.interp(x, minutes, millions)

    top = axes.secondary_xaxis("top", functions=(to_minutes, to_millions))
    top.set_xlabel("minutes")
