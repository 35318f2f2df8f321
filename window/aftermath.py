"""What follows a game: the good and the bad strategies that the agent noted, and its sleep.

It fills the side of the match's window; the board stays where it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pygame
from pygame import Rect, Surface
from pygame.event import Event

from lifelong_agent import GameSummary
from memory import Strategy
from window.rivals import Afterthought
from window.theme import BAD, EDGE, FOCUS, GOOD, MUTED, PANEL, RAISED, Canvas, Colour, mix

SCROLL = 46.0
Painter = Callable[[npt.NDArray[np.uint8], int], Surface]


@dataclass(frozen=True)
class Chapter:
    """Cards under one heading."""

    title: str
    colour: Colour
    cards: tuple[Strategy, ...]


def chapters(summary: GameSummary) -> list[Chapter]:
    """Good, bad, and what is not proven either way; those without cards are left out."""
    every = [
        Chapter("Good strategies", GOOD, summary.good),
        Chapter("Bad strategies", BAD, summary.bad),
        Chapter("Not sure yet", FOCUS, summary.undetermined),
    ]
    return [chapter for chapter in every if chapter.cards]


class Aftermath:
    """The cards and the sleep of one finished game.

    Args:
        thoughts: what the agent noted and how its sleep went, as soon as it knows.
        paint: makes a small picture of a frame.
        name_action: what an action is called in a sentence.
    """

    def __init__(
        self,
        thoughts: Afterthought,
        paint: Painter,
        name_action: Callable[[int], str],
    ) -> None:
        self._summary, self._sleep = thoughts.summary, thoughts.sleep
        self._slept = thoughts.slept
        self._paint, self._name_action = paint, name_action
        self._scroll = 0.0
        self._hidden_units = 0.0
        self._pictures: dict[tuple[int, int], Surface] = {}

    @property
    def settled(self) -> bool:
        """Whether the agent has noted and slept."""
        return self._summary.done() and self._sleep.done()

    def handle(self, event: Event) -> None:
        """The wheel and the arrows scroll."""
        if event.type == pygame.MOUSEWHEEL:
            self._move(-event.y * SCROLL)
        elif event.type == pygame.KEYDOWN and event.key in (pygame.K_DOWN, pygame.K_UP):
            self._move(SCROLL if event.key == pygame.K_DOWN else -SCROLL)

    def _move(self, units: float) -> None:
        self._scroll = max(0.0, min(self._hidden_units, self._scroll + units))

    def draw(self, canvas: Canvas, place: Rect) -> None:
        """Cards above, sleep below, as tall as its words."""
        words, share = self._tell_sleep()
        told = canvas.letters(13).render(words, True, MUTED, None, place.width)
        height = max(canvas.px(56), canvas.px(6) + canvas.px(7) + told.get_height())
        foot = Rect(place.left, place.bottom - height, place.width, height)
        self._draw_sleep(canvas, foot, told, share)
        cards = Rect(place.left, place.top, place.width, foot.top - place.top - canvas.px(10))
        before = canvas.surface.get_clip()
        canvas.surface.set_clip(cards)
        bottom = self._draw_cards(canvas, cards.move(0, -canvas.px(self._scroll + 1)))
        canvas.surface.set_clip(before)
        beyond = (bottom - cards.bottom) / canvas.unit
        self._hidden_units = max(0.0, self._scroll + beyond)
        self._scroll = min(self._scroll, self._hidden_units)
        if self._hidden_units > 1:
            self._draw_bar(canvas, cards)

    def _draw_bar(self, canvas: Canvas, cards: Rect) -> None:
        """How far the cards are scrolled."""
        whole = cards.height + canvas.px(self._hidden_units)
        track = Rect(cards.right + canvas.px(5), cards.top, canvas.px(4), cards.height)
        thumb = track.copy()
        thumb.height = max(canvas.px(16), track.height * cards.height // whole)
        thumb.top += round((track.height - thumb.height) * self._scroll / self._hidden_units)
        canvas.panel(track, PANEL, radius=2)
        canvas.panel(thumb, EDGE, radius=2)

    def _draw_cards(self, canvas: Canvas, place: Rect) -> int:
        if not self._summary.done():
            return canvas.paragraph("The agent thinks the game over…", place, 15, MUTED)
        summary = self._summary.result()
        found, y = chapters(summary), place.top
        for note in summary.notes:
            y = canvas.paragraph(note, Rect(place.left, y, place.width, place.height), 14, MUTED)
            y += canvas.px(6)
        if not found:
            rest = Rect(place.left, y, place.width, place.height)
            return canvas.paragraph("Nothing in this game stood out to it.", rest, 15, MUTED)
        for chapter in found:
            title = canvas.text(
                chapter.title, size=15, bold=True, colour=chapter.colour, topleft=(place.left, y)
            )
            y = title.bottom + canvas.px(7)
            for strategy in chapter.cards:
                y = self._draw_card(canvas, Rect(place.left, y, place.width, 0), strategy, chapter)
            y += canvas.px(8)
        return y

    def _draw_card(self, canvas: Canvas, place: Rect, strategy: Strategy, chapter: Chapter) -> int:
        """A picture of the position, and the sentence; returns where the next card begins."""
        pad, side = canvas.px(10), canvas.px(92)
        picture = self._picture(strategy, side)
        indent = pad + (picture.get_width() + pad if picture else 0) + canvas.px(4)
        words = place.width - indent - pad
        image = canvas.letters(14).render(
            strategy.tell(self._name_action), True, (214, 220, 232), None, words
        )
        inside = max(image.get_height(), picture.get_height() if picture else 0)
        card = Rect(place.left, place.top, place.width, inside + 2 * pad)
        canvas.panel(card, mix(RAISED, PANEL, 0.3), radius=9)
        stripe = Rect(card.left, card.top + pad, canvas.px(4), inside)
        canvas.panel(stripe, chapter.colour, radius=2)
        if picture:
            spot = picture.get_rect(left=card.left + pad + canvas.px(4), centery=card.centery)
            canvas.surface.blit(picture, spot)
        text = image.get_rect(left=card.left + indent, centery=card.centery)
        canvas.surface.blit(image, text)
        return card.bottom + canvas.px(8)

    def _picture(self, strategy: Strategy, size: int) -> Surface | None:
        if strategy.frame is None:
            return None
        key = (id(strategy), size)
        if key not in self._pictures:
            self._pictures[key] = self._paint(strategy.frame, size)
        return self._pictures[key]

    def _tell_sleep(self) -> tuple[str, float]:
        """What is to be said of its sleep, and the share of it that is done."""
        if self._sleep.done():
            return f"It slept: {self._sleep.result().reason}.", 1.0
        if self._summary.done():
            return "It sleeps over the game…", self._slept()
        return "", 0.0

    def _draw_sleep(self, canvas: Canvas, place: Rect, words: Surface, share: float) -> None:
        bar = Rect(place.left, place.top, place.width, canvas.px(6))
        canvas.surface.blit(words, (place.left, bar.bottom + canvas.px(7)))
        canvas.panel(bar, RAISED, radius=3)
        if share * bar.width > 3:
            canvas.panel(
                Rect(bar.left, bar.top, round(bar.width * share), bar.height), FOCUS, radius=3
            )
