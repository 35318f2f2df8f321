"""The agent's own thread: it alone touches the agent, so that the window never waits.

Every question goes into a queue and comes back as a future that a screen may look at whenever it
likes. Nothing here draws, and nothing here knows the rules.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from lifelong_agent import Decision, GameSummary, Record
from lifelong_agent.records import AgentObservation
from memory import Recalled, SleepReport, Woken

SLEEP_BUDGET_S = 3.0

T = TypeVar("T")


class Agent(Protocol):
    """What the window asks of an agent; `lifelong_agent.LifelongAgent` is one."""

    trained_games: tuple[str, ...]

    def begin_game(self, game: str, opponent: str) -> None:
        """A new game against somebody; an unfinished one is forgotten."""

    def act(self, obs: AgentObservation) -> Decision:
        """Choose."""

    def end_game(self, result: float) -> GameSummary:
        """Learn from the game; the result in [-1, 1] is the agent's."""

    def sleep(
        self, budget_s: float = SLEEP_BUDGET_S, tell: Callable[[float], None] = lambda _: None
    ) -> SleepReport:
        """Learn from memory; `tell` hears the share that is done, and may raise `Woken`."""

    def record(self, opponent: str) -> Record:
        """The games against somebody, from the agent's side."""

    def close(self) -> None:
        """Let go of the memory."""


@dataclass(frozen=True)
class Mind:
    """One decision as plain numbers, to be drawn.

    Attributes:
        action: what was chosen.
        probabilities: (A,) of every action.
        value: the result that the agent expects, about -1 to 1.
        fixations: rows and columns of the looks' centres in the frame, in order.
        saliency: (G, G) probabilities of looking there first; (0, 0) without looks.
        recalled: the memories that spoke, most alike first.
    """

    action: int
    probabilities: tuple[float, ...]
    value: float
    fixations: tuple[tuple[int, int], ...]
    saliency: npt.NDArray[np.float32]
    recalled: tuple[Recalled, ...]


def read_mind(decision: Decision) -> Mind:
    """Turn a decision's tensors into plain numbers."""
    saliency = decision.saliency[0]
    first = saliency[0].exp().float().cpu().numpy() if len(saliency) else np.zeros((0, 0), "f4")
    return Mind(
        action=int(decision.actions[0]),
        probabilities=tuple(float(p) for p in decision.probabilities[0]),
        value=float(decision.value[0]),
        fixations=tuple((int(row), int(column)) for row, column in decision.fixations[0]),
        saliency=first,
        recalled=tuple(sorted(decision.recalled, key=lambda r: -r.similarity)),
    )


class Thinker:
    """A thread that builds an agent, answers for it, and closes it.

    Args:
        build: makes the agent; called in the thread, since a memory belongs to one thread.
    """

    def __init__(self, build: Callable[[], Agent]) -> None:
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="agent")
        self._unread: deque[Future[object]] = deque()
        self._agent: Future[Agent] = self._submit(build)
        self._sleep: Future[SleepReport] | None = None
        self._wake = threading.Event()
        self._rested = True
        self._slept = 0.0

    def _submit(self, call: Callable[[], T]) -> Future[T]:
        future = self._worker.submit(call)
        self._unread.append(future)  # type: ignore[arg-type]  # a future only gives
        return future

    def _ask(self, question: Callable[[Agent], T]) -> Future[T]:
        return self._submit(lambda: question(self._agent.result()))

    @property
    def awake(self) -> bool:
        """Whether the agent is loaded."""
        return self._agent.done()

    @property
    def trained_games(self) -> tuple[str, ...]:
        """The variants that it was trained on; none are known while it wakes up."""
        ready = self._agent.done() and self._agent.exception() is None
        return self._agent.result().trained_games if ready else ()

    @property
    def asleep(self) -> bool:
        """Whether it has been sent to sleep and has not woken up yet."""
        return self._sleep is not None and not self._sleep.done()

    @property
    def slept(self) -> float:
        """The share of its present or last sleep that is over, in [0, 1]."""
        return self._slept

    def begin_game(self, game: str, opponent: str) -> Future[None]:
        """Tell the agent whom it meets; if it is asleep, wake it up."""
        if self.asleep:
            self._rested = False
            self._wake.set()
        return self._ask(lambda agent: agent.begin_game(game, opponent))

    def act(self, obs: AgentObservation) -> Future[Mind]:
        """Ask for a decision."""
        return self._ask(lambda agent: read_mind(agent.act(obs)))

    def end_game(self, result: float) -> Future[GameSummary]:
        """Tell the agent its result and ask what it noted."""
        return self._ask(lambda agent: agent.end_game(result))

    def sleep(self) -> Future[SleepReport]:
        """Let the agent sleep for at most `SLEEP_BUDGET_S` or so, or until a game begins."""
        wake = self._wake = threading.Event()
        self._rested, self._slept = True, 0.0

        def tell(share: float) -> None:
            if wake.is_set():
                raise Woken
            self._slept = share

        self._sleep = self._ask(lambda agent: agent.sleep(SLEEP_BUDGET_S, tell))
        return self._sleep

    def record(self, opponent: str) -> Future[Record]:
        """Ask how the agent fared against somebody."""
        return self._ask(lambda agent: agent.record(opponent))

    def check(self) -> None:
        """Raise what went wrong in the thread, if anything did since the last call."""
        while self._unread and self._unread[0].done():
            self._unread.popleft().result()

    def close(self) -> None:
        """Answer what is still asked, let go of the memory, and end the thread.

        A sleep goes on to its end, and one that was cut short is made up for.

        Raises:
            Exception: what went wrong in the thread and was not raised by `check` yet.
        """
        if not (self._agent.done() and self._agent.exception()):
            if not self._rested:
                self.sleep()
            self._ask(lambda agent: agent.close())
        self._worker.shutdown(wait=True)
        self.check()
