"""A button, a field for a name, a choice of a few: what a screen is operated with.

Each knows where it was drawn last and answers events there. None knows what it is for.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import pygame
from pygame import Rect
from pygame.event import Event

from window.theme import BACKGROUND, EDGE, FOCUS, INK, MUTED, PERSON, RAISED, TEXT, Canvas, mix

LONGEST_NAME = 24
CARET_S = 0.55


def _nowhere() -> Rect:
    return Rect(0, 0, 0, 0)


def is_click(event: Event, place: Rect) -> bool:
    """Whether the left mouse button went down inside `place`."""
    return (
        event.type == pygame.MOUSEBUTTONDOWN and event.button == 1 and place.collidepoint(event.pos)
    )


def number_key(event: Event) -> int | None:
    """0 for the key 1, ... 8 for the key 9, in the row above the letters or on the pad."""
    for first in (pygame.K_1, pygame.K_KP1):
        if first <= event.key <= first + 8:
            return int(event.key - first)
    scancode = getattr(event, "scancode", 0)
    if pygame.KSCAN_1 <= scancode <= pygame.KSCAN_9:
        return int(scancode - pygame.KSCAN_1)
    return None


@dataclass
class Button:
    """Something to press.

    Attributes:
        label: what it says.
        hint: the key that does the same, shown dimly.
        primary: filled with the person's colour.
        rect: where it was drawn last.
    """

    label: str
    hint: str = ""
    primary: bool = False
    rect: Rect = field(default_factory=_nowhere)
    _hovered: bool = False

    def pressed(self, event: Event) -> bool:
        """Whether this event presses it."""
        if event.type == pygame.MOUSEMOTION:
            self._hovered = self.rect.collidepoint(event.pos)
        return is_click(event, self.rect)

    def draw(self, canvas: Canvas, rect: Rect, focused: bool = False) -> None:
        """Draw it at `rect`."""
        self.rect = rect
        ground = PERSON if self.primary else RAISED
        ink, dim = (INK, mix(INK, PERSON, 0.4)) if self.primary else (TEXT, MUTED)
        if self._hovered:
            ground = mix(ground, (255, 255, 255), 0.14)
        if focused:
            ring = rect.inflate(canvas.px(7), canvas.px(7))
            canvas.panel(ring, BACKGROUND, FOCUS, radius=13)
        canvas.panel(rect, ground, radius=10)
        self._write(canvas, ink, dim)

    def _write(self, canvas: Canvas, ink: tuple[int, int, int], dim: tuple[int, int, int]) -> None:
        """The label and its key, centred together; the key gives way where there is no room."""
        label, hint = canvas.letters(15.5, True), canvas.letters(12.5)
        gap = canvas.px(8) if self.hint else 0
        width = label.size(self.label)[0] + gap + hint.size(self.hint)[0]
        room = self.rect.width - canvas.px(10)
        if not self.hint or width > room:
            centre = self.rect.center
            canvas.text(self.label, size=15.5, bold=True, colour=ink, width=room, center=centre)
            return
        left = self.rect.centerx - width // 2
        middle = self.rect.centery
        words = canvas.text(self.label, size=15.5, bold=True, colour=ink, midleft=(left, middle))
        canvas.text(self.hint, size=12.5, colour=dim, midleft=(words.right + gap, middle))


class NameField:
    """One line of text.

    Args:
        text: what stands in it at first.
        placeholder: what is shown dimly while it is empty.
    """

    def __init__(self, text: str, placeholder: str) -> None:
        self.text, self.placeholder = text, placeholder
        self.rect = _nowhere()
        self._age_s = 0.0

    def update(self, dt_s: float) -> None:
        """Let the caret blink."""
        self._age_s += dt_s

    def type(self, event: Event) -> None:
        """Take up letters and deletions."""
        if event.type == pygame.TEXTINPUT:
            letters = "".join(c for c in event.text if c.isprintable())
            self.text = (self.text + letters).lstrip()[:LONGEST_NAME]
        elif event.type == pygame.KEYDOWN and event.key == pygame.K_BACKSPACE:
            held = event.mod & (pygame.KMOD_CTRL | pygame.KMOD_ALT | pygame.KMOD_META)
            self.text = "" if held else self.text[:-1]
        self._age_s = 0.0

    def draw(self, canvas: Canvas, rect: Rect, focused: bool) -> None:
        """Draw it at `rect`."""
        self.rect = rect
        canvas.panel(rect, BACKGROUND, FOCUS if focused else EDGE, radius=10)
        left = (rect.left + canvas.px(14), rect.centery)
        room = rect.width - canvas.px(32)
        words, colour = (self.text, TEXT) if self.text else (self.placeholder, MUTED)
        written = canvas.text(words, size=18, colour=colour, width=room, midleft=left)
        if focused and self._age_s % (2 * CARET_S) < CARET_S:
            x = (written.right if self.text else left[0]) + canvas.px(1)
            caret = Rect(x, 0, canvas.px(2), canvas.px(20))
            caret.centery = rect.centery
            pygame.draw.rect(canvas.surface, TEXT, caret)


class Choice:
    """One of a few, side by side.

    Args:
        options: what they are called.
        chosen: the number of the one chosen at first.
        per_row: how many stand in a row; all of them if left out.
    """

    def __init__(self, options: Sequence[str], chosen: int = 0, per_row: int = 0) -> None:
        self.options, self.chosen = tuple(options), chosen
        self._per_row = per_row or len(self.options)
        self._rects: list[Rect] = []

    @property
    def num_rows(self) -> int:
        """How many rows they fill."""
        return -(-len(self.options) // self._per_row)

    def picked(self, event: Event) -> bool:
        """Whether this click chose one."""
        for number, rect in enumerate(self._rects):
            if is_click(event, rect):
                self.chosen = number
                return True
        return False

    def move(self, by: int) -> None:
        """Choose the next one (+1) or the one before (-1), round and round."""
        self.chosen = (self.chosen + by) % len(self.options)

    def draw(self, canvas: Canvas, rect: Rect, focused: bool) -> None:
        """Draw them at `rect`."""
        canvas.panel(rect, BACKGROUND, FOCUS if focused else EDGE, radius=10)
        inner = rect.inflate(-canvas.px(6), -canvas.px(6))
        self._rects = self._grid(inner)
        for number, (option, place) in enumerate(zip(self.options, self._rects, strict=True)):
            mine = number == self.chosen
            if mine:
                canvas.panel(place, RAISED, radius=8)
            colour = TEXT if mine else MUTED
            room = place.width - canvas.px(4)
            canvas.text(option, size=15, colour=colour, bold=mine, width=room, center=place.center)

    def _grid(self, inner: Rect) -> list[Rect]:
        """Equal cells without gaps, row by row."""
        across = [inner.left + inner.width * n // self._per_row for n in range(self._per_row + 1)]
        down = [inner.top + inner.height * n // self.num_rows for n in range(self.num_rows + 1)]
        cells = [
            Rect(left, top, right - left, bottom - top)
            for top, bottom in itertools.pairwise(down)
            for left, right in itertools.pairwise(across)
        ]
        return cells[: len(self.options)]


def row(place: Rect, count: int, gap: int) -> list[Rect]:
    """Cut a rectangle into `count` equal ones side by side, `gap` pixels apart."""
    width = (place.width - gap * (count - 1)) // count
    return [
        Rect(place.left + n * (width + gap), place.top, width, place.height) for n in range(count)
    ]
