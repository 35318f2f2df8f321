"""A demonstration for machines without a screen: the agent against a scripted player, in print.

It plays by the same rules and with the same agent as the window, and waits for nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

import envs
from envs.connect import Connect, ConnectState
from lifelong_agent import GameSummary
from selfplay.players import make_scripted
from window.cells import AGENTS, PERSONS, read_cells
from window.referee import Referee
from window.thinker import Agent

OPPONENT = "connect/one_ply"
MARKS = {0: ".", PERSONS: "o", AGENTS: "X"}

Print = Callable[[str], None]


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


def demonstrate(agent: Agent, game: str, seed: int, show: Print = print) -> dict[str, Any]:
    """Play one game, move by move, and tell what the agent noted.

    Args:
        agent: plays, and is told how it ended.
        game: its name.
        seed: of all chance; an even one lets the script begin.
        show: takes each line.

    Returns:
        The report: who played, the moves (1 is the leftmost column), the agent's result.
    """
    referee, hand = Referee(envs.make(game, validate=True), seed % 2, seed), ScriptedHand(seed)
    agent.begin_game(referee.game.variant, OPPONENT)
    show(f"A demonstration of {referee.game.variant}: the agent (X) against {OPPONENT} (o).")
    while not referee.ended:
        _show_move(agent, referee, hand, show)
    result = -round(referee.person_result)
    show({1: "The agent won.", 0: "A draw.", -1: "The agent lost."}[result])
    _show_summary(agent.end_game(float(result)), show)
    return {
        "game": referee.game.variant,
        "headless": True,
        "seats": ["agent", OPPONENT],
        "agent_starts": referee.agent_seat == 0,
        "result": result,
        "moves": [action + 1 for action in referee.moves],
    }


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
    show("What it noted:" if noted else "Nothing stood out to it.")
    for strategy in noted:
        show(f"- {strategy.sentence}")
