"""Pictures for a board of discs: smooth at any size, made once per size.

The board is a wall with holes in front of the discs, so that a disc falls behind it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pygame
from pygame import Surface

from window.theme import Colour, mix

WALL: Colour = (36, 74, 168)
WALL_DARK: Colour = (25, 54, 128)
HOLE: Colour = (11, 16, 32)
HOLE_SHARE = 0.41
DISC_SHARE = 0.425

Floats = npt.NDArray[np.float64]


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
def wall(cell: int) -> Surface:
    """One cell of the wall: opaque around a hole with a lit lower and a dark upper rim."""
    distance, radius = _distance(cell), HOLE_SHARE * cell
    height = np.linspace(1, -1, cell)[:, None, None]
    rim = np.clip(1 - np.abs(distance - 1.06 * radius) / (0.07 * cell), 0, 1)[..., None]
    colour = np.array(WALL) * np.ones((cell, cell, 1)) - 26 * rim * height
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
