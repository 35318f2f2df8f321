"""Small learners for the tests, and what they think."""

import dataclasses

import gymnasium as gym
import torch
from stable_baselines3.common.env_util import make_vec_env

from lifelong_agent.ppo import LifelongPPO, PPOConfig
from tests.lifelong_agent.probes import SMALL, screen

NUM_ENVS = 32
KNOBS = PPOConfig(num_steps=8, epochs=4, minibatches=2, discount=0.5, entropy_weight=0.0)
ROLLOUT = NUM_ENVS * KNOBS.num_steps


def new_algorithm(env, seed=0, precision="float32", **knobs):
    if isinstance(env, type) and issubclass(env, gym.Env):
        env = make_vec_env(env, NUM_ENVS, seed=seed)
    network = dataclasses.replace(SMALL, eyes=dataclasses.replace(SMALL.eyes, precision=precision))
    return LifelongPPO(
        "DualStreamPolicy",
        env,
        learning_rate=lambda remaining: 3e-3 * remaining,
        config=dataclasses.replace(KNOBS, **knobs),
        seed=seed,
        policy_kwargs={"network": network},
    )


def learned(env, num_rollouts, **changes):
    return new_algorithm(env, **changes).learn(num_rollouts * ROLLOUT)


@torch.no_grad()
def thoughts(algorithm, *brightness):
    """(value, probability of action 1) along an episode that shows these screens."""
    network, found = algorithm.policy.network, []
    state = network.initial_state(1)
    for b in brightness:
        legal = torch.ones(1, network.config.num_actions, dtype=torch.bool)
        thought = network(torch.from_numpy(screen(b))[None], legal, state)
        state = thought.state
        found.append((thought.value.item(), thought.log_probs.exp()[0, 1].item()))
    return found


def values(algorithm, *brightness):
    return [value for value, _ in thoughts(algorithm, *brightness)]


def parameters(algorithm):
    return torch.cat([p.detach().flatten() for p in algorithm.policy.parameters()])


def momenta(algorithm):
    optimizer = algorithm.policy.optimizer
    return torch.cat(
        [optimizer.state[p]["exp_avg"].flatten() for p in algorithm.policy.parameters()]
    )
