"""Players of four in a row against the plain board."""

import pytest
import torch

import envs
from selfplay.connect_players import ILLEGAL, ConnectStubborn, OnePly, look_ahead
from selfplay.match import play_match
from selfplay.players import make_scripted
from selfplay.rollout import random_positions
from tests.oracles.boards import board_of, state_of
from tests.oracles.connect import Board, action_scores


@pytest.fixture(scope="module")
def game():
    return envs.make("connect")


@pytest.fixture(scope="module")
def positions(game):
    """A few hundred unfinished positions of all depths."""
    return random_positions(game, 300, 36, 1.0, torch.Generator().manual_seed(2))


def boards_of(state):
    return [board_of(state, i) for i in range(state.num_games)]


def seats_of(state):
    return state.to_move[:, 1].long()


def act(player, game, state, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return player.act(game, state, seats_of(state), generator).tolist()


def repeated(game, columns, times):
    return state_of(game, [Board.after(columns)] * times)


# Looking ahead.


def check_look_ahead(game, state, plies):
    found = look_ahead(game, game.position(state, seats_of(state)), plies)
    for scores, board in zip(found.tolist(), boards_of(state), strict=True):
        expected = action_scores(board, plies)
        assert scores == [expected.get(column, ILLEGAL) for column in range(16)]


@pytest.mark.parametrize(("plies", "num"), [(1, 300), (2, 150), (3, 30), (4, 5)])
def test_looking_ahead_finds_what_a_plain_recursion_finds(game, positions, plies, num):
    check_look_ahead(game, envs.take(positions, torch.arange(num)), plies)


@pytest.mark.slow
@pytest.mark.parametrize(("plies", "num"), [(3, 300), (4, 150), (5, 20)])
def test_looking_ahead_finds_what_a_plain_recursion_finds_in_many_positions(
    game, positions, plies, num
):
    check_look_ahead(game, envs.take(positions, torch.arange(num)), plies)


def test_a_sooner_win_and_a_later_loss_score_higher(game):
    # the seat to move has three in a row on an empty bottom row: it wins now, or in three plies
    board = Board.after([1, 1, 2, 2, 3, 3])
    state = state_of(game, [board])
    scores = look_ahead(game, game.position(state, seats_of(state)), 4)[0].tolist()
    assert scores[0] == scores[4] == 4
    assert max(scores[1:4] + scores[5:]) < 4


# Characters.


def test_one_ply_wins_if_it_can_else_blocks_else_plays_anything_legal(game, positions):
    kinds = []
    for board, column in zip(boards_of(positions), act(OnePly(), game, positions), strict=True):
        wins = board.winning_columns(board.to_move)
        blocks = board.winning_columns(1 - board.to_move)
        assert column in (wins or blocks or board.legal_columns())
        kinds.append("wins" if wins else "blocks" if blocks else "free")
    assert min(kinds.count(kind) for kind in ("wins", "blocks", "free")) >= 20


def test_one_ply_is_random_where_nothing_presses(game):
    assert set(act(OnePly(), game, repeated(game, [], 400))) == set(range(7))


@pytest.mark.parametrize("plies", [1, 2])
def test_negamax_plays_one_of_the_best_columns(game, positions, plies):
    state = envs.take(positions, torch.arange(60))
    columns = act(make_scripted(f"connect/negamax-{plies}"), game, state)
    for board, column in zip(boards_of(state), columns, strict=True):
        scores = action_scores(board, plies)
        assert scores[column] == max(scores.values())


def test_negamax_is_random_among_equals(game):
    player = make_scripted("connect/negamax-2")
    assert set(act(player, game, repeated(game, [], 400))) == set(range(7))
    pressed = repeated(game, [0, 6, 0, 6, 0], 50)  # the other side has three on the left edge
    assert set(act(player, game, pressed)) == {0}


@pytest.mark.parametrize("seed", range(12))
def test_a_stubborn_player_does_the_same_every_time(game, positions, seed):
    player = ConnectStubborn(seed)
    player.plies = min(player.plies, 3)  # the habit is what is looked at
    state = envs.take(positions, torch.arange(40))
    first = act(player, game, state)
    assert act(player, game, state, seed=99) == first, "chance changes nothing"
    again = ConnectStubborn(seed)
    again.plies = player.plies
    alone = [act(again, game, envs.take(state, torch.tensor([i])))[0] for i in range(10)]
    assert alone == first[:10], "nor does the company"
    for board, column in zip(boards_of(state), first, strict=True):
        assert column in board.legal_columns()


@pytest.mark.parametrize("seed", [1, 7, 13])
def test_a_stubborn_player_sees_as_far_as_it_says(game, positions, seed):
    player = ConnectStubborn(seed)
    assert player.plies == 2
    state = envs.take(positions, torch.arange(60))
    for board, column in zip(boards_of(state), act(player, game, state), strict=True):
        scores = action_scores(board, 2)
        assert scores[column] == max(scores.values())


def test_stubborn_players_differ_in_their_habits(game, positions):
    state = envs.take(positions, torch.arange(60))
    habits = {tuple(act(ConnectStubborn(seed), game, state)) for seed in range(0, 120, 6)}
    assert len(habits) == 20


@pytest.mark.parametrize(
    ("better", "worse"),  # measured over 2,000 games: 0.96, 0.76, 0.75
    [
        ("connect/one_ply", "random"),
        ("connect/negamax-2", "connect/one_ply"),
        pytest.param("connect/negamax-4", "connect/negamax-2", marks=pytest.mark.slow),
    ],
)
def test_each_rung_of_the_ladder_beats_the_one_below(game, better, worse):
    players = make_scripted(better), make_scripted(worse)
    result = play_match(game, players, 400, torch.Generator().manual_seed(1))
    assert result.total.games == 400
    assert result.total.score >= 0.65
