"""The board of `connect`: discs that fall behind a wall, the hand above it, the winning line.

It reads the rules' state and never changes it.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pygame
import torch
from pygame import Rect, Surface
from pygame.event import Event

from envs.connect import Connect, ConnectState
from envs.connect_rules import POP
from envs.connect_screen import Kind, choose_palette
from envs.frames import GRID, TILE
from window.cells import (
    AGENTS,
    PERSONS,
    PILLAR,
    Cell,
    Owners,
    changed_cell,
    find_lines,
    is_popped,
    read_cells,
)  # fmt: skip
from window.connect_plan import Falling, Plan
from window.discs import disc, ghost, paint_of, pillar, ring, wall
from window.overlay import Look, draw_looks, draw_shares
from window.referee import Referee
from window.theme import BACKGROUND, EDGE, MUTED, RAISED, TEXT, Canvas, Colour, mix, rounded
from window.thinker import Mind
from window.widgets import is_click, number_key

PULSE_S = 1.4
DROP_KEYS = (pygame.K_RETURN, pygame.K_KP_ENTER, pygame.K_SPACE, pygame.K_DOWN)
POP_KEYS = (pygame.K_DELETE,)
BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)


class ConnectBoard:
    """Columns to drop discs into, and in some variants to pop them out.

    Args:
        game: the variant.
    """

    headline = ""
    epilogue = ""
    listed_actions: tuple[str, ...] = ()
    progress = 1.0

    def __init__(self, game: Connect) -> None:
        self._game, self._paint = game, paint_of(frozenset(game.modifiers))
        self._has_pops = game.rules.has_pops
        self._owners: Owners = np.zeros((game.columns, game.rows), np.int8)
        self._colours = {PERSONS: self._paint.person, AGENTS: self._paint.rival}
        self._falling: list[Falling] = []
        self._fireflies: list[tuple[int, int, bool]] = []
        self._line: list[Cell] = []
        self._last: Cell | None = None
        self._hovered: int | None = None
        self._pops = False
        self._age_s = 0.0
        self._painted: tuple[tuple[int, bytes], Surface] | None = None
        self._plan = self._fit(Rect(0, 0, 640, 640))

    def _fit(self, stage: Rect) -> Plan:
        columns, rows = self._owners.shape
        beside = 1 if "clutter" in self._game.modifiers and columns < GRID else 0
        return Plan.fit(stage, columns, rows, has_pops=self._has_pops, beside=beside)

    @property
    def hint(self) -> str:
        """How to move."""
        number = self._owners.shape[0]
        if self._has_pops:
            words = f"Click, or press 1-{number}; Shift pops your disc out below"
        else:
            words = f"Click a column, or press 1-{number}"
        return f"A line loses! {words}" if self._game.rules.is_misere else words

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
        for column in range(game.columns):
            self._let_fall(column, self._owners[column], owners[column])
        self._owners = owners
        self._last = changed_cell(game, state) or self._last
        wraps = "wrap" in game.modifiers
        self._line = find_lines(owners, game.rules.line, wraps=wraps) if referee.ended else []
        self._fireflies = []
        if "clutter" in game.modifiers:
            kinds = game.kinds(state, torch.tensor([referee.person_seat]))[0].tolist()
            self._fireflies = [
                (tile % GRID, GRID - 2 - tile // GRID, kind == Kind.FIREFLY_WIDE)
                for tile, kind in enumerate(kinds)
                if kind >= Kind.FIREFLY
            ]

    def _let_fall(
        self, column: int, before: npt.NDArray[np.int8], after: npt.NDArray[np.int8]
    ) -> None:
        """What has come into a column falls from above, what was popped comes down by one."""
        if is_popped(before, after):
            fallen = [(row, 1.0) for row in np.flatnonzero(after).tolist()]
            self._last = (column, int(np.count_nonzero(after)))
        else:
            new = np.flatnonzero((after != before) & (after > 0) & (after != PILLAR)).tolist()
            fallen = [(row, len(after) + 0.1 - row) for row in new]
            self._last = (column, new[-1]) if new else self._last
        for row, drop in fallen:
            self._falling.append(Falling((column, row), int(after[row]), drop))

    def update(self, dt_s: float) -> None:
        """Let time pass."""
        self._age_s += dt_s
        for disc_on_its_way in self._falling:
            disc_on_its_way.age_s += dt_s
        self._falling = [f for f in self._falling if not f.landed]

    def choose(self, event: Event) -> int | None:
        """A click or a number drops at once; the arrows move the hand and Enter drops.

        Below the board, or with Shift, a disc is popped out; so it is by Delete.
        """
        if event.type == pygame.MOUSEMOTION:
            self._point_at(event.pos)
        elif is_click(event, self._plan.reach):
            self._point_at(event.pos)
            return self._action(self._pops)
        elif event.type == pygame.KEYDOWN:
            return self._choose_by_key(event)
        return None

    def _point_at(self, place: tuple[int, int]) -> None:
        self._hovered = self._plan.column_at(place)
        self._pops = self._has_pops and place[1] >= self._plan.pops.top

    def _action(self, pops: bool) -> int | None:
        """Dropping or popping in the column of the hand."""
        if self._hovered is None:
            return None
        return self._hovered + (POP if pops else 0)

    def _choose_by_key(self, event: Event) -> int | None:
        pops = self._has_pops and bool(event.mod & pygame.KMOD_SHIFT)
        self._pops = pops
        column = number_key(event)
        if column is not None and column < self._owners.shape[0]:
            self._hovered = column
            return self._action(pops)
        if event.key in (pygame.K_LEFT, pygame.K_RIGHT):
            start = self._owners.shape[0] // 2 if self._hovered is None else self._hovered
            step = 0 if self._hovered is None else 1 if event.key == pygame.K_RIGHT else -1
            self._hovered = (start + step) % self._owners.shape[0]
        if self._has_pops and event.key in POP_KEYS:
            return self._action(True)
        return self._action(pops) if event.key in DROP_KEYS else None

    def name_action(self, action: int) -> str:
        """`column 4`, or `popping column 4`."""
        words = f"column {action % POP + 1}"
        return f"popping {words}" if action >= POP else words

    def draw(self, canvas: Canvas, stage: Rect, hovering: bool) -> None:
        """Draw wall, discs, hand, numbers, and the line that won."""
        self._plan = self._fit(stage)
        surface, plan = canvas.surface, self._plan
        self._draw_frame(surface)
        surface.blit(self._lying(), plan.grid)
        for one in self._falling:
            self._draw_column(surface, one.cell[0])
        for one in self._falling:
            self._draw_above(surface, one)
        self._draw_fireflies(surface)
        hand = self._hovered if hovering and not self._line else None
        if hand is not None:
            self._draw_hand(surface, hand)
        self._draw_labels(canvas, hand)
        if self._has_pops:
            self._draw_pops(surface, hand)
        self._draw_endings(surface)

    def _draw_frame(self, surface: Surface) -> None:
        """The board's frame; where the edges join, with teeth."""
        plan, paint = self._plan, self._paint
        frame, corner = plan.grid.inflate(round(0.3 * plan.cell), round(0.3 * plan.cell)), 0.3
        dark = mix(paint.wall, BLACK, 0.26)
        rounded(surface, frame.move(0, round(0.07 * plan.cell)), dark, round(corner * plan.cell))
        rounded(surface, frame, paint.wall, round(corner * plan.cell))
        if "wrap" not in self._game.modifiers:
            return
        reach, half = 0.13 * plan.cell, 0.17 * plan.cell
        for row in range(self._owners.shape[1]):
            y = plan.square(0, row).centery
            for x, side in ((frame.left, -1), (frame.right, 1)):
                tip = (x + side * reach, y)
                base = x - side * 0.02 * plan.cell
                pygame.draw.polygon(surface, paint.seam, (tip, (base, y - half), (base, y + half)))

    def _draw_fireflies(self, surface: Surface) -> None:
        """Distractors, in empty places only."""
        cell = self._plan.cell
        for column, row, is_wide in self._fireflies:
            centre = self._plan.square(column, row).center
            pygame.draw.aacircle(surface, self._paint.firefly, centre, round(0.13 * cell))
            if is_wide:
                pygame.draw.aacircle(
                    surface, self._paint.firefly, centre, round(0.24 * cell), max(1, cell // 30)
                )

    def _lying(self) -> Surface:
        """Wall and lying discs, painted anew only when they change."""
        falling = {f.cell for f in self._falling}
        owners = self._owners.copy()
        for cell in falling:
            owners[cell] = 0
        key = (self._plan.cell, owners.tobytes())
        if self._painted is None or self._painted[0] != key:
            picture = Surface(self._plan.grid.size)
            picture.fill(self._paint.hole)
            for column, row in np.ndindex(owners.shape):
                place = self._plan.square(column, row).move(
                    -self._plan.grid.left, -self._plan.grid.top
                )
                if owners[column, row] in self._colours:
                    picture.blit(self._disc(int(owners[column, row])), place)
                picture.blit(self._front(int(owners[column, row])), place)
            self._painted = (key, picture)
        return self._painted[1]

    def _disc(self, owner: int) -> Surface:
        return disc(self._plan.cell, self._colours[owner])

    def _front(self, owner: int) -> Surface:
        """What stands in front of a cell: the wall, bricked up where a pillar is."""
        cell, paint = self._plan.cell, self._paint
        is_pillar = owner == PILLAR
        return pillar(cell, paint.stone, paint.wall) if is_pillar else wall(cell, paint.wall)

    def _draw_column(self, surface: Surface, column: int) -> None:
        """A column in which something falls: hole, discs, wall."""
        strip = self._plan.square(column, 0).union(
            self._plan.square(column, self._owners.shape[1] - 1)
        )
        surface.fill(self._paint.hole, strip)
        falling = {f.cell: f.height for f in self._falling}
        for row, owner in enumerate(self._owners[column].tolist()):
            if owner in self._colours:
                height = falling.get((column, row), row)
                surface.blit(self._disc(owner), self._plan.square(column, height))
        for row, owner in enumerate(self._owners[column].tolist()):
            surface.blit(self._front(owner), self._plan.square(column, row))

    def _draw_above(self, surface: Surface, one: Falling) -> None:
        """What of a falling disc is still above the wall stands in front of its frame."""
        place = self._plan.square(one.cell[0], one.height)
        above = max(0, self._plan.grid.top - place.top)
        part = Rect(0, 0, place.width, min(above, place.height))
        surface.blit(self._disc(one.owner), place, part)

    def _draw_hand(self, surface: Surface, column: int) -> None:
        """Where a disc would land, and the disc in the hand; or which one would be popped."""
        cell, colour = self._plan.cell, self._paint.person
        if self._pops:
            if self._owners[column, 0] == PERSONS:
                surface.blit(ring(cell, WHITE, 0.36, 0.055), self._plan.square(column, 0))
            return
        row = int((self._owners[column] > 0).sum())
        if row >= self._owners.shape[1]:
            return
        surface.blit(ghost(cell, colour), self._plan.square(column, row))
        place = (self._plan.grid.left + column * cell, self._plan.hand.top)
        surface.blit(disc(cell, colour), place)

    def _draw_pops(self, surface: Surface, hand: int | None) -> None:
        """A slot below each column; lit where an own disc can be popped."""
        for column in range(self._owners.shape[0]):
            place = self._plan.pop_button(column)
            is_open = self._owners[column, 0] == PERSONS
            ground = mix(RAISED, self._paint.seam, 0.25) if is_open else RAISED
            if is_open and self._pops and hand == column:
                ground = mix(RAISED, self._paint.seam, 0.6)
            rounded(surface, place, ground, place.height // 3)
            size = 0.24 * place.height
            x, y = place.center
            corners = (
                (x - 1.3 * size, y - 0.7 * size),
                (x + 1.3 * size, y - 0.7 * size),
                (x, y + size),
            )
            pygame.draw.polygon(surface, self._paint.seam if is_open else EDGE, corners)

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
            discs = (self._owners == PERSONS) | (self._owners == AGENTS)
            for column, row in np.argwhere(discs).tolist():
                if (column, row) not in self._line:
                    surface.blit(_shade(cell), self._plan.square(column, row))
            glow = 0.5 + 0.5 * math.sin(2 * math.pi * self._age_s / PULSE_S)
            picture = ring(cell, WHITE, 0.36, 0.055)
            picture.set_alpha(round(130 + 125 * glow))
            for column, row in self._line:
                surface.blit(picture, self._plan.square(column, row))
        elif self._last and self._last not in {f.cell for f in self._falling}:
            picture = ring(cell, WHITE, 0.10, 0.045)
            surface.blit(picture, self._plan.square(*self._last))

    def draw_mind(self, canvas: Canvas, mind: Mind) -> None:
        """Where the agent looked, over the cells, and how it liked each column, below them.

        A token of the agent's 8x8 map is a cell of the board; the lowest row lies below it.
        """
        plan, (columns, rows) = self._plan, self._owners.shape
        top_left = (plan.grid.left, plan.grid.top - (GRID - 1 - rows) * plan.cell)
        draw_looks(canvas, Look(top_left, plan.cell / TILE, plan.grid), mind)
        strips = [
            Rect(plan.grid.left + c * plan.cell, strip.top, plan.cell, strip.height)
            for strip in ((plan.labels, plan.pops) if self._has_pops else (plan.labels,))
            for c in range(columns)
        ]
        shares = (*mind.probabilities[:columns], *mind.probabilities[POP : POP + columns])
        draw_shares(canvas, strips, shares)

    def thumbnail(self, frame: npt.NDArray[np.uint8], size: int) -> Surface:
        """Redraw a frame: what the agent saw as its own is red here, as on the board."""
        columns, rows = self._owners.shape
        cell = 4 * max(4, size // columns)  # painted large, then shrunk: smooth edges
        picture, above = Surface((cell * columns, cell * rows)), GRID - 1 - rows
        picture.fill(self._paint.wall)
        for column in range(columns):
            for row in range(rows):
                pixel = frame[:, (row + above) * TILE + TILE // 2, column * TILE + TILE // 2]
                place = Rect(column * cell, row * cell, cell, cell)
                colour = self._seen_colour(pixel)
                if colour == self._paint.stone:
                    picture.fill(colour, place.inflate(-cell // 8, -cell // 8))
                else:
                    pygame.draw.circle(picture, colour, place.center, round(0.41 * cell))
        return pygame.transform.smoothscale(picture, (cell // 4 * columns, cell // 4 * rows))

    def _seen_colour(self, pixel: npt.NDArray[np.uint8]) -> Colour:
        """The person's colours for a pixel in the agent's."""
        seen, paint = choose_palette(frozenset(self._game.modifiers)), self._paint
        hole = mix(paint.hole, BACKGROUND, 0.3)
        known = {seen.own: paint.rival, seen.other: paint.person, seen.hole: hole}
        known |= {seen.firefly: hole, seen.stone: paint.stone, seen.mortar: paint.stone}
        distance = {colour: np.abs(pixel.astype(int) - np.array(colour)).sum() for colour in known}
        return known[min(distance, key=lambda colour: int(distance[colour]))]


def _shade(cell: int) -> Surface:
    picture = disc(cell, (8, 12, 28)).copy()
    picture.set_alpha(150)
    return picture
