"""Pictures for a board of discs: smooth at any size, made once per size.

The board is a wall with holes in front of the discs, so that a disc falls behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pygame
from pygame import Rect, Surface

from envs.connect_screen import choose_palette
from window.theme import AGENT, PERSON, Colour, mix

WALL: Colour = (36, 74, 168)
HOLE: Colour = (11, 16, 32)
BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)
HOLE_SHARE = 0.41
DISC_SHARE = 0.425

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Paint:
    """The colours of a variant of `connect`: those of the agent's frame, by day a little lighter.

    Attributes:
        wall: of the board.
        hole: what is behind it.
        person: of the person's discs.
        rival: of the other's.
        stone: of pillars.
        seam: where edges join, and where discs are popped.
        firefly: of what means nothing.
    """

    wall: Colour
    hole: Colour
    person: Colour
    rival: Colour
    stone: Colour
    seam: Colour
    firefly: Colour


def paint_of(modifiers: frozenset[str]) -> Paint:
    """The colours of a variant."""
    seen = choose_palette(modifiers)
    night = "night" in modifiers
    return Paint(
        wall=seen.board if {"night", "misere"} & modifiers else WALL,
        hole=seen.hole if night else HOLE,
        person=seen.own if night else PERSON,
        rival=seen.other if night else AGENT,
        stone=seen.stone,
        seam=seen.seam,
        firefly=seen.firefly,
    )


def _distance(size: int) -> Floats:
    axis = np.arange(size) - (size - 1) / 2
    distance: Floats = np.hypot(axis[:, None], axis[None, :])
    return distance


def _picture(colour: Floats, cover: Floats) -> Surface:
    """(S, S, 3) colours and (S, S) cover in [0, 1] to a surface."""
    pixels = np.dstack([colour, 255 * cover]).clip(0, 255).round().astype(np.uint8)
    size = cover.shape[0]
    picture = pygame.image.frombuffer(pixels.tobytes(), (size, size), "RGBA")
    # the window's own format is drawn twice as fast
    return picture.convert_alpha() if pygame.display.get_surface() else picture.copy()


@lru_cache(maxsize=64)
def disc(cell: int, colour: Colour) -> Surface:
    """A disc for a cell of `cell` pixels: lit from above, with an engraved ring."""
    distance, radius = _distance(cell), DISC_SHARE * cell
    height = np.linspace(0.5, -0.5, cell)[:, None, None]
    shaded = np.array(colour) * (1 + 0.16 * height) + 14 * height
    ring = np.clip(1 - np.abs(distance - 0.72 * radius) / (0.045 * cell), 0, 1)[..., None]
    shaded = shaded * (1 - 0.22 * ring)
    edge = np.clip((distance - 0.86 * radius) / (0.14 * radius), 0, 1)[..., None]
    shaded = shaded * (1 - 0.10 * edge)
    return _picture(shaded, np.clip(radius + 0.5 - distance, 0, 1))


@lru_cache(maxsize=16)
def wall(cell: int, wall_colour: Colour = WALL) -> Surface:
    """One cell of the wall: opaque around a hole with a lit lower and a dark upper rim."""
    distance, radius = _distance(cell), HOLE_SHARE * cell
    height = np.linspace(1, -1, cell)[:, None, None]
    rim = np.clip(1 - np.abs(distance - 1.06 * radius) / (0.07 * cell), 0, 1)[..., None]
    depth = 26 * min(1.0, sum(wall_colour) / sum(WALL))
    colour = np.array(wall_colour) * np.ones((cell, cell, 1)) - depth * rim * height
    return _picture(colour, np.clip(distance - radius + 0.5, 0, 1))


@lru_cache(maxsize=16)
def ring(cell: int, colour: Colour, share: float, thickness: float) -> Surface:
    """A smooth ring; radius and thickness as shares of the cell."""
    away = np.abs(_distance(cell) - share * cell)
    cover = np.clip(thickness * cell / 2 + 0.5 - away, 0, 1)
    return _picture(np.ones((cell, cell, 1)) * np.array(colour), cover)


@lru_cache(maxsize=16)
def ghost(cell: int, colour: Colour) -> Surface:
    """A pale disc: where one would land."""
    picture = ring(cell, mix(colour, HOLE, 0.25), DISC_SHARE - 0.05, 0.05).copy()
    picture.set_alpha(190)
    return picture


@lru_cache(maxsize=16)
def pillar(cell: int, colour: Colour, wall_colour: Colour) -> Surface:
    """A cell of the wall that is bricked up."""
    picture = Surface((cell, cell))
    picture.fill(wall_colour)
    inner = Rect(0, 0, cell, cell).inflate(-max(2, cell // 9), -max(2, cell // 18))
    pygame.draw.rect(picture, mix(colour, BLACK, 0.45), inner, border_radius=cell // 12)
    gap, height = max(2, cell // 24), (inner.height - 2 * max(2, cell // 24)) // 3
    for course in range(3):
        top = inner.top + course * (height + gap)
        middle = inner.left + inner.width * (1 if course % 2 else 2) // 3
        for left, right in ((inner.left, middle - gap), (middle, inner.right)):
            brick = Rect(
                left + gap // 2, top + gap // 2, right - left - gap // 2, height - gap // 2
            )
            pygame.draw.rect(picture, colour, brick, border_radius=cell // 20)
            light = Rect(brick.left + 2, brick.top, brick.width - 4, max(1, cell // 30))
            picture.fill(mix(colour, WHITE, 0.25), light)
    return picture
