"""Tiny worlds whose values and best actions are known, each with one difficulty more."""

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from lifelong_agent.circuits import CircuitConfig
from lifelong_agent.perception import EyesConfig
from lifelong_agent.policy import NetworkConfig

SHAPE = (3, 16, 16)
SMALL = NetworkConfig(
    eyes=EyesConfig(
        channels=8, blocks=1, grid=4, glance=8, crop=8, looks=1, reading=32, keys=8, associations=8
    ),
    circuits=CircuitConfig(series=32, fast=32, reverberating=16, after_discharge=8),
)
DARK, GREY, BRIGHT = 40, 128, 220


def screen(brightness):
    return np.full(SHAPE, brightness, np.uint8)


class Probe(gym.Env):
    """Episodes of `length` decisions; `self.bright` is a coin tossed at the start."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012
    observation_space = spaces.Box(0, 255, SHAPE, np.uint8)
    action_space = spaces.Discrete(2)
    length = 1

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        self.bright = bool(self.np_random.integers(2))
        return self.show(), {}

    def step(self, action):
        reward = float(self.reward(int(action)))
        self.time += 1
        return self.show(), reward, *self.ending(), {}

    def show(self):
        return screen(GREY)

    def reward(self, action):
        return 1

    def ending(self):
        return self.time == self.length, False


class NeverPaid(Probe):
    """Four decisions, for nothing."""

    length = 4

    def reward(self, action):
        return 0


class AlwaysOne(Probe):
    """One decision, reward 1: the value is 1."""


class SeenReward(Probe):
    """The screen foretells the reward: the value is 1 or -1."""

    def show(self):
        return screen(BRIGHT if self.bright else DARK)

    def reward(self, action):
        return 1 if self.bright else -1


class LateReward(Probe):
    """Reward 1 after the second decision: the value is the discount, then 1."""

    length = 2

    def show(self):
        return screen(BRIGHT if self.time else DARK)

    def reward(self, action):
        return self.time


class RightAction(Probe):
    """Action 1 is right, the other wrong."""

    def reward(self, action):
        return 1 if action == 1 else -1


class SeenAction(SeenReward):
    """The screen tells which action is right."""

    def reward(self, action):
        return 1 if action == self.bright else -1


class RememberedAction(SeenAction):
    """The first screen tells which action will be right at the last, a grey one."""

    length = 2

    def show(self):
        return screen(GREY) if self.time else super().show()

    def reward(self, action):
        return super().reward(action) if self.time == self.length - 1 else 0


class LongRememberedAction(RememberedAction):
    """The same with another grey screen between."""

    length = 3


class Endless(Probe):
    """Reward 1 for ever, though the clock cuts it: the value is 1 / (1 - discount)."""

    length = 4

    def ending(self):
        return False, self.time == self.length


class Mortal(Probe):
    """The same, but it truly ends: the last value is 1."""

    length = 4
