"""What a match is made of, and what each of its two paces has to offer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pygame.event import Event

from window.referee import Referee
from window.rivals import Rival
from window.thinker import Mind


@dataclass
class Tally:
    """Points of this sitting."""

    person: float = 0.0
    rival: float = 0.0

    def count(self, person_result: float) -> None:
        """Half a point each for a draw."""
        self.person += (1 + person_result) / 2
        self.rival += (1 - person_result) / 2


@dataclass
class Setting:
    """Who sits where.

    Attributes:
        name: the person's.
        referee: of the game.
        rival: in the other seat.
        tally: of the games before; this one is added.
        stand_in: chooses the person's moves in a demonstration; None gives the hand back.
    """

    name: str
    referee: Referee
    rival: Rival
    tally: Tally
    stand_in: Callable[[Referee], int | None] | None = None


class Pace(Protocol):
    """How a game goes on: by turns, or by the clock."""

    mind: Mind | None
    """The rival's last decision."""

    @property
    def persons_turn(self) -> bool:
        """Whether the person may move now."""

    @property
    def lively(self) -> bool:
        """Whether something moves on the screen."""

    @property
    def resting(self) -> bool:
        """Whether nothing will happen unless the person does something."""

    @property
    def countdown(self) -> str:
        """Large letters over the board; empty for none."""

    @property
    def pauses_unasked(self) -> bool:
        """Whether a window that is not looked at stops the game."""

    def handle(self, event: Event) -> None:
        """The person's hand on keys and mouse."""

    def update(self, dt_s: float) -> None:
        """Let time pass."""

    def hold(self) -> None:
        """The game is interrupted."""

    def say(self) -> tuple[str, str]:
        """A headline and a hint."""
