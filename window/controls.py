"""A person's keys as actions of the games that do not wait: steering, and holding.

Keys come as events in their own time; an action is taken out once in every tick.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

import pygame
from pygame.event import Event

from envs import Game
from envs.volley import ACTIONS

UP, DOWN, LEFT, RIGHT = range(4)
DIRECTIONS = {
    pygame.K_UP: UP, pygame.K_w: UP, pygame.K_DOWN: DOWN, pygame.K_s: DOWN,
    pygame.K_LEFT: LEFT, pygame.K_a: LEFT, pygame.K_RIGHT: RIGHT, pygame.K_d: RIGHT,
}  # fmt: skip
LONGEST_QUEUE = 3
JUMP_KEYS = (pygame.K_UP, pygame.K_w, pygame.K_SPACE)
WAYS = {pygame.K_LEFT: -1, pygame.K_a: -1, pygame.K_RIGHT: 1, pygame.K_d: 1}
NAMES = {
    (0, False): "none", (1, False): "forward", (1, True): "forward jump",
    (0, True): "jump", (-1, True): "backward jump", (-1, False): "backward",
}  # fmt: skip


class Hand(Protocol):
    """Turns keys into actions."""

    def handle(self, event: Event) -> None:
        """Note a key that goes down or up."""

    def take(self) -> int:
        """The action of this tick."""

    def note(self, action: int) -> None:
        """Somebody else has chosen this one."""

    def release(self) -> None:
        """Let go of everything."""


class Steering:
    """A direction goes on until another is chosen; turns in quick succession wait in a queue.

    Actions are those of `tron`: up, down, left, right, and opposite ones differ in the last bit.
    """

    def __init__(self) -> None:
        self._heading: int | None = None
        self._turns: deque[int] = deque()

    def handle(self, event: Event) -> None:
        """Queue a turn unless it is none, or would turn round on the spot."""
        if event.type != pygame.KEYDOWN or event.key not in DIRECTIONS:
            return
        wanted = DIRECTIONS[event.key]
        if self._heading is None:  # nothing has moved: the last word counts
            self._turns.clear()
            self._turns.append(wanted)
            return
        before = self._turns[-1] if self._turns else self._heading
        if wanted not in (before, before ^ 1) and len(self._turns) < LONGEST_QUEUE:
            self._turns.append(wanted)

    def take(self) -> int:
        """The next turn, or straight on; up if nothing was ever chosen."""
        if self._turns:
            self._heading = self._turns.popleft()
        elif self._heading is None:
            self._heading = UP
        return self._heading

    def note(self, action: int) -> None:
        """From here it goes straight on."""
        self._turns.clear()
        self._heading = action

    def release(self) -> None:
        """Forget the turns that wait, but not the way."""
        if self._heading is not None:
            self._turns.clear()


class Holding:
    """What is held down is done, and what was only tapped is done for one tick.

    Actions are those of `volley`; the net is on the right. Of left and right the one pressed last
    counts.
    """

    def __init__(self) -> None:
        self._held: list[int] = []
        self._tapped: list[int] = []

    def handle(self, event: Event) -> None:
        """Note what goes down and up."""
        if event.type == pygame.KEYDOWN and event.key in (*WAYS, *JUMP_KEYS):
            self._held.append(event.key)
            self._tapped.append(event.key)
        elif event.type == pygame.KEYUP:
            self._held = [key for key in self._held if key != event.key]

    def take(self) -> int:
        """The action of everything pressed now or since the last tick."""
        keys = (*self._tapped, *self._held)
        way = next((WAYS[key] for key in reversed(keys) if key in WAYS), 0)
        jumps = any(key in JUMP_KEYS for key in keys)
        self._tapped.clear()
        return ACTIONS.index(NAMES[way, jumps])

    def note(self, action: int) -> None:
        """What is held down says all."""

    def release(self) -> None:
        """Let go of all keys."""
        self._held.clear()
        self._tapped.clear()


HANDS: dict[str, type[Steering] | type[Holding]] = {"tron": Steering, "volley": Holding}


def make_hand(game: Game[Any]) -> Hand:
    """The hand for a game that does not wait.

    Raises:
        ValueError: for a game without one.
    """
    if game.name not in HANDS:
        raise ValueError(f"no keys for {game.name!r}: there are some for {', '.join(HANDS)}")
    return HANDS[game.name]()
