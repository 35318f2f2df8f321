"""Players of four in a row against the plain board."""

import pytest
import torch

import envs
from selfplay import connect_players
from selfplay.connect_players import (
    ILLEGAL,
    ConnectStubborn,
    OnePly,
    best_score,
    look_ahead,
    search,
    seen_by,
)
from selfplay.match import play_match
from selfplay.players import make_scripted
from selfplay.rollout import random_positions
from tests.oracles.boards import CLASSIC, board_of, state_of
from tests.oracles.connect import POP, Board, action_scores
from tests.selfplay.seated import act, repeated, seats_of

VARIANTS = [
    *(f"connect:{modifier}" for modifier in ("five", "misere", "pillars", "popout", "wrap")),
    *("connect:five+popout", "connect:misere+popout+wrap", "connect:pillars+popout"),
    *("connect:misere+pillars+wrap", envs.list_variants("connect")[-1]),
]


LADDER = (("connect/one_ply", "random"), ("connect/negamax-2", "connect/one_ply"))


@pytest.fixture(scope="module")
def game():
    return envs.make("connect")


@pytest.fixture(scope="module")
def positions(game):
    """A few hundred unfinished positions of all depths."""
    return random_positions(game, 300, 36, 1.0, torch.Generator().manual_seed(2))


def boards_of(state, game=CLASSIC):
    return [board_of(state, i, game) for i in range(state.num_games)]


def some_positions(game, num, seed=3):
    return random_positions(game, num, 30, 1.0, torch.Generator().manual_seed(seed))


# Looking ahead.


def check_look_ahead(game, state, plies):
    found = look_ahead(game, game.position(state, seats_of(state)), plies)
    for scores, board in zip(found.tolist(), boards_of(state, game), strict=True):
        expected = action_scores(board, plies)
        assert scores == [expected.get(column, ILLEGAL) for column in range(16)]


@pytest.mark.parametrize("variant", ["connect", *VARIANTS])
def test_the_last_ply_at_a_glance_finds_the_best_that_search_finds(variant):
    game = envs.make(variant)
    state = random_positions(game, 600, 40, 1.0, torch.Generator().manual_seed(4))
    _, position = seen_by(game, state, state.seat)
    found = best_score(game.rules, position, 1)
    assert torch.equal(found, search(game.rules, position, 1).amax(1))
    assert len(found.unique()) > 1


@pytest.mark.parametrize(("plies", "num"), [(1, 300), (2, 150), (3, 30), (4, 5)])
def test_looking_ahead_finds_what_a_plain_recursion_finds(game, positions, plies, num):
    check_look_ahead(game, envs.take(positions, torch.arange(num)), plies)


@pytest.mark.slow
@pytest.mark.parametrize(("plies", "num"), [(3, 300), (4, 150), (5, 20)])
def test_looking_ahead_finds_what_a_plain_recursion_finds_in_many_positions(
    game, positions, plies, num
):
    check_look_ahead(game, envs.take(positions, torch.arange(num)), plies)


@pytest.mark.parametrize("plies", [1, 2, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", VARIANTS)
def test_looking_ahead_goes_by_the_rules_of_the_variant(name, plies):
    game = envs.make(name)
    check_look_ahead(game, some_positions(game, 12), plies)


def test_looking_ahead_is_the_same_for_many_positions_at_a_time(game, positions, monkeypatch):
    position = game.position(positions, seats_of(positions))
    whole = look_ahead(game, position, 3)
    monkeypatch.setattr(connect_players, "CHUNK_ROWS", 37)
    assert torch.equal(look_ahead(game, position, 3), whole)


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


@pytest.mark.parametrize("name", VARIANTS)
def test_one_ply_wins_blocks_and_does_not_lose_by_itself_in_every_variant(name):
    game = envs.make(name)
    state = some_positions(game, 80)
    for board, action in zip(boards_of(state, game), act(OnePly(), game, state), strict=True):
        scores = action_scores(board, 1)
        assert scores[action] == max(scores.values())
        if max(scores.values()) == 0 and can_win(passed(board)):
            harmless = [a for a, score in scores.items() if score == 0]
            stops = [a for a in harmless if not can_win(after(board, a))]
            assert action in stops or not stops


def can_win(board):
    return max(action_scores(board, 1).values(), default=0) > 0


def passed(board):
    """The same board with the other to move."""
    board = board.copy()
    board.to_move = 1 - board.to_move
    return board


def after(board, action):
    board = board.copy()
    board.ticks = 0
    board.act(action)
    return board


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


def shares_of(*lines):
    """Chances in proportion to the roots of these numbers of lines."""
    roots = [n**0.5 for n in lines]
    return [root / sum(roots) for root in roots]


def test_negamax_draws_in_proportion_to_the_root_of_the_lines_through_a_cell(game):
    player = make_scripted("connect/negamax-2")
    columns = torch.tensor(act(player, game, repeated(game, [], 6_200)))
    shares = columns.bincount(minlength=7) / 6_200
    assert shares.tolist() == pytest.approx(shares_of(3, 4, 5, 7, 5, 4, 3), abs=0.02)
    contrary = envs.make("connect:misere")
    columns = torch.tensor(act(player, contrary, repeated(contrary, [], 6_200)))
    expected = shares_of(*[1 / n for n in (3, 4, 5, 7, 5, 4, 3)])
    assert (columns.bincount(minlength=7) / 6_200).tolist() == pytest.approx(expected, abs=0.02)


def test_a_pop_is_drawn_like_a_drop_to_the_poorest_cell():
    game = envs.make("connect:popout")
    state = state_of(game, [Board.after([0, 6], ["popout"])] * 6_000)
    actions = torch.tensor(act(make_scripted("connect/negamax-1"), game, state))
    shares = actions.bincount(minlength=16) / 6_000
    lines = [4, 4, 5, 7, 5, 4, 4, 0, 3] + [0] * 7  # beside the drops, the pop of column 1
    assert shares.tolist() == pytest.approx(shares_of(*lines), abs=0.02)


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


@pytest.mark.parametrize("name", ["connect:popout", "connect:five+wrap", "connect:misere"])
def test_stubborn_players_differ_and_stay_the_same_in_variants(name):
    game = envs.make(name)
    state = some_positions(game, 40)
    habits = set()
    for seed in range(0, 180, 6):
        actions = act(ConnectStubborn(seed), game, state)
        assert actions == act(ConnectStubborn(seed), game, state, seed=9)
        legal = [board.legal_actions() for board in boards_of(state, game)]
        assert all(a in allowed for a, allowed in zip(actions, legal, strict=True))
        habits.add(tuple(actions))
    assert len(habits) >= 20


@pytest.mark.parametrize(("seed", "likes_pops"), [(0, False), (12, True)])
def test_a_stubborn_player_likes_pops_or_does_not(seed, likes_pops):
    game = envs.make("connect:popout")
    state = state_of(game, [Board.after([c, (c + 1) % 7], ["popout"]) for c in range(7)])
    actions = act(ConnectStubborn(seed), game, state)
    favourite = max(range(7), key=ConnectStubborn(seed).order.tolist().__getitem__)
    assert actions[favourite] == (POP + favourite if likes_pops else favourite)


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_search_beats_one_ply_and_that_beats_chance_in_every_variant(name):
    game, generator = envs.make(name), torch.Generator().manual_seed(1)
    for better, worse in LADDER:
        players = make_scripted(better), make_scripted(worse)
        score = play_match(game, players, 200, generator).total.score
        assert score >= 0.6


@pytest.mark.parametrize(
    ("better", "worse"),  # measured over 400 games: 0.96, 0.70, 0.77
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
