"""How a match looks: the board on the stage; beside it names, turn, mind or cards, and buttons.

It is told what to show and decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pygame import Rect

from window.aftermath import Aftermath
from window.boards import Board
from window.overlay import draw_mind_panel
from window.referee import Referee
from window.theme import (
    AGENT,
    BACKGROUND,
    BAD,
    EDGE,
    FOCUS,
    MUTED,
    PANEL,
    PERSON,
    RAISED,
    TEXT,
    Canvas,
    Colour,
    mix,
    split,
)  # fmt: skip
from window.thinker import Mind
from window.widgets import Button, row

AFTERWARDS = "What the agent noted in this game"


@dataclass(frozen=True)
class MatchView:
    """One moment of a match.

    Attributes:
        names: the person's and the rival's.
        points: of both in this sitting.
        referee: of the game.
        board: draws the game.
        hovering: whether to show where the person's move would go.
        headline: whose turn it is, or who won.
        hint: what to do, or what is going on.
        countdown: large letters over the board, or nothing.
        notice: what else has to be said, or nothing.
        rules: a line about every modifier.
        show_mind: whether the mind overlay is open.
        mind: the rival's last decision.
        aftermath: what follows a game with the agent, once it has ended.
        buttons: along the bottom.
    """

    names: tuple[str, str]
    points: tuple[float, float]
    referee: Referee
    board: Board
    hovering: bool
    headline: str
    hint: str
    countdown: str
    notice: str
    rules: Sequence[str]
    show_mind: bool
    mind: Mind | None
    aftermath: Aftermath | None
    buttons: Sequence[Button]


def draw_match(canvas: Canvas, view: MatchView) -> None:
    """Draw everything but the pause."""
    canvas.surface.fill(BACKGROUND)
    stage, side = split(canvas)
    view.board.draw(canvas, stage, view.hovering)
    if view.show_mind and view.mind is not None and view.aftermath is None:
        view.board.draw_mind(canvas, view.mind)
    if view.countdown:
        draw_countdown(canvas, stage, view.countdown)
    canvas.panel(side)
    inner = side.inflate(-canvas.px(36), -canvas.px(36))
    top = _draw_seats(canvas, inner, view) + canvas.px(14)
    strip = Rect(inner.left, inner.bottom - canvas.px(42), inner.width, canvas.px(42))
    middle = Rect(inner.left, top, inner.width, strip.top - canvas.px(16) - top)
    if view.referee.ended:
        _draw_after(canvas, middle, view)
    else:
        _draw_play(canvas, middle, view)
    places = row(strip, max(1, len(view.buttons)), canvas.px(9))
    for button, place in zip(view.buttons, places, strict=False):
        button.draw(canvas, place)


def _draw_seats(canvas: Canvas, inner: Rect, view: MatchView) -> int:
    """Both names, whoever is to move on a lighter ground; returns where they end."""
    referee = view.referee
    seats = (
        (view.names[0], PERSON, view.points[0], referee.person_seat),
        (view.names[1], AGENT, view.points[1], referee.rival_seat),
    )
    strip = Rect(inner.left, inner.top, inner.width, canvas.px(40))
    for name, colour, points, seat in seats:
        _draw_seat(canvas, strip, (name, colour, f"{points:g}"), referee.is_turn_of(seat))
        strip = strip.move(0, canvas.px(45))
    return strip.top


def _draw_seat(canvas: Canvas, strip: Rect, who: tuple[str, Colour, str], active: bool) -> None:
    name, colour, points = who
    if active:
        canvas.panel(strip, RAISED, radius=10)
    canvas.disc((strip.left + canvas.px(21), strip.centery), 9, colour)
    end = (strip.right - canvas.px(14), strip.centery)
    right = canvas.text(points, size=17, bold=True, midright=end).left
    start = strip.left + canvas.px(42)
    ink = TEXT if active else mix(MUTED, TEXT, 0.4)
    room = right - start - canvas.px(8)
    canvas.text(name, size=17, bold=active, colour=ink, width=room, midleft=(start, strip.centery))


def _draw_play(canvas: Canvas, middle: Rect, view: MatchView) -> None:
    y = canvas.text(
        view.headline, size=23, bold=True, width=middle.width, topleft=middle.topleft
    ).bottom + canvas.px(3)
    place = Rect(middle.left, y, middle.width, middle.bottom - y)
    y = canvas.paragraph(view.hint, place, 14, MUTED) + canvas.px(18)
    if view.notice:
        place = Rect(middle.left, y, middle.width, middle.bottom - y)
        y = canvas.paragraph(view.notice, place, 14, BAD) + canvas.px(14)
    if view.show_mind:
        rest = Rect(middle.left, y, middle.width, middle.bottom - y)
        draw_mind_panel(canvas, rest, view.mind, view.board)
    else:
        _draw_rules(canvas, Rect(middle.left, y, middle.width, middle.bottom - y), view.rules)


def _draw_rules(canvas: Canvas, place: Rect, rules: Sequence[str]) -> None:
    """What is unlike the plain game, as far as there is room."""
    before = canvas.surface.get_clip()
    canvas.surface.set_clip(place)
    y = place.top
    for rule in rules:
        canvas.disc((place.left + canvas.px(4), y + canvas.px(9)), 2.5, FOCUS)
        left = place.left + canvas.px(16)
        line = Rect(left, y, place.right - left, place.height)
        y = canvas.paragraph(rule, line, 13.5, MUTED) + canvas.px(7)
    canvas.surface.set_clip(before)


def _draw_after(canvas: Canvas, middle: Rect, view: MatchView) -> None:
    colours = {1: PERSON, 0: TEXT, -1: mix(AGENT, TEXT, 0.2)}
    colour = colours[view.referee.person_result]
    title = canvas.text(
        view.headline, size=27, bold=True, colour=colour, width=middle.width,
        topleft=middle.topleft,
    )  # fmt: skip
    start = (middle.left, title.bottom + canvas.px(2))
    hint = canvas.text(view.hint, size=14, colour=MUTED, width=middle.width, topleft=start)
    y = hint.bottom + canvas.px(12)
    if view.aftermath is not None:
        view.aftermath.draw(canvas, Rect(middle.left, y, middle.width, middle.bottom - y))


def draw_countdown(canvas: Canvas, stage: Rect, letters: str) -> None:
    """A large number on a dark disc, in the middle of the stage."""
    centre = (stage.centerx, stage.top + round(0.36 * stage.height))
    canvas.disc(centre, 62, EDGE)
    canvas.disc(centre, 59, BACKGROUND)
    canvas.text(letters, size=72, bold=True, center=centre)


def draw_pause(canvas: Canvas, buttons: tuple[Button, Button], is_remembered: bool) -> None:
    """A veil over everything, and a box with two ways out."""
    whole = canvas.surface.get_rect()
    canvas.dim(whole, BACKGROUND, 190)
    box = Rect(0, 0, canvas.px(360), canvas.px(190))
    box.center = whole.center
    canvas.panel(box, mix(PANEL, RAISED, 0.5), RAISED)
    inner = box.inflate(-canvas.px(44), -canvas.px(44))
    title = canvas.text("Paused", size=24, bold=True, topleft=inner.topleft)
    below = Rect(inner.left, title.bottom + canvas.px(4), inner.width, canvas.px(40))
    words = (
        "A game that is left is not remembered." if is_remembered else "A game left has no winner."
    )
    canvas.paragraph(words, below, 15, MUTED)
    strip = Rect(inner.left, inner.bottom - canvas.px(44), inner.width, canvas.px(44))
    for button, place in zip(buttons, row(strip, 2, canvas.px(10)), strict=True):
        button.draw(canvas, place)
