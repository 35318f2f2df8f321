"""The first screen: which game, against whom, who starts, and what the agent remembers."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

import pygame
from pygame.event import Event

from envs import GAMES
from lifelong_agent import Record
from window.boards import Board
from window.chips import Chips
from window.menu_form import Form, draw_form, draw_game, draw_menu_frame
from window.rivals import AGENT, Opponent, find_opponent, opponents_of
from window.screen import STARTERS, Destination, ToDesk, ToMatch
from window.theme import Canvas
from window.thinker import Thinker
from window.widgets import Button, Choice, NameField

GUEST = "guest"
GAME, MODIFIERS, NAME, OPPONENT, STARTER, START, QUIT = range(7)
ENTER = (pygame.K_RETURN, pygame.K_KP_ENTER, pygame.K_PAUSE)
TYPING_PAUSE_S = 0.15
TITLES = {"connect": "Connect", "tron": "Tron", "volley": "Volley"}
GAME_WORDS = {
    "connect": "Four in a row",
    "tron": "Light cycles: the last to crash wins",
    "volley": "Slime volleyball, five points",
}

Show = Callable[[str], Board]


class Menu:
    """The menu.

    Args:
        thinker: asked for the record of the person.
        show: makes a board to look at of a variant.
        wish: what is chosen already.
    """

    def __init__(self, thinker: Thinker, show: Show, wish: ToMatch) -> None:
        self._thinker, self._show = thinker, show
        self.field = NameField("" if wish.name == GUEST else wish.name, GUEST)
        self.game = Choice([TITLES[name] for name in GAMES], list(GAMES).index(wish.base))
        self.starter = Choice(STARTERS, wish.starter)
        self.start = Button("Start", "Enter", primary=True)
        self.leave = Button("Quit", "Esc")
        self.focus = NAME
        self._asked = ""
        self._idle_s = TYPING_PAUSE_S
        self._record: Future[Record] | None = None
        self._take_up_game(wish.game.partition(":")[2].split("+"), wish.opponent)

    @property
    def name(self) -> str:
        """Who plays."""
        return self.field.text.strip() or GUEST

    @property
    def base(self) -> str:
        """The game without modifiers."""
        return list(GAMES)[self.game.chosen]

    @property
    def variant(self) -> str:
        """The game with its modifiers, by its canonical name."""
        tail = "+".join(sorted(self.modifiers.chosen))
        return f"{self.base}:{tail}" if tail else self.base

    @property
    def chosen_opponent(self) -> Opponent:
        """Whom to play against."""
        return self._opponents[self.opponent.chosen]

    @property
    def lively(self) -> bool:
        """The menu is calm: a few frames a second do."""
        return False

    @property
    def resting(self) -> bool:
        """Whether the record is there, and nothing will happen unless the person acts."""
        return self._record is not None and self._record.done()

    def _take_up_game(self, modifiers: list[str], opponent: str = AGENT) -> None:
        """Offer the modifiers and the opponents of the chosen game."""
        kind = GAMES[self.base]
        kept = [name for name in modifiers if name in kind.MODIFIERS]
        self.modifiers = Chips(tuple(kind.MODIFIERS), kind.CLASHES, kept)
        self._opponents = opponents_of(self.base)
        wanted = find_opponent(self.base, opponent)
        if wanted not in self._opponents:
            self._opponents = (*self._opponents, wanted)
        chosen = self._opponents.index(wanted)
        self.opponent = Choice([one.label for one in self._opponents], chosen, per_row=2)
        self._take_up_variant()

    def _take_up_variant(self) -> None:
        self._board = self._show(self.variant)

    @property
    def _stops(self) -> list[int]:
        """Where Tab goes; nobody starts a game in which both move at once."""
        stops = [NAME, OPPONENT, STARTER, START, QUIT, GAME, MODIFIERS]
        if GAMES[self.base].simultaneous:
            stops.remove(STARTER)
        if not self.modifiers.names:
            stops.remove(MODIFIERS)
        return stops

    def handle(self, event: Event) -> Destination | None:
        """Mouse, Tab, arrows, letters, Space, Enter, Esc."""
        if self.start.pressed(event):
            return self._go()
        if self.leave.pressed(event):
            return ToDesk()
        if event.type == pygame.KEYDOWN:
            return self._press(event)
        if event.type == pygame.TEXTINPUT:
            self._type(event)
        else:
            self._point(event)
        return None

    def _point(self, event: Event) -> None:
        """The mouse."""
        if self.game.picked(event):
            self.focus = GAME
            self._take_up_game([])
        elif self.modifiers.picked(event):
            self.focus = MODIFIERS
            self._take_up_variant()
        elif self.opponent.picked(event):
            self.focus = OPPONENT
        elif STARTER in self._stops and self.starter.picked(event):
            self.focus = STARTER
        elif event.type == pygame.MOUSEBUTTONDOWN and self.field.rect.collidepoint(event.pos):
            self.focus = NAME

    def _go(self) -> Destination:
        return ToMatch(self.name, self.starter.chosen, self.variant, self.chosen_opponent.name)

    def _type(self, event: Event) -> None:
        if event.type == pygame.TEXTINPUT and event.text == " " and self.focus != NAME:
            return  # it pressed something
        self.focus = NAME
        self.field.type(event)
        self._idle_s = 0.0

    def _press(self, event: Event) -> Destination | None:
        is_space = event.key == pygame.K_SPACE
        by_pad = is_space and getattr(event, "pad", False)
        if event.key == pygame.K_ESCAPE:
            return ToDesk()
        if is_space and self.focus == MODIFIERS:
            if self.modifiers.switch(self.modifiers.cursor):
                self._take_up_variant()
        elif event.key in ENTER or by_pad or (is_space and self.focus in (START, QUIT)):
            return ToDesk() if self.focus == QUIT else self._go()
        elif event.key == pygame.K_BACKSPACE:
            self._type(event)
        elif event.key in (pygame.K_TAB, pygame.K_DOWN, pygame.K_UP):
            back = event.key == pygame.K_UP or event.mod & pygame.KMOD_SHIFT
            stops = self._stops
            self.focus = stops[(stops.index(self.focus) + (-1 if back else 1)) % len(stops)]
        elif event.key in (pygame.K_LEFT, pygame.K_RIGHT):
            self._move(1 if event.key == pygame.K_RIGHT else -1)
        return None

    def _move(self, by: int) -> None:
        """Left and right, within what has the focus."""
        if self.focus == GAME:
            self.game.move(by)
            self._take_up_game([])
        elif self.focus == MODIFIERS:
            self.modifiers.move(by)
        elif self.focus == OPPONENT:
            self.opponent.move(by)
        elif self.focus == STARTER:
            self.starter.move(by)
        elif self.focus in (START, QUIT):
            self.focus = QUIT if self.focus == START else START

    def update(self, dt_s: float) -> None:
        """Ask for the record once the name has been still for a moment."""
        self.field.update(dt_s)
        self._board.update(dt_s)
        self._idle_s += dt_s
        if self._idle_s >= TYPING_PAUSE_S and self._asked != self.name:
            self._asked = self.name
            self._record = self._thinker.record(self.name)

    @property
    def modifier_words(self) -> str:
        """The line below the modifiers."""
        known = GAMES[self.base].MODIFIERS
        name = self.modifiers.looked_at(self.focus == MODIFIERS)
        if name is not None:
            obstacle = self.modifiers.obstacle(name)
            barred = f" (cannot be combined with {obstacle})" if obstacle else ""
            return f"{name}: {known[name]}{barred}"
        chosen = [name for name in known if name in self.modifiers.chosen]
        if len(chosen) == 1:
            return f"{chosen[0]}: {known[chosen[0]]}"
        return GAME_WORDS[self.base] + (", with " + ", ".join(chosen) if chosen else "")

    @property
    def untrained(self) -> bool:
        """Whether the agent, if it is to play, never learned this variant."""
        against_agent = self.chosen_opponent.name == AGENT
        awake = self._thinker.awake
        return against_agent and awake and self.variant not in self._thinker.trained_games

    def draw(self, canvas: Canvas) -> None:
        """The game on the left, the form on the right."""
        stage, inner = draw_menu_frame(canvas)
        draw_game(
            canvas, stage, (self.game, self.modifiers), self._board,
            (self.focus == GAME, self.focus == MODIFIERS), self.modifier_words,
        )  # fmt: skip
        record = self._record.result() if self.resting and self._record is not None else None
        form = Form(
            field=self.field,
            opponent=self.opponent,
            starter=self.starter if STARTER in self._stops else None,
            buttons=(self.start, self.leave),
            focused=self._focused,
            words=self.chosen_opponent.words,
            against_agent=self.chosen_opponent.name == AGENT,
            is_awake=self._thinker.awake,
            untrained=self.untrained,
            asked=self._asked,
            record=record,
        )
        draw_form(canvas, inner, form)

    @property
    def _focused(self) -> object | None:
        """The widget of the form that has the focus."""
        return {
            NAME: self.field, OPPONENT: self.opponent, STARTER: self.starter,
            START: self.start, QUIT: self.leave,
        }.get(self.focus)  # fmt: skip
