"""Gymnasium environments of one suite, made alike: one shape of observation, one set of actions.

Images get the channels first and are stretched to 0..255, as `Converter` has it; other observations
become vectors; all are padded with zeros to the largest of the suite. Actions beyond an
environment's own are forbidden by `action_masks`; an algorithm that knows no masks and takes one
takes it modulo the number of real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from lifelong_agent.observations import Converter
from selfplay.forgetting.suites import Suite, Task

Seen = npt.NDArray[Any]
Shape = tuple[int, ...]


def make_env(task: Task) -> gymnasium.Env[Any, Any]:
    """The environment as its makers made it.

    Raises:
        ValueError: in one line, if it cannot be made, or has other than `Discrete` actions.
    """
    try:
        env: gymnasium.Env[Any, Any] = gymnasium.make(task.game, **dict(task.options))
    except (gymnasium.error.Error, ImportError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"cannot make the environment {task.game!r}: {reason}") from None
    if not isinstance(env.action_space, spaces.Discrete):
        raise ValueError(f"{task.game} needs Discrete actions, not {env.action_space}")
    return env


def common_spaces(tasks: Sequence[Task]) -> tuple[Shape, int]:
    """The shape that holds every task's observation, and the largest number of actions.

    Raises:
        ValueError: in one line, if images and vectors are mixed, or an image cannot be shown.
    """
    shapes, actions = [], []
    for task in tasks:
        env = make_env(task)
        shapes.append(_shape_of(env.observation_space, task.game))
        assert isinstance(env.action_space, spaces.Discrete)
        actions.append(int(env.action_space.n))
        env.close()
    if len({len(shape) for shape in shapes}) > 1:
        raise ValueError("a suite holds either images or vectors, not both")
    return tuple(max(sizes) for sizes in zip(*shapes, strict=True)), max(actions)


def _image_space(space: spaces.Space[Any]) -> spaces.Box | None:
    """The image in an observation, on its own or as `image` in a dictionary."""
    if isinstance(space, spaces.Dict):
        space = space.spaces.get("image", space)
    return space if isinstance(space, spaces.Box) and len(space.shape) == 3 else None


def _shape_of(space: spaces.Space[Any], name: str) -> Shape:
    image = _image_space(space)
    if image is None:
        return (spaces.flatdim(space),)
    try:
        return Converter(image).obs_shape
    except ValueError as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"cannot show what {name} gives: {reason}") from None


class Alike(gymnasium.Wrapper[Any, Any, Any, Any]):
    """An environment in the suite's common spaces.

    Args:
        env: with `Discrete` actions.
        shape: of the observations, (C, H, W) uint8 or (size,) float32.
        num_actions: A.
        gain: what pixels, from 0 to 255 by then, are multiplied by.
    """

    def __init__(
        self, env: gymnasium.Env[Any, Any], shape: Shape, num_actions: int, gain: float = 1.0
    ) -> None:
        super().__init__(env)
        image = _image_space(env.observation_space)
        self._convert = None if image is None else Converter(image)
        self._shape, self._gain = shape, gain
        assert isinstance(env.action_space, spaces.Discrete)
        self._own_actions, self._first = int(env.action_space.n), int(env.action_space.start)
        self.action_space = spaces.Discrete(num_actions)
        self.observation_space = (
            spaces.Box(-np.inf, np.inf, shape, np.float32)
            if image is None
            else spaces.Box(0, 255, shape, np.uint8)
        )

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """(A,) bool: the environment's own actions."""
        return np.arange(self.action_space.n) < self._own_actions  # type: ignore[attr-defined]

    def reset(self, **kwargs: Any) -> tuple[Seen, dict[str, Any]]:
        """A new episode."""
        seen, info = self.env.reset(**kwargs)
        return self._show(seen), info

    def step(self, action: Any) -> tuple[Seen, float, bool, bool, dict[str, Any]]:
        """One decision."""
        own = self._first + int(action) % self._own_actions
        seen, reward, terminated, truncated, info = self.env.step(own)
        return self._show(seen), float(reward), terminated, truncated, info

    def _show(self, seen: Any) -> Seen:
        if self._convert is None:
            flat = spaces.flatten(self.env.observation_space, seen)
            shown: Seen = np.zeros(self._shape, np.float32)
            shown[: len(flat)] = flat
            return shown
        image = np.asarray(seen["image"] if isinstance(seen, dict) else seen)
        picture = self._convert(image[None])[0].numpy()
        channels, height, width = picture.shape
        shown = np.zeros(self._shape, np.uint8)
        shown[:channels, :height, :width] = (picture * np.float32(self._gain)).clip(0, 255)
        return shown


def make_vec_env(suite: Suite, tasks: Sequence[Task], num_envs: int, seed: int) -> VecEnv:
    """`num_envs` environments, dealt out to the tasks in turn; all seeded from `seed`."""
    shape, num_actions = common_spaces(suite.columns)

    def maker(task: Task) -> Callable[[], gymnasium.Env[Any, Any]]:
        return lambda: Alike(make_env(task), shape, num_actions, task.gain)

    vec_env = DummyVecEnv([maker(tasks[i % len(tasks)]) for i in range(num_envs)])
    vec_env.seed(seed)
    return vec_env
