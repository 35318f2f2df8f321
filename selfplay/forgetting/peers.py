"""Any Stable-Baselines3 algorithm as a method: `module:Class`, with its keyword arguments.

It learns on the Gymnasium views, where an illegal action loses the game unless it knows masks. It
is scored like every other; there an illegal action becomes a legal one by chance.
"""

from __future__ import annotations

import importlib
import inspect
import io
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
from selfplay.forgetting.learners import Learner, Tree, no_logger
from selfplay.forgetting.practice import Actor, spaces_of, training_env
from selfplay.forgetting.suites import Suite

SMALLEST_PICTURE = 36  # pixels: what SB3's convolutions need


def find_algorithm(name: str) -> type[BaseAlgorithm]:
    """The class that `module:Class` names.

    Raises:
        ValueError: in one line, if there is no such module or class, or it is no SB3 algorithm.
    """
    module_name, _, class_name = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ValueError(f"unknown method {name!r}: {error}") from None
    kind = getattr(module, class_name, None)
    if not (inspect.isclass(kind) and issubclass(kind, BaseAlgorithm)):
        raise ValueError(
            f"unknown method {name!r}: {module_name} has no Stable-Baselines3 algorithm "
            f"{class_name!r}"
        )
    return kind


class PeerActor:
    """An SB3 algorithm that plays greedily."""

    def __init__(self, algorithm: BaseAlgorithm) -> None:
        self.algorithm = algorithm
        self._knows_masks = "action_masks" in inspect.signature(algorithm.predict).parameters
        self._state: Any = None
        self._starts: np.ndarray[Any, Any] | None = None

    def decide(self, obs: Observation, moving: Tensor, generator: Generator) -> Tensor:
        """Ask it; what is illegal becomes a legal action by chance."""
        if self._starts is None or len(self._starts) != len(moving):
            self._state, self._starts = None, np.ones(len(moving), np.bool_)
        masks = obs.legal_actions.cpu().numpy()
        known = {"action_masks": masks} if self._knows_masks else {}
        chosen, self._state = self.algorithm.predict(
            obs.frames.cpu().numpy(), self._state, self._starts, deterministic=True, **known
        )
        self._starts = np.zeros(len(moving), np.bool_)
        actions = torch.as_tensor(chosen, dtype=torch.int64, device=obs.legal_actions.device)
        legal = obs.legal_actions.gather(1, actions[:, None])[:, 0]
        drawn = choose(obs.legal_actions.float(), generator)
        return torch.where(legal, actions, drawn)

    def restart(self, rows: Tensor) -> None:
        """New episodes."""
        if self._starts is not None and len(self._starts) == len(rows):
            self._starts |= rows.cpu().numpy()


class Peer(Learner):
    """An SB3 algorithm carried from task to task.

    Args:
        suite: the terms; rows and steps are its, the knobs of learning are the algorithm's own,
            except that on-policy rollouts are as long as ours. Others have to fit a whole number
            of times into a part, or more would be learned from than by everybody else.
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
        policy = knobs.pop("policy", "CnnPolicy" if is_picture else "MlpPolicy")
        if issubclass(kind, OnPolicyAlgorithm):
            knobs = {"n_steps": suite.rollout_steps} | knobs
        env = training_env(suite, suite.tasks[0], seed)
        try:
            self.algorithm = kind(policy, env, seed=seed, device=device, **knobs)
            self._check_rollouts()
        except (AssertionError, TypeError, ValueError, KeyError) as error:
            reason = str(error).partition("\n")[0]
            raise ValueError(f"{name} cannot learn the tasks of {suite.name}: {reason}") from None
        self.algorithm.set_logger(no_logger())

    def _check_rollouts(self) -> None:
        steps, name, own = self.suite.part_steps // self.suite.num_rows, "n_steps", 1
        if isinstance(self.algorithm, OnPolicyAlgorithm):
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
        return PeerActor(self.algorithm)

    @property
    def replay_bytes(self) -> int:
        """Of the replay buffer's arrays, if it has one."""
        buffer = getattr(self.algorithm, "replay_buffer", None)
        arrays = vars(buffer).values() if buffer is not None else ()
        return sum(part.nbytes for part in arrays if isinstance(part, np.ndarray))

    def state_dict(self) -> Tree:
        """SB3's own file, byte by byte, and its replay buffer's."""
        files = {"algorithm": io.BytesIO()}
        self.algorithm.save(files["algorithm"])
        if isinstance(self.algorithm, OffPolicyAlgorithm):
            files["buffer"] = io.BytesIO()
            self.algorithm.save_replay_buffer(files["buffer"])
        return {
            name: torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8)
            for name, file in files.items()
        }

    def load_state_dict(self, tree: Tree) -> None:
        """Take it up. SB3's files hold pickles: load none that somebody else has made."""
        files = {name: io.BytesIO(part.numpy().tobytes()) for name, part in tree.items()}
        env = self.algorithm.get_env()
        self.algorithm = type(self.algorithm).load(files["algorithm"], env, device=self.device)
        self.algorithm.set_logger(no_logger())
        if isinstance(self.algorithm, OffPolicyAlgorithm):
            self.algorithm.load_replay_buffer(files["buffer"])
