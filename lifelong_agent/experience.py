"""What learning is fed with: streams of decisions, and the rollout they are stored in.

A `Stream` is anything that offers N decisions at a time: batched games whose tensors never leave
the device (`selfplay`), or any Stable-Baselines3 `VecEnv` through `VecEnvStream`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from lifelong_agent.observations import Converter


@dataclass(frozen=True)
class Observation:
    """N decisions that are due.

    Attributes:
        frames: (N, C, H, W) uint8, or (N, size) float32 where observations are vectors.
        legal_actions: (N, A) bool.
        seat: (N,) int64, which of the row's two recurrent states decides.
    """

    frames: Tensor
    legal_actions: Tensor
    seat: Tensor


@dataclass(frozen=True)
class Outcome:
    """What N actions brought.

    Attributes:
        reward: (N,) float32, to the seat that acted, until the row's next decision.
        ended: (N,) bool; the row's next decision is in a new episode.
        sign: (N,) float32, -1 where the next decision is the opponent's, else 1.
        truncated: the rows that the clock ended, with their last observation, or None.
        cut: (N,) bool, the rows that the clock ended, where nobody looked at them any more; or
            None.
    """

    reward: Tensor
    ended: Tensor
    sign: Tensor
    truncated: tuple[Tensor, Observation] | None = None
    cut: Tensor | None = None


@dataclass(frozen=True)
class Decision:
    """N decisions that were taken.

    Attributes:
        obs: what was seen.
        glances: what the eyes pooled it to.
        action: (N,) int64.
        log_prob: (N,) float32 of the action.
        value: (N,) float32, what was expected.
    """

    obs: Observation
    glances: Tensor
    action: Tensor
    log_prob: Tensor
    value: Tensor


@runtime_checkable
class Stream(Protocol):
    """A source of decisions with N rows.

    Attributes:
        num_rows: N.
        obs_shape: of one observation.
        num_actions: A.
        groups: (N,) int64, equal for rows whose advantages are of one scale.
    """

    num_rows: int
    obs_shape: tuple[int, ...]
    num_actions: int
    groups: Tensor

    def observe(self) -> Observation:
        """The decisions that are due; asking twice changes nothing."""

    def advance(self, actions: Tensor) -> Outcome:
        """Take (N,) int64 actions."""


@runtime_checkable
class Recordable(Stream, Protocol):
    """A stream that asks no tensor for its value, and whose state is nothing but tensors.

    Attributes:
        generators: its chance.
    """

    generators: list[torch.Generator]

    def state_dict(self) -> dict[str, Any]:
        """All tensors that change, as a tree."""

    def load_state_dict(self, tensors: dict[str, Any]) -> None:
        """Take up a tree, not a copy."""


class Rollout:
    """T decisions in N rows, allocated once and overwritten; all (T, N, ...).

    Args:
        num_steps: T.
        first: an observation, for shapes and device.
        glances: what the eyes pool it to.
    """

    def __init__(self, num_steps: int, first: Observation, glances: Tensor) -> None:
        def room(like: Tensor) -> Tensor:
            return torch.zeros(num_steps, *like.shape, dtype=like.dtype, device=like.device)

        real = torch.zeros(len(first.seat), device=first.seat.device)
        self.frames, self.glances = room(first.frames), room(glances)
        self.legal_actions, self.seat = room(first.legal_actions), room(first.seat)
        self.actions, self.ended = room(first.seat), room(real.bool())
        self.log_prob, self.value = room(real), room(real)
        self.reward, self.sign = room(real), room(real)
        self.advantage, self.returns = room(real), room(real)

    def write_decision(self, t: int, made: Decision) -> None:
        """Store what was seen and done at step t."""
        self.frames[t], self.glances[t] = made.obs.frames, made.glances
        self.legal_actions[t], self.seat[t] = made.obs.legal_actions, made.obs.seat
        self.actions[t], self.log_prob[t], self.value[t] = made.action, made.log_prob, made.value

    def write_outcome(self, t: int, outcome: Outcome) -> None:
        """Store what it brought."""
        self.reward[t], self.ended[t], self.sign[t] = outcome.reward, outcome.ended, outcome.sign


def of_rows(kept: Tensor, rows: Tensor, steps: slice = slice(None)) -> Tensor:
    """What (M,) rows of a rollout saw in S of its steps: (T, N, ...) to (S, M, ...)."""
    return picked(kept, torch.arange(len(kept), device=rows.device)[steps, None], rows)


def picked(kept: Tensor, steps: Tensor, rows: Tensor) -> Tensor:
    """`kept[steps, rows]` of (T, N, ...), by int64 tensors that are broadcast together.

    Indexing moves byte by byte; this moves whole frames, eight times as fast.
    """
    places = steps * kept.shape[1] + rows
    found = kept.flatten(0, 1).index_select(0, places.flatten())
    return found.view(*places.shape, *kept.shape[2:])


class VecEnvStream:
    """Any Stable-Baselines3 `VecEnv` as a stream; episodes are one-seated.

    Where the environments have a method `action_masks` (sb3-contrib's convention), no action is
    taken that it forbids.

    Args:
        env: a vectorised environment with images or vectors and `Discrete` actions.
        device: where tensors go.

    Raises:
        ValueError: for observations that are neither, or that hold NaN.
    """

    def __init__(self, env: VecEnv, device: torch.device) -> None:
        assert isinstance(env.action_space, spaces.Discrete)
        self._convert = Converter(env.observation_space)
        self.env, self.device = env, device
        self.num_rows, self.num_actions = env.num_envs, int(env.action_space.n)
        self.obs_shape = self._convert.obs_shape
        self.infos: list[dict[str, Any]] = []
        self.rewards = np.zeros(self.num_rows, np.float32)  # of the last step, as they were given
        self._seat = torch.zeros(self.num_rows, dtype=torch.int64, device=device)
        self.groups = torch.zeros_like(self._seat)
        self._sign = torch.ones(self.num_rows, device=device)
        self._is_masked = env.has_attr("action_masks")
        self._all = torch.ones(self.num_rows, self.num_actions, dtype=torch.bool, device=device)
        self._obs = self._observation(env.reset(), self._legal_actions())

    def _legal_actions(self) -> Tensor:
        if not self._is_masked:
            return self._all
        masks = np.stack(self.env.env_method("action_masks"))
        return torch.as_tensor(masks, dtype=torch.bool, device=self.device)

    def _observation(self, frames: Any, legal_actions: Tensor) -> Observation:
        seen = self._convert(frames, self.device)
        return Observation(seen, legal_actions, self._seat[: len(frames)])

    def observe(self) -> Observation:
        """The observations of the last step."""
        return self._obs

    def advance(self, actions: Tensor) -> Outcome:
        """Step the environments."""
        frames, self.rewards, dones, self.infos = self.env.step(actions.cpu().numpy())
        self._obs = self._observation(frames, self._legal_actions())
        cut = [i for i, info in enumerate(self.infos) if info.get("TimeLimit.truncated")]
        truncated = None
        if cut:
            last = np.stack([self.infos[i]["terminal_observation"] for i in cut])
            seen = self._observation(last, self._all[: len(cut)])
            truncated = (torch.tensor(cut, device=self.device), seen)
        return Outcome(
            torch.tensor(self.rewards, dtype=torch.float32, device=self.device),
            torch.as_tensor(dones, device=self.device),
            self._sign,
            truncated,
        )
