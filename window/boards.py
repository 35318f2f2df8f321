"""What a match needs of a game's board on the screen, and which games have one.

A game is added by a module beside `connect_board` and a line in `BOARDS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from pygame import Rect, Surface
from pygame.event import Event

from envs import Game
from window.connect_board import ConnectBoard
from window.referee import Referee
from window.theme import Canvas
from window.thinker import Mind


class Board(Protocol):
    """Draws one game and reads the person's hand."""

    hint: str
    """How to move, in one short line."""

    @property
    def moving(self) -> bool:
        """Whether something is still on its way, and moves have to wait."""

    def follow(self, referee: Referee) -> None:
        """Take up the moves that were made since the last call."""

    def update(self, dt_s: float) -> None:
        """Let time pass."""

    def choose(self, event: Event) -> int | None:
        """The action that this event stands for, if any; hovering is noted."""

    def draw(self, canvas: Canvas, stage: Rect, hovering: bool) -> None:
        """Draw it all; `hovering` shows where the person's move would go."""

    def draw_mind(self, canvas: Canvas, mind: Mind) -> None:
        """Lay where the agent looked over the board drawn last."""

    def name_action(self, action: int) -> str:
        """What an action is called in a sentence."""

    def thumbnail(self, frame: npt.NDArray[np.uint8], size: int) -> Surface:
        """A small picture of a frame that the agent saw, in the person's colours."""


BOARDS: dict[str, Callable[[], Board]] = {"connect": ConnectBoard}


SETTLED_S = 60.0
OPENINGS: dict[str, tuple[int, ...]] = {"connect": (3, 3, 2, 4, 2, 2, 3, 1, 4)}
"""Moves that make a pretty picture for the menu."""


def make_board(game: str) -> Board:
    """The board of a game, given without modifiers.

    Raises:
        ValueError: for a game that the window cannot draw.
    """
    if game not in BOARDS:
        raise ValueError(f"the window cannot draw {game!r}: it knows {', '.join(sorted(BOARDS))}")
    return BOARDS[game]()


def make_picture(game: Game[Any]) -> Board:
    """A board with a few moves on it, to be looked at only."""
    referee, board = Referee(game, person_seat=0), make_board(game.name)
    for action in OPENINGS[game.name]:
        referee.play(action)
    board.follow(referee)
    board.update(SETTLED_S)
    return board
