"""The court of `volley`, the person on the left, drawn between the last two states.

Shown is what the agent's frame shows of a state: the ball's way back as ghosts, lives, the wait,
the wind, the clock; and not the ball where fog hides it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pygame
from pygame import Rect, Surface
from pygame.event import Event

from envs.volley import ACTIONS, BALL, Volley, VolleyState
from envs.volley_backdrop import FOG_FLOOR, FOG_TOP, SIZE, Palette, palette_of
from envs.volley_physics import (
    CEILING,
    DT,
    HALF_WIDTH,
    MAX_TICKS,
    PLAYER_RADIUS,
    POINTS,
    WAIT_TICKS,
)
from envs.volley_scene import CLUTTER_PERIOD, clutter_ways
from window import volley_paint
from window.overlay import Look, draw_looks, mirrored
from window.referee import Referee
from window.theme import Canvas, Colour, mix
from window.thinker import Mind

GHOSTS = ((8.0, 38), (6.0, 60), (4.0, 86), (2.0, 116))  # ticks back, opacity
SPLASH_S = 0.9
EXCHANGED = (1, 0, BALL)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Moment:
    """One state from the person's side.

    Attributes:
        bodies: (3, 4) the person, the rival, the ball: x, y, vx, vy; the person's half is x < 0.
        wait: ticks until the launch.
        lost: points lost by the person and by the rival.
        wind: acceleration to the right.
        phase: of the clutter's way.
        ticks: since the start.
    """

    bodies: Floats
    wait: int
    lost: tuple[int, int]
    wind: float
    phase: int
    ticks: int


def read_moment(state: VolleyState, seat: int) -> Moment:
    """What the person in `seat` is shown of a state; mirrored for seat 1."""
    bodies: Floats = state.bodies[0].double().numpy().copy()
    wind, lost = float(state.wind[0]), state.lost[0].tolist()
    if seat == 1:
        bodies = bodies[list(EXCHANGED)] * np.array([-1, 1, -1, 1])
        wind = -wind
    ticks = int(state.ticks[0])
    return Moment(
        bodies=bodies,
        wait=int(state.wait[0]),
        lost=(lost[seat], lost[1 - seat]),
        wind=wind,
        phase=(ticks + int(state.drift[0])) % CLUTTER_PERIOD,
        ticks=ticks,
    )


def blend(before: Moment, now: Moment, share: float) -> Floats:
    """(3, 4) bodies between two states; a ball that was launched anew does not fly back."""
    bodies: Floats = before.bodies + (now.bodies - before.bodies) * share
    bodies[:, 2:] = now.bodies[:, 2:]
    if now.wait == WAIT_TICKS:
        bodies[BALL] = now.bodies[BALL]
    return bodies


class VolleyBoard:
    """Slime volleyball.

    Args:
        game: the variant.
    """

    hint = "← → or A D to move, ↑, W or space to jump"
    listed_actions: tuple[str, ...] = ACTIONS

    def __init__(self, game: Volley) -> None:
        self._game, self.progress = game, 1.0
        self._palette: Palette = palette_of(game.modifiers)
        self._has_fog = "fog" in game.modifiers
        self._ways: Floats | None = None
        if "clutter" in game.modifiers:
            self._ways = np.stack([way.numpy() for way in clutter_ways(len(self._palette.clutter))])
        self._before: Moment | None = None
        self._now: Moment | None = None
        self._splash: tuple[float, float] | None = None
        self._splash_s = SPLASH_S
        self._unit = 10.0
        self._place = Rect(0, 0, 480, 480)

    @property
    def moving(self) -> bool:
        """Whether the sand still flies where a point was lost."""
        return self._splash_s < SPLASH_S

    @property
    def headline(self) -> str:
        """The points, the person's first."""
        lost = self._now.lost if self._now else (0, 0)
        return f"{lost[1]} : {lost[0]}"

    @property
    def epilogue(self) -> str:
        """The final points."""
        return f"with {self.headline}"

    def follow(self, referee: Referee) -> None:
        """Take up the state."""
        game, state = referee.game, referee.state
        if not isinstance(game, Volley) or not isinstance(state, VolleyState):
            raise ValueError(f"this board shows volley, not {game.variant}")
        now = read_moment(state, referee.person_seat)
        if self._now is not None and now.ticks == self._now.ticks:
            return
        self._before, self._now = self._now or now, now
        if self._before.lost != now.lost:
            self._splash = float(self._before.bodies[BALL, 0]), 0.0
            self._splash_s = 0.0

    def update(self, dt_s: float) -> None:
        """Let the sand fly."""
        self._splash_s += dt_s

    def choose(self, event: Event) -> int | None:
        """Nobody waits for a move."""
        return None

    def name_action(self, action: int) -> str:
        """`forward jump`."""
        return self._game.action_names[action]

    def point(self, x: float, y: float) -> tuple[int, int]:
        """A place in the world on the screen."""
        left = self._place.left + (x + HALF_WIDTH) * self._unit
        return round(left), round(self._place.top + (CEILING - y) * self._unit)

    def draw(self, canvas: Canvas, stage: Rect, hovering: bool) -> None:
        """Draw the court between the last two states."""
        side = min(stage.width, stage.height)
        self._place = Rect(0, 0, side, side)
        self._place.center = stage.center
        self._unit = side / CEILING
        surface = canvas.surface
        picture = volley_paint.backdrop(side, self._game.modifiers, self._game.court.net_height)
        surface.blit(picture, self._place)
        if self._now is None or self._before is None:
            return
        before = surface.get_clip()
        surface.set_clip(self._place)
        bodies = blend(self._before, self._now, self.progress)
        self._draw_clutter(surface, self._now)
        self._draw_players(surface, bodies)
        self._draw_ball(surface, bodies[BALL])
        self._draw_splash(surface)
        self._draw_signs(surface, self._now)
        surface.set_clip(before)

    def hides(self, ball: Floats) -> bool:
        """Whether fog hides a ball at a height."""
        return self._has_fog and FOG_FLOOR <= ball[1] <= FOG_TOP

    def _draw_clutter(self, surface: Surface, now: Moment) -> None:
        """Distractors have ways of their own, the same on both sides."""
        if self._ways is None:
            return
        ways, last = self._ways, (now.phase - 1) % CLUTTER_PERIOD
        places = ways[..., last] + (ways[..., now.phase] - ways[..., last]) * self.progress
        scale = self._place.width / SIZE
        for colour, x, y in zip(self._palette.clutter, *places.tolist(), strict=True):
            picture = volley_paint.ball(1.2 * scale, colour)
            centre = round(self._place.left + x * scale), round(self._place.top + y * scale)
            surface.blit(picture, picture.get_rect(center=centre))

    def _draw_players(self, surface: Surface, bodies: Floats) -> None:
        radius = PLAYER_RADIUS * self._unit
        colours = (self._palette.own, self._palette.other)
        for body, colour in zip(bodies[:BALL], colours, strict=True):
            x, y, vx, vy = body.tolist()
            for back, opacity in ((2.6, 26), (1.3, 52)):
                if abs(vx) + abs(vy) > 1:
                    ghost = volley_paint.player(radius, colour, opacity)
                    place = self.point(x - back * DT * vx, max(y - back * DT * vy, 1.5))
                    surface.blit(ghost, ghost.get_rect(midbottom=place))
            picture = volley_paint.player(radius, colour)
            surface.blit(picture, picture.get_rect(midbottom=self.point(x, y)))
        for number, body in enumerate(bodies[:BALL]):
            self._draw_eye(surface, body, bodies[BALL], 1 if number == 0 else -1)

    def _draw_eye(self, surface: Surface, body: Floats, ball: Floats, side: int) -> None:
        """It follows the ball; where nobody sees the ball it looks straight to the net."""
        x, y = float(body[0]) + 0.55 * side * PLAYER_RADIUS, float(body[1]) + 0.5 * PLAYER_RADIUS
        way = (float(side), 0.0)
        if not self.hides(ball):
            dx, dy = float(ball[0]) - x, float(ball[1]) - y
            length = math.hypot(dx, dy) or 1.0
            way = dx / length, -dy / length
        radius = volley_paint.eye_radius(self._place.width)
        volley_paint.draw_eye(surface, self.point(x, y), radius, way)

    def _draw_ball(self, surface: Surface, ball: Floats) -> None:
        """The ball, and where it comes from at its present speed."""
        if self.hides(ball):
            return
        x, y, vx, vy = ball.tolist()
        radius = self._game.court.ball_radius * self._unit
        for back, opacity in GHOSTS:
            ghost = volley_paint.haze(radius, self._palette.ball, opacity)
            place = self.point(x - back * DT * vx, y - back * DT * vy)
            surface.blit(ghost, ghost.get_rect(center=place))
        picture = volley_paint.ball(radius, self._palette.ball)
        surface.blit(picture, picture.get_rect(center=self.point(x, y)))

    def _draw_splash(self, surface: Surface) -> None:
        """Sand, where a ball came down."""
        if self._splash is None or not self.moving:
            return
        time, colour = self._splash_s, mix(self._palette.ground, (255, 255, 255), 0.2)
        for n in range(14):
            angle = math.pi * (0.08 + 0.84 * n / 13)
            speed = 7 + 5 * ((n * 7) % 5) / 4
            x = self._splash[0] + speed * math.cos(angle) * time
            y = 1.5 + speed * math.sin(angle) * time - 13 * time * time
            if y > 1.3:
                size = max(1, round(0.16 * self._unit * (1 - 0.5 * time)))
                pygame.draw.aacircle(surface, colour, self.point(x, y), size)

    def _draw_signs(self, surface: Surface, now: Moment) -> None:
        """Lives on both sides, the wait in the middle, wind, and the time left."""
        gap, top = round(1.5 * self._unit), self._place.top + round(1.6 * self._unit)
        for number in range(POINTS):
            left = self._place.left + gap * (number + 1)
            right = self._place.right - gap * (number + 1)
            lives = POINTS - now.lost[0], POINTS - now.lost[1]
            self._draw_life(surface, (left, top), self._palette.own, number < lives[0])
            self._draw_life(surface, (right, top), self._palette.other, number < lives[1])
        if now.wait:
            self._draw_wait(surface, now.wait - self.progress, top)
        if now.wind:
            self._draw_wind(surface, now.wind)
        share = 1 - now.ticks / MAX_TICKS
        inside = self._place.inflate(-2 * self._place.width // volley_paint.CORNER, 0)
        height = max(2, int(self._unit / 4))
        line = Rect(inside.left, 0, round(inside.width * share), height)
        line.bottom = inside.bottom - height
        surface.fill(mix(self._palette.ground, (0, 0, 0), 0.45), line)

    def _draw_life(
        self, surface: Surface, centre: tuple[int, int], colour: Colour, is_left: bool
    ) -> None:
        radius = round(0.5 * self._unit)
        pygame.draw.aacircle(surface, mix(colour, (0, 0, 0), 0.35), centre, radius)
        inner = colour if is_left else mix(self._palette.sky, (0, 0, 0), 0.25)
        pygame.draw.aacircle(surface, inner, centre, radius - max(2, radius // 4))

    def _draw_wait(self, surface: Surface, ticks: float, middle: int) -> None:
        """A bar that shrinks to its middle until the ball is launched."""
        width = round(12 * self._unit * max(0.0, min(1.0, ticks / WAIT_TICKS)))
        bar = Rect(0, 0, width, max(3, round(0.4 * self._unit)))
        bar.center = (self._place.centerx, middle)
        pygame.draw.rect(surface, self._palette.ball, bar, border_radius=bar.height // 2)

    def _draw_wind(self, surface: Surface, wind: float) -> None:
        """An arrow, the longer the stronger."""
        middle = self._place.top + round(7 * self._unit)
        reach, side = 0.9 * abs(wind) * self._unit, 1 if wind > 0 else -1
        thick = max(2, round(0.28 * self._unit))
        x, head = self._place.centerx, 1.1 * self._unit
        tip = x + side * reach
        shaft = Rect(0, 0, round(2 * reach - head), thick)
        shaft.center = (round(x - side * head / 2), middle)
        pygame.draw.rect(surface, self._palette.net, shaft, border_radius=thick // 2)
        back = tip - side * head
        corners = ((tip, middle), (back, middle - 0.7 * head), (back, middle + 0.7 * head))
        pygame.draw.polygon(surface, self._palette.net, corners)
        for line in (-1, 1):
            streak = Rect(0, 0, round(reach), max(1, thick // 2))
            streak.center = (round(x - side * 0.4 * reach), middle + round(line * 1.2 * self._unit))
            faint = mix(self._palette.sky, self._palette.net, 0.4)
            pygame.draw.rect(surface, faint, streak)

    def draw_mind(self, canvas: Canvas, mind: Mind) -> None:
        """Where the rival looked; it sees the court from the other side."""
        scale = self._place.width / SIZE
        draw_looks(canvas, Look(self._place.topleft, scale, self._place), mirrored(mind))

    def thumbnail(self, frame: npt.NDArray[np.uint8], size: int) -> Surface:
        """A frame of the rival's in a mirror, with the colours of both exchanged."""
        pixels = frame.transpose(2, 1, 0)[::-1].astype(float)
        shown = pixels.copy()
        own, other = (np.array(c, float) for c in (self._palette.own, self._palette.other))
        for one, two in ((own, other), (other, own)):
            for ground in (self._palette.air, self._palette.sky):
                cover, rest = _cover(pixels, np.array(ground, float), one)
                is_one = (cover > 0.2) & (rest < 24)
                shown[is_one] += (cover[..., None] * (two - one))[is_one]
                pixels = np.where(is_one[..., None], -999.0, pixels)  # done
        picture = pygame.surfarray.make_surface(shown.clip(0, 255).round().astype(np.uint8))
        return pygame.transform.smoothscale(picture, (size, size))


def _cover(pixels: Floats, ground: Floats, colour: Floats) -> tuple[Floats, Floats]:
    """How much of a colour over a ground each pixel is, and what that leaves unexplained."""
    way = colour - ground
    cover = ((pixels - ground) @ way / (way @ way)).clip(0, 1)
    rest: Floats = np.abs(pixels - ground - cover[..., None] * way).max(-1)
    return cover, rest
