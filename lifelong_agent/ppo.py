"""Proximal policy optimisation over streams of decisions, as a Stable-Baselines3 algorithm.

With an SB3 environment it behaves like any SB3 algorithm; with a `Stream` of batched games the
tensors never leave the device. It knows neither games nor memory.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback, Schedule
from torch import Tensor, nn

from lifelong_agent import losses
from lifelong_agent.archive import read_archive, write_archive
from lifelong_agent.circuits import Episode
from lifelong_agent.experience import Observation, Outcome, Rollout, Stream, VecEnvStream
from lifelong_agent.policy import DualStreamPolicy, sample
from lifelong_agent.weights import (
    build_network,
    check_tensors,
    flatten,
    load_optimizer,
    optimizer_tensors,
    unflatten,
)


@dataclass(frozen=True)
class PPOConfig:
    """The knobs of learning.

    Attributes:
        num_steps: T, decisions per row and rollout.
        epochs: passes over each rollout.
        minibatches: parts of a pass; each holds whole rows.
        discount: per decision.
        trace_decay: lambda of the advantages.
        clip: of the probability ratio.
        value_weight: of the value loss.
        entropy_weight: of the entropy bonus.
        max_grad_norm: clipping of the gradient.
    """

    num_steps: int = 32
    epochs: int = 2
    minibatches: int = 4
    discount: float = 0.99
    trace_decay: float = 0.95
    clip: float = 0.2
    value_weight: float = 0.5
    entropy_weight: float = 0.01
    max_grad_norm: float = 0.5


class LifelongPPO(BaseAlgorithm):
    """PPO with carried recurrent state and sign-aware advantages.

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
        ValueError: for spaces that are not images or `Discrete`.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {"DualStreamPolicy": DualStreamPolicy}
    policy: DualStreamPolicy

    def __init__(
        self,
        policy: str | type[DualStreamPolicy] = "DualStreamPolicy",
        env: GymEnv | str | Stream | None = None,
        learning_rate: float | Schedule = 6e-4,
        config: PPOConfig | None = None,
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
            device=device,
            support_multi_env=True,
            seed=seed,
            supported_action_spaces=(spaces.Discrete,),
        )
        self.config = config or PPOConfig()
        self.generator = torch.Generator(self.device).manual_seed(0 if seed is None else seed)
        self.stream: Stream | None = None
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
        self.observation_space = spaces.Box(0, 255, obs_shape, np.uint8)
        self.action_space = spaces.Discrete(num_actions)

    def _setup_model(self) -> None:
        self._setup_lr_schedule()
        self.set_random_seed(self.seed)
        policy = self.policy_class(
            self.observation_space, self.action_space, self.lr_schedule, **self.policy_kwargs
        )
        assert isinstance(policy, DualStreamPolicy)
        self.policy = policy.to(self.device)
        self.rollout: Rollout | None = None

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
        parts = {
            "network": self.policy.network.state_dict(),
            "optimizer": flatten(optimizer_tensors(self.policy.optimizer)),
            "generator": {"state": self.generator.get_state()},
        }
        write_archive(_zip_path(path), notes, parts)

    @classmethod
    def load(  # type: ignore[override]
        cls,
        path: str | Path | io.BufferedIOBase,
        env: GymEnv | Stream | None = None,
        device: torch.device | str = "cpu",
        **kwargs: Any,
    ) -> LifelongPPO:
        """Read what `save` wrote; without `env` it can predict but not learn.

        Raises:
            ValueError: for a missing or damaged file, or an environment that does not fit.
        """
        if isinstance(path, io.BufferedIOBase):
            raise ValueError("load needs a path")
        path = _zip_path(path)
        notes, parts = read_archive(path)
        network = build_network(notes.get("network"), path)
        check_tensors(network, parts.get("network", {}), path)
        config, num_timesteps, stored = _read_notes(notes, path)
        algorithm = cls(
            "DualStreamPolicy", env, config=config, device=device,
            policy_kwargs={"network": network.config}, _init_setup_model=False, **stored | kwargs,
        )  # fmt: skip
        if env is None:
            algorithm._set_spaces(network.config.obs_shape, network.config.num_actions)
        algorithm._setup_model()
        algorithm.policy.network.load_state_dict(parts["network"])
        load_optimizer(algorithm.policy.optimizer, unflatten(parts["optimizer"]))
        algorithm.generator.set_state(parts["generator"]["state"])
        algorithm.num_timesteps = num_timesteps
        return algorithm

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        return ["policy", "policy.optimizer"], []

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 1,
        tb_log_name: str = "LifelongPPO",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> LifelongPPO:
        """Learn for at least `total_timesteps` decisions."""
        total, callbacks = self._begin(
            total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar
        )
        callbacks.on_training_start(locals(), globals())
        iteration = 0
        while self.num_timesteps < total:
            if not self.collect(callbacks):
                break
            iteration += 1
            self._update_current_progress_remaining(self.num_timesteps, total)
            self.train()
            if log_interval and iteration % log_interval == 0:
                self._log_speed()
        callbacks.on_training_end()
        return self

    def _begin(
        self, total: int, callback: MaybeCallback, fresh: bool, name: str, progress_bar: bool
    ) -> tuple[int, BaseCallback]:
        """SB3's preparations, whose environment reset a stream does not need."""
        if self._needs_stream():
            assert self.env is not None, "learn needs an environment: set_env first"
            self.rollout = None
            prepared = self._setup_learn(total, callback, fresh, name, progress_bar)
            self.stream = VecEnvStream(self.env, self.device)
        else:
            if fresh:
                self.num_timesteps = 0
            if self.env is None:
                self._last_obs = np.zeros(0)  # a stream has no environment to reset
            prepared = self._setup_learn(total, callback, False, name, progress_bar)
        assert self.stream is not None
        if self.rollout is None:
            self._allocate(self.stream)
        return prepared

    def _needs_stream(self) -> bool:
        """No stream yet, or one of an environment that `set_env` has replaced."""
        if isinstance(self.stream, VecEnvStream):
            return self.stream.env is not self.env
        return self.stream is None

    def _allocate(self, stream: Stream) -> None:
        first = stream.observe()
        glances = self.policy.network.eyes.glance(first.frames)
        self.rollout = Rollout(self.config.num_steps, first, glances)
        state = self.policy.network.initial_state(stream.num_rows)
        self.states = torch.stack([state, state], 1)
        self.start_states = self.states.clone()

    @torch.no_grad()
    def collect(self, callback: BaseCallback) -> bool:
        """Play one rollout of T x N decisions; False if the callback asks to stop."""
        assert self.stream is not None
        assert self.rollout is not None
        self.policy.set_training_mode(False)
        callback.on_rollout_start()
        self.start_states.copy_(self.states)
        for t in range(self.config.num_steps):
            outcome = self._decide(t, self.stream, self.rollout)
            self.num_timesteps += self.stream.num_rows
            self._note_infos(outcome)
            callback.update_locals(locals())
            if not callback.on_step():
                return False
        callback.on_rollout_end()
        return True

    def _decide(self, t: int, stream: Stream, rollout: Rollout) -> Outcome:
        obs = stream.observe()
        network = self.policy.network
        rows = torch.arange(stream.num_rows, device=obs.seat.device)
        glances = network.eyes.glance(obs.frames)
        thought = network(obs.frames, obs.legal_actions, self.states[rows, obs.seat], glances)
        action = sample(thought.log_probs, self.generator)
        log_prob = thought.log_probs[rows, action]
        rollout.write_decision(t, obs, glances, action, log_prob, thought.value)
        self.states[rows, obs.seat] = thought.state
        outcome = stream.advance(action)
        if outcome.truncated is not None:
            self._bootstrap(outcome, *outcome.truncated)
        self.states *= (~outcome.ended).float()[:, None, None]
        rollout.write_outcome(t, outcome)
        return outcome

    def _bootstrap(self, outcome: Outcome, rows: Tensor, last: Observation) -> None:
        """Truncation is no ending: the value of the last observation is added."""
        thought = self.policy.network(last.frames, last.legal_actions, self.states[rows, last.seat])
        outcome.reward[rows] += self.config.discount * thought.value

    def _note_infos(self, outcome: Outcome) -> None:
        if isinstance(self.stream, VecEnvStream):
            self._update_info_buffer(self.stream.infos, outcome.ended.cpu().numpy())

    def train(self) -> None:
        """Learn from the rollout: `epochs` passes of whole-row minibatches."""
        assert self.rollout is not None
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        advantages = self._advantages(self.rollout)
        returns = advantages + self.rollout.value
        history: list[dict[str, Tensor]] = []
        for rows in self._minibatches():
            parts = self._losses(self.rollout, rows, advantages[:, rows], returns[:, rows])
            self._descend(parts["loss"])
            history.append({name: part.detach() for name, part in parts.items()})
        self._n_updates += len(history)
        self._log_losses(history, returns)

    @torch.no_grad()
    def _advantages(self, rollout: Rollout) -> Tensor:
        assert self.stream is not None
        obs = self.stream.observe()
        rows = torch.arange(self.stream.num_rows, device=obs.seat.device)
        thought = self.policy.network(obs.frames, obs.legal_actions, self.states[rows, obs.seat])
        c = self.config
        return losses.generalised_advantages(
            rollout.reward, rollout.value, rollout.sign, rollout.ended, thought.value,
            c.discount, c.trace_decay,
        )  # fmt: skip

    def _minibatches(self) -> Iterator[Tensor]:
        for _ in range(self.config.epochs):
            order = torch.randperm(
                self.n_envs, generator=self.generator, device=self.generator.device
            )
            yield from order.chunk(self.config.minibatches)

    def _losses(
        self, rollout: Rollout, rows: Tensor, advantages: Tensor, returns: Tensor
    ) -> dict[str, Tensor]:
        c = self.config
        log_probs, value = self.policy.network.unroll(
            rollout.frames[:, rows],
            rollout.glances[:, rows],
            rollout.legal_actions[:, rows],
            self.start_states[rows],
            Episode(rollout.seat[:, rows], rollout.ended[:, rows]),
        )
        log_prob = log_probs.gather(-1, rollout.actions[:, rows, None])[..., 0]
        old_log_prob = rollout.log_prob[:, rows]
        normal = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        policy = losses.policy_loss(log_prob, old_log_prob, normal, c.clip)
        critic = losses.value_loss(value, returns)
        entropy = losses.entropy(log_probs)
        more = self._more_losses(log_probs, rows)
        loss = policy + c.value_weight * critic - c.entropy_weight * entropy
        return more | {
            "loss": loss + sum(more.values()),
            "policy_loss": policy,
            "value_loss": critic,
            "entropy": entropy,
            "approx_kl": losses.approximate_kl(log_prob.detach(), old_log_prob),
        }

    def _more_losses(self, log_probs: Tensor, rows: Tensor) -> dict[str, Tensor]:
        """What else is to be made small, for algorithms that build on this one.

        Args:
            log_probs: (T, M, A) of the minibatch.
            rows: (M,) int64, its rows of the rollout.
        """
        return {}

    def _descend(self, loss: Tensor) -> None:
        self.policy.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.policy.parameters(), self.config.max_grad_norm)
        if not torch.isfinite(norm):
            raise FloatingPointError("the gradient is not finite: training stops")
        self.policy.optimizer.step()

    def _log_losses(self, history: list[dict[str, Tensor]], returns: Tensor) -> None:
        assert self.rollout is not None
        for name in history[0]:
            mean = torch.stack([parts[name] for parts in history]).mean()
            self.logger.record(f"train/{name}", float(mean))
        variance = losses.explained_variance(self.rollout.value, returns)
        self.logger.record("train/explained_variance", float(variance))

    def _log_speed(self) -> None:
        elapsed_s = max((time.time_ns() - self.start_time) / 1e9, 1e-9)
        steps = self.num_timesteps - self._num_timesteps_at_start
        self.logger.record("time/steps_per_second", int(steps / elapsed_s))
        if self.ep_info_buffer:
            rewards = [float(info["r"]) for info in self.ep_info_buffer]
            self.logger.record("rollout/ep_rew_mean", float(np.mean(rewards)))
        self.logger.dump(step=self.num_timesteps)


def _read_notes(
    notes: dict[str, Any], path: Path
) -> tuple[PPOConfig, int, dict[str, float | int | None]]:
    """Knobs, steps, and what the constructor is given, out of a file."""
    try:
        seed = None if notes["seed"] is None else int(notes["seed"])
        stored = {"learning_rate": float(notes["learning_rate"]), "seed": seed}
        return PPOConfig(**notes["config"]), int(notes["num_timesteps"]), stored
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} describes no algorithm: {error}") from None


def _zip_path(path: str | Path) -> Path:
    path = Path(path)
    return path if path.suffix else path.with_suffix(".zip")
