"""The actor-critic: eyes, circuits and two heads; and its face for Stable-Baselines3."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from stable_baselines3.common.distributions import CategoricalDistribution
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.preprocessing import maybe_transpose
from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.common.utils import is_vectorized_observation
from torch import Tensor, nn

from lifelong_agent.circuits import CircuitConfig, Circuits, Episode, side_by_side
from lifelong_agent.losses import mask_logits
from lifelong_agent.observations import Converter
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


class Stretch(NamedTuple):
    """T decisions in N rows, which a network runs through.

    Attributes:
        frames: (T, N, C, H, W) uint8.
        glances: (T, N, C, g, g) uint8, what `eyes.glance` made of them.
        legal_actions: (T, N, A) bool.
        states: (N, 2, S) float32, both seats' states at the start.
        episode: seats and endings.
    """

    frames: Tensor
    glances: Tensor
    legal_actions: Tensor
    states: Tensor
    episode: Episode


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
        return self.think(self.eyes(frames, glances), legal_actions, state)

    def think(self, percept: Percept, legal_actions: Tensor, state: Tensor) -> Thought:
        """One decision about what the eyes of this or another network saw; as `forward`."""
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
        """Run through the parts of a `Stretch`, learning through time.

        Returns:
            (T, N, A) log-probabilities and (T, N) values.
        """
        percept = self.eyes(frames.flatten(0, 1), glances.flatten(0, 1))
        readings = percept.reading.view(*frames.shape[:2], -1)
        features = self.circuits.unroll(readings, states, episode)
        return self._heads(features, legal_actions)

    def unroll_all(self, stretches: Sequence[Stretch]) -> list[tuple[Tensor, Tensor]]:
        """What `unroll` makes of each of them, of whatever lengths, in one pass."""
        if len(stretches) == 1:
            return [self.unroll(*stretches[0])]
        frames = torch.cat([stretch.frames.flatten(0, 1) for stretch in stretches])
        glances = torch.cat([stretch.glances.flatten(0, 1) for stretch in stretches])
        shapes = [stretch.frames.shape[:2] for stretch in stretches]
        read = torch.split(self.eyes(frames, glances).reading, [each.numel() for each in shapes])
        readings = [part.view(*shape, -1) for part, shape in zip(read, shapes, strict=True)]
        states = torch.cat([stretch.states for stretch in stretches])
        episodes = [stretch.episode for stretch in stretches]
        features = self.circuits.unroll(side_by_side(readings), states, Episode.of(episodes))
        rows = torch.split(features, [num_rows for _, num_rows in shapes], 1)
        return [
            self._heads(part[: len(stretch.frames)], stretch.legal_actions)
            for part, stretch in zip(rows, stretches, strict=True)
        ]

    def _heads(self, features: Tensor, legal_actions: Tensor) -> tuple[Tensor, Tensor]:
        log_probs = mask_logits(self.policy_head(features), legal_actions)
        return log_probs, self.value_head(features).squeeze(-1)


def sample(log_probs: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """(N,) int64 actions drawn from (N, A) log-probabilities.

    A race of exponential clocks, which is what `multinomial` does, without its look at the values.
    """
    race = torch.empty_like(log_probs).exponential_(generator=generator)
    return (log_probs.exp() / race).argmax(1)


class DualStreamPolicy(BasePolicy):
    """The network as a Stable-Baselines3 policy with a carried state.

    Args:
        observation_space: images or vectors; see `observations.Converter`.
        action_space: `Discrete`.
        lr_schedule: progress remaining (1 to 0) to learning rate.
        network: sizes; shape and number of actions are taken from the spaces.

    Raises:
        ValueError: for other spaces.
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
        if not isinstance(action_space, spaces.Discrete):
            raise ValueError(f"actions must be Discrete, not {type(action_space).__name__}")
        if action_space.start != 0:
            raise ValueError(f"Discrete actions must start at 0, not at {action_space.start}")
        self._convert = Converter(observation_space)
        obs_shape, num_actions = self._convert.obs_shape, int(action_space.n)
        self.network = DualStreamNetwork(_fit(network or NetworkConfig(), obs_shape, num_actions))
        self.generator = torch.Generator()  # on the CPU: equal draws on every device
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), lr=lr_schedule(1), eps=1e-5, fused=True
        )

    def obs_to_tensor(  # type: ignore[override]
        self, observation: npt.ArrayLike
    ) -> tuple[Tensor, bool]:
        """One observation or many as (N, ...) for the network, and whether they were many."""
        space = self.observation_space
        seen = maybe_transpose(np.asarray(observation), space)
        is_many = is_vectorized_observation(seen, space)
        assert space.shape is not None
        return self._convert(seen.reshape(-1, *space.shape), self.device), is_many

    def predict(  # type: ignore[override]
        self,
        observation: npt.ArrayLike,
        state: tuple[npt.NDArray[Any], ...] | None = None,
        episode_start: npt.NDArray[Any] | None = None,
        deterministic: bool = False,
        action_masks: npt.ArrayLike | None = None,
    ) -> tuple[npt.NDArray[Any], tuple[npt.NDArray[Any], ...] | None]:
        """Act, and hand the recurrent state back for the next call (SB3's convention).

        Args:
            observation: one or many, as the environment gives them.
            state: what the last call gave; None at the start.
            episode_start: (N,) bool, rows whose state is zeroed first.
            deterministic: the likeliest action; else one drawn from the policy's own generator.
            action_masks: (N, A) bool, what may be done (sb3-contrib's convention).
        """
        self.set_training_mode(False)
        obs, is_many = self.obs_to_tensor(observation)
        hidden = None
        if state is not None:
            hidden = torch.as_tensor(state[0], device=obs.device)
            if episode_start is not None:
                goes_on = ~torch.as_tensor(episode_start, device=obs.device).bool()
                hidden = hidden * goes_on.float()[:, None]
        thought = self._think(obs, hidden, action_masks)
        actions = self._choose(thought, deterministic).cpu().numpy()
        return (actions if is_many else actions[0]), (thought.state.cpu().numpy(),)

    @torch.no_grad()
    def _think(
        self, obs: Tensor, hidden: Tensor | None = None, action_masks: npt.ArrayLike | None = None
    ) -> Thought:
        shape = len(obs), self.network.config.num_actions
        legal = torch.ones(shape, dtype=torch.bool, device=obs.device)
        if action_masks is not None:
            legal = torch.as_tensor(action_masks, device=obs.device).bool().view(shape)
            if not legal.any(1).all():
                raise ValueError("a mask must leave at least one action")
        hidden = self.network.initial_state(len(obs)) if hidden is None else hidden
        return cast(Thought, self.network(obs, legal, hidden))

    def _choose(self, thought: Thought, deterministic: bool) -> Tensor:
        if deterministic:
            return thought.log_probs.argmax(1)
        return sample(thought.log_probs.cpu(), self.generator)

    def _predict(self, observation: Any, deterministic: bool = False) -> Tensor:
        return self._choose(self._think(observation), deterministic)

    def predict_values(self, obs: Tensor) -> Tensor:
        """(N, 1) values of what `obs_to_tensor` gave, each as the first of an episode."""
        return self._think(obs).value[:, None]

    def get_distribution(
        self, obs: Tensor, action_masks: npt.ArrayLike | None = None
    ) -> CategoricalDistribution:
        """The N distributions of actions for what `obs_to_tensor` gave, each as the first."""
        thought = self._think(obs, action_masks=action_masks)
        distribution = CategoricalDistribution(self.network.config.num_actions)
        return distribution.proba_distribution(thought.log_probs)


def _fit(config: NetworkConfig, obs_shape: tuple[int, ...], num_actions: int) -> NetworkConfig:
    eyes = config.eyes
    if len(obs_shape) == 3:  # a small image is looked at through a small window
        eyes = replace(eyes, crop=min(eyes.crop, *obs_shape[1:]))
    return NetworkConfig(obs_shape, num_actions, eyes, config.circuits)
