"""Who a person can play against: the agent, or one of the scripted players of a game.

A rival decides in a thread of its own, so that the window never waits.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from envs.opponents import specialty
from lifelong_agent import GameSummary
from memory import SleepReport
from selfplay.players import make_scripted
from window.referee import Referee
from window.thinker import Mind, Thinker

AGENT = "agent"
UNTRAINED = (
    "The agent has not been trained on this game yet; the ladder players are better company."
)


@dataclass(frozen=True)
class Opponent:
    """Somebody to choose in the menu.

    Attributes:
        name: as on the command line.
        label: as shown.
        words: one line about it.
    """

    name: str
    label: str
    words: str


THE_AGENT = Opponent(AGENT, "Lifelong Agent", "Sees what you see, learns, and remembers you")
LADDERS: dict[str, tuple[Opponent, ...]] = {
    "connect": (
        Opponent("connect/one_ply", "One ply", "Takes a win, blocks yours, else moves at random"),
        Opponent("connect/negamax-2", "Negamax 2", "Sees wins and losses two moves ahead"),
        Opponent("connect/negamax-4", "Negamax 4", "Sees wins and losses four moves ahead"),
    ),
    "tron": (
        Opponent("tron/wall_hugger", "Wall hugger", "Keeps beside walls and trails"),
        Opponent("tron/voronoi", "Voronoi", "Goes where it reaches more cells before you"),
        Opponent("tron/voronoi-2", "Voronoi 2", "The same, thinking two moves ahead"),
    ),
    "volley": (
        Opponent("volley/tracker", "Tracker", "Stays below the ball and jumps at it"),
        Opponent("volley/predictor", "Predictor", "Goes where the ball will come down"),
    ),
}
RANDOM = Opponent("random", "Random", "Does anything that is allowed")


def opponents_of(game: str) -> tuple[Opponent, ...]:
    """Whom the menu offers for a game, given without modifiers."""
    return (THE_AGENT, *LADDERS[game], RANDOM)


def find_opponent(game: str, name: str) -> Opponent:
    """An opponent by its name; also those that the menu does not offer, such as `stubborn:7`.

    Args:
        game: without modifiers.
        name: as on the command line.

    Raises:
        ValueError: for one that is unknown, or that plays another game.
    """
    known = opponents_of(game)
    for opponent in known:
        if opponent.name == name:
            return opponent
    if name and specialty(name) in ("", game):
        try:
            return Opponent(name, make_scripted(name).name, "A scripted player")
        except ValueError:
            pass
    names = ", ".join(opponent.name for opponent in known)
    raise ValueError(f"no opponent {name!r} for {game}: known are {names}, stubborn:SEED")


@dataclass(frozen=True)
class Afterthought:
    """What a rival does after a game: it notes strategies, and sleeps.

    Attributes:
        summary: what it noted.
        sleep: how its sleep went.
        slept: tells the share of the sleep that is over.
    """

    summary: Future[GameSummary]
    sleep: Future[SleepReport]
    slept: Callable[[], float]


class Rival(Protocol):
    """Sits in the other seat."""

    label: str
    has_mind: bool
    """Whether its decisions can be looked into."""

    @property
    def state(self) -> str:
        """What keeps it from deciding, in a sentence; empty while nothing does."""

    @property
    def untrained(self) -> bool:
        """Whether it is known that it never learned the game it plays."""

    def begin(self, referee: Referee, person: str) -> None:
        """A new game against somebody."""

    def decide(self, referee: Referee) -> Future[Mind]:
        """Ask for an action in the present state."""

    def finish(self, referee: Referee) -> Afterthought | None:
        """The game is over."""

    def close(self) -> None:
        """It is not needed any more."""


class AgentRival:
    """The agent.

    Args:
        thinker: its thread.
        game: the variant that is played.
    """

    label = THE_AGENT.label
    has_mind = True

    def __init__(self, thinker: Thinker, game: str) -> None:
        self._thinker, self._game = thinker, game

    @property
    def state(self) -> str:
        """Waking up, or asleep."""
        if not self._thinker.awake:
            return "It is waking up…"
        return "It is still asleep…" if self._thinker.asleep else ""

    @property
    def untrained(self) -> bool:
        """Whether the network never trained on this variant."""
        return self._thinker.awake and self._game not in self._thinker.trained_games

    def begin(self, referee: Referee, person: str) -> None:
        """Tell the agent whom it meets."""
        self._thinker.begin_game(referee.game.variant, person)

    def decide(self, referee: Referee) -> Future[Mind]:
        """Show it the frame of its seat."""
        return self._thinker.act(referee.rival_view())

    def finish(self, referee: Referee) -> Afterthought:
        """Tell it the result and let it sleep."""
        summary = self._thinker.end_game(-referee.person_result)
        return Afterthought(summary, self._thinker.sleep(), lambda: self._thinker.slept)

    def close(self) -> None:
        """The thread is not its own."""


class ScriptedRival:
    """A scripted player: no memory, no sleep.

    Args:
        opponent: who.
        seed: of its chance.
    """

    has_mind = False
    state = ""
    untrained = False

    def __init__(self, opponent: Opponent, seed: int) -> None:
        self.label = opponent.label
        self._player = make_scripted(opponent.name)
        self._chance = torch.Generator().manual_seed(seed)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="rival")

    def begin(self, referee: Referee, person: str) -> None:
        """Forget the game before."""
        self._player.reset(torch.ones(1, dtype=torch.bool))

    def decide(self, referee: Referee) -> Future[Mind]:
        """Let it look at the state."""
        game, state, seat = referee.game, referee.state, torch.tensor([referee.rival_seat])
        return self._worker.submit(
            lambda: _plain(int(self._player.act(game, state, seat, self._chance)[0]))
        )

    def finish(self, referee: Referee) -> None:
        """It does not mind."""

    def close(self) -> None:
        """Let its thread end, without waiting for a decision that nobody needs any more."""
        self._worker.shutdown(wait=False, cancel_futures=True)


def _plain(action: int) -> Mind:
    return Mind(action, (), 0.0, (), np.zeros((0, 0), np.float32), ())


def make_rival(opponent: Opponent, game: str, thinker: Thinker, seed: int) -> Rival:
    """Whoever was chosen, for a variant."""
    if opponent.name == AGENT:
        return AgentRival(thinker, game)
    return ScriptedRival(opponent, seed)
