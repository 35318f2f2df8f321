"""A window in memory, and an app with a stand-in for the agent, operated by events."""

import time

import pygame
import pytest

from tests.window.stand_in import StandIn
from window.app import App, AppConfig
from window.match import Match
from window.thinker import Thinker

PATIENCE_S = 60.0


class Table:
    """An app and somebody's hands on keys and mouse, through the event queue."""

    def __init__(self, app, agent):
        self.app, self.agent = app, agent

    @property
    def screen(self):
        return self.app.screen

    @property
    def match(self):
        assert isinstance(self.app.screen, Match)
        return self.app.screen

    def press(self, key, text="", mod=0):
        pygame.event.post(
            pygame.event.Event(pygame.KEYDOWN, key=key, unicode=text, mod=mod, scancode=0)
        )
        if text:
            pygame.event.post(pygame.event.Event(pygame.TEXTINPUT, text=text))
        self.tick()

    def write(self, words):
        for letter in words:
            self.press(0, letter)

    def move_to(self, place):
        pygame.event.post(
            pygame.event.Event(pygame.MOUSEMOTION, pos=place, rel=(0, 0), buttons=(0, 0, 0))
        )
        self.tick()

    def click(self, place, button=1):
        self.move_to(place)
        pygame.event.post(pygame.event.Event(pygame.MOUSEBUTTONDOWN, pos=place, button=button))
        self.tick()

    def click_column(self, column, button=1):
        self.click(self.match.board._plan.square(column, 3).center, button)

    def tick(self, dt_s=1 / 60):
        self.app.tick(dt_s)

    def until(self, condition):
        """Let time pass, ten times as fast, until something is so."""
        end = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end, "waited in vain"
            self.tick(1 / 6)
            time.sleep(0.001)

    def until_my_turn(self):
        self.until(lambda: self.match.persons_turn or self.match.referee.ended)

    def play(self, *columns):
        """Drop discs by the number keys, columns from 1, waiting for each turn."""
        for column in columns:
            self.until_my_turn()
            self.press(pygame.K_0 + column)

    def start(self):
        self.tick()
        self.press(pygame.K_RETURN)
        self.tick()


@pytest.fixture(autouse=True)
def _window_in_memory(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    yield
    pygame.display.quit()


@pytest.fixture
def sit_down():
    """Makes tables; `sit_down(agent, name="Ana")`."""
    tables = []

    def make(agent=None, **config):
        agent = agent or StandIn()
        app = App(AppConfig(**config), Thinker(lambda: agent))
        tables.append(Table(app, agent))
        return tables[-1]

    yield make
    for table in tables:
        table.app._thinker._worker.shutdown(wait=True)
