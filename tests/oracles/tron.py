"""Light cycles as a person would write them: cells, lists, loops; no tensors, no tricks.

Written from the rules alone, before and without the package's bitboards, to judge them.

    (0, 0)  ------->  x        Cells are (x, y), seen by seat 0; seat 1 sees the arena turned by
       |  .  .  .  B           half a turn, so that each has its own corner at the bottom left.
       |  .  .  .  .
       v  A  .  .  .           A is seat 0, B is seat 1.
       y
"""

SIZE = 30
TAIL = 120  # cells of a trail of finite length, the head's included
SIGHT = 8.5  # how far one sees in fog, in cells
MAX_TICKS = 500
MOVES = {"up": (0, -1), "down": (0, 1), "left": (-1, 0), "right": (1, 0)}
OPPOSITE = {"up": "down", "down": "up", "left": "right", "right": "left"}


def turned(cell):
    """The same cell as the other seat calls it."""
    x, y = cell
    return SIZE - 1 - x, SIZE - 1 - y


def is_inside(cell):
    return all(0 <= coordinate < SIZE for coordinate in cell)


class Cycle:
    """One seat: every cell its head has been in, and where it is bound (None at the start)."""

    def __init__(self, start):
        self.path = [start]
        self.heading = None
        self.crashed = False

    @property
    def head(self):
        return self.path[-1]


class Arena:
    """One game.

    Args:
        modifiers: names; night and clutter make no difference here.
        distance: how far the starts are from their corner, on the diagonal; 0 is the corner.
        rocks: blocked cells, those of the dividing wall too.
    """

    def __init__(self, modifiers=(), distance=4, rocks=()):
        self.wrap = "wrap" in modifiers
        self.tails = "tails" in modifiers
        self.fog = "fog" in modifiers
        self.gates = "gates" in modifiers
        self.has_rocks = "rocks" in modifiers
        self.rocks = set(rocks)
        start = (distance, SIZE - 1 - distance)
        self.cycles = [Cycle(start), Cycle(turned(start))]
        self.ticks = 0
        self.rewards = [0.0, 0.0]

    @property
    def terminated(self):
        return any(cycle.crashed for cycle in self.cycles)

    @property
    def truncated(self):
        return self.ticks >= MAX_TICKS and not self.terminated

    @property
    def ended(self):
        return self.terminated or self.truncated

    def trail(self, seat):
        """The cells that block because of `seat`, oldest first."""
        cycle = self.cycles[seat]
        cells = cycle.path[-TAIL:] if self.tails else cycle.path
        return cells[:-1] if cycle.crashed else cells  # a wreck leaves no trail where it lies

    def legal_moves(self, seat):
        """Names of moves in the seat's own view; nobody can turn round on the spot."""
        heading = self.cycles[seat].heading
        return [move for move in MOVES if heading is None or move != OPPOSITE[heading]]

    def target(self, seat, move):
        """The cell a move of the own view leads to."""
        cell = self.cycles[seat].head if seat == 0 else turned(self.cycles[seat].head)
        x, y = (place + step for place, step in zip(cell, MOVES[move], strict=True))
        if self.wrap:
            x, y = x % SIZE, y % SIZE
        return (x, y) if seat == 0 else turned((x, y))

    def is_blocked(self, cell):
        """Before anybody moves: the fence, rocks, and all trails with their heads."""
        return (
            not is_inside(cell)
            or cell in self.rocks
            or cell in self.trail(0)
            or cell in self.trail(1)
        )

    def tick(self, moves):
        """Both move at once; `moves` are two names, each in its seat's own view."""
        if self.ended:
            self.rewards = [0.0, 0.0]
            return
        for seat, move in enumerate(moves):
            if move not in self.legal_moves(seat):
                raise ValueError(f"seat {seat} cannot go {move}")
        targets = [self.target(seat, move) for seat, move in enumerate(moves)]
        crashes = [self.is_blocked(cell) or targets[0] == targets[1] for cell in targets]
        for cycle, move, cell, crash in zip(self.cycles, moves, targets, crashes, strict=True):
            cycle.heading, cycle.crashed = move, crash
            cycle.path.append(cell)
        self.ticks += 1
        self.rewards = [float(crashes[1]) - crashes[0], float(crashes[0]) - crashes[1]]

    def can_see(self, seat, cell):
        """In fog, cells no farther from the own head than SIGHT, in a straight line."""
        if not self.fog:
            return True
        gaps = [abs(a - b) for a, b in zip(self.cycles[seat].head, cell, strict=True)]
        if self.wrap:
            gaps = [min(gap, SIZE - gap) for gap in gaps]
        return gaps[0] ** 2 + gaps[1] ** 2 <= SIGHT**2

    def view(self, seat):
        """What a seat sees, in its own coordinates: a word for every cell that is not floor.

        A wreck may lie outside, on the fence, and posts in its corners tell of rocks and gates.
        """
        shown = dict.fromkeys(self.rocks, "rock")
        for whose, who in ((seat, "own"), (1 - seat, "other")):
            trail = self.trail(whose)
            shown |= dict.fromkeys(trail, who)
            if self.tails and self.ticks >= TAIL - 1:
                shown[self.cycles[whose].path[-TAIL]] = f"{who} tail"
        for whose, who in ((seat, "own"), (1 - seat, "other")):
            if self.ticks > 0:
                shown[self.cycles[whose].path[-2]] = f"{who} ghost"
        for whose, who in ((seat, "own"), (1 - seat, "other")):
            cycle = self.cycles[whose]
            shown[cycle.head] = "crash" if cycle.crashed else f"{who} head"
        shown = {cell: word for cell, word in shown.items() if self.can_see(seat, cell)}
        shown |= dict.fromkeys(self.hidden_cells(seat), "fog")
        if self.gates:
            shown |= {(-1, -1): "rock", (SIZE, SIZE): "rock"}
        if self.has_rocks:
            shown |= {(-1, SIZE): "rock", (SIZE, -1): "rock"}
        return shown if seat == 0 else {turned(cell): word for cell, word in shown.items()}

    def hidden_cells(self, seat):
        if not self.fog:
            return []
        every = [(x, y) for x in range(SIZE) for y in range(SIZE)]
        return [cell for cell in every if not self.can_see(seat, cell)]

    def picture(self, seat=0):
        """Rows of letters, to read while hunting a mistake."""
        letters = {"rock": "#", "own": "o", "other": "x", "fog": "~", "crash": "*"}
        letters |= {"own head": "O", "other head": "X", "own ghost": "o", "other ghost": "x"}
        letters |= {"own tail": ",", "other tail": ";"}
        view = self.view(seat)
        rows = [[view.get((x, y)) for x in range(SIZE)] for y in range(SIZE)]
        return "\n".join("".join(letters.get(word, ".") for word in row) for row in rows)
