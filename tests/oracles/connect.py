"""Connect Four as a person would write it: a list of rows, loops, no tensors, no tricks.

Written from the rules alone, before and without the package's bitboards, to judge them.

      column 0 1 2 3 4 5 6
    row 5    . . . . . . .      the top
        ...
    row 0    # . . X . . #      the bottom; X is seat 0, who begins, O is seat 1, # a pillar
"""

WIDTH, HEIGHT, IN_A_ROW = 7, 6, 4
DIRECTIONS = ((1, 0), (0, 1), (1, 1), (1, -1))
PILLAR = "#"
POP = 8  # action 8 + c pops column c
MAX_TICKS = 150  # where discs may be popped


class Board:
    """One game: `rows[row][column]` is None, 0, 1 or PILLAR; `winner` is a seat or None.

    Args:
        modifiers: names; night and clutter make no difference here.
        pillars: blocked cells, (column, row).
    """

    def __init__(self, modifiers=(), pillars=()):
        self.modifiers = frozenset(modifiers)
        five = "five" in self.modifiers
        self.width, self.height, self.in_a_row = (8, 7, 5) if five else (WIDTH, HEIGHT, IN_A_ROW)
        self.rows = [[None] * self.width for _ in range(self.height)]
        for column, row in pillars:
            self.rows[row][column] = PILLAR
        self.to_move = 0
        self.ticks = 0
        self.winner = None

    @classmethod
    def after(cls, actions, modifiers=(), pillars=()):
        board = cls(modifiers, pillars)
        for action in actions:
            board.act(action)
        return board

    @classmethod
    def of(cls, rows, modifiers=(), to_move=None):
        """An unfinished position; without pops the number of discs tells whose turn it is."""
        board = cls(modifiers)
        board.rows = [list(row) for row in rows]
        board.ticks = board.num_discs
        board.to_move = board.num_discs % 2 if to_move is None else to_move
        return board

    @property
    def num_discs(self):
        return sum(cell in (0, 1) for row in self.rows for cell in row)

    @property
    def is_full(self):
        return all(cell is not None for row in self.rows for cell in row)

    @property
    def terminated(self):
        """A line ends the game, and so does a turn in which nothing can be done."""
        return self.winner is not None or not self.legal_actions()

    @property
    def truncated(self):
        return "popout" in self.modifiers and self.ticks >= MAX_TICKS and not self.terminated

    @property
    def ended(self):
        return self.terminated or self.truncated

    @property
    def rewards(self):
        """What each seat has earned: the winner 1, the loser -1, else nothing."""
        if self.winner is None:
            return [0.0, 0.0]
        return [1.0, -1.0] if self.winner == 0 else [-1.0, 1.0]

    def legal_columns(self):
        return [c for c in range(self.width) if self.rows[self.height - 1][c] is None]

    def legal_actions(self):
        """Drops into columns with room and, with popout, pops of own discs on the floor."""
        pops = range(self.width) if "popout" in self.modifiers else ()
        own = [POP + column for column in pops if self.rows[0][column] == self.to_move]
        return self.legal_columns() + own

    def landing_row(self, column):
        return next(row for row in range(self.height) if self.rows[row][column] is None)

    def act(self, action):
        """What the seat to move does: drop into a column, or pop its own disc out of one."""
        if self.ended or action not in self.legal_actions():
            raise ValueError(f"action {action} cannot be played")
        if action < POP:
            row = self.landing_row(action)
            self.rows[row][action] = self.to_move
            has_line = {self.to_move: self._is_in_a_line(row, action)}
        else:
            self._take_out_the_lowest(action - POP)
            has_line = {seat: self._has_line(seat) for seat in (0, 1)}
        self.winner = self._winner(has_line)
        self.to_move = 1 - self.to_move
        self.ticks += 1

    def drop(self, column):
        self.act(column)

    def _take_out_the_lowest(self, column):
        for row in range(self.height - 1):
            self.rows[row][column] = self.rows[row + 1][column]
        self.rows[self.height - 1][column] = None

    def _winner(self, has_line):
        """Whose line it is; of two lines, that of the one who acted. In misere it loses."""
        if not any(has_line.values()):
            return None
        maker = self.to_move if has_line[self.to_move] else 1 - self.to_move
        return 1 - maker if "misere" in self.modifiers else maker

    def undo(self, column):
        """Take back the disc that was dropped last, in `column`."""
        row = max(r for r in range(self.height) if self.rows[r][column] in (0, 1))
        self.rows[row][column] = None
        self.to_move = 1 - self.to_move
        self.ticks -= 1
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

    def copy(self):
        board = Board.of(self.rows, self.modifiers, self.to_move)
        board.ticks, board.winner = self.ticks, self.winner
        return board

    def mirrored(self):
        """The same position seen in a mirror."""
        return Board.of([row[::-1] for row in self.rows], self.modifiers, self.to_move)

    def key(self):
        """The position, without how it came about."""
        return tuple(tuple(row) for row in self.rows)

    def _has_line(self, seat):
        return any(
            self.rows[row][column] == seat and self._is_in_a_line(row, column)
            for row in range(self.height)
            for column in range(self.width)
        )

    def _is_in_a_line(self, row, column):
        return any(
            1 + self._run(row, column, up, right) + self._run(row, column, -up, -right)
            >= self.in_a_row
            for up, right in DIRECTIONS
        )

    def _run(self, row, column, up, right):
        """How many further discs of the same colour follow in one direction.

        With wrap the column beyond the last is the first. A row is wider than a line is long, so
        that no disc is counted twice before there is a line.
        """
        seat, length = self.rows[row][column], 0
        while length < self.in_a_row:
            row, column = row + up, column + right
            if "wrap" in self.modifiers:
                column %= self.width
            if not (0 <= row < self.height and 0 <= column < self.width):
                break
            if self.rows[row][column] != seat:
                break
            length += 1
        return length


def negamax(board, plies):
    """What the seat to move sees within `plies`: `plies + 1 - d` for a win in d plies.

    A loss in d plies counts the negative, all else 0. The clock is not looked at.
    """
    if board.winner is not None:
        return (plies + 1) * (1 if board.winner == board.to_move else -1)
    if plies == 0 or not board.legal_actions():
        return 0
    return max(action_scores(board, plies).values())


def action_scores(board, plies):
    """The score of every legal action; the action itself is the first of the `plies`."""
    scores = {}
    for action in board.legal_actions():
        following = board.copy()
        following.ticks = 0  # the clock is not looked at
        following.act(action)
        scores[action] = -negamax(following, plies - 1)
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
