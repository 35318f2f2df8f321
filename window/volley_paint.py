"""Pictures for the court of `volley`: sky, ground, net, fog, players, balls. Made once per size.

The colours are those of the agent's frame; the shapes are smooth. Nothing here knows a state.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pygame
from pygame import Rect, Surface

from envs.volley_backdrop import FOG_FLOOR, FOG_TOP, palette_of
from envs.volley_physics import CEILING, GROUND, NET_HALF_WIDTH, PLAYER_RADIUS
from window.theme import BACKGROUND, Colour, mix

WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)
STRIPES = 14
CORNER = 48  # part of the side

Floats = npt.NDArray[np.float64]


@lru_cache(maxsize=2)
def backdrop(side: int, modifiers: frozenset[str], net_height: float) -> Surface:
    """Sky, lamp, stars, fog, net and ground."""
    palette = palette_of(modifiers)
    picture = _sky(side, palette.sky, palette.air)
    unit = side / CEILING
    if {"moon", "night"} & modifiers:
        _draw_stars(picture)
    _draw_lamp(picture, modifiers)
    if "fog" in modifiers:
        picture.blit(fog_band(side, palette.fog), (0, round((CEILING - FOG_TOP) * unit)))
    _draw_net(picture, palette.net, palette.tall_net, net_height, "tallnet" in modifiers)
    _draw_ground(picture, palette.ground, round((CEILING - GROUND) * unit))
    _round_corners(picture, side // CORNER)
    return picture


def _round_corners(picture: Surface, radius: int) -> None:
    """What lies outside round corners is the window's own ground."""
    side = picture.get_width()
    axis = np.minimum(np.arange(side), side - 1 - np.arange(side))
    away = (radius - axis).clip(0)
    cover = (np.hypot(away[:, None], away[None, :]) - radius + 0.5).clip(0, 1)[..., None]
    shades = pygame.surfarray.array3d(picture) * (1 - cover) + np.array(BACKGROUND) * cover
    pygame.surfarray.blit_array(picture, shades.round().astype(np.uint8))


def _sky(side: int, above: Colour, below: Colour) -> Surface:
    down = np.clip(np.arange(side) / (0.69 * side), 0, 1)[:, None]
    shades = np.array(above) * (1 - down) + np.array(below) * down
    column = np.ascontiguousarray(shades.round().astype(np.uint8)[None])
    return pygame.transform.scale(pygame.surfarray.make_surface(column), (side, side))


def _draw_stars(picture: Surface) -> None:
    side = picture.get_width()
    rng = np.random.default_rng(4)
    for x, y, light in rng.random((70, 3)).tolist():
        place = round(x * side), round(y**1.3 * 0.5 * side)
        ground = picture.get_at(place)
        colour = mix((ground.r, ground.g, ground.b), WHITE, 0.2 + 0.6 * light)
        pygame.draw.aacircle(picture, colour, place, 1 if light < 0.75 else 2)


def _draw_lamp(picture: Surface, modifiers: Collection[str]) -> None:
    """The sun; at night the moon in its first quarter; on the moon the Earth."""
    palette, side = palette_of(modifiers), picture.get_width()
    centre, radius = (round(0.83 * side), round(0.22 * side)), round(0.07 * side)
    if not {"moon", "night"} & set(modifiers):
        glow = _disc(3 * radius, palette.lamp, soft=True)
        picture.blit(glow, glow.get_rect(center=centre), special_flags=pygame.BLEND_RGB_ADD)
    lamp = _disc(radius, palette.lamp).copy()
    if "moon" in modifiers:
        for x, y, share in ((0.7, 0.65, 0.5), (1.45, 1.25, 0.28), (1.3, 0.5, 0.2)):
            land = _disc(round(share * radius), palette.land)
            spot = land.get_rect(center=(round(x * radius), round(y * radius)))
            lamp.blit(land, spot)
    elif "night" in modifiers:
        shadow = _disc(round(0.92 * radius), palette.lamp).copy()
        lamp.blit(
            shadow, (-round(0.38 * radius), -round(0.2 * radius)), None, pygame.BLEND_RGBA_SUB
        )
    picture.blit(lamp, lamp.get_rect(center=centre))


def _draw_net(picture: Surface, colour: Colour, band: Colour, height: float, tall: bool) -> None:
    """A post with a round top; the tall one is striped."""
    side = picture.get_width()
    unit = side / CEILING
    width = round(2 * NET_HALF_WIDTH * unit)
    top = round((CEILING - height - NET_HALF_WIDTH) * unit)
    post = Rect(0, top, width, side - top)
    post.centerx = side // 2
    for place, shade in ((post, mix(colour, BLACK, 0.3)), (post.inflate(-4, 0), colour)):
        radius = place.width // 2
        pygame.draw.aacircle(picture, shade, (place.centerx, top + width // 2), radius)
        picture.fill(shade, place.move(0, width // 2))
    if tall:
        for n in range(1, STRIPES, 2):
            stripe = Rect(post.left + 2, top + n * side // 90, post.width - 4, side // 90)
            picture.fill(band, stripe)


def _draw_ground(picture: Surface, colour: Colour, top: int) -> None:
    side = picture.get_width()
    picture.fill(mix(colour, BLACK, 0.12), Rect(0, top, side, side - top))
    picture.fill(mix(colour, WHITE, 0.25), Rect(0, top, side, max(2, side // 250)))


@lru_cache(maxsize=2)
def fog_band(side: int, colour: Colour) -> Surface:
    """The band in which a ball cannot be seen."""
    height = round((FOG_TOP - FOG_FLOOR) * side / CEILING)
    x, y = np.arange(side)[:, None] / side, np.arange(height)[None] / height
    waves = np.sin(34 * x + 5 * y) + np.sin(14.7 * x - 6 * y) + np.sin(61 * x + 9 * y) / 2
    edge = np.clip(np.minimum(y, 1 - y) * 9, 0, 1) ** 0.5
    cover = (0.74 + 0.09 * waves) * edge
    picture = Surface((side, height), pygame.SRCALPHA)
    _fill(picture, np.broadcast_to(np.array(colour), (side, height, 3)), cover)
    return picture


def _fill(picture: Surface, colours: Floats, cover: Floats) -> None:
    """(W, H, 3) colours and (W, H) cover in [0, 1]."""
    pixels = pygame.surfarray.pixels3d(picture)
    pixels[:] = colours.clip(0, 255).round().astype(np.uint8)
    del pixels
    alpha = pygame.surfarray.pixels_alpha(picture)
    alpha[:] = (255 * cover.clip(0, 1)).round().astype(np.uint8)
    del alpha


@lru_cache(maxsize=32)
def _disc(radius: int, colour: Colour, soft: bool = False) -> Surface:
    """A disc with a smooth edge; a soft one is light to be added, and fades to nothing."""
    axis = np.arange(2 * radius + 1) - radius
    distance = np.hypot(axis[:, None], axis[None, :])
    if soft:
        shades = np.array(colour) * 0.4 * (1 - distance / radius).clip(0, 1)[..., None] ** 2
        return pygame.surfarray.make_surface(shades.astype(np.uint8))
    picture = Surface(distance.shape, pygame.SRCALPHA)
    flat = np.broadcast_to(np.array(colour, float), (*distance.shape, 3))
    _fill(picture, flat, radius + 0.5 - distance)
    return picture


@lru_cache(maxsize=16)
def ball(radius: float, colour: Colour) -> Surface:
    """A ball, lit from above left, with a dark rim that keeps it visible on any sky."""
    size = 2 * int(np.ceil(radius + 1.5)) + 1
    axis = np.arange(size) - size // 2
    distance = np.hypot(axis[:, None], axis[None, :])
    light = (axis[:, None] + axis[None, :]) / (3.2 * radius)
    shades = np.array(colour, float) * (1 - 0.22 * light.clip(0, 1)[..., None])
    rim = (1 - np.abs(distance - radius)).clip(0, 1)[..., None]
    picture = Surface((size, size), pygame.SRCALPHA)
    _fill(picture, shades * (1 - 0.45 * rim), radius + 0.5 - distance)
    return picture


@lru_cache(maxsize=64)
def haze(radius: float, colour: Colour, alpha: int) -> Surface:
    """A pale ball: where it was."""
    picture = ball(radius, colour).copy()
    picture.set_alpha(alpha)
    return picture


@lru_cache(maxsize=16)
def player(radius: float, colour: Colour, alpha: int = 255) -> Surface:
    """The upper half of a disc, lit from above; its flat side is the picture's lower edge."""
    size = int(np.ceil(radius)) + 1
    across, up = np.arange(2 * size) - size + 0.5, size - np.arange(size) - 0.5
    distance = np.hypot(across[:, None], up[None, :])
    height = (up / radius)[None, :, None]
    shades = np.array(colour, float) * (0.82 + 0.18 * height) + 24 * height**2
    rim = (1 - np.abs(distance - radius + 1) / 1.5).clip(0, 1)[..., None]
    picture = Surface((2 * size, size), pygame.SRCALPHA)
    colours = np.broadcast_to(shades * (1 - 0.25 * rim), (2 * size, size, 3))
    _fill(picture, colours, radius + 0.5 - distance)
    picture.set_alpha(alpha)
    return picture


def draw_eye(
    surface: Surface, centre: tuple[float, float], radius: float, look: tuple[float, float]
) -> None:
    """An eye at `centre` that looks along the unit vector `look`."""
    x, y = centre
    pygame.draw.aacircle(surface, WHITE, (round(x), round(y)), max(2, round(radius)))
    pupil = round(x + 0.45 * radius * look[0]), round(y + 0.45 * radius * look[1])
    pygame.draw.aacircle(surface, (20, 22, 34), pupil, max(1, round(0.52 * radius)))


def eye_radius(side: int) -> float:
    """Of a player's eye, in pixels."""
    return 0.25 * PLAYER_RADIUS * side / CEILING
