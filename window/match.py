"""A game on the screen: the person's moves, the agent's, pause, and what comes after.

Turn-based: whoever is to move moves. The board draws itself; the rules belong to the referee.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

import pygame
from pygame.event import Event

from window.aftermath import Aftermath
from window.boards import Board
from window.match_view import AFTERWARDS, MatchView, draw_match, draw_pause
from window.referee import Referee
from window.screen import Again, Destination, ToMenu
from window.theme import Canvas
from window.thinker import Mind, Thinker
from window.widgets import Button

PAUSE_BEFORE_REPLY_S = 0.35
HEADLINES = {1: "You won", 0: "A draw", -1: "The agent won"}
ENTER = (pygame.K_RETURN, pygame.K_KP_ENTER)


@dataclass
class Tally:
    """Points of this sitting."""

    person: float = 0.0
    agent: float = 0.0

    def count(self, person_result: float) -> None:
        """Half a point each for a draw."""
        self.person += (1 + person_result) / 2
        self.agent += (1 - person_result) / 2


@dataclass
class Setting:
    """Who sits where.

    Attributes:
        name: the person's.
        referee: of the game.
        tally: of the games before; this one is added.
        stand_in: chooses the person's moves in a demonstration; None gives the hand back.
    """

    name: str
    referee: Referee
    tally: Tally
    stand_in: Callable[[Referee], int | None] | None = None


class Match:
    """One game.

    Args:
        setting: who sits where.
        board: draws it.
        thinker: the agent.
        show_mind: whether the mind overlay is open at first.
    """

    def __init__(
        self, setting: Setting, board: Board, thinker: Thinker, *, show_mind: bool = False
    ) -> None:
        self.setting, self.referee = setting, setting.referee
        self.board, self._thinker = board, thinker
        self.show_mind, self.paused = show_mind, False
        self.mind: Mind | None = None
        self.aftermath: Aftermath | None = None
        self._thought: Future[Mind] | None = None
        self._waited_s = 0.0
        self._pause = Button("Pause", "P")
        self._mind = Button("Mind", "M")
        self._leave = Button("Leave", "Esc")
        self._resume = Button("Go on", "P", primary=True)
        self._give_up = Button("Leave", "Esc")
        self._again = Button("Play again", "Enter", primary=True)
        self._menu = Button("Menu", "Esc")
        self._thinker.begin_game(self.referee.game.variant, setting.name)
        self.board.follow(self.referee)
        self._ask()

    @property
    def lively(self) -> bool:
        """While something falls or glows; what else changes, changes by an event or seldom."""
        return not self.paused and (self.board.moving or self.aftermath is not None)

    @property
    def persons_turn(self) -> bool:
        """Whether the person may move now."""
        return (
            not self.paused
            and not self.board.moving
            and self.referee.is_turn_of(self.referee.person_seat)
        )

    def handle(self, event: Event) -> Destination | None:
        """Keys and mouse, according to what is going on."""
        if self.aftermath is not None:
            return self._handle_after(event)
        return self._handle_pause(event) if self.paused else self._handle_play(event)

    def _handle_after(self, event: Event) -> Destination | None:
        key = event.key if event.type == pygame.KEYDOWN else None
        if self._again.pressed(event) or key in ENTER:
            return Again()
        if self._menu.pressed(event) or key == pygame.K_ESCAPE:
            return ToMenu()
        if self.aftermath is not None:
            self.aftermath.handle(event)
        return None

    def _handle_pause(self, event: Event) -> Destination | None:
        key = event.key if event.type == pygame.KEYDOWN else None
        if self._give_up.pressed(event) or key == pygame.K_ESCAPE:
            return ToMenu()
        if self._resume.pressed(event) or key in (*ENTER, pygame.K_p, pygame.K_SPACE):
            self.paused = False
        return None

    def _handle_play(self, event: Event) -> Destination | None:
        key = event.key if event.type == pygame.KEYDOWN else None
        if self._leave.pressed(event) or key == pygame.K_ESCAPE:
            if not self.referee.moves:
                return ToMenu()
            self.paused = True
        elif self._pause.pressed(event) or key == pygame.K_p:
            self.paused = True
        elif self._mind.pressed(event) or key == pygame.K_m:
            self.show_mind = not self.show_mind
        else:
            self._move_by_hand(event)
        return None

    def _move_by_hand(self, event: Event) -> None:
        action = self.board.choose(event)
        if action is not None and self.persons_turn and self.referee.is_legal(action):
            self._play(action)

    def _play(self, action: int) -> None:
        self.referee.play(action)
        self.board.follow(self.referee)
        self._waited_s = 0.0
        if self.referee.ended:
            self._finish()
        else:
            self._ask()

    def _ask(self) -> None:
        """Let the agent think as soon as it is to move, while discs still fall."""
        if self.referee.is_turn_of(self.referee.agent_seat):
            self._thought = self._thinker.act(self.referee.agent_view())

    def _finish(self) -> None:
        self.setting.tally.count(self.referee.person_result)
        summary = self._thinker.end_game(-self.referee.person_result)
        self.aftermath = Aftermath(summary, self._thinker.sleep(), self.board.thumbnail)

    def update(self, dt_s: float) -> None:
        """Let discs fall, and take up the agent's answer once it is its turn to be seen."""
        if self.paused:
            return
        self.board.update(dt_s)
        if self.aftermath is not None:
            self.aftermath.update(dt_s)
            return
        if self.board.moving:
            return
        self._waited_s += dt_s
        if self._waited_s >= PAUSE_BEFORE_REPLY_S:
            self._move_others()

    def _move_others(self) -> None:
        if self._thought is not None and self._thought.done():
            self.mind, self._thought = self._thought.result(), None
            self._play(self.mind.action)
        elif self.setting.stand_in is not None and self.persons_turn:
            action = self.setting.stand_in(self.referee)
            if action is None:
                self.setting.stand_in = None
            else:
                self._play(action)

    @property
    def resting(self) -> bool:
        """Whether nothing will happen any more unless the person does something."""
        if self.board.moving:
            return False
        if self.aftermath is not None:
            return self.aftermath.settled
        waiting = self.referee.is_turn_of(self.referee.person_seat)
        return waiting and self.setting.stand_in is None

    def draw(self, canvas: Canvas) -> None:
        """Draw this moment."""
        after = self.aftermath is not None
        headline, hint = self._say_how_it_stands()
        view = MatchView(
            name=self.setting.name,
            points=(self.setting.tally.person, self.setting.tally.agent),
            referee=self.referee,
            board=self.board,
            hovering=self.persons_turn,
            headline=headline,
            hint=hint,
            show_mind=self.show_mind,
            mind=self.mind,
            aftermath=self.aftermath,
            buttons=(self._again, self._menu) if after else (self._pause, self._mind, self._leave),
        )
        draw_match(canvas, view)
        if self.paused:
            draw_pause(canvas, (self._resume, self._give_up))

    def _say_how_it_stands(self) -> tuple[str, str]:
        if self.aftermath is not None:
            return HEADLINES[round(self.referee.person_result)], AFTERWARDS
        if self.referee.is_turn_of(self.referee.person_seat):
            return "Your turn", self.board.hint
        if not self._thinker.awake:
            return "The agent's turn", "It is waking up…"
        if self._thinker.asleep:
            return "The agent's turn", "It is still asleep…"
        return "The agent's turn", "It looks, remembers, and thinks…"
