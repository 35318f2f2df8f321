"""What a volley court looks like at 64x64, to the seat that looks.

    o o o o o   =======   o o o o o     lives left, own on the left; the wait before a launch
                 --->                   the wind, if there is any
          . o                           the ball and, dimmer, where it comes from
      ~~~~~~~~~~~~~~~~~~~~~~~~~~~       fog, if there is any
        ^^       |       ^^             own player (yellow), net, the other (red)
    ================........            the time left

The whole world of 48 by 48 is shown: a pixel is 0.75 wide. The ball is drawn a third of a pixel
larger than life, or it could not be seen. A ghost stands where its body would have been eight
ticks ago at its present velocity: so the velocity can be seen, also just after a bounce and while
the ball waits for its launch, and one frame tells all that the next one depends on.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from envs.frames import Colour, mix
from envs.volley_backdrop import (
    FOG_FLOOR,
    FOG_TOP,
    PIXELS,
    SIZE,
    WINDS,
    Canvas,
    Palette,
    finished,
    paint_backdrop,
    paint_clock,
    paint_lives,
    paint_wait,
    paint_winds,
    palette_of,
)
from envs.volley_physics import (
    CEILING,
    DT,
    FARTHEST,
    GROUND,
    HALF_WIDTH,
    MAX_TICKS,
    NEAREST,
    PLAYER_RADIUS,
    POINTS,
    WAIT_TICKS,
    Court,
)
from envs.volley_stamps import CHUNK_FRAMES, STEPS, Figure, Layer, Panel, new_frames, pack

GHOST_TICKS = 8
GHOST_LIGHT = 0.45
SWELL_PIXELS = 0.33
CLUTTER_PERIOD = 360
CLUTTER_HEIGHTS = (6.0, 12.5, 19.0, 25.5)
WIND_STEP = WINDS[1] - WINDS[0]
HALVES = [(0, 3), (4, 7)]  # words of a row: own half, the other's


@dataclass(frozen=True)
class View:
    """What is to be drawn, of B courts.

    Attributes:
        bodies: (4, 3, B) as in the physics.
        wind: (B,) horizontal acceleration.
        lost: (B, 2) points lost by each seat.
        wait: (B,) ticks until the launch.
        ticks: (B,) since the start.
        drift: (B,) how far the clutter is ahead of the clock.
        seat: (B,) int64, who looks.
    """

    bodies: Tensor
    wind: Tensor
    lost: Tensor
    wait: Tensor
    ticks: Tensor
    drift: Tensor
    seat: Tensor


def clutter_ways(num_decoys: int) -> tuple[Tensor, Tensor]:
    """(decoys, period) x and y in pixels of the frame: where each is at every phase of its way."""
    turn = torch.arange(CLUTTER_PERIOD) / CLUTTER_PERIOD
    order = torch.arange(num_decoys)[:, None]
    phase = (turn * (1 + order % 3) + 0.29 * order) % 1
    x = 2 + (SIZE - 4) * (2 * phase - 1).abs()
    height = torch.tensor(CLUTTER_HEIGHTS)[:num_decoys, None]
    return x, (CEILING - height - torch.sin(4 * torch.pi * (turn + phase))) * PIXELS


class Scene:
    """Draws the courts of one variant.

    Args:
        modifiers: of the variant.
        court: its physics.
    """

    def __init__(self, modifiers: Collection[str], court: Court) -> None:
        self._has_wind, self._has_fog = "wind" in modifiers, "fog" in modifiers
        self._device, self._court = court.device, court
        palette = palette_of(modifiers)
        self._make_panels(palette, paint_backdrop(palette, modifiers, court.net_height))
        self._make_figures(palette)
        self._clutter = self._make_clutter(palette) if "clutter" in modifiers else None
        self._limits = self._limits_of_bodies()
        self._scale = self._column(STEPS * PIXELS, -STEPS * PIXELS)
        self._origin = self._column(STEPS * PIXELS * HALF_WIDTH, STEPS * PIXELS * CEILING)
        self._exchange = torch.tensor([1, 0, 2], device=self._device)

    def _column(self, x: float, y: float) -> Tensor:
        return torch.tensor([x, y], dtype=self._court.dtype, device=self._device)[:, None, None]

    def _make_panels(self, palette: Palette, backdrop: Canvas) -> None:
        device = self._device
        self._backdrop = pack(finished(backdrop)).flatten().to(device)
        margin, middle = backdrop[1:4, :24], backdrop[1:4, 24:40]
        own = finished(paint_lives(margin, palette.own, POINTS))
        other = finished(paint_lives(margin, palette.other, POINTS))[..., ::-1]
        wait = finished(paint_wait(middle, palette.ball, WAIT_TICKS))
        clock = finished(paint_clock(palette.ground, MAX_TICKS))
        winds = finished(paint_winds(backdrop[7:14, 16:48], palette.net))
        self._lives = Panel(own, 1, 0, device), Panel(other, 1, 5, device)
        self._wait = Panel(wait, 1, 3, device)
        self._clock = Panel(clock, SIZE - 1, 0, device)
        self._winds = Panel(winds, 7, 2, device)

    def _make_figures(self, palette: Palette) -> None:
        air = palette.air

        def layer(radius: float, *colours: Colour, light: float) -> Layer:
            is_half = len(colours) == len(HALVES)
            lit = [mix(air, colour, light) for colour in colours]
            figures = [Figure(radius * PIXELS, colour, air, is_half) for colour in lit]
            return Layer(figures, self._device, HALVES if is_half else None)

        swollen = self._court.ball_radius + SWELL_PIXELS / PIXELS
        self._ghosts = layer(PLAYER_RADIUS, palette.own, palette.other, light=GHOST_LIGHT)
        self._players = layer(PLAYER_RADIUS, palette.own, palette.other, light=1)
        self._ball_ghost = layer(swollen, palette.ball, light=GHOST_LIGHT)
        self._ball = layer(swollen, palette.ball, light=1)

    def _make_clutter(self, palette: Palette) -> tuple[Layer, Tensor]:
        """Decoys on their ways, each in a band of rows of its own: (2, period, decoys) places."""
        layer = Layer([Figure(1.0, c, palette.air) for c in palette.clutter], self._device)
        x, y = clutter_ways(len(palette.clutter))
        x_steps, y_steps = ((place * STEPS).round().long().to(self._device) for place in (x, y))
        return layer, layer.locate(x_steps, y_steps)

    def _limits_of_bodies(self) -> tuple[Tensor, Tensor]:
        """(2, 3, 1) least and most x, y of own player, other player, ball."""
        radius = self._court.ball_radius
        wall, highest = HALF_WIDTH - radius, CEILING - radius
        least = [[-FARTHEST, NEAREST, -wall], [GROUND, GROUND, GROUND + radius]]
        most = [[-NEAREST, FARTHEST, wall], [highest, highest, highest]]
        first, second = (
            torch.tensor(limit, dtype=self._court.dtype, device=self._device)[..., None]
            for limit in (least, most)
        )
        return first, second

    def draw(self, view: View) -> Tensor:
        """(B, 3, 64, 64) uint8."""
        stamps = self._stamps(view)
        panels = self._choose_panels(view)
        num_frames = len(view.seat)
        frames = new_frames(num_frames, self._device)
        size = CHUNK_FRAMES if self._device.type == "cpu" else num_frames
        for start in range(0, num_frames, size):
            rows = slice(start, start + size)
            frames[rows] = self._backdrop
            for panel, which in panels:
                panel.show(frames[rows], which[rows])
            for layer, located in stamps:
                layer.stamp(frames[rows], located[:, rows])
        return frames.view(torch.uint8).view(-1, 3, SIZE, SIZE)

    def _choose_panels(self, view: View) -> list[tuple[Panel, Tensor]]:
        lost = view.lost.long()
        panels = [
            (self._lives[0], lost.gather(1, view.seat[:, None])[:, 0]),
            (self._lives[1], lost.gather(1, 1 - view.seat[:, None])[:, 0]),
            (self._wait, view.wait.long()),
            (self._clock, view.ticks.long()),
        ]
        if self._has_wind:
            seen = view.wind * (1 - 2 * view.seat)
            panels.append((self._winds, (seen / WIND_STEP).round().long() + len(WINDS) // 2))
        return panels

    def _stamps(self, view: View) -> list[tuple[Layer, Tensor]]:
        bodies = self._from_the_seat(view)
        behind = bodies[:2] - GHOST_TICKS * DT * bodies[2:]
        here, there = self._steps(bodies[:2]), self._steps(behind)
        height = bodies[1, 2]
        hidden = (height >= FOG_FLOOR) & (height <= FOG_TOP) if self._has_fog else None
        stamps = [
            (self._ghosts, self._ghosts.locate(there[0, :2], there[1, :2])),
            (self._players, self._players.locate(here[0, :2], here[1, :2])),
            (self._ball_ghost, self._ball_ghost.locate(there[0, 2:], there[1, 2:], hidden)),
            (self._ball, self._ball.locate(here[0, 2:], here[1, 2:], hidden)),
        ]
        if self._clutter:
            layer, ways = self._clutter
            phase = (view.ticks + view.drift).long() % CLUTTER_PERIOD
            stamps.insert(0, (layer, ways.index_select(1, phase)))
        return stamps

    def _from_the_seat(self, view: View) -> Tensor:
        """(4, 3, B): own player, other player, ball, the own half on the left."""
        is_second = view.seat == 1
        bodies = torch.where(is_second, view.bodies[:, self._exchange], view.bodies)
        side = (1 - 2 * view.seat).to(bodies.dtype)
        same = torch.ones_like(side)
        return bodies * torch.stack((side, same, side, same))[:, None]

    def _steps(self, places: Tensor) -> Tensor:
        """(2, 3, B) places in the world as int64 quarter pixels of the screen."""
        inside = places.clamp(*self._limits)
        return (inside * self._scale + self._origin).round().long()
