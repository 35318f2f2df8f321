"""The first screen: who plays, who starts, and what the agent remembers of that person."""

from __future__ import annotations

from concurrent.futures import Future

import pygame
from pygame import Rect
from pygame.event import Event

from lifelong_agent import Record
from window.boards import Board
from window.screen import STARTERS, Destination, ToDesk, ToMatch
from window.theme import AGENT, BACKGROUND, EDGE, MUTED, PERSON, TEXT, Canvas, split
from window.thinker import Thinker
from window.widgets import Button, Choice, NameField, row

GUEST = "guest"
NAME, STARTER, START, QUIT = range(4)
ENTER = (pygame.K_RETURN, pygame.K_KP_ENTER)
TYPING_PAUSE_S = 0.15


class Menu:
    """The menu.

    Args:
        thinker: asked for the record of the person.
        board: shown beside the form.
        name: typed already.
        starter: chosen already, a number of `STARTERS`.
    """

    def __init__(self, thinker: Thinker, board: Board, name: str = "", starter: int = 0) -> None:
        self._thinker, self._board = thinker, board
        self.field = NameField("" if name == GUEST else name, GUEST)
        self.starter = Choice(STARTERS, starter)
        self.start = Button("Start", "Enter", primary=True)
        self.leave = Button("Quit", "Esc")
        self._focus = NAME
        self._asked = ""
        self._idle_s = TYPING_PAUSE_S
        self._record: Future[Record] | None = None

    @property
    def name(self) -> str:
        """Who plays."""
        return self.field.text.strip() or GUEST

    @property
    def lively(self) -> bool:
        """The menu is calm: a few frames a second do."""
        return False

    @property
    def resting(self) -> bool:
        """Whether the record is there, and nothing will happen unless the person acts."""
        return self._record is not None and self._record.done()

    def handle(self, event: Event) -> Destination | None:
        """Mouse, Tab, arrows, letters, Enter, Esc."""
        if self.start.pressed(event):
            return self._go()
        if self.leave.pressed(event):
            return ToDesk()
        if self.starter.picked(event):
            self._focus = STARTER
        elif event.type == pygame.MOUSEBUTTONDOWN and self.field.rect.collidepoint(event.pos):
            self._focus = NAME
        elif event.type == pygame.TEXTINPUT:
            self._type(event)
        elif event.type == pygame.KEYDOWN:
            return self._press(event)
        return None

    def _go(self) -> Destination:
        return ToMatch(self.name, self.starter.chosen)

    def _type(self, event: Event) -> None:
        if event.type == pygame.TEXTINPUT and event.text == " " and self._focus != NAME:
            return  # it pressed something
        self._focus = NAME
        self.field.type(event)
        self._idle_s = 0.0

    def _press(self, event: Event) -> Destination | None:
        if event.key == pygame.K_ESCAPE:
            return ToDesk()
        if event.key in ENTER or (event.key == pygame.K_SPACE and self._focus in (START, QUIT)):
            return ToDesk() if self._focus == QUIT else self._go()
        if event.key == pygame.K_BACKSPACE:
            self._type(event)
        elif event.key in (pygame.K_TAB, pygame.K_DOWN, pygame.K_UP):
            back = event.key == pygame.K_UP or event.mod & pygame.KMOD_SHIFT
            self._focus = (self._focus + (-1 if back else 1)) % 4
        elif event.key in (pygame.K_LEFT, pygame.K_RIGHT) and self._focus == STARTER:
            self.starter.move(1 if event.key == pygame.K_RIGHT else -1)
        return None

    def update(self, dt_s: float) -> None:
        """Ask for the record once the name has been still for a moment."""
        self.field.update(dt_s)
        self._board.update(dt_s)
        self._idle_s += dt_s
        if self._idle_s >= TYPING_PAUSE_S and self._asked != self.name:
            self._asked = self.name
            self._record = self._thinker.record(self.name)

    def draw(self, canvas: Canvas) -> None:
        """The board, a title, the form."""
        canvas.surface.fill(BACKGROUND)
        stage, side = split(canvas)
        self._board.draw(canvas, stage, hovering=False)
        canvas.panel(side)
        inner = side.inflate(-canvas.px(44), -canvas.px(40))
        self._draw_title(canvas, inner)
        buttons = self._draw_buttons(canvas, inner)
        self._draw_form(canvas, inner, buttons.top)

    def _draw_title(self, canvas: Canvas, inner: Rect) -> None:
        title = canvas.text(
            "Lifelong Agent", size=31, bold=True, width=inner.width, topleft=inner.topleft
        )
        words = "Four in a row, against somebody who remembers you."
        below = Rect(inner.left, title.bottom + canvas.px(4), inner.width, canvas.px(44))
        canvas.paragraph(words, below, 15, MUTED)

    def _draw_form(self, canvas: Canvas, inner: Rect, bottom: int) -> None:
        """Stacked from the middle of what is left between the title and the buttons."""
        top = inner.top + canvas.px(112)
        height = canvas.px(236)
        y = top + max(0, (bottom - top - height) // 2 - canvas.px(14))
        y = self._label(canvas, inner, y, "Your name")
        field = Rect(inner.left, y, inner.width, canvas.px(44))
        self.field.draw(canvas, field, self._focus == NAME)
        y = self._label(canvas, inner, field.bottom + canvas.px(16), "Who starts")
        choice = Rect(inner.left, y, inner.width, canvas.px(42))
        self.starter.draw(canvas, choice, self._focus == STARTER)
        y = choice.bottom + canvas.px(18)
        self._draw_record(canvas, Rect(inner.left, y, inner.width, bottom - y))

    def _label(self, canvas: Canvas, inner: Rect, y: int, words: str) -> int:
        label = canvas.text(words, size=14, colour=MUTED, topleft=(inner.left, y))
        return label.bottom + canvas.px(5)

    def _draw_record(self, canvas: Canvas, place: Rect) -> None:
        if not self._thinker.awake:
            canvas.paragraph("The agent is waking up…", place, 15, MUTED)
        elif self.resting and self._record is not None:
            record = self._record.result()
            y = canvas.paragraph(describe(self._asked, record), place, 15, TEXT)
            if record.games:
                y += canvas.px(9)
                draw_record(canvas, Rect(place.left, y, place.width, canvas.px(9)), record)

    def _draw_buttons(self, canvas: Canvas, inner: Rect) -> Rect:
        strip = Rect(inner.left, inner.bottom - canvas.px(48), inner.width, canvas.px(48))
        left, right = row(strip, 2, canvas.px(12))
        self.start.draw(canvas, left, self._focus == START)
        self.leave.draw(canvas, right, self._focus == QUIT)
        return strip


def describe(name: str, record: Record) -> str:
    """The agent's games against somebody, told to that person."""
    if not record.games:
        return f"The agent has not met {name} yet."
    games = "one game" if record.games == 1 else f"{record.games} games"
    return (
        f"The agent remembers {games} with {name}: {record.losses} won by you, "
        f"{record.draws} drawn, {record.wins} won by it."
    )


def draw_record(canvas: Canvas, place: Rect, record: Record) -> None:
    """A bar: the person's share of the games, the draws', the agent's."""
    canvas.panel(place, EDGE, radius=4)
    persons = round(place.width * record.losses / record.games)
    agents = round(place.width * record.wins / record.games)
    if persons > 1:
        canvas.panel(Rect(place.left, place.top, persons, place.height), PERSON, radius=4)
    if agents > 1:
        agents_place = Rect(place.right - agents, place.top, agents, place.height)
        canvas.panel(agents_place, AGENT, radius=4)
