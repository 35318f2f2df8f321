import math

import pytest
import torch

from lifelong_agent import DualStreamNetwork, NetworkConfig
from lifelong_agent.perception import Percept
from lifelong_agent.policy import Thought
from selfplay.drills import Drill, DrillConfig, drill_loss
from tests.lifelong_agent.probes import SMALL


def thought(probabilities: list[float], value: float) -> Thought:
    log_probs = torch.tensor([probabilities]).log()
    nothing = torch.zeros(1, 0)
    percept = Percept(nothing, nothing, nothing)
    return Thought(log_probs, torch.tensor([value]), nothing, nothing, percept)


def test_the_loss_is_the_keeping_probability_where_it_matters_and_the_anchor_elsewhere() -> None:
    now, before = thought([0.2, 0.3, 0.5], 0.4), thought([0.5, 0.25, 0.25], 0.1)
    keep = torch.tensor([[True, True, False]])
    value = 0.5 * 0.3**2
    first, none = torch.tensor([0]), torch.tensor([], dtype=torch.int64)
    loss = drill_loss(now, before, keep, torch.tensor([True]), first, 1.0)
    assert math.isclose(float(loss), -math.log(0.5) + value, rel_tol=1e-5)
    loss = drill_loss(now, before, keep, torch.tensor([False]), first, 2.0)
    divergence = 0.5 * math.log(2.5) + 0.25 * math.log(0.25 / 0.3) + 0.25 * math.log(0.5)
    assert math.isclose(float(loss), 2 * (divergence + value), rel_tol=1e-5)
    nobody = Thought(
        *[x[:0] for x in (before.log_probs, before.value, before.state, before.features)],
        before.percept,
    )
    loss = drill_loss(now, nobody, keep, torch.tensor([False]), none, 1.0)
    assert float(loss) == 0, "what is new is held to nothing"


@pytest.mark.slow
def test_a_drill_teaches_and_leaves_the_copy_it_is_held_to_alone() -> None:
    torch.manual_seed(0)
    network = DualStreamNetwork(NetworkConfig())
    drill = Drill(network, DrillConfig(plies=1, num_games=32, learning_rate=1e-3))
    frozen = [p.clone() for p in drill.before.parameters()]
    losses = [drill.step() for _ in range(30)]
    assert sum(losses[-5:]) < sum(losses[:5])
    assert all(torch.equal(a, b) for a, b in zip(frozen, drill.before.parameters(), strict=True))


def test_games_are_practised_kept_or_new() -> None:
    config = DrillConfig(
        1, 64, games=("connect", "tron"), known=("connect", "volley", "volley:moon")
    )
    drill = Drill(DualStreamNetwork(SMALL), config)
    rooms = [(arena.game.variant, arena.num_rows) for arena in drill.arenas.arenas]
    assert rooms == [("connect", 8)] * 4 + [("tron", 8)] * 4 + [("volley", 16), ("volley:moon", 2)]
    assert drill.held.tolist() == [*range(32), *range(64, 82)], "tron is new"
    assert drill.taught.tolist() == [True] * 64 + [False] * 18, "volley is only kept"
    assert math.isfinite(drill.step())


def test_what_it_plays_into_is_kept_for_sleep_to_rehearse() -> None:
    network = DualStreamNetwork(SMALL)
    drill = Drill(network, DrillConfig(1, 64, games=("connect", "tron")))
    weights = [p.clone() for p in drill.average.parameters()]
    readings, states, legal_actions = drill.situations(100)
    assert readings.shape == (100, SMALL.eyes.reading)
    assert states.shape == (100, network.state_size)
    assert not states[:64].any()
    assert states[64:].any(), "games have gone on"
    assert legal_actions.any(1).all()
    assert all(torch.equal(a, b) for a, b in zip(weights, drill.average.parameters(), strict=True))


@pytest.mark.gpu
def test_a_network_on_cuda_practises_there() -> None:
    config = DrillConfig(1, 96, games=("connect", "tron", "volley"), known=("connect",))
    drill = Drill(DualStreamNetwork(SMALL).cuda(), config)
    assert math.isfinite(drill.step())
    assert drill.states.is_cuda
    assert drill.arenas.arenas[0].game.device.type == "cuda"


def test_practice_is_saved_in_the_end() -> None:
    drill = Drill(DualStreamNetwork(SMALL), DrillConfig(1, 32))
    saved: list[int] = []
    positions = drill.run(0.2, save=saved.append)
    assert saved == [positions]
    assert positions > 0
