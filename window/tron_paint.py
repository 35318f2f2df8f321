"""Pictures for the arena of `tron`: floor, border, rocks, fog, lights. Made once per size.

Nothing here knows a game's state.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pygame
from pygame import Rect, Surface

from envs.tron_screen import SIDE
from window.theme import AGENT, PERSON, Colour, mix

CORE_SHARE, HEART_SHARE = 0.56, 0.16  # thickness of a trail and of its heart in cells
GLOW_CELL = 3  # pixels of a cell in the picture that is blurred into a glow


@dataclass(frozen=True)
class Paint:
    """The colours of one variant."""

    floor: Colour = (15, 20, 36)
    grid: Colour = (27, 35, 58)
    border: Colour = (88, 122, 190)
    gap: Colour = (16, 66, 74)
    rock: Colour = (142, 152, 170)
    fog: Colour = (62, 70, 88)
    clutter: Colour = (104, 70, 176)
    trails: tuple[Colour, Colour] = (PERSON, AGENT)
    glow: float = 0.5


def paint_of(modifiers: frozenset[str]) -> Paint:
    """Day or night; a violet border for trails of finite length."""
    border = (168, 84, 200) if "tails" in modifiers else Paint.border
    if "night" not in modifiers:
        return Paint(border=border)
    black = (0, 0, 0)
    return Paint(
        floor=(2, 3, 7), grid=(9, 11, 20), border=mix(border, black, 0.5), gap=(6, 28, 32),
        rock=(66, 71, 86), fog=(30, 34, 45), clutter=(62, 30, 104),
        trails=(mix(PERSON, black, 0.25), mix(AGENT, black, 0.2)), glow=0.75,
    )  # fmt: skip


@lru_cache(maxsize=2)
def arena(cell: int, modifiers: frozenset[str]) -> Surface:
    """Floor, grid and border of an empty arena."""
    paint = paint_of(modifiers)
    side = SIDE * cell
    picture = Surface((side, side))
    picture.fill(paint.floor)
    for n in range(1, SIDE):
        light = mix(paint.floor, paint.grid, 1.0 if n % 5 == 1 else 0.6)
        pygame.draw.line(picture, light, (n * cell, cell), (n * cell, side - cell))
        pygame.draw.line(picture, light, (cell, n * cell), (side - cell, n * cell))
    for n in range(SIDE):
        for x, y in ((n, 0), (n, SIDE - 1), (0, n), (SIDE - 1, n)):
            is_gap = "wrap" in modifiers and (x if y in (0, SIDE - 1) else y) // 2 % 2 == 1
            _draw_border_cell(picture, Rect(x * cell, y * cell, cell, cell), paint, is_gap)
    if "wrap" in modifiers:
        _draw_arrows(picture, cell, paint)
    return picture


def _draw_border_cell(picture: Surface, place: Rect, paint: Paint, is_gap: bool) -> None:
    picture.fill(mix(paint.floor, (0, 0, 0), 0.4), place)
    colour = paint.gap if is_gap else paint.border
    inner = place.inflate(-round(0.3 * place.width), -round(0.3 * place.height))
    if is_gap:
        inner = place.inflate(-round(0.6 * place.width), -round(0.6 * place.height))
    pygame.draw.rect(picture, colour, inner, border_radius=max(1, place.width // 6))


def _draw_arrows(picture: Surface, cell: int, paint: Paint) -> None:
    """Small arrows out of the arena in the middle of every edge: here it goes on."""
    side, light = SIDE * cell, mix(paint.gap, (160, 255, 255), 0.6)
    half, size = side / 2, 0.36 * cell
    for x, y, dx, dy in (
        *((half, cell / 2, 0, -1), (half, side - cell / 2, 0, 1)),
        *((cell / 2, half, -1, 0), (side - cell / 2, half, 1, 0)),
    ):
        for shift in (-2, 0, 2):
            px, py = x + shift * cell * dy, y + shift * cell * dx
            tip = (px + size * dx, py + size * dy)
            one = (px - size * (dx + dy) / 1.4, py - size * (dy + dx) / 1.4)
            two = (px - size * (dx - dy) / 1.4, py - size * (dy - dx) / 1.4)
            pygame.draw.polygon(picture, light, (tip, one, two))


@lru_cache(maxsize=4)
def rock(cell: int, colour: Colour) -> Surface:
    """A block, lit from above."""
    picture = Surface((cell, cell))
    picture.fill(mix(colour, (0, 0, 0), 0.55))
    face = Rect(1, 1, cell - 2, max(2, cell - 2 - round(0.18 * cell)))
    pygame.draw.rect(picture, colour, face, border_radius=max(1, cell // 7))
    light = mix(colour, (255, 255, 255), 0.35)
    pygame.draw.rect(picture, light, Rect(face.left + 2, face.top + 1, face.width - 4, 1))
    return picture


@lru_cache(maxsize=4)
def distractor(cell: int, colour: Colour, ground: Colour) -> Surface:
    """A cell of clutter: a flat tile, unlike a light."""
    picture = Surface((cell, cell))
    picture.fill(mix(ground, colour, 0.55))
    inner = Rect(0, 0, cell, cell).inflate(-round(0.4 * cell), -round(0.4 * cell))
    pygame.draw.rect(picture, colour, inner)
    return picture


@lru_cache(maxsize=2)
def fog(cell: int, colour: Colour) -> Surface:
    """Fog over the whole arena, of which cells are cut."""
    rng = np.random.default_rng(7)
    rough = rng.random((SIDE // 2, SIDE // 2))
    shades = np.array(colour) * (0.82 + 0.36 * rough[..., None])
    small = pygame.surfarray.make_surface(shades.clip(0, 255).astype(np.uint8))
    return pygame.transform.smoothscale(small, (SIDE * cell, SIDE * cell))


@lru_cache(maxsize=8)
def light(radius: int, colour: Colour, strength: float) -> Surface:
    """A round light to be added to what is there; black at its edge."""
    axis = np.arange(2 * radius) - radius + 0.5
    distance = np.hypot(axis[:, None], axis[None, :]) / radius
    fall_off = (1 - distance).clip(0, 1) ** 2 * strength
    shades = np.array(colour) * fall_off[..., None]
    return pygame.surfarray.make_surface(shades.clip(0, 255).astype(np.uint8))


@lru_cache(maxsize=8)
def head(cell: int, colour: Colour) -> Surface:
    """What rides in front: a bright disc with a white heart."""
    size = round(1.3 * cell)
    axis = np.arange(size) - (size - 1) / 2
    distance = np.hypot(axis[:, None], axis[None, :])
    heart = (1 - distance / (0.42 * cell)).clip(0, 1)[..., None]
    shades = np.array(mix(colour, (255, 255, 255), 0.35)) * (1 - heart) + 255 * heart
    picture = Surface((size, size), pygame.SRCALPHA)
    pixels = pygame.surfarray.pixels3d(picture)
    pixels[:] = shades.clip(0, 255).astype(np.uint8)
    del pixels
    cover = pygame.surfarray.pixels_alpha(picture)
    cover[:] = (255 * (0.5 * cell + 0.5 - distance).clip(0, 1)).astype(np.uint8)
    del cover
    return picture


def blurred(small: Surface, side: int, strength: float) -> Surface:
    """A picture of `GLOW_CELL` pixels a cell as a glow over the whole arena, to be added."""
    soft = pygame.transform.box_blur(pygame.transform.box_blur(small, GLOW_CELL), GLOW_CELL)
    dimmed = round(255 * strength)
    soft.fill((dimmed, dimmed, dimmed), special_flags=pygame.BLEND_RGB_MULT)
    return pygame.transform.smoothscale(soft, (side, side))
