"""A game on the screen: the person's hand, the rival's, pause, and what comes after.

The pace makes the moves, the board draws itself, the rules belong to the referee.
"""

from __future__ import annotations

import pygame
from pygame.event import Event

from window.aftermath import Aftermath
from window.boards import Board
from window.clockwork import Clockwork
from window.match_view import AFTERWARDS, MatchView, draw_match, draw_pause
from window.rivals import UNTRAINED
from window.screen import Again, Destination, ToMenu
from window.setting import Pace, Setting
from window.theme import Canvas
from window.thinker import Mind
from window.turns import Turns
from window.widgets import Button

ENTER = (pygame.K_RETURN, pygame.K_KP_ENTER, pygame.K_PAUSE)
PAUSE = (pygame.K_p, pygame.K_PAUSE)
OUT_OF_SIGHT = (pygame.WINDOWFOCUSLOST, pygame.WINDOWMINIMIZED)
AGAIN_AFTER_S = 0.8  # keys held down in the last moment do not start the next game


class Match:
    """One game.

    Args:
        setting: who sits where.
        board: draws it.
        show_mind: whether the mind overlay is open at first.
    """

    def __init__(self, setting: Setting, board: Board, *, show_mind: bool = False) -> None:
        self.setting, self.referee, self.board = setting, setting.referee, board
        self.show_mind = show_mind and setting.rival.has_mind
        self.paused = self.over = False
        self.aftermath: Aftermath | None = None
        self._over_s = 0.0
        self._pause = Button("Pause", "P")
        self._mind = Button("Mind", "M")
        self._leave = Button("Leave", "Esc")
        self._resume = Button("Go on", "P", primary=True)
        self._give_up = Button("Leave", "Esc")
        self._again = Button("Play again", "Enter", primary=True)
        self._menu = Button("Menu", "Esc")
        game = self.referee.game
        self._rules = [f"{n}: {w}" for n, w in game.MODIFIERS.items() if n in game.modifiers]
        setting.rival.begin(self.referee, setting.name)
        self.board.follow(self.referee)
        by_the_clock = game.ticks_per_s > 0
        self.pace: Pace = (Clockwork if by_the_clock else Turns)(setting, board)

    @property
    def mind(self) -> Mind | None:
        """The rival's last decision."""
        return self.pace.mind

    @property
    def lively(self) -> bool:
        """While something moves or glows; what else changes, changes by an event or seldom."""
        return not self.paused and (self.over or self.board.moving or self.pace.lively)

    @property
    def persons_turn(self) -> bool:
        """Whether the person may move now."""
        return not self.paused and self.pace.persons_turn

    def handle(self, event: Event) -> Destination | None:
        """Keys and mouse, according to what is going on."""
        if self.over:
            return self._handle_after(event)
        return self._handle_pause(event) if self.paused else self._handle_play(event)

    def _handle_after(self, event: Event) -> Destination | None:
        key = event.key if event.type == pygame.KEYDOWN else None
        pad_again = key == pygame.K_SPACE and getattr(event, "pad", False)
        settled = self._over_s >= AGAIN_AFTER_S
        if self._again.pressed(event) or key in ENTER or (pad_again and settled):
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
        if self._resume.pressed(event) or key in (*ENTER, *PAUSE, pygame.K_SPACE):
            self.paused = False
        return None

    def _handle_play(self, event: Event) -> Destination | None:
        key = event.key if event.type == pygame.KEYDOWN else None
        if self._leave.pressed(event) or key == pygame.K_ESCAPE:
            if not self.referee.num_ticks:
                return ToMenu()
            self._hold()
        elif self._pause.pressed(event) or key in PAUSE or self._is_out_of_sight(event):
            self._hold()
        elif self.setting.rival.has_mind and (self._mind.pressed(event) or key == pygame.K_m):
            self.show_mind = not self.show_mind
        else:
            self.pace.handle(event)
            self._finish_if_ended()
        return None

    def _is_out_of_sight(self, event: Event) -> bool:
        """A game that does not wait is not lost to another window."""
        return event.type in OUT_OF_SIGHT and self.pace.pauses_unasked

    def _hold(self) -> None:
        self.paused = True
        self.pace.hold()

    def _finish_if_ended(self) -> None:
        if self.over or not self.referee.ended:
            return
        self.over = True
        self.setting.tally.count(self.referee.person_result)
        thoughts = self.setting.rival.finish(self.referee)
        if thoughts is not None:
            self.aftermath = Aftermath(thoughts, self.board.thumbnail, self.board.name_action)

    def update(self, dt_s: float) -> None:
        """Let time pass."""
        if self.paused:
            return
        self.board.update(dt_s)
        if self.over:
            self._over_s += dt_s
        if not self.over or self.pace.pauses_unasked:
            self.pace.update(dt_s)
            self._finish_if_ended()

    @property
    def resting(self) -> bool:
        """Whether nothing will happen any more unless the person does something."""
        if self.board.moving:
            return False
        if self.over:
            return self.aftermath is None or self.aftermath.settled
        return not self.paused and self.pace.resting

    def draw(self, canvas: Canvas) -> None:
        """Draw this moment."""
        headline, hint = self._say_how_it_stands()
        rival = self.setting.rival
        view = MatchView(
            names=(self.setting.name, rival.label),
            points=(self.setting.tally.person, self.setting.tally.rival),
            referee=self.referee,
            board=self.board,
            hovering=self.persons_turn,
            headline=headline,
            hint=hint,
            countdown="" if self.over or self.paused else self.pace.countdown,
            notice=UNTRAINED if rival.untrained else "",
            rules=self._rules,
            show_mind=self.show_mind,
            mind=self.mind,
            aftermath=self.aftermath,
            buttons=self._buttons(),
        )
        draw_match(canvas, view)
        if self.paused:
            draw_pause(canvas, (self._resume, self._give_up), rival.has_mind)

    def _buttons(self) -> tuple[Button, ...]:
        if self.over:
            return self._again, self._menu
        if self.setting.rival.has_mind:
            return self._pause, self._mind, self._leave
        return self._pause, self._leave

    def _say_how_it_stands(self) -> tuple[str, str]:
        if not self.over:
            return self.pace.say()
        rival = self.setting.rival
        its = "The agent won" if rival.has_mind else f"{rival.label} won"
        headline = {1: "You won", 0: "A draw", -1: its}[self.referee.person_result]
        return headline, AFTERWARDS if self.aftermath is not None else self.board.epilogue
