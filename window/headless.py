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
from envs import Game
from lifelong_agent import GameSummary
from memory import SleepReport
from selfplay.players import make_scripted
from window.aftermath import Aftermath
from window.boards import SETTLED_S, make_board
from window.letters import text_board
from window.match_view import AFTERWARDS, MatchView, draw_match
from window.referee import Referee
from window.rivals import AGENT, THE_AGENT, Afterthought
from window.theme import Canvas
from window.thinker import Agent

SPARRING = {
    "connect": "connect/one_ply",
    "tron": "tron/wall_hugger",
    "volley": "volley/tracker",
}
"""Who plays against the agent, unless somebody else is wanted."""
TICKS_PER_PICTURE = 20
HEADLINES = {1: "The agent lost", 0: "A draw", -1: "The agent won"}

Print = Callable[[str], None]
T = TypeVar("T")


class ScriptedHand:
    """Makes a person's moves by a script.

    Args:
        game: which one.
        seed: of its chance.
        num_moves: after which it gives the hand back; None never does.
        name: of the script; by default the game's own.
    """

    def __init__(
        self, game: str, seed: int, num_moves: int | None = None, name: str | None = None
    ) -> None:
        self._player = make_scripted(name or SPARRING[game.partition(":")[0]])
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
        opponent: who played against the agent.
        summary: what the agent noted.
        sleep: how it slept over it.
    """

    referee: Referee
    opponent: str
    summary: GameSummary
    sleep: SleepReport

    def report(self) -> dict[str, Any]:
        """In numbers, from the agent's side; 1 is the leftmost column."""
        referee = self.referee
        told: dict[str, Any] = {
            "game": referee.game.variant,
            "headless": True,
            "seats": ["agent", self.opponent],
            "agent_starts": referee.rival_seat == 0,
            "result": -referee.person_result,
            "ticks": referee.num_ticks,
        }
        if not referee.game.simultaneous:
            told["moves"] = [action + 1 for action in referee.moves]
        return told


def demonstrate(
    agent: Agent, game: str, seed: int, opponent: str = AGENT, show: Print = print
) -> Demonstration:
    """Play one game, and tell what the agent noted.

    Args:
        agent: plays, is told how it ended, and sleeps.
        game: its name.
        seed: of all chance; an even one gives the script the first seat.
        opponent: who plays against it; the agent itself stands for the game's own sparring partner.
        show: takes each line.
    """
    referee = Referee(envs.make(game, validate=True), seed % 2, seed)
    name = SPARRING[referee.game.name] if opponent == AGENT else opponent
    hand = ScriptedHand(game, seed, name=name)
    agent.begin_game(referee.game.variant, name)
    show(f"A demonstration of {referee.game.variant}: the agent (X) against {name} (o).")
    if referee.game.variant not in agent.trained_games:
        show("The agent has not been trained on this game yet.")
    go_on = _tick if referee.game.simultaneous else _move
    while not referee.ended:
        go_on(agent, referee, (name, hand), show)
    show(f"\n{HEADLINES[referee.person_result]}.")
    summary = agent.end_game(-referee.person_result)
    _show_summary(summary, make_board(referee.game).name_action, show)
    sleep = agent.sleep()
    show(f"It slept: {sleep.reason}.")
    return Demonstration(referee, name, summary, sleep)


def _move(agent: Agent, referee: Referee, other: tuple[str, ScriptedHand], show: Print) -> None:
    number, (name, hand) = len(referee.moves) + 1, other
    if referee.is_turn_of(referee.rival_seat):
        decision = agent.act(referee.rival_view())
        action = int(decision.actions[0])
        doing = say_action(referee.game, action)
        words = f"the agent {doing}, expecting {float(decision.value[0]):+.2f}"
    else:
        action = hand(referee) or 0
        words = f"{name} {say_action(referee.game, action)}"
    referee.play(action)
    show(f"\nMove {number}: {words}\n{text_board(referee)}")


def say_action(game: Game[Any], action: int) -> str:
    """`drops in column 4`."""
    verb, _, column = game.action_names[action].partition(" ")
    return f"drops in column {column}" if verb == "drop" else f"{verb}s column {column}"


def _tick(agent: Agent, referee: Referee, other: tuple[str, ScriptedHand], show: Print) -> None:
    """Both at once; the arena is shown now and then, the score when a point falls."""
    decision = agent.act(referee.rival_view())
    referee.play_both(other[1](referee) or 0, int(decision.actions[0]))
    when = f"\nAfter {referee.num_ticks / referee.game.ticks_per_s:.1f} s:"
    if referee.game.name == "tron":
        is_due = referee.num_ticks % TICKS_PER_PICTURE == 0 or referee.ended
    else:
        is_due = bool(referee.state.rewards.any())
    if is_due:
        show(f"{when}\n{text_board(referee)}")


def _show_summary(summary: GameSummary, name_action: Callable[[int], str], show: Print) -> None:
    noted = (*summary.good, *summary.bad, *summary.undetermined)
    show("What it noted:" if noted else "Nothing in this game stood out to it.")
    for strategy in noted:
        show(f"- {strategy.tell(name_action)}")
    for note in summary.notes:
        show(note)


def draw_ending(canvas: Canvas, shown: Demonstration) -> None:
    """The picture that a window would show at the end of a demonstration."""
    board = make_board(shown.referee.game)
    board.follow(shown.referee)
    board.update(SETTLED_S)
    result = shown.referee.person_result
    view = MatchView(
        names=(shown.opponent, THE_AGENT.label),
        points=((1 + result) / 2, (1 - result) / 2),
        referee=shown.referee,
        board=board,
        hovering=False,
        headline=HEADLINES[result],
        hint=AFTERWARDS,
        countdown="",
        notice="",
        rules=(),
        show_mind=False,
        mind=None,
        aftermath=Aftermath(
            Afterthought(_given(shown.summary), _given(shown.sleep), lambda: 1.0),
            board.thumbnail,
            board.name_action,
        ),
        buttons=(),
    )
    draw_match(canvas, view)


def _given(value: T) -> Future[T]:
    future: Future[T] = Future()
    future.set_result(value)
    return future
