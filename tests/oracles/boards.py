"""From the package's bitboards to the oracle's rows and back, cell by cell.

Bit `column * (rows + 1) + row` of a board is its cell there (see `envs/connect_rules.py`).
"""

import torch

from envs.connect import Connect
from tests.oracles.connect import PILLAR, Board

CLASSIC = Connect()


def cells_of(game):
    """(row, column, bit) of every cell."""
    return [
        (row, column, column * (game.rows + 1) + row)
        for row in range(game.rows)
        for column in range(game.columns)
    ]


def rows_of(game, state):
    """For each game the oracle's rows: lists of None, 0, 1 or PILLAR."""
    layers = torch.cat([state.boards, state.walls[:, None]], 1).tolist()
    return [_rows(game, boards) for boards in layers]


def _rows(game, boards):
    rows = [[None] * game.columns for _ in range(game.rows)]
    for row, column, bit in cells_of(game):
        for owner, board in zip((0, 1, PILLAR), boards, strict=True):
            if board >> bit & 1:
                rows[row][column] = owner
    return rows


def board_of(state, index, game=CLASSIC):
    """The oracle's board of one unfinished game."""
    rows = _rows(game, [*state.boards[index].tolist(), int(state.walls[index])])
    board = Board.of(rows, game.modifiers, int(state.seat[index]))
    board.ticks = int(state.ticks[index])
    return board


def pillars_of(game, state, index):
    """(column, row) of every blocked cell of one game."""
    walls = int(state.walls[index])
    return [(column, row) for row, column, bit in cells_of(game) if walls >> bit & 1]


def state_of(game, boards):
    """The package's state of unfinished oracle boards."""
    bits = [[_bits(game, board, owner) for owner in (0, 1, PILLAR)] for board in boards]
    layers = torch.tensor(bits)
    seats = torch.tensor([board.to_move for board in boards])
    return game.from_boards(layers[:, :2], seats, layers[:, 2])


def _bits(game, board, owner):
    return sum(1 << bit for row, column, bit in cells_of(game) if board.rows[row][column] == owner)
