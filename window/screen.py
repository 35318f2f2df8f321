"""What every screen is, and where one can lead.

Screens never make each other: they say where to go, and `app` builds what comes next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pygame.event import Event

from window.theme import Canvas

STARTERS = ("You", "Opponent", "By turns")


@dataclass(frozen=True)
class ToMatch:
    """Play.

    Attributes:
        name: who.
        starter: a number of `STARTERS`.
        game: which one, with modifiers.
        opponent: its name.
    """

    name: str
    starter: int
    game: str = "connect"
    opponent: str = "agent"

    @property
    def base(self) -> str:
        """The game without modifiers."""
        return self.game.partition(":")[0]


@dataclass(frozen=True)
class Again:
    """Another game of the same kind."""


@dataclass(frozen=True)
class ToMenu:
    """Back to the menu."""


@dataclass(frozen=True)
class ToDesk:
    """Leave the program."""


Destination = ToMatch | Again | ToMenu | ToDesk


class Screen(Protocol):
    """A part of the program that fills the window."""

    def handle(self, event: Event) -> Destination | None:
        """React to a key or the mouse."""

    def update(self, dt_s: float) -> None:
        """Let time pass and look at what the agent has answered."""

    def draw(self, canvas: Canvas) -> None:
        """Draw everything."""

    @property
    def lively(self) -> bool:
        """Whether something moves, so that every frame has to be drawn anew."""

    @property
    def resting(self) -> bool:
        """Whether nothing will happen any more unless the person does something."""
