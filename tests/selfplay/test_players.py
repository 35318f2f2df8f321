"""Scripted players against the plain board, and networks in a seat."""

import itertools

import pytest
import torch

import envs
from envs import legal_of, take
from envs.opponents import choose
from lifelong_agent.policy import DualStreamNetwork, NetworkConfig
from selfplay.match import play_ticks
from selfplay.players import Clumsy, Crowd, NetworkPlayer, Stubborn, make_player
from selfplay.rollout import random_positions
from selfplay.seats import Random
from tests.lifelong_agent.probes import SMALL
from tests.oracles.boards import board_of, state_of
from tests.oracles.connect import Board
from tests.selfplay.seated import act, repeated, seats_of


@pytest.fixture(scope="module")
def game():
    return envs.make("connect")


@pytest.fixture(scope="module")
def positions(game):
    """A few hundred unfinished positions of all depths."""
    return random_positions(game, 300, 36, 1.0, torch.Generator().manual_seed(2))


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def boards_of(state):
    return [board_of(state, i) for i in range(state.num_games)]


# Characters.


def test_random_plays_every_legal_column_equally_often(game):
    state = repeated(game, [3] * 6, 3_000)
    columns = torch.tensor(act(Random(), game, state))
    counts = columns.bincount(minlength=7).tolist()
    assert counts[3] == 0
    assert all(400 < count < 600 for i, count in enumerate(counts) if i != 3)


# Names.


@pytest.mark.parametrize(
    "name",
    ["random", "connect/one_ply", "connect/negamax-4", "tron/wall_hugger", "tron/voronoi",
     "tron/voronoi-2", "tron/voronoi-4", "volley/tracker", "volley/predictor", "stubborn:0",
     "stubborn:123456789", "clumsy-5:connect/one_ply", "clumsy-99:stubborn:3"],
)  # fmt: skip
def test_a_player_is_called_what_it_was_asked_for_as(name):
    assert make_player(name).name == name


@pytest.mark.parametrize(
    "name",
    ["", "Random", "connect", "connect/negamax-0", "connect/negamax-10", "connect/negamax-",
     "tron", "tron/voronoi-1", "tron/voronoi-", "tron/tracker", "volley/tracker-2",
     "stubborn", "stubborn:", "stubborn:-1", "stubborn:x", "chess/fish", "clumsy-0:stubborn:1",
     "clumsy-100:stubborn:1", "clumsy-5:random", "clumsy-5:clumsy-5:stubborn:1",
     "clumsy-5:chess/fish"],
)  # fmt: skip
def test_an_unknown_player_raises_and_the_known_ones_are_named(name):
    with pytest.raises(ValueError, match=r"unknown player .*known are random, connect/one_ply"):
        make_player(name)


@pytest.mark.parametrize(
    ("name", "variant", "says"),
    [
        ("connect/one_ply", "tron:wrap", "knows connect, not tron:wrap"),
        ("connect/negamax-2", "volley", "knows connect, not volley"),
        ("tron/wall_hugger", "connect", "knows tron, not connect"),
        ("tron/voronoi-2", "volley", "knows tron, not volley"),
        ("volley/predictor", "tron", "knows volley, not tron"),
    ],
)
def test_a_player_refuses_a_game_it_does_not_know(name, variant, says, generator):
    game = envs.make(variant)
    with pytest.raises(ValueError, match=f"^this player {says}$"):
        make_player(name).act(game, game.init(2, generator), torch.tensor([0, 1]), generator)


# Stubborn in any game.


@pytest.mark.parametrize("variant", ["connect", "tron:wrap", "volley:moon"])
def test_a_stubborn_player_plays_the_same_game_again_whatever_chance_it_is_offered(variant):
    game = envs.make(variant, validate=True)
    games = []
    for chance in (1, 2):
        ticks = play_ticks(
            game, game.init(2, seeded(5)), (Stubborn(8), Stubborn(13)), 0, seeded(chance), seeded(0)
        )
        games.append([game.frame(s, torch.tensor([0, 1])) for s, _ in itertools.islice(ticks, 30)])
    assert all(torch.equal(*pair) for pair in zip(*games, strict=True))


def test_a_stubborn_player_refuses_an_unknown_game(game):
    class Chess(type(game)):
        name = "chess"

    chess = Chess()
    with pytest.raises(ValueError, match="knows connect, tron, volley, not chess"):
        Stubborn(3).act(chess, chess.init(1, seeded(0)), torch.tensor([0]), seeded(0))


# Clumsy.


def test_a_clumsy_player_slips_as_often_as_it_says(game):
    """One way to win at once: one_ply takes it, a slip does in one of seven."""
    state = repeated(game, [3, 0, 3, 0, 3, 0], 4_000)
    actions = torch.tensor(act(make_player("clumsy-35:connect/one_ply"), game, state))
    assert (actions != 3).float().mean() == pytest.approx(0.35 * 6 / 7, abs=0.03)


def test_a_clumsy_player_slips_legally(game):
    state = repeated(game, [3] * 6, 2_000)
    actions = torch.tensor(act(make_player("clumsy-99:connect/one_ply"), game, state))
    assert 3 not in actions


def test_a_clumsy_player_hands_new_games_on():
    class Forgetful(Random):
        heard = None

        def reset(self, mask):
            self.heard = mask

    player, mask = Forgetful(), torch.tensor([True, False])
    Clumsy(player, 20).reset(mask)
    assert player.heard is mask


def test_an_agent_in_a_missing_directory_is_named(tmp_path):
    with pytest.raises(ValueError, match=str(tmp_path / "nowhere")):
        make_player(f"agent:{tmp_path / 'nowhere'}")


# Choosing.


def test_choices_follow_the_weights(generator):
    weights = torch.tensor([[0.0, 3.0, 1.0]]).expand(8_000, 3)
    counts = choose(weights, generator).bincount(minlength=3) / 8_000
    assert counts.tolist() == pytest.approx([0, 0.75, 0.25], abs=0.02)


def test_a_row_without_weights_chooses_0(generator):
    weights = torch.zeros(40, 4)
    weights[::2, 2] = 0.5
    assert choose(weights, generator).tolist() == [2, 0] * 20


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


@pytest.mark.parametrize("name", ["connect", "tron", "volley"])
def test_in_a_crowd_each_plays_its_own_game(name):
    """As by itself, and nobody is asked where the other seat is to move or the game is over."""
    game = envs.make(name)
    state = random_positions(game, 12, 20, 1.0, seeded(1))
    seeds, seat = range(5, 17), torch.arange(12) % 2
    chosen = Crowd(seeds).act(game, state, seat, seeded(0))
    moving = state.to_move.gather(1, seat[:, None])[:, 0] & ~state.ended
    assert moving.any()
    for row in moving.nonzero()[:, 0].tolist():
        alone = Stubborn(seeds[row]).act(
            game, take(state, torch.tensor([row])), seat[[row]], seeded(0)
        )
        assert chosen[row] == alone[0]
