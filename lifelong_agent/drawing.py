"""`python -m lifelong_agent.drawing --out docs/circuits.svg`: a picture of the declared circuits.

Every box, road and width is read from the graph that runs. With `argparse`: two options need no
more.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as Line
from torch import nn

from lifelong_agent.circuits import (
    READING,
    AfterDischarge,
    Circuits,
    Converging,
    Diverging,
    Reverberating,
    Series,
    Sum,
)
from lifelong_agent.weights import PRETRAINED, build_network, read_json

SUFFIXES = (".svg", ".png", ".pdf")
WIDTH, HEIGHT = 3.0, 1.6  # of a box
ACROSS, DOWN = 4.6, 3.0  # from box to box
INK, SOFT, PAPER = "#24292f", "#57606a", "#ffffff"
LOOKS: dict[type[nn.Module], tuple[str, str, str]] = {  # colour, title, what it does
    nn.Identity: ("#eaeef2", "reading", "what the eyes saw"),
    Series: ("#a9d0f5", "series", "each stage hears only\nthe one before it"),
    Diverging: ("#ffd8a8", "diverging", "branches that do not\nhear each other"),
    Reverberating: ("#d8c2f0", "reverberating", "a leaky loop holds activity"),
    AfterDischarge: ("#b2e5c1", "after-discharge", "parallel delay lines:\nan echo that ends"),
    Converging: ("#f8b9c4", "converging", "several sources\nonto one pool"),
    Sum: ("#eaeef2", "features", "for policy and value"),
}
Place = tuple[float, float]


@dataclass(frozen=True)
class Road:
    """A signal's way from the block that gives it to one that hears it, and its width in units."""

    signal: str
    source: str
    target: str
    width: int


def roads(circuits: Circuits) -> list[Road]:
    """All roads of the graph, those into a block before those out of it."""
    widths, giver = {READING: circuits.output_size}, {READING: READING}
    for block in circuits.blocks:
        widths |= block.signals
        giver |= dict.fromkeys(block.signals, block.name)
    return [
        Road(signal, giver[signal], block.name, widths[signal])
        for block in circuits.blocks
        for signal in block.sources
    ]


def columns(ways: list[Road]) -> dict[str, int]:
    """The column of the reading and of each block: the length of the longest way to it."""
    found = {READING: 0}
    for road in ways:
        found[road.target] = max(found.get(road.target, 0), found[road.source] + 1)
    return found


def places(ways: list[Road]) -> dict[str, Place]:
    """Centres of the boxes, and of the signals that pass between boxes.

    Roads that pass the whole graph take no place in it: they run below.
    """
    at, found = columns(ways), {}
    for column in range(1 + max(at.values())):
        inside = [road for road in ways if road.source != READING]
        stack = [r.signal for r in inside if at[r.source] < column < at[r.target]]
        stack += [name for name in at if at[name] == column]
        for i, name in enumerate(stack):
            found[name] = (column * ACROSS, DOWN * ((len(stack) - 1) / 2 - i))
    return found


def draw(circuits: Circuits) -> Figure:
    """The graph: a box for each block in the colour of its circuit type, arrows with widths."""
    figure = Figure(figsize=(15, 5.6), layout="constrained", facecolor=PAPER)
    axes = figure.add_subplot(aspect="equal")
    axes.axis("off")
    ways = roads(circuits)
    spots = places(ways)
    for road in ways:
        _draw_road(axes, road, ways, spots)
    _draw_box(axes, READING, spots, nn.Identity)
    _draw_eye(axes, spots[READING])
    for block in circuits.blocks:
        _draw_box(axes, block.name, spots, block.kind)
        if block.kind in GLYPHS:
            GLYPHS[block.kind](axes, spots[block.name], getattr(circuits, block.name))
    top, note = max(y for _, y in spots.values()), "numbers: widths in units"
    axes.text(-WIDTH / 2, top, note, ha="left", va="center", color=SOFT, size=10)
    axes.set_xlim(-WIDTH * 0.6, max(x for x, _ in spots.values()) + WIDTH * 0.6)
    axes.set_ylim(_below(spots) - 0.4, top + 0.4)
    return figure


def _below(spots: dict[str, Place]) -> float:
    return min(y for _, y in spots.values()) - HEIGHT - 0.6


# Roads.


def _draw_road(axes: Axes, road: Road, ways: list[Road], spots: dict[str, Place]) -> None:
    (left, up), (right, down) = spots[road.source], spots[road.target]
    if road.source == READING and right - left > ACROSS:
        low, half = _below(spots), HEIGHT / 2 + 0.05
        stops = [(left, up - half), (left + 0.9, low), (right - 0.9, low), (right, down - half)]
        bends = [(left, low), None, (right, low)]
        _draw_arrow(axes, road, _line(stops, bends), ((left + right) / 2, low))
        return
    inside = [r for r in ways if r.source != READING]
    out = [r for r in inside if r.source == road.source]
    out.sort(key=lambda r: -spots.get(r.signal, spots[r.target])[1])
    into = [r for r in inside if r.target == road.target]
    stops = [
        (left + WIDTH / 2, up + _fan(road, out)),
        (right - WIDTH / 2 - 0.05, down + _fan(road, into)),
    ]
    label = ((stops[0][0] + stops[1][0]) / 2, (stops[0][1] + stops[1][1]) / 2)
    if road.signal in spots and road.signal != road.source:
        label = x, y = spots[road.signal]
        stops[1:1] = [(x - WIDTH / 2, y), (x + WIDTH / 2, y)]
    _draw_arrow(axes, road, _line(stops, [None] * (len(stops) - 1)), label)


def _fan(road: Road, beside: list[Road]) -> float:
    """How far up a box's side a road leaves or arrives, among those beside it."""
    return 0.4 * ((len(beside) - 1) / 2 - beside.index(road)) if road in beside else 0.0


def _line(stops: list[Place], bends: list[Place | None]) -> Line:
    """A smooth line through the stops: level at both ends of a piece, or around its bend."""
    points, codes = [stops[0]], [Line.MOVETO]
    for (start, end), bend in zip(pairwise(stops), bends, strict=True):
        if bend is not None:
            points += [bend, end]
            codes += [Line.CURVE3] * 2
        else:
            middle = (start[0] + end[0]) / 2
            points += [(middle, start[1]), (middle, end[1]), end]
            codes += [Line.CURVE4] * 3
    return Line(points, codes)


def _draw_arrow(axes: Axes, road: Road, line: Line, label: Place) -> None:
    axes.add_patch(
        FancyArrowPatch(
            path=line, arrowstyle="-|>,head_width=3.5,head_length=6", color=SOFT,
            linewidth=1 + road.width / 64, gid=f"{road.source}-{road.target}", capstyle="butt",
        )
    )  # fmt: skip
    box = {"facecolor": PAPER, "edgecolor": "none", "boxstyle": "round,pad=0.2"}
    axes.text(*label, str(road.width), ha="center", va="center", color=SOFT, size=11, bbox=box)


# Boxes, and what is drawn inside them.


def _draw_box(axes: Axes, name: str, spots: dict[str, Place], kind: type[nn.Module]) -> None:
    (x, y), (colour, title, words) = spots[name], LOOKS[kind]
    corner = x - WIDTH / 2, y - HEIGHT / 2
    style = "round,pad=0,rounding_size=0.18"
    axes.add_patch(
        FancyBboxPatch(
            corner, WIDTH, HEIGHT, style, facecolor=colour, edgecolor=INK, linewidth=1.2, gid=name
        )
    )
    axes.text(x, y + 0.5, title, ha="center", va="center", color=INK, size=12, weight="bold")
    side, align = (-1, "top") if kind not in (nn.Identity, Sum) else (1, "bottom")
    at = y + side * (HEIGHT / 2 + 0.12)  # a road leaves or enters below the first and the last
    axes.text(x, at, words, ha="center", va=align, color=SOFT, size=10)


def _stroke(axes: Axes, *points: Place, arrow: bool = False) -> None:
    style = "-|>,head_width=2.5,head_length=4" if arrow else "-"
    line = Line(list(points))
    axes.add_patch(FancyArrowPatch(path=line, arrowstyle=style, color=INK, linewidth=1.3))


def _dot(axes: Axes, x: float, y: float, filled: bool = True) -> None:
    axes.add_patch(Circle((x, y), 0.11, facecolor=INK if filled else PAPER, edgecolor=INK))


def _draw_eye(axes: Axes, centre: Place) -> None:
    x, y = centre[0], centre[1] - 0.15
    left, right = (x - 0.55, y), (x + 0.55, y)
    for lid in (0.6, -0.6):
        curve = Line([left, (x, y + lid), right], [Line.MOVETO, Line.CURVE3, Line.CURVE3])
        axes.add_patch(FancyArrowPatch(path=curve, arrowstyle="-", color=INK, linewidth=1.3))
    _dot(axes, x, y)


def _draw_stages(axes: Axes, centre: Place, block: Any) -> None:
    """Dots in a row, one after another."""
    x, y = centre[0], centre[1] - 0.15
    steps = [x + 0.7 * (i - len(block.stages) / 2) for i in range(len(block.stages) + 1)]
    for start, end in pairwise(steps):
        _stroke(axes, (start, y), (end - 0.1, y), arrow=True)
    for i, step in enumerate(steps):
        _dot(axes, step, y, filled=i > 0)


def _draw_branches(axes: Axes, centre: Place, block: Any) -> None:
    """From one dot to many."""
    _draw_many(axes, centre, len(block.branches), 1)


def _draw_pool(axes: Axes, centre: Place, block: Any) -> None:
    """From many dots to one."""
    _draw_many(axes, centre, len(block.roads), -1)


def _draw_many(axes: Axes, centre: Place, number: int, side: int) -> None:
    x, y = centre[0], centre[1] - 0.15
    one = (x - side * 0.5, y)
    for i in range(number):
        other = (x + side * 0.5, y + 0.34 * ((number - 1) / 2 - i))
        start, end = (one, other) if side > 0 else (other, one)
        _stroke(axes, start, end)
        _dot(axes, *other, filled=side > 0)
    _dot(axes, *one, filled=side < 0)


def _draw_loop(axes: Axes, centre: Place, block: Any) -> None:
    """An arrow out of the box and back into it."""
    (x, y), top = centre, centre[1] + HEIGHT / 2
    axes.add_patch(
        FancyArrowPatch(
            (x + 0.75, top), (x - 0.75, top), connectionstyle="arc3,rad=0.75", color=INK,
            arrowstyle="-|>,head_width=4,head_length=7", linewidth=1.8, gid="loop",
        )
    )  # fmt: skip
    axes.text(x, top + 0.72, f"{block.width} x {block.width}", ha="center", color=SOFT, size=10)
    _stroke(axes, (x - 0.5, y - 0.15), (x + 0.4, y - 0.15), arrow=True)
    _dot(axes, x - 0.5, y - 0.15, filled=False)
    _dot(axes, x + 0.5, y - 0.15)


def _draw_delays(axes: Axes, centre: Place, block: Any) -> None:
    """A line of ticks, with a tap after each delay."""
    x, y, longest = centre[0], centre[1] + 0.12, max(block.delays)
    ticks = [x + 1.8 * (tick / longest - 0.5) for tick in range(longest + 1)]
    _stroke(axes, (ticks[0], y), (ticks[-1], y))
    for tick, at in enumerate(ticks):
        _dot(axes, at, y, filled=tick in block.delays)
        if tick in block.delays:
            _stroke(axes, (at, y - 0.1), (at, y - 0.42), arrow=True)
            axes.text(at, y - 0.6, str(tick), ha="center", va="center", color=INK, size=10)


def _draw_plus(axes: Axes, centre: Place, block: Any) -> None:
    """A sum."""
    x, y = centre[0], centre[1] - 0.15
    axes.add_patch(Circle((x, y), 0.24, facecolor=PAPER, edgecolor=INK, linewidth=1.3))
    _stroke(axes, (x - 0.14, y), (x + 0.14, y))
    _stroke(axes, (x, y - 0.14), (x, y + 0.14))


GLYPHS: dict[type[nn.Module], Callable[[Axes, Place, Any], None]] = {
    Series: _draw_stages,
    Diverging: _draw_branches,
    Converging: _draw_pool,
    Reverberating: _draw_loop,
    AfterDischarge: _draw_delays,
    Sum: _draw_plus,
}


# The command.


class Parser(argparse.ArgumentParser):
    """Complains in one line and leaves with exit code 2."""

    def error(self, message: str) -> NoReturn:
        """Print what is wrong."""
        print(f"error: {' '.join(message.split())}", file=sys.stderr)
        raise SystemExit(2)


def main(args: list[str] | None = None) -> None:
    """Draw the circuits of a network."""
    parser = Parser(prog="python -m lifelong_agent.drawing", description="Draw the circuits.")
    parser.add_argument("--out", type=Path, required=True, help="the picture: .svg, .png or .pdf")
    parser.add_argument("--agent", type=Path, default=PRETRAINED, help="an agent's folder")
    chosen = parser.parse_args(args)
    try:
        write(chosen.agent, chosen.out)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    print(chosen.out)


def write(agent: Path, path: Path) -> None:
    """Draw the circuits of the agent in a folder; equal circuits give equal SVG files.

    Raises:
        ValueError: for no agent, or a picture of unknown kind.
        OSError: if the picture cannot be written.
    """
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path} is no picture: known are {', '.join(SUFFIXES)}")
    description = agent / "network.json"
    network = build_network(read_json(description).get("network"), description)
    date = {"Date": None} if path.suffix == ".svg" else {}
    with mpl.rc_context({"svg.hashsalt": "circuits"}):
        draw(network.circuits).savefig(path, dpi=110, metadata=date)


if __name__ == "__main__":
    main()
