"""Connect Four as a person would write it: a list of rows, loops, no tensors, no tricks.

Written from the rules alone, before and without the package's bitboards, to judge them.

      column 0 1 2 3 4 5 6
    row 5    . . . . . . .      the top
        ...
    row 0    . . . X . . .      the bottom; X is seat 0, who begins, O is seat 1
"""

WIDTH, HEIGHT, IN_A_ROW = 7, 6, 4
DIRECTIONS = ((1, 0), (0, 1), (1, 1), (1, -1))


class Board:
    """One game: `rows[row][column]` is None, 0 or 1; `winner` is a seat or None."""

    def __init__(self):
        self.rows = [[None] * WIDTH for _ in range(HEIGHT)]
        self.num_discs = 0
        self.winner = None

    @classmethod
    def after(cls, columns):
        board = cls()
        for column in columns:
            board.drop(column)
        return board

    @classmethod
    def of(cls, rows):
        """An unfinished position."""
        board = cls()
        board.rows = [list(row) for row in rows]
        board.num_discs = sum(cell is not None for row in rows for cell in row)
        return board

    @property
    def to_move(self):
        return self.num_discs % 2

    @property
    def is_full(self):
        return self.num_discs == WIDTH * HEIGHT

    @property
    def ended(self):
        return self.winner is not None or self.is_full

    @property
    def rewards(self):
        """What each seat has earned: the winner 1, the loser -1, else nothing."""
        if self.winner is None:
            return [0.0, 0.0]
        return [1.0, -1.0] if self.winner == 0 else [-1.0, 1.0]

    def legal_columns(self):
        return [column for column in range(WIDTH) if self.rows[HEIGHT - 1][column] is None]

    def landing_row(self, column):
        return next(row for row in range(HEIGHT) if self.rows[row][column] is None)

    def drop(self, column):
        """Drop a disc of the seat to move."""
        if self.ended or column not in self.legal_columns():
            raise ValueError(f"column {column} cannot be played")
        row, seat = self.landing_row(column), self.to_move
        self.rows[row][column] = seat
        self.num_discs += 1
        if self._is_in_a_line(row, column):
            self.winner = seat

    def undo(self, column):
        """Take back the disc that was dropped last, in `column`."""
        row = max(row for row in range(HEIGHT) if self.rows[row][column] is not None)
        self.rows[row][column] = None
        self.num_discs -= 1
        self.winner = None

    def winning_columns(self, seat):
        """Columns in which a disc of `seat`, dropped now, would complete a line."""
        winning = []
        for column in self.legal_columns():
            row = self.landing_row(column)
            self.rows[row][column] = seat
            if self._is_in_a_line(row, column):
                winning.append(column)
            self.rows[row][column] = None
        return winning

    def mirrored(self):
        """The same position seen in a mirror."""
        return Board.of([row[::-1] for row in self.rows])

    def key(self):
        """The position, without how it came about."""
        return tuple(tuple(row) for row in self.rows)

    def _is_in_a_line(self, row, column):
        return any(
            1 + self._run(row, column, up, right) + self._run(row, column, -up, -right) >= IN_A_ROW
            for up, right in DIRECTIONS
        )

    def _run(self, row, column, up, right):
        """How many further discs of the same colour follow in one direction."""
        seat, length = self.rows[row][column], 0
        row, column = row + up, column + right
        while 0 <= row < HEIGHT and 0 <= column < WIDTH and self.rows[row][column] == seat:
            length, row, column = length + 1, row + up, column + right
        return length


def negamax(board, plies):
    """What the seat to move sees within `plies`: `plies + 1 - d` for a win in d plies.

    A loss in d plies counts the negative, all else 0.
    """
    if board.winner is not None:
        return -(plies + 1)
    if plies == 0 or board.is_full:
        return 0
    return max(column_scores(board, plies).values())


def column_scores(board, plies):
    """The score of every legal column; the drop itself is the first of the `plies`."""
    scores = {}
    for column in board.legal_columns():
        board.drop(column)
        scores[column] = -negamax(board, plies - 1)
        board.undo(column)
    return scores


def distinct_positions(plies):
    """The keys of all positions after exactly `plies` discs; up to 7, before any game can end."""
    layer = {Board().key()}
    for _ in range(plies):
        layer = {key for position in layer for key in _following(Board.of(position))}
    return layer


def _following(board):
    for column in board.legal_columns():
        board.drop(column)
        yield board.key()
        board.undo(column)
