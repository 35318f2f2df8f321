"""The pool of former selves."""

import itertools

import pytest
import torch

from lifelong_agent.policy import DualStreamNetwork
from selfplay.league import League
from tests.lifelong_agent.probes import SMALL


@pytest.fixture
def network():
    """Any module will do where only the pool is looked at."""
    return torch.nn.Linear(1, 1)


def steps_of(league):
    return [int(s.name.split("-")[1]) for s in league.snapshots]


def league_with_scores(network, *scores):
    league = League()
    for i, score in enumerate(scores):
        league.add(network, i)
        league.snapshots[i].score = score
    return league


def test_a_snapshot_does_not_change_when_the_learner_trains():
    learner = DualStreamNetwork(SMALL)
    league = League()
    league.add(learner, 0)
    before = {name: x.clone() for name, x in learner.state_dict().items()}
    with torch.no_grad():
        for parameter in learner.parameters():
            parameter += 1
    frozen = league.snapshots[0].network.state_dict()
    assert all(torch.equal(frozen[name], before[name]) for name in before)
    assert not any(p.requires_grad for p in league.snapshots[0].network.parameters())
    assert all(p.requires_grad for p in learner.parameters()), "the learner goes on learning"


def test_the_most_crowded_snapshot_leaves_as_worked_by_hand(network):
    league = League(capacity=3)
    for steps, kept in (
        (0, [0]),
        (100, [0, 100]),
        (200, [0, 100, 200]),
        (300, [0, 200, 300]),  # around 100 lie 200 steps, around 200 too: the older goes
        (400, [0, 200, 400]),  # around 200 lie 300 steps, around 300 only 200
        (410, [0, 200, 410]),  # around 400 lie 210
    ):
        league.add(network, steps)
        assert steps_of(league) == kept


def test_the_pool_stays_spread_over_the_whole_run(network):
    league = League(capacity=8)
    for steps in range(0, 20_000, 100):
        league.add(network, steps)
        assert len(league.snapshots) <= 8
        assert steps_of(league)[0] == 0
        assert steps_of(league)[-1] == steps
    kept = steps_of(league)
    gaps = [b - a for a, b in itertools.pairwise(kept)]
    assert kept == sorted(set(kept))
    assert max(gaps) <= 19_900 / 7 * 2.5, "no part of the run is forgotten"


def test_the_weights_are_those_worked_by_hand(network):
    # mean 0.5: (1 - s)^2 = 0.01, 0.25, 0.81 of 1.07; the first is lifted to 0.02
    found = league_with_scores(network, 0.9, 0.5, 0.1).weights().tolist()
    assert found == pytest.approx([0.02 / 1.0106542, 0.2336449 / 1.0106542, 0.7570093 / 1.0106542])


def test_a_losing_learner_meets_those_it_can_learn_from(network):
    # mean 0.2: s (1 - s) = 0.09, 0.16, 0.21 of 0.46
    found = league_with_scores(network, 0.1, 0.2, 0.3).weights().tolist()
    assert found == pytest.approx([0.09 / 0.46, 0.16 / 0.46, 0.21 / 0.46])


@pytest.mark.parametrize("score", [0.0, 1.0])
def test_where_all_are_hopeless_or_beaten_all_are_met_alike(network, score):
    assert league_with_scores(network, score, score).weights().tolist() == [0.5, 0.5]


def test_snapshots_are_met_by_their_weights(network):
    league = league_with_scores(network, 0.9, 0.5, 0.1)
    generator = torch.Generator().manual_seed(0)
    names = [league.pick(generator).name for _ in range(1_500)]
    shares = [names.count(s.name) / 1_500 for s in league.snapshots]
    assert shares == pytest.approx(league.weights().tolist(), abs=0.04)


def test_a_score_moves_by_one_percent_a_game(network):
    league = league_with_scores(network, 0.5, 0.5)
    snapshot, other = league.snapshots
    league.record(snapshot, 1.0, 1)
    assert snapshot.score == pytest.approx(0.505)
    league.record(snapshot, 0.0, 2)
    assert snapshot.score == pytest.approx(0.505 * 0.99**2)
    assert other.score == 0.5
