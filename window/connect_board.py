"""The board of `connect`: discs that fall behind a wall, the hand above it, the winning line.

It reads the rules' state and never changes it.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pygame
from pygame import Rect, Surface
from pygame.event import Event

from envs.connect import OTHER, OWN, Connect, ConnectState
from envs.frames import TILE
from window.cells import AGENTS, PERSONS, Cell, Owners, find_lines, read_cells
from window.connect_plan import Falling, Plan
from window.discs import HOLE, WALL, WALL_DARK, disc, ghost, ring, wall
from window.overlay import Look, draw_looks, draw_shares
from window.referee import Referee
from window.theme import AGENT, BACKGROUND, MUTED, PERSON, TEXT, Canvas, Colour, mix, rounded
from window.thinker import Mind
from window.widgets import is_click, number_key

COLOURS: dict[int, Colour] = {PERSONS: PERSON, AGENTS: AGENT}
PULSE_S = 1.4
DROP_KEYS = (pygame.K_RETURN, pygame.K_KP_ENTER, pygame.K_SPACE, pygame.K_DOWN)


class ConnectBoard:
    """Columns to drop discs into.

    Args:
        game: the variant.
    """

    hint = "Click a column, or press 1-7"
    headline = ""
    epilogue = ""
    listed_actions: tuple[str, ...] = ()
    progress = 1.0

    def __init__(self, game: Connect) -> None:
        self._owners: Owners = np.zeros((game.columns, game.rows), np.int8)
        self._falling: list[Falling] = []
        self._line: list[Cell] = []
        self._last: Cell | None = None
        self._hovered: int | None = None
        self._age_s = 0.0
        self._painted: tuple[tuple[int, bytes], Surface] | None = None
        self._plan = Plan.fit(Rect(0, 0, 640, 640), *self._owners.shape)

    @property
    def moving(self) -> bool:
        """Whether a disc is still falling."""
        return bool(self._falling)

    def follow(self, referee: Referee) -> None:
        """Let the discs fall that were dropped since the last call."""
        game, state = referee.game, referee.state
        if not isinstance(game, Connect) or not isinstance(state, ConnectState):
            raise ValueError(f"this board shows connect, not {game.variant}")
        owners = read_cells(game, state, referee.person_seat)
        for column, row in np.argwhere(owners != self._owners).tolist():
            if owners[column, row]:
                self._last = (column, row)
                drop = game.rows + 0.1 - row
                self._falling.append(Falling(self._last, int(owners[column, row]), drop))
        self._owners = owners
        self._line = find_lines(owners) if referee.ended else []

    def update(self, dt_s: float) -> None:
        """Let time pass."""
        self._age_s += dt_s
        for disc_on_its_way in self._falling:
            disc_on_its_way.age_s += dt_s
        self._falling = [f for f in self._falling if not f.landed]

    def choose(self, event: Event) -> int | None:
        """A click or a number drops at once; the arrows move the hand and Enter drops."""
        if event.type == pygame.MOUSEMOTION:
            self._hovered = self._plan.column_at(event.pos)
        elif is_click(event, self._plan.reach):
            self._hovered = self._plan.column_at(event.pos)
            return self._hovered
        elif event.type == pygame.KEYDOWN:
            return self._choose_by_key(event)
        return None

    def _choose_by_key(self, event: Event) -> int | None:
        column = number_key(event)
        if column is not None and column < self._owners.shape[0]:
            self._hovered = column
            return column
        if event.key in (pygame.K_LEFT, pygame.K_RIGHT):
            start = self._owners.shape[0] // 2 if self._hovered is None else self._hovered
            step = 0 if self._hovered is None else 1 if event.key == pygame.K_RIGHT else -1
            self._hovered = (start + step) % self._owners.shape[0]
        return self._hovered if event.key in DROP_KEYS else None

    def name_action(self, action: int) -> str:
        """`column 4`."""
        return f"column {action + 1}"

    def draw(self, canvas: Canvas, stage: Rect, hovering: bool) -> None:
        """Draw wall, discs, hand, numbers, and the line that won."""
        self._plan = Plan.fit(stage, *self._owners.shape)
        surface, plan = canvas.surface, self._plan
        frame = plan.grid.inflate(round(0.3 * plan.cell), round(0.3 * plan.cell))
        rounded(surface, frame.move(0, round(0.07 * plan.cell)), WALL_DARK, round(0.3 * plan.cell))
        rounded(surface, frame, WALL, round(0.3 * plan.cell))
        surface.blit(self._lying(), plan.grid)
        for one in self._falling:
            self._draw_column(surface, one.cell[0])
        for one in self._falling:
            self._draw_above(surface, one)
        if hovering and self._hovered is not None and not self._line:
            self._draw_hand(surface, self._hovered)
        self._draw_labels(canvas, self._hovered if hovering else None)
        self._draw_endings(surface)

    def _lying(self) -> Surface:
        """Wall and lying discs, painted anew only when they change."""
        falling = {f.cell for f in self._falling}
        owners = self._owners.copy()
        for cell in falling:
            owners[cell] = 0
        key = (self._plan.cell, owners.tobytes())
        if self._painted is None or self._painted[0] != key:
            picture = Surface(self._plan.grid.size)
            picture.fill(HOLE)
            for column, row in np.argwhere(owners > 0).tolist():
                place = self._plan.square(column, row).move(
                    -self._plan.grid.left, -self._plan.grid.top
                )
                picture.blit(self._disc(int(owners[column, row])), place)
            for x in range(0, picture.get_width(), self._plan.cell):
                for y in range(0, picture.get_height(), self._plan.cell):
                    picture.blit(wall(self._plan.cell), (x, y))
            self._painted = (key, picture)
        return self._painted[1]

    def _disc(self, owner: int) -> Surface:
        return disc(self._plan.cell, COLOURS[owner])

    def _draw_column(self, surface: Surface, column: int) -> None:
        """A column in which something falls: hole, discs, wall."""
        strip = self._plan.square(column, 0).union(
            self._plan.square(column, self._owners.shape[1] - 1)
        )
        surface.fill(HOLE, strip)
        falling = {f.cell: f.height for f in self._falling}
        for row, owner in enumerate(self._owners[column].tolist()):
            if owner:
                height = falling.get((column, row), row)
                surface.blit(self._disc(owner), self._plan.square(column, height))
        for row in range(self._owners.shape[1]):
            surface.blit(wall(self._plan.cell), self._plan.square(column, row))

    def _draw_above(self, surface: Surface, one: Falling) -> None:
        """What of a falling disc is still above the wall stands in front of its frame."""
        place = self._plan.square(one.cell[0], one.height)
        above = max(0, self._plan.grid.top - place.top)
        part = Rect(0, 0, place.width, min(above, place.height))
        surface.blit(self._disc(one.owner), place, part)

    def _draw_hand(self, surface: Surface, column: int) -> None:
        row = int((self._owners[column] > 0).sum())
        if row >= self._owners.shape[1]:
            return
        cell = self._plan.cell
        surface.blit(ghost(cell, PERSON), self._plan.square(column, row))
        place = (self._plan.grid.left + column * cell, self._plan.hand.top)
        surface.blit(disc(cell, PERSON), place)

    def _draw_labels(self, canvas: Canvas, hovered: int | None) -> None:
        size = 0.3 * self._plan.cell / canvas.unit
        for column in range(self._owners.shape[0]):
            mine = column == hovered
            x = self._plan.square(column, 0).centerx
            canvas.text(
                str(column + 1), size=size, bold=mine, colour=TEXT if mine else MUTED,
                center=(x, self._plan.labels.centery),
            )  # fmt: skip

    def _draw_endings(self, surface: Surface) -> None:
        """Dim what did not win, ring what did; during the game, mark the disc dropped last."""
        cell = self._plan.cell
        if self._line and not self._falling:
            for column, row in np.argwhere(self._owners > 0).tolist():
                if (column, row) not in self._line:
                    surface.blit(_shade(cell), self._plan.square(column, row))
            glow = 0.5 + 0.5 * math.sin(2 * math.pi * self._age_s / PULSE_S)
            picture = ring(cell, (255, 255, 255), 0.36, 0.055)
            picture.set_alpha(round(130 + 125 * glow))
            for column, row in self._line:
                surface.blit(picture, self._plan.square(column, row))
        elif self._last and self._last not in {f.cell for f in self._falling}:
            picture = ring(cell, (255, 255, 255), 0.10, 0.045)
            surface.blit(picture, self._plan.square(*self._last))

    def draw_mind(self, canvas: Canvas, mind: Mind) -> None:
        """Where the agent looked, over the cells, and how it liked each column, below them.

        A token of the agent's 8x8 map is a cell of the board; row 0 lies above it.
        """
        plan = self._plan
        top_left = (plan.grid.left, plan.grid.top - plan.cell)
        draw_looks(canvas, Look(top_left, plan.cell / TILE, plan.grid), mind)
        strips = [
            Rect(plan.grid.left + c * plan.cell, plan.labels.top, plan.cell, plan.labels.height)
            for c in range(self._owners.shape[0])
        ]
        draw_shares(canvas, strips, mind.probabilities)

    def thumbnail(self, frame: npt.NDArray[np.uint8], size: int) -> Surface:
        """Redraw a frame: what the agent saw as its own is red here, as on the board."""
        columns, rows = self._owners.shape
        cell = 4 * max(4, size // columns)  # painted large, then shrunk: smooth edges
        picture = Surface((cell * columns, cell * rows))
        picture.fill(WALL)
        for column in range(columns):
            for row in range(rows):
                pixel = frame[:, (row + 1) * TILE + TILE // 2, column * TILE + TILE // 2]
                centre = (column * cell + cell // 2, row * cell + cell // 2)
                pygame.draw.circle(picture, _seen_colour(pixel), centre, round(0.41 * cell))
        return pygame.transform.smoothscale(picture, (cell // 4 * columns, cell // 4 * rows))


def _seen_colour(pixel: npt.NDArray[np.uint8]) -> Colour:
    """The person's colours for a pixel in the agent's."""
    known = {OWN: AGENT, OTHER: PERSON, (9, 18, 48): mix(HOLE, BACKGROUND, 0.3)}
    distance = {seen: np.abs(pixel.astype(int) - np.array(seen)).sum() for seen in known}
    return known[min(distance, key=lambda seen: int(distance[seen]))]


def _shade(cell: int) -> Surface:
    picture = disc(cell, (8, 12, 28)).copy()
    picture.set_alpha(150)
    return picture
