"""What a match needs of a game's board on the screen, and which games have one.

A game is added by a module beside `connect_board` and a line in `BOARDS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from pygame import Rect, Surface
from pygame.event import Event

from envs import Game
from selfplay.players import make_scripted
from window.connect_board import ConnectBoard
from window.referee import Referee
from window.theme import Canvas
from window.thinker import Mind
from window.tron_board import TronBoard
from window.volley_board import VolleyBoard


class Board(Protocol):
    """Draws one game and reads the person's hand."""

    listed_actions: tuple[str, ...]
    """Actions whose shares stand beside the board; none if the board shows them itself."""
    progress: float
    """How much of the time between the last state and the next has passed, in [0, 1]."""

    @property
    def hint(self) -> str:
        """How to move, in one short line."""

    @property
    def headline(self) -> str:
        """What it is about, or how it stands."""

    @property
    def epilogue(self) -> str:
        """A word on a game that is over."""

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


BOARDS: dict[str, Callable[[Any], Board]] = {
    "connect": ConnectBoard,
    "tron": TronBoard,
    "volley": VolleyBoard,
}
SETTLED_S = 60.0
OPENINGS: dict[str, tuple[int, ...]] = {"connect": (3, 3, 2, 4, 2, 2, 3, 1, 4)}
"""Moves that make a pretty picture for the menu."""
SHOWS: dict[str, tuple[str, str, int]] = {
    "tron": ("tron/wall_hugger", "stubborn:11", 64),
    "volley": ("volley/tracker", "volley/tracker", 62),
}
"""Two players and a number of ticks that make one."""


def make_board(game: Game[Any]) -> Board:
    """The board of a game.

    Raises:
        ValueError: for a game that the window cannot draw.
    """
    if game.name not in BOARDS:
        known = ", ".join(sorted(BOARDS))
        raise ValueError(f"the window cannot draw {game.name!r}: it knows {known}")
    return BOARDS[game.name](game)


def make_picture(game: Game[Any]) -> Board:
    """A board in the middle of a game, to be looked at only."""
    referee, board = Referee(game, person_seat=0, seed=2), make_board(game)
    board.follow(referee)
    if game.name in SHOWS:
        _play_show(referee, board)
    for action in OPENINGS.get(game.name, ()):
        if referee.is_legal(action) and not referee.ended:
            referee.play(action)
    board.follow(referee)
    board.update(SETTLED_S)
    return board


def _play_show(referee: Referee, board: Board) -> None:
    """Let two scripted players play for a while."""
    *names, num_ticks = SHOWS[referee.game.name]
    players = [make_scripted(str(name)) for name in names]
    chance = torch.Generator().manual_seed(referee.seed)
    while referee.num_ticks < int(num_ticks) and not referee.ended:
        actions = [
            int(player.act(referee.game, referee.state, torch.tensor([seat]), chance)[0])
            for seat, player in enumerate(players)
        ]
        referee.play_both(actions[0], actions[1])
        board.follow(referee)
