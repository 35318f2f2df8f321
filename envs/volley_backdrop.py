"""The still pictures of a volley court: palettes, backdrop, and the panels' pictures. No tensors.

Canvases are (h, w, 3) float64 arrays of colours from 0 to 255, painted once per variant.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from envs.frames import Colour, Image, mix
from envs.volley_physics import CEILING, GROUND

SIZE = 64
PIXELS = SIZE / CEILING  # per unit of the world
FOG_FLOOR, FOG_TOP = 8.5, 13.5  # a ball whose centre is between them cannot be seen
WINDS = (-8.0, -6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0, 8.0)

Canvas = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Palette:
    """The colours of one kind of light."""

    sky: Colour = (32, 66, 134)
    air: Colour = (84, 138, 192)
    ground: Colour = (226, 196, 132)
    net: Colour = (232, 236, 240)
    tall_net: Colour = (250, 126, 40)
    own: Colour = (255, 196, 0)
    other: Colour = (222, 52, 66)
    ball: Colour = (255, 255, 255)
    fog: Colour = (176, 186, 196)
    lamp: Colour = (255, 242, 196)  # the sun, or what else stands in the sky
    land: Colour = (88, 176, 110)
    clutter: tuple[Colour, ...] = ((90, 214, 120), (226, 120, 214), (84, 226, 226), (250, 150, 80))

    def at_night(self) -> Palette:
        """The same, dark; the bodies keep most of their light."""

        def dark(colour: Colour, share: float) -> Colour:
            return mix(colour, (4, 8, 30), share)

        return Palette(
            sky=dark(self.sky, 0.75),
            air=dark(self.air, 0.75),
            ground=dark(self.ground, 0.5),
            net=dark(self.net, 0.45),
            tall_net=dark(self.tall_net, 0.4),
            own=dark(self.own, 0.2),
            other=dark(self.other, 0.2),
            ball=dark(self.ball, 0.2),
            fog=dark(self.fog, 0.65),
            lamp=dark(self.lamp, 0.2),
            land=dark(self.land, 0.4),
            clutter=tuple(dark(colour, 0.3) for colour in self.clutter),
        )


ON_EARTH = Palette()
ON_THE_MOON = Palette(
    sky=(34, 22, 46), air=(82, 70, 96), ground=(186, 184, 190), fog=(140, 132, 150),
    lamp=(84, 146, 226),
)  # fmt: skip


def palette_of(modifiers: Collection[str]) -> Palette:
    """Day, moon, night, or night on the moon."""
    palette = ON_THE_MOON if "moon" in modifiers else ON_EARTH
    return palette.at_night() if "night" in modifiers else palette


def finished(canvas: Canvas) -> Image:
    """(..., h, w, 3) colours as (..., 3, h, w) bytes."""
    return np.ascontiguousarray(np.moveaxis(canvas.round().astype(np.uint8), -1, -3))


def paint_backdrop(palette: Palette, modifiers: Collection[str], net_height: float) -> Canvas:
    """(64, 64, 3): all that never moves."""
    down = np.clip(np.arange(SIZE) / 44, 0, 1)[:, None, None]
    canvas: Canvas = np.broadcast_to(
        np.array(palette.sky) * (1 - down) + np.array(palette.air) * down, (SIZE, SIZE, 3)
    ).copy()
    _paint_lights(canvas, palette, modifiers)
    if "fog" in modifiers:
        _paint_fog(canvas, palette)
    _paint_net(canvas, palette, net_height, is_tall="tallnet" in modifiers)
    if "bigball" in modifiers:
        _paint_pads(canvas, palette)
    canvas[round((CEILING - GROUND) * PIXELS) :] = palette.ground
    return canvas


def _paint_lights(canvas: Canvas, palette: Palette, modifiers: Collection[str]) -> None:
    if {"moon", "night"} & set(modifiers):
        stars = np.random.default_rng(4).integers((5, 0), (26, SIZE), (20, 2))
        for (row, column), light in zip(stars, np.linspace(0.2, 0.8, len(stars)), strict=True):
            canvas[row, column] += (np.array((255, 255, 255)) - canvas[row, column]) * light
    _blend(canvas, _disc(53, 14, 4.5), palette.lamp)
    if "moon" in modifiers:  # the lamp is the Earth, with some land
        _blend(canvas, _disc(53, 14, 4.2) * _disc(51, 12.5, 2.2), palette.land)
        _blend(canvas, _disc(53, 14, 4.2) * _disc(55.5, 16.5, 1.2), palette.land)
    elif "night" in modifiers:  # the lamp is a moon in its first quarter
        _blend(canvas, _disc(51, 13, 4), palette.sky)


def _disc(x: float, y: float, radius: float) -> Canvas:
    axis = np.arange(SIZE) + 0.5
    cover: Canvas = np.clip(radius + 0.5 - np.hypot(axis - x, axis[:, None] - y), 0, 1)
    return cover


def _blend(canvas: Canvas, cover: Canvas, colour: Colour) -> None:
    canvas += (np.array(colour) - canvas) * cover[..., None]


def _paint_fog(canvas: Canvas, palette: Palette) -> None:
    rows = np.arange(int((CEILING - FOG_TOP) * PIXELS), int((CEILING - FOG_FLOOR) * PIXELS) + 1)
    waves = np.sin(np.arange(SIZE) * 0.55 + rows[:, None] * 1.9)
    waves += np.sin(np.arange(SIZE) * 0.23 - rows[:, None] * 2.3)
    cover = np.zeros((SIZE, SIZE))
    cover[rows] = 0.72 + 0.14 * waves
    _blend(canvas, cover, palette.fog)


def _paint_net(canvas: Canvas, palette: Palette, height: float, *, is_tall: bool) -> None:
    top = (CEILING - height - 0.5) * PIXELS
    cover = np.zeros((SIZE, SIZE))
    cover[:, SIZE // 2 - 1 : SIZE // 2 + 1] = np.clip(np.arange(SIZE) + 1 - top, 0, 1)[:, None]
    _blend(canvas, cover, palette.net)
    if is_tall:
        cover[1::2] = 0
        _blend(canvas, cover, palette.tall_net)


def _paint_pads(canvas: Canvas, palette: Palette) -> None:
    """Pads along both walls: they tell of a big ball also while fog hides it."""
    cover = np.zeros((SIZE, SIZE))
    cover[6:, [0, -1]] = (np.arange(6, SIZE) // 2 % 2)[:, None] * 0.7
    _blend(canvas, cover, palette.ball)


def paint_lives(ground: Canvas, colour: Colour, points: int) -> Canvas:
    """(points + 1, 3, 24, 3): one square for each life; lost ones are hollow. By points lost."""
    pictures = np.repeat(ground[None], points + 1, 0)
    for lost, picture in enumerate(pictures):
        for life in range(points):
            square = picture[:, 2 + 4 * life : 5 + 4 * life]
            square += (np.array(colour) - square) * (1.0 if life < points - lost else 0.25)
    return pictures


def paint_wait(ground: Canvas, colour: Colour, ticks: int) -> Canvas:
    """(ticks + 1, 3, 16, 3): a bar that shrinks to its middle. By ticks left."""
    half = ground.shape[1] / 2
    from_middle = np.abs(np.arange(ground.shape[1]) + 0.5 - half) - 0.5
    light = np.clip(np.arange(ticks + 1)[:, None] * half / ticks - from_middle, 0, 1)
    pictures: Canvas = ground + (np.array(colour) - ground) * light[:, None, :, None]
    return pictures


def paint_clock(ground: Colour, ticks: int) -> Canvas:
    """(ticks + 1, 1, 64, 3): the ground's lower row loses its light from right to left."""
    left = SIZE * (1 - np.arange(ticks + 1) / ticks)
    light = np.clip(left[:, None] - np.arange(SIZE), 0, 1)[:, None, :, None]
    return np.array(ground) * (0.25 + 0.6 * light)


def paint_winds(ground: Canvas, colour: Colour) -> Canvas:
    """(winds, 7, 32, 3): an arrow between two streaks, the longer the stronger."""
    pictures = np.repeat(ground[None], len(WINDS), 0)
    middle = ground.shape[1] // 2
    for wind, picture in zip(WINDS, pictures, strict=True):
        length = round(3 * abs(wind))
        if length:
            tip, cover = middle + length // 2, np.zeros(picture.shape[:2])
            cover[3, tip - length : tip] = 1
            for back in (1, 2):
                cover[3 - back, tip - 1 - back] = cover[3 + back, tip - 1 - back] = 1
            cover[[0, 6], tip - length + 2 : tip - 4] = 0.4
            _blend(picture, cover if wind > 0 else cover[:, ::-1], colour)
    return pictures
