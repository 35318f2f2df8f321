"""The pace of games that do not wait: ticks at the game's own rate, whatever the screen does.

Every tick takes the person's action and the newest one that the rival has finished; a rival that
is late goes on as before. The screen shows the way between the last two states.
"""

from __future__ import annotations

import math
from concurrent.futures import Future

from pygame.event import Event

from window.boards import Board
from window.controls import make_hand
from window.setting import Setting
from window.thinker import Mind

COUNTDOWN = 3
COUNT_S = 0.7
MOST_OWED_S = 0.25  # after a longer stall the game goes on where it was
MIND_S = 0.15
ROUNDING_S = 1e-9


class Clockwork:
    """A game by the clock.

    Args:
        setting: who sits where.
        board: draws it.
    """

    pauses_unasked = True

    def __init__(self, setting: Setting, board: Board) -> None:
        self.setting, self.referee, self.board = setting, setting.referee, board
        self.mind: Mind | None = None
        self._hand = make_hand(self.referee.game)
        self._tick_s = 1 / self.referee.game.ticks_per_s
        self._left_s = COUNTDOWN * COUNT_S
        self._owed_s = 0.0
        self._handed_back = False
        self._persons = self._first_legal(self.referee.person_seat)
        self._rivals: int | None = None
        self._thought: Future[Mind] | None = None
        self._asked_at = -1
        self._mind_age_s = MIND_S
        self._ask()

    @property
    def persons_turn(self) -> bool:
        """The person may act until the end."""
        return not self.referee.ended

    @property
    def lively(self) -> bool:
        """Always."""
        return True

    @property
    def resting(self) -> bool:
        """Whether a demonstration has given the hand back."""
        return self._handed_back

    @property
    def countdown(self) -> str:
        """3, 2, 1."""
        return str(math.ceil(self._left_s / COUNT_S - ROUNDING_S)) if self._left_s else ""

    def handle(self, event: Event) -> None:
        """Keys."""
        self._hand.handle(event)

    def hold(self) -> None:
        """Let go of the keys, and count down again before it goes on."""
        self._hand.release()
        self._left_s, self._owed_s = COUNTDOWN * COUNT_S, 0.0

    def update(self, dt_s: float) -> None:
        """As many ticks as the time is worth."""
        self._mind_age_s += dt_s
        self._listen()
        if self._left_s > 0:
            left_s = self._left_s - dt_s
            self._left_s = left_s if left_s > ROUNDING_S else 0.0
            return
        if self.referee.ended or self._rivals is None:  # over, or waiting for its first word
            self.board.progress = min(1.0, self.board.progress + dt_s / self._tick_s)
            return
        self._owed_s = min(self._owed_s + dt_s, MOST_OWED_S)
        while self._owed_s >= self._tick_s - ROUNDING_S and not self.referee.ended:
            self._owed_s = max(0.0, self._owed_s - self._tick_s)
            self._tick()
        self.board.progress = min(1.0, self._owed_s / self._tick_s)

    def _tick(self) -> None:
        self._listen()
        wanted = self._persons_action()
        if self.referee.may(self.referee.person_seat, wanted):
            self._persons = wanted
        self.referee.play_both(self._persons, self._rivals or 0)
        self.board.follow(self.referee)
        self._ask()

    def _persons_action(self) -> int:
        chosen = None if self.setting.stand_in is None else self.setting.stand_in(self.referee)
        if chosen is not None:
            self._hand.note(chosen)
            return chosen
        if self.setting.stand_in is not None:
            self.setting.stand_in, self._handed_back = None, True
        return self._hand.take()

    def _first_legal(self, seat: int) -> int:
        return int(self.referee.state.legal_actions[0, seat].int().argmax())

    def _ask(self) -> None:
        """One question at a time: a rival that is late is not asked what is past."""
        asked = self._thought is not None or self._asked_at == self.referee.num_ticks
        if not asked and not self.referee.ended:
            self._thought = self.setting.rival.decide(self.referee)
            self._asked_at = self.referee.num_ticks

    def _listen(self) -> None:
        """Take up what the rival has decided, if it may still be done."""
        if self._thought is None or not self._thought.done():
            return
        mind, self._thought = self._thought.result(), None
        if self.referee.may(self.referee.rival_seat, mind.action):
            self._rivals = mind.action
        if self._mind_age_s >= MIND_S:
            self.mind, self._mind_age_s = mind, 0.0
        self._ask()

    def say(self) -> tuple[str, str]:
        """What it is about, and the keys."""
        if self._left_s > 0:
            return "Get ready", self.board.hint
        if self._rivals is None:
            return "Waiting", self.setting.rival.state or "It has not decided yet…"
        return self.board.headline, self.board.hint
