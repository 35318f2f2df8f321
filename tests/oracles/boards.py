"""From the package's bitboards to the oracle's rows and back, cell by cell.

Bit `column * 7 + row` of a seat's board is its disc there (see the drawing in `envs/connect.py`).
"""

import torch

from tests.oracles.connect import HEIGHT, WIDTH, Board

CELLS = [[column * (HEIGHT + 1) + row for column in range(WIDTH)] for row in range(HEIGHT)]


def rows_of(state):
    """For each game the oracle's rows: lists of None, 0 or 1."""
    return [_rows(first, second) for first, second in state.boards.tolist()]


def board_of(state, index):
    """The oracle's board of one unfinished game."""
    return Board.of(_rows(*state.boards[index].tolist()))


def _rows(first, second):
    return [[_owner(first, second, bit) for bit in bits] for bits in CELLS]


def _owner(first, second, bit):
    return 0 if first >> bit & 1 else 1 if second >> bit & 1 else None


def state_of(game, boards):
    """The package's state of unfinished oracle boards."""
    bits = [[_bits(board, seat) for seat in (0, 1)] for board in boards]
    seats = [board.to_move for board in boards]
    return game.from_boards(torch.tensor(bits), torch.tensor(seats))


def _bits(board, seat):
    return sum(
        1 << bit
        for row, bits in zip(board.rows, CELLS, strict=True)
        for cell, bit in zip(row, bits, strict=True)
        if cell == seat
    )
