"""Scripted players against the plain board, and networks in a seat."""

import pytest
import torch

import envs
from lifelong_agent.policy import DualStreamNetwork, NetworkConfig
from selfplay.players import NetworkPlayer, make_player
from selfplay.rollout import random_positions
from selfplay.seats import Random, choose, legal_of
from tests.lifelong_agent.probes import SMALL
from tests.oracles.boards import board_of, state_of
from tests.oracles.connect import Board


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


# Characters.


def test_random_plays_every_legal_column_equally_often(game):
    state = repeated(game, [3] * 6, 3_000)
    columns = torch.tensor(act(Random(), game, state))
    counts = columns.bincount(minlength=7).tolist()
    assert counts[3] == 0
    assert all(400 < count < 600 for i, count in enumerate(counts) if i != 3)


# Names.


@pytest.mark.parametrize(
    "name", ["random", "connect/one_ply", "connect/negamax-4", "stubborn:0", "stubborn:123456789"]
)
def test_a_player_is_called_what_it_was_asked_for_as(name):
    assert make_player(name).name == name


@pytest.mark.parametrize(
    "name",
    ["", "Random", "connect", "connect/negamax-0", "connect/negamax-10", "connect/negamax-",
     "stubborn", "stubborn:", "stubborn:-1", "stubborn:x", "chess/fish"],
)  # fmt: skip
def test_an_unknown_player_raises_and_the_known_ones_are_named(name):
    with pytest.raises(ValueError, match=r"unknown player .*known are random, connect/one_ply"):
        make_player(name)


def test_an_agent_in_a_missing_directory_is_named(tmp_path):
    with pytest.raises(ValueError, match=str(tmp_path / "nowhere")):
        make_player(f"agent:{tmp_path / 'nowhere'}")


# Choosing.


def test_choices_follow_the_weights(generator):
    weights = torch.tensor([[0.0, 3.0, 1.0]]).expand(8_000, 3)
    counts = choose(weights, generator).bincount(minlength=3) / 8_000
    assert counts.tolist() == pytest.approx([0, 0.75, 0.25], abs=0.02)


def test_a_row_without_weights_chooses_some_index_without_an_error(generator):
    chosen = choose(torch.zeros(5, 4), generator)
    assert ((chosen >= 0) & (chosen < 4)).all()


def test_what_a_seat_may_do_is_read_from_its_own_row(game):
    state = repeated(game, [3] * 6, 2)
    legal = legal_of(state, torch.tensor([0, 1]))
    assert legal[0, :7].tolist() == [True, True, True, False, True, True, True]
    assert not legal[1].any()


# Networks in a seat.


@pytest.fixture
def network():
    torch.manual_seed(0)
    config = NetworkConfig(eyes=SMALL.eyes, circuits=SMALL.circuits)  # for the frames of games
    return DualStreamNetwork(config).eval()


def test_a_network_plays_what_it_thinks_of_its_own_view(game, positions, network):
    state = envs.take(positions, torch.arange(50))
    seats = seats_of(state)
    with torch.no_grad():
        thought = network(
            game.frame(state, seats), legal_of(state, seats), network.initial_state(50)
        )
    columns = act(NetworkPlayer(network, "greedy", greedy=True), game, state)
    assert columns == thought.log_probs.argmax(1).tolist()
    drawn = act(NetworkPlayer(network, "drawing"), game, state)
    for board, column in zip(boards_of(state), drawn, strict=True):
        assert column in board.legal_columns()
    assert drawn != columns


def test_a_network_remembers_only_its_own_decisions_of_the_game(game, network):
    player = NetworkPlayer(network, "network")
    generator = torch.Generator().manual_seed(0)
    state = state_of(game, [Board(), Board.after([3])])
    seat = torch.tensor([0, 0])  # to move in the first game only
    player.act(game, state, seat, generator)
    carried = player.state_dict()["state"]
    assert carried[0].any()
    assert not carried[1].any(), "it was not asked"
    player.act(game, state_of(game, [Board()] * 2), seat, generator)
    assert player.state_dict()["state"][1].any()
    player.reset(torch.tensor([True, False]))
    assert not player.state_dict()["state"][0].any(), "a new game begins"
    assert player.state_dict()["state"][1].any()


def test_a_network_player_goes_on_from_a_saved_state(game, network, positions):
    state = envs.take(positions, torch.arange(20))
    first = NetworkPlayer(network, "first")
    act(first, game, state)
    second = NetworkPlayer(network, "second")
    second.load_state_dict(first.state_dict())
    assert act(first, game, state, seed=3) == act(second, game, state, seed=3)
    assert torch.equal(first.state_dict()["state"], second.state_dict()["state"])
