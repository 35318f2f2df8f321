"""The pace of games that wait for a move: whoever is to move moves."""

from __future__ import annotations

from concurrent.futures import Future

from pygame.event import Event

from window.boards import Board
from window.setting import Setting
from window.thinker import Mind

PAUSE_BEFORE_REPLY_S = 0.35


class Turns:
    """A turn-based game.

    Args:
        setting: who sits where.
        board: draws it and reads the person's hand.
    """

    countdown = ""
    pauses_unasked = False

    def __init__(self, setting: Setting, board: Board) -> None:
        self.setting, self.referee, self.board = setting, setting.referee, board
        self.mind: Mind | None = None
        self._thought: Future[Mind] | None = None
        self._waited_s = 0.0
        self._ask()

    @property
    def persons_turn(self) -> bool:
        """Nothing falls, and the person is to move."""
        return not self.board.moving and self.referee.is_turn_of(self.referee.person_seat)

    @property
    def lively(self) -> bool:
        """While something falls."""
        return self.board.moving

    @property
    def resting(self) -> bool:
        """Whether the person is to move, by their own hand."""
        return self.persons_turn and self.setting.stand_in is None

    def handle(self, event: Event) -> None:
        """The person's move."""
        action = self.board.choose(event)
        if action is not None and self.persons_turn and self.referee.is_legal(action):
            self._play(action)

    def _play(self, action: int) -> None:
        self.referee.play(action)
        self.board.follow(self.referee)
        self._waited_s = 0.0
        self._ask()

    def _ask(self) -> None:
        """Let the rival think as soon as it is to move, while discs still fall."""
        if self.referee.is_turn_of(self.referee.rival_seat):
            self._thought = self.setting.rival.decide(self.referee)

    def update(self, dt_s: float) -> None:
        """Take up the rival's answer once it is its turn to be seen."""
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

    def hold(self) -> None:
        """A board can wait."""

    def say(self) -> tuple[str, str]:
        """Whose turn it is."""
        if self.referee.is_turn_of(self.referee.person_seat):
            return "Your turn", self.board.hint
        rival = self.setting.rival
        thinking = "It looks, remembers, and thinks…" if rival.has_mind else "It thinks…"
        whose = "The agent's turn" if rival.has_mind else f"{rival.label}'s turn"
        return whose, rival.state or thinking
