import math

import pytest
import torch

import envs
from lifelong_agent import DualStreamNetwork, NetworkConfig
from lifelong_agent.perception import Percept
from lifelong_agent.policy import Thought
from selfplay.connect_players import seen_by
from selfplay.drills import Drill, DrillConfig, drill_loss, keeping_moves
from tests.lifelong_agent.probes import SMALL


def position(*columns: int) -> tuple:
    game = envs.make("connect")
    generator = torch.Generator()
    state = game.init(1, generator)
    for column in columns:
        state = game.step(state, torch.full((1, 2), column), generator)
    return seen_by(game, state, state.seat)


def test_a_win_at_hand_is_the_only_move_that_keeps_it() -> None:
    game, seen = position(0, 6, 0, 6, 0, 5)
    keep, matters = keeping_moves(game, seen, 1)
    assert matters.tolist() == [True]
    assert keep[0].nonzero().flatten().tolist() == [0]


def test_a_threat_must_be_blocked() -> None:
    game, seen = position(0, 6, 0, 6, 0)
    keep, matters = keeping_moves(game, seen, 2)
    assert matters.tolist() == [True]
    assert keep[0].nonzero().flatten().tolist() == [0]


def test_a_quiet_position_does_not_matter() -> None:
    game, seen = position(3)
    keep, matters = keeping_moves(game, seen, 3)
    assert matters.tolist() == [False]
    assert keep[0].nonzero().flatten().tolist() == list(range(7))


def thought(probabilities: list[float], value: float) -> Thought:
    log_probs = torch.tensor([probabilities]).log()
    nothing = torch.zeros(1, 0)
    percept = Percept(nothing, nothing, nothing)
    return Thought(log_probs, torch.tensor([value]), nothing, nothing, percept)


def test_the_loss_is_the_keeping_probability_where_it_matters_and_the_anchor_elsewhere() -> None:
    now, before = thought([0.2, 0.3, 0.5], 0.4), thought([0.5, 0.25, 0.25], 0.1)
    keep = torch.tensor([[True, True, False]])
    value = 0.5 * 0.3**2
    loss = drill_loss(now, before, keep, torch.tensor([True]), anchor=2.0)
    assert math.isclose(float(loss), -math.log(0.5) + value, rel_tol=1e-5)
    loss = drill_loss(now, before, keep, torch.tensor([False]), anchor=2.0)
    divergence = 0.5 * math.log(2.5) + 0.25 * math.log(0.25 / 0.3) + 0.25 * math.log(0.5)
    assert math.isclose(float(loss), 2 * divergence + value, rel_tol=1e-5)


@pytest.mark.slow
def test_a_drill_teaches_and_leaves_the_copy_it_is_held_to_alone() -> None:
    torch.manual_seed(0)
    network = DualStreamNetwork(NetworkConfig())
    drill = Drill(network, DrillConfig(plies=1, num_games=32, learning_rate=1e-3))
    frozen = [p.clone() for p in drill.before.parameters()]
    losses = [drill.step() for _ in range(30)]
    assert sum(losses[-5:]) < sum(losses[:5])
    assert all(torch.equal(a, b) for a, b in zip(frozen, drill.before.parameters(), strict=True))


def test_other_games_are_played_along_and_only_held_to_what_they_were() -> None:
    network = DualStreamNetwork(SMALL)
    drill = Drill(network, DrillConfig(1, num_games=32, kept=("connect", "tron", "volley:moon")))
    games = [(arena.game.variant, arena.num_rows) for arena in drill.arenas.arenas]
    assert games == [("connect", 8)] * 4 + [("tron", 16), ("volley:moon", 16)]
    keep, matters = drill._judge()
    assert keep.shape == (64, 16)
    assert not matters[32:].any()
    assert math.isfinite(drill.step())
