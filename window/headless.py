"""A demonstration for machines without a screen: the agent against a scripted player, in print.

It plays by the same rules and with the same agent as the window, and waits for nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

import envs
from envs.connect import Connect, ConnectState
from lifelong_agent import GameSummary
from memory import SleepReport
from selfplay.players import make_scripted
from window.aftermath import Aftermath
from window.boards import SETTLED_S, make_board
from window.cells import AGENTS, PERSONS, read_cells
from window.match_view import AFTERWARDS, MatchView, draw_match
from window.referee import Referee
from window.theme import Canvas
from window.thinker import Agent

OPPONENT = "connect/one_ply"
MARKS = {0: ".", PERSONS: "o", AGENTS: "X"}

HEADLINES = {1: "The agent lost", 0: "A draw", -1: "The agent won"}

Print = Callable[[str], None]
T = TypeVar("T")


def text_board(referee: Referee) -> str:
    """The board in letters: X the agent's, o the other's, the numbers of the columns below.

    Raises:
        ValueError: for a game that has no board in letters.
    """
    game, state = referee.game, referee.state
    if not isinstance(game, Connect) or not isinstance(state, ConnectState):
        raise ValueError(f"{game.variant} cannot be shown in letters yet: connect can")
    owners = read_cells(game, state, referee.person_seat)
    lines = [
        " ".join(MARKS[int(owners[column, row])] for column in range(game.columns))
        for row in reversed(range(game.rows))
    ]
    numbers = " ".join(str(column + 1) for column in range(game.columns))
    return "\n".join("  " + line for line in [*lines, numbers])


class ScriptedHand:
    """Makes a person's moves by a script.

    Args:
        seed: of its chance.
        num_moves: after which it gives the hand back; None never does.
    """

    def __init__(self, seed: int, num_moves: int | None = None) -> None:
        self._player = make_scripted(OPPONENT)
        self._chance = torch.Generator().manual_seed(seed)
        self._moves_left = num_moves

    def __call__(self, referee: Referee) -> int | None:
        """The next action, or None."""
        if self._moves_left is not None:
            if self._moves_left == 0:
                return None
            self._moves_left -= 1
        seat = torch.tensor([referee.person_seat])
        return int(self._player.act(referee.game, referee.state, seat, self._chance)[0])


@dataclass(frozen=True)
class Demonstration:
    """A finished demonstration.

    Attributes:
        referee: of the game.
        summary: what the agent noted.
        sleep: how it slept over it.
    """

    referee: Referee
    summary: GameSummary
    sleep: SleepReport

    def report(self) -> dict[str, Any]:
        """In numbers, from the agent's side; 1 is the leftmost column."""
        return {
            "game": self.referee.game.variant,
            "headless": True,
            "seats": ["agent", OPPONENT],
            "agent_starts": self.referee.agent_seat == 0,
            "result": -round(self.referee.person_result),
            "moves": [action + 1 for action in self.referee.moves],
        }


def demonstrate(agent: Agent, game: str, seed: int, show: Print = print) -> Demonstration:
    """Play one game, move by move, and tell what the agent noted.

    Args:
        agent: plays, is told how it ended, and sleeps.
        game: its name.
        seed: of all chance; an even one lets the script begin.
        show: takes each line.
    """
    referee, hand = Referee(envs.make(game, validate=True), seed % 2, seed), ScriptedHand(seed)
    agent.begin_game(referee.game.variant, OPPONENT)
    show(f"A demonstration of {referee.game.variant}: the agent (X) against {OPPONENT} (o).")
    while not referee.ended:
        _show_move(agent, referee, hand, show)
    show(f"\n{HEADLINES[round(referee.person_result)]}.")
    summary = agent.end_game(-referee.person_result)
    _show_summary(summary, show)
    sleep = agent.sleep()
    show(f"It slept: {sleep.reason}.")
    return Demonstration(referee, summary, sleep)


def _show_move(agent: Agent, referee: Referee, hand: ScriptedHand, show: Print) -> None:
    number = len(referee.moves) + 1
    if referee.is_turn_of(referee.agent_seat):
        decision = agent.act(referee.agent_view())
        action = int(decision.actions[0])
        words = f"the agent drops in column {action + 1}, expecting {float(decision.value[0]):+.2f}"
    else:
        action = hand(referee) or 0
        words = f"{OPPONENT} drops in column {action + 1}"
    referee.play(action)
    show(f"\nMove {number}: {words}\n{text_board(referee)}")


def _show_summary(summary: GameSummary, show: Print) -> None:
    noted = (*summary.good, *summary.bad, *summary.undetermined)
    show("What it noted:" if noted else "Nothing in this game stood out to it.")
    for strategy in noted:
        show(f"- {strategy.sentence}")


def draw_ending(canvas: Canvas, shown: Demonstration) -> None:
    """The picture that a window would show at the end of a demonstration."""
    board = make_board(shown.referee.game.name)
    board.follow(shown.referee)
    board.update(SETTLED_S)
    result = shown.referee.person_result
    view = MatchView(
        name=OPPONENT,
        points=((1 + result) / 2, (1 - result) / 2),
        referee=shown.referee,
        board=board,
        hovering=False,
        headline=HEADLINES[round(result)],
        hint=AFTERWARDS,
        show_mind=False,
        mind=None,
        aftermath=Aftermath(_given(shown.summary), _given(shown.sleep), board.thumbnail),
        buttons=(),
    )
    draw_match(canvas, view)


def _given(value: T) -> Future[T]:
    future: Future[T] = Future()
    future.set_result(value)
    return future
