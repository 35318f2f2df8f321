"""Where the host runs ahead of its device no tensor may be asked; all else is the same."""

import copy
import dataclasses
from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import envs
from envs import core
from lifelong_agent.policy import DualStreamNetwork, NetworkConfig
from selfplay.arena import make_arena
from selfplay.connect_players import search, seen_by
from selfplay.players import NetworkPlayer
from selfplay.rollout import random_positions
from selfplay.training import TrainConfig, Trainer
from selfplay.tron_search import look_ahead, position_of

SCRIPTED = [
    *("connect/one_ply", "connect/negamax-2", "connect/negamax-3"),
    *("tron/wall_hugger", "tron/voronoi", "tron/voronoi-2", "tron/voronoi-3"),
    *("volley/tracker", "volley/predictor"),
]
GAMES = ("connect", "tron", "volley")


@pytest.fixture
def ahead(monkeypatch):
    """From its call on the host of the CPU runs ahead, too."""
    return lambda: monkeypatch.setattr(core, "AHEAD", {"cpu"})


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def positions(name, num=40, plies=24):
    game = envs.make(name)
    return game, random_positions(game, num, plies, 0.8, seeded(3))


@pytest.mark.parametrize("variant", ["connect", "connect:popout", "connect:misere"])
def test_search_finds_the_same(variant, ahead):
    game, state = positions(variant)
    _, position = seen_by(game, state, state.seat)
    asked = search(game.rules, position, 3)
    ahead()
    assert torch.equal(search(game.rules, position, 3), asked)


@pytest.mark.parametrize("plies", [1, 2, 3])
@pytest.mark.parametrize("variant", ["tron", "tron:wrap", "tron:rocks"])
def test_territory_is_the_same(variant, plies, ahead):
    game, state = positions(variant, plies=60)
    _, _, position = position_of(game, state, torch.arange(40) % 2)
    asked = look_ahead(game, position, plies)
    ahead()
    assert torch.equal(look_ahead(game, position, plies), asked)


@pytest.mark.parametrize("name", GAMES)
def test_an_arena_shows_and_pays_the_same(name, ahead):
    """Until the first game ends: how new ones are drawn differs."""
    game, openings = positions(name, plies=4)
    one = make_arena(game, 16, None, openings, seeded())
    other = make_arena(game, 16, None, openings, seeded())
    for _ in range(3):
        seen, actions = one.observe(), one.observe().legal_actions.int().argmax(1)
        outcome = one.advance(actions)
        ahead()
        assert torch.equal(other.observe().frames, seen.frames)
        again = other.advance(actions)
        assert torch.equal(again.reward, outcome.reward)
        assert torch.equal(again.ended, outcome.ended)
        core.AHEAD.clear()
        if outcome.ended.any():
            break


@pytest.mark.parametrize("name", GAMES)
def test_new_games_begin_where_others_ended(name, ahead):
    ahead()
    game, openings = positions(name, plies=4)
    arena = make_arena(game, 32, None, openings, seeded())
    ended = torch.arange(32) % 3 == 0
    before = arena.state
    arena.paid = torch.arange(32.0) - 15
    arena._restart(ended)
    assert arena.tally.counts.tolist() == [5, 1, 5]
    assert not arena.paid[ended].any()
    for field in dataclasses.fields(before):
        old, new = getattr(before, field.name), getattr(arena.state, field.name)
        assert torch.equal(old[~ended], new[~ended]), field.name
    assert (arena.state.ticks[ended] <= 4).all()


class NoQuestions(TorchDispatchMode):
    """Fails where the host asks for a value, where a shape hangs on one, or sends numbers along."""

    ASKING = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "equal.default")

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = str(func)
        assert not any(word in name for word in self.ASKING), name
        if name.startswith("aten.lift_fresh"):
            assert args[0].numel() > 1000, "numbers; what is larger is room for frames"
        if name.startswith(("aten.index.", "aten.index_put")):
            masks = [x for x in args[1] if x is not None and x.dtype in (torch.bool, torch.uint8)]
            assert not masks, f"{name} with a mask"
        return func(*args, **(kwargs or {}))


def test_a_turn_and_its_gradients_ask_for_nothing(tmp_path, ahead):
    ahead()
    opponents = tuple((name, 0.1) for name in SCRIPTED)
    config = TrainConfig(
        games=GAMES, num_games=96, opponents=opponents, variants=0.5, variants_scripted=0.5
    )
    trainer = Trainer(config, tmp_path)
    algorithm = trainer.algorithm
    trainer.before_rollout()
    algorithm._allocate(trainer.arenas)
    with torch.no_grad():
        algorithm._take_turn()  # what is made once is made
        with NoQuestions():
            _, outcome = algorithm._take_turn_in_place()
    assert outcome.reward.shape == (trainer.arenas.num_rows,)
    with NoQuestions():
        parts = algorithm._differentiate(torch.arange(8))
    assert len(parts) == len(algorithm.loss_names)


def test_a_turn_in_place_is_a_turn(tmp_path: Path):
    """The same games go on, in the memory where they were."""
    turns = []
    for kind in ("_take_turn", "_take_turn_in_place"):
        config = TrainConfig(games=GAMES, num_games=96, snapshot_share=0.3)
        trainer = Trainer(config, tmp_path)
        algorithm = trainer.algorithm
        trainer.before_rollout()
        algorithm._allocate(trainer.arenas)
        with torch.no_grad():
            done = [copy.deepcopy(getattr(algorithm, kind)()) for _ in range(12)]
        turns.append([d.__dict__ | o.__dict__ for d, o in done])
        if kind == "_take_turn_in_place":
            arena = trainer.arenas.arenas[-1]
            place = arena.state_dict()["games"]["ticks"], arena.opponent._state
            algorithm._take_turn_in_place()
            assert arena.state.ticks is place[0]
            assert arena.opponent._state is place[1]
    for one, other in zip(*turns, strict=True):
        assert torch.equal(one["obs"].frames, other["obs"].frames)
        for name in ("action", "log_prob", "value", "reward", "ended"):
            assert torch.equal(one[name], other[name]), name


def test_a_player_turns_into_another_in_place():
    trainer_net = make_network(0)
    player = make_network_player(make_network(1))
    weight = player.network.policy_head.weight
    player.turn_into(trainer_net, "other")
    assert player.name == "other"
    assert player.network.policy_head.weight is weight
    assert torch.equal(weight, trainer_net.policy_head.weight)
    assert not player._state.any()


def make_network(seed):
    torch.manual_seed(seed)
    return DualStreamNetwork(NetworkConfig())


def make_network_player(network):
    player = NetworkPlayer(network, "one")
    player.begin(3)
    player._state += 1
    return player
