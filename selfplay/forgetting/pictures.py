"""The report's pictures: R as a heat map, and learning curves. SVG as data addresses."""

from __future__ import annotations

import base64
import io

import numpy as np
from matplotlib.figure import Figure

from selfplay.forgetting.results import MethodResults

WIDTH = 5.2  # inches: readable when a phone shrinks it to its screen
DARK = 0.55  # below this share of the scale numbers are white
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#6f6f6f", "#8c2d04")


def heat_map(method: MethodResults) -> str:
    """R, the mean over seeds: a row for each segment, a column for each task."""
    matrix = method.matrix.mean(0)
    suite = method.suite
    names = [task.name for task in suite.columns]
    rows = [f"{i + 1}. {names[task]}" for i, task in enumerate(suite.segments)]
    if not method.in_sequence:
        rows = [f"{i + 1}. all tasks" for i in range(len(suite.segments))]
    figure = Figure(figsize=(WIDTH, 1.6 + 0.36 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(matrix, cmap="viridis", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right")
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xlabel("scored on")
    axes.set_ylabel("after training on")
    for (i, j), value in np.ndenumerate(matrix):
        colour = "white" if value < DARK else "black"
        axes.text(j, i, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=9)
    if suite.held_out:
        axes.axvline(len(suite.tasks) - 0.5, color="white", linewidth=3)
    return _as_address(figure)


def curves(method: MethodResults) -> str:
    """Scores over training: own task at every part, all tasks at every boundary.

    The mean over seeds is drawn bold, each seed faint.
    """
    suite = method.suite
    length = suite.parts * suite.part_steps / 1000
    figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
    axes = figure.add_subplot()
    for task, about in enumerate(suite.columns):
        lines = np.array([_line(method, seed, task) for seed in range(len(method.records))])
        colour, style = COLOURS[task % len(COLOURS)], "-" if task < len(suite.tasks) else ":"
        x = lines[0, :, 0] / 1000
        for line in lines[:, :, 1] if len(lines) > 1 else ():
            axes.plot(x, line, color=colour, alpha=0.25, linewidth=0.8)
        mean = lines[:, :, 1].mean(0)
        axes.plot(x, mean, style, color=colour, marker=".", label=about.name)
    for boundary in range(len(suite.segments) + 1):
        axes.axvline(boundary * length, color="#999999", linewidth=0.8, linestyle="--")
    for level in (0, 1):
        axes.axhline(level, color="#cccccc", linewidth=0.8, zorder=0)
    axes.set_xlabel("decisions, thousands")
    axes.set_ylabel("score (0 random, 1 trained alone)")
    figure.legend(loc="outside upper center", ncols=3, fontsize=8, frameon=False)
    return _as_address(figure)


def _line(method: MethodResults, seed: int, task: int) -> list[tuple[float, float]]:
    """(decisions, score) wherever the task was scored."""
    suite = method.suite
    points: list[tuple[float, float]] = []
    for segment, own in enumerate(suite.segments):
        for part in range(suite.parts):
            x = (segment * suite.parts + part + 1) * suite.part_steps
            if part == suite.parts - 1:
                points.append((x, float(method.matrix[seed, segment, task])))
            elif own == task:
                points.append((x, float(method.curves[seed, segment, part])))
    return points


def _as_address(figure: Figure) -> str:
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode()
