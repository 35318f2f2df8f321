"""What makes an algorithm one of Stable-Baselines3: spaces, seeds, files, parameters, acting.

It learns from a `Stream`: any SB3 environment, or batched games whose tensors never leave the
device. How it learns is the business of the class that builds on it.
"""

from __future__ import annotations

import copy
import io
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, Schedule
from stable_baselines3.common.utils import get_system_info
from torch import Tensor

from lifelong_agent.archive import read_archive, write_archive
from lifelong_agent.devices import checked_device
from lifelong_agent.experience import Rollout, Stream
from lifelong_agent.policy import DualStreamPolicy, NetworkConfig
from lifelong_agent.weights import (
    build_network,
    check_tensors,
    flatten,
    load_optimizer,
    optimizer_tensors,
    unflatten,
)

NETWORK = "network."  # what the policy's parameters begin with


class StreamAlgorithm(BaseAlgorithm):
    """An actor-critic with carried state over streams of decisions.

    Args:
        policy: `"DualStreamPolicy"` or the class.
        env: a Gymnasium environment, its id, a `VecEnv`, or a `Stream`.
        learning_rate: a number or an SB3 schedule.
        config: the knobs.
        seed: of the sampling; equal seeds give equal runs on a CPU.
        device: `cpu`, `cuda`, or `auto`.
        policy_kwargs: handed to the policy, such as `{"network": NetworkConfig(...)}`.
        tensorboard_log: folder for TensorBoard, or None.
        verbose: 0 silent, 1 tables.

    Raises:
        ValueError: for observations that are neither images nor vectors, actions that are not
            `Discrete`, or a device that is not there.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {"DualStreamPolicy": DualStreamPolicy}
    config_class: ClassVar[type[Any]]
    policy: DualStreamPolicy

    def __init__(
        self,
        policy: str | type[DualStreamPolicy] = "DualStreamPolicy",
        env: GymEnv | str | Stream | None = None,
        learning_rate: float | Schedule = 6e-4,
        config: Any = None,
        seed: int | None = None,
        device: torch.device | str = "cpu",
        policy_kwargs: dict[str, Any] | None = None,
        tensorboard_log: str | None = None,
        verbose: int = 0,
        _init_setup_model: bool = True,
    ) -> None:
        is_stream = isinstance(env, Stream) and not hasattr(env, "step_async")
        super().__init__(
            policy,
            None if is_stream else env,  # type: ignore[arg-type]
            learning_rate,
            policy_kwargs=policy_kwargs,
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            device=device if str(device) == "auto" else checked_device(str(device)),
            support_multi_env=True,
            seed=seed,
        )
        if not isinstance(config, self.config_class | None):
            raise ValueError(f"config must be a {self.config_class.__name__}, not {config!r}")
        self.config = config or self.config_class()
        self.generator = torch.Generator(self.device).manual_seed(0 if seed is None else seed)
        self.stream: Stream | None = None
        self.rollout: Rollout | None = None
        if is_stream:
            assert isinstance(env, Stream)
            self._attach(env)
        if _init_setup_model and (env is not None):
            self._setup_model()

    def _attach(self, stream: Stream) -> None:
        self.stream = stream
        self.n_envs = stream.num_rows
        self._set_spaces(stream.obs_shape, stream.num_actions)

    def _set_spaces(self, obs_shape: tuple[int, ...], num_actions: int) -> None:
        self.observation_space = _plain_space(obs_shape)
        self.action_space = spaces.Discrete(num_actions)

    def _setup_model(self) -> None:
        self._setup_lr_schedule()
        self.set_random_seed(self.seed)
        policy = self.policy_class(
            self.observation_space, self.action_space, self.lr_schedule, **self.policy_kwargs
        )
        assert isinstance(policy, DualStreamPolicy)
        self.policy = policy.to(self.device)
        self.policy.generator.manual_seed(0 if self.seed is None else self.seed)

    def set_random_seed(self, seed: int | None = None) -> None:
        """Seed all chance: SB3's own, that of learning, and that of `predict`."""
        super().set_random_seed(seed)
        if seed is not None:
            self.generator.manual_seed(seed)
            if hasattr(self, "policy"):
                self.policy.generator.manual_seed(seed)

    def set_env(self, env: GymEnv, force_reset: bool = True) -> None:
        """Learn in another environment of the same spaces, with any number of copies."""
        wrapped = self._wrap_env(env, self.verbose)
        self.n_envs = wrapped.num_envs
        super().set_env(wrapped, force_reset)

    def predict(  # type: ignore[override]
        self,
        observation: np.ndarray[Any, Any],
        state: tuple[np.ndarray[Any, Any], ...] | None = None,
        episode_start: np.ndarray[Any, Any] | None = None,
        deterministic: bool = False,
        action_masks: np.ndarray[Any, Any] | None = None,
    ) -> tuple[np.ndarray[Any, Any], tuple[np.ndarray[Any, Any], ...] | None]:
        """Act; see `DualStreamPolicy.predict`."""
        return self.policy.predict(observation, state, episode_start, deterministic, action_masks)

    # Files and parameters.

    def save(
        self, path: str | Path | io.BufferedIOBase, exclude: Any = None, include: Any = None
    ) -> None:
        """Write policy, optimiser and knobs as a zip of safetensors and JSON (never a pickle).

        `.zip` is added to a path without a suffix, as SB3 does. Of a learning-rate schedule only
        the first rate is kept: hand the schedule to `load` again.
        """
        if isinstance(path, io.BufferedIOBase):
            raise ValueError("save needs a path")
        notes = {
            "network": self.policy.network.config.to_json(),
            "config": asdict(self.config),
            "num_timesteps": self.num_timesteps,
            "learning_rate": self.lr_schedule(1),
            "seed": self.seed,
        }
        assert isinstance(self.observation_space, spaces.Box)
        bounds = {"low": self.observation_space.low, "high": self.observation_space.high}
        parts = {
            "network": self.policy.network.state_dict(),
            "optimizer": flatten(optimizer_tensors(self.policy.optimizer)),
            "generator": {"state": self.generator.get_state()},
            "observations": {name: torch.from_numpy(bound) for name, bound in bounds.items()},
        }
        write_archive(_zip_path(path), notes, parts)

    @classmethod
    def load(
        cls,
        path: str | Path | io.BufferedIOBase,
        env: GymEnv | Stream | None = None,
        device: torch.device | str = "cpu",
        custom_objects: dict[str, Any] | None = None,
        print_system_info: bool = False,
        force_reset: bool = True,
        **kwargs: Any,
    ) -> Self:
        """Read what `save` wrote; without `env` it can predict but not learn.

        Of SB3's `custom_objects` a learning rate and a seed are taken; nothing else is needed where
        nothing is unpickled. An environment always begins anew.

        Raises:
            ValueError: for a missing or damaged file, or an environment that does not fit.
        """
        if isinstance(path, io.BufferedIOBase):
            raise ValueError("load needs a path")
        path = _zip_path(path)
        notes, parts = read_archive(path)
        network = build_network(notes.get("network"), path)
        config, num_timesteps, stored = cls._read_notes(notes, path)
        stored |= {k: v for k, v in (custom_objects or {}).items() if k in stored}
        if print_system_info:
            get_system_info()
        algorithm = cls(
            "DualStreamPolicy", env, config=config, device=device,
            policy_kwargs={"network": network.config}, _init_setup_model=False, **stored | kwargs,
        )  # fmt: skip
        if env is None:
            algorithm._set_spaces(network.config.obs_shape, network.config.num_actions)
            if "observations" in parts:
                algorithm.observation_space = _read_space(parts["observations"], path)
        algorithm._setup_model()
        _check_same_world(network.config, algorithm.policy.network.config, path)
        algorithm._take_up(parts, path)
        algorithm._take_up_chance(parts["generator"], path)
        algorithm.num_timesteps = num_timesteps
        return algorithm

    @classmethod
    def _read_notes(
        cls, notes: dict[str, Any], path: Path
    ) -> tuple[Any, int, dict[str, float | int | None]]:
        """Knobs, steps, and what the constructor is given, out of a file."""
        try:
            seed = None if notes["seed"] is None else int(notes["seed"])
            stored = {"learning_rate": float(notes["learning_rate"]), "seed": seed}
            return cls.config_class(**notes["config"]), int(notes["num_timesteps"]), stored
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} describes no algorithm: {error}") from None

    def _take_up(self, parts: dict[str, dict[str, Tensor]], path: Path) -> None:
        check_tensors(self.policy.network, parts["network"], path)
        self.policy.network.load_state_dict(parts["network"])
        load_optimizer(self.policy.optimizer, unflatten(parts["optimizer"]))

    def _take_up_chance(self, parts: dict[str, Tensor], path: Path) -> None:
        """Go on with the chance of a file; on another kind of device it begins with the seed."""
        state = parts.get("state")
        if state is None:
            raise ValueError(f"{path} is damaged: it has no state of chance")
        if len(state) == len(self.generator.get_state()):
            self.generator.set_state(state)

    def set_parameters(
        self,
        load_path_or_dict: str | Path | dict[str, Any],
        exact_match: bool = True,
        device: torch.device | str = "auto",
    ) -> None:
        """Take up what `get_parameters` gave, or the policy and optimiser of a saved file.

        Raises:
            ValueError: for weights of another architecture; nothing is changed then.
        """
        if not isinstance(load_path_or_dict, dict):
            path = _zip_path(load_path_or_dict)
            self._take_up(read_archive(path)[1], path)
            return
        given = {
            name.removeprefix(NETWORK): tensor
            for name, tensor in load_path_or_dict.get("policy", {}).items()
        }
        own = self.policy.network.state_dict()
        if not exact_match:  # what is missing stays, what is unknown is left alone
            given = own | {name: tensor for name, tensor in given.items() if name in own}
        check_tensors(self.policy.network, given, Path("parameters"))
        own_copy = copy.deepcopy(load_path_or_dict)  # torch would share the moments
        super().set_parameters(own_copy, exact_match, device)

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        return ["policy", "policy.optimizer"], []


def _plain_space(obs_shape: tuple[int, ...]) -> spaces.Box:
    """What needs no conversion: uint8 images with their channels first, or vectors."""
    if len(obs_shape) == 1:
        return spaces.Box(-np.inf, np.inf, obs_shape, np.float32)
    return spaces.Box(0, 255, obs_shape, np.uint8)


def _read_space(bounds: dict[str, Tensor], path: Path) -> spaces.Box:
    """The observations that a file's algorithm learned from."""
    try:
        low, high = (bounds[name].numpy() for name in ("low", "high"))
        return spaces.Box(low, high, dtype=low.dtype.type)
    except (KeyError, ValueError, AssertionError) as error:
        raise ValueError(f"{path} describes no observations: {error}") from None


def _check_same_world(stored: NetworkConfig, given: NetworkConfig, path: Path) -> None:
    worlds = [f"{c.obs_shape} and {c.num_actions} actions" for c in (stored, given)]
    if worlds[0] != worlds[1]:
        raise ValueError(f"{path} is for observations of {worlds[0]}, not of {worlds[1]}")


def _zip_path(path: str | Path) -> Path:
    path = Path(path)
    return path if path.suffix else path.with_suffix(".zip")
