"""Any Stable-Baselines3 algorithm as a method: `module:Class`, with its keyword arguments.

It learns on the Gymnasium views, where an illegal action loses the game unless it knows masks. It
is scored like every other; there an illegal action becomes a legal one by chance. In a Gymnasium
environment it means the same when scored as in training (`gym_tasks.Alike`).
"""

from __future__ import annotations

import importlib
import inspect
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit
from torch import Generator, Tensor

from envs.opponents import choose
from lifelong_agent.experience import Observation
from lifelong_agent.ppo import LifelongPPO, PPOConfig
from selfplay.forgetting.learners import Learner, Tree, no_logger
from selfplay.forgetting.practice import Actor, spaces_of, training_env
from selfplay.forgetting.suites import Suite

SMALLEST_PICTURE = 36  # pixels: what SB3's convolutions need
USUAL_BUFFER = 16_384  # decisions


def find_algorithm(name: str) -> type[BaseAlgorithm]:
    """The class that `module:Class` names.

    Raises:
        ValueError: in one line, if there is no such module or class, or it is no SB3 algorithm.
    """
    module_name, _, class_name = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (ImportError, ValueError) as error:
        raise ValueError(f"unknown method {name!r}: {error}") from None
    kind = getattr(module, class_name, None)
    if not (inspect.isclass(kind) and issubclass(kind, BaseAlgorithm)):
        raise ValueError(
            f"unknown method {name!r}: {module_name} has no Stable-Baselines3 algorithm "
            f"{class_name!r}"
        )
    return kind


class PeerActor:
    """An SB3 algorithm that plays greedily.

    Args:
        algorithm: as it is.
        replaces: whether an illegal action becomes a legal one by chance; else it is left to the
            environment, as in training.
    """

    def __init__(self, algorithm: BaseAlgorithm, replaces: bool) -> None:
        self.algorithm, self.replaces = algorithm, replaces
        self._knows_masks = "action_masks" in inspect.signature(algorithm.predict).parameters
        self._state: Any = None
        self._starts: np.ndarray[Any, Any] | None = None

    def decide(self, obs: Observation, moving: Tensor, generator: Generator) -> Tensor:
        """Ask it."""
        if self._starts is None or len(self._starts) != len(moving):
            self._state, self._starts = None, np.ones(len(moving), np.bool_)
        masks = obs.legal_actions.cpu().numpy()
        known = {"action_masks": masks} if self._knows_masks else {}
        chosen, self._state = self.algorithm.predict(
            obs.frames.cpu().numpy(), self._state, self._starts, deterministic=True, **known
        )
        self._starts = np.zeros(len(moving), np.bool_)
        actions = torch.as_tensor(chosen, dtype=torch.int64, device=obs.legal_actions.device)
        if not self.replaces:
            return actions
        legal = obs.legal_actions.gather(1, actions[:, None])[:, 0]
        drawn = choose(obs.legal_actions.float(), generator)
        return torch.where(legal, actions, drawn)

    def restart(self, rows: Tensor) -> None:
        """New episodes."""
        if self._starts is not None and len(self._starts) == len(rows):
            self._starts |= rows.cpu().numpy()


def scheduled(kind: type[BaseAlgorithm], decisions: int) -> type[BaseAlgorithm]:
    """The class, with what SB3 schedules, such as exploration, over so many decisions in all.

    By itself every call of `learn`, and so every part, would begin anew and go to the end.
    """

    def progress(self: BaseAlgorithm, num_timesteps: int, _: int) -> None:
        kind._update_current_progress_remaining(self, num_timesteps, decisions)

    return type(kind.__name__, (kind,), {"_update_current_progress_remaining": progress})


class Peer(Learner):
    """An SB3 algorithm carried from task to task.

    Args:
        suite: the terms; rows and steps are its, the knobs of learning are the algorithm's own,
            except that on-policy rollouts are as long as ours. Others have to fit a whole number
            of times into a part, or more would be learned from than by everybody else. A replay
            buffer holds as much as the memories of `clear` and `lifelong`. What SB3 schedules runs
            once over the whole sequence.
        seed: of all chance; SB3 draws from the global generators, so these are seeded.
        device: where it computes.
        name: `module:Class`.
        **knobs: for its constructor, such as `policy` or `learning_rate`.

    Raises:
        ValueError: in one line, if it cannot take the observations or the knobs, or a part holds
            no whole number of its rollouts.
    """

    def __init__(
        self, suite: Suite, seed: int, device: torch.device, name: str, **knobs: Any
    ) -> None:
        super().__init__(suite, seed, device)
        kind = find_algorithm(name)
        shape, _ = spaces_of(suite)
        is_picture = len(shape) == 3 and min(shape[1:]) >= SMALLEST_PICTURE
        usual: dict[str, Any] = {"policy": "CnnPolicy" if is_picture else "MlpPolicy"}
        if issubclass(kind, LifelongPPO):
            config = PPOConfig(num_steps=suite.rollout_steps)
            usual = {"policy": "DualStreamPolicy", "config": config}
        elif issubclass(kind, OnPolicyAlgorithm):
            usual["n_steps"] = suite.rollout_steps
        elif issubclass(kind, OffPolicyAlgorithm):
            usual["buffer_size"] = USUAL_BUFFER
        env = training_env(suite, suite.tasks[0], seed)
        decisions = len(suite.segments) * suite.parts * suite.part_steps
        try:
            kind = scheduled(kind, decisions)
            self.algorithm = kind(env=env, seed=seed, device=device, **usual | knobs)
            self._check_rollouts()
        except (AssertionError, TypeError, ValueError, KeyError, MemoryError) as error:
            reason = str(error).partition("\n")[0]
            raise ValueError(f"{name} cannot learn the tasks of {suite.name}: {reason}") from None
        self.algorithm.set_logger(no_logger())

    def _check_rollouts(self) -> None:
        steps, name, own = self.suite.part_steps // self.suite.num_rows, "n_steps", 1
        if isinstance(self.algorithm, LifelongPPO):
            own = self.algorithm.config.num_steps
        elif isinstance(self.algorithm, OnPolicyAlgorithm):
            own = self.algorithm.n_steps
        elif isinstance(self.algorithm, OffPolicyAlgorithm):
            name, freq = "train_freq", self.algorithm.train_freq
            if not isinstance(freq, TrainFreq) or freq.unit != TrainFrequencyUnit.STEP:
                raise ValueError(f"train_freq must count steps, not be {freq}")
            own = freq.frequency
        if own < 1 or steps % own:
            raise ValueError(f"{name} must divide the {steps} steps of a part, not be {own}")

    def learn(self, task: int, seed: int) -> None:
        """The algorithm's own `learn`, in new games."""
        env = training_env(self.suite, self.suite.tasks[task], seed)
        self.algorithm.set_env(env, force_reset=True)
        self.algorithm.set_random_seed(seed)  # and the environment's
        self.algorithm.learn(self.suite.part_steps, reset_num_timesteps=False)

    def actor(self, task: int) -> Actor:
        """The algorithm as it is."""
        return PeerActor(self.algorithm, replaces=self.suite.columns[task].is_game)

    @property
    def replay_bytes(self) -> int:
        """Of the replay buffer's arrays, if it has one."""
        buffer = getattr(self.algorithm, "replay_buffer", None)
        arrays = vars(buffer).values() if buffer is not None else ()
        return sum(part.nbytes for part in arrays if isinstance(part, np.ndarray))

    def state_dict(self) -> Tree:
        """The algorithm's own file, byte by byte, and its replay buffer's."""
        with tempfile.TemporaryDirectory() as folder:
            algorithm, buffer = _files_in(folder)
            self.algorithm.save(algorithm)
            if isinstance(self.algorithm, OffPolicyAlgorithm):
                self.algorithm.save_replay_buffer(buffer)
            return {
                path.stem: torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8)
                for path in (algorithm, buffer)
                if path.exists()
            }

    def load_state_dict(self, tree: Tree) -> None:
        """Take it up. SB3's files hold pickles: load none that somebody else has made."""
        env = self.algorithm.get_env()
        with tempfile.TemporaryDirectory() as folder:
            algorithm, buffer = _files_in(folder)
            algorithm.write_bytes(tree["algorithm"].numpy().tobytes())
            self.algorithm = type(self.algorithm).load(algorithm, env, device=self.device)
            self.algorithm.set_logger(no_logger())
            if isinstance(self.algorithm, OffPolicyAlgorithm):
                buffer.write_bytes(tree["buffer"].numpy().tobytes())
                self.algorithm.load_replay_buffer(buffer)


def _files_in(folder: str) -> tuple[Path, Path]:
    return Path(folder) / "algorithm.zip", Path(folder) / "buffer.pkl"
