"""The arena of `tron`: glowing trails on a dark floor, drawn from what the person's seat sees.

The floor with everything that stands still is painted once a tick; the heads slide on it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pygame
import torch
from pygame import Rect, Surface
from pygame.event import Event

from envs.tron import Tron, TronState
from envs.tron_screen import CELLS, SIDE, Kind
from window import tron_paint
from window.overlay import Look, draw_looks, turned
from window.referee import Referee
from window.theme import Canvas, Colour, mix
from window.thinker import Mind
from window.trails import Line, Mask, Rider, lines_between, neighbours, place_of, step_between
from window.tron_paint import CORE_SHARE, GLOW_CELL, HEART_SHARE

TRAILS = (
    (Kind.OWN, Kind.OWN_GHOST, Kind.OWN_TAIL),
    (Kind.OTHER, Kind.OTHER_GHOST, Kind.OTHER_TAIL),
)
ENDS = (Kind.OWN_TAIL, Kind.OTHER_TAIL)
HEADS = (Kind.OWN_HEAD, Kind.OTHER_HEAD)
SLIDE_INTO_CRASH = 0.62
FLASH_S = 0.7
WHITE: Colour = (255, 255, 255)
PIXELS_PER_CELL = 2  # of the agent's frame

Kinds = npt.NDArray[np.int64]


class TronBoard:
    """Light cycles.

    Args:
        game: the variant.
    """

    hint = "Steer with the arrows or WASD"
    headline = "Do not crash first"
    listed_actions = Tron.action_names[:4]

    def __init__(self, game: Tron) -> None:
        self._game, self._paint = game, tron_paint.paint_of(game.modifiers)
        self._has_fog = "fog" in game.modifiers
        self.progress = 1.0
        self.kinds: Kinds = np.zeros((SIDE, SIDE), np.int64)
        self._riders = (Rider(), Rider())
        self._num_ticks = -1
        self._crash_s: float | None = None
        self._age_s = 0.0
        self._ground: tuple[int, Surface] | None = None
        self._cell, self._place = 8, Rect(0, 0, 8 * SIDE, 8 * SIDE)

    @property
    def moving(self) -> bool:
        """Whether a crash still flashes."""
        return self._crash_s is not None and self._crash_s < FLASH_S

    @property
    def epilogue(self) -> str:
        """How long it took."""
        return f"after {self._num_ticks} moves"

    def follow(self, referee: Referee) -> None:
        """Take up the state, one tick later than the last one."""
        game, state, seat = referee.game, referee.state, referee.person_seat
        if not isinstance(game, Tron) or not isinstance(state, TronState):
            raise ValueError(f"this board shows tron, not {game.variant}")
        if referee.num_ticks == self._num_ticks:
            return
        heads = (int(state.heads[0, seat]), CELLS - 1 - int(state.heads[0, 1 - seat]))
        for rider, cell in zip(self._riders, heads, strict=True):
            if referee.num_ticks != self._num_ticks + 1:
                rider.cells.clear()
            rider.cells.append(cell)
        self.kinds = game.kinds(state, torch.tensor([seat]))[0].numpy()
        self._num_ticks, self._ground = referee.num_ticks, None
        if referee.ended and self._crash_s is None:
            self._crash_s = 0.0

    def update(self, dt_s: float) -> None:
        """Let a crash flash."""
        self._age_s += dt_s
        if self._crash_s is not None:
            self._crash_s += dt_s

    def choose(self, event: Event) -> int | None:
        """Nobody waits for a move."""
        return None

    def name_action(self, action: int) -> str:
        """`turn up`."""
        return f"going {self._game.action_names[action]}"

    def draw(self, canvas: Canvas, stage: Rect, hovering: bool) -> None:
        """Draw the floor, and the heads on their way."""
        self._cell = max(3, min(stage.width, stage.height) // SIDE)
        self._place = Rect(0, 0, SIDE * self._cell, SIDE * self._cell)
        self._place.center = stage.center
        if self._ground is None or self._ground[0] != self._cell:
            self._ground = self._cell, self._paint_ground()
        surface = canvas.surface
        before = surface.get_clip()
        surface.set_clip(self._place)
        surface.blit(self._ground[1], self._place)
        for number in (1, 0):
            self._draw_rider(surface, number)
        if self._crash_s is not None:
            self._draw_flash(surface)
        surface.set_clip(before)

    def _paint_ground(self) -> Surface:
        """Everything but the heads."""
        cell, paint = self._cell, self._paint
        ground = tron_paint.arena(cell, self._game.modifiers).copy()
        lines = [self._lines_of(number) for number in (0, 1)]
        self._add_glow(ground, lines)
        for one in lines:
            for line, colour in one:
                draw_line(ground, line, cell, CORE_SHARE, colour)
            for line, colour in one:
                draw_line(ground, line, cell, HEART_SHARE, mix(colour, WHITE, 0.45))
        self._lay(ground, self.kinds == Kind.ROCK, tron_paint.rock(cell, paint.rock))
        clutter = tron_paint.distractor(cell, paint.clutter, paint.floor)
        if self._has_fog:
            self._lay(ground, self.kinds == Kind.FOG, tron_paint.fog(cell, paint.fog))
        self._lay(ground, self.kinds == Kind.CLUTTER, clutter)
        return ground

    def _lay(self, ground: Surface, where: Mask, picture: Surface) -> None:
        """A tile in every place, or the part of a large picture that belongs there."""
        cell = self._cell
        is_tile = picture.get_width() == cell
        places = [Rect(x * cell, y * cell, cell, cell) for y, x in np.argwhere(where).tolist()]
        if is_tile:
            ground.blits([(picture, place) for place in places], doreturn=False)
        else:
            ground.blits([(picture, place, place) for place in places], doreturn=False)

    def lit(self, number: int) -> Mask:
        """(32, 32) bool: the cells of a trail that the person sees; 0 the own, 1 the rival's."""
        mask: Mask = np.isin(self.kinds, TRAILS[number])
        return mask

    def _lines_of(self, number: int) -> list[tuple[Line, Colour]]:
        """What a trail is drawn of, without the last step."""
        lit, rider, colour = self.lit(number), self._riders[number], self._paint.trails[number]
        is_told = number == 0 or not self._has_fog  # what ran in fog shows cells, not its way
        knows_way = len(rider.cells) == self._num_ticks + 1 and is_told
        pairs = list(rider.joined(lit | self._run_into(rider)) if knows_way else neighbours(lit))
        fades = "tails" in self._game.modifiers and len(pairs) < len(rider.cells) - 2
        lines: list[tuple[Line, Colour]] = []
        for one, other, age in pairs:
            shade = mix(self._paint.floor, colour, 0.25 + 0.75 * age) if fades else colour
            lines += [(line, shade) for line in lines_between(one, other)]
        for y, x in np.argwhere(lit).tolist():
            if not fades or self.kinds[y, x] not in ENDS:
                continue
            lines.append((((x, y), (x, y)), mix(self._paint.floor, colour, 0.25)))
        single = [] if pairs else np.argwhere(lit).tolist()
        return lines + [(((x, y), (x, y)), colour) for y, x in single]

    def _run_into(self, rider: Rider) -> Mask:
        """(32, 32) bool: cells of its trail that somebody has just run into."""
        mask: Mask = np.zeros_like(self.kinds, dtype=bool)
        mask.ravel()[rider.cells[:-1]] = True
        mask &= self.kinds == Kind.CRASH
        return mask

    def _add_glow(self, ground: Surface, lines: list[list[tuple[Line, Colour]]]) -> None:
        small = Surface((SIDE * GLOW_CELL, SIDE * GLOW_CELL))
        for one in lines:
            for line, colour in one:
                draw_line(small, line, GLOW_CELL, 1.0, colour)
        glow = tron_paint.blurred(small, ground.get_width(), self._paint.glow)
        ground.blit(glow, (0, 0), special_flags=pygame.BLEND_RGB_ADD)

    def _draw_rider(self, surface: Surface, number: int) -> None:
        """The last step so far, and the head at its end; only what can be seen."""
        rider, cell = self._riders[number], self._cell
        if not rider.cells or not self._sees_head(number):
            return
        colour = self._paint.trails[number]
        x, y = place_of(rider.cells[-1])
        if len(rider.cells) > 1 and self.lit(number).ravel()[rider.cells[-2]]:
            lines = lines_between(rider.cells[-2], rider.cells[-1], self._share(number))
            before = self._line_before(number)  # its heart again, over the joint
            for line, share, shade in (
                *((line, CORE_SHARE, colour) for line in lines),
                *((line, HEART_SHARE, mix(colour, WHITE, 0.45)) for line in (*before, *lines)),
            ):
                draw_line(surface, _shift(line, self._place, cell), cell, share, shade)
            x, y = lines[-1][1]  # type: ignore[assignment]  # between two cells
        centre = self._point(x, y)
        glow = tron_paint.light(round(2.6 * cell), colour, 0.55)
        surface.blit(glow, glow.get_rect(center=centre), special_flags=pygame.BLEND_RGB_ADD)
        picture = tron_paint.head(cell, colour)
        surface.blit(picture, picture.get_rect(center=centre))
        if self._num_ticks == 0:
            self._draw_welcome(surface, centre, colour)

    def _line_before(self, number: int) -> list[Line]:
        """The step before the last one, if it can be seen."""
        cells, lit = self._riders[number].cells, self.lit(number).ravel()
        return lines_between(*cells[-3:-1]) if len(cells) > 2 and lit[cells[-3]] else []

    def _share(self, number: int) -> float:
        """How much of its last step a rider has made."""
        x, y = place_of(self._riders[number].cells[-1])
        is_crash = self.kinds[y, x] == Kind.CRASH
        return min(self.progress, SLIDE_INTO_CRASH) if is_crash else self.progress

    def _sees_head(self, number: int) -> bool:
        x, y = place_of(self._riders[number].cells[-1])
        return bool(self.kinds[y, x] in (HEADS[number], Kind.CRASH)) or number == 0

    def _draw_welcome(self, surface: Surface, centre: tuple[int, int], colour: Colour) -> None:
        """A ring that draws near: here somebody starts."""
        phase = self._age_s % 1.2 / 1.2
        radius = round(self._cell * (3.2 - 2.2 * phase))
        pygame.draw.aacircle(surface, mix(self._paint.floor, colour, phase), centre, radius, 2)

    def _point(self, x: float, y: float) -> tuple[int, int]:
        """The centre of a cell on the screen."""
        half, cell = self._cell / 2, self._cell
        return round(self._place.left + x * cell + half), round(self._place.top + y * cell + half)

    def _draw_flash(self, surface: Surface) -> None:
        """A burst of light where somebody ran into something, as far as it can be seen."""
        time = min(1.0, (self._crash_s or 0.0) / FLASH_S)
        for y, x in np.argwhere(self.kinds == Kind.CRASH).tolist():
            centre = self._point(*self._impact(x, y))
            burst = tron_paint.light(round(4.5 * self._cell), (255, 190, 110), 1.0)
            if time < 1:
                burst.set_alpha(None)
                size = max(2, round(burst.get_width() * (0.35 + 0.65 * time)))
                shown = pygame.transform.scale(burst, (size, size))
                dim = round(255 * (1 - time))
                shown.fill((dim, dim, dim), special_flags=pygame.BLEND_RGB_MULT)
                place = shown.get_rect(center=centre)
                surface.blit(shown, place, special_flags=pygame.BLEND_RGB_ADD)
            self._draw_cross(surface, centre)

    def _impact(self, x: int, y: int) -> tuple[float, float]:
        """Where the front of whoever ran into this cell has come to."""
        for rider in self._riders:
            if len(rider.cells) > 1 and place_of(rider.cells[-1]) == (x, y):
                dx, dy = step_between(*rider.cells[-2:])
                return x - dx * (1 - SLIDE_INTO_CRASH), y - dy * (1 - SLIDE_INTO_CRASH)
        return x, y

    def _draw_cross(self, surface: Surface, centre: tuple[int, int]) -> None:
        reach, width = 0.42 * self._cell, max(2, self._cell // 6)
        (x, y) = centre
        for way in (1, -1):
            ends = (x - reach, y - way * reach), (x + reach, y + way * reach)
            pygame.draw.line(surface, (255, 120, 30), *ends, width + 2)
            pygame.draw.line(surface, WHITE, *ends, width)

    def draw_mind(self, canvas: Canvas, mind: Mind) -> None:
        """Where the rival looked; in fog that would tell where it is."""
        if not self._has_fog:
            scale = self._cell / PIXELS_PER_CELL
            draw_looks(canvas, Look(self._place.topleft, scale, self._place), turned(mind))

    def thumbnail(self, frame: npt.NDArray[np.uint8], size: int) -> Surface:
        """A frame of the rival's, turned, with the colours of both exchanged."""
        patterns = self._game.screen.patterns.reshape(2, 16, 4, 3)
        pixels = np.ascontiguousarray(frame.transpose(2, 1, 0)[::-1, ::-1])
        shown = pixels.copy()
        for one in (Kind.OWN, Kind.OWN_TAIL, Kind.OWN_GHOST, Kind.OWN_HEAD):
            other = one + 1
            for a, b in ((one, other), (other, one)):
                for seen, wanted in zip(patterns[0, a], patterns[0, b], strict=True):
                    if not np.array_equal(seen, patterns[0, Kind.FLOOR, 0]):
                        shown[(pixels == seen).all(-1)] = wanted
        picture = pygame.surfarray.make_surface(shown)
        return pygame.transform.smoothscale(picture, (size, size))


def _shift(line: Line, place: Rect, cell: int) -> Line:
    """A line of an arena whose top left corner is elsewhere on the screen."""
    dx, dy = place.left / cell, place.top / cell
    (x, y), (u, v) = line
    return (x + dx, y + dy), (u + dx, v + dy)


def draw_line(surface: Surface, line: Line, cell: int, share: float, colour: Colour) -> None:
    """A straight piece of a trail, `share` of a cell thick, with rounded ends."""
    (x, y), (u, v) = line
    thick = max(1, round(share * cell))
    left, top = min(x, u) * cell + (cell - thick) / 2, min(y, v) * cell + (cell - thick) / 2
    width, height = abs(u - x) * cell + thick, abs(v - y) * cell + thick
    place = Rect(round(left), round(top), round(width), round(height))
    pygame.draw.rect(surface, colour, place, border_radius=thick // 2)
