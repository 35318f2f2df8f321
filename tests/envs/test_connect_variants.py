"""Four in a row with modifiers: by hand, and step by step against the plain board."""

import itertools

import pytest
import torch

import envs
from envs.connect_scene import pillar_layouts
from tests.envs.connect_lockstep import check_lockstep
from tests.oracles.boards import board_of, pillars_of, state_of
from tests.oracles.connect import DIRECTIONS, MAX_TICKS, PILLAR, POP, Board

VARIANTS = envs.list_variants("connect")
RULES_ALONE = [name for name in VARIANTS if "night" not in name and "clutter" not in name]
FULL_BUT_FOR_ONE = """
    O O X O O X .
    X O X O X X O
    X O O X O X O
    O X O X O O O
    X O X O X X X
    X X X # X X X
    """
FILLED = """1 2 1 2 1 2 2 1 2 1 2 1 3 4 3 4 3 4 4 3 4 3 4 3 5 6 5 6 5 6 6 5 6 5 6 5 7 7 7 7
            7 7"""


def pop(column):
    return POP + column


def play(name, actions):
    """The states after each action of one game; columns from 0."""
    game = envs.make(name, validate=True)
    generator = torch.Generator()
    state, states = game.init(1, generator), []
    for action in actions:
        state = game.step(state, torch.full((1, 2), action), generator)
        states.append(state)
    return states


def set_up(name, picture, to_move=0):
    """A position from rows of letters, the top one first: X is seat 0, O seat 1, # a pillar."""
    game = envs.make(name, validate=True)
    owners = {"X": 0, "O": 1, "#": PILLAR, ".": None}
    rows = [[owners[letter] for letter in line.split()] for line in picture.strip().splitlines()]
    rows = rows[::-1] + [[None] * game.columns] * (game.rows - len(rows))
    return game, state_of(game, [Board.of(rows, game.modifiers, to_move)])


def outcome(name, picture, action, to_move=0):
    """Who has won after one action: seat 0, seat 1, "draw", or None while the game goes on."""
    game, state = set_up(name, picture, to_move)
    return winner(game.step(state, torch.full((1, 2), action), torch.Generator()))


def winner(state):
    if not state.terminated.item():
        assert not state.rewards.any()
        return None
    return {(1, -1): 0, (-1, 1): 1, (0, 0): "draw"}[tuple(state.rewards[0].tolist())]


# Against the plain board.


def test_every_set_of_the_seven_modifiers_is_a_variant():
    assert len(VARIANTS) == 2**7
    assert len(RULES_ALONE) == 2**5


@pytest.mark.parametrize("name", [*RULES_ALONE, VARIANTS[-1]])
def test_random_games_of_a_variant_follow_the_plain_board_step_by_step(name, generator):
    check_lockstep(envs.make(name, validate=True), 5, generator)


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_many_random_games_of_every_variant_follow_the_plain_board(name):
    boards = check_lockstep(envs.make(name), 100, torch.Generator().manual_seed(1))
    assert {0, 1} <= {board.winner for board in boards}


@pytest.mark.parametrize(
    ("name", "num_lines"),
    [
        ("connect", 4 * 6 + 3 * 7 + 2 * 4 * 3),
        ("connect:wrap", 7 * 6 + 3 * 7 + 2 * 7 * 3),
        ("connect:five", 4 * 7 + 3 * 8 + 2 * 4 * 3),
        ("connect:five+wrap", 8 * 7 + 3 * 8 + 2 * 8 * 3),
    ],
)
def test_all_lines_are_seen_and_nothing_less_is_one(name, num_lines):
    rules = envs.make(name).rules
    lines = set()
    for column, row in itertools.product(range(rules.columns), range(rules.rows)):
        for right, up in DIRECTIONS:
            cells = [(column + k * right, row + k * up) for k in range(rules.line)]
            if "wrap" in name:
                cells = [(c % rules.columns, r) for c, r in cells]
            if all(0 <= c < rules.columns and 0 <= r < rules.rows for c, r in cells):
                lines.add(frozenset(c * (rules.rows + 1) + r for c, r in cells))
    assert len(lines) == num_lines
    boards = torch.tensor([sum(1 << bit for bit in line) for line in lines])
    assert rules.has_line(boards).all()
    for bit in range(63):  # without any one of its cells a line is none
        part = (boards >> bit & 1).bool()
        assert not rules.has_line(boards[part] ^ 1 << bit).any()
    through = [sum(bit in line for line in lines) for bit in range(64)]
    assert rules.lines_through.tolist() == through


# wrap


def test_a_lying_line_goes_on_beyond_the_edge():
    actions = [5, 2, 6, 2, 0, 2, 1]
    assert [winner(state) for state in play("connect:wrap", actions)] == [None] * 6 + [0]
    assert winner(play("connect", actions)[-1]) is None


RISING = """
    X O . . . . .
    O O . . . . X
    O X . . . X O
    """
FALLING = """
    . . . . . O X
    X . . . . O O
    O X . . . X O
    """


@pytest.mark.parametrize(("picture", "column"), [(RISING, 1), (FALLING, 5)])
def test_a_diagonal_goes_on_beyond_the_edge(picture, column):
    assert outcome("connect:wrap", picture, column) == 0
    assert outcome("connect", picture, column) is None


@pytest.mark.parametrize("column", [1, 5, 6])
def test_a_column_is_not_continued_in_the_next(column):
    corner = "X . . . . . .\n" * 3 + "O . . . . . .\n" * 3  # three at the top, one more beside
    assert outcome("connect:wrap", corner, column) is None


# popout


def test_a_pop_takes_the_lowest_disc_away_and_all_above_it_comes_down():
    *_, before, after = play("connect:popout", [3, 3, 3, 0, pop(3)])
    game = envs.make("connect:popout")
    columns = [[row[3] for row in board_of(s, 0, game).rows] for s in (before, after)]
    assert columns == [[0, 1, 0, None, None, None], [1, 0, None, None, None, None]]
    assert board_of(after, 0, game).rows[0] == [1, None, None, 1, None, None, None]
    assert after.seat.item() == 1
    assert after.ticks.item() == 5


def test_only_an_own_disc_at_the_bottom_can_be_popped():
    state = play("connect:popout", [3, 2, 2, 3])[-1]
    assert state.legal_actions[0, 0, POP:].nonzero().flatten().tolist() == [3]
    game = envs.make("connect:popout", validate=True)
    with pytest.raises(ValueError, match="illegal action 10 of seat 0 in game 0"):
        game.step(state, torch.full((1, 2), pop(2)), torch.Generator())


OWN_LINE = """
    X . . . . . .
    O X X X . . .
    X O X O . . .
    """
THEIR_LINE = """
    O . . . . . .
    X O O O . . .
    """
BOTH_LINES = """
    X . . . . . .
    O X X X . . .
    X O O O . . .
    """


@pytest.mark.parametrize(
    ("picture", "wins", "wins_in_misere"),
    [(OWN_LINE, 0, 1), (THEIR_LINE, 1, 0), (BOTH_LINES, 0, 1)],
)
def test_a_pop_can_make_lines_and_its_own_count_first(picture, wins, wins_in_misere):
    assert outcome("connect:popout", picture, pop(0)) == wins
    assert outcome("connect:misere+popout", picture, pop(0)) == wins_in_misere
    exchanged = picture.translate(str.maketrans("XO", "OX"))
    assert outcome("connect:popout", exchanged, pop(0), to_move=1) == 1 - wins


def test_a_pop_can_make_a_line_across_the_seam():
    picture = """
        O . . . . . .
        X O . . . O O
        """
    assert outcome("connect:popout+wrap", picture, pop(0)) == 1
    assert outcome("connect:popout", picture, pop(0)) is None


def test_a_full_board_goes_on_while_there_is_an_own_disc_to_pop():
    state = play("connect:popout", [int(word) - 1 for word in FILLED.split()])[-1]
    assert not state.ended.item()
    assert state.legal_actions[0, 0].nonzero().flatten().tolist() == [pop(c) for c in (0, 2, 4, 6)]


def test_who_can_neither_drop_nor_pop_has_a_draw():
    assert outcome("connect:pillars+popout", FULL_BUT_FOR_ONE, 6) == "draw"
    assert outcome("connect:pillars", FULL_BUT_FOR_ONE, 6) == "draw"
    own_bottom = FULL_BUT_FOR_ONE.replace("X X X #", "X X O #")
    assert outcome("connect:pillars+popout", own_bottom, 6) is None
    assert outcome("connect:pillars", own_bottom, 6) == "draw"


ROUND = [0, 6, pop(0), pop(6)]  # back to the empty board


def test_a_game_with_pops_is_a_draw_by_the_clock():
    *_, before, last = play("connect:popout", (ROUND * 40)[:MAX_TICKS])
    assert not before.ended.item()
    assert last.truncated.item()
    assert not last.terminated.item()
    assert not last.rewards.any()


def test_a_line_in_the_last_tick_is_a_win_all_the_same():
    *_, before, last = play("connect:popout", ROUND * 35 + [1, 2, 3, 6, 3, 6, 4, 6, 4, 6])
    assert last.ticks.item() == MAX_TICKS
    assert not before.ended.item()
    assert winner(last) == 1
    assert not last.truncated.item()


# misere


def test_a_line_loses_in_misere():
    states = play("connect:misere", [0, 0, 1, 1, 2, 2, 3])
    assert [winner(state) for state in states] == [None] * 6 + [1]
    states = play("connect:misere", [0, 6, 0, 6, 0, 6, 1, 6])
    assert winner(states[-1]) == 0


# five


@pytest.mark.parametrize(
    "actions",
    [
        [0, 0, 1, 1, 2, 2, 3, 3, 4],
        [7, 0, 7, 0, 7, 0, 7, 0, 7],
        [3, 3, 4, 4, 5, 5, 6, 6, 7],
    ],
)
def test_five_in_a_row_win_on_the_larger_board_and_four_do_not(actions):
    assert [winner(s) for s in play("connect:five", actions)] == [None] * 8 + [0]


def test_the_last_column_of_the_larger_board_is_filled_to_the_top():
    picture = """
        . . . . . . X O
        . . . . . X O X
        . . . . X O X X
        . . . X O X O O
        . . . X X O X X
        . . . O X X O X
        """
    assert outcome("connect:five", picture, 7) == 0
    game, state = set_up("connect:five", picture, to_move=1)
    after = game.step(state, torch.full((1, 2), 7), torch.Generator())
    assert winner(after) is None
    assert after.legal_actions[0, 0, :8].tolist() == [True] * 7 + [False]


# pillars


@pytest.mark.parametrize(("columns", "rows"), [(7, 6), (8, 7)])
def test_pillars_stand_on_the_floor_alike_left_and_right(columns, rows):
    layouts = pillar_layouts(columns, rows).tolist()
    assert len(set(layouts)) == len(layouts) == 66
    for board in layouts:
        heights = []
        for column in range(columns):
            bits = board >> column * (rows + 1) & (1 << rows + 1) - 1
            assert bits + 1 & bits == 0, "without gaps from the floor"
            heights.append(bits.bit_length())
        assert heights == heights[::-1]
        assert max(heights) in (1, 2, 3)
        assert 1 <= sum(height > 0 for height in heights) <= 4


def test_discs_lie_upon_pillars_which_can_neither_be_filled_nor_popped():
    picture = """
        # . . . . . #
        # . . # . . #
        """
    game, state = set_up("connect:pillars+popout", picture)
    for action in [0, 3, 1, 6]:
        state = game.step(state, torch.full((1, 2), action), torch.Generator())
    rows = board_of(state, 0, game).rows
    assert [rows[2][0], rows[1][3], rows[0][1], rows[2][6]] == [0, 1, 0, 1]
    assert state.legal_actions[0, 0, POP:].nonzero().flatten().tolist() == [1]


def test_a_column_is_full_after_the_discs_that_fit_upon_its_pillar():
    game, state = set_up("connect:pillars", "# . . . . . #\n" * 3)
    for _ in range(3):
        assert state.legal_actions[0, state.seat[0], 0]
        state = game.step(state, torch.zeros(1, 2).long(), torch.Generator())
    assert not state.legal_actions[0, state.seat[0], 0]


def test_pillars_are_drawn_anew_for_every_game():
    game = envs.make("connect:five+pillars")
    state = game.init(400, torch.Generator().manual_seed(0))
    assert len({tuple(pillars_of(game, state, row)) for row in range(400)}) == 66
    mask = torch.arange(400) % 2 == 0
    again = game.reset(state, mask, torch.Generator().manual_seed(1))
    changed = again.walls != state.walls
    assert not changed[~mask].any()
    assert changed[mask].float().mean() > 0.9


# Mirrors


@pytest.mark.parametrize(("name", "columns"), [("connect:popout", 7), ("connect:five+popout", 8)])
def test_pops_are_mirrored_like_drops(name, columns):
    table = envs.make(name).mirror_actions.tolist()
    assert table[:columns] == list(range(columns))[::-1]
    assert table[POP : POP + columns] == [pop(c) for c in range(columns)][::-1]
