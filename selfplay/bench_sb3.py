"""How fast learning is, against Stable-Baselines3's own PPO over PettingZoo's connect four.

Both learn in mirror games, with the same network, knobs and number of games side by side. The peer
is spared what it need not do: bare games without wrappers, frames drawn for all games at once, no
state carried (PPO has none).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from pettingzoo.classic.connect_four.connect_four import raw_env
from stable_baselines3 import PPO
from stable_baselines3.common.distributions import Distribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecEnv
from torch import Generator, Tensor

import envs
from envs import FRAME_SHAPE
from lifelong_agent.circuits import Circuits
from lifelong_agent.losses import mask_logits
from lifelong_agent.perception import EyesConfig, make_eyes
from lifelong_agent.policy import NetworkConfig
from lifelong_agent.ppo import LifelongPPO, PPOConfig
from selfplay.arena import make_arena
from selfplay.machine import best_precision
from selfplay.measure import TURNS, Row, turn_about
from selfplay.rollout import Arenas, random_positions
from selfplay.training import TrainConfig

ROWS, COLUMNS = 6, 7
LEGAL_PLANE = 2  # of a frame; the first two are one's own discs and the other's
PEER = "Stable-Baselines3 PPO, PettingZoo"
QUIET = 1_000_000  # rollouts between log entries
Array = npt.NDArray[Any]


def _network() -> NetworkConfig:
    return NetworkConfig(eyes=EyesConfig(precision=best_precision()))


@dataclass(frozen=True)
class Trial:
    """What both learners are given.

    Attributes:
        num_games: side by side.
        config: their knobs.
        network: sizes.
        turns: how often each is timed, a rollout and its learning at a time.
    """

    num_games: int = TrainConfig.num_games
    config: PPOConfig = field(default_factory=PPOConfig)
    network: NetworkConfig = field(default_factory=_network)
    turns: int = TURNS


def bench_sb3(device: torch.device, seed: int, trial: Trial | None = None) -> list[Row]:
    """Learner decisions per second of ours and of theirs, playing and learning included."""
    trial = trial or Trial()
    steps = trial.num_games * trial.config.num_steps
    ours, theirs = our_learner(device, seed, trial), their_learner(device, seed, trial)

    def learn(algorithm: LifelongPPO | PPO) -> Callable[[], Any]:
        return lambda: algorithm.learn(steps, log_interval=QUIET, reset_num_timesteps=False)

    times = turn_about([learn(ours), learn(theirs)], device, trial.turns)
    return [
        Row("learner, connect, mirror games", steps / times[0], "steps/s", PEER, steps / times[1])
    ]


def our_learner(device: torch.device, seed: int, trial: Trial) -> LifelongPPO:
    """Ours, on batched games."""
    game, generator = envs.make("connect", device), Generator(device).manual_seed(seed)
    run = TrainConfig()
    openings = random_positions(
        game, 16 * trial.num_games, run.max_opening_plies, run.midgame_share, generator
    )
    arena = make_arena(game, trial.num_games, None, openings, generator)
    return LifelongPPO(
        "DualStreamPolicy", Arenas([arena]), run.learning_rate, trial.config, seed, device,
        policy_kwargs={"network": trial.network},
    )  # fmt: skip


def their_learner(device: torch.device, seed: int, trial: Trial) -> PPO:
    """PPO with the same network and knobs."""
    c, steps = trial.config, trial.num_games * trial.config.num_steps
    return PPO(
        SameNetworkPolicy,
        ConnectFour(trial.num_games),
        learning_rate=TrainConfig.learning_rate,
        n_steps=c.num_steps,
        batch_size=steps // c.minibatches,
        n_epochs=c.epochs,
        gamma=c.discount,
        gae_lambda=c.trace_decay,
        clip_range=c.clip,
        ent_coef=c.entropy_weight,
        vf_coef=c.value_weight,
        max_grad_norm=c.max_grad_norm,
        policy_kwargs={
            "features_extractor_class": SameNetwork,
            "features_extractor_kwargs": {"network": trial.network},
            "net_arch": [],
        },
        seed=seed,
        device=device,
    )


class SameNetwork(BaseFeaturesExtractor):
    """Our eyes and circuits, from a state of zeros: (N, 3, 64, 64) uint8 to (N, O + 7).

    The last seven are 1 for the columns that are not full; the policy masks by them.
    """

    def __init__(self, observation_space: spaces.Box, network: NetworkConfig) -> None:
        circuits = Circuits(network.eyes.reading, network.circuits)
        super().__init__(observation_space, circuits.output_size + COLUMNS)
        self.eyes, self.circuits = make_eyes(FRAME_SHAPE, network.eyes), circuits

    def forward(self, frames: Tensor) -> Tensor:
        """See and think."""
        fresh = torch.zeros(len(frames), self.circuits.state_size, device=frames.device)
        features, _ = self.circuits(self.eyes(frames).reading, fresh)
        legal = frames[:, LEGAL_PLANE, 0, _middles()] > 0
        return torch.cat([features, legal.to(features.dtype)], 1)


class SameNetworkPolicy(ActorCriticPolicy):
    """SB3's policy whose frames stay bytes, and which takes no full column."""

    def extract_features(  # type: ignore[override]
        self, obs: Tensor, features_extractor: BaseFeaturesExtractor | None = None
    ) -> Tensor:
        """Without SB3's conversion to floats, which the eyes do themselves."""
        return torch.as_tensor(self.features_extractor(obs))

    def _get_action_dist_from_latent(self, latent_pi: Tensor) -> Distribution:
        legal = latent_pi[:, -COLUMNS:] > 0
        return self.action_dist.proba_distribution(mask_logits(self.action_net(latent_pi), legal))


def _pixels() -> tuple[Array, Array]:
    """The row of the board under each line of a frame, and the column under each of its pixels."""
    _, height, width = FRAME_SHAPE
    return np.arange(height) * ROWS // height, np.arange(width) * COLUMNS // width


def _middles() -> list[int]:
    """A pixel in the middle of each column."""
    return [int(np.median(np.flatnonzero(_pixels()[1] == c))) for c in range(COLUMNS)]


class ConnectFour(VecEnv):
    """PettingZoo's games as a `VecEnv` in which the learner holds both seats.

    A frame shows the discs of who is to move, the other's, and the columns that are not full.

    Args:
        num_games: side by side.
    """

    def __init__(self, num_games: int) -> None:
        self.games = [raw_env() for _ in range(num_games)]
        self.line, self.pixel = _pixels()
        space = spaces.Box(0, 255, FRAME_SHAPE, np.uint8)
        super().__init__(num_games, space, spaces.Discrete(COLUMNS))

    def reset(self) -> Array:
        """New games everywhere."""
        for game in self.games:
            game.reset()
        return self._frames()

    def _frames(self) -> Array:
        seen = [game.observe(game.agent_selection) for game in self.games]
        discs = np.stack([one["observation"] for one in seen]).view(np.uint8) * 255
        legal = np.stack([one["action_mask"] for one in seen]).view(np.uint8) * 255
        frames = np.empty((len(seen), *FRAME_SHAPE), np.uint8)
        frames[:, :LEGAL_PLANE] = discs.transpose(0, 3, 1, 2)[:, :, self.line[:, None], self.pixel]
        frames[:, LEGAL_PLANE] = legal[:, None, self.pixel]
        return frames

    def step_async(self, actions: Array) -> None:
        """Note what is to be done."""
        self.actions = actions.tolist()

    def step_wait(self) -> tuple[Array, Array, Array, list[dict[str, Any]]]:
        """Do it; rewards are those of who moved."""
        rewards = np.zeros(self.num_envs, np.float32)
        dones = np.zeros(self.num_envs, np.bool_)
        for i, (game, action) in enumerate(zip(self.games, self.actions, strict=True)):
            mover = game.agent_selection
            game.step(action)
            if game.terminations[mover]:
                rewards[i], dones[i] = game.rewards[mover], True
                game.reset()
        return self._frames(), rewards, dones, [{} for _ in self.games]

    def close(self) -> None:
        """Nothing to close."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Of each game."""
        return [getattr(game, attr_name) for game in self.games]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Games are left alone."""
        raise NotImplementedError

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """Of each game."""
        return [getattr(game, method_name)(*method_args, **method_kwargs) for game in self.games]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Nothing is wrapped."""
        return [False] * self.num_envs
