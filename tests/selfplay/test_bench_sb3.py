"""The peer plays true games with the same network, and both learners are measured."""

import numpy as np
import pytest
import torch
from pettingzoo.classic import connect_four_v3

from lifelong_agent.policy import DualStreamNetwork
from lifelong_agent.ppo import PPOConfig
from selfplay.bench_sb3 import (
    PEER,
    ConnectFour,
    Trial,
    bench_sb3,
    our_learner,
    their_learner,
)
from tests.lifelong_agent.probes import SMALL

CPU = torch.device("cpu")
TINY = Trial(num_games=4, config=PPOConfig(num_steps=8, minibatches=2), network=SMALL, turns=1)


@pytest.fixture(scope="module")
def peer():
    return their_learner(CPU, 0, TINY)


def test_a_frame_shows_the_discs_of_both_and_the_columns_that_are_not_full():
    env = ConnectFour(2)
    frames = env.reset()
    assert not frames[:, :2].any()
    assert (frames[:, 2] == 255).all()
    for column in (3, 3, 3, 3, 3, 3, 0):
        frames, rewards, dones, _ = env.step(np.array([column, 1 if column else 5]))
        if column:
            assert not rewards.any()
            assert not dones.any()
    own, other, legal = frames[0]
    left, middle = slice(0, 9), slice(28, 36)
    assert other[54:, left].all(), "the last disc is the other's now"
    assert not own[:, left].any()
    assert (own[:, middle] | other[:, middle]).all(), "a full column"
    assert not (own & other).any()
    assert not legal[:, middle].any()
    assert legal[:, left].all()


def test_the_games_are_pettingzoos_own():
    env, plain = ConnectFour(1), connect_four_v3.env()
    env.reset()
    plain.reset()
    random, ended = np.random.default_rng(0), 0
    for _ in range(120):
        mask = plain.observe(plain.agent_selection)["action_mask"]
        action, mover = int(random.choice(np.flatnonzero(mask))), plain.agent_selection
        plain.step(action)
        frames, [reward], [done], _ = env.step(np.array([action]))
        assert done == plain.terminations[mover]
        assert reward == plain.rewards[mover]
        if done:
            ended += 1
            plain.reset()
        seen = plain.observe(plain.agent_selection)
        middles = frames[0][:, 5::11, 4::9][:, :6, :7]
        assert np.array_equal(middles[:2] > 0, seen["observation"].transpose(2, 0, 1) > 0)
        assert np.array_equal(middles[2, 0] > 0, seen["action_mask"] > 0)
    assert ended > 2


def test_the_peer_has_the_same_network(peer):
    ours = our_learner(CPU, 0, TINY).policy.network
    extractor = peer.policy.features_extractor
    for part in ("eyes", "circuits"):
        getattr(extractor, part).load_state_dict(getattr(ours, part).state_dict())
    heads = peer.policy.action_net, peer.policy.value_net
    assert [head.out_features for head in heads] == [7, 1]
    frames = torch.randint(0, 256, (5, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        thought = ours(frames, torch.ones(5, 16).bool(), ours.initial_state(5))
        features = extractor(frames)
    assert torch.equal(features[:, :-7], thought.features)
    assert isinstance(ours, DualStreamNetwork)


def test_the_peer_takes_no_full_column_and_learns(peer):
    before = torch.cat([p.detach().flatten() for p in peer.policy.parameters()])
    env = peer.get_env()
    played = []
    step = env.step_async
    env.step_async = lambda actions: (played.append((env._frames(), actions)), step(actions))
    peer.learn(10 * 32)
    after = torch.cat([p.detach().flatten() for p in peer.policy.parameters()])
    assert not torch.equal(before, after)
    allowed = [
        frames[i, 2, 0, 4 + 9 * action] > 0
        for frames, actions in played
        for i, action in enumerate(actions)
    ]
    assert all(allowed)
    assert not all((frames[:, 2] == 255).all() for frames, _ in played), "columns were full"


def test_both_are_measured():
    [row] = bench_sb3(CPU, 0, TINY)
    assert (row.unit, row.peer) == ("steps/s", PEER)
    assert row.value > 0
    assert row.peer_value > 0
