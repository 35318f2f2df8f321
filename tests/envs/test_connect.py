"""Four in a row, held against a slow plain board, golden games and exact counts."""

import pytest
import torch

import envs
from envs.connect import OTHER, OWN
from tests.envs.connect_lockstep import check_lockstep
from tests.oracles.boards import board_of, state_of
from tests.oracles.connect import HEIGHT, WIDTH, Board, distinct_positions

GOLDEN = """2 1 1 1 3 1 4 1 6 5 7 2 3 4 5 6 7 7 6 5 4 3 2 7 6 5 4 3 2 2 3 4 5 6 7 7 6 5 4 3
            2 1"""
DRAWN = """1 2 1 2 1 2 2 1 2 1 2 1 3 4 3 4 3 4 4 3 4 3 4 3 5 6 5 6 5 6 6 5 6 5 6 5 7 7 7 7
           7 7"""


@pytest.fixture(scope="module")
def game():
    return envs.make("connect", validate=True)


def columns_of(text):
    return [int(word) - 1 for word in text.split()]


def play(game, columns, generator):
    """One game; the states after each disc."""
    state = game.init(1, generator)
    states = []
    for column in columns:
        state = game.step(state, torch.full((1, 2), column), generator)
        states.append(state)
    return states


def test_random_games_follow_the_plain_board_step_by_step(game, generator):
    boards = check_lockstep(game, 300, generator)
    winners = [board.winner for board in boards]
    assert winners.count(0) > winners.count(1) > 90  # beginning is an advantage


@pytest.mark.slow
def test_thousands_of_random_games_follow_the_plain_board_step_by_step(game):
    boards = check_lockstep(game, 4_000, torch.Generator().manual_seed(1))
    assert sum(board.winner is None for board in boards) > 2, "draws have been seen too"


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        ("1 7 1 7 1 7 1", "standing"),
        ("1 1 2 2 3 3 4", "lying"),
        ("1 2 2 3 3 4 3 4 4 6 4", "rising"),
        ("7 6 6 5 5 4 5 4 4 2 4", "falling"),
        ("1 7 1 7 1 7 2 7", "standing in the last column, for the second seat"),
        ("4 1 5 2 6 3 7", "lying at the right edge"),
    ],
)
def test_a_line_of_four_wins_at_its_last_disc(game, generator, columns, line):
    moves = columns_of(columns)
    *before, last = play(game, moves, generator)
    assert not any(state.ended.item() for state in before)
    assert last.terminated.item(), line
    winner = (len(moves) - 1) % 2
    assert last.rewards[0, winner] == 1
    assert last.rewards[0, 1 - winner] == -1


@pytest.mark.parametrize(
    "columns",
    [
        "1 7 2 7 3 7 5",  # a gap in the line
        "1 2 1 2 1 3 2 1 3 3 4 1 5 1",  # a column is not continued in the next
        "5 1 6 2 7 3 1 1",  # nor a row around the edge
    ],
)
def test_what_is_no_line_of_four_does_not_win(game, generator, columns):
    assert Board.after(columns_of(columns)).winner is None
    assert not play(game, columns_of(columns), generator)[-1].ended.item()


def test_the_golden_game_is_won_on_the_last_free_cell(game, generator):
    *before, last = play(game, columns_of(GOLDEN), generator)
    assert len(before) == 41
    assert not any(state.ended.item() for state in before)
    assert last.terminated.item()
    assert last.rewards.tolist() == [[-1.0, 1.0]], "a win, though the board is full"


def test_a_full_board_without_a_line_is_a_draw(game, generator):
    *before, last = play(game, columns_of(DRAWN), generator)
    assert len(before) == 41
    assert not any(state.ended.item() for state in before)
    assert last.terminated.item()
    assert last.rewards.tolist() == [[0.0, 0.0]]


def test_a_full_column_is_closed(game, generator):
    state = play(game, [3] * 6, generator)[-1]
    assert state.legal_actions[0, 0, :7].tolist() == [True, True, True, False, True, True, True]
    with pytest.raises(ValueError, match="illegal action 3 of seat 0 in game 0"):
        game.step(state, torch.tensor([[3, 3]]), generator)


def test_the_number_of_distinct_positions_after_one_to_six_plies_is_exact(game, generator):
    state, counts = game.init(1, generator), []
    for _ in range(6):
        rows = torch.arange(state.num_games).repeat_interleave(WIDTH)
        columns = torch.arange(WIDTH).repeat(state.num_games)
        legal = state.legal_actions[rows, state.seat[rows], columns]
        parents, columns = envs.take(state, rows[legal]), columns[legal]
        children = game.step(parents, columns[:, None].expand(-1, 2), generator)
        assert not children.ended.any()
        boards = children.boards.unique(dim=0)
        counts.append(len(boards))
        state = game.from_boards(boards, 1 - parents.seat[:1].expand(len(boards)))
    assert counts == [7, 49, 238, 1120, 4263, 16422]


def test_the_plain_board_counts_the_same_positions():
    assert [len(distinct_positions(plies)) for plies in range(1, 6)] == [7, 49, 238, 1120, 4263]


def test_a_position_can_be_set_up_from_its_boards(game, generator):
    moves = columns_of("4 4 3 5 1")
    state = play(game, moves, generator)[-1]
    again = state_of(game, [Board.after(moves)])
    for name in ("boards", "seat", "legal_actions", "to_move", "ticks", "terminated"):
        assert torch.equal(getattr(state, name), getattr(again, name)), name


@pytest.mark.parametrize("seat", [0, 1])
def test_every_disc_is_drawn_in_its_cell_in_the_colour_of_the_one_who_looks(game, generator, seat):
    state = play(game, columns_of("4 4 3 5 1 7 7 2"), generator)[-1]
    frame = game.frame(state, torch.tensor([seat]))[0]
    board = board_of(state, 0)
    for row in range(HEIGHT):
        for column in range(WIDTH):
            y, x = 8 * (6 - row) + 4, 8 * column + 4  # the middle of the cell's 8x8 tile
            shown = tuple(frame[:, y, x].tolist())
            owner = board.rows[row][column]
            if owner is None:
                assert shown not in (OWN, OTHER)
            else:
                assert shown == (OWN if owner == seat else OTHER)


def test_frames_of_a_large_batch_are_those_of_its_games_alone(game, generator):
    state = game.init(300, generator)  # more than one chunk of the drawing
    for _ in range(10):
        legal = state.legal_actions.flatten(0, 1).float()
        legal += legal.sum(1, keepdim=True) == 0
        actions = torch.multinomial(legal, 1, generator=generator).view(300, 2)
        state = game.step(state, actions, generator)
    seats = torch.arange(300) % 2
    frames = game.frame(state, seats)
    for row in (0, 127, 128, 299):
        alone = game.frame(envs.take(state, torch.tensor([row])), seats[row : row + 1])
        assert torch.equal(frames[row], alone[0])
