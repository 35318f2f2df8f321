"""The program's loop: events in, screens on, frames out, sixty times a second.

It owns the window and decides which screen follows which; it knows no rules and never thinks.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any

import pygame
from pygame.event import Event

import envs
from envs import Game
from window import theme
from window.boards import Board, make_board, make_picture
from window.display import TITLE, is_screenless, open_window, save_picture, window_surface
from window.gamepad import Gamepads
from window.match import Match
from window.menu import GUEST, Menu
from window.referee import Referee
from window.rivals import find_opponent, make_rival
from window.screen import Again, Destination, Screen, ToDesk, ToMatch, ToMenu
from window.setting import Setting, Tally
from window.thinker import Thinker

FRAMES_PER_S = 60
IDLE_REDRAW_S = 0.1
BY_TURNS = 2

Hand = Callable[[Referee], int | None]


@dataclass(frozen=True)
class AppConfig:
    """What the program was asked for.

    Attributes:
        game: its name with modifiers.
        opponent: whom to play against.
        name: of the person, typed already.
        seed: of all chance.
        screenshot: where the frame shown is saved at the end and with F12.
        stand_in: makes the person's moves for a demonstration; the menu is skipped then.
        show_mind: open the mind overlay from the start.
    """

    game: str = "connect"
    opponent: str = "agent"
    name: str = ""
    seed: int = 0
    screenshot: Path | None = None
    stand_in: Hand | None = None
    show_mind: bool = False


@dataclass
class Sitting:
    """What lasts from one game to the next.

    Attributes:
        wish: who plays and who starts.
        tally: points.
        games: finished ones, as they go into the report.
        num_started: games begun, for turns.
    """

    wish: ToMatch
    tally: Tally = field(default_factory=Tally)
    games: list[dict[str, Any]] = field(default_factory=list)
    num_started: int = 0

    def person_seat(self, simultaneous: bool) -> int:
        """According to the wish; by turns the person begins, and where both move at once."""
        starter = BY_TURNS if simultaneous else self.wish.starter
        return self.num_started % 2 if starter == BY_TURNS else starter


class App:
    """The running program.

    Args:
        config: what it was asked for.
        thinker: the agent; the app closes it.
    """

    def __init__(self, config: AppConfig, thinker: Thinker) -> None:
        self.config, self._thinker = config, thinker
        open_window()
        self._clock = pygame.time.Clock()
        self._gamepads = Gamepads()
        self._games: dict[str, Game[Any]] = {}
        self._pictures: dict[str, Board] = {}
        self._undrawn_s = IDLE_REDRAW_S  # the first frame is drawn at once
        self._saved = False
        self.running = True
        game = envs.make(config.game).variant
        self.sitting = Sitting(ToMatch(config.name, 0, game, config.opponent))
        self.screen: Screen = self._new_menu() if config.stand_in is None else self._new_match()

    def run(self) -> None:
        """Until the person leaves.

        Raises:
            Exception: what went wrong in the agent's thread.
        """
        before = self._mind_signals()
        try:
            while self.running:
                self.tick(min(0.1, self._clock.tick(FRAMES_PER_S) / 1000))
            self._note_game()
            if self.config.screenshot is not None:
                save_picture(window_surface(), self.config.screenshot)
        finally:
            pygame.display.quit()
            if isinstance(self.screen, Match):
                self.screen.setting.rival.close()
            self._thinker.close()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _mind_signals(self) -> dict[int, Any]:
        """Being told to end is the same as closing the window; returns what was done before."""

        def leave(number: int, frame: FrameType | None) -> None:
            self.running = False

        if threading.current_thread() is not threading.main_thread():
            return {}
        return {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGINT)}

    def tick(self, dt_s: float) -> None:
        """One frame."""
        events = pygame.event.get()
        for event in events:
            for one in self._gamepads.translate(event):
                self._handle(one)
        self._thinker.check()
        self.screen.update(dt_s)
        self._undrawn_s += dt_s
        if events or self.screen.lively or self._undrawn_s >= IDLE_REDRAW_S:
            self._undrawn_s = 0.0
            self.screen.draw(theme.Canvas(window_surface()))
            pygame.display.flip()
            self._save_when_settled()

    def _handle(self, event: Event) -> None:
        if event.type == pygame.QUIT:
            self.running = False
        elif event.type == pygame.KEYDOWN and event.key == pygame.K_F12:
            self._save_by_key()
        else:
            destination = self.screen.handle(event)
            if destination is not None:
                self._go(destination)

    def _save_by_key(self) -> None:
        """F12; the window's title tells how it went, and the game goes on."""
        path = self.config.screenshot or Path(time.strftime("lifelong-%Y%m%d-%H%M%S.png"))
        try:
            save_picture(window_surface(), path)
            pygame.display.set_caption(f"{TITLE}: saved {path}")
        except ValueError as error:
            pygame.display.set_caption(f"{TITLE}: {error}")

    def _go(self, destination: Destination) -> None:
        self._note_game()
        if isinstance(self.screen, Match):
            self.screen.setting.rival.close()
        if isinstance(destination, ToDesk):
            self.running = False
        elif isinstance(destination, ToMenu):
            self.screen = self._new_menu()
        elif isinstance(destination, Again):
            self.screen = self._new_match()
        else:
            before = self.sitting.wish
            if destination != replace(before, starter=destination.starter):
                self.sitting.tally = Tally()
            self.sitting.wish = destination
            self.screen = self._new_match()

    def _game(self, variant: str) -> Game[Any]:
        if variant not in self._games:
            self._games[variant] = envs.make(variant, validate=True)
        return self._games[variant]

    def _picture(self, variant: str) -> Board:
        if variant not in self._pictures:
            self._pictures[variant] = make_picture(self._game(variant))
        return self._pictures[variant]

    def _new_menu(self) -> Menu:
        pygame.key.set_repeat(350, 40)
        return Menu(self._thinker, self._picture, self.sitting.wish)

    def _new_match(self) -> Match:
        pygame.key.set_repeat()  # none: a key held down is one disc
        sitting, wish = self.sitting, self.sitting.wish
        game, seed = self._game(wish.game), self.config.seed + sitting.num_started
        referee = Referee(game, sitting.person_seat(game.simultaneous), seed)
        sitting.num_started += 1
        opponent = find_opponent(game.name, wish.opponent)
        rival = make_rival(opponent, game.variant, self._thinker, seed)
        setting = Setting(wish.name or GUEST, referee, rival, sitting.tally, self.config.stand_in)
        return Match(setting, make_board(game), show_mind=self.config.show_mind)

    def _note_game(self) -> None:
        """Put a finished game into the report."""
        if not isinstance(self.screen, Match) or not self.screen.referee.ended:
            return
        referee = self.screen.referee
        played: dict[str, Any] = {
            "player": self.screen.setting.name,
            "player_starts": referee.person_seat == 0,
            "result": referee.person_result,
        }
        if referee.game.simultaneous:
            played["ticks"] = referee.num_ticks
        else:
            played["moves"] = [action + 1 for action in referee.moves]
        wish = self.sitting.wish
        self.sitting.games.append({"game": wish.game, "opponent": wish.opponent, **played})

    def report(self) -> dict[str, Any]:
        """The sitting in numbers, from the person's side."""
        results = [game["result"] for game in self.sitting.games]
        return {
            "game": self.sitting.wish.game,
            "headless": False,
            "games": len(results),
            "wins": results.count(1),
            "draws": results.count(0),
            "losses": results.count(-1),
            "played": self.sitting.games,
        }

    def _save_when_settled(self) -> None:
        """The first picture as soon as there is something to see; where nobody can act, leave."""
        if self.config.screenshot is None or self._saved or not self.screen.resting:
            return
        self._saved = True
        save_picture(window_surface(), self.config.screenshot)
        if is_screenless() or self.config.stand_in is not None:
            self.running = False
