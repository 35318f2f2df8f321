"""What a seat sees of an arena of 32x32 cells, and its drawing at two pixels a cell.

A row of cells is the bits of one int32. Three planes of rows make eight kinds of cell; four
neighbours at a time are looked up as eight finished pixels. What moves is stamped on top. It
knows nothing of the rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

SIDE = 32
CELLS = SIDE * SIDE
GROUP = 4  # cells that are looked up together
CHUNK_FRAMES = 128
HALVES = ((1, 0x55555555), (2, 0x33333333), (4, 0x0F0F0F0F), (8, 0x00FF00FF), (16, 0x0000FFFF))

Colour = tuple[int, int, int]


class Kind(IntEnum):
    """What a cell shows. The first seven are made of the bits own + 2 other + 4 wall."""

    FLOOR = 0
    OWN = 1
    OTHER = 2
    FOG = 3
    ROCK = 4
    CLUTTER = 5
    BORDER = 6
    CLUTTER_ON_FOG = 7  # looks like CLUTTER; `kinds` calls it so
    OWN_TAIL = 8  # the cell that the trail leaves next
    OTHER_TAIL = 9
    OWN_GHOST = 10  # where the head was before
    OTHER_GHOST = 11
    OWN_HEAD = 12
    OTHER_HEAD = 13
    CRASH = 14


DAY: dict[Kind, tuple[Colour, Colour]] = {  # most of a cell, and its bottom left pixel
    Kind.FLOOR: ((16, 21, 38), (33, 43, 70)),
    Kind.OWN: ((224, 158, 0), (188, 126, 0)),
    Kind.OTHER: ((190, 38, 66), (154, 24, 50)),
    Kind.FOG: ((74, 82, 100), (92, 101, 120)),
    Kind.ROCK: ((150, 158, 170), (104, 111, 124)),
    Kind.CLUTTER: ((78, 52, 132), (108, 76, 170)),
    Kind.BORDER: ((84, 112, 168), (84, 112, 168)),
    Kind.OWN_TAIL: ((112, 80, 10), (112, 80, 10)),
    Kind.OTHER_TAIL: ((96, 24, 42), (96, 24, 42)),
    Kind.OWN_GHOST: ((255, 212, 92), (255, 212, 92)),
    Kind.OTHER_GHOST: ((246, 104, 124), (246, 104, 124)),
    Kind.OWN_HEAD: ((255, 248, 216), (255, 248, 216)),
    Kind.OTHER_HEAD: ((255, 190, 200), (255, 190, 200)),
    Kind.CRASH: ((255, 255, 255), (255, 120, 30)),
}
NIGHT = {
    Kind.FLOOR: ((0, 0, 0), (0, 0, 0)),
    Kind.FOG: ((34, 38, 50), (46, 51, 66)),
    Kind.ROCK: ((64, 68, 82), (40, 43, 54)),
    Kind.CLUTTER: ((52, 18, 84), (72, 34, 112)),
    Kind.BORDER: ((34, 40, 76), (34, 40, 76)),
    Kind.OWN: ((150, 104, 0), (104, 72, 0)),
    Kind.OTHER: ((126, 18, 44), (86, 10, 30)),
}
VIOLET, VIOLET_AT_NIGHT = (168, 84, 200), (84, 36, 110)
GAP, GAP_AT_NIGHT = (18, 78, 84), (6, 30, 34)


@dataclass(frozen=True)
class View:
    """What one seat sees in each of B games, in its own view.

    Attributes:
        own: (B, 32) int32, the own trail.
        other: (B, 32) int32, the other's trail, turned by half a turn.
        walls: (B, 32) int32, what is built.
        hidden: (B, 32) int32, what lies in fog; None without fog.
        hidden_turned: the same, turned by half a turn.
        clutter: (B, 32) int32, distractors; None without.
        marks: (B, M) int64, cells of stamps that heads may cover.
        mark_kinds: (B, M) int64, their kinds.
        heads: (B, 2) int64, cells of the heads.
        head_kinds: (B, 2) int64, their kinds.
    """

    own: Tensor
    other: Tensor
    walls: Tensor
    hidden: Tensor | None
    hidden_turned: Tensor | None
    clutter: Tensor | None
    marks: Tensor
    mark_kinds: Tensor
    heads: Tensor
    head_kinds: Tensor


class Screen:
    """Draws views in the colours of one variant.

    `patterns` ((2, 16, 2, 2, 3) uint8: dash or gap, kind, line, pixel, channel) are the colours.

    Args:
        modifiers: `night`, `tails` and `wrap` change colours.
        device: where frames are drawn.
    """

    def __init__(self, modifiers: frozenset[str], device: torch.device | str = "cpu") -> None:
        self.patterns = _patterns(modifiers)
        self._strips = torch.from_numpy(_strips(self.patterns)).to(device)
        self._stamps = torch.from_numpy(_stamps(self.patterns)).to(device)
        self._surroundings = _surroundings().to(device)
        channels = torch.arange(3, dtype=torch.int32, device=device)
        self._channels = channels[:, None] * (len(self._strips) // 3)
        pixels = [channel * 2 * CELLS + line * SIDE for channel in range(3) for line in (0, 1)]
        self._pixels = torch.tensor(pixels, device=device)

    def draw(self, view: View) -> Tensor:
        """(B, 3, 64, 64) uint8."""
        num_frames, device = len(view.own), view.own.device
        own, other, walls = _planes(view)
        trails, walls = _spread(own) | _spread_turned(other) << GROUP, _spread(walls)
        marks, heads = self._stamp_at(view.marks), self._stamp_at(view.heads)
        mark_stamps = self._stamps[view.mark_kinds].flatten(1)
        head_stamps = self._stamps[view.head_kinds].flatten(1)
        frames = _empty((num_frames, 6 * CELLS // GROUP), device)
        chunk = CHUNK_FRAMES if device.type == "cpu" else num_frames
        for first in range(0, num_frames, chunk):
            rows = slice(first, first + chunk)
            self._paint(trails[rows], walls[rows], frames[rows])
            pairs = frames[rows].view(torch.int16)
            pairs.scatter_(1, marks[rows], mark_stamps[rows])
            pairs.scatter_(1, heads[rows], head_stamps[rows])
        return frames.view(torch.uint8).view(num_frames, 3, 2 * SIDE, 2 * SIDE)

    def _paint(self, trails: Tensor, walls: Tensor, frames: Tensor) -> None:
        """Look up the strips of some frames."""
        index = _twice(trails) | _twice(walls) << 2 * GROUP | self._surroundings
        index = index[:, None] + self._channels
        torch.index_select(self._strips, 0, index.view(-1), out=frames.view(-1))

    def _stamp_at(self, cells: Tensor) -> Tensor:
        """(B, 6 M) int64 places of the pairs of pixels of (B, M) cells."""
        corner = cells + (cells & -SIDE)  # two lines of pixels for each row of cells
        return (corner[..., None] + self._pixels).flatten(1)


def _empty(shape: tuple[int, int], device: torch.device) -> Tensor:
    """Memory for int64; on Linux numpy asks for large pages, which are had four times as fast."""
    if device.type == "cpu":
        return torch.from_numpy(np.empty(shape, np.int64))
    return torch.empty(shape, dtype=torch.int64, device=device)


def _planes(view: View) -> tuple[Tensor, Tensor, Tensor]:
    """Own, other and wall bits with fog and clutter worked in."""
    own, other, walls = view.own, view.other, view.walls
    empty = None if view.clutter is None else ~(own | walls | turn(other))
    if view.hidden is not None and view.hidden_turned is not None:
        own, other = own | view.hidden, other | view.hidden_turned
        walls = walls & ~view.hidden
        empty = None if empty is None else empty | view.hidden
    if view.clutter is not None and empty is not None:
        clutter = view.clutter & empty
        own, walls = own | clutter, walls | clutter
    return own, other, walls


def kinds(view: View) -> Tensor:
    """(B, 32, 32) int64, the `Kind` of every cell; what `Screen.draw` paints."""
    own, other, walls = _planes(view)
    own, other, walls = (bits(plane) for plane in (own, turn(other), walls))
    shown = own.long() + 2 * other.long() + 4 * walls.long()
    shown[shown == Kind.CLUTTER_ON_FOG] = Kind.CLUTTER
    shown[:, _is_border()] = Kind.BORDER
    flat = shown.flatten(1)
    flat.scatter_(1, view.marks, view.mark_kinds)
    flat.scatter_(1, view.heads, view.head_kinds)
    return shown


def turn(rows: Tensor) -> Tensor:
    """(B, 32) int32 rows after half a turn of the board."""
    for shift, mask in HALVES:
        rows = rows >> shift & mask | (rows & mask) << shift
    return rows.flip(1)


def bits(rows: Tensor) -> Tensor:
    """(B, 32, 32) bool cells of (B, 32) int32 rows."""
    return (rows[..., None] >> torch.arange(SIDE, device=rows.device) & 1).bool()


def pack(cells: Tensor) -> Tensor:
    """(..., 32) int32 rows of (..., 32, 32) bool cells."""
    weights = torch.ones(SIDE, dtype=torch.int64) << torch.arange(SIDE)
    return (cells.cpu() * weights).sum(-1).to(torch.int32).to(cells.device)


def _is_border() -> Tensor:
    border = torch.ones(SIDE, SIDE, dtype=torch.bool)
    border[1:-1, 1:-1] = False
    return border


def _spread(rows: Tensor) -> Tensor:
    """(B, 32) int64: the eight groups of four bits of int32 rows, one to a byte."""
    wide = rows.long() & 0xFFFFFFFF
    wide = (wide | wide << 16) & 0x0000FFFF0000FFFF
    wide = (wide | wide << 8) & 0x00FF00FF00FF00FF
    return (wide | wide << 4) & 0x0F0F0F0F0F0F0F0F


def _spread_turned(rows: Tensor) -> Tensor:
    """The same after half a turn, but that every group keeps its bits as they were."""
    wide = rows.flip(1).long()
    wide = wide >> 16 & 0xFFFF | (wide & 0xFFFF) << 32
    wide = wide >> 8 & 0x000000FF000000FF | (wide & 0x000000FF000000FF) << 16
    return wide >> 4 & 0x000F000F000F000F | (wide & 0x000F000F000F000F) << 8


def _twice(spread: Tensor) -> Tensor:
    """(B, 512) int32: every row of (B, 32) int64 bytes for each of its two lines of pixels."""
    return torch.stack([spread, spread], -1).view(torch.uint8).flatten(1).to(torch.int32)


def _surroundings() -> Tensor:
    """(512,) int32, what the index of every strip has besides.

    The border, where a dash is, and which line it is. The bits of the other's trail are read from
    right to left, for they come turned.
    """
    border = _is_border().view(SIDE, SIDE // GROUP, GROUP).int()
    powers = 1 << torch.arange(GROUP)
    other, walls = (border * powers.flip(0)).sum(-1), (border * powers).sum(-1)
    dash = (torch.arange(SIDE) // 2 % 2)[:, None]
    groups = other << GROUP | walls << 2 * GROUP | dash << 3 * GROUP
    lines = torch.arange(2)[:, None] << 3 * GROUP + 1
    return (groups[:, None] | lines).flatten().to(torch.int32)


def _patterns(modifiers: frozenset[str]) -> npt.NDArray[np.uint8]:
    """(2, 16, 2, 2, 3): dash or gap of a dashed border, kind, line, pixel, channel."""
    night = "night" in modifiers
    colours = {**DAY, **NIGHT} if night else dict(DAY)
    if "tails" in modifiers:
        violet = VIOLET_AT_NIGHT if night else VIOLET
        colours[Kind.BORDER] = (violet, violet)
        for kind in (Kind.OWN, Kind.OTHER):
            colours[kind] = (colours[kind][0], colours[Kind.FLOOR][0])
    colours[Kind.CLUTTER_ON_FOG] = colours[Kind.CLUTTER]
    patterns = np.zeros((2, 16, 2, 2, 3), np.uint8)
    for kind, (most, corner) in colours.items():
        patterns[:, kind] = most
        patterns[:, kind, 1, 0] = corner
    if "wrap" in modifiers:
        patterns[1, Kind.BORDER] = GAP_AT_NIGHT if night else GAP
    return patterns


def _strips(patterns: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """All pictures of four cells: (channel, line, number) flat, eight pixels each."""
    number = np.arange(2 << 3 * GROUP)[:, None]
    place = np.arange(GROUP)
    own = number >> place & 1
    other = number >> 2 * GROUP - 1 - place & 1
    wall = number >> 2 * GROUP + place & 1
    gap = (number >> 3 * GROUP) ^ place // 2
    cells = patterns[gap, own + 2 * other + 4 * wall]  # number, place, line, pixel, channel
    lines = np.ascontiguousarray(cells.transpose(4, 2, 0, 1, 3))
    return lines.reshape(-1, 2 * GROUP).view(np.int64)[:, 0]


def _stamps(patterns: npt.NDArray[np.uint8]) -> npt.NDArray[np.int16]:
    """(16, 6): for every kind the pairs of pixels by channel and line."""
    lines = np.ascontiguousarray(patterns[0].transpose(0, 3, 1, 2))
    return lines.reshape(-1, 6, 2).view(np.int16)[..., 0]
