"""The actor-critic: eyes, circuits and two heads; and its face for Stable-Baselines3."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import Schedule
from torch import Tensor, nn

from lifelong_agent.circuits import CircuitConfig, Circuits, Episode
from lifelong_agent.losses import mask_logits
from lifelong_agent.perception import EyesConfig, Percept, make_eyes


@dataclass(frozen=True)
class NetworkConfig:
    """What a network is built from; stored beside its weights."""

    obs_shape: tuple[int, ...] = (3, 64, 64)
    num_actions: int = 16
    eyes: EyesConfig = field(default_factory=EyesConfig)
    circuits: CircuitConfig = field(default_factory=CircuitConfig)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @staticmethod
    def from_json(values: dict[str, Any]) -> NetworkConfig:
        """Read what `to_json` gave.

        Raises:
            ValueError: for a missing or unknown key, or sizes that do not fit.
        """
        try:
            return NetworkConfig(
                obs_shape=tuple(values["obs_shape"]),
                num_actions=int(values["num_actions"]),
                eyes=EyesConfig(**values["eyes"]),
                circuits=CircuitConfig(**values["circuits"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a network description: {error}") from None


@dataclass(frozen=True)
class Thought:
    """What the network makes of N observations.

    Attributes:
        log_probs: (N, A) float32 under the legal mask.
        value: (N,) float32, expected return of the seat that decides.
        state: (N, S) float32, the next recurrent state.
        features: (N, O) float32, what the heads read.
        percept: what the eyes saw.
    """

    log_probs: Tensor
    value: Tensor
    state: Tensor
    features: Tensor
    percept: Percept


class DualStreamNetwork(nn.Module):
    """Frames to policy and value, one head for all games, without a task label."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.eyes = make_eyes(config.obs_shape, config.eyes)
        self.circuits = Circuits(config.eyes.reading, config.circuits)
        self.policy_head = nn.Linear(self.circuits.output_size, config.num_actions)
        self.value_head = nn.Linear(self.circuits.output_size, 1)
        nn.init.orthogonal_(self.policy_head.weight, 0.01)
        nn.init.zeros_(self.policy_head.bias)

    @property
    def state_size(self) -> int:
        """S, the width of the recurrent state of one seat."""
        return self.circuits.state_size

    def initial_state(self, num_rows: int) -> Tensor:
        """(N, S) zeros on the network's device."""
        return torch.zeros(num_rows, self.state_size, device=self.policy_head.weight.device)

    def forward(
        self,
        frames: Tensor,
        legal_actions: Tensor,
        state: Tensor,
        glances: Tensor | None = None,
    ) -> Thought:
        """One decision.

        Args:
            frames: (N, C, H, W) uint8.
            legal_actions: (N, A) bool.
            state: (N, S) float32.
            glances: what `eyes.glance` made of the frames, if at hand.
        """
        percept = self.eyes(frames, glances)
        features, state = self.circuits(percept.reading, state)
        log_probs, value = self._heads(features, legal_actions)
        return Thought(log_probs, value, state, features, percept)

    def unroll(
        self,
        frames: Tensor,
        glances: Tensor,
        legal_actions: Tensor,
        states: Tensor,
        episode: Episode,
    ) -> tuple[Tensor, Tensor]:
        """A rollout of T decisions in N rows, learning through time.

        Args:
            frames: (T, N, C, H, W) uint8.
            glances: (T, N, C, g, g) uint8.
            legal_actions: (T, N, A) bool.
            states: (N, 2, S) float32, both seats' states at the start.
            episode: seats and endings.

        Returns:
            (T, N, A) log-probabilities and (T, N) values.
        """
        percept = self.eyes(frames.flatten(0, 1), glances.flatten(0, 1))
        readings = percept.reading.view(*frames.shape[:2], -1)
        features = self.circuits.unroll(readings, states, episode)
        return self._heads(features, legal_actions)

    def _heads(self, features: Tensor, legal_actions: Tensor) -> tuple[Tensor, Tensor]:
        log_probs = mask_logits(self.policy_head(features), legal_actions)
        return log_probs, self.value_head(features).squeeze(-1)


def sample(log_probs: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """(N,) int64 actions drawn from (N, A) log-probabilities."""
    return torch.multinomial(log_probs.exp(), 1, generator=generator)[:, 0]


class DualStreamPolicy(BasePolicy):
    """The network as a Stable-Baselines3 policy with a carried state.

    Args:
        observation_space: images, channel first, uint8, or vectors.
        action_space: `Discrete`.
        lr_schedule: progress remaining (1 to 0) to learning rate.
        network: sizes; shape and number of actions are taken from the spaces.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Schedule,
        network: NetworkConfig | None = None,
        use_sde: bool = False,
    ) -> None:
        super().__init__(observation_space, action_space)
        config = _fit(network or NetworkConfig(), observation_space, action_space)
        self.network = DualStreamNetwork(config)
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), lr=lr_schedule(1), eps=1e-5, fused=True
        )

    def predict(  # type: ignore[override]
        self,
        observation: np.ndarray[Any, Any],
        state: tuple[np.ndarray[Any, Any], ...] | None = None,
        episode_start: np.ndarray[Any, Any] | None = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray[Any, Any], tuple[np.ndarray[Any, Any], ...] | None]:
        """Act, and hand the recurrent state back for the next call (SB3's convention)."""
        self.set_training_mode(False)
        obs, vectorized = self.obs_to_tensor(observation)
        frames = torch.as_tensor(obs)
        if frames.dim() == 2:
            frames = frames.float()
        hidden = self.network.initial_state(len(frames))
        if state is not None:
            hidden = torch.as_tensor(state[0], device=frames.device)
            if episode_start is not None:
                ended = torch.as_tensor(episode_start, device=frames.device)
                hidden = hidden * (~ended.bool()).float()[:, None]
        legal = torch.ones(len(frames), self.network.config.num_actions, dtype=torch.bool)
        with torch.no_grad():
            thought = self.network(frames, legal.to(frames.device), hidden)
        probs = thought.log_probs
        actions = probs.argmax(1) if deterministic else sample(probs)
        numpy_actions = actions.cpu().numpy()
        numpy_state = (thought.state.cpu().numpy(),)
        return (numpy_actions if vectorized else numpy_actions[0]), numpy_state

    def _predict(self, observation: Any, deterministic: bool = False) -> Tensor:
        raise NotImplementedError("the policy carries a state: call predict")


def _fit(
    config: NetworkConfig, observations: spaces.Space[Any], actions: spaces.Space[Any]
) -> NetworkConfig:
    if not isinstance(actions, spaces.Discrete):
        raise ValueError(f"actions must be Discrete, not {type(actions).__name__}")
    if not isinstance(observations, spaces.Box) or not _is_seeable(observations):
        raise ValueError(
            "observations must be uint8 images (channels, height, width) or vectors: "
            f"{observations}"
        )
    eyes = config.eyes
    if len(observations.shape) == 3:  # a small image is looked at through a small window
        eyes = replace(eyes, crop=min(eyes.crop, *observations.shape[1:]))
    return NetworkConfig(observations.shape, int(actions.n), eyes, config.circuits)


def _is_seeable(observations: spaces.Box) -> bool:
    is_image = len(observations.shape) == 3 and observations.dtype == np.uint8
    return is_image or len(observations.shape) == 1
