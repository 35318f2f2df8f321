"""Games in letters, for terminals: a board, an arena, a score. What the rival sees is not asked."""

from __future__ import annotations

import torch

from envs.connect import Connect, ConnectState
from envs.tron import Tron, TronState
from envs.tron_screen import Kind
from envs.volley import Volley, VolleyState
from window.cells import AGENTS, PERSONS, read_cells
from window.referee import Referee

MARKS = {0: ".", PERSONS: "o", AGENTS: "X"}
ARENA = {
    Kind.FLOOR: ".", Kind.FOG: "~", Kind.ROCK: "#", Kind.BORDER: "#", Kind.CLUTTER: ",",
    Kind.OWN: "x", Kind.OWN_TAIL: "x", Kind.OWN_GHOST: "x", Kind.OWN_HEAD: "X",
    Kind.OTHER: "o", Kind.OTHER_TAIL: "o", Kind.OTHER_GHOST: "o", Kind.OTHER_HEAD: "O",
    Kind.CRASH: "*",
}  # fmt: skip


def text_board(referee: Referee) -> str:
    """The game in letters: X the agent's, o the other's.

    `connect` has the numbers of its columns below, `tron` is seen from the agent's seat, `volley`
    is its points.

    Raises:
        ValueError: for a game that cannot be written in letters.
    """
    game, state = referee.game, referee.state
    if isinstance(game, Connect) and isinstance(state, ConnectState):
        lines = _connect(game, state, referee)
    elif isinstance(game, Tron) and isinstance(state, TronState):
        kinds = game.kinds(state, torch.tensor([referee.rival_seat]))[0].tolist()
        lines = ["".join(ARENA[Kind(kind)] for kind in row) for row in kinds]
    elif isinstance(game, Volley) and isinstance(state, VolleyState):
        lost = state.lost[0].tolist()
        theirs, agents = lost[referee.rival_seat], lost[referee.person_seat]
        lines = [f"agent {agents} : {theirs}"]
    else:
        raise ValueError(f"{game.variant} cannot be shown in letters")
    return "\n".join("  " + line for line in lines)


def _connect(game: Connect, state: ConnectState, referee: Referee) -> list[str]:
    owners = read_cells(game, state, referee.person_seat)
    rows = [
        " ".join(MARKS[int(owners[column, row])] for column in range(game.columns))
        for row in reversed(range(game.rows))
    ]
    return [*rows, " ".join(str(column + 1) for column in range(game.columns))]
