"""The policy's face for Stable-Baselines3: values and distributions."""

import numpy as np
import pytest
import torch
from gymnasium import spaces

from lifelong_agent.circuits import Episode
from lifelong_agent.policy import DualStreamPolicy, Stretch
from tests.lifelong_agent.probes import BRIGHT, DARK, GREY, SHAPE, SMALL, screen

SCREENS = np.stack([screen(b) for b in (DARK, GREY, BRIGHT)])


@pytest.fixture
def policy():
    torch.manual_seed(0)
    space = spaces.Box(0, 255, SHAPE, np.uint8)
    policy = DualStreamPolicy(space, spaces.Discrete(4), lambda _: 1e-3, SMALL)
    torch.nn.init.normal_(policy.network.policy_head.weight)
    return policy


def test_values_and_distributions_are_those_that_it_acts_by(policy):
    obs, is_many = policy.obs_to_tensor(SCREENS)
    assert is_many
    legal, state = torch.ones(3, 4, dtype=torch.bool), policy.network.initial_state(3)
    with torch.no_grad():
        thought = policy.network(obs, legal, state)
    values = policy.predict_values(obs)
    assert values.shape == (3, 1)
    assert torch.equal(values[:, 0], thought.value)
    distribution = policy.get_distribution(obs)
    torch.testing.assert_close(distribution.distribution.logits, thought.log_probs)
    assert (policy.predict(SCREENS, deterministic=True)[0] == distribution.mode().numpy()).all()
    entropy = -(thought.log_probs.exp() * thought.log_probs).sum(1)
    torch.testing.assert_close(distribution.entropy(), entropy)


def test_a_mask_takes_actions_out_of_the_distribution(policy):
    obs, _ = policy.obs_to_tensor(SCREENS)
    free = policy.get_distribution(obs).distribution.probs
    probs = policy.get_distribution(obs, [[True, False, True, False]] * 3).distribution.probs
    assert not probs[:, [1, 3]].any()
    expected = free[:, [0, 2]] / free[:, [0, 2]].sum(1, keepdim=True)
    torch.testing.assert_close(probs[:, [0, 2]], expected)


def test_actions_are_drawn_as_often_as_they_are_likely(policy):
    obs, _ = policy.obs_to_tensor(SCREENS[:1])
    probs = policy.get_distribution(obs).distribution.probs[0].numpy()
    policy.generator.manual_seed(0)
    actions, _ = policy.predict(np.repeat(SCREENS[:1], 4000, 0))
    assert np.bincount(actions, minlength=4) / 4000 == pytest.approx(probs, abs=0.03)


def test_channels_may_come_last_when_acting(policy):
    first, _ = policy.predict(SCREENS, deterministic=True)
    last, _ = policy.predict(SCREENS.transpose(0, 2, 3, 1), deterministic=True)
    assert np.array_equal(first, last)


def test_a_screen_of_another_shape_is_refused(policy):
    with pytest.raises(ValueError, match="shape"):
        policy.predict(np.zeros((3, 8, 8), np.uint8))


def stretch_of(network, length, num_rows):
    """Random screens, seats and endings."""
    frames = torch.randint(256, (length, num_rows, *SHAPE), dtype=torch.uint8)
    glances = network.eyes.glance(frames.flatten(0, 1)).unflatten(0, (length, num_rows))
    legal = torch.rand(length, num_rows, 4) < 0.7
    legal[..., 0] = True
    states = torch.randn(num_rows, 2, network.state_size)
    seat, ended = torch.randint(2, (length, num_rows)), torch.rand(length, num_rows) < 0.2
    return Stretch(frames, glances, legal, states, Episode(seat, ended))


@pytest.mark.parametrize("shapes", [[(5, 3)], [(5, 3), (2, 4)], [(2, 4), (5, 3), (3, 1)]])
def test_stretches_are_run_through_together_as_one_by_one(policy, shapes):
    network = policy.network
    stretches = [stretch_of(network, *shape) for shape in shapes]

    def results(unroll):
        network.zero_grad()
        found = unroll()
        sum(
            log_probs[..., 0].sum() + values.square().sum() for log_probs, values in found
        ).backward()
        return found, [part.grad.clone() for part in network.parameters() if part.grad is not None]

    together = results(lambda: network.unroll_all(stretches))
    apart = results(lambda: [network.unroll(*stretch) for stretch in stretches])
    torch.testing.assert_close(together, apart, atol=1e-4, rtol=1e-4)
