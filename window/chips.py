"""A row of switches, any of which can be on, but for pairs that exclude each other."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pygame
from pygame import Rect
from pygame.event import Event

from window.theme import BACKGROUND, EDGE, FOCUS, INK, MUTED, PERSON, RAISED, TEXT, Canvas, mix
from window.widgets import is_click

HEIGHT, GAP = 27, 6


class Chips:
    """Names to switch on and off.

    Args:
        names: what there is to choose.
        clashes: sets of names that cannot all be on.
        chosen: on at first.
    """

    def __init__(
        self,
        names: Sequence[str],
        clashes: Collection[frozenset[str]] = (),
        chosen: Collection[str] = (),
    ) -> None:
        self.names, self._clashes = tuple(names), tuple(clashes)
        self.chosen = set(chosen)
        self.cursor = 0
        self._pointed: int | None = None
        self._rects: list[Rect] = []

    def obstacle(self, name: str) -> str | None:
        """A chosen name that keeps this one from being switched on, if there is one."""
        if name in self.chosen:
            return None
        for clash in self._clashes:
            if name in clash and clash <= self.chosen | {name}:
                return sorted(clash - {name})[0]
        return None

    def switch(self, number: int) -> bool:
        """Turn one on or off; False if another one excludes it."""
        name = self.names[number]
        if self.obstacle(name) is not None:
            return False
        self.chosen ^= {name}
        return True

    def picked(self, event: Event) -> bool:
        """Whether this click was on one; it is switched, and the cursor goes there."""
        if event.type == pygame.MOUSEMOTION:
            inside = (n for n, rect in enumerate(self._rects) if rect.collidepoint(event.pos))
            self._pointed = next(inside, None)
        for number, rect in enumerate(self._rects):
            if is_click(event, rect):
                self.cursor = number
                self.switch(number)
                return True
        return False

    def move(self, by: int) -> None:
        """The cursor to the next (+1) or the one before (-1)."""
        self._pointed = None
        self.cursor = (self.cursor + by) % len(self.names)

    def looked_at(self, focused: bool) -> str | None:
        """The name below the mouse, or else below the cursor."""
        if self._pointed is not None:
            return self.names[self._pointed]
        return self.names[self.cursor] if focused and self.names else None

    def place(self, canvas: Canvas, room: Rect) -> int:
        """Lay them out from the top left of `room`, in rows; returns the height they take."""
        gap, height = canvas.px(GAP), canvas.px(HEIGHT)
        letters = canvas.letters(14, True)
        self._rects, x, y = [], room.left, room.top
        for name in self.names:
            width = letters.size(name)[0] + canvas.px(24)
            if x + width > room.right and x > room.left:
                x, y = room.left, y + height + gap
            self._rects.append(Rect(x, y, width, height))
            x += width + gap
        return y + height - room.top if self._rects else 0

    def draw(self, canvas: Canvas, focused: bool) -> None:
        """Draw them where they were placed."""
        for number, (name, rect) in enumerate(zip(self.names, self._rects, strict=True)):
            is_on, is_barred = name in self.chosen, self.obstacle(name) is not None
            ground = PERSON if is_on else RAISED
            if number == self._pointed and not is_barred:
                ground = mix(ground, (255, 255, 255), 0.14)
            if is_barred:
                ground = BACKGROUND
            ring = FOCUS if focused and number == self.cursor else EDGE if is_barred else None
            canvas.panel(rect, ground, ring, radius=12)
            ink = INK if is_on else EDGE if is_barred else mix(MUTED, TEXT, 0.5)
            spot = rect.center
            written = canvas.text(name, size=14, bold=is_on, colour=ink, center=spot)
            if is_barred:
                ends = written.midleft, written.midright
                pygame.draw.line(canvas.surface, EDGE, *ends, canvas.px(1))
