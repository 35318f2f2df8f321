"""A stand-in for the agent: no network, no memory, plays what it is told to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from lifelong_agent import Decision, GameSummary, Record
from memory import Recalled, SleepReport, Strategy, Woken

NUM_ACTIONS = 16


def strategy(mean: float, count: int = 3, frame: np.ndarray | None = None) -> Strategy:
    interval = (mean - 0.2, mean + 0.2)
    return Strategy("connect", "Ana", 7, (3, 2), count, mean, interval, (1, 2), frame)


@dataclass
class StandIn:
    """Drops in the first legal column of `habit`; remembers what it was asked.

    It thinks until its gate is open and sleeps until its pillow is taken away, unless it is woken.
    """

    habit: tuple[int, ...] = tuple(range(NUM_ACTIONS))
    gate: threading.Event | None = None
    pillow: threading.Event | None = None
    games: list[tuple[str, str]] = field(default_factory=list)
    results: dict[str, list[float]] = field(default_factory=dict)
    threads: set[int] = field(default_factory=set)
    closed: bool = False
    sleeps: int = 0
    light_sleeper: bool = False
    trained_games: tuple[str, ...] = ("connect",)
    fails_with: Exception | None = None
    last_frame: np.ndarray | None = None
    notes: tuple[str, ...] = ("I have met Ana 3 times.", "Plays like Ben.")

    def _note(self) -> None:
        self.threads.add(threading.get_ident())

    def begin_game(self, game: str, opponent: str) -> None:
        self._note()
        self.games.append((game, opponent))

    def act(self, obs) -> Decision:
        self._note()
        if self.gate is not None:
            assert self.gate.wait(60)
        if self.fails_with is not None:
            raise self.fails_with
        frame, mask = np.asarray(obs["observation"]), np.asarray(obs["action_mask"])
        assert frame.shape == (3, 64, 64)
        assert frame.dtype == np.uint8
        assert mask.shape == (NUM_ACTIONS,)
        self.last_frame = frame
        action = next(a for a in self.habit if mask[a])
        probabilities = torch.zeros(1, NUM_ACTIONS)
        probabilities[0, :7] = 0.05
        probabilities[0, action] = 0.7
        saliency = torch.full((1, 1, 8, 8), -12.0)
        saliency[0, 0, 6, action] = 0.0
        saliency[0, 0, 5, 3] = -1.5
        return Decision(
            actions=torch.tensor([action]),
            probabilities=probabilities,
            value=torch.tensor([0.62]),
            fixations=torch.tensor([[[52, 8 * action + 4]]]),
            saliency=saliency.flatten(2).log_softmax(-1).view(1, 1, 8, 8),
            attributes=(),
            recalled=(
                Recalled(4, action, -0.4, 0.91, "Ana"),
                Recalled(9, 2, 0.8, 0.97, "Ana"),
            ),
        )

    def end_game(self, result: float) -> GameSummary:
        self._note()
        self.results.setdefault(self.games[-1][1], []).append(result)
        frame = self.last_frame
        good = (strategy(0.71, frame=frame), strategy(0.33, 5))
        bad, unproven = (strategy(-0.94, frame=frame),), (strategy(0.1),)
        return GameSummary(result, good, bad, unproven, self.notes)

    def sleep(
        self, budget_s: float = 3.0, tell: Callable[[float], None] = lambda _: None
    ) -> SleepReport:
        self._note()
        self.sleeps += 1
        try:
            self._doze(tell)
        except Woken:
            return SleepReport(False, "woken up")
        return SleepReport(True, "rehearsed 12 games, kept what 9 of them taught")

    def _doze(self, tell: Callable[[float], None]) -> None:
        share = 0.4
        while share < 1:
            share = 0.4 if self.pillow is not None and not self.pillow.wait(0.01) else 1.0
            if self.light_sleeper:
                tell(share)

    def record(self, opponent: str) -> Record:
        self._note()
        results = self.results.get(opponent, [])
        wins, losses = results.count(1.0), results.count(-1.0)
        return Record(len(results), wins, len(results) - wins - losses, losses)

    def close(self) -> None:
        self._note()
        self.closed = True
